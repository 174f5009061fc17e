"""Estimates without one outermost group, for every group, from the cross products of all.

Outermost groups are independent: each adds its own part to the [X | y] block that elimination
leaves and to the log determinants. The likelihood without a group is that of the sums less its own
part, so no row is read again. The groups' maxima are climbed to side by side, as those of many
responses are (`search.refit`), and end with Newton steps.

References
----------
Demidenko, E. and Stukel, T. A. (2005), Influence analysis for linear mixed-effects models,
Statistics in Medicine 24, 893-909.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference.settings import INFERENCE
from bayeslme.engine.likelihood.eliminate import Eliminated, eliminate
from bayeslme.engine.likelihood.likelihood import Likelihood, Profile, profile
from bayeslme.engine.likelihood.whiten import Gram, gram, whiten
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.refit import bumped, optima


@dataclass(frozen=True)
class Deletions:
    """The likelihood of a fit's rows without each of its outermost groups.

    Attributes
    ----------
    found : Estimate
        Of all rows; its random effects nest.
    """

    found: Estimate

    @property
    def problem(self) -> Problem:
        """The problem of all rows, on whose scales theta is."""
        return self.found.problem

    @property
    def count(self) -> int:
        """Number of outermost groups."""
        return self.problem.stages[-1].n_groups

    @cached_property
    def sizes(self) -> np.ndarray:
        """Rows of each outermost group, (G,)."""
        starts = self.problem.level_starts(len(self.problem.stages) - 1)
        return np.diff(np.append(starts, self.problem.n))

    @cached_property
    def _likelihood(self) -> Likelihood:
        return self.found.likelihood()

    @cached_property
    def _known(self) -> tuple[Gram, np.ndarray, np.ndarray] | None:
        """Cross products where they do not depend on theta."""
        return self._rows(self.found.theta[None]) if self.problem.constant_rows else None

    def _rows(self, theta: np.ndarray) -> tuple[Gram, np.ndarray, np.ndarray]:
        """Gram matrices, log|R| / 2 by outermost group (..., G), and the centres (...,)."""
        cor, var = self._likelihood.row_parameters(theta)
        white = whiten(self.problem, cor, var, centred=True)
        starts = self.problem.nested_starts(0, len(self.problem.stages) - 1)
        half = np.add.reduceat(white.half_logdet, starts, axis=-1)
        return gram(self.problem, white.columns, by_group=True), half, white.centre

    def parts(self, theta: np.ndarray) -> tuple[Eliminated, np.ndarray, np.ndarray]:
        """Blocks and log determinants by group at theta (t, k), log|R| / 2 (t, G), centres (t,)."""
        g, half, centre = self._known or self._rows(theta)
        factors = self._likelihood.factors(theta)
        e = eliminate(self.problem, g, factors, by_group=True, modes=False)
        shape = (len(theta), self.count)
        return e, np.broadcast_to(half, shape), np.broadcast_to(centre, shape[:1])

    def without(self, theta: np.ndarray, place: np.ndarray, which: np.ndarray) -> Left:
        """What is left without the groups ``which`` (m,), each at its own theta[place].

        Parameters
        ----------
        theta : array, shape (t, k)
        place : int array, shape (m,)
        which : int array, shape (m,)
        """
        e, half, centre = self.parts(theta)
        block = e.block.sum(axis=-1)[place] - e.block[place, :, :, which]
        logdet = e.half_logdet.sum(axis=-1)[place] - e.half_logdet[place, which]
        rows = half.sum(axis=-1)[place] - half[place, which]
        return Left(block, logdet, rows, centre[place], self.problem.n - self.sizes[which])

    def __call__(self, theta: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Log-likelihoods (b, m) of theta (b, m, k) without the groups ``which`` (m,)."""
        shape = theta.shape[:2]
        points, place = np.unique(theta.reshape(-1, theta.shape[-1]), axis=0, return_inverse=True)
        groups = np.tile(which, shape[0])
        values = np.full(len(groups), -np.inf)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for begin in range(0, len(points), self._portion):
                chosen = np.flatnonzero((place >= begin) & (place < begin + self._portion))
                some = points[begin : begin + self._portion]
                left = self.without(some, place[chosen] - begin, groups[chosen])
                values[chosen] = left.profiled(self.found).loglik
        return np.where(np.isfinite(values), values, -np.inf).reshape(shape)

    @property
    def _portion(self) -> int:
        """Number of theta evaluated at a time, whose arrays are of bounded memory."""
        problem = self.problem
        c = problem.source.shape[0]
        numbers = sum(stage.q * c * stage.n_groups for stage in problem.stages)
        numbers += (problem.p + 1) ** 2 * self.count
        numbers += 0 if problem.constant_rows else c * problem.n
        return max(1, int(INFERENCE.deletion_numbers / numbers))

    def estimates(self, max_iter: int) -> list[Estimate]:
        """Estimates without each group; what belongs to rows and modes is that of the whole fit.

        Parameters
        ----------
        max_iter : int
            Of one climb.
        """
        which = np.arange(self.count)
        if not self.problem.size:
            theta, settled = np.zeros((self.count, 0)), np.ones(self.count, dtype=bool)
        else:
            ends = optima(self, bumped(self.found), max_iter)
            theta = self._polished(np.stack([end.theta for end in ends]))
            settled = np.array([end.converged for end in ends])
        values = self(theta[None], which)[0]
        return [self._estimate(theta[g], g, values[g], settled[g]) for g in which.tolist()]

    def _estimate(self, theta: np.ndarray, group: int, loglik: float, settled: bool) -> Estimate:
        """Coefficients and natural parameters at a maximum, as `estimate.read_off` reads them.

        Coefficients are NaN where a column of X has nothing of its own in the rows left.
        """
        problem, p = self.problem, self.problem.p
        left = self.without(theta[None], np.zeros(1, dtype=int), np.array([group]))
        pr = left.profiled(self.found)
        factor, typical = pr.factor[0], float(pr.sigma[0])
        kept = np.square(np.diagonal(factor)[:p]) / np.diagonal(left.block[0])[:p]
        if not np.all(kept > INFERENCE.min_pivot_share):  # NaN too
            factor = np.full_like(factor, np.nan)
        relative = float(np.exp(left.centre[0]))
        inverse = np.linalg.inv(factor[:p, :p]) if p else np.zeros((0, 0))  # NaN stays NaN
        to_natural = np.linalg.inv(problem.x_basis) if p else np.zeros((0, 0))
        root = to_natural @ inverse.T
        factors = self._likelihood.factors(theta)
        cor, var = self._likelihood.row_parameters(theta)
        return replace(
            self.found,
            theta=theta,
            beta=to_natural @ (inverse.T @ factor[p, :p]) + problem.shift,
            sigma=typical / relative,
            loglik=float(loglik),
            vcov=typical**2 * root @ root.T,
            factors=problem.natural_factors(factors, relative),
            corstruct=cor,
            varfunc=var,
            converged=bool(settled),
        )

    def _polished(self, theta: np.ndarray) -> np.ndarray:
        """Theta (m, k) after Newton steps, where they do not lower the likelihood.

        A climb ends where its predicted gain is negligible, which leaves theta right to some five
        digits only. Slopes are differences; directions in which the likelihood is flat are left.
        """
        which, k = np.arange(len(theta)), theta.shape[1]
        value = self(theta[None], which)[0]
        for _ in range(INFERENCE.deletion_newton_steps):
            h = INFERENCE.deletion_difference_step * np.maximum(1.0, np.abs(theta))
            moves = np.einsum("ij,mi->imj", np.eye(k), h)
            around = np.concatenate([theta + moves, theta - moves])
            ahead = [theta + moves[i] + moves[j] for i in range(k) for j in range(i)]
            back = [theta - moves[i] - moves[j] for i in range(k) for j in range(i)]
            all_values = self(np.concatenate([around, *(x[None] for x in (*ahead, *back))]), which)
            step = _newton_step(value, all_values, h)
            trial = theta + step
            new = self(trial[None], which)[0]
            better = new > value
            theta = np.where(better[:, None], trial, theta)
            value = np.where(better, new, value)
        return theta


def _newton_step(value: np.ndarray, around: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Newton steps (m, k) from values (m,) and those around them (2 k + k (k - 1), m)."""
    k = h.shape[1]
    up, down = around[:k].T, around[k : 2 * k].T
    with np.errstate(invalid="ignore"):
        slope, curve = (up - down) / (2 * h), (up - 2 * value[:, None] + down) / h**2
        hessian = np.einsum("mi,ij->mij", curve, np.eye(k))
        pairs = [(i, j) for i in range(k) for j in range(i)]
        for t, (i, j) in enumerate(pairs):
            both = around[2 * k + t] + around[2 * k + len(pairs) + t]
            mixed = both - up[:, i] - down[:, i] - up[:, j] - down[:, j] + 2 * value
            hessian[:, i, j] = hessian[:, j, i] = mixed / (2 * h[:, i] * h[:, j])
    usable = np.isfinite(hessian).all(axis=(1, 2)) & np.isfinite(slope).all(axis=1)
    values, vectors = np.linalg.eigh(np.where(usable[:, None, None], -hessian, np.eye(k)))
    steep = values > INFERENCE.flat_curvature * np.maximum(values[:, -1:], 1.0)
    along = np.einsum("mij,mi->mj", vectors, np.where(usable[:, None], slope, 0.0))
    scaled = np.where(steep, along / np.where(steep, values, 1.0), 0.0)
    return np.asarray(np.einsum("mij,mj->mi", vectors, scaled))


@dataclass(frozen=True, slots=True)
class Left:
    """What is left without one group, one after the other.

    Attributes
    ----------
    block : array, shape (m, p + 1, p + 1)
    half_logdet : array, shape (m,)
        Of the random effects.
    rows_logdet : array, shape (m,)
        log|R| / 2.
    centre : array, shape (m,)
    n : int array, shape (m,)
    """

    block: np.ndarray
    half_logdet: np.ndarray
    rows_logdet: np.ndarray
    centre: np.ndarray
    n: np.ndarray

    def profiled(self, found: Estimate) -> Profile:
        """Profile over beta and sigma by the criterion of a fit."""
        e = Eliminated(self.block, self.half_logdet, (), (), np.zeros(()))
        sigma = found.sigma * np.exp(self.centre) if found.sigma_held else None
        return profile(found.problem, e, self.rows_logdet, found.method, sigma, n=self.n)
