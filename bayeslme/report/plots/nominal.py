"""Simulated against nominal p-values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayeslme.report.plots.style import COLOURS, LINES, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
        ax.plot(empirical, nominal, color=COLOURS[k], linestyle=LINES[k], lw=1.6, label=name)
    ax.set(xlabel="Simulated p-value", ylabel="Nominal p-value", xlim=(0, 1), ylim=(0, 1))
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    quiet(ax)
    return ax
