"""Collect what the printed page of a fit shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import CorrelationCoords, VarianceCoords
from bayeslme.fit.components import describe, flat_note, level_axes
from bayeslme.fit.residuals import quantiles
from bayeslme.fit.varcorr import nested_name, varcorr
from bayeslme.report.records import CorrelationPart, Page, VariancePart
from bayeslme.spec.deparse import deparse
from bayeslme.spec.formula import parse_formula
from bayeslme.spec.lmer import write_formula
from bayeslme.structures import Bound, CorARMA, CorSymm, VarComb, VarFunc
from bayeslme.structures.symmetric import matrix_of

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

AS_WELL = 0.1  # in log-likelihood: no data tell two models apart by it


def named(bound: Bound | None, values: npt.NDArray[np.float64] | None) -> pd.Series:
    """All natural parameters of a structure, held ones included, under nlme's names."""
    if bound is None or values is None:
        return pd.Series(dtype=float)
    printed = np.asarray(bound.printed(np.asarray(values, float)), float)
    return pd.Series(printed, index=list(bound.names))


def correlation_part(fit: Fit) -> CorrelationPart | None:
    """The correlation structure as printed; nlme fills in the groups that the call leaves out."""
    structure, coords = fit.spec.correlation, fit.design.correlation
    if structure is None or coords is None:
        return None
    orders = (structure.p, structure.q) if isinstance(structure, CorARMA) else None
    matrix = _matrix(fit) if isinstance(structure, CorSymm) else None
    coef = fit.correlation_coef
    return CorrelationPart(structure.r_name, _formula(structure.form, coords), coef, orders, matrix)


def _formula(form: Any, coords: CorrelationCoords) -> str:
    formula = parse_formula(str(form))
    groups = "/".join(coords.groups)
    return f"~{deparse(formula.rhs)} | {groups}" if groups else f"~{deparse(formula.rhs)}"


def _matrix(fit: Fit) -> pd.DataFrame:
    matrix = matrix_of(fit.correlation_coef.to_numpy())
    names = range(1, len(matrix) + 1)
    return pd.DataFrame(matrix, names, names)


def variance_parts(fit: Fit) -> tuple[VariancePart, ...]:
    """The variance function as printed, one part for each component of a VarComb."""
    structure, coords = fit.spec.weights, fit.design.variance_parts
    if structure is None:
        return ()
    all_coef = named(fit.estimate.problem.variance, fit.estimate.varfunc)
    if not isinstance(structure, VarComb):
        return (_variance_part(structure, coords[0], all_coef),)
    parts = []
    for k, (function, own) in enumerate(zip(structure.functions, coords, strict=True)):
        prefix = f"{chr(65 + k)}."
        chosen = [name for name in all_coef.index if name.startswith(prefix)]
        coef = all_coef[chosen].rename(lambda name: str(name)[2:])
        parts.append(_variance_part(function, own, coef))
    return tuple(parts)


def _variance_part(structure: VarFunc, coords: VarianceCoords, coef: pd.Series) -> VariancePart:
    formula = str(parse_formula(str(structure.form)))
    return VariancePart(structure.r_name, formula, coef, len(coords.strata) > 1)


def page(fit: Fit, fixed: pd.DataFrame, corr: pd.DataFrame) -> Page:
    """Page of a fit.

    Parameters
    ----------
    fit : Fit
    fixed : DataFrame, shape (p, 3 to 5)
        Table of coefficients.
    corr : DataFrame, shape (p, p)
        Their correlation.

    Returns
    -------
    Page
    """
    spec, design = fit.spec, fit.design
    groups = {nested_name(design, k): len(design.levels[k].labels) for k in design.shown}
    return Page(
        kind=fit.kind,
        method=fit.method,
        formula=write_formula(spec) if fit.as_lme4 else str(spec.fixed),
        data=spec.data,
        subset=None if spec.subset is None else deparse(spec.subset),
        criteria=pd.Series({"AIC": fit.aic, "BIC": fit.bic, "logLik": fit.loglik}),
        fixed=fixed,
        fixed_corr=corr,
        random=varcorr(fit).parts,
        correlation=correlation_part(fit),
        variance=variance_parts(fit),
        quantiles=quantiles(fit),
        sigma=fit.sigma,
        nobs=fit.nobs,
        groups=pd.Series(groups, dtype=int),
        notes=notes(fit),
        as_lme4=fit.as_lme4,
    )


def notes(fit: Fit) -> tuple[str, ...]:
    """What a reader must know: a search that did not settle, empty or unidentified variances."""
    found = [] if fit.converged else [f"the fit did not converge: {fit.estimate.message}"]
    for level in level_axes(fit):
        if level.zero:
            zero = ", ".join(level.zero)
            found.append(f"the variance of {zero} in {level.group} is estimated as zero")
        if len(level.empty) > len(level.zero):
            found.append(f"{describe(level)[-1]}; see fit.singular()")
    found += [str(fit.design.origins[name]) for name in fit.design.counted]
    bound = fit.estimate.problem.correlation
    if bound is not None and bound.two_signs:
        turning = [n for n, t in zip(bound.names, bound.mirrored, strict=True) if t]
        found.append(
            f"all times within groups are even steps apart, which does not tell the sign of "
            f"{', '.join(turning)}: the positive one is given"
        )
    if _one_row_each(fit):
        found.append(
            f"every group of {fit.design.levels[-1].group} has one row: its variance and that of "
            "the residuals are not told apart, only their sum"
        )
    elif fit.estimate.problem.size and fit.information.flat:
        found.append(flat_note(fit.information.flat))
    return (*found, *_remarks(fit))


def _remarks(fit: Fit) -> list[str]:
    """What the structures of the rows say of their own estimates."""
    found, problem = fit.estimate, fit.estimate.problem
    rows = (
        ("corstruct", problem.correlation, found.corstruct),
        ("varfunc", problem.variance, found.varfunc),
    )
    return [
        text
        for name, bound, values in rows
        if bound is not None and values is not None
        for text in bound.structure.remarks(values, _errors(fit, name, bound), bound.coords)
    ]


def _errors(fit: Fit, name: str, bound: Bound) -> npt.NDArray[np.float64]:
    """Standard errors of a structure's parameters on the interval scale; NaN for held ones."""
    out = np.full(len(bound.parameters), np.nan)
    for part in fit.information.parts if len(bound.free) else ():
        if part.name == name:
            inside = part.place >= 0
            squares = np.diagonal(fit.information.cov)[part.place[inside]]
            out[bound.free[inside]] = np.sqrt(np.maximum(squares, 0.0))
    return np.full_like(out, np.inf) if name == "corstruct" and _has_twin(fit, bound) else out


def _has_twin(fit: Fit, bound: Bound) -> bool:
    """Whether very different parameters fit as well; random effects may not stand in for them."""
    found = fit.estimate
    own = found.corstruct
    if own is None or not len(bound.free) or found.problem.stages or found.density is not None:
        return False
    other = bound.structure.twin(own)
    if np.array_equal(other, own) or not bound.parameters[0].support.contains(float(other[0])):
        return False
    theta = found.theta.copy()
    theta[found.problem.theta_correlation] = bound.to_free(other)
    return bool(found.likelihood()(theta[None])[0] > found.loglik - AS_WELL)


def _one_row_each(fit: Fit) -> bool:
    levels, spec = fit.design.levels, fit.spec
    plain = spec.weights is None and spec.correlation is None and not fit.estimate.sigma_held
    return bool(levels) and plain and len(levels[-1].labels) == fit.nobs
