"""The two pages of a fit: the short one of ``print(fit)`` and the ``summary``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayeslme.report.grid import grid, named, number_grid
from bayeslme.report.numbers import abbreviate, format_numbers, format_p_values, format_zapped
from bayeslme.report.records import (
    METHOD,
    TITLE,
    CorrelationPart,
    Page,
    RandomBlock,
    RandomPart,
    VariancePart,
)

CORRELATION_DECIMALS = 3


def lower_triangle(corr: pd.DataFrame) -> list[list[str]]:
    """Cells of a correlation matrix below its diagonal, by columns; the rest blank.

    Returns
    -------
    list of q columns, each a list of q str
    """
    q = len(corr)
    rounded = np.round(corr.to_numpy(float), CORRELATION_DECIMALS)
    texts = np.array(format_numbers(rounded.ravel())).reshape(q, q)
    return [[str(texts[i, j]) if i > j else "" for i in range(q)] for j in range(q)]


def corr_columns(block: RandomBlock) -> list[list[str]]:
    """Columns of correlations beside the standard deviations: q - 1 of q cells.

    The first row, which has no correlations, holds short names of the columns; not so under
    compound symmetry.
    """
    columns = lower_triangle(block.corr)[:-1]
    if block.style == "general":
        short = abbreviate([str(i) for i in block.sd.index])
        columns = [[name, *column[1:]] for name, column in zip(short, columns, strict=False)]
    return columns


def _deviations(block: RandomBlock, residual: float | None) -> str:
    sd = block.sd if residual is None else pd.concat([block.sd, pd.Series({"Residual": residual})])
    if block.style == "row":
        return number_grid(pd.DataFrame([sd.to_numpy()], index=["StdDev:"], columns=sd.index))
    blank = [""] * (residual is not None)
    corr = [[*column, *blank] for column in corr_columns(block)]
    heads = ["StdDev", "Corr"] + [""] * (len(corr) - 1)
    return grid([str(i) for i in sd.index], heads, [format_numbers(sd), *corr], left=True)


def _block_text(block: RandomBlock, residual: float | None) -> str:
    lines = [f" Formula: {block.formula}"]
    if len(block.sd) > 1:
        lines.append(f" Structure: {block.description or block.r_name}")
    return "\n".join([*lines, _deviations(block, residual)]) + "\n"


def _part_text(part: RandomPart, residual: float | None) -> str:
    if len(part.blocks) == 1:
        return _block_text(part.blocks[0], residual)
    texts = [" Composite Structure: Blocked\n"]
    for k, block in enumerate(part.blocks, start=1):
        title = f" Block {k}: {', '.join(map(str, block.sd.index))}\n"
        texts.append(title + _block_text(block, residual if k == len(part.blocks) else None))
    return "\n".join(texts)


def random_text(parts: Sequence[RandomPart], sigma: float) -> str:
    """Print the random effects of every level; the residual stands in the innermost."""
    last = len(parts) - 1
    texts = [_part_text(part, sigma if k == last else None) for k, part in enumerate(parts)]
    return "\n".join(["Random effects:", "\n".join(texts)])


def correlation_text(part: CorrelationPart) -> str:
    """Print a correlation structure."""
    lines = [
        f"Correlation Structure: {part.label}",
        f" Formula: {part.formula} ",
        " Parameter estimate(s):",
    ]
    if part.matrix is None:
        return "\n".join([*lines, named(part.coef)])
    labels = [str(i) for i in part.matrix.index]
    cells = [column[1:] for column in lower_triangle(part.matrix)[:-1]]
    return "\n".join([*lines, " Correlation: ", grid(labels[1:], labels[:-1], cells, left=True)])


def _one_variance(part: VariancePart) -> list[str]:
    lines = [f" Structure: {part.label}", f" Formula: {part.formula} "]
    if not len(part.coef):
        return lines
    values = number_grid(_by_stratum(part.coef)) if part.by_stratum else named(part.coef)
    return [*lines, " Parameter estimates:", values]


def _by_stratum(coef: pd.Series) -> pd.DataFrame:
    """``const.a, const.b, power.a, power.b`` with a row for each kind."""
    kinds, _, strata = zip(*(str(name).partition(".") for name in coef.index), strict=True)
    rows, columns = dict.fromkeys(kinds), dict.fromkeys(strata)
    values = coef.to_numpy().reshape(len(rows), len(columns))
    return pd.DataFrame(values, index=list(rows), columns=list(columns))


def variance_text(parts: Sequence[VariancePart]) -> str:
    """Print a variance function, or the components of a combined one."""
    head = "Variance function:" if len(parts) == 1 else "Combination of variance functions: "
    return "\n".join([head, *(line for part in parts for line in _one_variance(part))])


def row_parts_text(page: Page) -> list[str]:
    """Correlation structure and variance function, where there are any."""
    texts = [] if page.correlation is None else [correlation_text(page.correlation)]
    return [*texts, variance_text(page.variance)] if page.variance else texts


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
    """Print the summary of a fit in nlme's layout.

    Parameters
    ----------
    page : Page

    Returns
    -------
    str
    """
    body = _lme_summary(page) if page.kind == "lme" else _gls_summary(page)
    return "\n".join([*_head(page), _criteria(page), "", *body, *_notes(page)])


def fit_text(page: Page) -> str:
    """Print a fit in short: log-likelihood, coefficients, variance components."""
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
