"""Observed numbers over the envelope of replicated data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.style import COLOURS, legend_above, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
        ax.set_xticks(x, [str(v) for v in table.index])
    outside = table["outside"].to_numpy()
    for chosen, marker, colour, name in (
        (~outside, "o", COLOURS[0], "observed"),
        (outside, "s", COLOURS[1], "observed, outside"),
    ):
        if chosen.any():
            ax.plot(x[chosen], table["observed"][chosen], marker, color=colour, label=name)
    ax.set(xlabel=str(table.index.name), ylabel=label[:1].upper() + label[1:])
    legend_above(ax)
    quiet(ax)
    return ax
