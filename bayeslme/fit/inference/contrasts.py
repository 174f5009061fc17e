"""Contrasts of coefficients as a person writes them: numbers, or coefficients by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.errors import FitError
from bayeslme.report.grid import named
from bayeslme.report.tables import table_text

FloatArray = npt.NDArray[np.float64]
NAMED = (Mapping, pd.Series)


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
    empty = np.flatnonzero(~rows.any(axis=1))
    if len(empty):
        which = labels[empty[0]] if labels else empty[0] + 1
        raise FitError(f"L: row {which} is zero throughout; there is nothing to test")
    rank = int(np.linalg.matrix_rank(rows / np.abs(rows).max(axis=1, keepdims=True)))
    if rank < len(rows):
        raise FitError(f"L: its {len(rows)} rows have rank {rank}; leave out the dependent ones")
    return Contrasts(rows, labels, tuple(names))


def _listed(L: Any) -> tuple[list[Any], tuple[str, ...]]:
    """Rows one by one, and their names where they have some."""
    if isinstance(L, pd.DataFrame):
        named = not isinstance(L.index, pd.RangeIndex)
        return [row for _, row in L.iterrows()], tuple(map(str, L.index)) if named else ()
    if isinstance(L, Mapping) and L and all(_is_row(row) for row in L.values()):
        return list(L.values()), tuple(map(str, L))
    if isinstance(L, NAMED):
        return [L] if len(L) else [], ()
    rows = list(L) if isinstance(L, list | tuple) else _numbers(L)
    if any(isinstance(row, NAMED) or np.ndim(row) for row in rows):
        return list(rows), ()
    return [rows] if len(rows) else [], ()


def _is_row(value: Any) -> bool:
    """Whether a value in a mapping is a whole contrast, not the weight of a coefficient."""
    return isinstance(value, (*NAMED, list, tuple)) or np.ndim(value) > 0


def _row(row: Any, names: Sequence[str]) -> FloatArray:
    if isinstance(row, NAMED):
        unknown = [name for name in row.keys() if name not in names]  # noqa: SIM118 - of a Series
        if unknown:
            raise FitError(f"L: {unknown[0]!r} is no coefficient; allowed are {', '.join(names)}")
        given = dict(row.items())
        return _numbers([given.get(name, 0.0) for name in names])
    numbers = _numbers(row)
    if numbers.shape != (len(names),):
        size = len(numbers) if numbers.ndim == 1 else f"shape {numbers.shape}"
        raise FitError(
            f"L: a row of {size} where {len(names)} numbers are needed, one for each of "
            f"{', '.join(names)}"
        )
    return numbers


def _numbers(values: Any) -> FloatArray:
    try:
        return np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError):
        raise FitError(
            f"L: {str(values)[:60]!r} is not made of numbers; a contrast is a row of numbers or "
            "{coefficient: number}"
        ) from None
