"""Residuals of new rows given the observed residuals of their correlation group.

With C = L L' the correlation of the group's observed residuals, c that of a new one with them and
s its relative standard deviation, the conditional mean is k' w, k = s L^-1 c, w the whitened
observed residuals, and the variance that is left s^2 - k'k. Because w is linear in y, beta and b,
conditioning on y alone is done by the elimination (`blup`): universal kriging, with random effects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayeslme import triangular
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.prediction import settings
from bayeslme.engine.prediction.blup import Residuals
from bayeslme.engine.problem import Problem
from bayeslme.errors import DataError, FitError
from bayeslme.structures import Bound, CorrelationGroups
from bayeslme.structures.correlation.base import CorStruct, Pairs
from bayeslme.structures.correlation.positions import coordinate_gaps, distances


@dataclass(frozen=True, slots=True)
class NewResiduals:
    """Where the residuals of m new rows stand.

    Attributes
    ----------
    group : int array, shape (m,)
        Correlation group as in the fit; -1 where there is none.
    position : array, shape (m, d), or None
        None: after the group's observed rows, in the order given.
    log_sd : array, shape (m,)
        Log standard deviation relative to sigma.
    """

    group: np.ndarray
    position: np.ndarray | None
    log_sd: np.ndarray


def krige(found: Estimate, new: NewResiduals, columns: np.ndarray) -> Residuals:
    """Condition new residuals on the observed ones.

    Parameters
    ----------
    found : Estimate
        With a correlation structure.
    new : NewResiduals
    columns : array, shape (c, n)
        Whitened columns of the observed rows.

    Raises
    ------
    FitError
        Where a group is too long for a dense matrix, or its correlation has no extension to the
        new rows.
    DataError
        For positions an unstructured correlation knows nothing of.
    """
    correlation = found.problem.correlation
    if correlation is None:
        raise FitError("use_correlation: this fit has no correlation structure to condition on")
    groups: CorrelationGroups = correlation.coords
    sd = np.exp(new.log_sd)
    carried, left = np.zeros((len(sd), len(columns))), np.square(sd)
    position = _positions(correlation, new)
    for h in np.unique(new.group[new.group >= 0]):
        at = np.flatnonzero(new.group == h)
        rows = slice(int(groups.starts[h]), int(groups.starts[h] + groups.sizes[h]))
        level = 0 if groups.level is None else int(groups.level[h])
        k = _weights(correlation, found.corstruct, groups.position[rows], position[at], level)
        carried[at] = sd[at, None] * (columns[:, rows] @ k).T
        left[at] *= _left(correlation, 1.0 - np.square(k).sum(axis=0))
    return Residuals(carried, left)


def correlation_group_of(found: Estimate, code: np.ndarray, new_code: np.ndarray) -> np.ndarray:
    """Correlation group of new rows, shape (m,); -1 where none has their codes.

    Parameters
    ----------
    found : Estimate
    code, new_code : int arrays, shapes (n, k) and (m, k)
        Codes of the correlation group and, in mixed models, of the innermost group.
    """
    correlation = found.problem.correlation
    if correlation is None:
        return np.full(len(new_code), -1)
    firsts = code[found.problem.order[correlation.coords.starts]]
    place = {tuple(one): h for h, one in enumerate(firsts.tolist())}
    return np.array([place.get(tuple(one), -1) for one in new_code.tolist()], dtype=int)


def observed_positions(problem: Problem) -> np.ndarray | None:
    """Positions (n, d) of the observed rows in the design's order; their rank where none given."""
    if problem.correlation is None:
        return None
    groups: CorrelationGroups = problem.correlation.coords
    out = np.empty_like(groups.position)
    out[problem.order] = groups.position
    return out


def _positions(correlation: Bound, new: NewResiduals) -> np.ndarray:
    """Positions of the new rows, counted on from the group's last row where none are given."""
    if new.position is None:
        return counted_on(new.group, new.group, correlation.coords.sizes)
    require_integers(correlation, new.position)
    return new.position


def require_integers(correlation: Bound, position: np.ndarray) -> None:
    """Refuse positions of new rows between the whole numbers, where the structure needs these."""
    if correlation.structure.needs_integers and np.any(position % 1.0 > 0):
        raise DataError(f"{correlation.structure.r_name}: positions of new rows must be integers")


def counted_on(own: np.ndarray, known: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Positions (m, 1) counted on from the last observed row of each group.

    Parameters
    ----------
    own : int array, shape (m,)
        The rows' own groups; -1 where there is none, and no position.
    known : int array, shape (m,)
        The same groups as in the fit; -1 where it has not met them.
    sizes : int array
        Observed rows of the groups of the fit.
    """
    out = np.full((len(own), 1), np.nan)
    for g in np.unique(own[own >= 0]):
        at = np.flatnonzero(own == g)
        first = sizes[known[at[0]]] if known[at[0]] >= 0 else 0
        out[at, 0] = first + np.arange(len(at))
    return out


def require_dense(size: int, who: str) -> None:
    """Refuse a group of more observed and new rows than a dense matrix may have."""
    most = settings.PREDICTION.max_dense_rows
    if size > most:
        raise FitError(
            f"{who}: a correlation group has {size} observed and new rows; dense matrices are made "
            f"up to {most} rows only"
        )


def joint_correlation(
    correlation: Bound, par: np.ndarray, old: np.ndarray, new: np.ndarray, level: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlations of the observed and the new rows of one group.

    Parameters
    ----------
    correlation : Bound
    par : array, shape (..., k)
    old, new : arrays, shapes (o, d) and (m, d)
        Positions.
    level : int
        Of the group, where levels have parameters of their own.

    Returns
    -------
    among, across, left : arrays, shapes (..., o, o), (..., o, m) and (..., m, m)
        Of the observed ones, of these with the new ones, and of the new ones.
    """
    size = len(old)
    structure, own, pairs = pairs_of(correlation, np.concatenate([old, new]), par, level)
    joint = np.array(structure.correlation(own, pairs))[..., 0, :, :]
    diagonal = np.arange(joint.shape[-1])
    joint[..., diagonal, diagonal] = 1.0
    across = joint[..., :size, size:]
    if not structure.has_nugget:
        same = np.all(old[:, None, :] == new[None, :, :], axis=-1)
        across = np.where(same, 1.0, across)  # a row at an observed position has its residual
    return joint[..., :size, :size], across, joint[..., size:, size:]


def _weights(
    correlation: Bound, par: np.ndarray | None, old: np.ndarray, new: np.ndarray, level: int
) -> np.ndarray:
    """L^-1 c for every new position of one group, shape (observed, new)."""
    require_dense(len(old) + len(new), "use_correlation")
    among, across, _ = joint_correlation(correlation, np.asarray(par), old, new, level)
    weights = triangular.solve(np.linalg.cholesky(among), np.nan_to_num(across))
    # A Toeplitz structure knows nothing of some lags, and a row without a position of none.
    unknown = np.isnan(across).any(axis=0) | np.isnan(new).any(axis=1)
    return np.where(unknown, np.nan, weights)


def pairs_of(
    correlation: Bound, position: np.ndarray, par: np.ndarray | None, level: int
) -> tuple[CorStruct, np.ndarray, Pairs]:
    """All pairs of positions (m, d) of one correlation group, as one pattern; NaN where unknown.

    Parameters
    ----------
    correlation : Bound
    position : array, shape (m, d)
    par : array, shape (..., k)
        All natural parameters.
    level : int
        Of the group, where levels have parameters of their own.

    Returns
    -------
    structure : CorStruct
    par : array
        The parameters of that level.
    pairs : Pairs
    """
    structure, own, groups = correlation.structure.member(par, correlation.coords, level)
    ranks = np.nan_to_num(position[None])
    d = distances(ranks, structure.metric) / groups.unit
    apart = ~np.eye(len(position), dtype=bool)[None]
    index = np.zeros((1, len(position)), dtype=int)
    if not structure.stationary:
        index[0] = _ranks(structure, groups, position[:, 0])
    pairs = Pairs(np.where(apart, d, 1.0), apart, index, unit=groups.unit)
    if structure.by_coordinate:
        pairs = replace(pairs, gaps=coordinate_gaps(ranks), gap_units=groups.gap_units)
    return structure, own, pairs


def _ranks(structure: CorStruct, groups: CorrelationGroups, position: np.ndarray) -> np.ndarray:
    """Rank of each position among those of the fit."""
    known = np.unique(groups.position[:, 0])
    rank = np.minimum(np.searchsorted(known, position), len(known) - 1)
    strange = np.flatnonzero((known[rank] != position) & ~np.isnan(position))
    if len(strange):
        msg = (
            f"{structure.r_name}: position {position[strange[0]]:g} is none of the "
            f"{len(known)} of the fit, so its correlations were not estimated"
        )
        raise DataError(msg)
    return rank


def _left(correlation: Bound, share: np.ndarray) -> np.ndarray:
    """Share of the variance that is left, rounding below zero taken off."""
    if np.any(share < -settings.PREDICTION.negative_share):
        msg = (
            f"{correlation.structure.r_name}: the estimated correlation is no correlation matrix "
            "once the new rows are added (a negative Rho reaches only as far as the largest group);"
            " predict fewer rows, or without use_correlation"
        )
        raise FitError(msg)
    return np.asarray(np.maximum(share, 0.0))
