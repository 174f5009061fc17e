"""The summary of a fit: table of coefficients, criteria, components; printed as nlme prints it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.fit.denominators import DfMethod, SmallSample, of_coefficients, small_sample
from bayeslme.fit.hypotheses import t_tail
from bayeslme.fit.page import page
from bayeslme.report.html import page_html
from bayeslme.report.pages import summary_text
from bayeslme.report.records import Page

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit


@dataclass(frozen=True, slots=True)
class Summary:
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

    def __str__(self) -> str:
        return summary_text(self.page)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return page_html(self.page)


def fixed_table(fit: Fit, method: SmallSample | None = None) -> pd.DataFrame:
    """Table of coefficients with t tests on the denominator degrees of freedom of the fit."""
    value = fit.estimate.beta
    error = np.sqrt(np.diagonal(fit.test_vcov if method is None else method.vcov))
    df = fit.degrees.columns if method is None else of_coefficients(method, len(value))
    with np.errstate(divide="ignore"):
        t = value / error
    columns = {"Value": value, "Std.Error": error, "DF": df, "t-value": t, "p-value": t_tail(t, df)}
    table = pd.DataFrame(columns, index=list(fit.design.x_names))
    return table.drop(columns="DF") if fit.kind != "lme" and method is None else table


def fixed_correlation(fit: Fit) -> pd.DataFrame:
    """Correlation of the coefficients."""
    vcov = fit.estimate.vcov
    sd = np.sqrt(np.diagonal(vcov))
    names = list(fit.design.x_names)
    return pd.DataFrame(vcov / np.outer(sd, sd), index=names, columns=names)


def short_page(fit: Fit) -> Page:
    """What ``print(fit)`` shows: no tests, so that no degrees of freedom have to be found."""
    table = pd.DataFrame({"Value": fit.estimate.beta}, index=list(fit.design.x_names))
    return page(fit, table, fixed_correlation(fit))


def summary(fit: Fit, df: DfMethod | None = None) -> Summary:
    """Summarise a fit.

    Parameters
    ----------
    fit : Fit
    df : {"inner-outer", "satterthwaite", "kenward-roger"}, optional
        Denominator degrees of freedom of the t tests; "kenward-roger" adjusts the standard errors
        too. The second and third give `gls` a column DF. By default the first, and Satterthwaite's
        for `lmer` and crossed random effects, which the first does not cover.

    Returns
    -------
    Summary

    Notes
    -----
    Under maximum likelihood the standard errors are multiplied by sqrt(n / (n - p)), as nlme does,
    but not those of `lmer`, as lme4 does.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> summary(fit).fixed["t-value"].round(2).to_dict()
    {'(Intercept)': 20.89, 'age': 10.72}
    """
    method = small_sample(fit, df)
    made = page(fit, fixed_table(fit, method), fixed_correlation(fit))
    if method is not None:
        made = replace(made, notes=(*made.notes, *method.notes))
    return Summary(made.fixed, made.fixed_corr, made.criteria, made.quantiles, made)
