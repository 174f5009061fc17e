"""Tables that stand alone: tests, comparisons, components, intervals, the bootstrap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from bayeslme.report.export import Exported
from bayeslme.report.grid import grid, named, number_grid
from bayeslme.report.html import frames_html, html_table, note_html, wrap
from bayeslme.report.numbers import column_texts, format_numbers
from bayeslme.report.parts import corr_columns
from bayeslme.report.records import RandomPart
from bayeslme.report.settings import REPORT


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


TITLE = "Principal components of the random effects, relative to the residual deviation"
NOTHING = "No direction of the random effects is empty."
SIMPLER = "Simpler random effects"
NONE = "No random effects."


class Axes(Protocol):
    """What is shown of a level."""

    @property
    def sd(self) -> pd.Series:
        """Standard deviations of the components."""

    @property
    def rotation(self) -> pd.DataFrame:
        """Effects by components."""

    @property
    def proportion(self) -> pd.Series:
        """Shares of the components."""


def component_table(level: Axes) -> pd.DataFrame:
    """Deviations, shares and loadings of the components of a level, columns PC1, PC2, ..."""
    top = pd.DataFrame({"Standard deviation": level.sd, "Proportion of variance": level.proportion})
    return pd.concat([top.T, level.rotation]).round(4)


def _modes_heading(prior: str | None) -> str:
    return f"Estimates and posterior mode under {prior} priors"


def singular_text(
    levels: Mapping[str, Axes],
    notes: Sequence[str],
    alternatives: pd.DataFrame | None,
    modes: pd.DataFrame | None,
    prior: str | None,
) -> str:
    """Lay out the report.

    Parameters
    ----------
    levels : mapping of str to level, outermost first
    notes : sequence of str
    alternatives, modes : DataFrame or None
        Simpler models; estimates beside posterior modes.
    prior : str or None
        Name of the priors of the modes.

    Returns
    -------
    str
    """
    if not levels:
        return NONE
    parts = [TITLE]
    parts += [f"{group}\n{number_grid(component_table(one))}" for group, one in levels.items()]
    parts.append("\n".join(notes) if notes else NOTHING)
    if alternatives is not None:
        parts.append(table_text(alternatives, SIMPLER))
    if modes is not None:
        parts.append(f"{_modes_heading(prior)}\n{number_grid(modes)}")
    return "\n\n".join(parts)


def singular_html(
    levels: Mapping[str, Axes],
    notes: Sequence[str],
    alternatives: pd.DataFrame | None,
    modes: pd.DataFrame | None,
    prior: str | None,
) -> str:
    """Lay out the report as HTML; see `singular_text`."""
    if not levels:
        return wrap(f"<p>{NONE}</p>")
    parts = [f"<p>{TITLE}</p>"]
    parts += [html_table(component_table(one), group) for group, one in levels.items()]
    parts += [note_html(note) for note in notes] or [f"<p>{NOTHING}</p>"]
    if alternatives is not None:
        parts.append(html_table(alternatives, SIMPLER))
    if modes is not None:
        parts.append(html_table(modes, _modes_heading(prior)))
    return wrap(*parts)


def _heading(count: int) -> str:
    return f"Parametric bootstrap, {count} replicates, 95% percentile limits"


def _joined(summary: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    table = summary.join(intervals[["lower", "upper"]])
    return table.map(lambda value: float(f"{value:.{REPORT.bootstrap_digits}g}"))


def bootstrap_text(
    summary: pd.DataFrame, intervals: pd.DataFrame, count: int, notes: Sequence[str]
) -> str:
    """Print original, bias, standard error and 95 % percentile limits.

    Parameters
    ----------
    summary : DataFrame
        Columns original, bias, std.error.
    intervals : DataFrame
        Columns lower, est., upper.
    count : int
        Of replicates.
    notes : sequence of str
    """
    body = number_grid(_joined(summary, intervals))
    return "\n".join([_heading(count), body, *(f"Note: {note}" for note in notes)])


def bootstrap_html(
    summary: pd.DataFrame, intervals: pd.DataFrame, count: int, notes: Sequence[str]
) -> str:
    """Make the same a table of HTML; see `bootstrap_text`."""
    return frames_html({_heading(count): _joined(summary, intervals)}, notes)


class Tables(dict[str, pd.DataFrame], Exported):
    """Tables by name, those of the groups of each level, say, or of each coefficient.

    Examples
    --------
    >>> Tables(a=pd.DataFrame({"x": [1.5, 2.0]}, index=["u", "v"]))
    a
        x
    u 1.5
    v 2.0
    """

    def exported(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return self._plain()

    def __str__(self) -> str:
        parts = self._plain().items()
        return "\n\n".join(f"{name}\n{table_text(table)}" for name, table in parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return frames_html(self._plain())

    def _plain(self) -> dict[str, pd.DataFrame]:
        """The tables under headings of one line."""
        return {name: table.set_axis(_heads(table), axis=1) for name, table in self.items()}


def _heads(table: pd.DataFrame) -> list[str]:
    if isinstance(table.columns, pd.MultiIndex):
        return [" ".join(map(str, names)) for names in table.columns]
    return [str(name) for name in table.columns]
