"""Estimates of several results with their limits."""

from __future__ import annotations

from collections.abc import Mapping
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


def forest_rows(effects: Mapping[str, pd.DataFrame], group: str) -> list[Axes]:
    """A panel for each effect, a row for each group, the results side by side in it.

    Parameters
    ----------
    effects : mapping of str to DataFrame
        Rows by group; columns (result, Value | lower | upper).
    group : str
        Labels the axis.

    Returns
    -------
    list of Axes, one for each effect
    """
    first = next(iter(effects.values()))
    results = list(dict.fromkeys(first.columns.get_level_values(0)))
    lines = max(map(len, effects.values())) * (1 + len(results)) // 2
    axes = rows_of_panels(len(effects), lines)
    step = DODGE / max(len(results), 1)
    for ax, (effect, frame) in zip(axes, effects.items(), strict=True):
        for k, result in enumerate(results):
            at = np.arange(len(frame)) + step * (k - (len(results) - 1) / 2)
            _mark(ax, frame[result], at, k, label=result)
        ax.axvline(0.0, color="0.6", lw=0.8)
        ax.set_xlabel(effect or "random effect")
        quiet(ax)
    axes[0].set_yticks(range(len(first)), [str(v) for v in first.index], fontsize=8)
    axes[0].set_ylim(len(first) - 0.4, -0.6)
    axes[0].set_ylabel(group)
    legend_above(axes[0], 4)
    return axes


def _mark(ax: Axes, table: pd.DataFrame, at: np.ndarray, k: int, label: str | None = None) -> None:
    """Draw one result's estimates as points and their limits as lines."""
    colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
    ax.hlines(at, table["lower"], table["upper"], color=colour, lw=1.5)
    ax.plot(table["Value"], at, marker, color=colour, ms=5, label=label)
