"""Scatter of one quantity against another, in a panel for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.style import COLOURS, panels, quiet

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
        Columns x, y, panel; x may be a factor, which gives box plots.
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
    groups = list(frame.groupby("panel", observed=True, sort=False))
    axes = panels(len(groups), ax)
    chosen = frame.index[list(marked)]
    for one, (name, part) in zip(axes, groups, strict=True):
        _points(one, part, smooth=smooth)
        _line(one, abline, part["x"])
        for label in part.index.intersection(chosen):
            row = part.loc[label]
            one.annotate(
                str(label),
                (row["x"], row["y"]),
                xytext=(4, 2),
                textcoords="offset points",
                fontsize=7,
            )
        if len(groups) > 1:
            one.set_title(str(name), fontsize=10)
        quiet(one)
    _label(axes, labels)
    return axes


def _points(ax: Axes, part: pd.DataFrame, *, smooth: bool) -> None:
    if not pd.api.types.is_numeric_dtype(part["x"]):
        kind = part["x"].astype("category").cat.remove_unused_categories()
        levels = list(kind.cat.categories)
        boxes = [part["y"][kind == level] for level in levels]
        ax.boxplot(
            boxes, tick_labels=[str(level) for level in levels], medianprops={"color": COLOURS[1]}
        )
        return
    alpha = 0.75 if len(part) <= FEW_POINTS else 0.35
    ax.scatter(part["x"], part["y"], s=16, color=COLOURS[0], alpha=alpha, linewidths=0)
    if smooth:
        ordered = part.sort_values("x")
        window = max(5, len(ordered) // 5)
        middle = ordered[["x", "y"]].rolling(window, center=True, min_periods=window // 2).median()
        ax.plot(middle["x"], middle["y"], color=COLOURS[1], lw=1.4)


def _line(ax: Axes, abline: float | tuple[float, float] | None, x: pd.Series) -> None:
    if abline is None:
        return
    if np.ndim(abline) == 0:
        ax.axhline(float(np.asarray(abline)), color="0.35", lw=0.9, zorder=1)
    else:
        intercept, slope = np.asarray(abline, float)
        at = float(x.mean())  # a point inside the data leaves the limits alone
        ax.axline((at, intercept + slope * at), slope=slope, color="0.35", lw=0.9, zorder=1)


def _label(axes: Sequence[Axes], labels: tuple[str, str]) -> None:
    for ax in axes:
        place = ax.get_subplotspec()
        if place is None or place.is_last_row():
            ax.set_xlabel(labels[0])
        if place is None or place.is_first_col():
            ax.set_ylabel(labels[1])
