"""Tables that stand alone: analysis of variance, comparison, components, intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from bayeslme.report.grid import grid, named, number_grid
from bayeslme.report.numbers import column_texts, format_numbers
from bayeslme.report.parts import corr_columns
from bayeslme.report.records import RandomPart


def table_text(table: pd.DataFrame, heading: str = "", notes: Sequence[str] = ()) -> str:
    """Print a table, each column with its own decimals, p-values as such; missing cells are blank.

    Parameters
    ----------
    table : DataFrame
    heading : str
        Lines above the table.
    notes : sequence of str
        Lines below it.

    Returns
    -------
    str
    """
    cells = [column_texts(table[c]) for c in table.columns]
    body = grid([str(i) for i in table.index], [str(c) for c in table.columns], cells)
    head = [heading] if heading else []
    return "\n".join([*head, body, *(f"Note: {note}" for note in notes)])


def _structure(part: RandomPart) -> str:
    return ", ".join(f"{block.r_name}({block.rhs})" for block in part.blocks)


def _correlations(part: RandomPart) -> list[list[str]]:
    one = len(part.blocks) == 1 and part.blocks[0].style != "row"
    return corr_columns(part.blocks[0]) if one else []


def _part_rows(part: RandomPart, numbers: Iterator[tuple[str, str]]) -> list[list[str]]:
    """Rows of a level: effect, variance, deviation, correlations."""
    names = [str(i) for block in part.blocks for i in block.sd.index]
    corr = _correlations(part)
    return [[name, *next(numbers), *(c[i] for c in corr)] for i, name in enumerate(names)]


def varcorr_text(parts: Sequence[RandomPart], sigma: float) -> str:
    """Print variances, standard deviations and correlations of every level."""
    sd = [float(v) for part in parts for block in part.blocks for v in block.sd] + [sigma]
    numbers = zip(format_numbers(np.square(sd)), format_numbers(sd), strict=True)
    rows: list[list[str]] = []
    for part in parts:
        rows += [[f"{part.group} =", _structure(part)]] if len(parts) > 1 else []
        rows += _part_rows(part, numbers)
    rows.append(["Residual", *next(numbers)])
    width = max(map(len, rows))
    heads = ["Variance", "StdDev", "Corr", *[""] * width][: width - 1]
    filled = [row + [""] * (width - len(row)) for row in rows]
    columns = [list(column) for column in zip(*filled, strict=True)]
    body = grid(columns[0], heads, columns[1:], left=True)
    return body if len(parts) != 1 else f"{parts[0].group} = {_structure(parts[0])} \n{body}"


def intervals_text(
    parts: Mapping[str, pd.DataFrame],
    level: float,
    kind: str,
    notes: Sequence[str] = (),
) -> str:
    """Print intervals part by part.

    Parameters
    ----------
    parts : mapping
        ``"fixed"``, group names (outermost first), ``"corstruct"``, ``"varfunc"``, ``"sigma"`` to
        tables with columns lower, est., upper.
    level : float
        Confidence level.
    kind : {"lme", "gls", "lm"}
    notes : sequence of str
        What the reader must know of the limits.

    Returns
    -------
    str
    """
    titles = {
        "fixed": " Fixed effects:" if kind == "lme" else " Coefficients:",
        "corstruct": " Correlation structure:",
        "varfunc": " Variance function:",
    }
    texts = [f"Approximate {format_numbers([100 * level])[0]}% confidence intervals"]
    groups = [key for key in parts if key not in {*titles, "sigma"}]
    if "fixed" in parts:
        texts.append(f"{titles['fixed']}\n{number_grid(parts['fixed'])}")
    if groups:
        body = "\n".join(f"  Level: {g} \n{number_grid(parts[g])}" for g in groups)
        texts.append(f" Random Effects:\n{body}")
    texts += [
        f"{titles[k]}\n{number_grid(parts[k])}" for k in ("corstruct", "varfunc") if k in parts
    ]
    if "sigma" in parts:
        title = " Within-group standard error:" if kind == "lme" else " Residual standard error:"
        texts.append(f"{title}\n{named(parts['sigma'].iloc[0])}")
    return "\n\n".join([*texts, *(f"Note: {note}" for note in notes)])
