"""Parts of a page: random effects, correlation structure, variance function."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayeslme.report.grid import grid, named, number_grid
from bayeslme.report.numbers import abbreviate, format_numbers
from bayeslme.report.records import (
    CorrelationPart,
    Page,
    RandomBlock,
    RandomPart,
    VariancePart,
)
from bayeslme.report.settings import REPORT


def lower_triangle(corr: pd.DataFrame) -> list[list[str]]:
    """Cells of a correlation matrix below its diagonal, by columns; the rest blank.

    Returns
    -------
    list of q columns, each a list of q str
    """
    q = len(corr)
    rounded = np.round(corr.to_numpy(float), REPORT.correlation_decimals)
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
