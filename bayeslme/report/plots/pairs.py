"""Scatter-plot matrix of coefficients: each against each, their distributions on the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.errors import DataError
from bayeslme.report.plots.names import mark_points
from bayeslme.report.plots.style import COLOURS, FEW_TICKS, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 2.3


def pairs_grid(frame: pd.DataFrame, marked: Sequence[int] = ()) -> npt.NDArray[np.object_]:
    """Draw every pair of columns below the diagonal, correlations above it.

    Parameters
    ----------
    frame : DataFrame, shape (G, k)
        At least two columns; rows with missing values are left out.
    marked : sequence of int
        Positions of rows to label with their index.

    Returns
    -------
    array of Axes, shape (k, k)

    Raises
    ------
    DataError
        For fewer than two columns.
    """
    import matplotlib.pyplot as plt

    k = frame.shape[1]
    if k < 2:  # noqa: PLR2004 - a pair has two sides
        raise DataError("pairs: at least two coefficients that vary between groups are needed")
    whole = frame.notna().all(axis=1).to_numpy()
    complete = frame[whole]
    far = np.isin(np.arange(len(frame)), list(marked))[whole]
    size = SIDE * k + 0.6
    _, grid = plt.subplots(k, k, figsize=(size, size), layout="constrained", squeeze=False)
    for i, row in enumerate(frame.columns):
        for j, column in enumerate(frame.columns):
            ax = grid[i, j]
            if i == j:
                _own(ax, complete[row])
            elif i > j:
                _pair(ax, complete[column], complete[row], far)
            else:
                _correlation(ax, complete[column], complete[row])
            _ticks(ax, i, j, k)
    for i in range(k):  # the diagonal has counts upwards, the rest of its row coefficients
        for j in range(i):
            grid[i, j].sharey(grid[i, 0])
        for below in range(i, k):
            grid[below, i].sharex(grid[i, i])
    return np.asarray(grid)


def _own(ax: Axes, values: pd.Series) -> None:
    ax.hist(values, bins="auto", color=COLOURS[5], edgecolor="white", linewidth=0.6)
    ax.set_title(str(values.name), fontsize=10)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _pair(ax: Axes, x: pd.Series, y: pd.Series, far: npt.NDArray[np.bool_]) -> None:
    ax.scatter(x, y, s=18, color=COLOURS[0], alpha=0.8, linewidths=0)
    mark_points(ax, list(x.index[far]), list(x[far]), list(y[far]))
    quiet(ax)


def _correlation(ax: Axes, x: pd.Series, y: pd.Series) -> None:
    spread = float(x.std()) * float(y.std())
    text = f"{np.corrcoef(x, y)[0, 1]:.2f}" if spread > 0 else "-"
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=13, transform=ax.transAxes)
    ax.set_axis_off()


def _ticks(ax: Axes, i: int, j: int, k: int) -> None:
    if i >= j:
        ax.locator_params(axis="x", nbins=FEW_TICKS)
    ax.tick_params(labelsize=8, labelbottom=i == k - 1, labelleft=j == 0 and i > 0)
    if i == j:
        ax.tick_params(left=False)
