"""Collect what the printed page of a fit shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import CorrelationCoords, VarianceCoords
from bayeslme.fit.components import describe, level_axes
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


def named(bound: Bound | None, values: npt.NDArray[np.float64] | None) -> pd.Series:
    """All natural parameters of a structure, held ones included, under nlme's names."""
    if bound is None or values is None:
        return pd.Series(dtype=float)
    return pd.Series(np.asarray(values, float), index=list(bound.names))


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
    if _one_row_each(fit):
        found.append(
            f"every group of {fit.design.levels[-1].group} has one row: its variance and that of "
            "the residuals are not told apart"
        )
    return tuple(found)


def _one_row_each(fit: Fit) -> bool:
    levels, spec = fit.design.levels, fit.spec
    plain = spec.weights is None and spec.correlation is None and not fit.estimate.sigma_held
    return bool(levels) and plain and len(levels[-1].labels) == fit.nobs
