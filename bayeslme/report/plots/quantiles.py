"""Normal quantile plots, a panel for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayeslme.report.plots.names import mark_points, title_panels
from bayeslme.report.plots.style import COLOURS, MANY_PANELS, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUARTER = 0.25


def quantile_panels(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    label: str | None = None,
    beyond: float = np.inf,
    standard: bool = True,
) -> list[Axes]:
    """Draw each column against normal quantiles, with the line through its quartiles.

    Parameters
    ----------
    frame : DataFrame
    ax : Axes, optional
        Where there is one column.
    label : str, optional
        Of the horizontal axis, where all columns are of one quantity: their names are then titles,
        and the axis is shared.
    beyond : float
        Label points whose value is further than this from zero, by their index.
    standard : bool
        Whether values are in units of their standard deviation; else they are divided by that of
        their column to be judged.

    Returns
    -------
    list of Axes
    """
    axes = panels(frame.shape[1], ax, sharex=label is not None)
    for one, (name, column) in zip(axes, frame.items(), strict=True):
        ordered = column.dropna().sort_values(kind="stable")
        values = ordered.to_numpy(float)
        normal = ndtri((np.arange(len(values)) + 0.5) / len(values))
        one.scatter(values, normal, s=16, color=COLOURS[0], alpha=0.75, linewidths=0)
        far = np.abs(values) > beyond * (1.0 if standard else float(np.std(values, ddof=1)))
        mark_points(one, list(ordered.index[far]), list(values[far]), list(normal[far]))
        low, high = np.quantile(values, [QUARTER, 1 - QUARTER])
        if high > low:
            slope = (ndtri(1 - QUARTER) - ndtri(QUARTER)) / (high - low)
            one.axline(((low + high) / 2, 0.0), slope=slope, color="0.35", lw=0.9, zorder=1)
        one.set_ylabel("Quantiles of the standard normal")
        one.label_outer(remove_inner_ticks=False)
        one.set_xlabel(label or str(name))
        one.tick_params(labelbottom=True)
        quiet(one)
    if label is not None:
        title_panels(axes, list(frame.columns), MANY_PANELS)
    return axes
