"""Bins of distances: pairs of residuals that are about equally far apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_count

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Collapse = Literal["quantiles", "fixed", "none"]
BINS = 20  # nlme's


def distance_bins(distance: FloatArray, bins: int) -> IntArray:
    """Bin of each pair: each distance its own, or quantiles where these are too many."""
    values, own = np.unique(_without_noise(distance), return_inverse=True)
    if len(values) <= bins:
        return np.asarray(own.ravel(), dtype=np.intp)
    return _between(distance, np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1))))


def check_bins(bins: int | None, breaks: Sequence[float] | None, collapse: str) -> None:
    """Refuse bins that are none, and arguments that would be left out.

    Raises
    ------
    FitError
    """
    check_choice(collapse, get_args(Collapse), "collapse")
    if bins is not None:
        check_count(bins, "bins")
    if bins is not None and (breaks is not None or collapse == "none"):
        raise FitError("bins: leave it out where breaks are given or nothing is collapsed")
    if breaks is None:
        return
    if collapse != "quantiles":
        raise FitError("collapse: leave it out where breaks are given")
    try:
        ends = np.asarray(breaks, dtype=float)
    except (TypeError, ValueError):
        ends = np.zeros(0)
    if ends.ndim != 1 or not ends.size or not np.all(np.isfinite(ends) & (ends >= 0)):
        raise FitError(f"breaks: a sequence of distances is needed, not {breaks!r:.60}")
    if np.any(np.diff(ends) <= 0):
        raise FitError("breaks: distances have to increase")


def bins_of(
    distance: FloatArray, bins: int, breaks: Sequence[float] | None, collapse: str
) -> IntArray:
    """Bin of each pair, -1 for those in none."""
    if breaks is None and collapse == "quantiles":
        return distance_bins(distance, bins)
    distance = _without_noise(distance)
    if breaks is not None:
        ends = np.asarray(breaks, dtype=float)
        ends = np.unique(np.append(ends, min(ends[0], float(distance.min()))))
        return np.where(distance <= ends[-1], _between(distance, ends), -1)
    if collapse == "none":
        return np.arange(len(distance))
    if len(np.unique(distance)) <= bins:
        return distance_bins(distance, bins)
    return _between(distance, np.linspace(distance.min(), distance.max(), bins + 1))


def _between(distance: FloatArray, ends: FloatArray) -> IntArray:
    """Number of the interval of each distance: the upper end belongs to it, as does the lowest."""
    return np.clip(np.searchsorted(ends, distance, side="left"), 1, None).astype(np.intp)


def _without_noise(distance: FloatArray) -> FloatArray:
    """Distances equal to twelve digits of the largest made one: 1.2 - 0.8 and 0.8 - 0.4."""
    largest = float(np.max(distance))
    key = np.round(distance / largest * 1e12) if largest > 0 else distance
    _, one, which = np.unique(key, return_index=True, return_inverse=True)
    return np.asarray(distance[one][which.ravel()])
