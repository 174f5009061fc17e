"""Labels of the values that levels and groups stand for; different values have different labels.

Levels are told apart by their values. Labels are for people: where the labels of two values would
be the same text, both are written out in a way that differs.

- Numbers are printed as R prints them, with fifteen significant digits; where these are not
  enough, with as many as tell them apart.
- Text that prints like a value of another type is put into double quotes: ``1`` and ``"1"``.
- Joined labels ("outer/inner") of which two would be equal have quotes around each part that
  holds the separator: ``"a/b"/c`` and ``a/"b/c"``.
- What is still equal gets a number: ``a`` and ``a (2)``.
"""

from __future__ import annotations

import datetime
import math
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data import settings
from bayeslme.formula.expressions import r_number

LOGICAL_LEVELS = ("FALSE", "TRUE")
LOGICAL_KEYS = (("logical", False), ("logical", True))
"""The values TRUE and FALSE; Python's own are equal to the numbers 1 and 0."""


def number_labels(values: npt.NDArray[Any], *, integer: bool) -> tuple[str, ...]:
    """Label numbers as R's ``as.character`` does.

    Fifteen significant digits, in the shorter of fixed and exponent notation; more where two
    different numbers would print alike.

    Examples
    --------
    >>> number_labels(np.array([1e-05, 0.2, 8.0, 1e5, 123456.0]), integer=False)
    ('1e-05', '0.2', '8', '1e+05', '123456')
    >>> number_labels(np.array([8, 100000]), integer=True)
    ('8', '100000')
    >>> number_labels(np.array([0.3, 0.1 + 0.2]), integer=False)
    ('0.3', '0.30000000000000004')
    """
    if values.dtype.kind in "iu" and integer:
        return tuple(values.astype(np.str_).tolist())
    if values.dtype.kind == "f" and (integer or _plain(values)):
        whole = np.isfinite(values).all() and (np.abs(values) < 2.0**53).all()
        if whole and (values == np.trunc(values)).all():
            return tuple(values.astype(np.int64).astype(np.str_).tolist())
    numbers = values.tolist()
    return distinct([r_number(float(v)) for v in numbers], numbers)


def _plain(values: npt.NDArray[Any]) -> bool:
    """Whether all are whole numbers too small for an exponent."""
    return bool(
        np.isfinite(values).all()
        and (np.abs(values) < settings.DATA.exponent_from).all()
        and (values == np.trunc(values)).all()
    )


def collation_key(label: str) -> tuple[str, str]:
    """Sorting key of text: letters first, then lower before upper case."""
    if label.isascii():
        return label.casefold(), label.swapcase()
    plain = "".join(c for c in unicodedata.normalize("NFKD", label) if not unicodedata.combining(c))
    return plain.casefold(), label.swapcase()


def kind_of(key: Hashable) -> Hashable:
    """Type of a value as far as values of different types are compared by their labels."""
    if isinstance(key, str):
        return "text"
    if isinstance(key, tuple):
        return "logical" if key in LOGICAL_KEYS else tuple(map(kind_of, key))
    return "number" if isinstance(key, Number) else type(key).__name__


def value_labels(keys: Sequence[Any]) -> tuple[str, ...]:
    """Labels of values of any type.

    Examples
    --------
    >>> value_labels([1, 2, "1", "a"])
    ('1', '2', '"1"', 'a')
    """
    return distinct([_label(key) for key in keys], keys)


def _label(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    if isinstance(key, tuple) and key in LOGICAL_KEYS:
        return LOGICAL_LEVELS[key[1]]
    if isinstance(key, Number):
        return _number_label(key)
    if isinstance(key, datetime.datetime):  # pandas' Timestamp is one
        midnight = key.time() == datetime.time() and getattr(key, "nanosecond", 0) == 0
        return key.date().isoformat() if midnight and key.tzinfo is None else str(key)
    return str(key)


def _number_label(key: Any) -> str:
    if isinstance(key, int | np.integer):
        return str(int(key))
    if isinstance(key, Decimal) and key.is_finite() and key == key.to_integral_value():
        return str(int(key))
    try:
        return r_number(float(key))
    except (TypeError, OverflowError):  # complex numbers, and fractions beyond the largest float
        return str(key)


def distinct(labels: Sequence[str], keys: Sequence[Any]) -> tuple[str, ...]:
    """Labels that differ wherever the values `keys` do; see the head of this module."""
    if len(set(labels)) == len(labels):
        return tuple(labels)
    same = Counter(labels)
    written = [
        _written_out(key) if same[label] > 1 else label
        for label, key in zip(labels, keys, strict=True)
    ]
    return numbered(written)


def _written_out(key: Any) -> str:
    if isinstance(key, str):
        return f'"{key}"'
    if isinstance(key, float) and math.isfinite(key):
        text = repr(float(key))
        return text.removesuffix(".0")
    return str(key) if isinstance(key, Decimal) else _label(key)


def joined_labels(parts: Sequence[npt.NDArray[Any]], separator: str) -> tuple[str, ...]:
    """Join the labels (G,) of several columns, so that different rows have different labels.

    Examples
    --------
    >>> joined_labels([np.array(["a/b", "a", "c"]), np.array(["c", "b/c", "d"])], "/")
    ('"a/b"/c', 'a/"b/c"', 'c/d')
    """
    plain = _join(parts, separator).tolist()
    same = Counter(plain)
    if len(same) == len(plain):
        return tuple(plain)
    quoted = [
        np.array([f'"{p}"' if separator in p else p for p in part.tolist()]) for part in parts
    ]
    careful = _join(quoted, separator).tolist()
    return numbered([c if same[p] > 1 else p for p, c in zip(plain, careful, strict=True)])


def _quoted(part: npt.NDArray[Any], separator: str) -> npt.NDArray[np.str_]:
    return np.array([f'"{p}"' if separator in p else p for p in part.tolist()], dtype=np.str_)


def _join(parts: Sequence[npt.NDArray[Any]], separator: str) -> npt.NDArray[np.str_]:
    whole = np.asarray(parts[0], dtype=np.str_)
    for part in parts[1:]:
        whole = np.strings.add(np.strings.add(whole, separator), np.asarray(part, dtype=np.str_))
    return whole


def numbered(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels of which later ones that are equal to an earlier one end in a number.

    Examples
    --------
    >>> numbered(["a", "b", "a"])
    ('a', 'b', 'a (2)')
    """
    taken, met, out = set(labels), set(), []
    for label in labels:
        chosen, count = label, 1
        while chosen in met or (count > 1 and chosen in taken):
            count += 1
            chosen = f"{label} ({count})"
        met.add(chosen)
        out.append(chosen)
    return tuple(out)


def sorting_key(key: Any) -> tuple[Any, ...]:
    """Key that sorts values of any types: numbers, logical values, text, then the others."""
    kind = kind_of(key)
    if kind == "number" and not isinstance(key, complex):
        return 0, key
    if kind == "logical":
        return 1, key
    if kind == "text":
        return 2, collation_key(key)
    return 3, str(kind), _Ordered(key)


class _Ordered:
    """A value that sorts by itself, or by its text where its type has no order."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: _Ordered) -> bool:
        try:
            return bool(self.key < other.key)
        except TypeError:
            return str(self.key) < str(other.key)


def plain_keys(values: pd.Index[Any] | npt.NDArray[Any]) -> tuple[Any, ...]:
    """Values as Python's own, TRUE and FALSE apart from the numbers 1 and 0."""
    return tuple(map(_plain_key, values.tolist()))


def _plain_key(value: Any) -> Any:
    if isinstance(value, np.number | np.bool_ | np.str_ | np.bytes_):
        value = value.item()
    return LOGICAL_KEYS[value] if isinstance(value, bool) else value
