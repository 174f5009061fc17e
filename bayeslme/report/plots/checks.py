"""Plots of checks: calibration, envelopes, probability integral transforms, p-values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.report.plots.settings import PLOTS
from bayeslme.report.plots.style import (
    COLOURS,
    LINES,
    MARKERS,
    legend_above,
    legend_name,
    panels,
    plain,
    quiet,
    rows_of_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rank_plot(shares: pd.DataFrame, band: pd.DataFrame) -> list[Axes]:
    """Draw distribution functions less the uniform one over their simultaneous band.

    Parameters
    ----------
    shares : DataFrame, shape (m, k)
        Share of the ranks up to each probability, a column for each quantity (part, parameter);
        the index is the probability.
    band : DataFrame, shape (m, 2)
        Columns lower, upper, with the same index.

    Returns
    -------
    list of Axes, one for each quantity
    """
    axes = panels(shares.shape[1])
    x = shares.index.to_numpy(float)
    for ax, name in zip(axes, list(shares.columns), strict=True):
        y = shares[name].to_numpy()
        outside = (y < band["lower"].to_numpy()) | (y > band["upper"].to_numpy())
        ax.fill_between(x, band["lower"] - x, band["upper"] - x, color="0.87", lw=0)
        ax.axhline(0.0, color="0.5", lw=0.8)
        ax.step(x, y - x, where="post", color=COLOURS[0], lw=1.4)
        ax.plot(x[outside], (y - x)[outside], MARKERS[1], color=COLOURS[1], ms=3.5)
        ax.set_title(plain(_title(*name)), fontsize=8)
        quiet(ax)
    for ax in axes[-PLOTS.max_columns :]:  # the last panel of each column
        ax.tick_params(labelbottom=True)
    figure = axes[0].figure
    figure.supxlabel("rank of the true value, as a share", fontsize=9)
    figure.supylabel("share of replications less the uniform one", fontsize=9)
    return axes


def _title(part: str, parameter: str) -> str:
    text = (
        parameter if part in (parameter, "fixed", "ranef", "likelihood") else f"{part} {parameter}"
    )
    return (
        text
        if len(text) <= PLOTS.max_check_title_length
        else text[: PLOTS.max_check_title_length - 1] + "\u2026"
    )


def coverage_plot(table: pd.DataFrame, level: float) -> Axes:
    """Draw the coverage of every parameter's intervals, with two Monte Carlo standard errors.

    Parameters
    ----------
    table : DataFrame
        Rows (kind, part, parameter); columns coverage, mcse.
    level : float
        The nominal coverage, drawn as a line.

    Returns
    -------
    Axes
    """
    kinds = list(dict.fromkeys(table.index.get_level_values("kind")))
    rows = list(dict.fromkeys((part, name) for _, part, name in table.index))
    (ax,) = rows_of_panels(1, len(rows) * (1 + len(kinds)))
    ax.axvline(level, color="0.5", lw=1.0)
    for k, kind in enumerate(kinds):
        own = table.loc[kind]
        at = np.array([rows.index(key) for key in own.index]) + 0.2 * (k - (len(kinds) - 1) / 2)
        spread = 2 * own["mcse"].to_numpy()
        colour, marker = COLOURS[k], MARKERS[k]
        ax.errorbar(own["coverage"], at, xerr=spread, fmt=marker, color=colour, label=kind, ms=5)
    names = [n if p in ("fixed", n) else f"{p} {n}" for p, n in rows]
    ax.set_yticks(range(len(rows)), list(map(plain, names)))
    ax.invert_yaxis()
    ax.set_xlabel(f"coverage of {100 * level:g} % intervals")
    legend_above(ax)
    quiet(ax)
    return ax


def envelope_plot(table: pd.DataFrame, label: str, ax: Axes | None = None) -> Axes:
    """Draw what was observed as points, its envelope as a band, or as bars for categories.

    Parameters
    ----------
    table : DataFrame
        Columns observed, lower, upper, outside; the index is the horizontal axis.
    label : str
        Of the vertical axis.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    (ax,) = panels(1, ax)
    numeric = pd.api.types.is_numeric_dtype(table.index)
    x = table.index.to_numpy(float) if numeric else np.arange(len(table))
    if numeric and len(table) > 1:
        ax.fill_between(x, table["lower"], table["upper"], color="0.85", lw=0, label="replicated")
    else:
        ax.vlines(x, table["lower"], table["upper"], color="0.8", lw=10, label="replicated")
        ax.set_xlim(-0.6, len(x) - 0.4)
        ax.set_xticks(x, [plain(v) for v in table.index])
    outside = table["outside"].to_numpy()
    for chosen, marker, colour, name in (
        (~outside, "o", COLOURS[0], "observed"),
        (outside, "s", COLOURS[1], "observed, outside"),
    ):
        if chosen.any():
            ax.plot(x[chosen], table["observed"][chosen], marker, color=colour, label=name)
    ax.set(xlabel=plain(table.index.name), ylabel=plain(label[:1].upper() + label[1:]))
    legend_above(ax)
    quiet(ax)
    return ax


def pit_plot(values: pd.Series, p: float, ax: Axes | None = None) -> Axes:
    """Draw the distribution function of the values less the uniform one.

    Parameters
    ----------
    values : Series
        Between 0 and 1.
    p : float
        Of uniformity, written into the plot.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    (ax,) = panels(1, ax)
    x = np.sort(values.to_numpy())
    n = len(x)
    at = np.concatenate([[0.0], np.repeat(x, 2), [1.0]])
    share = np.repeat(np.arange(n + 1) / n, 2)
    ax.axhline(0.0, color="0.5", lw=0.9)
    ax.plot(at, share - at, color=COLOURS[0], lw=1.4)
    reach = max(1.36 / np.sqrt(n), float(np.abs(share - at).max())) * 1.15
    ax.set(xlim=(0, 1), ylim=(-reach, reach))
    ax.set(xlabel="PIT of the left-out observation", ylabel="share of rows less the uniform one")
    ax.set_title(f"p = {p:.3g}", fontsize=9, loc="left")
    quiet(ax)
    return ax


def nominal_plot(curves: Mapping[str, npt.NDArray[np.float64]], ax: Axes | None = None) -> Axes:
    """Draw p-values of reference distributions against the simulated ones they belong to.

    Parameters
    ----------
    curves : mapping of str to array (R,)
        Nominal p-values of the simulated statistics, those of the largest statistic first.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    (ax,) = panels(1, ax)
    ax.axline((0.0, 0.0), slope=1.0, color="0.35", lw=0.9, zorder=1)
    for k, (name, nominal) in enumerate(curves.items()):
        empirical = (np.arange(len(nominal)) + 1.0) / (len(nominal) + 1.0)
        ax.plot(
            empirical,
            nominal,
            color=COLOURS[k],
            linestyle=LINES[k],
            lw=1.6,
            label=legend_name(name),
        )
    ax.set(xlabel="Simulated p-value", ylabel="Nominal p-value", xlim=(0, 1), ylim=(0, 1))
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    quiet(ax)
    return ax
