"""Tables of ready cells, wrapped to the page as R wraps them.

The page is as wide as pandas' own (``pandas.set_option("display.width", 120)``), by default 80.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bayeslme.report.numbers import format_numbers
from bayeslme.report.settings import REPORT


def _lay(cells: Sequence[str], width: int, left: bool) -> list[str]:
    return [c.ljust(width) if left else c.rjust(width) for c in cells]


def page_width() -> int:
    """Columns of the page."""
    return pd.get_option("display.width") or REPORT.page_width


def _panels(label: int, widths: Sequence[int]) -> list[range]:
    """Split columns into runs that fit beside the row labels."""
    page = page_width()
    runs, start, used = [], 0, label
    for j, width in enumerate(widths):
        if j > start and used + 1 + width >= page:  # a line that is just full is none of R's
            runs.append(range(start, j))
            start, used = j, label
        used += 1 + width
    runs.append(range(start, len(widths)))
    return runs


def grid(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    left: bool = False,
) -> str:
    """Print a table of strings.

    Parameters
    ----------
    rows : sequence of str, length n
        Row labels, always left-aligned.
    columns : sequence of str, length k
        Column headings.
    cells : sequence of k columns, each a sequence of n str
        The table by columns.
    left : bool
        Align cells and headings to the left, as R does for a matrix of strings; else to the right.

    Returns
    -------
    str
        Lines joined by newlines, without a last one.
    """
    label = max(map(len, rows), default=0)
    names = [r.ljust(label) for r in rows]
    widths = [max(len(h), *map(len, c), 0) for h, c in zip(columns, cells, strict=True)]
    lines = []
    for panel in _panels(label, widths):
        laid = [_lay([columns[j], *cells[j]], widths[j], left) for j in panel]
        lines += [" ".join(line) for line in zip([" " * label, *names], *laid, strict=True)]
    return "\n".join(lines)


def number_grid(frame: pd.DataFrame) -> str:
    """Print a table of numbers, every column with its own decimals."""
    cells = [format_numbers(frame.iloc[:, j]) for j in range(frame.shape[1])]
    return grid([str(i) for i in frame.index], [str(c) for c in frame.columns], cells)


def named(values: pd.Series) -> str:
    """Print a named vector: names above values, as many to a line as the page holds.

    Examples
    --------
    >>> print(named(pd.Series({"Male": 1.0, "Female": 0.4678944})))
         Male    Female
    1.0000000 0.4678944
    """
    names = [str(i) for i in values.index]
    texts = format_numbers(values)
    width = max(map(len, [*names, *texts]), default=0)
    step = max(page_width() // (width + 1), 1)
    lines = []
    for i in range(0, len(names), step):
        lines += ["".join(f"{c:>{width}} " for c in part[i : i + step]) for part in (names, texts)]
    return "\n".join(lines)
