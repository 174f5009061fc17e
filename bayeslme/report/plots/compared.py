"""Coefficients of groups by several fits, a panel for each coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.names import list_names
from bayeslme.report.plots.style import COLOURS, MARKERS, quiet, rows_of_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def compared_panels(
    tables: Mapping[str, pd.DataFrame], marks: Mapping[str, float], ax: Axes | None = None
) -> list[Axes]:
    """Draw each group's values by the fits on one line, groups from the top.

    Parameters
    ----------
    tables : mapping of str to DataFrame, shape (G, fits)
        The same groups and fits in all.
    marks : mapping of str to float
        Where a vertical line stands.
    ax : Axes, optional
        Where there is one coefficient.

    Returns
    -------
    list of Axes, one for each coefficient
    """
    groups = next(iter(tables.values())).index
    axes = rows_of_panels(len(tables), len(groups), ax, sharey=True, names=list(groups))
    place = np.arange(len(groups))[::-1]
    for one, (name, table) in zip(axes, tables.items(), strict=True):
        if name in marks:
            one.axvline(marks[name], color="0.35", lw=0.9, ls="--", zorder=1)
        for k, fit in enumerate(table.columns):
            face = COLOURS[k % len(COLOURS)] if k else "white"
            edge = COLOURS[k % len(COLOURS)]
            marker = MARKERS[k % len(MARKERS)]
            one.plot(table[fit], place, marker, mfc=face, mec=edge, ms=5, label=str(fit))
        one.set_title(str(name), fontsize=10)
        one.set_ylim(-0.8, len(groups) - 0.2)
        quiet(one)
    list_names(axes[0], place, list(groups))
    axes[0].set_ylabel(str(groups.name or ""))
    axes[-1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes
