"""Dependence of the residuals: semivariogram and autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_lag, check_number
from bayeslme.fit.settings import SETTINGS
from bayeslme.fit.values.positions import (
    Collapse,
    Positions,
    bins_of,
    check_bins,
    lag_positions,
    positions,
)
from bayeslme.fit.values.residuals import LevelName, ResidualType, residuals
from bayeslme.structures.correlation.base import Pairs
from bayeslme.structures.correlation.positions import METRICS, distances

if TYPE_CHECKING:
    from bayeslme.fit.row_verbs import RowVerbs
    from bayeslme.structures import Bound


FloatArray = npt.NDArray[np.float64]


def variogram(
    fit: RowVerbs,
    form: str | None = None,
    type: ResidualType = "pearson",
    *,
    max_distance: float | None = None,
    bins: int | None = None,
    breaks: Sequence[float] | None = None,
    collapse: Collapse = "quantiles",
    robust: bool = False,
    metric: str | None = None,
) -> pd.DataFrame:
    """Semivariogram of the residuals within groups, half the mean squared difference by distance.

    See `Fit.variogram`.
    """
    check_bins(bins, breaks, collapse)
    if max_distance is not None:
        check_number(max_distance, "max_distance")
    where = positions(fit, form)
    structure = fit.spec.correlation
    own = "euclidean" if structure is None or form is not None else structure.metric
    chosen = own if metric is None else metric
    r = residuals(fit, type=type).to_numpy()
    distance, gap = _pairs(where, r, chosen)
    near = np.ones(len(distance), bool) if max_distance is None else distance <= max_distance
    distance, gap = distance[near], gap[near]
    if not len(distance):
        far = "" if max_distance is None else f" within max_distance={max_distance:g}"
        raise FitError(f"variogram: no group has two residuals{far}")
    bin_of = bins_of(distance, SETTINGS.variogram_bins if bins is None else bins, breaks, collapse)
    found = [bin_of == b for b in np.unique(bin_of[bin_of >= 0])]
    rows = [_estimate(distance[own], gap[own], robust) for own in found]
    if not rows:
        raise FitError("breaks: all pairs of residuals are farther apart than the last of them")
    table = pd.DataFrame(rows, columns=["variog", "dist", "n_pairs"])
    table = table.set_index(pd.RangeIndex(1, len(rows) + 1))
    if _has_model(fit, where, type, chosen):
        curve = model_variogram(fit, _points(fit, distance), type)
        table.attrs["model"] = curve.to_dict("list")
    return table


def model_variogram(
    fit: RowVerbs, distance: npt.ArrayLike, type: ResidualType = "pearson"
) -> pd.DataFrame:
    """Semivariogram of the fit's correlation structure, 1 - rho(d) in units of the variance.

    Parameters
    ----------
    fit : Fit
        With a correlation structure that is a function of distance.
    distance : (m,) array
        In the structure's metric; whole lags for the structures that count in them.
    type : {"pearson", "response"}
        Relative to the residual variance, or times it.

    Returns
    -------
    DataFrame, shape (m, 2)
        Columns variog and dist. With a nugget the curve starts at it.

    Raises
    ------
    FitError
        If the structure is no function of distance, or residuals have no common variance.

    References
    ----------
    Pinheiro and Bates (2000), section 5.3.2.
    """
    bound = fit.estimate.problem.correlation
    if bound is None or not bound.structure.stationary:
        raise FitError("variogram: the fit has no correlation that is a function of distance")
    if type == "normalized":
        raise FitError("type: normalized residuals have no correlation; the curve would be 1")
    if type == "response" and fit.spec.weights is not None:
        raise FitError("type: with a variance function only pearson residuals have one variance")
    d = np.atleast_1d(np.asarray(distance, float))
    values = 1.0 - correlation_at(bound, fit.estimate.corstruct, d)
    scale = fit.sigma**2 if type == "response" else 1.0
    return pd.DataFrame({"variog": scale * values, "dist": d})


def n_pairs(where: Positions) -> int:
    """Number of pairs of residuals within groups."""
    sizes = np.bincount(where.code)
    return int(np.sum(sizes * (sizes - 1) // 2))


def correlation_at(bound: Bound, coef: npt.ArrayLike | None, distance: FloatArray) -> FloatArray:
    """Correlation of two residuals at distances (m,) above 0, given all coefficients."""
    shape, unit = (1, 1, len(distance)), bound.coords.unit
    own = (distance / unit).reshape(shape)
    pairs = Pairs(own, np.ones(shape, bool), np.zeros((1, 1), dtype=int), unit=unit)
    values = bound.structure.correlation(np.asarray(coef, float), pairs)
    return np.asarray(values, dtype=float).reshape(len(distance))


def _has_model(fit: RowVerbs, where: Positions, type: ResidualType, metric: str) -> bool:
    """Whether the fit's structure speaks of these positions and residuals."""
    known, structure = fit.design.correlation, fit.spec.correlation
    if known is None or structure is None or structure.by is not None or structure.by_coordinate:
        return False
    if not structure.stationary or type == "normalized":
        return False
    if type == "response" and fit.spec.weights is not None:
        return False
    own = positions(fit, None).place
    return metric == structure.metric and np.array_equal(own, where.place)


def _points(fit: RowVerbs, distance: FloatArray) -> FloatArray:
    """Distances to draw the curve at: whole lags where only these have a meaning."""
    seen = distance[distance > 0]
    low, high = float(seen.min()), float(seen.max())
    structure: Any = fit.spec.correlation
    if structure.needs_integers:
        lags = np.linspace(low, high, min(int(high - low) + 1, SETTINGS.max_lags))
        return np.unique(np.round(lags))
    return np.linspace(low, high, SETTINGS.variogram_points)


def _pairs(where: Positions, r: FloatArray, metric: str) -> tuple[FloatArray, FloatArray]:
    """Distances and absolute differences of all pairs of residuals within groups."""
    check_choice(metric, METRICS, "metric")
    pairs = n_pairs(where)
    if pairs > SETTINGS.max_pairs:
        raise FitError(
            f"variogram: {pairs:,} pairs of residuals within groups are more than the "
            f"{SETTINGS.max_pairs:,} that are looked at; fit a subset, or use acf() with "
            "whole-number times"
        )
    apart, gaps = [np.zeros(0)], [np.zeros(0)]
    for rows in where.groups():
        i, j = np.triu_indices(len(rows), 1)
        apart.append(distances(where.place[rows][None], metric)[0][i, j])
        gaps.append(np.abs(r[rows][i] - r[rows][j]))
    return np.concatenate(apart), np.concatenate(gaps)


def _estimate(distance: FloatArray, gap: FloatArray, robust: bool) -> tuple[float, float, int]:
    """Semivariance of a bin, its median distance, its number of pairs.

    References
    ----------
    Cressie and Hawkins (1980), Mathematical Geology 12, 115.
    """
    n = len(gap)
    if robust:
        value = float(np.mean(np.sqrt(gap)) ** 4 / (0.457 + 0.494 / n)) / 2
    else:
        value = float(np.mean(gap**2)) / 2
    return value, float(np.median(distance)), n


def acf(
    fit: RowVerbs,
    max_lag: int | None = None,
    type: ResidualType = "pearson",
    form: str | None = None,
    level: LevelName = None,
) -> pd.DataFrame:
    """Autocorrelation of the residuals within groups; see `Fit.acf`."""
    if max_lag is not None:
        check_lag(max_lag, "max_lag")
    where = lag_positions(fit, form, "acf")
    r = residuals(fit, level, type).to_numpy()
    scale = lag_scale(where)
    longest = scale.longest if max_lag is None else max_lag // scale.unit
    if longest > SETTINGS.max_acf_lags:
        raise FitError(f"max_lag: {SETTINGS.max_acf_lags * scale.unit} is the most, not {max_lag}")
    if max_lag is None and scale.empty:
        raise FitError(
            f"acf: no two rows of a group are within the longest lag, {longest}, as their times "
            f"are at least {scale.nearest} apart; give a longer max_lag, or times in another unit"
        )
    sums, counts = _lagged(where, r, scale, longest)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (sums / counts) / (sums[0] / counts[0])
    lags = scale.unit * np.arange(longest + 1)
    table = pd.DataFrame({"lag": lags, "ACF": values, "n_used": counts})
    return table.set_index(pd.RangeIndex(1, longest + 2))


@dataclass(frozen=True, slots=True)
class LagScale:
    """In which lags of whole-number times are counted.

    Attributes
    ----------
    unit : int
        1, or the common divisor of all steps where that is beyond the longest lag of the default
        table, which would be empty: 86,400 for days in seconds.
    longest : int
        Units in the longest lag of the default table.
    largest : int
        Rows of the largest group.
    nearest : int
        Least distance of two rows of a group; 0 where every group has one row.
    """

    unit: int
    longest: int
    largest: int
    nearest: int

    @property
    def empty(self) -> bool:
        """Whether the default table has no pair of rows."""
        return self.longest * self.unit < self.nearest


def lag_scale(where: Positions) -> LagScale:
    """In which lags of whole-number times are counted."""
    order = np.lexsort((where.place[:, 0], where.code))
    inner = np.diff(where.code[order]) == 0
    steps = np.diff(where.place[order, 0])[inner].astype(np.int64)
    largest = int(np.bincount(where.code).max())
    longest = min(largest - 1, int(10 * np.log10(largest)))
    common = int(np.gcd.reduce(steps)) if len(steps) else 1
    nearest = int(steps.min()) if len(steps) else 0
    return LagScale(common if common > longest else 1, longest, largest, nearest)


def _lagged(
    where: Positions, r: FloatArray, scale: LagScale, longest: int
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Sums (longest + 1,) of products of residuals by lag, and their numbers.

    Two rows of a group that are k units apart in time are at most k rows apart.
    """
    order = np.lexsort((where.place[:, 0], where.code))
    code, time, r = where.code[order], where.place[order, 0] / scale.unit, r[order]
    sums, counts = np.zeros(longest + 1), np.zeros(longest + 1, dtype=np.int64)
    for k in range(min(longest, scale.largest - 1) + 1):
        stop = len(r) - k
        gap, products = time[k:] - time[:stop], r[:stop] * r[k:]
        own = (code[k:] == code[:stop]) & (gap <= longest) & np.isfinite(products)
        lag = np.round(gap[own]).astype(np.int64)
        sums += np.bincount(lag, products[own], longest + 1)
        counts += np.bincount(lag, minlength=longest + 1)
    return sums, counts
