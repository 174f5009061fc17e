"""Numbers that show what a structure missed: functions of residuals, many draws at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from bayeslme.fit.distance_bins import distance_bins
from bayeslme.fit.positions import Positions

MOST_PAIRS = 1_000_000  # of residuals, of a semivariance
NORMS = {"euclidean": 2.0, "maximum": np.inf, "manhattan": 1.0}


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

    Of more than ``MOST_PAIRS`` pairs so many are drawn, the same ones for all residuals.

    Parameters
    ----------
    where : Positions
    metric : str
        As the correlation structure's.
    bins : int
        More distances than this are collapsed into bins of equally many pairs.
    max_distance : float, optional
    """
    i, j, distance = _pairs(where, metric, max_distance)
    if not len(distance):
        return Discrepancy(lambda r: r[:, :0], pd.Index([], name="distance"), "normalized", "", 0)
    bin_of = distance_bins(distance, bins)
    chosen = [np.flatnonzero(bin_of == k) for k in np.unique(bin_of)]
    n, sizes = len(where.code), np.array([len(own) for own in chosen])
    joined = [csr_array((np.ones(len(own)), (i[own], j[own])), shape=(n, n)) for own in chosen]
    often = np.stack(
        [np.bincount(i[own], minlength=n) + np.bincount(j[own], minlength=n) for own in chosen]
    )

    def values(r: np.ndarray) -> np.ndarray:
        columns = np.ascontiguousarray(r.T)
        products = np.stack([(columns * (a @ columns)).sum(axis=0) for a in joined], axis=1)
        return np.asarray((0.5 * (r**2 @ often.T) - products) / sizes)

    middle = [float(np.median(distance[own])) for own in chosen]
    index = pd.Index(middle, name="distance")
    return Discrepancy(values, index, "normalized", "semivariance of normalized residuals", n)


def _pairs(
    where: Positions, metric: str, max_distance: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (m,), (m,) of pairs within groups, no farther apart than wanted; distances (m,)."""
    groups = where.groups()
    sizes = np.array([len(rows) for rows in groups], dtype=np.int64)
    total = int((sizes * (sizes - 1) // 2).sum())
    if max_distance is not None:
        i, j = _near(where, groups, metric, max_distance)
    elif total <= MOST_PAIRS:
        every = [rows[np.stack(np.triu_indices(len(rows), 1))] for rows in groups]
        i, j = np.concatenate(every, axis=1)
    else:
        rng = np.random.default_rng(MOST_PAIRS)
        share = sizes * (sizes - 1.0)
        group = rng.choice(len(groups), size=MOST_PAIRS, p=share / share.sum())
        first = rng.integers(sizes[group])
        other = (first + rng.integers(1, sizes[group])) % sizes[group]
        order, starts = np.concatenate(groups), np.cumsum(sizes) - sizes
        i, j = order[starts[group] + first], order[starts[group] + other]
    if len(i) > MOST_PAIRS:
        kept = np.random.default_rng(MOST_PAIRS).choice(len(i), size=MOST_PAIRS, replace=False)
        i, j = i[kept], j[kept]
    gap = where.place[i] - where.place[j]
    return i, j, np.asarray(np.linalg.norm(gap, ord=NORMS[metric], axis=1))


def _near(
    where: Positions, groups: list[np.ndarray], metric: str, most: float
) -> tuple[np.ndarray, np.ndarray]:
    out = [np.zeros((0, 2), dtype=np.intp)]
    for rows in groups:
        tree = cKDTree(where.place[rows])
        out.append(rows[tree.query_pairs(most, p=NORMS[metric], output_type="ndarray")])
    i, j = np.concatenate(out).T
    return i, j


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
