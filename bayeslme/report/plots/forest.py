"""Estimates of several results with their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.style import COLOURS, MARKERS, legend_above, quiet, rows_of_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST = 4
PANEL_WIDTH = 3.0
ROW_HEIGHT = 0.26
DODGE = 0.6  # of a row, over which the results are spread


def forest_panels(frame: pd.DataFrame) -> list[Axes]:
    """A panel with its own scale for each parameter, a row for each result.

    Parameters
    ----------
    frame : DataFrame
        Rows (part, parameter); columns (result, Value | lower | upper).

    Returns
    -------
    list of Axes, one for each parameter
    """
    import matplotlib.pyplot as plt

    results = list(dict.fromkeys(frame.columns.get_level_values(0)))
    columns = min(WIDEST, len(frame))
    rows = -(-len(frame) // columns)
    size = (PANEL_WIDTH * columns, (ROW_HEIGHT * len(results) + 0.75) * rows)
    _, grid = plt.subplots(
        rows, columns, figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    axes: list[Axes] = list(np.ravel(grid))
    for ax, (part, name) in zip(axes, frame.index, strict=False):
        for k, result in enumerate(results):
            _mark(ax, frame.loc[[(part, name)], result], np.array([k]), k)
        ax.set_title(name if part in ("fixed", name) else f"{part} {name}", fontsize=9)
        quiet(ax)
    for empty in axes[len(frame) :]:
        empty.set_visible(False)
    axes[0].set_yticks(range(len(results)), results)
    axes[0].set_ylim(len(results) - 0.4, -0.6)
    return axes[: len(frame)]


def forest_rows(frame: pd.DataFrame, group: str) -> list[Axes]:
    """A row for each group, the results side by side in it.

    Parameters
    ----------
    frame : DataFrame
        Rows by name; columns (result, Value | lower | upper).
    group : str
        Labels the axis.

    Returns
    -------
    list of one Axes
    """
    results = list(dict.fromkeys(frame.columns.get_level_values(0)))
    (ax,) = rows_of_panels(1, len(frame) * (1 + len(results)) // 2)
    step = DODGE / max(len(results), 1)
    for k, result in enumerate(results):
        at = np.arange(len(frame)) + step * (k - (len(results) - 1) / 2)
        _mark(ax, frame[result], at, k, label=result)
    ax.axvline(0.0, color="0.6", lw=0.8)
    ax.set_yticks(range(len(frame)), [str(v) for v in frame.index], fontsize=8)
    ax.set_ylim(len(frame) - 0.4, -0.6)
    ax.set(xlabel="random effect", ylabel=group)
    legend_above(ax, 4)
    quiet(ax)
    return [ax]


def _mark(ax: Axes, table: pd.DataFrame, at: np.ndarray, k: int, label: str | None = None) -> None:
    """Draw one result's estimates as points and their limits as lines."""
    colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
    ax.hlines(at, table["lower"], table["upper"], color=colour, lw=1.5)
    ax.plot(table["Value"], at, marker, color=colour, ms=5, label=label)
