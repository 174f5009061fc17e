"""Interaction plot: mean response by one factor, a line for each level of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from bayeslme.errors import DataError
from bayeslme.report.plots.names import folded, level_names
from bayeslme.report.plots.style import COLOURS, LINES, MARKERS, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW_LINES = 8


def interaction_plot(
    frame: pd.DataFrame,
    x: str,
    trace: str,
    response: str,
    *,
    legend: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the mean of a response at each level of a factor, a line for each level of another.

    Parameters
    ----------
    frame : DataFrame
    x : str
        Factor on the horizontal axis.
    trace : str
        Factor whose levels are the lines.
    response : str
        Numeric column; missing values are left out.
    legend : bool, optional
        By default where there are at most eight lines.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayeslme
    >>> beech = bayeslme.load_data("beech")
    >>> ax = bayeslme.interaction_plot(beech, "depth", "width", "humidity")
    >>> len(ax.lines)
    3
    """
    for name in (x, trace, response):
        if name not in frame.columns:
            raise DataError(
                f"interaction_plot: no column {name!r} among {', '.join(map(str, frame.columns))}"
            )
    if not pd.api.types.is_numeric_dtype(frame[response]):
        raise DataError(f"interaction_plot: {response!r} is not numeric, it has no means")
    means = frame.groupby([x, trace], observed=True)[response].mean().unstack()
    many = means.shape[1] > FEW_LINES
    (ax,) = panels(1, ax)
    places = range(len(means))
    for k, (level, column) in enumerate(means.items()):
        colour = "0.45" if many else COLOURS[k % len(COLOURS)]
        style = "-" if many else LINES[k % len(LINES)]
        marker = None if many else MARKERS[k % len(MARKERS)]
        ax.plot(
            places,
            column,
            linestyle=style,
            color=colour,
            marker=marker,
            markersize=5,
            lw=1 if many else 1.6,
            label=str(level),
        )
    level_names(ax, places, list(means.index))
    ax.set(xlabel=folded(x), ylabel=folded(f"mean of {response}"))
    quiet(ax)
    if legend if legend is not None else not many:
        ax.legend(title=trace, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
