"""Rows to predict, the fit's own or new ones, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayeslme.bayes.layout import Layout
from bayeslme.data.factors import cross
from bayeslme.data.groups import group_values
from bayeslme.data.newdata import NewRows, nested_labels, new_correlation, new_rows, new_variance
from bayeslme.data.types import VarianceCoords
from bayeslme.engine.kriging import lattice_groups, observed_positions
from bayeslme.errors import DataError

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior


@dataclass(frozen=True, slots=True)
class Place:
    """Where the residuals of m rows stand.

    Attributes
    ----------
    group : int array, shape (m,)
        Correlation group as in the fit's lattice; -1 where it has none.
    own : int array, shape (m,)
        The rows' own groups, those the fit has not met among them; -1 where a label is missing.
    position : array, shape (m, d)
        Counted on from the group's observed rows where the structure goes by the order of rows.
    """

    group: np.ndarray
    own: np.ndarray
    position: np.ndarray

    def take(self, at: slice) -> Place:
        """Some of the rows."""
        return Place(self.group[at], self.own[at], self.position[at])


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to predict at a level.

    Attributes
    ----------
    X : array, shape (m, p)
    Z : tuple of arrays (m, q), outermost level first
    code : tuple of int arrays (m,)
        Group of each row at each level; -1 where the fit has not met it.
    own : tuple of int arrays (m,)
        The rows' own groups, known or not; -1 where the label is missing.
    variance : VarianceCoords, tuple of them, or None
    place : Place or None
        None without a correlation structure, at an outer level, and where new data have no columns
        for it.
    offset : array, shape (m,), or 0
    """

    X: np.ndarray
    Z: tuple[np.ndarray, ...]
    code: tuple[np.ndarray, ...]
    own: tuple[np.ndarray, ...]
    variance: VarianceCoords | tuple[VarianceCoords, ...] | None
    place: Place | None
    offset: np.ndarray | float = 0.0

    def take(self, at: slice) -> Rows:
        """Some of the rows."""
        parts = self.variance if isinstance(self.variance, tuple) else (self.variance,)
        chosen = tuple(None if p is None else _chosen(p, at) for p in parts)
        variance: Any = chosen if isinstance(self.variance, tuple) else chosen[0]
        z, code, own = (tuple(x[at] for x in part) for part in (self.Z, self.code, self.own))
        place = None if self.place is None else self.place.take(at)
        offset = self.offset if isinstance(self.offset, float) else self.offset[at]
        return Rows(self.X[at], z, code, own, variance, place, offset)


def _chosen(coords: VarianceCoords, at: slice) -> VarianceCoords:
    covariate = None if coords.covariate is None else coords.covariate[at]
    return replace(coords, covariate=covariate, stratum=coords.stratum[at])


def own_rows(layout: Layout, depth: int) -> Rows:
    """The rows of the fit, in the design's order."""
    design, problem = layout.design, layout.problem
    levels = design.levels[:depth]
    place, position = None, observed_positions(problem)
    if problem.correlation is not None and position is not None and depth == len(design.levels):
        group = np.empty(problem.n, dtype=int)
        sizes = problem.correlation.coords.sizes
        group[problem.order] = np.repeat(np.arange(len(sizes)), sizes)
        place = Place(group, group, position)
    code = tuple(level.code for level in levels)
    z = tuple(level.Z for level in levels)
    return Rows(design.X, z, code, code, design.variance, place, design.offset)


def rows_of(posterior: Posterior, newdata: pd.DataFrame, depth: int, *, located: bool) -> Rows:
    """New rows.

    Parameters
    ----------
    posterior : Posterior
    newdata : DataFrame
    depth : int
        How many levels are needed.
    located : bool
        Whether the columns of the correlation structure are needed.

    Raises
    ------
    DataError
        For a missing column or an unknown factor level.
    """
    design = posterior.layout.design
    new = new_rows(design, newdata, depth)
    own = tuple(factor.code for factor in new.group)
    place = _place(posterior, new, located=located) if depth == len(design.levels) else None
    return Rows(new.X, new.Z, new.code, own, new_variance(design, new), place, new.offset)


def _place(posterior: Posterior, new: NewRows, *, located: bool) -> Place | None:
    design, estimate = posterior.layout.design, posterior.fit.estimate
    bound, old = posterior.layout.problem.correlation, design.correlation
    if bound is None or old is None:
        return None
    try:
        coords = new_correlation(design, new)
    except DataError:
        if located:
            raise
        return None
    if coords is None:
        return None
    inner = [level.code for level in design.levels[-1:]]
    known = lattice_groups(
        estimate,
        np.column_stack([old.code, *inner]),
        np.column_stack([coords.code, *new.code[-1:]]),
    )
    factors = [*new.group[-1:]]
    if old.groups:
        each = [group_values(new.columns, name) for name in old.groups]
        factors.append(nested_labels(each, "/")[-1])
    own = np.zeros(len(new.X), dtype=int)
    if factors:
        own = factors[0].code if len(factors) == 1 else cross(factors[0], factors[1], "/")[0].code
    position = coords.position
    if position is None:
        position = _counted(own, known, bound.coords.sizes)
    elif bound.structure.needs_integers and np.any(position % 1.0 > 0):
        raise DataError(f"{bound.structure.r_name}: positions of new rows must be integers")
    return Place(known, own, position)


def _counted(own: np.ndarray, known: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Positions (m, 1) counted on from the last observed row of each group."""
    out = np.full((len(own), 1), np.nan)
    for g in np.unique(own[own >= 0]):
        at = np.flatnonzero(own == g)
        first = sizes[known[at[0]]] if known[at[0]] >= 0 else 0
        out[at, 0] = first + np.arange(len(at))
    return out
