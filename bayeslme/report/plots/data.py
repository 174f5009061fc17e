"""Plots of the data: responses by group, interactions, and predicted curves."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayeslme.data.variables.labels import numbered
from bayeslme.errors import DataError, SpecError
from bayeslme.formula.formula import parse_formula
from bayeslme.report.plots.settings import PLOTS
from bayeslme.report.plots.style import (
    COLOURS,
    LINES,
    MARKERS,
    axis_label,
    folded,
    label_axes,
    legend_name,
    level_names,
    list_names,
    panels,
    plain,
    quiet,
    rows_of_panels,
    short_names,
    title_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SEPARATOR = "/"


def group_plot(
    data: pd.DataFrame,
    formula: str | None = None,
    *,
    outer: str | None = None,
    ax: Axes | None = None,
) -> list[Axes]:
    """Plot a response over a covariate for every group; nlme's plot of grouped data.

    Parameters
    ----------
    data : DataFrame
        Rows with a missing value are left out.
    formula : str, optional
        ``"distance ~ age | Subject"``, ``"pixel ~ day | Dog/Side"``: three columns or more, by
        default ``data.attrs["formula"]``. A covariate that is no number stands at places of its
        own; without one, ``"travel ~ 1 | Rail"``, the groups lie below each other.
    outer : str, optional
        Factor with a panel for each of its levels, the groups being lines in it; ``"1"`` for one
        panel. By default every group has a panel.
    ax : Axes, optional
        Where there is one panel.

    Returns
    -------
    list of Axes

    Raises
    ------
    SpecError, DataError
        For a formula of another kind, and for what is no column of the data.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> len(bayeslme.group_plot(data))
    27
    >>> [ax.get_title() for ax in bayeslme.group_plot(data, outer="Sex")]
    ['Male', 'Female']
    """
    response, covariate, groups = _read(data, formula)
    named = [response, *([covariate] if covariate else []), *groups]
    outer_names = [outer] if outer and outer != "1" else []
    for name in [*named, *outer_names]:
        if name not in data.columns:
            among = ", ".join(map(str, data.columns))
            raise DataError(f"group_plot: no column {name!r} among {among}")
    if not pd.api.types.is_numeric_dtype(data[response]):
        raise DataError(f"group_plot: {response!r} is not numeric")
    used = data[list(dict.fromkeys([*named, *outer_names]))].dropna()
    own = _joined(used, groups)
    if covariate is None:
        return _dots(used, response, own, ax, data)
    if outer is None:
        panel = own
    elif outer == "1":
        panel = pd.Series(0, index=used.index)
    else:
        panel = used[outer]
    parts = list(
        used.groupby(panel, observed=True, sort=isinstance(panel.dtype, pd.CategoricalDtype))
    )
    axes = panels(len(parts), ax)
    for one, (_, part) in zip(axes, parts, strict=True):
        _lines(one, part, response, covariate, own, alone=outer is None)
        quiet(one)
    if len(parts) > 1:
        title_panels(axes, [name for name, _ in parts], PLOTS.max_large_panels)
    label_axes(axes, (axis_label(data, covariate), axis_label(data, response)))
    return axes


def _read(data: pd.DataFrame, formula: str | None) -> tuple[str, str | None, list[str]]:
    """Response, covariate and groups of the formula."""
    text = data.attrs.get("formula") if formula is None else formula
    if not isinstance(text, str):
        raise SpecError('group_plot: the data have no formula; give one, "y ~ x | g"')
    read = parse_formula(text)
    names = [str(v) for v in read.without_groups().variables]
    if read.lhs is None or not read.groups or len(names) not in (1, 2):
        raise SpecError(f"group_plot: y ~ x | g is needed, of columns, not {text}")
    return names[0], names[1] if len(names) > 1 else None, list(read.groups)


def _joined(used: pd.DataFrame, groups: list[str]) -> pd.Series:
    """Groups under the labels of all their levels, in the levels' order."""
    if len(groups) == 1:
        return used[groups[0]]
    places = used.groupby(groups, observed=True, sort=True).ngroup()
    first = used[groups].iloc[np.unique(places, return_index=True)[1]]
    labels = numbered(first.astype(str).agg(SEPARATOR.join, axis=1).tolist())
    own = pd.Categorical.from_codes(places.tolist(), pd.Index(labels))
    return pd.Series(own, index=used.index)


def _lines(
    ax: Axes, part: pd.DataFrame, response: str, covariate: str, own: pd.Series, *, alone: bool
) -> None:
    x = part[covariate]
    numeric = pd.api.types.is_numeric_dtype(x)
    place = x if numeric else x.astype("category").cat.codes
    for k, (_, rows) in enumerate(part.groupby(own.loc[part.index], observed=True)):
        ordered = place.loc[rows.index].sort_values(kind="stable")
        colour = COLOURS[0] if alone else COLOURS[k % len(COLOURS)]
        values = rows.loc[ordered.index, response]
        ax.plot(ordered, values, "o-", color=colour, ms=3.5, lw=1.1, alpha=0.8)
    if not numeric:
        levels = list(x.astype("category").cat.categories)
        ax.set_xticks(range(len(levels)), [plain(level) for level in levels])


def _dots(
    used: pd.DataFrame, response: str, own: pd.Series, ax: Axes | None, data: pd.DataFrame
) -> list[Axes]:
    """Responses on a line for each group, the groups below each other."""
    kind = own.astype("category").cat
    groups = [g for g in kind.categories if (own == g).any()]
    (one,) = rows_of_panels(1, len(groups), ax, names=groups)
    codes = own.map({g: k for k, g in enumerate(groups)}).astype(int)
    one.plot(used[response], codes, "o", color=COLOURS[0], ms=4.5, alpha=0.8)
    list_names(one, range(len(groups)), groups)
    one.set(xlabel=plain(axis_label(data, response)), ylabel=plain(own.name or ""))
    quiet(one)
    return [one]


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
    many = means.shape[1] > PLOTS.max_labelled_lines
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
            label=legend_name(level),
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
    columns = -(-len(levels) // PLOTS.max_legend_rows)
    ax.legend(
        ax.lines,
        list(map(plain, short_names(levels, PLOTS.max_name_length))),
        title=folded(title),
        ncols=columns,
        fontsize=None if columns == 1 and len(levels) <= PLOTS.max_labelled_lines else 7,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )


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
        one.plot(_drawn(seen[x]), seen[y], "o", ms=3.8, color=colour, alpha=0.85)
        for k, kind in enumerate(kinds):
            own = part[part[".type"] == kind]
            style = _style(k, numeric=pd.api.types.is_numeric_dtype(own[x]), alone=len(kinds) == 1)
            one.plot(_drawn(own[x]), own[y], label=legend_name(kind), **style)
        quiet(one)
    if len(parts) > 1:
        title_panels(axes, [name for name, _ in parts], PLOTS.max_large_panels)
    label_axes(axes, (str(x), str(y)) if labels is None else labels)
    if len(kinds) > 1:
        _curve_legend(axes, len(parts) > PLOTS.max_panels_with_legend)
    return axes


def _drawn(values: pd.Series) -> pd.Series:
    """Values along an axis; names, which matplotlib writes below it, as it writes them."""
    names = isinstance(values.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(values)
    return values.astype(object).map(plain) if names else values


def _style(k: int, *, numeric: bool, alone: bool) -> dict[str, Any]:
    colour = COLOURS[1] if alone else COLOURS[k % len(COLOURS)]
    line = LINES[0] if alone else LINES[k % len(LINES)]
    return {"color": colour, "linestyle": line, "lw": 1.5, "marker": None if numeric else "_"}


def _curve_legend(axes: list[Axes], outside: bool) -> None:
    handles, names = axes[0].get_legend_handles_labels()
    if outside:
        axes[0].figure.legend(
            handles, names, loc="outside upper center", ncols=len(names), frameon=False
        )
    else:
        axes[-1].legend(handles, names, frameon=False, fontsize=8)
