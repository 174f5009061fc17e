"""Factors as integer codes and level labels, in R's level order."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.dates import Dates
from bayeslme.data.types import IntArray
from bayeslme.spec.number import r_number

Kind = Literal["factor", "ordered", "logical", "text"]
LOGICAL_LEVELS = ("FALSE", "TRUE")
_EXPONENT = 1e5  # from here on R may print whole numbers with an exponent
_SPREAD = 8  # times n entries: such a table is still cheaper than hashing or sorting n values


@dataclass(frozen=True, slots=True)
class Factor:
    """A categorical variable.

    Attributes
    ----------
    code : (n,) int array
        Index into `levels`; -1 where the value is missing.
    levels : tuple of str
        Labels in R's order.
    kind : {"factor", "ordered", "logical", "text"}
        Text is a character column, which R turns into a factor with sorted levels.
    contrasts : str or None
        Contrasts that the factor carries itself, from ``C(f, contr.sum)``.
    """

    code: IntArray
    levels: tuple[str, ...]
    kind: Kind = "factor"
    contrasts: str | None = None

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
    if size <= _SPREAD * len(code) + 1024:
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
    return replace(factor, code=code, levels=tuple(factor.levels[k] for k in used))


def from_numbers(values: npt.NDArray[Any], *, integer: bool) -> Factor:
    """R's ``factor(x)`` of numbers: levels sorted by value, labels as R prints the numbers.

    Parameters
    ----------
    values : (n,) array
        NaN is missing. Days are labelled by their dates.
    integer : bool
        Whether the numbers are of R's integer type, which never prints an exponent.
    """
    present = np.ones(len(values), dtype=bool) if values.dtype.kind in "iu" else ~np.isnan(values)
    known = values if present.all() else values[present]
    if not len(known):
        return Factor(np.full(len(values), -1, dtype=np.intp), ())
    inner, unique = _sorted_codes(known)
    code = inner if present.all() else _spread_out(inner, present)
    if isinstance(values, Dates):
        return Factor(code, tuple(Dates.of(unique, values.origin).labels()))
    return Factor(code, number_labels(unique, integer=integer))


def _sorted_codes(known: npt.NDArray[Any]) -> tuple[IntArray, npt.NDArray[Any]]:
    """Codes and sorted unique values; integers of a small range are counted, not sorted."""
    low, high = known.min(), known.max()
    if np.isfinite(low) and np.isfinite(high) and high - low <= _SPREAD * len(known):
        whole = (known - low if low else known).astype(np.intp, copy=False)
        if (whole + low == known).all():
            code, used = compress(whole, int(high - low) + 1)
            return code, used + low
    unique, code = np.unique(known, return_inverse=True)
    return code.astype(np.intp, copy=False), unique


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


def collation_key(label: str) -> tuple[str, str]:
    """Sorting key of text: letters first, then lower before upper case."""
    if label.isascii():
        return label.casefold(), label.swapcase()
    plain = "".join(c for c in unicodedata.normalize("NFKD", label) if not unicodedata.combining(c))
    return plain.casefold(), label.swapcase()


def from_logical(
    values: npt.NDArray[np.bool_], missing: npt.NDArray[np.bool_] | None = None
) -> Factor:
    """Turn a boolean array into a factor with levels FALSE, TRUE."""
    code = values.astype(np.intp)
    if missing is not None:
        code[missing] = -1
    return Factor(code, LOGICAL_LEVELS, "logical")


def cross(outer: Factor, inner: Factor, separator: str) -> tuple[Factor, IntArray, IntArray]:
    """Combinations of two factors that occur, ordered by the outer, then the inner level.

    Returns
    -------
    crossed : Factor
        With labels ``outer<separator>inner``; missing where one of the two is.
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
    labels = np.strings.add(np.strings.add(left, separator), right)
    return Factor(code, tuple(labels.tolist())), first, second


def relabel(factor: Factor, levels: tuple[str, ...]) -> IntArray:
    """Codes of a factor in terms of other `levels`; -1 where missing or unknown."""
    if factor.levels == levels:
        return factor.code
    place = {label: k for k, label in enumerate(levels)}
    table = np.array([*(place.get(label, -1) for label in factor.levels), -1], dtype=np.intp)
    return table[factor.code]


def number_labels(values: npt.NDArray[Any], *, integer: bool) -> tuple[str, ...]:
    """Label numbers as R's ``as.character`` does.

    Fifteen significant digits, in the shorter of fixed and exponent notation.

    Examples
    --------
    >>> number_labels(np.array([1e-05, 0.2, 8.0, 1e5, 123456.0]), integer=False)
    ('1e-05', '0.2', '8', '1e+05', '123456')
    >>> number_labels(np.array([8, 100000]), integer=True)
    ('8', '100000')
    """
    if integer or _plain(values):
        return tuple(values.astype(np.int64).astype(np.str_).tolist())
    return tuple(map(r_number, values.tolist()))


def _plain(values: npt.NDArray[Any]) -> bool:
    """Whether all are whole numbers too small for an exponent."""
    return bool(
        np.isfinite(values).all()
        and (np.abs(values) < _EXPONENT).all()
        and (values == np.trunc(values)).all()
    )
