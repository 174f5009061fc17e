"""What the plots share: panels, colours, axes, and names shortened to their room."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.report.plots.settings import PLOTS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


WORD_JOINER = "\u2060"  # has no width


def short_names(names: Iterable[Hashable], width: int) -> list[str]:
    """Names of at most `width` characters, or as many more as keep different ones apart.

    Parameters
    ----------
    names : iterable
    width : int

    Returns
    -------
    list of str

    Examples
    --------
    >>> short_names(["the ward of number 7", "the ward of number 8", "x"], 12)
    ['the w\u2026mber 7', 'the w\u2026mber 8', 'x']
    """
    texts = [str(name) for name in names]
    while True:
        cut = [_middle(text, width) for text in texts]
        if len(set(cut)) == len(set(texts)):
            return cut
        width += 4


def _middle(text: str, width: int) -> str:
    """The ends of a text: what tells names apart is mostly there."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}\u2026{text[head - width + 1 :]}"


def plain(name: Hashable) -> str:
    r"""The text that matplotlib draws as `name`, which would read mathematics between two dollars.

    Parameters
    ----------
    name : hashable

    Returns
    -------
    str

    Examples
    --------
    >>> print(plain("cost ($) in US$"))
    cost (\$) in US\$
    """
    from matplotlib import rcParams

    return str(name).replace("$", r"\$") if rcParams["text.parse_math"] else str(name)


def legend_name(name: Hashable) -> str:
    """The label of a line; a legend leaves out labels that begin with an underscore."""
    text = plain(name)
    return f"{WORD_JOINER}{text}" if text.startswith("_") else text


def title_panels(axes: Sequence[Axes], names: Sequence[Hashable], many: int) -> None:
    """Put names over panels, in smaller letters where there are more than `many`."""
    small = len(axes) > many
    width = PLOTS.max_small_title_length if small else PLOTS.max_title_length
    for ax, name in zip(axes, short_names(names, width), strict=True):
        ax.set_title(plain(name), fontsize=9 if small else 10, pad=3 if small else None)


def list_names(ax: Axes, places: Sequence[int] | np.ndarray, names: Sequence[Hashable]) -> None:
    """Write names of groups up the vertical axis, or none where there are too many."""
    shown = (
        short_names(names, PLOTS.max_name_length)
        if len(names) <= PLOTS.max_group_names
        else [""] * len(names)
    )
    ax.set_yticks(places, list(map(plain, shown)))
    ax.tick_params(axis="y", labelsize=8, length=0)


def letters(names: Sequence[Hashable]) -> int:
    """Characters of the longest name that `list_names` writes."""
    if len(names) > PLOTS.max_group_names:
        return 0
    return max(map(len, short_names(names, PLOTS.max_name_length)), default=0)


def level_names(ax: Axes, places: Sequence[int] | range, names: Sequence[Hashable]) -> None:
    """Write levels along the horizontal axis, upright where they would collide; many not at all."""
    if len(names) > PLOTS.max_tick_names:
        ax.set_xticks([])
        return
    texts = [_number(name) for name in names]
    crowded = sum(map(len, texts)) > PLOTS.max_tick_letters
    shown = short_names(texts, PLOTS.max_name_length) if crowded else texts
    ax.set_xticks(places, list(map(plain, shown)), rotation=90 if crowded else 0)


def _number(name: Hashable) -> str:
    return f"{name:g}" if isinstance(name, float) else str(name)


def mark_points(
    ax: Axes, names: Sequence[Hashable], x: Sequence[float], y: Sequence[float]
) -> None:
    """Write names beside points, to the left of those that stand at the right edge."""
    low, high = sorted(ax.get_xlim())
    for name, at, height in zip(
        short_names(names, PLOTS.max_point_label_length), x, y, strict=True
    ):
        right = at > low + PLOTS.label_left_from * (high - low)
        ax.annotate(
            plain(name),
            (at, height),
            xytext=(-4 if right else 4, 1),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=7,
        ).set_in_layout(False)  # a long name would take its panel's room


def folded(label: str) -> str:
    """Fold the label of an axis; a lone name in R's backticks goes without them."""
    name = label[1:-1] if label.count("`") == 2 and label[0] == label[-1] == "`" else label  # noqa: PLR2004 - a pair
    return plain(fill(name, PLOTS.max_label_line_length))


def axis_label(data: pd.DataFrame, name: str) -> str:
    """A column under the label and the unit that come with the data, in its ``attrs``."""
    label, unit = (about(data, key).get(name) for key in ("labels", "units"))
    shown = label or name
    return f"{shown} ({unit})" if unit else str(shown)


def about(data: pd.DataFrame, key: str) -> dict[str, str]:
    """What the data's ``attrs`` say of columns: their "labels" or "units"."""
    given = data.attrs.get(key)
    return given if isinstance(given, dict) else {}


# Okabe and Ito's palette, distinguishable with any colour vision; grey in the place of yellow,
# whose lines are not seen on white; black last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))


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

    columns = min(
        count, PLOTS.max_columns if count <= PLOTS.max_large_panels else PLOTS.max_small_columns
    )
    rows = -(-count // columns)
    scale = 0.6 if count > PLOTS.max_large_panels else 1.0
    size = (
        max(scale * PLOTS.panel_size[0] * columns, 4.6),
        scale * PLOTS.panel_size[1] * rows + 0.6,
    )
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

    beside = PLOTS.letter_width * letters(names) * (1 if sharey else count)
    size = (
        max(PLOTS.panel_size[0] * count, 4.6) + beside,
        min(max(PLOTS.panel_size[1], PLOTS.group_row_height * groups + 0.9), 14.0),
    )
    _, grid = plt.subplots(
        1, count, figsize=size, sharey=sharey, squeeze=False, layout="constrained"
    )
    axes: list[Axes] = list(np.ravel(grid))
    for one in axes if count > 1 else []:
        one.locator_params(axis="x", nbins=PLOTS.max_ticks)
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
