"""Intervals of coefficients group by group, a panel for each coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.names import folded, list_names
from bayeslme.report.plots.style import COLOURS, quiet, rows_of_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def interval_panels(
    tables: Mapping[str, pd.DataFrame],
    ax: Axes | None = None,
    *,
    label: str = "",
    zero: bool = False,
) -> list[Axes]:
    """Draw intervals as bars with a mark at the estimate, groups from the top.

    Parameters
    ----------
    tables : mapping of str to DataFrame, shape (G, 3)
        Columns lower, est., upper by coefficient; the same groups in all.
    ax : Axes, optional
        Where there is one coefficient.
    label : str
        Of the horizontal axis.
    zero : bool
        Draw a line at zero.

    Returns
    -------
    list of Axes, one for each coefficient
    """
    groups = next(iter(tables.values())).index
    axes = rows_of_panels(len(tables), len(groups), ax, sharey=True, names=list(groups))
    place = np.arange(len(groups))[::-1]
    for one, (name, table) in zip(axes, tables.items(), strict=True):
        if zero:
            one.axvline(0.0, color="0.35", lw=0.9, zorder=1)
        one.hlines(place, table["lower"], table["upper"], color=COLOURS[0], lw=1.3)
        for column, mark, size in (("lower", "|", 5), ("est.", "o", 4), ("upper", "|", 5)):
            one.plot(table[column], place, mark, color=COLOURS[0], ms=size, mew=1.3)
        one.set_title(str(name), fontsize=10)
        one.set_ylim(-0.8, len(groups) - 0.2)
        quiet(one)
    list_names(axes[0], place, list(groups))
    axes[0].set_ylabel(str(groups.name or ""))
    axes[0].set_xlabel(folded(label))
    return axes
