"""What the plots share: panels, colours that are told apart in grey too, quiet axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.report.plots.names import folded, letters

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from matplotlib.axes import Axes

# Okabe and Ito's palette, distinguishable with any colour vision; grey in the place of yellow,
# whose lines are not seen on white; black last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
PANEL = (3.4, 3.0)
WIDEST = 4
MANY_PANELS = 9
WIDEST_OF_MANY = 6
PANELS_WITH_LEGEND = 1
ROW = 0.17  # inches of a group in a list of groups
LETTER = 0.066  # inches of a character of its name
FEW_TICKS = 4  # of panels side by side


def panels(count: int, ax: Axes | None = None, *, sharex: bool = True) -> list[Axes]:
    """Axes for `count` panels with common scales, or the one given.

    Parameters
    ----------
    count : int
    ax : Axes, optional
    sharex : bool
        Whether the horizontal scale is common too.

    Returns
    -------
    list of Axes, length count
    """
    if ax is not None and count == 1:
        return [ax]
    import matplotlib.pyplot as plt

    columns = min(count, WIDEST if count <= MANY_PANELS else WIDEST_OF_MANY)
    rows = -(-count // columns)
    scale = 0.6 if count > MANY_PANELS else 1.0
    size = (max(scale * PANEL[0] * columns, 4.6), scale * PANEL[1] * rows + 0.6)
    _, grid = plt.subplots(
        rows,
        columns,
        figsize=size,
        sharex=sharex,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    flat: list[Axes] = list(np.ravel(grid))
    for empty in flat[count:]:
        empty.set_visible(False)
    for lowest in flat[max(count - columns, 0) : count]:  # the last row may be short
        lowest.tick_params(labelbottom=True)
    return flat[:count]


def rows_of_panels(
    count: int,
    groups: int,
    ax: Axes | None = None,
    *,
    sharey: bool = True,
    names: Sequence[Hashable] = (),
) -> list[Axes]:
    """Axes side by side for lists of groups, as high as the list is long, or the one given.

    Parameters
    ----------
    count : int
        Panels.
    groups : int
        Lines of each.
    ax : Axes, optional
    sharey : bool
        Whether the lists are one and the same.
    names : sequence, optional
        Of the groups, which need room.

    Returns
    -------
    list of Axes, length count
    """
    if ax is not None and count == 1:
        return [ax]
    import matplotlib.pyplot as plt

    beside = LETTER * letters(names) * (1 if sharey else count)
    size = (max(PANEL[0] * count, 4.6) + beside, min(max(PANEL[1], ROW * groups + 0.9), 14.0))
    _, grid = plt.subplots(
        1, count, figsize=size, sharey=sharey, squeeze=False, layout="constrained"
    )
    axes: list[Axes] = list(np.ravel(grid))
    for one in axes if count > 1 else []:
        one.locator_params(axis="x", nbins=FEW_TICKS)
    return axes


def label_axes(axes: Sequence[Axes], labels: tuple[str, str]) -> None:
    """Label one panel, or the figure once for all of its panels; long labels are folded.

    Parameters
    ----------
    axes : sequence of Axes
    labels : tuple of str
        Of the horizontal and the vertical axis.
    """
    x, y = map(folded, labels)
    if len(axes) == 1:
        axes[0].set(xlabel=x, ylabel=y)
        return
    figure = axes[0].get_figure(root=True)
    if figure is not None:
        figure.supxlabel(x, fontsize=10)
        figure.supylabel(y, fontsize=10)


def legend_above(ax: Axes, columns: int = 3) -> None:
    """Put the legend in a row above the data."""
    ax.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, fontsize=8
    )


def quiet(ax: Axes) -> None:
    """Take away the upper and right frame and draw light grid lines below the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
