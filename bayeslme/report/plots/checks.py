"""Ranks of true values as distribution functions, and coverage of intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.style import (
    COLOURS,
    MARKERS,
    WIDEST,
    legend_above,
    panels,
    quiet,
    rows_of_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CHARACTERS = 30  # of a panel's title


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
        ax.set_title(_title(*name), fontsize=8)
        quiet(ax)
    for ax in axes[-WIDEST:]:  # the last panel of each column
        ax.tick_params(labelbottom=True)
    figure = axes[0].figure
    figure.supxlabel("rank of the true value, as a share", fontsize=9)
    figure.supylabel("share of replications less the uniform one", fontsize=9)
    return axes


def _title(part: str, parameter: str) -> str:
    text = (
        parameter if part in (parameter, "fixed", "ranef", "likelihood") else f"{part} {parameter}"
    )
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "\u2026"


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
    ax.set_yticks(range(len(rows)), [n if p in ("fixed", n) else f"{p} {n}" for p, n in rows])
    ax.invert_yaxis()
    ax.set_xlabel(f"coverage of {100 * level:g} % intervals")
    legend_above(ax)
    quiet(ax)
    return ax
