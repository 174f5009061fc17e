"""The two pages of a fit: the short one of ``print(fit)`` and the ``summary``."""

from __future__ import annotations

import pandas as pd

from bayeslme.report.grid import grid, named, number_grid
from bayeslme.report.lme4_page import fit_page, summary_page
from bayeslme.report.numbers import abbreviate, format_numbers, format_p_values, format_zapped
from bayeslme.report.parts import lower_triangle, random_text, row_parts_text
from bayeslme.report.records import METHOD, TITLE, Page


def groups_text(nobs: int, groups: pd.Series) -> str:
    """Print the numbers of observations and groups."""
    head = f"Number of Observations: {nobs}\nNumber of Groups: "
    return f"{head}{groups.iloc[0]} " if len(groups) == 1 else f"{head}\n{named(groups)}"


LOGLIK = {"REML": "Log-restricted-likelihood", "MAP": "Log-posterior-density"}


def _head(page: Page) -> list[str]:
    lines = [f"{TITLE[page.kind]} fit by {METHOD.get(page.method, page.method)}"]
    if page.kind != "lme":
        lines.append(f"  Model: {page.formula} ")
    if page.data:
        lines.append(f"  Data: {page.data} ")
    if page.subset:
        lines.append(f"  Subset: {page.subset} ")
    return lines


def _foot(page: Page) -> list[str]:
    if page.kind == "lme":
        return [groups_text(page.nobs, page.groups)]
    residual = page.nobs - len(page.fixed)
    return [f"Degrees of freedom: {page.nobs} total; {residual} residual"]


def _sigma_line(page: Page) -> str:
    return f"Residual standard error: {format_numbers([page.sigma])[0]} "


def coefficients_text(fixed: pd.DataFrame) -> str:
    """Print a table of coefficients; columns are rounded by their largest value."""
    cells = [
        format_p_values(fixed[c], smallest=False) if c == "p-value" else format_zapped(fixed[c])
        for c in fixed.columns
    ]
    return grid([str(i) for i in fixed.index], [str(c) for c in fixed.columns], cells)


def coefficient_correlation_text(corr: pd.DataFrame) -> str:
    """Print the correlation of coefficients below its diagonal, under short names."""
    names = [str(i) for i in corr.index]
    cells = [column[1:] for column in lower_triangle(corr)[:-1]]
    return grid(names[1:], abbreviate(names)[:-1], cells, left=True)


def _criteria(page: Page) -> str:
    return number_grid(pd.DataFrame([page.criteria.to_numpy()], [" "], page.criteria.index))


def _quantiles(page: Page) -> list[str]:
    head = (
        "Standardized Within-Group Residuals:" if page.kind == "lme" else "Standardized residuals:"
    )
    return [head, named(page.quantiles)]


def _notes(page: Page) -> list[str]:
    return ["", *(f"Note: {note}" for note in page.notes)] if page.notes else []


def _correlation(page: Page) -> list[str]:
    if len(page.fixed_corr) == 1:
        return []
    return [" Correlation: ", coefficient_correlation_text(page.fixed_corr)]


def _lme_summary(page: Page) -> list[str]:
    return [
        random_text(page.random, page.sigma),
        *row_parts_text(page),
        f"Fixed effects:  {page.formula} ",
        coefficients_text(page.fixed),
        *_correlation(page),
        "",
        *_quantiles(page),
        "",
        *_foot(page),
    ]


def _gls_summary(page: Page) -> list[str]:
    rows = row_parts_text(page)
    corr = _correlation(page)
    return [
        *rows,
        *([""] if rows else []),
        "Coefficients:",
        coefficients_text(page.fixed),
        *(["", *corr] if corr else []),
        "",
        *_quantiles(page),
        "",
        _sigma_line(page),
        *_foot(page),
    ]


def summary_text(page: Page) -> str:
    """Print the summary of a fit in nlme's layout, or in lme4's.

    Parameters
    ----------
    page : Page

    Returns
    -------
    str
    """
    if page.as_lme4:
        return summary_page(page)
    body = _lme_summary(page) if page.kind == "lme" else _gls_summary(page)
    return "\n".join([*_head(page), _criteria(page), "", *body, *_notes(page)])


def fit_text(page: Page) -> str:
    """Print a fit in short: log-likelihood, coefficients, variance components."""
    if page.as_lme4:
        return fit_page(page)
    name = LOGLIK.get(page.method, "Log-likelihood")
    loglik = f"  {name}: {format_numbers([page.criteria['logLik']])[0]}"
    coef = named(page.fixed["Value"])
    rows = row_parts_text(page)
    if page.kind == "lme":
        body = [
            f"  Fixed: {page.formula} ",
            coef,
            "",
            random_text(page.random, page.sigma),
            *rows,
            *_foot(page),
        ]
    else:
        body = ["", "Coefficients:", coef, "", *rows, *_foot(page), _sigma_line(page)]
    return "\n".join([*_head(page), loglik, *body, *_notes(page)])
