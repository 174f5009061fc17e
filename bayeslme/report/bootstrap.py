"""Bootstrap and simulated tests as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bayeslme.report.grid import number_grid
from bayeslme.report.html import html_table, note_html, wrap
from bayeslme.report.tables import anova_text

DIGITS = 5  # more than a bootstrap gives


def _joined(summary: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    table = summary.join(intervals[["lower", "upper"]])
    return table.map(lambda value: float(f"{value:.{DIGITS}g}"))


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
    head = f"Parametric bootstrap, {count} replicates, 95% percentile limits"
    body = number_grid(_joined(summary, intervals))
    return "\n".join([head, body, *(f"Note: {note}" for note in notes)])


def bootstrap_html(
    summary: pd.DataFrame, intervals: pd.DataFrame, count: int, notes: Sequence[str]
) -> str:
    """Make the same a table of HTML; see `bootstrap_text`."""
    head = f"Parametric bootstrap, {count} replicates, 95% percentile limits"
    return wrap(html_table(_joined(summary, intervals), head), *map(note_html, notes))


def simulated_text(table: pd.DataFrame, heading: str, notes: Sequence[str]) -> str:
    """Print a simulated test: its table below a heading, then notes."""
    return "\n".join([anova_text(table, heading), *(f"Note: {note}" for note in notes)])


def simulated_html(table: pd.DataFrame, heading: str, notes: Sequence[str]) -> str:
    """Make the same HTML; see `simulated_text`."""
    return wrap(html_table(table, heading), *map(note_html, notes))
