"""Correlation by lag as stems, with bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.style import COLOURS, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
