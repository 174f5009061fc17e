"""Numbers that show what a structure missed: functions of residuals, many draws at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayeslme.fit.positions import Positions
from bayeslme.fit.variogram import distance_bins
from bayeslme.structures.lattice import distances


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A vector of k numbers computed from residuals.

    Attributes
    ----------
    values : function of residuals (s, n), design's row order, giving (s, k)
    index : Index, length k
        What each number is of; its name labels the axis.
    scaling : {"pearson", "normalized"}
        Of the residuals.
    label : str
        Of the numbers.
    width : int
        Temporary numbers that a draw needs.
    """

    values: Callable[[np.ndarray], np.ndarray]
    index: pd.Index
    scaling: str
    label: str
    width: int


def autocorrelation(where: Positions, max_lag: int | None) -> Discrepancy:
    """Autocorrelation of the normalized residuals within groups, lag 1 and on.

    Parameters
    ----------
    where : Positions
        Whole-number times.
    max_lag : int, optional
        As for ``fit.acf``; lags without pairs are left out.
    """
    time = where.place[:, 0].astype(int)
    largest = int(np.bincount(where.code).max())
    wanted = min(largest - 1, int(10 * np.log10(largest))) if max_lag is None else max_lag
    order = np.lexsort((time, where.code))
    span = int(np.ptp(time)) + wanted + 1
    key = where.code[order] * span + (time[order] - time.min())
    pairs = {}
    for lag in range(1, wanted + 1):
        at = np.minimum(np.searchsorted(key, key + lag), len(key) - 1)
        met = key[at] == key + lag
        if met.any():
            pairs[lag] = order[met], order[at[met]]

    def values(r: np.ndarray) -> np.ndarray:
        products = [(r[:, i] * r[:, j]).mean(axis=1) for i, j in pairs.values()]
        return np.stack(products, axis=1) / (r**2).mean(axis=1, keepdims=True)

    index = pd.Index(list(pairs), name="lag")
    label = "autocorrelation of normalized residuals"
    return Discrepancy(values, index, "normalized", label, len(key))


def semivariance(
    where: Positions, metric: str, bins: int, max_distance: float | None
) -> Discrepancy:
    """Half the mean squared difference of normalized residuals by distance; 1 without correlation.

    Parameters
    ----------
    where : Positions
    metric : str
        As the correlation structure's.
    bins : int
        More distances than this are collapsed into bins of equally many pairs.
    max_distance : float, optional
    """
    first, second, apart = [], [], []
    for rows in where.groups():
        i, j = np.triu_indices(len(rows), 1)
        first.append(rows[i])
        second.append(rows[j])
        apart.append(distances(where.place[rows][None], metric)[0][i, j])
    i, j, distance = (np.concatenate(parts) for parts in (first, second, apart))
    near = np.ones(len(distance), bool) if max_distance is None else distance <= max_distance
    i, j, distance = i[near], j[near], distance[near]
    if not len(distance):
        return Discrepancy(lambda r: r[:, :0], pd.Index([], name="distance"), "normalized", "", 0)
    bin_of = distance_bins(distance, bins)
    order = np.argsort(bin_of, kind="stable")
    i, j = i[order], j[order]
    starts = np.flatnonzero(np.append(True, np.diff(bin_of[order]) > 0))
    sizes = np.diff(np.append(starts, len(i)))
    middle = [float(np.median(part)) for part in np.split(distance[order], starts[1:])]

    def values(r: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 * np.add.reduceat((r[:, i] - r[:, j]) ** 2, starts, axis=1) / sizes)

    index = pd.Index(middle, name="distance")
    label = "semivariance of normalized residuals"
    return Discrepancy(values, index, "normalized", label, len(i))


def spread(code: np.ndarray, labels: pd.Index) -> Discrepancy:
    """Root mean square of the Pearson residuals in every stratum; near 1 under the model.

    Parameters
    ----------
    code : int array, shape (n,)
        Stratum of each row.
    labels : Index, length k
    """
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(code[order]) > 0))
    sizes = np.diff(np.append(starts, len(code)))

    def values(r: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.add.reduceat(r[:, order] ** 2, starts, axis=1) / sizes))

    index = labels[code[order][starts]]
    return Discrepancy(values, index, "pearson", "sd of standardized residuals", len(code))
