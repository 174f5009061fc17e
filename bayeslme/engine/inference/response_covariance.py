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
from bayeslme.engine.problem import Problem, Stage, runs
from bayeslme.errors import FitError
from bayeslme.structures import Bound


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

    def differences(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """The residual covariance (r, r) of rows, and its derivatives (k, r, r)."""
        values = self.near.at(rows)
        if self.linear:
            return values[0], 2.0 * np.repeat(values[:1], self.size, axis=0)
        up, down = values[1 : self.size + 1], values[self.size + 1 :]
        return values[0], (up - down) / (2 * settings.INFERENCE.covariance_step * self.scale)[
            :, None, None
        ]


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
        self.log_sd = np.tile(log_sigma[:, None], (1, problem.n))
        if problem.variance is not None:
            self.log_sd += problem.variance.structure.log_sd(varfunc, problem.variance.coords)
        self.positions = None
        if problem.correlation is not None:
            structure, self.positions = problem.correlation.structure, problem.correlation.coords
            blocks = self.positions.blocks(structure.stationary)
            self.matrices = [
                np.asarray(structure.matrix(corstruct, self.positions, k))
                for k in range(len(blocks))
            ]
            self.home = np.zeros((len(self.positions.starts), 2), dtype=int)
            for k, block in enumerate(blocks):
                self.home[block.groups] = np.column_stack(
                    [np.full_like(block.pattern, k), block.pattern]
                )

    def at(self, rows: slice) -> np.ndarray:
        """Covariances (b, r, r) of consecutive rows that cut no correlation group."""
        sd = np.exp(self.log_sd[:, rows])
        values = self._correlation(rows)
        values *= sd[:, :, None]  # in place: the arrays may be large
        values *= sd[:, None, :]
        return values

    def _correlation(self, rows: slice) -> np.ndarray:
        size = rows.stop - rows.start
        if self.positions is None:
            return np.tile(np.eye(size), (len(self.log_sd), 1, 1))
        out = np.zeros((len(self.log_sd), size, size))
        first, last = np.searchsorted(self.positions.starts, (rows.start, rows.stop))
        for h in range(first, last):
            m, (block, pattern) = self.positions.sizes[h], self.home[h]
            own = slice(
                self.positions.starts[h] - rows.start, self.positions.starts[h] - rows.start + m
            )
            out[:, own, own] = self.matrices[block][:, pattern, :m, :m]
        return out


@dataclass(frozen=True, slots=True)
class Group:
    """One independent group of rows.

    Attributes
    ----------
    rows : slice
        Sorted rows.
    cov : array, shape (r, r)
        V.
    slopes : array, shape (m, r, r)
        Its derivatives: random effects' covariances, innermost level first, then the residual part.
    """

    rows: slice
    cov: np.ndarray
    slopes: np.ndarray


class Covariance:
    """V of an estimate, group by group.

    Parameters
    ----------
    found : Estimate

    Raises
    ------
    FitError
        Where a group has more than ``max_group_rows`` rows.
    """

    def __init__(self, found: Estimate) -> None:
        self.found = found
        self.problem = found.problem
        starts = group_starts(found.problem)
        self.bounds = [*zip(starts, np.append(starts[1:], self.problem.n), strict=True)]
        longest = max(int(b - a) for a, b in self.bounds)
        most = settings.INFERENCE.max_group_rows
        if longest > most:
            name = self.problem.stages[-1].group if self.problem.stages else "correlation"
            msg = (
                f"df: 'kenward-roger' needs dense matrices of a group's rows; the largest {name} "
                f"group has {longest} rows, more than {most}; use 'satterthwaite'"
            )
            raise FitError(msg)
        self.levels = [_Level(stage, found) for stage in self.problem.stages]
        self.residual = Residual(found)

    def groups(self) -> Iterator[Group]:
        """V and its derivatives in every group."""
        for start, stop in self.bounds:
            rows = slice(int(start), int(stop))
            parts, slopes = [], []
            for level, (z, code) in zip(self.levels, self._columns(rows), strict=True):
                same = np.equal.outer(code, code)
                parts.append((z @ level.cov @ z.T) * same)
                slopes.append((z @ level.basis @ z.T) * same)
            own, own_slopes = self.residual.differences(rows)
            yield Group(rows, sum(parts, own), np.concatenate([*slopes, own_slopes]))

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(len(level.basis) for level in self.levels) + self.residual.size

    def _columns(self, rows: slice) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Standard columns and group of each stage, innermost first."""
        inner = np.searchsorted(self.problem.row_starts, np.arange(rows.start, rows.stop), "right")
        at, first = inner - 1, 0
        for k, stage in enumerate(self.problem.stages):
            if k:
                at = self.problem.stages[k - 1].parent[at]
            yield self.problem.columns[first : first + stage.q, rows].T, at
            first += stage.q


def group_starts(problem: Problem) -> np.ndarray:
    """First sorted row of each independent group; independent rows go together in chunks."""
    if problem.stages:
        return np.asarray(problem.row_starts[runs(problem.root_of_group())])
    if problem.correlation is not None:
        return np.asarray(problem.correlation.coords.starts)
    return np.arange(0, problem.n, settings.INFERENCE.rows_at_once)


class _Level:
    """Covariance of a level's standard effects, and the basis of the space it varies in."""

    def __init__(self, stage: Stage, found: Estimate) -> None:
        own = found.factors[found.problem.groups.index(stage.group)]
        factor = found.sigma * stage.basis @ own
        self.cov = factor @ factor.T
        self.basis = linear_basis(stage)


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
