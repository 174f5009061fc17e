"""Contrasts of coefficients and of means, and how estimates of them are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.errors import FitError, SpecError, known_names
from bayeslme.fit.arguments import check_choice
from bayeslme.fit.settings import SETTINGS
from bayeslme.report.export import Exported
from bayeslme.report.grid import named
from bayeslme.report.html import frames_html
from bayeslme.report.tables import table_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


FloatArray = npt.NDArray[np.float64]
MAPPINGS = (Mapping, pd.Series)


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Independent linear combinations of coefficients.

    Attributes
    ----------
    rows : array, shape (r, p)
    labels : tuple of str, length r, or empty
        Names of the rows, where they were given.
    names : tuple of str, length p
        The coefficients.
    """

    rows: FloatArray
    labels: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def used(self) -> npt.NDArray[np.bool_]:
        """Which coefficients have a part in them, (p,)."""
        return np.any(self.rows != 0.0, axis=0)

    def __str__(self) -> str:
        """The rows as nlme prints them, without the coefficients that have no part."""
        shown = pd.DataFrame(self.rows[:, self.used], columns=np.array(self.names)[self.used])
        if len(shown) == 1 and not self.labels:
            return named(shown.iloc[0])
        shown.index = pd.Index(self.labels or range(1, len(shown) + 1))
        return table_text(shown)


def contrasts(L: Any, names: Sequence[str]) -> Contrasts:
    """Read contrasts.

    Parameters
    ----------
    L : array (p,) or (r, p), DataFrame, mapping, Series or sequence of them
        Rows of p numbers; coefficients by name, ``{"Time:Diet2": 1, "Time:Diet3": -1}``; or rows
        of either kind with names of their own, ``{"2 - 3": {"Time:Diet2": 1, "Time:Diet3": -1},
        ...}``. In a DataFrame the columns are coefficients.
    names : sequence of str, length p
        The coefficients.

    Raises
    ------
    FitError
        For unknown coefficients, rows of another width, what is no number, and rows that are zero
        or depend on each other.
    """
    listed, labels = _listed(L)
    if not listed:
        raise FitError("L: no contrast is given; it takes coefficients by name or rows of numbers")
    rows = np.array([_row(row, names) for row in listed])
    if not np.all(np.isfinite(rows)):
        raise FitError("L: a number is missing or infinite; coefficients without a part have 0")
    if _out_of_range(rows):
        raise FitError(f"L: its numbers are {OUT_OF_RANGE}")
    empty = np.flatnonzero(~rows.any(axis=1))
    if len(empty):
        which = labels[empty[0]] if labels else empty[0] + 1
        raise FitError(f"L: row {which} is zero throughout; there is nothing to test")
    rank = int(np.linalg.matrix_rank(rows / np.abs(rows).max(axis=1, keepdims=True)))
    if rank < len(rows):
        raise FitError(f"L: its {len(rows)} rows have rank {rank}; leave out the dependent ones")
    return Contrasts(rows, labels, tuple(names))


OUT_OF_RANGE = (
    "too large or too small for double precision; multiply the contrast by a power of ten, which "
    "changes no test"
)


def _out_of_range(weights: FloatArray) -> bool:
    """Whether the square of a weight overflows, or that of the largest weight of a row vanishes."""
    largest = np.abs(np.atleast_2d(weights)).max(axis=1)
    used = largest[largest > 0]
    return bool(np.any((used > SETTINGS.max_weight) | (used < 1.0 / SETTINGS.max_weight)))


def _listed(L: Any) -> tuple[list[Any], tuple[str, ...]]:
    """Rows one by one, and their names where they have some."""
    if isinstance(L, pd.DataFrame):
        named = not isinstance(L.index, pd.RangeIndex)
        return [row for _, row in L.iterrows()], tuple(map(str, L.index)) if named else ()
    if isinstance(L, Mapping) and L and all(_is_row(row) for row in L.values()):
        return list(L.values()), tuple(map(str, L))
    if isinstance(L, MAPPINGS):
        return [L] if len(L) else [], ()
    rows = list(L) if isinstance(L, list | tuple) else _read_numbers(L)
    if any(isinstance(row, MAPPINGS) or np.ndim(row) for row in rows):
        return list(rows), ()
    return [rows] if len(rows) else [], ()


def _is_row(value: Any) -> bool:
    """Whether a value in a mapping is a whole contrast, not the weight of a coefficient."""
    return isinstance(value, (*MAPPINGS, list, tuple)) or np.ndim(value) > 0


def _row(row: Any, names: Sequence[str]) -> FloatArray:
    if isinstance(row, MAPPINGS):
        unknown = [name for name in row.keys() if name not in names]  # noqa: SIM118 - of a Series
        if unknown:
            raise FitError(
                f"L: {unknown[0]!r} is no coefficient; {known_names(names, 'allowed are')}"
            )
        given = dict(row.items())
        return _read_numbers([given.get(name, 0.0) for name in names])
    numbers = _read_numbers(row)
    if numbers.shape != (len(names),):
        size = len(numbers) if numbers.ndim == 1 else f"shape {numbers.shape}"
        raise FitError(
            f"L: a row of {size} where {len(names)} numbers are needed, one for each of "
            f"{', '.join(names)}"
        )
    return numbers


def _read_numbers(values: Any) -> FloatArray:
    try:
        return np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError):
        raise FitError(
            f"L: {str(values)[:60]!r} is not made of numbers; a contrast is a row of numbers or "
            "{coefficient: number}"
        ) from None


Labels = list[tuple[Any, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class Estimates(Exported):
    """Linear combinations of the coefficients with their limits.

    Attributes
    ----------
    table : DataFrame
        Value, Std.Error, DF, lower, upper; for contrasts also t-value and p-value.
    rows : array, shape (g, p)
        ``rows @ beta`` are the values.
    notes : tuple of str
        What was averaged over, which degrees of freedom, which adjustment.
    of : str
        What the values are, with the unit, as an axis says it.
    about_zero : bool
        Whether zero says that there is no effect: slopes and contrasts.
    """

    table: pd.DataFrame
    rows: FloatArray
    notes: tuple[str, ...]
    of: str
    about_zero: bool

    def _shown(self) -> pd.DataFrame:
        labels = [", ".join(map(text_of, one)) for one in tuples_of(self.table.index)]
        return self.table.set_axis(labels, axis=0)

    @property
    def _names(self) -> str:
        return ", ".join(str(name) for name in self.table.index.names if name)

    def exported(self) -> dict[str, pd.DataFrame]:
        """The table under the names of its factors."""
        return {self._names: self._shown()}

    def __repr__(self) -> str:
        return table_text(self._shown(), self._names, self.notes)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return frames_html({self._names: self._shown()}, self.notes)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Plot the values with their limits, from the top.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.estimates import interval_panels

        table = self._shown().rename(columns={"Value": "est."})
        table.index.name = self._names
        return interval_panels({"": table}, ax, label=self.of, zero=self.about_zero)[0]

    def _contrasts(self, table: pd.DataFrame, rows: FloatArray, *notes: str) -> Estimates:
        return Estimates(table, rows, (*self.notes, *notes), f"contrast: {self.of}", True)


def tuples_of(index: pd.Index[Any]) -> Labels:
    """Entries of an index as tuples, of one level or several."""
    return [one if isinstance(one, tuple) else (one,) for one in index]


def index_of(labels: Labels, names: Sequence[str]) -> pd.Index[Any]:
    """Labels as an index, of several levels where there are several names."""
    if len(names) == 1:
        single: pd.Index[Any] = pd.Index([one[0] for one in labels], name=names[0])
        return single
    return pd.MultiIndex.from_tuples(labels, names=list(names))


def text_of(value: Any) -> str:
    """A level, or a number without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def joined(label: tuple[Any, ...]) -> str:
    """Several levels in a row."""
    return " ".join(map(text_of, label))


Kind = Literal["pairwise", "reference"]
NAMED = (Mapping, pd.Series)
Weighting = Sequence[float] | Mapping[Any, float] | pd.Series


@dataclass(frozen=True, slots=True)
class ContrastRows:
    """Contrasts of means, family after family.

    Attributes
    ----------
    rows : array, shape (m, p)
        As combinations of the coefficients.
    index : Index, length m
    families : list of slice
        The contrasts of each family.
    sizes : list of int
        Its means.
    """

    rows: FloatArray
    index: pd.Index[Any]
    families: list[slice]
    sizes: list[int]


def contrast_rows(
    rows: FloatArray,
    index: pd.Index[Any],
    kind: Kind | Mapping[str, Weighting],
    by: str | Sequence[str] | None,
) -> ContrastRows:
    """Contrasts of the means ``rows @ beta`` within each combination of some predictors' levels."""
    inside, groups = families(index, by)
    labels: Labels = []
    parts: list[FloatArray] = []
    slices: list[slice] = []
    for family, members in groups:
        weights, called = weights_of(kind, [inside[k] for k in members])
        slices.append(slice(len(labels), len(labels) + len(called)))
        labels += [(name, *family) for name in called]
        parts.append(weights @ rows[members])
    whole = index_of(labels, ["contrast", *names_of(by)])
    return ContrastRows(np.concatenate(parts), whole, slices, [len(m) for _, m in groups])


def weights_of(kind: Kind | Mapping[str, Weighting], means: Labels) -> tuple[FloatArray, list[str]]:
    """Weights (m, k) of k means in their contrasts, and what these are called."""
    k, names = len(means), [joined(one) for one in means]
    if isinstance(kind, Mapping):
        if not kind:
            raise FitError("kind: the mapping names no contrast; {'k - l': {'k': 1, 'l': -1}} does")
        rows = [_weights(str(name), row, means) for name, row in kind.items()]
        return np.array(rows), [str(name) for name in kind]
    check_choice(kind, get_args(Kind), "kind")
    if k < 2:  # noqa: PLR2004 - a difference has two sides
        raise FitError(f"contrasts: {', '.join(names)} stands alone; there is nothing to compare")
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    if kind == "reference":
        pairs = [(i, 0) for i in range(1, k)]
    one = np.eye(k)
    return np.array([one[i] - one[j] for i, j in pairs]), [
        f"{names[i]} - {names[j]}" for i, j in pairs
    ]


def _weights(contrast: str, row: Any, means: Labels) -> FloatArray:
    """Weights (k,) of one contrast, given one by one or by the names of means."""
    if isinstance(row, NAMED):
        places = [_place(contrast, name, means) for name in row.keys()]  # noqa: SIM118
        if len(set(places)) < len(places):
            raise FitError(f"kind: {contrast!r} names a mean twice")
        weights = np.zeros(len(means))
        weights[places] = _numbers(
            contrast, list(row.values() if isinstance(row, Mapping) else row)
        )
    else:
        weights = _numbers(contrast, row)
        if weights.shape != (len(means),):
            names = ", ".join(map(joined, means))
            raise FitError(
                f"kind: {len(means)} weights are needed in {contrast!r}, one for each of {names}; "
                "or weights by name, {mean: weight}"
            )
    if not np.all(np.isfinite(weights)):
        raise FitError(f"kind: a weight in {contrast!r} is missing or infinite")
    if _out_of_range(weights):
        raise FitError(f"kind: the weights in {contrast!r} are {OUT_OF_RANGE}")
    if not weights.any():
        raise FitError(f"kind: all weights in {contrast!r} are zero; there is nothing to test")
    return weights


def _numbers(contrast: str, values: Any) -> FloatArray:
    try:
        if isinstance(values, str) or any(isinstance(v, str) for v in np.ravel(values)):
            raise TypeError
        return np.asarray(values, float)
    except (TypeError, ValueError):
        raise FitError(
            f"kind: {str(values)[:60]!r} in {contrast!r} is not made of numbers; a contrast is "
            "weights in the order of the means or {mean: weight}"
        ) from None


def _place(contrast: str, name: Any, means: Labels) -> int:
    """Which mean a name stands for: its level, the levels as a tuple, or as they are printed."""
    own = name if isinstance(name, tuple) else (name,)
    found = [k for k, one in enumerate(means) if one == own]
    text = ", ".join(str(v).upper() if isinstance(v, bool) else text_of(v) for v in own)
    found = found or [
        k for k, one in enumerate(means) if text in (joined(one), ", ".join(map(text_of, one)))
    ]
    if len(found) == 1:
        return found[0]
    what = "stands for several means" if found else "is none of the means"
    shown = ", ".join(repr(one[0] if len(one) == 1 else one) for one in means)
    raise FitError(f"kind: {text!r} in {contrast!r} {what}; they are {shown}")


def families(
    index: pd.Index[Any], by: str | Sequence[str] | None
) -> tuple[Labels, list[tuple[tuple[Any, ...], list[int]]]]:
    """Labels of the means without those of `by`, and the means at each combination of these."""
    names, outer = list(index.names), names_of(by)
    for name in outer:
        if name not in names or len(outer) == len(names):
            among = ", ".join(map(str, names))
            raise SpecError(f"by: {name!r} is not one of several predictors of the means, {among}")
    whole = tuples_of(index)
    places = [names.index(name) for name in outer]
    inside = [tuple(v for k, v in enumerate(one) if k not in places) for one in whole]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for k, one in enumerate(whole):
        groups.setdefault(tuple(one[p] for p in places), []).append(k)
    return inside, list(groups.items())


def names_of(by: str | Sequence[str] | None) -> list[str]:
    """One name, several or none as a list."""
    return [] if by is None else [by] if isinstance(by, str) else list(by)
