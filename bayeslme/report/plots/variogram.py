"""Semivariance by distance, with the curve of the fit's own structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bayeslme.report.plots.style import COLOURS, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPAN = 5  # points of the running mean


def variogram_plot(
    table: pd.DataFrame,
    curve: Mapping[str, Sequence[float]] | None = None,
    *,
    smooth: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a semivariogram; the areas of the points grow with their number of pairs.

    Parameters
    ----------
    table : DataFrame
        Columns variog, dist, n_pairs.
    curve : mapping, optional
        Sequences dist and variog of a model.
    smooth : bool
        Draw the running mean of the points, weighted by their pairs.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    (ax,) = panels(1, ax)
    size = 12.0 + 60.0 * table["n_pairs"] / table["n_pairs"].max()
    ax.scatter(table["dist"], table["variog"], s=size, color=COLOURS[0], alpha=0.8, linewidths=0)
    if curve is not None:
        ax.plot(curve["dist"], curve["variog"], color=COLOURS[1], lw=1.6, label="fitted")
    if smooth:
        middle = _running_mean(table)
        ax.plot(middle["dist"], middle["variog"], "--", color="0.35", lw=1.2, label="smoothed")
    if curve is not None or smooth:
        ax.legend(frameon=False, fontsize=8)
    ax.set(xlabel="Distance", ylabel="Semivariogram")
    ax.margins(0.06)  # a point on the edge is half hidden
    ax.set_ylim(bottom=0.0)
    quiet(ax)
    return ax


def _running_mean(table: pd.DataFrame) -> pd.DataFrame:
    weight = table["n_pairs"].astype(float)
    parts = pd.DataFrame({"top": weight * table["variog"], "weight": weight})
    sums = parts.rolling(SPAN, center=True, min_periods=1).sum()
    return pd.DataFrame({"dist": table["dist"], "variog": sums["top"] / sums["weight"]})
