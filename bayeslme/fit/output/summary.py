"""The summary of a fit, and what its printed page shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import CorrelationCoords, VarianceCoords
from bayeslme.fit.inference.degrees import (
    DfMethod,
    SmallSample,
    VcovType,
    of_coefficients,
    small_sample,
)
from bayeslme.fit.inference.hypotheses import t_tail
from bayeslme.fit.settings import SETTINGS
from bayeslme.fit.values.residuals import quantiles
from bayeslme.fit.values.varcorr import describe, flat_note, level_axes, nested_name, varcorr
from bayeslme.formula.deparse import deparse
from bayeslme.formula.formula import parse_formula
from bayeslme.report.export import Exported, page_tables
from bayeslme.report.html import page_html
from bayeslme.report.pages import summary_text
from bayeslme.report.records import CorrelationPart, Page, VariancePart
from bayeslme.spec.lmer import write_formula
from bayeslme.structures import Bound, VarFunc

if TYPE_CHECKING:
    from bayeslme.fit.parameter_verbs import ParameterVerbs


def named(bound: Bound | None, values: npt.NDArray[np.float64] | None) -> pd.Series:
    """All natural parameters of a structure, held ones included, under nlme's names."""
    if bound is None or values is None:
        return pd.Series(dtype=float)
    printed = np.asarray(bound.printed(np.asarray(values, float)), float)
    return pd.Series(printed, index=list(bound.names))


def correlation_part(fit: ParameterVerbs) -> CorrelationPart | None:
    """The correlation structure as printed; nlme fills in the groups that the call leaves out."""
    structure, coords = fit.spec.correlation, fit.design.correlation
    if structure is None or coords is None:
        return None
    coef = fit.correlation_coef
    shared = structure.by is None
    matrix = structure.matrix_shown(coef.to_numpy()) if shared else None
    visits = None if coords.visits is None else coords.visits.levels
    shown = None if matrix is None else _matrix(matrix, visits)
    return CorrelationPart(structure.label, _formula(structure.form, coords), coef, shown)


def _formula(form: Any, coords: CorrelationCoords) -> str:
    formula = parse_formula(str(form))
    groups = "/".join(coords.groups)
    return f"~{deparse(formula.rhs)} | {groups}" if groups else f"~{deparse(formula.rhs)}"


def _matrix(matrix: npt.NDArray[np.float64], visits: tuple[str, ...] | None) -> pd.DataFrame:
    """Correlations among positions, under the labels of the factor that gives them, or numbered."""
    names = pd.Index(visits if visits is not None else range(1, len(matrix) + 1))
    return pd.DataFrame(matrix, names, names)


def variance_parts(fit: ParameterVerbs) -> tuple[VariancePart, ...]:
    """The variance function as printed, one part for each component of a VarComb."""
    structure, coords = fit.spec.weights, fit.design.variance
    if structure is None:
        return ()
    all_coef = named(fit.estimate.problem.variance, fit.estimate.varfunc)
    if not structure.composed:
        return (_variance_part(structure, coords[0], all_coef),)
    parts = []
    for k, (function, own) in enumerate(zip(structure.components, coords, strict=True)):
        prefix = f"{chr(65 + k)}."
        chosen = [name for name in all_coef.index if name.startswith(prefix)]
        coef = all_coef[chosen].rename(lambda name: str(name)[2:])
        parts.append(_variance_part(function, own, coef))
    return tuple(parts)


def _variance_part(structure: VarFunc, coords: VarianceCoords, coef: pd.Series) -> VariancePart:
    formula = str(parse_formula(str(structure.form)))
    several = len(coords.strata) > 1
    differ = ", different strata" if several and not structure.names_strata else ""
    table = several and structure.two_parts
    return VariancePart(f"{structure.label}{differ}", formula, coef, table)


def page(fit: ParameterVerbs, fixed: pd.DataFrame, corr: pd.DataFrame) -> Page:
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


def notes(fit: ParameterVerbs) -> tuple[str, ...]:
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


def _remarks(fit: ParameterVerbs) -> list[str]:
    """What the structures of the rows say of their own estimates."""
    found, problem = fit.estimate, fit.estimate.problem
    rows = ((name, bound, getattr(found, name)) for name, bound, _ in problem.row_structures)
    return [
        text
        for name, bound, values in rows
        if values is not None
        for text in bound.structure.remarks(values, _errors(fit, name, bound), bound.coords)
    ]


def _errors(fit: ParameterVerbs, name: str, bound: Bound) -> npt.NDArray[np.float64]:
    """Standard errors of a structure's parameters on the interval scale; NaN for held ones."""
    out = np.full(len(bound.parameters), np.nan)
    for part in fit.information.parts if len(bound.free) else ():
        if part.name == name:
            inside = part.place >= 0
            squares = np.diagonal(fit.information.cov)[part.place[inside]]
            out[bound.free[inside]] = np.sqrt(np.maximum(squares, 0.0))
    return np.full_like(out, np.inf) if name == "corstruct" and _has_twin(fit, bound) else out


def _has_twin(fit: ParameterVerbs, bound: Bound) -> bool:
    """Whether very different parameters fit as well; random effects may not stand in for them."""
    found = fit.estimate
    own = found.corstruct
    if own is None or not len(bound.free) or found.problem.stages or found.density is not None:
        return False
    support = bound.parameters[0].support
    others = [t for t in bound.structure.twins(own) if support.contains(float(t[0]))]
    if not others:
        return False
    thetas = np.tile(found.theta, (len(others), 1))
    thetas[:, found.problem.theta_correlation] = bound.to_free(np.stack(others))
    values = found.likelihood()(thetas)
    return bool(np.nanmax(values, initial=-np.inf) > found.loglik - SETTINGS.equal_loglik)


def _one_row_each(fit: ParameterVerbs) -> bool:
    levels, spec = fit.design.levels, fit.spec
    plain = spec.weights is None and spec.correlation is None and not fit.estimate.sigma_held
    return bool(levels) and plain and len(levels[-1].labels) == fit.nobs


@dataclass(frozen=True, slots=True)
class Summary(Exported):
    """Summary of a fit.

    Attributes
    ----------
    fixed : DataFrame, shape (p, 5), for gls and lm (p, 4)
        Columns Value, Std.Error, DF (lme, or if asked for), t-value, p-value.
    correlation : DataFrame, shape (p, p)
        Correlation of the coefficients.
    criteria : Series
        AIC, BIC, logLik.
    quantiles : Series
        Minimum, quartiles and maximum of the standardized residuals.
    page : Page
        What is printed.
    """

    fixed: pd.DataFrame
    correlation: pd.DataFrame
    criteria: pd.Series
    quantiles: pd.Series
    page: Page

    def exported(self) -> dict[str, pd.DataFrame]:
        """Coefficients, then standard deviations, then the parameters of the rows' structures."""
        return page_tables(self.page)

    def __str__(self) -> str:
        return summary_text(self.page)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return page_html(self.page)


def fixed_table(fit: ParameterVerbs, method: SmallSample | None = None) -> pd.DataFrame:
    """Table of coefficients with t tests on the denominator degrees of freedom of the fit."""
    value = fit.estimate.beta
    error = np.sqrt(np.diagonal(fit.test_vcov if method is None else method.vcov))
    df = fit.degrees.columns if method is None else of_coefficients(method, len(value))
    with np.errstate(divide="ignore"):
        t = value / error
    columns = {"Value": value, "Std.Error": error, "DF": df, "t-value": t, "p-value": t_tail(t, df)}
    table = pd.DataFrame(columns, index=list(fit.design.x_names))
    return table.drop(columns="DF") if fit.kind != "lme" and method is None else table


def fixed_correlation(fit: ParameterVerbs) -> pd.DataFrame:
    """Correlation of the coefficients."""
    vcov = fit.estimate.vcov
    sd = np.sqrt(np.diagonal(vcov))
    names = list(fit.design.x_names)
    return pd.DataFrame(vcov / np.outer(sd, sd), index=names, columns=names)


def short_page(fit: ParameterVerbs) -> Page:
    """What ``print(fit)`` shows: no tests, so that no degrees of freedom have to be found."""
    table = pd.DataFrame({"Value": fit.estimate.beta}, index=list(fit.design.x_names))
    return page(fit, table, fixed_correlation(fit))


def summary(
    fit: ParameterVerbs, df: DfMethod | None = None, vcov: VcovType | None = None
) -> Summary:
    """Summarise a fit; see `Fit.summary`."""
    method = small_sample(fit, df, vcov)
    made = page(fit, fixed_table(fit, method), fixed_correlation(fit))
    if method is not None:
        made = replace(made, notes=(*made.notes, *method.notes))
    return Summary(made.fixed, made.fixed_corr, made.criteria, made.quantiles, made)
