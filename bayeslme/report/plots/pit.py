"""Probability integral transforms against the uniform distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.report.plots.style import COLOURS, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
