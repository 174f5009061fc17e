"""Rows to predict, the fit's own or new ones, and their residuals at every draw.

With C = L L' the correlation of a group's observed residuals and c that of the new ones with them,
k = L^-1 c: the new residuals have mean k' L^-1 e given the observed ones e, and covariance D - k'k.
Groups with the same positions share the factors. Of an autoregression only the observed rows next
to a new one are read, which is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.bayes import settings
from bayeslme.bayes.model_parameters import ModelParameters, Values
from bayeslme.data.newdata import NewRows, nested_labels, new_correlation, new_rows, new_variance
from bayeslme.data.types import Design, VarianceCoords
from bayeslme.data.variables.factors import cross
from bayeslme.data.variables.groups import group_values
from bayeslme.engine import depth_of, places_of
from bayeslme.engine.prediction import settings as prediction_settings
from bayeslme.engine.prediction.kriging import (
    correlation_group_of,
    counted_on,
    joint_correlation,
    observed_positions,
    require_dense,
    require_integers,
)
from bayeslme.errors import DataError, FitError
from bayeslme.structures import Bound, CorrelationGroups

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws
    from bayeslme.fit.values.residuals import LevelName


@dataclass(frozen=True, slots=True)
class RowPositions:
    """Where the residuals of m rows stand.

    Attributes
    ----------
    group : int array, shape (m,)
        Correlation group as in the fit; -1 where it has none.
    own : int array, shape (m,)
        The rows' own groups, those the fit has not met among them; -1 where a label is missing.
    position : array, shape (m, d)
        Counted on from the group's observed rows where the structure goes by the order of rows.
    level : int array, shape (m,)
        Of the groups, where levels have parameters of their own; -1 where it is not known.
    """

    group: np.ndarray
    own: np.ndarray
    position: np.ndarray
    level: np.ndarray

    def take(self, at: slice) -> RowPositions:
        """Some of the rows."""
        return RowPositions(self.group[at], self.own[at], self.position[at], self.level[at])


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """Rows to predict at a level.

    Attributes
    ----------
    X : array, shape (m, p)
    Z : tuple of arrays (m, q), outermost level first
    code : tuple of int arrays (m,)
        Group of each row at each level; -1 where the fit has not met it.
    own : tuple of int arrays (m,)
        The rows' own groups, known or not; -1 where the label is missing.
    variance : tuple of VarianceCoords
    place : RowPositions or None
        None without a correlation structure, at an outer level, and where new data have no columns
        for it.
    offset : array, shape (m,), or 0
    """

    X: np.ndarray
    Z: tuple[np.ndarray, ...]
    code: tuple[np.ndarray, ...]
    own: tuple[np.ndarray, ...]
    variance: tuple[VarianceCoords, ...]
    place: RowPositions | None
    offset: np.ndarray | float = 0.0

    def take(self, at: slice) -> PredictionRows:
        """Some of the rows."""
        variance = tuple(part.take(at) for part in self.variance)
        z, code, own = (tuple(x[at] for x in part) for part in (self.Z, self.code, self.own))
        place = None if self.place is None else self.place.take(at)
        offset = self.offset if isinstance(self.offset, float) else self.offset[at]
        return PredictionRows(self.X[at], z, code, own, variance, place, offset)


def depth_of_draws(design: Design, level: LevelName) -> int:
    """Number of levels that draws of fitted values include.

    Raises
    ------
    FitError
        Of crossed random effects, for some of them alone.
    """
    depth = depth_of(design, level)
    if places_of(design, level) != tuple(range(depth)):
        raise FitError(
            "level: draws hold all crossed random effects (level=None) or none (level=0), not "
            f"those of {level!r} alone; use fit.predict(level=...)"
        )
    return depth


def own_rows(parameters: ModelParameters, depth: int) -> PredictionRows:
    """The rows of the fit, in the design's order."""
    design, problem = parameters.design, parameters.problem
    levels = design.levels[:depth]
    place, position = None, observed_positions(problem)
    if problem.correlation is not None and position is not None and depth == len(design.levels):
        group = np.empty(problem.n, dtype=int)
        sizes = problem.correlation.coords.sizes
        group[problem.order] = np.repeat(np.arange(len(sizes)), sizes)
        level = None if design.correlation is None else design.correlation.level
        level = np.zeros(problem.n, dtype=int) if level is None else level
        place = RowPositions(group, group, position, level)
    code = tuple(level.code for level in levels)
    z = tuple(level.Z for level in levels)
    return PredictionRows(design.X, z, code, code, design.variance, place, design.offset)


def rows_of(
    posterior: Draws, newdata: pd.DataFrame, depth: int, *, located: bool
) -> PredictionRows:
    """New rows.

    Parameters
    ----------
    posterior : Draws
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
    design = posterior.parameters.design
    new = new_rows(design, newdata, depth)
    own = tuple(factor.code for factor in new.group)
    place = _place(posterior, new, located=located) if depth == len(design.levels) else None
    return PredictionRows(new.X, new.Z, new.code, own, new_variance(design, new), place, new.offset)


def _place(posterior: Draws, new: NewRows, *, located: bool) -> RowPositions | None:
    design, estimate = posterior.parameters.design, posterior.fit.estimate
    correlation, old = posterior.parameters.problem.correlation, design.correlation
    if correlation is None or old is None:
        return None
    try:
        coords = new_correlation(design, new)
    except DataError:
        if located:
            raise
        return None
    if coords is None:
        return None
    innermost = () if design.crossed else (len(design.levels) - 1,)[: len(design.levels)]
    inner = [design.levels[k].code for k in innermost]
    known = correlation_group_of(
        estimate,
        np.column_stack([old.code, *inner]),
        np.column_stack([coords.code, *(new.code[k] for k in innermost)]),
    )
    factors = [new.group[k] for k in innermost]
    if old.groups:
        each = [group_values(new.columns, name) for name in old.groups]
        factors.append(nested_labels(each, "/")[-1])
    own = np.zeros(len(new.X), dtype=int)
    if factors:
        own = factors[0].code if len(factors) == 1 else cross(factors[0], factors[1], "/")[0].code
    position = coords.position
    if position is None:
        position = counted_on(own, known, correlation.coords.sizes)
    require_integers(correlation, position)
    level = np.zeros(len(own), dtype=int) if coords.level is None else coords.level
    return RowPositions(known, own, position, level)


Observed = Callable[[slice], np.ndarray]


@dataclass(frozen=True, slots=True)
class _Alike:
    """Groups with new and observed rows at the same positions.

    Attributes
    ----------
    old, new : arrays, shapes (o, d) and (m, d)
        Positions.
    rows, observed : int arrays, shapes (g, m) and (g, o)
        New rows, and sorted observed rows, of each group.
    level : int
        Of the groups, where levels have parameters of their own.
    """

    old: np.ndarray
    new: np.ndarray
    rows: np.ndarray
    observed: np.ndarray
    level: int

    @property
    def size(self) -> int:
        """Numbers that a draw needs."""
        return 4 * (len(self.old) + len(self.new)) ** 2 + 4 * self.rows.size + self.observed.size


def residuals_at(
    parameters: ModelParameters,
    values: Values,
    place: RowPositions,
    rng: np.random.Generator,
    *,
    observed: Observed | None = None,
    noise: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw residuals over their standard deviations.

    Parameters
    ----------
    parameters : ModelParameters
        With a correlation structure.
    values : mapping of variable name to array (s, ...)
    place : RowPositions
        Of m rows.
    rng : Generator
    observed : callable, optional
        Gives the observed residuals over their standard deviations (b, n), sorted, of a slice of
        the draws, to condition on.
    noise : bool
        Draw; otherwise the means are returned as draws too.

    Returns
    -------
    mean, drawn : arrays, shape (s, m)
        NaN where a group or a position is missing.

    Raises
    ------
    FitError
        Where a group is too long for a dense matrix, or its correlation has no extension to the
        new rows.
    DataError
        For positions an unstructured correlation knows nothing of.
    """
    correlation = parameters.problem.correlation
    par, _ = parameters.row_parameters(values)
    assert correlation is not None
    assert par is not None
    count = len(values["fixef"])
    par = np.broadcast_to(par, (count, np.shape(par)[-1]))
    mean = np.full((count, len(place.own)), np.nan)
    drawn = mean.copy()
    patterns = list(_alike(correlation, place, conditional=observed is not None))
    largest = max((alike.size for alike in patterns), default=1)
    step = max(
        1,
        int(
            settings.POSTERIOR.numbers_per_batch
            // (largest + (0 if observed is None else parameters.problem.n))
        ),
    )
    for first in range(0, count, step):
        at = slice(first, first + step)
        known = None if observed is None else observed(at)
        for alike in patterns:
            seen = None if known is None else known[:, alike.observed]
            mean[at, alike.rows], left = _one_pattern(correlation, par[at], alike, seen)
            drawn[at, alike.rows] = mean[at, alike.rows]
            if noise:
                spherical = rng.standard_normal((len(left), *alike.rows.shape))
                drawn[at, alike.rows] += spherical @ np.swapaxes(_root(correlation, left), -1, -2)
    return mean, drawn


def _alike(correlation: Bound, place: RowPositions, *, conditional: bool) -> Iterator[_Alike]:
    """Collect the groups of the new rows by the positions of their rows."""
    positions: CorrelationGroups = correlation.coords
    sound = (place.own >= 0) & ~np.isnan(place.position).any(axis=1) & (place.level >= 0)
    order = np.flatnonzero(sound)[np.argsort(place.own[sound], kind="stable")]
    found: dict[bytes, list[tuple[np.ndarray, np.ndarray]]] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(place.own[order])) + 1):
        if not len(rows):
            continue
        new, h = place.position[rows], int(place.group[rows[0]])
        old = np.zeros(0, dtype=int)
        if conditional and h >= 0:
            old = _near(correlation, positions, h, new)
        joint = np.concatenate([positions.position[old], new])
        shift = joint[:1] if correlation.structure.stationary else 0.0
        marks = [[len(old)] * joint.shape[1], [place.level[rows[0]]] * joint.shape[1]]
        key = np.append(joint - shift, marks, axis=0).tobytes()
        found.setdefault(key, []).append((old, rows))
    for groups in found.values():
        seen = np.array([one for one, _ in groups], dtype=int)
        asked = np.array([one for _, one in groups], dtype=int)
        require_dense(len(groups[0][0]) + len(groups[0][1]), "predict")
        level = int(place.level[asked[0, 0]])
        yield _Alike(positions.position[seen[0]], place.position[asked[0]], asked, seen, level)


def _near(correlation: Bound, positions: CorrelationGroups, h: int, new: np.ndarray) -> np.ndarray:
    """Sorted observed rows of a group that new ones depend on."""
    start, size = int(positions.starts[h]), int(positions.sizes[h])
    reach = correlation.structure.memory(positions)
    if reach is None:
        return start + np.arange(size)
    rank = np.searchsorted(positions.position[start : start + size, 0], new[:, 0])
    around = np.unique(rank[:, None] + np.arange(-reach, reach + 1))
    return start + around[(around >= 0) & (around < size)]


def _one_pattern(
    correlation: Bound, par: np.ndarray, alike: _Alike, seen: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Means (s, g, m) and covariances (s, m, m) of groups with the same positions."""
    among, across, left = joint_correlation(correlation, par, alike.old, alike.new, alike.level)
    if not len(alike.old) or seen is None:
        return np.zeros((len(par), *alike.rows.shape)), left
    factor = np.linalg.cholesky(among)
    k = np.linalg.solve(factor, across)
    white = np.linalg.solve(factor, np.swapaxes(seen, -1, -2))  # (s, o, g)
    return np.swapaxes(white, -1, -2) @ k, left - np.swapaxes(k, -1, -2) @ k


def _root(correlation: Bound, matrices: np.ndarray) -> np.ndarray:
    """Factors of covariances that may be singular, but not indefinite."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrices)
    if float(values.min()) < -prediction_settings.PREDICTION.negative_share * matrices.shape[-1]:
        raise FitError(
            f"{correlation.structure.r_name}: at some draws the correlation matrix is no longer "
            "positive definite once the new rows are added (a negative Rho reaches only as far as "
            "the largest group); predict fewer rows, or single ones"
        )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])
