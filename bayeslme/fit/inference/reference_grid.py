"""The grid of predictors on which marginal means stand: levels of factors, means of covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.evaluation.evaluate import columns_of
from bayeslme.data.offset import offset_values
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Factor, drop_unused, from_objects, relabel
from bayeslme.data.variables.labels import LOGICAL_LEVELS
from bayeslme.errors import SpecError, known_names
from bayeslme.fit.settings import SETTINGS
from bayeslme.fit.values.curves import FACTOR_FUNCTIONS
from bayeslme.formula.expressions import Call, r_number, walk
from bayeslme.formula.formula import offsets

if TYPE_CHECKING:
    from bayeslme.fit.numbers import Numbers

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Weights = Literal["equal", "proportional"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One predictor of the grid.

    Attributes
    ----------
    name : str
    labels : tuple
        Levels of a factor as text, values of a covariate as numbers.
    column : Series
        The same as a model reads them.
    code : int array, shape (n,), or None
        Position of every row of the data among the labels (-1 for none of them); None for a
        covariate.
    """

    name: str
    labels: tuple[Any, ...]
    column: pd.Series
    code: npt.NDArray[np.intp] | None


def axes_of(fit: Numbers, at: Mapping[str, Any]) -> tuple[Axis, ...]:
    """The predictors of the fixed part, each with its levels or with one mean.

    Parameters
    ----------
    fit : Fit
    at : mapping of str to value or sequence
        Values in the place of a covariate's mean, or some levels of a factor.

    Raises
    ------
    SpecError
        For a predictor that the fixed part does not have, and a level that a factor has not.
    """
    matrix = fit.design.matrix
    known = [name for one in offsets(fit.spec.fixed) for name in columns_of(one)]
    needed = dict.fromkeys([*matrix.columns_needed, *known])
    names = [name for name in needed if name in fit.design.frame.columns]
    unknown = [name for name in at if name not in names]
    if unknown:
        raise SpecError(f"at: {unknown[0]!r} is no predictor; {known_names(names)}")
    whole = [
        node
        for variable in matrix.terms.variables
        for node in walk(variable)
        if isinstance(node, Call) and node.function in FACTOR_FUNCTIONS
    ]
    as_factors = {name for node in whole for name in columns_of(node)}
    columns = Columns(fit.design.frame, fit.design.origins)
    return tuple(_axis(columns, name, at.get(name), name in as_factors) for name in names)


def _axis(columns: Columns, name: str, at: Any, as_factor: bool) -> Axis:
    values = columns[name]
    if isinstance(values, Factor):
        return _levels(name, values, at)
    if as_factor:
        return _numeric_levels(name, columns.factor(name), at)
    chosen = np.array([values.mean()]) if at is None else _numbers(name, at)
    return Axis(name, tuple(float(v) for v in chosen), pd.Series(chosen), None)


def _numeric_levels(name: str, factor: Factor, at: Any) -> Axis:
    """Numbers that the model turns into a factor; they are not rounded to floats."""
    used = drop_unused(factor)
    places = np.arange(len(used.levels)) if at is None else _places(_numbers(name, at), used)
    # pandas compares integers and floats as floats, so that a long integer has to stay one
    numbers: list[Any] = [float(v) if float(v) == v else v for v in used.values]  # type: ignore[arg-type]
    if np.any(places < 0):
        raise SpecError(f"at: {name} is a factor in the model, of {_listed(numbers)}")
    exact = [numbers[k] for k in places.tolist()]
    return Axis(name, tuple(exact), pd.Series(exact), _positions(places, used))


def _places(values: Any, factor: Factor) -> IntArray:
    """Level of each of some values, found as those of other data are; -1 where there is none."""
    objects = np.array([*values, None], dtype=object)[:-1]
    asked = from_objects(objects, np.zeros(len(objects), dtype=bool))
    return relabel(asked, factor.levels, factor.keys)


def _positions(places: IntArray, factor: Factor) -> IntArray:
    """Position of each row's level among those at `places`, (n,); -1 where it is none of them."""
    table = np.full(len(factor.levels) + 1, -1)  # the last for missing values
    table[places] = range(len(places))
    return table[factor.code]


def _levels(name: str, factor: Factor, at: Any) -> Axis:
    used = np.flatnonzero(np.bincount(factor.code[factor.code >= 0], minlength=len(factor.levels)))
    if at is not None:
        wanted = list(dict.fromkeys([at] if np.ndim(at) == 0 else at))
        places = _places(wanted, factor)
        unknown = [v for v, k in zip(wanted, places, strict=True) if k not in used]
        if unknown or not wanted:
            raise SpecError(
                f"at: {name} has no level {_label(unknown[0]) if unknown else 'among none'!r}; "
                f"it has {', '.join(factor.levels[k] for k in used)}"
            )
        used = places
    labels, keys = factor.reordered(used)
    column: pd.Series[Any]
    if factor.kind == "logical":
        column = pd.Series([label == LOGICAL_LEVELS[1] for label in labels])
    elif factor.kind == "text":
        column = pd.Series(list(labels))
    else:
        named = keys is None or any(isinstance(key, tuple) for key in keys)
        levels = factor.levels if named else factor.values
        categories = pd.Index(levels, dtype=object)
        ordered = factor.kind == "ordered"
        column = pd.Series(pd.Categorical.from_codes(used.tolist(), categories, ordered=ordered))
    return Axis(name, labels, column, _positions(used, factor))


def _label(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return LOGICAL_LEVELS[int(value)]
    return r_number(float(value)) if isinstance(value, int | float | np.number) else str(value)


def _numbers(name: str, at: Any) -> FloatArray:
    try:
        values = np.unique(np.atleast_1d(np.asarray(at, float)))
    except (TypeError, ValueError):
        values = np.array([])
    if not len(values) or not np.all(np.isfinite(values)):
        raise SpecError(f"at: {name} is a number; {at!r:.40} is none, nor a list of them")
    return values


def _listed(values: Sequence[float] | FloatArray) -> str:
    return ", ".join(f"{v:g}" for v in values[:10]) + (", ..." if len(values) > 10 else "")  # noqa: PLR2004


def check_shown(shown: Sequence[str], axes: Sequence[Axis], at: Mapping[str, Any]) -> None:
    """Refuse what is no predictor, and a covariate of which nobody says where."""
    known = {axis.name: axis for axis in axes}
    for name in shown:
        if name not in known:
            raise SpecError(f"factors: {name!r} is no predictor; {known_names(known)}")
        if known[name].code is None and name not in at:
            raise SpecError(
                f"factors: {name} is a covariate; say where, at={{{name!r}: [...]}}, or give its "
                f"slope={name!r}"
            )
    if not shown or len(set(shown)) < len(shown):
        raise SpecError(f"factors: each once, and {known_names(known, 'at least one of')}")


def check_slope(slope: str, axes: Sequence[Axis]) -> None:
    """Refuse a slope along what is no covariate."""
    numeric = [a.name for a in axes if a.code is None]
    if slope not in numeric:
        among = ", ".join(numeric) or "none"
        raise SpecError(f"slope: {slope!r} is no covariate of the fixed part; these are {among}")


def averages(
    fit: Numbers, axes: Sequence[Axis], shown: Sequence[str], weights: Weights, slope: str | None
) -> tuple[list[tuple[Any, ...]], FloatArray]:
    """Combinations of the predictors shown, and the coefficients' shares in their means.

    Parameters
    ----------
    fit : Fit
    axes : sequence of Axis
    shown : sequence of str
        Predictors that are kept; others are averaged over.
    weights : {"equal", "proportional"}
        Of the combinations averaged over: the same for all, or how often they are in the data.
    slope : str, optional
        Covariate whose slope is meant in the place of the mean.

    Returns
    -------
    labels : list of tuple, length g
    rows : array, shape (g, p)
        Means are ``rows @ beta``; where the model has an offset, its values are one more column.

    Raises
    ------
    SpecError
        For a grid of too many cells.
    """
    sizes = [len(axis.labels) for axis in axes]
    if np.prod(sizes, dtype=float) > SETTINGS.max_grid_rows:
        raise SpecError(f"at: a grid of {' x '.join(map(str, sizes))} cells is too large")
    index = np.indices(sizes).reshape(len(axes), int(np.prod(sizes)))
    frame = pd.DataFrame(
        {a.name: a.column.iloc[i].reset_index(drop=True) for a, i in zip(axes, index, strict=True)},
        index=range(index.shape[1]),
    )
    rows = _rows(fit, frame, slope)
    kept = [k for k, axis in enumerate(axes) if axis.name in shown]
    kept.sort(key=lambda k: list(shown).index(axes[k].name))
    rest = [k for k in range(len(axes)) if k not in kept]
    share = _shares([axes[k] for k in rest], weights)
    by = index[kept].T
    cell = np.ravel_multi_index(tuple(index[rest]), [sizes[k] for k in rest]) if rest else 0
    own = share[cell] if rest else np.ones(len(by))
    places, group = np.unique(by, axis=0, return_inverse=True)
    sums = np.zeros((len(places), rows.shape[1]))
    np.add.at(sums, group.ravel(), own[:, None] * rows)
    labels = [tuple(axes[k].labels[j] for k, j in zip(kept, one, strict=True)) for one in places]
    return labels, sums


def _rows(fit: Numbers, frame: pd.DataFrame, slope: str | None) -> FloatArray:
    matrix = fit.design.matrix
    terms = offsets(fit.spec.fixed)

    def at(cells: pd.DataFrame) -> FloatArray:
        X = matrix.apply(cells)
        if not terms:
            return X
        return np.column_stack([X, offset_values(terms, Columns(cells)) * np.ones(len(cells))])

    if slope is None:
        return at(frame) if len(frame.columns) else np.ones((1, len(matrix.names)))
    h = SETTINGS.slope_step * float(fit.design.frame[slope].astype(float).std())
    up, down = (at(frame.assign(**{slope: frame[slope] + s * h})) for s in (1.0, -1.0))
    high, low = (at(frame.assign(**{slope: frame[slope] + s * h})) for s in (2.0, -2.0))
    return np.asarray((8.0 * (up - down) - (high - low)) / (12.0 * h))  # exact up to degree four


def _shares(axes: Sequence[Axis], weights: Weights) -> FloatArray:
    """Shares of the combinations of some predictors, row by row of their grid."""
    sizes = [len(axis.labels) for axis in axes]
    total = int(np.prod(sizes))
    codes = [(axis.code, len(axis.labels)) for axis in axes if axis.code is not None]
    if weights == "equal" or not codes:
        return np.full(total, 1.0 / total)
    inside = reduce(np.logical_and, [code >= 0 for code, _ in codes])
    spots = tuple(code[inside] for code, _ in codes)
    counts = np.zeros([size for _, size in codes])
    np.add.at(counts, spots, 1.0)
    shape = [len(a.labels) if a.code is not None else 1 for a in axes]
    whole = np.broadcast_to(counts.reshape(shape), sizes).ravel()
    return np.asarray(whole / whole.sum())
