"""Predicted curves of each group beside the observed responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.groups import complete_groups
from bayeslme.engine import depth_of
from bayeslme.errors import DataError, SpecError
from bayeslme.fit.arguments import check_count, check_number
from bayeslme.fit.settings import SETTINGS
from bayeslme.fit.values.residuals import LevelName
from bayeslme.formula.deparse import quoted_name
from bayeslme.formula.expressions import Call, variables, walk
from bayeslme.formula.formula import parse_formula

if TYPE_CHECKING:
    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.row_verbs import RowVerbs


def default_primary(fit: RowVerbs | LmList) -> str | None:
    """The covariate a curve runs along where none is named; None where several may be meant."""
    named = _variables(fit)
    formula = fit.data.attrs.get("formula")
    if isinstance(formula, str):
        own = parse_formula(formula).without_groups().variables
        found = [v for v in own if v in named and v != fit.design.response_label]
        if len(found) == 1:
            return str(found[0])
    among = _numeric(fit, named) or named
    return among[0] if len(among) == 1 else None


def primary_of(fit: RowVerbs | LmList, primary: str | None) -> str:
    """The column named, or the default one.

    Raises
    ------
    SpecError
        If it is no column, or none is named and several may be meant.
    """
    if primary is not None and primary in fit.data.columns:
        return primary
    if primary is not None:
        node = parse_formula(primary if "~" in primary else f"~ {primary}")
        names = node.variables
        if len(names) != 1 or names[0] not in fit.data.columns:
            raise SpecError(f"primary: {primary!r} is not one column of the data")
        return str(names[0])
    found = default_primary(fit)
    if found is not None:
        return found
    named = _variables(fit)
    among = _numeric(fit, named) or named
    which = f"one of {', '.join(among)}" if among else "a column of the data"
    raise SpecError(f"primary: say which covariate runs along the axis, {which}")


def _numeric(fit: RowVerbs | LmList, names: list[str]) -> list[str]:
    return [name for name in names if pd.api.types.is_numeric_dtype(fit.data[name])]


def _variables(fit: RowVerbs | LmList) -> list[str]:
    """Columns on the right-hand side of the fixed part and in the random effects."""
    fixed = replace(fit.spec.fixed, lhs=None).without_groups()
    random = (level.formula.without_groups().variables for level in fit.design.levels)
    parts = [fixed.variables, *random]
    names = dict.fromkeys(str(v) for part in parts for v in part)
    return [v for v in names if v in fit.data.columns]


IntArray = npt.NDArray[np.intp]
ALL = "all"  # the group of a fit that has none
FACTOR_FUNCTIONS = frozenset({"factor", "ordered", "as.factor", "as.ordered", "C", "relevel"})
Levels = LevelName | Sequence[str | int]


@dataclass(frozen=True, slots=True)
class _Groups:
    """Group of each row used: codes (n,) and labels."""

    code: IntArray
    labels: tuple[str, ...]


def aug_pred(
    fit: RowVerbs | LmList,
    primary: str | None = None,
    level: Levels = None,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    length: int = SETTINGS.curve_points,
    groups: str | None = None,
) -> pd.DataFrame:
    """Observed responses, and predictions over a grid of one covariate in every group.

    See `Fit.aug_pred`.
    """
    check_count(length, "length")
    for end, value in (("minimum", minimum), ("maximum", maximum)):
        if value is not None:
            check_number(value, end)
    name = primary_of(fit, primary)
    levels = _levels(fit, level)
    own = _groups(fit, max(depth_of(fit.design, one) for one in levels), groups)
    lone = fit.spec.function == "lmList"
    used = fit.data.iloc[fit.design.rows]
    response = fit.design.response_label
    frames = [_frame(name, used[name], own.code, own, response, fit.design.y, "original")]
    new, code = _grid(used, name, own, (minimum, maximum), length, _as_factors(fit))
    for one in levels:
        values = np.asarray(fit.predict(new) if lone else fit.predict(new, level=one), float)  # type: ignore[call-arg]
        kind = "predicted" if len(levels) == 1 else f"predict.{_level_name(fit, one)}"
        frames.append(_frame(name, new[name], code, own, response, values, kind))
    return _stacked(frames, own, fit)


def _as_factors(fit: RowVerbs | LmList) -> frozenset[str]:
    """Columns that the model turns into factors, ``factor(age)``, and its grouping columns."""
    calls = [
        node
        for formula in (fit.spec.fixed, *(level.formula for level in fit.design.levels))
        for node in walk(formula.rhs)
        if isinstance(node, Call) and node.function in FACTOR_FUNCTIONS
    ]
    inside = {str(name) for call in calls for name in variables(call)}
    return frozenset({*inside, *(level.group for level in fit.design.levels)})


def _levels(fit: RowVerbs | LmList, level: Levels) -> list[LevelName]:
    several = isinstance(level, Sequence) and not isinstance(level, str)
    chosen: list[LevelName] = list(level) if several else [level]  # type: ignore[arg-type, list-item]
    if not chosen:
        raise SpecError("level: an empty list asks for no prediction")
    depths = [depth_of(fit.design, one) for one in chosen]
    if len(set(depths)) != len(depths):
        raise SpecError("level: the same level is asked for twice")
    return chosen


def _level_name(fit: RowVerbs | LmList, level: LevelName) -> str:
    number = depth_of(fit.design, level)
    return "fixed" if number == 0 else fit.design.levels[number - 1].group


def _groups(fit: RowVerbs | LmList, depth: int, groups: str | None) -> _Groups:
    levels, lone = fit.design.levels, fit.spec.function == "lmList"
    if (levels or lone) and groups is not None:
        raise SpecError("groups: these fits have groups of their own; leave the argument out")
    if lone:
        groups = grouped_by(fit.spec.fixed.groups)
    if levels:
        level = levels[max(depth, 1) - 1]
        return _Groups(level.code, level.labels)
    if groups is not None:
        columns = Columns(fit.data.iloc[fit.design.rows], fit.design.origins)
        whole = quoted_name(groups) if groups in columns else groups
        names = parse_formula(f"~ 1 | {whole}").groups
        columns.require([name for name in names if name in columns or "(" not in name], "groups")
        found = complete_groups(columns, names, "groups")
        return _Groups(found.code, found.labels)
    known = fit.design.correlation
    if known is not None and known.groups:
        return _Groups(known.code, known.labels)
    return _Groups(np.zeros(fit.nobs, dtype=np.intp), (ALL,))


def grouped_by(names: Sequence[str]) -> str:
    """Grouping columns, outermost first, as a formula has them."""
    return "/".join(map(quoted_name, names))


def _grid(
    used: pd.DataFrame,
    name: str,
    groups: _Groups,
    ends: tuple[float | None, float | None],
    m: int,
    levels: frozenset[str],
) -> tuple[pd.DataFrame, IntArray]:
    """New rows, and the group of each; the primary covariate on a grid, the rest typical.

    Columns in `levels` are factors in the model's eyes: they keep to the values they have.
    """
    values = used[name]
    if pd.api.types.is_numeric_dtype(values) and name not in levels:
        low = float(values.min()) if ends[0] is None else ends[0]
        high = float(values.max()) if ends[1] is None else ends[1]
        points: Any = np.linspace(low, high, m)
    elif ends != (None, None):
        raise DataError(f"minimum, maximum: {name} is a factor, which has no ends")
    else:
        points = pd.Series(values.astype("category").cat.remove_unused_categories().cat.categories)
    typical = pd.DataFrame(
        {c: _typical(used[c], groups, c in levels) for c in used.columns if c != name},
        columns=used.columns,
    ).drop(columns=name)
    met = pd.unique(groups.code)  # nlme's order: as the groups come in the data
    code = np.repeat(met, len(points))
    frame = typical.loc[code].reset_index(drop=True)
    frame[name] = np.tile(np.asarray(points), len(met))
    if isinstance(values.dtype, pd.CategoricalDtype):
        frame[name] = frame[name].astype(values.dtype)
    return frame, code


def _typical(column: pd.Series, groups: _Groups, factor: bool) -> pd.Series:
    """Mean or commonest value of a column in each group."""
    by = column.reset_index(drop=True).groupby(groups.code, observed=True)
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if number and not factor:
        means = by.mean()
        whole = pd.api.types.is_integer_dtype(column) and bool((means == means.round()).all())
        return means.round().astype(column.dtype) if whole else means
    return by.agg(_commonest).astype(column.dtype)


def _commonest(values: pd.Series) -> Any:
    """First of the most frequent values; None where all are missing."""
    modes = values.mode(dropna=True)
    return modes.iloc[0] if len(modes) else None


def _frame(
    name: str,
    x: pd.Series,
    code: IntArray,
    groups: _Groups,
    response: str,
    y: npt.NDArray[np.float64],
    kind: str,
) -> pd.DataFrame:
    labels = pd.Categorical.from_codes(code.tolist(), pd.Index(groups.labels))
    return pd.DataFrame({name: x.to_numpy(), ".groups": labels, response: y, ".type": kind})


def _stacked(frames: list[pd.DataFrame], groups: _Groups, fit: RowVerbs | LmList) -> pd.DataFrame:
    table = pd.concat(frames, ignore_index=True)
    kinds = [str(frame[".type"].iloc[0]) for frame in frames[1:]]
    table[".type"] = pd.Categorical(table[".type"], [*kinds, "original"], ordered=True)
    table[".groups"] = pd.Categorical(table[".groups"], list(groups.labels))
    about = fit.data.attrs
    table.attrs = {key: about[key] for key in ("labels", "units") if key in about}
    return table
