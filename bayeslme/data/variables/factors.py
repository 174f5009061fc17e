"""Factors as integer codes and level labels, and the other values of R expressions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data import settings
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.variables.dates import Dates
from bayeslme.data.variables.labels import (
    LOGICAL_KEYS,
    LOGICAL_LEVELS,
    collation_key,
    joined_labels,
    kind_of,
    number_labels,
    plain_keys,
    sorting_key,
    value_labels,
)
from bayeslme.errors import DataError, SpecError, listed

Kind = Literal["factor", "ordered", "logical", "text"]
Keys = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Factor:
    """A categorical variable.

    Attributes
    ----------
    code : (n,) int array
        Index into `levels`; -1 where the value is missing.
    levels : tuple of str
        Labels in R's order, each once.
    kind : {"factor", "ordered", "logical", "text"}
        Text is a character column, which R turns into a factor with sorted levels.
    contrasts : str or None
        Contrasts that the factor carries itself, from ``C(f, contr.sum)``.
    keys : tuple or None
        The values that the levels stand for, by which those of other data are found again; None
        where they are the labels themselves.
    """

    code: IntArray
    levels: tuple[str, ...]
    kind: Kind = "factor"
    contrasts: str | None = None
    keys: Keys | None = None

    @property
    def values(self) -> Keys:
        """The values that the levels stand for."""
        return self.levels if self.keys is None else self.keys

    def reordered(self, places: IntArray) -> tuple[tuple[str, ...], Keys | None]:
        """Labels and values of some levels, in the order of `places`."""
        chosen = places.tolist()
        keys = None if self.keys is None else tuple(self.keys[k] for k in chosen)
        return tuple(self.levels[k] for k in chosen), keys

    def take(self, rows: IntArray) -> Factor:
        """Return the factor at these rows, all levels kept."""
        return replace(self, code=self.code[rows])


def compress(code: npt.NDArray[np.integer], size: int) -> tuple[IntArray, IntArray]:
    """Renumber non-negative codes below `size` to 0..G-1 in their order, dropping what is not used.

    Parameters
    ----------
    code : (n,) int array
    size : int
        Exclusive upper bound of the codes.

    Returns
    -------
    code : (n,) int array
        The new codes.
    used : (G,) int array
        The old codes, ascending.
    """
    if size <= settings.DATA.table_entries_per_row * len(code) + 1024:
        used = np.flatnonzero(np.bincount(code, minlength=size))
        if len(used) == size:
            return code.astype(np.intp, copy=False), used
        table = np.empty(size, dtype=np.intp)
        table[used] = np.arange(len(used))
        return table[code], used
    used, new = np.unique(code, return_inverse=True)
    return new.astype(np.intp, copy=False), used.astype(np.intp, copy=False)


def _compress_known(
    code: IntArray, known: npt.NDArray[np.bool_], size: int
) -> tuple[IntArray, IntArray]:
    """As `compress` for the known codes, -1 elsewhere."""
    if known.all():
        return compress(code, size)
    inner, used = compress(code[known], size)
    return _spread_out(inner, known), used


def _spread_out(inner: IntArray, known: npt.NDArray[np.bool_]) -> IntArray:
    """Codes of the known values in their places, -1 elsewhere."""
    code = np.full(len(known), -1, dtype=np.intp)
    code[known] = inner
    return code


def drop_unused(factor: Factor) -> Factor:
    """Drop the levels that do not occur; a logical variable keeps both of its levels, as in R."""
    if factor.kind == "logical":
        return factor
    code, used = _compress_known(factor.code, factor.code >= 0, len(factor.levels))
    if len(used) == len(factor.levels):
        return replace(factor, code=code)
    levels, keys = factor.reordered(used)
    return replace(factor, code=code, levels=levels, keys=keys)


def from_numbers(
    values: npt.NDArray[Any], *, integer: bool, missing: npt.NDArray[np.bool_] | None = None
) -> Factor:
    """R's ``factor(x)`` of numbers: levels sorted by value, labels as R prints the numbers.

    Parameters
    ----------
    values : (n,) array
        NaN is missing. Days are labelled by their dates.
    integer : bool
        Whether the numbers are of R's integer type, which never prints an exponent.
    missing : (n,) bool array, optional
        Where the values of an integer array are missing.
    """
    present = np.ones(len(values), dtype=bool) if values.dtype.kind in "iu" else ~np.isnan(values)
    if missing is not None:
        present &= ~missing
    known = values if present.all() else values[present]
    if not len(known):
        return Factor(np.full(len(values), -1, dtype=np.intp), ())
    inner, unique = _sorted_codes(known)
    code = inner if present.all() else _spread_out(inner, present)
    if isinstance(values, Dates):
        labels = tuple(Dates.of(unique, values.origin).labels())
    else:
        labels = number_labels(unique, integer=integer)
    return Factor(code, labels, keys=tuple(unique.tolist()))


def _sorted_codes(known: npt.NDArray[Any]) -> tuple[IntArray, npt.NDArray[Any]]:
    """Codes and sorted unique values; integers of a small range are counted, not sorted."""
    low, high = known.min(), known.max()
    # the difference of integers of full range is not one of their type, but Python's has no limit
    if (
        np.isfinite(low)
        and np.isfinite(high)
        and high.item() - low.item() <= settings.DATA.table_entries_per_row * len(known)
    ):
        whole = (known - low if low else known).astype(np.intp, copy=False)
        if (whole + low == known).all():
            code, used = compress(whole, int(high.item() - low.item()) + 1)
            return code, used.astype(known.dtype, copy=False) + low
    unique, code = np.unique(known, return_inverse=True)
    return code.astype(np.intp, copy=False), unique


def from_objects(values: npt.NDArray[np.object_], missing: npt.NDArray[np.bool_]) -> Factor:
    """Turn Python objects of any types into a factor: numbers first, then text, then the others.

    Parameters
    ----------
    values : (n,) object array
        Hashable, told apart by equality.
    missing : (n,) bool array
    """
    seen: dict[Any, int] = {}
    known = ~missing
    each = plain_keys(values[known])
    inner = np.array([seen.setdefault(key, len(seen)) for key in each], dtype=np.intp)
    met = list(seen)
    order = sorted(range(len(met)), key=lambda k: sorting_key(met[k]))
    rank = np.empty(len(met), dtype=np.intp)
    rank[order] = np.arange(len(met))
    keys = tuple(met[k] for k in order)
    return Factor(_spread_out(rank[inner], known), value_labels(keys), keys=keys)


def from_text(values: pd.Series[Any]) -> Factor:
    """Turn strings into a factor with sorted levels.

    Letters are sorted before case is looked at ("abc", "Q", "Zed"), as R does in all but the
    plain C locale.
    """
    code, unique = pd.factorize(values, use_na_sentinel=True)
    labels = [str(u) for u in unique]
    order = sorted(range(len(labels)), key=lambda k: collation_key(labels[k]))
    rank = np.empty(len(labels) + 1, dtype=np.intp)
    rank[order] = np.arange(len(labels))
    rank[-1] = -1
    return Factor(rank[code], tuple(labels[k] for k in order), "text")


def from_logical(
    values: npt.NDArray[np.bool_], missing: npt.NDArray[np.bool_] | None = None
) -> Factor:
    """Turn a boolean array into a factor with levels FALSE, TRUE."""
    code = values.astype(np.intp)
    if missing is not None:
        code[missing] = -1
    return Factor(code, LOGICAL_LEVELS, "logical", keys=LOGICAL_KEYS)


def cross(outer: Factor, inner: Factor, separator: str) -> tuple[Factor, IntArray, IntArray]:
    """Combinations of two factors that occur, ordered by the outer, then the inner level.

    Returns
    -------
    crossed : Factor
        With labels ``outer<separator>inner``, whose values are pairs; missing where one of the two
        is.
    first, second : (G,) int arrays
        The outer and the inner code of each combination.
    """
    width = max(1, len(inner.levels))
    known = (outer.code >= 0) & (inner.code >= 0)
    joint = outer.code * width + inner.code
    code, used = _compress_known(joint, known, len(outer.levels) * width)
    first, second = np.divmod(used, width)
    left = np.array(outer.levels, dtype=np.str_)[first]
    right = np.array(inner.levels, dtype=np.str_)[second]
    a, b = outer.values, inner.values
    keys = tuple((a[i], b[j]) for i, j in zip(first.tolist(), second.tolist(), strict=True))
    return Factor(code, joined_labels([left, right], separator), keys=keys), first, second


def relabel(factor: Factor, levels: tuple[str, ...], keys: Keys | None = None) -> IntArray:
    """Codes of a factor in terms of other levels; -1 where missing or unknown.

    Levels are found by their values. Only a value of a type that none of the others has, a number
    among text, say, is found by its label.

    Parameters
    ----------
    factor : Factor
    levels : tuple of str
    keys : tuple, optional
        Their values, where these are not the labels.
    """
    known = levels if keys is None else keys
    if factor.levels == levels and factor.values == known:
        return factor.code
    place = {key: k for k, key in enumerate(known)}
    found = [place.get(key, -1) for key in factor.values]
    if -1 in found:
        kinds = set(map(kind_of, known))
        by_label = {label: k for k, label in enumerate(levels)}
        for j, (label, key) in enumerate(zip(factor.levels, factor.values, strict=True)):
            if found[j] < 0 and kind_of(key) not in kinds:
                found[j] = by_label.get(label, -1)
    return np.array([*found, -1], dtype=np.intp)[factor.code]


@dataclass(frozen=True, slots=True)
class Basis:
    """Several columns made by one function.

    Attributes
    ----------
    values : (n, k) float array
    names : tuple of str, length k
    """

    values: FloatArray
    names: tuple[str, ...]


Scalar = float | str | bool
Value = FloatArray | Factor | Basis | Scalar | tuple[Scalar, ...]

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def rows_not_finite(values: FloatArray) -> int:
    """Number of rows in which numbers (n,) or (n, k) are missing or infinite."""
    finite = np.isfinite(values)
    return 0 if finite.all() else int(np.sum(~finite.reshape(len(values), -1).all(axis=1)))


def number(value: FloatArray | Factor, label: str) -> FloatArray:
    """Numbers as they are, logical values as 0 and 1; anything else is an error that names it."""
    if isinstance(value, np.ndarray):
        return value
    if value.kind == "logical":
        return np.where(value.code < 0, np.nan, value.code.astype(float))
    what = "text" if value.kind == "text" else "a factor"
    msg = f"'{label}' is {what} where a number is needed"
    if what == "a factor":
        msg += f"; as.numeric({label}) is the position of its level"
    raise DataError(msg)


def logical(code: np.ndarray) -> Factor:
    """A logical variable from 0, 1 and -1 for NA."""
    return Factor(code.astype(np.intp), LOGICAL_LEVELS, "logical", keys=LOGICAL_KEYS)


def connect(op: str, a: np.ndarray, b: np.ndarray) -> Factor:
    """R's ``&`` and ``|``: FALSE & NA is FALSE, TRUE | NA is TRUE, otherwise NA stays."""
    decisive = 0 if op == "&" else 1
    unknown = np.where((a < 0) | (b < 0), -1, 1 - decisive)
    return logical(np.where((a == decisive) | (b == decisive), decisive, unknown))


def scalar_label(value: Scalar) -> str:
    """A constant as R's ``as.character`` writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return LOGICAL_LEVELS[value]
    return number_labels(np.array([value], dtype=float), integer=False)[0]


def compare_numbers(op: str, x: FloatArray, y: FloatArray) -> Factor:
    """Compare numbers row by row; NaN gives NA."""
    x, y = np.broadcast_arrays(x, y)
    return logical(np.where(np.isnan(x) | np.isnan(y), -1, COMPARISONS[op](x, y)))


def compare_labels(op: str, a: Value, b: Value, text: str) -> Factor:
    """Compare a factor with a label or a factor; `text` is the comparison, for messages."""
    if not isinstance(a, Factor) and isinstance(b, Factor):
        return compare_labels(_MIRRORED[op], b, a, text)
    if not isinstance(a, Factor) or isinstance(b, np.ndarray | Basis | tuple):
        msg = f"'{text}' compares text with numbers; compare a factor with one label in quotes"
        raise SpecError(msg)
    if op not in ("==", "!=") and a.kind not in ("ordered", "text"):
        msg = f"'{text}': '{op}' has no meaning for an unordered factor; use == or %in%"
        raise SpecError(msg)
    if isinstance(b, Factor):
        return _compare_factors(op, a, b, text)
    label = scalar_label(b)
    if a.kind == "text":
        key = collation_key(label)
        truth = [COMPARISONS[op](collation_key(level), key) for level in a.levels]
    else:
        if op not in ("==", "!=") and label not in a.levels:
            msg = f"'{text}': '{label}' is none of the levels {listed(a.levels)}"
            raise DataError(msg)
        place = a.levels.index(label) if label in a.levels else -1
        truth = [COMPARISONS[op](k, place) for k in range(len(a.levels))]
    return logical(np.array([*map(int, truth), -1])[a.code])


def _compare_factors(op: str, a: Factor, b: Factor, text: str) -> Factor:
    """Compare factors of the same levels; text with anything."""
    if "text" not in (a.kind, b.kind) and {*a.levels} != {*b.levels}:
        msg = f"'{text}' compares factors with different levels; use as.character() on both"
        raise DataError(msg)
    levels = a.levels
    if a.levels != b.levels:
        levels = tuple(sorted({*a.levels, *b.levels}, key=collation_key))
    x, y = relabel(a, levels), relabel(b, levels)
    return logical(np.where((x < 0) | (y < 0), -1, COMPARISONS[op](x, y)))
