"""The covariance V of the responses and its derivatives, dense within groups.

The residual part is D C D: D comes from the variance function, C from the correlation structure.
Derivatives are central differences in log sigma and the unconstrained parameters of the structures.

The covariance V of the responses and its derivatives, dense within one independent group. Random
effects enter V linearly, in the entries of their covariance; the residual part is that of
``residual_covariance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference import settings
from bayeslme.engine.inference.satterthwaite import Sensitivity, differentiated
from bayeslme.engine.problem import Problem, Stage, runs
from bayeslme.errors import FitError
from bayeslme.structures import Bound
from bayeslme.structures.correlation.positions import PaddedGroups


class Residual:
    """The residual part of V and its derivatives.

    Its parameters are the unconstrained ones of the correlation structure, then of the variance
    function, unless they are on a bound, then log sigma, unless that is held.

    Parameters
    ----------
    found : Estimate
    """

    def __init__(self, found: Estimate) -> None:
        self.found = found
        problem = found.problem
        self.rows = (
            _Movable.of(problem.correlation, found.corstruct),
            _Movable.of(problem.variance, found.varfunc),
        )
        scale = np.concatenate([m.scale for m in self.rows])
        self.linear = not len(scale)
        self.scale = scale if found.sigma_held else np.append(scale, 1.0)
        unit = (
            settings.INFERENCE.covariance_step * np.diag(self.scale)[: 0 if self.linear else None]
        )
        self.near = self.moved(np.concatenate([np.zeros((1, self.size)), unit, -unit]))

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.scale)

    def coordinates(self, found: Estimate) -> np.ndarray:
        """The parameters (k,) of an estimate of the same model."""
        values = (found.corstruct, found.varfunc)
        parts = [m.coordinates(v) for m, v in zip(self.rows, values, strict=True)]
        return np.concatenate([*parts, np.log([found.sigma] if not found.sigma_held else [])])

    def moved(self, moves: np.ndarray) -> _Moved:
        """The residual part after moves (b, k) of its parameters."""
        correlation, variance = (
            m.natural(moves[:, place]) for m, place in zip(self.rows, self._places(), strict=True)
        )
        log_sigma = np.log(self.found.sigma) + (
            0.0 if self.found.sigma_held else moves[:, -1]
        ) * np.ones(len(moves))
        return _Moved(self.found.problem, correlation, variance, log_sigma)

    def _places(self) -> tuple[slice, slice]:
        first, second = (len(m.scale) for m in self.rows)
        return slice(0, first), slice(first, first + second)

    def differences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The residual covariances (h, r, r) of rows (h, r), and their derivatives (k, h, r, r)."""
        values = self.near.at(rows)
        if self.linear:
            return values[0], 2.0 * np.repeat(values[:1], self.size, axis=0)
        up, down = values[1 : self.size + 1], values[self.size + 1 :]
        step = 2 * settings.INFERENCE.covariance_step * self.scale
        return values[0], (up - down) / step[:, None, None, None]


@dataclass(frozen=True, slots=True)
class _Movable:
    """The parameters of a row structure that can move to both sides."""

    bound: Bound | None
    here: np.ndarray
    free: np.ndarray

    @staticmethod
    def of(bound: Bound | None, values: np.ndarray | None) -> _Movable:
        if bound is None or values is None:
            return _Movable(bound, np.zeros(0), np.zeros(0, dtype=int))
        here, own = bound.to_free(values), values[bound.free]
        parameters = [bound.parameters[j] for j in bound.free]
        inside = [not p.at_edge(v) for v, p in zip(own, parameters, strict=True)]
        return _Movable(bound, here, np.flatnonzero(np.isfinite(here) & np.array(inside, bool)))

    @property
    def scale(self) -> np.ndarray:
        return np.ones(0) if self.bound is None else self.bound.scale[self.free]

    def coordinates(self, values: np.ndarray | None) -> np.ndarray:
        """The movable parameters (f,) at all natural values (k,)."""
        if self.bound is None or values is None:
            return np.zeros(0)
        return np.asarray(self.bound.to_free(values)[self.free])

    def natural(self, moves: np.ndarray) -> np.ndarray | None:
        """All natural values (b, k) after moves (b, f) of the movable ones."""
        if self.bound is None:
            return None
        u = np.tile(self.here, (len(moves), 1))
        u[:, self.free] += moves
        return np.asarray(self.bound.natural(u))


class _Moved:
    """Residual covariances at a batch of b parameter values."""

    def __init__(
        self,
        problem: Problem,
        corstruct: np.ndarray | None,
        varfunc: np.ndarray | None,
        log_sigma: np.ndarray,
    ) -> None:
        self.n = problem.n
        self.log_sd = np.tile(log_sigma[:, None], (1, problem.n))
        if problem.variance is not None:
            self.log_sd += problem.variance.structure.log_sd(varfunc, problem.variance.coords)
        self.blocks: list[tuple[PaddedGroups, np.ndarray]] = []
        if problem.correlation is not None:
            structure, lattice = problem.correlation.structure, problem.correlation.coords
            self.blocks = [
                (block, np.asarray(structure.matrix(corstruct, lattice, k)))
                for k, block in enumerate(lattice.blocks(structure.stationary))
            ]

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Covariances (b, h, r, r) of sets of rows (h, r) that cut no correlation group."""
        sd = np.exp(self.log_sd[:, rows])
        values = self._correlation(rows)
        values *= sd[..., :, None]  # in place: the arrays may be large
        values *= sd[..., None, :]
        return values

    def _correlation(self, rows: np.ndarray) -> np.ndarray:
        h, r = rows.shape
        if not self.blocks:
            return np.tile(np.eye(r), (len(self.log_sd), h, 1, 1))
        out = np.zeros((len(self.log_sd), h, r, r))
        owner, place = np.full(self.n + 1, -1), np.zeros(self.n + 1, dtype=int)
        owner[rows], place[rows] = np.arange(h)[:, None], np.arange(r)
        for block, matrices in self.blocks:
            chosen = np.flatnonzero(owner[block.rows[:, 0]] >= 0)
            own = block.rows[chosen]
            inside = own < self.n
            g, i, j = np.nonzero(inside[:, :, None] & inside[:, None, :])
            left, right = own[g, i], own[g, j]
            entries = matrices[:, block.pattern[chosen][g], i, j]
            out[:, owner[left], place[left], place[right]] = entries
        return out


class Bending:
    """Second derivatives of the residual part of V by variances, correlations and ranges.

    They are summed over the directions in which the parameters vary independently, one standard
    error long, which is the sum of W_kl V_kl. The parameters are those of SAS: the variance of each
    stratum, or sigma^2 and the coefficients of another variance function, and the coefficients of
    the correlation as they are printed.

    Parameters
    ----------
    found : Estimate
    values : array, shape (2 d + 1, k)
        The parameters at the estimate, and a step to both sides of it in d directions.
    """

    def __init__(self, found: Estimate, values: np.ndarray) -> None:
        problem = found.problem
        split = 0 if problem.correlation is None else len(problem.correlation.parameters)
        correlation = None
        if problem.correlation is not None:
            correlation = np.asarray(problem.correlation.inside(values[:, :split]))
        variance, log_sigma = None, 0.5 * np.log(values[:, -1])
        if problem.variance is not None:
            variance, log_sigma = problem.variance.structure.from_variances(values[:, split:])
        self.moved = _Moved(problem, correlation, variance, log_sigma)

    @staticmethod
    def of(found: Estimate, near: Sensitivity) -> Bending | None:
        """None where V is linear in variances and covariances."""
        problem = found.problem
        bound = problem.correlation
        if bound is None and problem.variance is None:
            return None
        strata = np.zeros(problem.n, dtype=int)
        if problem.variance is not None:
            strata = problem.variance.structure.strata(problem.variance.coords)
        if (
            bound is not None
            and strata is not None
            and bound.structure.linear_with(strata, bound.coords)
        ):
            return None
        slopes = differentiated(found, near, _residual_parameters)[:, near.flat :]
        strength, vectors = np.linalg.eigh(near.cov[near.flat :, near.flat :])
        moves = (
            settings.INFERENCE.bending_step
            * (slopes @ vectors * np.sqrt(np.maximum(strength, 0.0))).T
        )
        here = _residual_parameters(found)
        return Bending(found, here + np.concatenate([0.0 * here[None], moves, -moves]))

    def at(self, rows: np.ndarray) -> np.ndarray:
        """The sum (h, r, r) in groups of rows (h, r)."""
        values = self.moved.at(rows)
        return np.asarray((values[1:] - values[0]).sum(axis=0) / settings.INFERENCE.bending_step**2)


def _residual_parameters(found: Estimate) -> np.ndarray:
    """Coefficients of the correlation as printed, then variances (k,)."""
    correlation, variance = found.problem.correlation, found.problem.variance
    parts = [] if correlation is None else [np.asarray(correlation.printed(found.corstruct))]
    own = np.array([found.sigma**2])
    if variance is not None:
        own = variance.structure.to_variances(found.varfunc, np.log(found.sigma))
    return np.concatenate([*parts, own])


@dataclass(frozen=True, slots=True)
class Stack:
    """Independent groups of r rows each.

    Attributes
    ----------
    groups : int array, shape (h,)
        Which they are.
    rows : int array, shape (h, r)
        Sorted rows.
    cov : array, shape (h, r, r)
        V.
    slopes : array, shape (m, h, r, r)
        Its derivatives: random effects' covariances, innermost level first, then the residual part.
    """

    groups: np.ndarray
    rows: np.ndarray
    cov: np.ndarray
    slopes: np.ndarray


class Covariance:
    """V of an estimate, in stacks of groups of one size.

    Parameters
    ----------
    found : Estimate
    who : str
        The argument that asks for it, for errors.
    instead : str
        What to take for larger groups, for errors.

    Raises
    ------
    FitError
        Where a group has more than ``max_group_rows`` rows.
    """

    def __init__(
        self,
        found: Estimate,
        who: str = "df: 'kenward-roger'",
        instead: str = "'satterthwaite'",
    ) -> None:
        self.found = found
        self.problem = found.problem
        self.starts = group_starts(found.problem)
        self.sizes = np.diff(np.append(self.starts, self.problem.n))
        self.who, self.instead = who, instead
        stages = self.problem.stages
        self.check(int(self.sizes.max()), stages[-1].group if stages else "correlation")
        self.levels = [_Level(stage, found) for stage in self.problem.stages]
        self.residual = Residual(found)

    def check(self, longest: int, name: str) -> None:
        """Refuse groups that are too large for dense matrices."""
        most = settings.INFERENCE.max_group_rows
        if longest > most:
            msg = (
                f"{self.who} needs dense matrices of a group's rows; the largest {name} group has "
                f"{longest} rows, more than {most}; use {self.instead}"
            )
            raise FitError(msg)

    def at_once(self, r: int) -> int:
        """How many groups of r rows are handled together."""
        return max(1, settings.INFERENCE.numbers_at_once // ((2 * self.size + 1) * r**2))

    def stacks(self) -> Iterator[Stack]:
        """V and its derivatives in every group, as many groups of a size as memory allows."""
        for r in np.unique(self.sizes):
            members = np.flatnonzero(self.sizes == r)
            step = self.at_once(int(r))
            for first in range(0, len(members), step):
                groups = members[first : first + step]
                rows = self.starts[groups, None] + np.arange(r)
                yield Stack(groups, rows, *self._at(rows))

    def values(self, rows: np.ndarray) -> np.ndarray:
        """V (h, r, r) of sets of rows (h, r)."""
        return self._at(rows)[0]

    def _at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """V (h, r, r) and its derivatives (m, h, r, r) at rows (h, r)."""
        own, own_slopes = self.residual.differences(rows)
        cov, slopes = own, []
        for level, (z, code) in zip(self.levels, self._columns(rows), strict=True):
            same = code[:, :, None] == code[:, None, :]
            left = z[None] @ np.concatenate([level.cov[None], level.basis])[:, None]
            parts = (left @ z.transpose(0, 2, 1)) * same
            cov = cov + parts[0]
            slopes.append(parts[1:])
        return cov, np.concatenate([*slopes, own_slopes])

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(len(level.basis) for level in self.levels) + self.residual.size

    def coordinates(self, found: Estimate) -> np.ndarray:
        """The parameters (m,) of an estimate of the same model."""
        parts = [
            np.einsum("kij,ij->k", level.basis, standard_covariance(stage, found))
            for level, stage in zip(self.levels, self.problem.stages, strict=True)
        ]
        return np.concatenate([*parts, self.residual.coordinates(found)])

    def _columns(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Standard columns (h, r, q) and group (h, r) of each stage, innermost first."""
        at, first = np.searchsorted(self.problem.row_starts, rows, "right") - 1, 0
        for k, stage in enumerate(self.problem.stages):
            if k:
                at = self.problem.stages[k - 1].parent[at]
            yield np.moveaxis(self.problem.columns[first : first + stage.q, rows], 0, -1), at
            first += stage.q


def group_starts(problem: Problem) -> np.ndarray:
    """First sorted row of each independent group; rows without any are groups of their own."""
    if problem.stages:
        return np.asarray(problem.row_starts[runs(problem.root_of_group())])
    if problem.correlation is not None:
        return np.asarray(problem.correlation.coords.starts)
    return np.arange(problem.n)


class _Level:
    """Covariance of a level's standard effects, and the basis of the space it varies in."""

    def __init__(self, stage: Stage, found: Estimate) -> None:
        self.cov = standard_covariance(stage, found)
        self.basis = linear_basis(stage)


def standard_covariance(stage: Stage, found: Estimate) -> np.ndarray:
    """Covariance (q, q) of the effects on the standard scale."""
    factor = found.sigma * stage.basis @ found.factors[found.problem.groups.index(stage.group)]
    return np.asarray(factor @ factor.T)


def linear_basis(stage: Stage) -> np.ndarray:
    """Basis (k, q, q) of the linear space of a level's standard covariances.

    It is found numerically from the structure's own formula, so that new structures need no code.

    Raises
    ------
    FitError
        If the structure's covariances are not all covariances of a linear space.
    """
    size, q = stage.theta.stop - stage.theta.start, stage.q
    u = np.random.default_rng(0).standard_normal(
        (settings.INFERENCE.random_covariances * size + 1, size)
    )
    factor = np.asarray(stage.structure.factor(u, stage.basis))
    _, strength, basis = np.linalg.svd((factor @ np.swapaxes(factor, -1, -2)).reshape(len(u), -1))
    rank = int(np.sum(strength > settings.INFERENCE.relative_rank * strength[0]))
    if rank != size:
        msg = (
            f"df: 'kenward-roger' needs a covariance that is linear in its parameters; "
            f"{stage.structure.r_name} of {stage.group} is not; use 'satterthwaite'"
        )
        raise FitError(msg)
    return np.asarray(basis[:rank].reshape(rank, q, q))
