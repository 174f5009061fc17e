"""The bootstrap as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bayeslme.report.grid import number_grid
from bayeslme.report.html import frames_html

DIGITS = 5  # more than a bootstrap gives


def _heading(count: int) -> str:
    return f"Parametric bootstrap, {count} replicates, 95% percentile limits"


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
    body = number_grid(_joined(summary, intervals))
    return "\n".join([_heading(count), body, *(f"Note: {note}" for note in notes)])


def bootstrap_html(
    summary: pd.DataFrame, intervals: pd.DataFrame, count: int, notes: Sequence[str]
) -> str:
    """Make the same a table of HTML; see `bootstrap_text`."""
    return frames_html({_heading(count): _joined(summary, intervals)}, notes)
