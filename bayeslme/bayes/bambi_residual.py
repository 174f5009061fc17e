"""Variance functions as bambi's log-linear model of the residual standard deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from bayeslme.bayes.formulae import Speller, quoted
from bayeslme.bayes.layout import Layout
from bayeslme.data.factors import Factor, drop_unused
from bayeslme.data.types import FloatArray, VarianceCoords
from bayeslme.errors import SpecError
from bayeslme.spec.expr import Name
from bayeslme.spec.formula import parse_formula
from bayeslme.structures import VarExp, VarFixed, VarFunc, VarIdent, VarPower


@dataclass(frozen=True, slots=True)
class Residual:
    """Bambi's log-linear model of sigma, for a variance function.

    Attributes
    ----------
    label : str
        The variance function, for errors.
    rhs : str
        Its formula, ``"1 + Sex"``.
    columns : (n, k) array
        log sd = log sigma + columns @ coefficients + offset.
    offset : (n,) array
    logs : bool
        Whether the coefficients are logs of the parameters.
    """

    label: str
    rhs: str
    columns: FloatArray
    offset: FloatArray
    logs: bool


def residual_of(layout: Layout, speller: Speller) -> Residual | None:
    """Write a variance function as a model of log(sigma).

    Parameters
    ----------
    layout : Layout
    speller : Speller

    Returns
    -------
    Residual or None
        None where sigma is one number.

    Raises
    ------
    SpecError
        For a variance function that is not log-linear in its parameters.
    """
    weights, bound = layout.design.spec.weights, layout.problem.variance
    coords = layout.design.variance
    if weights is None or (isinstance(weights, VarIdent) and layout.varfunc is None):
        return None
    if not isinstance(coords, VarianceCoords):
        _no_counterpart(weights, "a product")
    if bound is None or layout.problem.waiting:
        _no_counterpart(weights, "fitted values")
    if layout.held_sigma is not None:
        _no_counterpart(weights, "a held sigma beside it")
    if isinstance(weights, VarIdent):
        held = sum(p.held for p in bound.parameters)
        free = [bound.parameters[j].name for j in bound.free]
        return _by_stratum(weights, coords, free, speller) if held == 1 else _held(weights)
    if coords.covariate is None or len(coords.strata) > 1:
        _no_counterpart(weights, "strata")
    n, rhs = len(coords.covariate), parse_formula(weights.form).rhs
    none = np.zeros(n)
    text = speller.number(rhs)
    if isinstance(weights, VarFixed):
        half = 0.5 * np.log(coords.covariate)
        return Residual(
            "varFixed", f"1 + offset(np.log({text}) / 2)", np.zeros((n, 0)), half, False
        )
    if len(bound.free) != 1:
        _held(weights)
    if isinstance(weights, VarPower):
        column = np.log(np.abs(coords.covariate))[:, None]
        return Residual("varPower", f"1 + np.log(np.abs({text}))", column, none, False)
    if isinstance(weights, VarExp):
        term = text if isinstance(rhs, Name) else f"I({text})"
        return Residual("varExp", f"1 + {term}", coords.covariate[:, None], none, False)
    _no_counterpart(weights, "sums of standard deviations")


def _by_stratum(
    weights: VarIdent, coords: VarianceCoords, free: list[str], speller: Speller
) -> Residual:
    groups = parse_formula(weights.form).groups
    own = [column for group in groups for column in speller.group_columns(group)]
    if len(own) > 1:
        _no_counterpart(weights, "strata of several factors")
    columns = np.stack([coords.stratum == coords.strata.index(s) for s in free], axis=1)
    reference = next(s for s in coords.strata if s not in free)
    rhs = f"1 + {_stratum_term(speller, own[0], reference)}"
    return Residual("varIdent", rhs, columns.astype(float), np.zeros(len(columns)), True)


def _stratum_term(speller: Speller, name: str, reference: str) -> str:
    """Treatment contrasts of a column against one of its levels."""
    column = speller.columns[name]
    if not isinstance(column, Factor):
        return f"T({quoted(name)}, {float(reference):g})"
    if drop_unused(column).levels[0] == reference:
        return quoted(name)
    if "'" in reference or '"' in reference:
        msg = f"to_bambi: the stratum {reference} of varIdent has a quote in its name; rename it"
        raise SpecError(msg)
    return f"T({quoted(name)}, '{reference}')"


def _held(weights: VarFunc) -> NoReturn:
    _no_counterpart(weights, "parameters that are held")


def _no_counterpart(weights: VarFunc, what: str) -> NoReturn:
    msg = (
        f"to_bambi: weights: bambi's model of log(sigma) has no counterpart of {weights.r_name} "
        f"with {what}; use to_pymc()"
    )
    raise SpecError(msg)
