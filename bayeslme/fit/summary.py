"""The summary of a fit: table of coefficients, criteria, components; printed as nlme prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

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
        Columns Value, Std.Error, DF (lme), t-value, p-value.
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


def fixed_table(fit: Fit) -> pd.DataFrame:
    """Table of coefficients with t tests on the denominator degrees of freedom of the fit."""
    value = fit.estimate.beta
    error = np.sqrt(np.diagonal(fit.test_vcov))
    df = fit.degrees.columns
    with np.errstate(divide="ignore"):
        t = value / error
    columns = {"Value": value, "Std.Error": error, "DF": df, "t-value": t, "p-value": t_tail(t, df)}
    table = pd.DataFrame(columns, index=list(fit.design.x_names))
    return table if fit.kind == "lme" else table.drop(columns="DF")


def fixed_correlation(fit: Fit) -> pd.DataFrame:
    """Correlation of the coefficients."""
    vcov = fit.estimate.vcov
    sd = np.sqrt(np.diagonal(vcov))
    names = list(fit.design.x_names)
    return pd.DataFrame(vcov / np.outer(sd, sd), index=names, columns=names)


def summary(fit: Fit) -> Summary:
    """Summarise a fit.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    Summary

    Notes
    -----
    Under maximum likelihood the standard errors are multiplied by sqrt(n / (n - p)), as nlme does.
    """
    made = page(fit, fixed_table(fit), fixed_correlation(fit))
    return Summary(made.fixed, made.fixed_corr, made.criteria, made.quantiles, made)
