"""Caterpillar plot: predicted effects in order of size, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.names import list_names
from bayeslme.report.plots.style import COLOURS, quiet, rows_of_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def caterpillar_panels(
    estimate: pd.DataFrame,
    half_width: pd.DataFrame,
    *,
    sort: bool = True,
    ax: Axes | None = None,
) -> list[Axes]:
    """Draw the effects of the groups as points with bars, a panel for each effect.

    Parameters
    ----------
    estimate, half_width : DataFrame, shape (G, q)
        Groups by effects.
    sort : bool
        Each panel in order of its own effect; otherwise in the table's order, from the top.
    ax : Axes, optional
        Where there is one effect.

    Returns
    -------
    list of Axes, length q
    """
    groups = list(estimate.index)
    axes = rows_of_panels(estimate.shape[1], len(groups), ax, sharey=not sort, names=groups)
    for one, name in zip(axes, estimate.columns, strict=True):
        values = estimate[name].to_numpy(float)
        order = np.argsort(values, kind="stable") if sort else np.arange(len(values))[::-1]
        place = np.arange(len(values))
        one.axvline(0.0, color="0.35", lw=0.9, zorder=1)
        half = half_width[name].to_numpy(float)[order]
        one.hlines(place, values[order] - half, values[order] + half, color="0.55", lw=1.2)
        clear = np.abs(values[order]) > half
        for chosen, face in ((clear, COLOURS[0]), (~clear, "white")):
            one.plot(
                values[order][chosen], place[chosen], "o", ms=4.5, mec=COLOURS[0], mfc=face, lw=0
            )
        list_names(one, place, [groups[k] for k in order])
        one.set_ylim(-0.8, len(values) - 0.2)
        one.set_title(str(name), fontsize=10)
        quiet(one)
        one.grid(visible=False, axis="y")
    axes[0].set_ylabel(str(estimate.index.name or ""))
    return axes
