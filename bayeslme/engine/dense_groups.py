"""The covariance V of the responses and its derivatives, dense within one independent group.

Random effects enter V linearly, in the entries of their covariance; the residual part is that of
``residual_covariance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.problem import Problem, Stage, runs
from bayeslme.engine.residual_covariance import Residual
from bayeslme.errors import FitError

LARGEST = 3000  # rows of one group: several dense matrices of 72 MB
CHUNK = 128  # independent rows handled together
DRAWS = 3  # random covariances for each parameter, to find the space they span
RANK = 1e-9


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
        Where a group has more than ``LARGEST`` rows.
    """

    def __init__(self, found: Estimate) -> None:
        self.found = found
        self.problem = found.problem
        starts = group_starts(found.problem)
        self.bounds = [*zip(starts, np.append(starts[1:], self.problem.n), strict=True)]
        longest = max(int(b - a) for a, b in self.bounds)
        if longest > LARGEST:
            name = self.problem.stages[-1].group if self.problem.stages else "correlation"
            msg = (
                f"df: 'kenward-roger' needs dense matrices of a group's rows; the largest {name} "
                f"group has {longest} rows, more than {LARGEST}; use 'satterthwaite'"
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
    return np.arange(0, problem.n, CHUNK)


class _Level:
    """Covariance of a level's standard effects, and the basis of the space it varies in."""

    def __init__(self, stage: Stage, found: Estimate) -> None:
        own = found.factors[found.problem.groups.index(stage.group)]
        factor = found.sigma * stage.basis @ own
        self.cov = factor @ factor.T
        self.basis = linear_basis(stage)


def linear_basis(stage: Stage) -> np.ndarray:
    """Basis (k, q, q) of the linear space of a level's standard covariances.

    It is found from the structure's own formula, so a new structure needs no word about it.

    Raises
    ------
    FitError
        If the structure's covariances are not all covariances of a linear space.
    """
    size, q = stage.theta.stop - stage.theta.start, stage.q
    u = np.random.default_rng(0).standard_normal((DRAWS * size + 1, size))
    factor = np.asarray(stage.structure.factor(u, stage.basis))
    _, strength, basis = np.linalg.svd((factor @ np.swapaxes(factor, -1, -2)).reshape(len(u), -1))
    rank = int(np.sum(strength > RANK * strength[0]))
    if rank != size:
        msg = (
            f"df: 'kenward-roger' needs a covariance that is linear in its parameters; "
            f"{stage.structure.r_name} of {stage.group} is not; use 'satterthwaite'"
        )
        raise FitError(msg)
    return np.asarray(basis[:rank].reshape(rank, q, q))
