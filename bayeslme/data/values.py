"""Values that an R expression can have, and R's logic on them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslme.data.factors import Factor, relabel
from bayeslme.data.labels import LOGICAL_KEYS, LOGICAL_LEVELS, collation_key, number_labels
from bayeslme.data.types import FloatArray
from bayeslme.data.wording import listed
from bayeslme.errors import DataError, SpecError


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
    """R's ``&`` and ``|``: what decides alone decides, NA otherwise."""
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
