"""Names in plots: shortened to the room there is, but told apart."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

LONGEST_NAME = 28  # characters beside a list of groups
LONGEST_TITLE = 38  # over a panel
LONGEST_SMALL_TITLE = 24  # over one of many
LONGEST_MARK = 20  # beside a point
LONGEST_LABEL = 34  # on a line of an axis label
MOST_NAMES = 77  # in a list of groups: as many as have a line each on the highest figure
RIGHT = 0.7  # of an axis, from where names stand to the left of their points
MOST_UPRIGHT = 30  # names of levels side by side on the narrowest figure
MOST_LETTERS = 36  # of level names side by side


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


def title_panels(axes: Sequence[Axes], names: Sequence[Hashable], many: int) -> None:
    """Put names over panels, in smaller letters where there are more than `many`."""
    small = len(axes) > many
    width = LONGEST_SMALL_TITLE if small else LONGEST_TITLE
    for ax, name in zip(axes, short_names(names, width), strict=True):
        ax.set_title(name, fontsize=9 if small else 10, pad=3 if small else None)


def list_names(ax: Axes, places: Sequence[int] | np.ndarray, names: Sequence[Hashable]) -> None:
    """Write names of groups up the vertical axis, or none where there are too many."""
    shown = short_names(names, LONGEST_NAME) if len(names) <= MOST_NAMES else [""] * len(names)
    ax.set_yticks(places, shown)
    ax.tick_params(axis="y", labelsize=8, length=0)


def letters(names: Sequence[Hashable]) -> int:
    """Characters of the longest name that `list_names` writes."""
    if len(names) > MOST_NAMES:
        return 0
    return max(map(len, short_names(names, LONGEST_NAME)), default=0)


def level_names(ax: Axes, places: Sequence[int] | range, names: Sequence[Hashable]) -> None:
    """Write levels along the horizontal axis, upright where they would collide; many not at all."""
    if len(names) > MOST_UPRIGHT:
        ax.set_xticks([])
        return
    texts = [_number(name) for name in names]
    crowded = sum(map(len, texts)) > MOST_LETTERS
    shown = short_names(texts, LONGEST_NAME) if crowded else texts
    ax.set_xticks(places, shown, rotation=90 if crowded else 0)


def _number(name: Hashable) -> str:
    return f"{name:g}" if isinstance(name, float) else str(name)


def mark_points(
    ax: Axes, names: Sequence[Hashable], x: Sequence[float], y: Sequence[float]
) -> None:
    """Write names beside points, to the left of those that stand at the right edge."""
    low, high = sorted(ax.get_xlim())
    for name, at, height in zip(short_names(names, LONGEST_MARK), x, y, strict=True):
        right = at > low + RIGHT * (high - low)
        ax.annotate(
            name,
            (at, height),
            xytext=(-4 if right else 4, 1),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=7,
        ).set_in_layout(False)  # a long name would take its panel's room


def folded(label: str) -> str:
    """Fold the label of an axis; a lone name in R's backticks goes without them."""
    name = label[1:-1] if label.count("`") == 2 and label[0] == label[-1] == "`" else label  # noqa: PLR2004 - a pair
    return fill(name, LONGEST_LABEL)


def axis_label(data: pd.DataFrame, name: str) -> str:
    """A column under the label and the unit that come with the data, in its ``attrs``."""
    label, unit = (about(data, key).get(name) for key in ("labels", "units"))
    shown = label or name
    return f"{shown} ({unit})" if unit else str(shown)


def about(data: pd.DataFrame, key: str) -> dict[str, str]:
    """What the data's ``attrs`` say of columns: their "labels" or "units"."""
    given = data.attrs.get(key)
    return given if isinstance(given, dict) else {}
