"""Scatter of one quantity against another, in a panel for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayeslme.report.plots.names import level_names, list_names, mark_points, title_panels
from bayeslme.report.plots.style import (
    COLOURS,
    MANY_PANELS,
    label_axes,
    panels,
    quiet,
    rows_of_panels,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

FEW_POINTS = 400


def scatter_panels(
    frame: pd.DataFrame,
    *,
    labels: tuple[str, str],
    abline: float | tuple[float, float] | None = None,
    smooth: bool = False,
    marked: Sequence[int] = (),
    ax: Axes | None = None,
) -> list[Axes]:
    """Draw columns ``y`` over ``x``, a panel for each value of the column ``panel``.

    Parameters
    ----------
    frame : DataFrame
        Columns x, y, panel; x or y may be a factor, which gives box plots across or along.
    labels : tuple of str
        Of the horizontal and the vertical axis.
    abline : float or (intercept, slope), optional
        Horizontal line, or any.
    smooth : bool
        Draw the running median of the points.
    marked : sequence of int
        Positions of rows to label with their index.
    ax : Axes, optional
        Where there is one panel.

    Returns
    -------
    list of Axes
    """
    groups = list(frame.groupby("panel", observed=True))
    tall = not pd.api.types.is_numeric_dtype(frame["y"]) and len(groups) == 1
    lines = list(frame["y"].unique()) if tall else []
    axes = rows_of_panels(1, len(lines), ax, names=lines) if tall else panels(len(groups), ax)
    chosen = np.isin(np.arange(len(frame)), list(marked))
    for one, (name, part) in zip(axes, groups, strict=True):
        _points(one, part, smooth=smooth)
        _line(one, abline, part)
        own = part[chosen[(frame["panel"] == name).to_numpy()]]
        mark_points(one, list(own.index), list(own["x"]), list(own["y"]))
        quiet(one)
    if len(groups) > 1:
        title_panels(axes, [name for name, _ in groups], MANY_PANELS)
    label_axes(axes, labels)
    return axes


def _points(ax: Axes, part: pd.DataFrame, *, smooth: bool) -> None:
    if not pd.api.types.is_numeric_dtype(part["x"]):
        _boxes(ax, part["x"], part["y"], "vertical")
        return
    if not pd.api.types.is_numeric_dtype(part["y"]):
        _boxes(ax, part["y"], part["x"], "horizontal")
        return
    alpha = 0.75 if len(part) <= FEW_POINTS else 0.35
    ax.scatter(part["x"], part["y"], s=16, color=COLOURS[0], alpha=alpha, linewidths=0)
    if smooth:
        ordered = part.sort_values("x")
        window = max(5, len(ordered) // 5)
        middle = ordered[["x", "y"]].rolling(window, center=True, min_periods=window // 2).median()
        ax.plot(middle["x"], middle["y"], color=COLOURS[1], lw=1.4)


def _boxes(
    ax: Axes, factor: pd.Series, values: pd.Series, along: Literal["vertical", "horizontal"]
) -> None:
    """Box plots of numbers by factor; the same place for a level in every panel."""
    kind = factor.astype("category").cat
    levels = list(kind.categories)
    boxes = [values[factor == level].dropna() for level in levels]
    ax.boxplot(
        boxes,
        orientation=along,
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": "#DCE9F5", "edgecolor": COLOURS[0]},
        whiskerprops={"color": COLOURS[0]},
        capprops={"color": COLOURS[0]},
        medianprops={"color": COLOURS[1], "linewidth": 1.6},
        flierprops={"marker": "o", "markersize": 3.5, "markeredgecolor": COLOURS[0]},
    )
    places = range(1, len(levels) + 1)
    if along == "horizontal":
        list_names(ax, places, levels)
        return
    level_names(ax, places, levels)


def _line(ax: Axes, abline: float | tuple[float, float] | None, part: pd.DataFrame) -> None:
    if abline is None:
        return
    look: dict[str, Any] = {"color": "0.35", "lw": 0.9, "zorder": 1}
    if np.ndim(abline) == 0 and not pd.api.types.is_numeric_dtype(part["y"]):
        ax.axvline(float(np.asarray(abline)), **look)
    elif np.ndim(abline) == 0:
        ax.axhline(float(np.asarray(abline)), **look)
    else:
        intercept, slope = np.asarray(abline, float)
        # a point inside the data leaves the limits alone
        at = float(part["x"].mean()) if pd.api.types.is_numeric_dtype(part["x"]) else 1.0
        ax.axline((at, intercept + slope * at), slope=slope, **look)
