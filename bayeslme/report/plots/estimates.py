"""Plots of estimates: forest, caterpillar, intervals by group, pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.errors import DataError
from bayeslme.report.plots.settings import PLOTS
from bayeslme.report.plots.style import (
    COLOURS,
    MARKERS,
    folded,
    legend_above,
    legend_name,
    list_names,
    mark_points,
    plain,
    quiet,
    rows_of_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    columns = min(PLOTS.max_columns, len(frame))
    rows = -(-len(frame) // columns)
    size = (
        PLOTS.estimate_panel_width * columns,
        (PLOTS.estimate_row_height * len(results) + 0.75) * rows,
    )
    _, grid = plt.subplots(
        rows, columns, figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    axes: list[Axes] = list(np.ravel(grid))
    for ax, (part, name) in zip(axes, frame.index, strict=False):
        for k, result in enumerate(results):
            _mark(ax, frame.loc[[(part, name)], result], np.array([k]), k)
        ax.set_title(plain(name if part in ("fixed", name) else f"{part} {name}"), fontsize=9)
        quiet(ax)
    for empty in axes[len(frame) :]:
        empty.set_visible(False)
    axes[0].set_yticks(range(len(results)), list(map(plain, results)))
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
    step = PLOTS.dodge / max(len(results), 1)
    for ax, (effect, frame) in zip(axes, effects.items(), strict=True):
        for k, result in enumerate(results):
            at = np.arange(len(frame)) + step * (k - (len(results) - 1) / 2)
            _mark(ax, frame[result], at, k, label=legend_name(result))
        ax.axvline(0.0, color="0.6", lw=0.8)
        ax.set_xlabel(plain(effect or "random effect"))
        quiet(ax)
    axes[0].set_yticks(range(len(first)), [plain(v) for v in first.index], fontsize=8)
    axes[0].set_ylim(len(first) - 0.4, -0.6)
    axes[0].set_ylabel(plain(group))
    legend_above(axes[0], 4)
    return axes


def _mark(ax: Axes, table: pd.DataFrame, at: np.ndarray, k: int, label: str | None = None) -> None:
    """Draw one result's estimates as points and their limits as lines."""
    colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
    ax.hlines(at, table["lower"], table["upper"], color=colour, lw=1.5)
    ax.plot(table["Value"], at, marker, color=colour, ms=5, label=label)


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
    size = PLOTS.pair_panel_size * k + 0.6
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
    ax.set_title(plain(values.name), fontsize=10)
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
        ax.locator_params(axis="x", nbins=PLOTS.max_ticks)
    ax.tick_params(labelsize=8, labelbottom=i == k - 1, labelleft=j == 0 and i > 0)
    if i == j:
        ax.tick_params(left=False)


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
        one.set_title(plain(name), fontsize=10)
        quiet(one)
        one.grid(visible=False, axis="y")
    axes[0].set_ylabel(plain(estimate.index.name or ""))
    return axes


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
        one.set_title(plain(name), fontsize=10)
        one.set_ylim(-0.8, len(groups) - 0.2)
        quiet(one)
    list_names(axes[0], place, list(groups))
    axes[0].set_ylabel(plain(groups.name or ""))
    axes[0].set_xlabel(folded(label))
    return axes


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
            one.plot(table[fit], place, marker, mfc=face, mec=edge, ms=5, label=legend_name(fit))
        one.set_title(plain(name), fontsize=10)
        one.set_ylim(-0.8, len(groups) - 0.2)
        quiet(one)
    list_names(axes[0], place, list(groups))
    axes[0].set_ylabel(plain(groups.name or ""))
    axes[-1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes


def influence_stems(
    values: pd.Series, about: float, label: str, group: str, labelled: int, ax: Axes | None
) -> Axes:
    """Draw a measure of influence as a stem for each group.

    Parameters
    ----------
    values : Series
        By group.
    about : float
        The value that says that there is no influence.
    label, group : str
        Of the axes.
    labelled : int
        Number of groups to label, those farthest from `about`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=PLOTS.influence_size, layout="constrained")
    at, height = np.arange(len(values)), values.to_numpy(float)
    ax.vlines(at, about, height, color=COLOURS[0], lw=1.2)
    ax.plot(at, height, MARKERS[0], color=COLOURS[0], ms=4)
    ax.axhline(about, color="0.6", lw=0.8)
    far = np.argsort(-np.nan_to_num(np.abs(height - about), nan=-np.inf), kind="stable")
    for k in far[:labelled].tolist():
        if np.isfinite(height[k]):
            up = height[k] >= about
            ax.annotate(
                plain(str(values.index[k])),
                (at[k], height[k]),
                xytext=(0, 5 if up else -5),
                textcoords="offset points",
                ha="center",
                va="bottom" if up else "top",
                fontsize=8,
            )
    ax.margins(y=0.12)
    ax.set_xlabel(f"{plain(group)}, in the order of the levels")
    ax.set_ylabel(plain(label))
    quiet(ax)
    return ax
