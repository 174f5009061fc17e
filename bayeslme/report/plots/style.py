"""What the plots share: panels, colours that are told apart in grey too, quiet axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, distinguishable with any colour vision, black last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
PANEL = (3.4, 3.0)
WIDEST = 4
MANY_PANELS = 9
WIDEST_OF_MANY = 6


def panels(count: int, ax: Axes | None = None) -> list[Axes]:
    """Axes for `count` panels with common scales, or the one given.

    Parameters
    ----------
    count : int
    ax : Axes, optional

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
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    flat: list[Axes] = list(np.ravel(grid))
    for empty in flat[count:]:
        empty.set_visible(False)
    return flat[:count]


def quiet(ax: Axes) -> None:
    """Take away the upper and right frame and draw light grid lines below the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
