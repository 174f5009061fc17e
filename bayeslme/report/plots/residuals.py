"""Plots of residuals: scatter, normal quantiles, correlation by lag, semivariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayeslme.report.plots.settings import PLOTS
from bayeslme.report.plots.style import (
    COLOURS,
    label_axes,
    level_names,
    list_names,
    mark_points,
    panels,
    plain,
    quiet,
    rows_of_panels,
    title_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
        title_panels(axes, [name for name, _ in groups], PLOTS.max_large_panels)
    label_axes(axes, labels)
    return axes


def _points(ax: Axes, part: pd.DataFrame, *, smooth: bool) -> None:
    if not pd.api.types.is_numeric_dtype(part["x"]):
        _boxes(ax, part["x"], part["y"], "vertical")
        return
    if not pd.api.types.is_numeric_dtype(part["y"]):
        _boxes(ax, part["y"], part["x"], "horizontal")
        return
    alpha = 0.75 if len(part) <= PLOTS.max_opaque_points else 0.35
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
        low, high = np.quantile(values, [PLOTS.reference_quantile, 1 - PLOTS.reference_quantile])
        if high > low:
            slope = (ndtri(1 - PLOTS.reference_quantile) - ndtri(PLOTS.reference_quantile)) / (
                high - low
            )
            one.axline(((low + high) / 2, 0.0), slope=slope, color="0.35", lw=0.9, zorder=1)
        one.set_ylabel("Quantiles of the standard normal")
        one.label_outer(remove_inner_ticks=False)
        one.set_xlabel(plain(label or name))
        one.tick_params(labelbottom=True)
        quiet(one)
    if label is not None:
        title_panels(axes, list(frame.columns), PLOTS.max_large_panels)
    return axes


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
    sums = parts.rolling(PLOTS.running_mean_points, center=True, min_periods=1).sum()
    return pd.DataFrame({"dist": table["dist"], "variog": sums["top"] / sums["weight"]})


def lag_plot(table: pd.DataFrame, quantile: float, ax: Axes | None = None) -> Axes:
    """Draw autocorrelations with bands at quantile / sqrt(pairs), a limit under independence.

    Parameters
    ----------
    table : DataFrame
        Columns lag, ACF, n_used.
    quantile : float
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    (ax,) = panels(1, ax)
    ax.vlines(table["lag"], 0.0, table["ACF"], color=COLOURS[0], lw=2.0)
    later = table[table["lag"] > 0]
    band = quantile / np.sqrt(later["n_used"])
    for sign in (-1.0, 1.0):
        ax.plot(later["lag"], sign * band, "--", color=COLOURS[1], lw=1.0)
    ax.axhline(0.0, color="0.35", lw=0.9)
    ax.set(xlabel="Lag", ylabel="Autocorrelation")
    ax.locator_params(axis="x", integer=True)
    quiet(ax)
    return ax
