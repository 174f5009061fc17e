"""Interaction plot: mean response by one factor, a line for each level of another."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayeslme.errors import DataError
from bayeslme.report.plots.names import LONGEST_NAME, folded, level_names, short_names
from bayeslme.report.plots.style import COLOURS, LINES, MARKERS, panels, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW_LINES = 8
MOST_ENTRIES = 16  # of the legend in one column


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

    Raises
    ------
    DataError
        For what is no column, and a response that is not numeric.

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
    told = legend if legend is not None else not many
    (ax,) = panels(1, ax)
    places = range(len(means))
    for k, (level, column) in enumerate(means.items()):
        colour, style = look(k) if told or not many else ("0.45", "-")
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
    if told:
        _legend(ax, trace, list(means.columns))
    return ax


def look(k: int) -> tuple[str, Any]:
    """Colour and line of the k-th level: the same colour comes back with another line."""
    again, colour = divmod(k, len(COLOURS))
    return COLOURS[colour], LINES[(colour + again) % len(LINES)]


def _legend(ax: Axes, title: str, levels: list[Hashable]) -> None:
    """Names beside the axes, in as many columns as their height asks for."""
    columns = -(-len(levels) // MOST_ENTRIES)
    ax.legend(
        ax.lines,
        short_names(levels, LONGEST_NAME),
        title=folded(title),
        ncols=columns,
        fontsize=None if columns == 1 and len(levels) <= FEW_LINES else 7,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )
