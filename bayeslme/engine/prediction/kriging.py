"""Residuals of new rows given the observed residuals of their correlation group.

With C = L L' the correlation of the group's observed residuals, c that of a new one with them and
s its relative standard deviation, the conditional mean is k' w, k = s L^-1 c, w the whitened
observed residuals, and the variance that is left s^2 - k'k. Because w is linear in y, beta and b,
conditioning on y alone is done by the elimination (`blup`): universal kriging, with random effects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme import triangular
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.prediction.blup import Residuals
from bayeslme.engine.problem import Problem
from bayeslme.errors import DataError, FitError
from bayeslme.structures import Bound, CorrelationGroups
from bayeslme.structures.correlation.base import CorStruct, Pairs
from bayeslme.structures.correlation.positions import coordinate_gaps, distances

LONGEST = 10_000  # rows of a dense correlation matrix, 0.8 GB
ROUNDING = 1e-9  # of a variance, relative to the residual variance


@dataclass(frozen=True, slots=True)
class NewResiduals:
    """Where the residuals of m new rows stand.

    Attributes
    ----------
    group : int array, shape (m,)
        Correlation group as in the lattice of the fit; -1 where there is none.
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
    bound = found.problem.correlation
    if bound is None:
        raise FitError("use_correlation: this fit has no correlation structure to condition on")
    lattice: CorrelationGroups = bound.coords
    sd = np.exp(new.log_sd)
    carried, left = np.zeros((len(sd), len(columns))), np.square(sd)
    position = _positions(bound, new)
    for h in np.unique(new.group[new.group >= 0]):
        at = np.flatnonzero(new.group == h)
        rows = slice(int(lattice.starts[h]), int(lattice.starts[h] + lattice.sizes[h]))
        level = 0 if lattice.level is None else int(lattice.level[h])
        k = _weights(bound, found.corstruct, lattice.position[rows], position[at], level)
        carried[at] = sd[at, None] * (columns[:, rows] @ k).T
        left[at] *= _left(bound, 1.0 - np.square(k).sum(axis=0))
    return Residuals(carried, left)


def lattice_groups(found: Estimate, code: np.ndarray, new_code: np.ndarray) -> np.ndarray:
    """Correlation group of new rows, shape (m,); -1 where none has their codes.

    Parameters
    ----------
    found : Estimate
    code, new_code : int arrays, shapes (n, k) and (m, k)
        Codes of the correlation group and, in mixed models, of the innermost group.
    """
    bound = found.problem.correlation
    if bound is None:
        return np.full(len(new_code), -1)
    firsts = code[found.problem.order[bound.coords.starts]]
    place = {tuple(one): h for h, one in enumerate(firsts.tolist())}
    return np.array([place.get(tuple(one), -1) for one in new_code.tolist()], dtype=int)


def observed_positions(problem: Problem) -> np.ndarray | None:
    """Positions (n, d) of the observed rows in the design's order; their rank where none given."""
    if problem.correlation is None:
        return None
    lattice: CorrelationGroups = problem.correlation.coords
    out = np.empty_like(lattice.position)
    out[problem.order] = lattice.position
    return out


def _positions(bound: Bound, new: NewResiduals) -> np.ndarray:
    """Positions of the new rows, counted on from the group's last row where none are given."""
    if new.position is not None:
        if bound.structure.needs_integers and np.any(new.position % 1.0 > 0):
            raise DataError(f"{bound.structure.r_name}: positions of new rows must be integers")
        return new.position
    lattice: CorrelationGroups = bound.coords
    out = np.full((len(new.group), 1), np.nan)
    for h in np.unique(new.group[new.group >= 0]):
        at = np.flatnonzero(new.group == h)
        out[at, 0] = lattice.sizes[h] + np.arange(len(at))
    return out


def _weights(
    bound: Bound, par: np.ndarray | None, old: np.ndarray, new: np.ndarray, level: int
) -> np.ndarray:
    """L^-1 c for every new position of one group, shape (observed, new)."""
    size = len(old)
    if size + len(new) > LONGEST:
        msg = (
            f"use_correlation: a correlation group has {size + len(new)} observed and new rows; "
            f"dense matrices are made up to {LONGEST} rows only"
        )
        raise FitError(msg)
    structure, own, pairs = pairs_of(bound, np.concatenate([old, new]), par, level)
    joint = np.asarray(structure.correlation(own, pairs))[0]
    np.fill_diagonal(joint, 1.0)
    across = joint[:size, size:]
    if not getattr(structure, "nugget", False):
        same = np.all(old[:, None, :] == new[None, :, :], axis=-1)
        across = np.where(same, 1.0, across)  # a row at an observed position has its residual
    root = np.linalg.cholesky(joint[:size, :size])
    weights = triangular.solve(root, np.nan_to_num(across))
    return np.where(np.isnan(new).any(axis=1), np.nan, weights)


def pairs_of(
    bound: Bound, position: np.ndarray, par: np.ndarray | None, level: int
) -> tuple[CorStruct, np.ndarray, Pairs]:
    """All pairs of positions (m, d) of one correlation group, as one pattern; NaN where unknown.

    Parameters
    ----------
    bound : Bound
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
    structure, own, groups = bound.structure.member(par, bound.coords, level)
    ranks = np.nan_to_num(position[None])
    d = distances(ranks, structure.metric) / groups.unit
    apart = ~np.eye(len(position), dtype=bool)[None]
    index = np.zeros((1, len(position)), dtype=int)
    if not structure.stationary:
        index[0] = _ranks(structure, groups, position[:, 0])
    gaps = coordinate_gaps(ranks) if structure.by_coordinate else None
    pairs = Pairs(np.where(apart, d, 1.0), apart, index, unit=groups.unit, gaps=gaps)
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


def _left(bound: Bound, share: np.ndarray) -> np.ndarray:
    """Share of the variance that is left, rounding below zero taken off."""
    if np.any(share < -ROUNDING):
        msg = (
            f"{bound.structure.r_name}: the estimated correlation is no correlation matrix once "
            "the new rows are added (a negative Rho reaches only as far as the largest group); "
            "predict fewer rows, or without use_correlation"
        )
        raise FitError(msg)
    return np.asarray(np.maximum(share, 0.0))
