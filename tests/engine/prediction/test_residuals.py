"""Correlated residuals have the correlation of their structure, by every route."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.data.design import build
from bayeslme.engine.prediction.residuals import colour_groups
from bayeslme.structures.correlation.positions import CorrelationGroups

TIMES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
STRUCTURES = {
    "corAR1()": [-0.6],
    "corAR1(form = ~ gap | g)": [0.7],
    "corCAR1(form = ~ t | g)": [0.4],
    "corExp(form = ~ t | g)": [1.7],
    "corExp(form = ~ t | g, nugget = TRUE)": [1.7, 0.3],
    "corARMA(p = 2)": [0.5, -0.3],
    "corARMA(q = 2)": [0.4, 0.2],
    "corARMA(p = 1, q = 2)": [0.6, 0.5, -0.2],
    "corARMA(form = ~ gap | g, p = 1, q = 1)": [0.6, 0.4],
    "corCompSymm()": [-0.1],
    "corGaus(form = ~ t | g)": [2.0],
}


def frame() -> pd.DataFrame:
    """Three groups of unequal length, with steps of unequal and of whole length."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": list("aaaaaaabbbbc"), "t": np.r_[TIMES, 1.0, 2.5, 3.0, 6.0, 2.0]})
    data["gap"] = np.r_[1, 2, 4, 5, 6, 9, 10, 1, 2, 3, 4, 7]
    return data.assign(y=rng.normal(size=len(data)))


@pytest.mark.parametrize("text", STRUCTURES)
def test_covariance_is_the_structure_s(text: str) -> None:
    call = f"gls(y ~ 1, correlation = {text.replace('()', '(form = ~ 1 | g)')})"
    if "form" not in call:
        call = call.replace("corARMA(", "corARMA(form = ~ 1 | g, ")
    bound = build_parameters(build(bayeslme.translate(call), frame())).problem.correlation
    assert bound is not None
    lattice: CorrelationGroups = bound.coords
    par = np.array([STRUCTURES[text], np.multiply(STRUCTURES[text], 0.9)])
    unit = np.eye(lattice.n)[:, None, :]
    factor = colour_groups(bound.structure, par, lattice, unit)  # (n, 2, n)
    got = np.einsum("isj,isk->sjk", factor, factor)
    white, _ = bound.structure.whiten_dense(
        np.broadcast_to(np.eye(lattice.n), got.shape), par, lattice
    )
    want = np.linalg.inv(white @ np.swapaxes(white, -1, -2))  # white is L^-1, turned
    np.testing.assert_allclose(got, want, atol=1e-10)


@pytest.mark.parametrize("text", ["corAR1(form = ~ t)", "corARMA(form = ~ t, p = 1, q = 1)"])
def test_long_series_cost_little(text: str) -> None:
    """Dense factors of 1,000 draws of 500 rows took more than a minute."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"t": np.arange(500), "y": rng.normal(size=500)})
    parameters = build_parameters(
        build(bayeslme.translate(f"gls(y ~ 1, correlation = {text})"), data)
    )
    bound = parameters.problem.correlation
    assert bound is not None
    par = np.full((1000, len(bound.free)), 0.5)
    start = time.process_time()
    drawn = colour_groups(bound.structure, par, bound.coords, rng.normal(size=(1000, 500)))
    assert time.process_time() - start < 5.0
    assert drawn.shape == (1000, 500)
    assert drawn.std() == pytest.approx(1.0, rel=0.02)
