"""Correlation matrices, weights and factors at given parameters equal nlme's to 1e-8."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme import structures
from bayeslme.data.types import VarianceCoords
from bayeslme.structures import (
    CorARMA,
    CorNatural,
    CorStruct,
    PdMat,
    VarComb,
    VarFunc,
    correlation_groups,
)
from reference.corpus import family, load_frame, matrix, numbers

CLOSE = {"rtol": 1e-8, "atol": 1e-8}
UNITS = family("units")


def chosen(kind: str) -> list[Any]:
    """Return the units of one kind as test parameters."""
    return [pytest.param(unit, id=unit["id"]) for unit in UNITS if unit["kind"] == kind]


def build(spec: dict[str, Any]) -> Any:
    """Make our structure from nlme's class name and arguments."""
    name = spec["class"][0].upper() + spec["class"][1:]
    if isinstance(spec["args"], list):
        return getattr(structures, name)(*map(build, spec["args"]))
    args = dict(spec["args"])
    if name == "VarFixed":
        args = {"form": args["value"]}
    if isinstance(args.get("value"), dict) and "values" in args["value"]:
        args["value"] = matrix(args["value"])
    return getattr(structures, name)(**args)


def frame_of(unit: dict[str, Any]) -> pd.DataFrame:
    """Return the data of a unit; the help pages' five points on a diagonal are made here."""
    if unit["data"] == "spatDat":
        return pd.DataFrame({"x": np.arange(5) / 4, "y": np.arange(5) / 4})
    return load_frame(unit["data"])


def positions(structure: CorStruct, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the positions of every group, rows in time order; the key is the group's label."""
    covariates, _, group = (part.strip() for part in structure.form.lstrip("~ ").partition("|"))
    columns = [] if covariates == "1" else [name.strip() for name in covariates.split("+")]
    groups = frame.groupby(group, sort=False, observed=True) if group else [("", frame)]
    if columns:
        return {str(g): np.sort(rows[columns].to_numpy(float), axis=0) for g, rows in groups}
    return {str(g): np.arange(len(rows), dtype=float)[:, None] for g, rows in groups}


@pytest.mark.parametrize("unit", chosen("unit_corStruct"))
def test_correlation(unit: dict[str, Any]) -> None:
    structure, want = build(unit["spec"]), unit["result"]
    places = positions(structure, frame_of(unit))
    labels = want["groups"] or [""]
    position = np.concatenate([places[g] for g in labels])
    starts = np.cumsum([0, *(len(places[g]) for g in labels[:-1])])
    lattice = correlation_groups(starts, len(position), position)
    bound = structure.bind(lattice)
    natural = bound.natural(bound.start)

    coef = want["constrained"]
    stored = numbers(list(coef.values()) if isinstance(coef, dict) else coef)
    np.testing.assert_allclose(natural, stored, **CLOSE)

    white, half = structure.whiten(np.eye(len(position)), natural, lattice)
    if isinstance(structure, CorARMA) and structure.q > structure.p >= 1:
        return  # nlme's autocorrelations are wrong from lag p + 1 on
    np.testing.assert_allclose(half.sum(), want["logDet"], **CLOSE)
    inverse = np.linalg.inv(white.T)  # rows of the identity whitened: the columns of L^-1
    correlation = inverse @ inverse.T
    sizes = [len(places[g]) for g in labels]
    first = correlation[: sizes[0], : sizes[0]]
    np.testing.assert_allclose(first, matrix(want["corMatrix_first"]), **CLOSE)
    if want["corMatrix_last"]:
        last = correlation[-sizes[-1] :, -sizes[-1] :]
        np.testing.assert_allclose(last, matrix(want["corMatrix_last"]), **CLOSE)


@pytest.mark.parametrize("unit", chosen("unit_corStruct"))
def test_unconstrained_scale_is_nlmes(unit: dict[str, Any]) -> None:
    structure, want = build(unit["spec"]), unit["result"]["unconstrained"]
    places = list(positions(structure, frame_of(unit)).values())
    starts = np.cumsum([0, *(len(p) for p in places[:-1])])
    bound = structure.bind(
        correlation_groups(starts, sum(map(len, places)), np.concatenate(places))
    )
    stored = numbers(list(want.values()) if isinstance(want, dict) else want)
    ours = bound.start
    if isinstance(
        structure, CorNatural
    ):  # estimated as CorSymm; nlme's scale is that of its intervals
        ours = [p.support.unconstrain(p.start) for p in bound.parameters]
    np.testing.assert_allclose(ours, stored, **CLOSE)


def coordinates(structure: VarFunc, frame: pd.DataFrame) -> Any:
    """Return covariate and strata of a variance function; one for each factor of a product."""
    if isinstance(structure, VarComb):
        return tuple(coordinates(function, frame) for function in structure.functions)
    covariate, _, group = (part.strip() for part in structure.form.lstrip("~ ").partition("|"))
    stratum, strata = np.zeros(len(frame), dtype=int), ("",)
    if group:
        stratum, found = pd.factorize(frame[group].astype(object))
        strata = tuple(str(s if isinstance(s, str) else f"{s:g}") for s in found)
    values = None if covariate == "1" else frame[covariate].to_numpy(float)
    return VarianceCoords(values, "data", None, stratum, strata)


@pytest.mark.parametrize("unit", chosen("unit_varFunc"))
def test_weights(unit: dict[str, Any]) -> None:
    structure, want = build(unit["spec"]), unit["result"]
    coords = coordinates(structure, frame_of(unit))
    bound = structure.bind(coords)
    natural = bound.natural(bound.start)
    stored = want["coef_all"] or {}
    ours = dict(zip(bound.names, natural, strict=True))
    if len(stored) == len(ours):
        assert set(ours) == set(stored)
    np.testing.assert_allclose([ours[n] for n in stored], numbers(list(stored.values())), **CLOSE)
    log_sd = np.broadcast_to(structure.log_sd(natural, coords), len(frame_of(unit)))
    if unit["id"] == "u_vf_ConstProp":  # nlme leaves this class's weights at 1 until it is fitted
        age = coords.covariate
        np.testing.assert_allclose(np.exp(2 * log_sd), 1.5**2 + (0.2 * age) ** 2, **CLOSE)
        return
    np.testing.assert_allclose(np.exp(-log_sd), numbers(want["varWeights"]), **CLOSE)
    np.testing.assert_allclose(-log_sd.sum(), want["logLik"], **CLOSE)


@pytest.mark.parametrize("unit", chosen("unit_pdMat"))
def test_factors(unit: dict[str, Any]) -> None:
    structure, want = build(unit["spec"]), unit["result"]
    assert isinstance(structure, PdMat)
    cov = np.array(matrix(want["matrix"]))
    q = len(cov)
    np.testing.assert_allclose(np.array(structure.value), cov, **CLOSE)
    for basis in (np.eye(q), np.diag(np.arange(1.0, q + 1))):
        relative = np.linalg.solve(basis, structure.factor(structure.nearest(cov, basis), basis))
        np.testing.assert_allclose(relative @ relative.T, cov, **CLOSE)
    factor = structure.natural_factor(structure.to_natural(cov), q)
    np.testing.assert_allclose(factor @ factor.T, cov, **CLOSE)
    np.testing.assert_allclose(np.linalg.slogdet(factor)[1], want["logDet"], **CLOSE)
    theirs = np.array(matrix(want["factor"]))
    np.testing.assert_allclose(theirs.T @ theirs, factor @ factor.T, **CLOSE)


@pytest.mark.parametrize(
    "unit", [p for p in chosen("unit_pdMat") if p.values[0]["spec"]["class"] == "pdNatural"]
)
def test_natural_parameters(unit: dict[str, Any]) -> None:
    structure, want = build(unit["spec"]), unit["result"]
    cov = np.array(matrix(want["matrix"]))
    scale = [p.support for p in structure.natural_parameters(("(Intercept)", "x", "y"), "~x + y")]
    values = structure.to_natural(cov)
    ours = [support.unconstrain(v) for support, v in zip(scale, values, strict=True)]
    np.testing.assert_allclose(ours, numbers(want["unconstrained"]), **CLOSE)
