"""Observed responses and predicted curves, a panel for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from bayeslme.report.plots.names import title_panels
from bayeslme.report.plots.style import (
    COLOURS,
    LINES,
    MANY_PANELS,
    PANELS_WITH_LEGEND,
    label_axes,
    panels,
    quiet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORIGINAL = "original"


def curve_panels(
    table: pd.DataFrame, *, labels: tuple[str, str] | None = None, ax: Axes | None = None
) -> list[Axes]:
    """Draw points where ``.type`` is "original", and a line for each other type.

    Parameters
    ----------
    table : DataFrame
        Columns x, ``.groups``, y, ``.type``, in this order.
    labels : tuple of str, optional
        Of the horizontal and the vertical axis; names of the columns by default.
    ax : Axes, optional
        Where there is one group.

    Returns
    -------
    list of Axes, one for each group
    """
    x, _, y, _ = table.columns
    parts = list(table.groupby(".groups", observed=True, sort=True))
    kinds = [k for k in table[".type"].cat.categories if k != ORIGINAL]
    axes = panels(len(parts), ax)
    for one, (_, part) in zip(axes, parts, strict=True):
        seen = part[part[".type"] == ORIGINAL]
        colour = "0.25" if len(kinds) > 1 else COLOURS[0]
        one.plot(seen[x], seen[y], "o", ms=3.8, color=colour, alpha=0.85)
        for k, kind in enumerate(kinds):
            own = part[part[".type"] == kind]
            style = _style(k, numeric=pd.api.types.is_numeric_dtype(own[x]), alone=len(kinds) == 1)
            one.plot(own[x], own[y], label=kind, **style)
        quiet(one)
    if len(parts) > 1:
        title_panels(axes, [name for name, _ in parts], MANY_PANELS)
    label_axes(axes, (str(x), str(y)) if labels is None else labels)
    if len(kinds) > 1:
        _legend(axes, len(parts) > PANELS_WITH_LEGEND)
    return axes


def _style(k: int, *, numeric: bool, alone: bool) -> dict[str, Any]:
    colour = COLOURS[1] if alone else COLOURS[k % len(COLOURS)]
    line = LINES[0] if alone else LINES[k % len(LINES)]
    return {"color": colour, "linestyle": line, "lw": 1.5, "marker": None if numeric else "_"}


def _legend(axes: list[Axes], outside: bool) -> None:
    handles, names = axes[0].get_legend_handles_labels()
    if outside:
        axes[0].figure.legend(
            handles, names, loc="outside upper center", ncols=len(names), frameon=False
        )
    else:
        axes[-1].legend(handles, names, frameon=False, fontsize=8)
