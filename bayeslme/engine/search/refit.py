"""Fits of the same model to other responses, with everything kept that does not depend on them.

Sorting, standardising and binding are done once: only the last of the problem's columns, and what
least squares has subtracted from it, belong to the response. Where residuals are independent and
have one variance, the Gram matrices of many responses differ in their last column only, and one
batched call evaluates all of them. The quasi-Newton steps are those of `optimise`, taken by all
responses side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bayeslme.engine.estimate import Estimate, estimate, read_off
from bayeslme.engine.likelihood.eliminate import eliminate
from bayeslme.engine.likelihood.likelihood import Likelihood, Method, profile
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.engine.likelihood.whiten import Gram, gram_in_blocks
from bayeslme.engine.problem import Columns, Problem
from bayeslme.engine.search.flat import flat_moves, move_effects
from bayeslme.engine.search.optimise import CONVERGED, NO_STEP, Optimum
from bayeslme.engine.search.reproduced import choices, dwarfing, require_rest
from bayeslme.engine.search.search import search
from bayeslme.engine.search.settings import DEGENERACY, OPTIMISER, REFIT, SEARCH
from bayeslme.engine.search.starts import candidates, scales

if TYPE_CHECKING:
    from bayeslme.data.types import Design


Objective = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Several(Protocol):
    """Several likelihoods of the same parameters, which are maximised side by side."""

    @property
    def problem(self) -> Problem:
        """The problem on whose scales theta is."""

    @property
    def count(self) -> int:
        """Number of likelihoods."""

    def __call__(self, theta: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Values (b, m) at theta (b, m, k) of the likelihoods ``which`` (m,)."""


@dataclass(frozen=True)
class Responses:
    """Likelihood of several responses of one problem.

    Attributes
    ----------
    problem : Problem
        Without correlation structure and variance function.
    grams : Gram
        With a leading axis of responses.
    method : {"REML", "ML"}
    sigma : float or None
        Where it is held.
    """

    problem: Problem
    grams: Gram
    method: Method
    sigma: float | None

    @classmethod
    def of(cls, problem: Problem, y: np.ndarray, method: Method, sigma: float | None) -> Responses:
        """Form the Gram matrices of responses (s, n), rows in the design's order."""
        known = problem.columns
        x, own = known[-1 - problem.p : -1], y[:, problem.order]
        rest = own - (own @ x.T / problem.n) @ x
        wide = replace(
            problem,
            source=Columns.holding(np.concatenate([known[:-1], rest])),
            shift=np.zeros(problem.p + len(y) - 1),
        )
        found = gram_in_blocks(wide, None)
        s, p = len(y), problem.p
        levels = tuple(_split(level, s) for level in found.levels)
        total = np.empty((s, p + 1, p + 1))
        total[:, :p, :p] = found.total[:p, :p]
        total[:, p, :p] = total[:, :p, p] = found.total[p:, :p]
        total[:, p, p] = np.diagonal(found.total)[p:]
        return cls(problem, Gram(levels, total), method, sigma)

    @property
    def count(self) -> int:
        """Number of responses."""
        return len(self.grams.total)

    def __call__(self, theta: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Log-likelihoods (b, m) of theta (b, m, k) for the responses ``which`` (m,)."""
        pr = self.problem
        own = Gram(tuple(level[which] for level in self.grams.levels), self.grams.total[which])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            factors = tuple(s.structure.factor(theta[..., s.theta], s.basis) for s in pr.stages)
            e = eliminate(pr, own, factors)
            sigma = None if self.sigma is None else np.asarray(self.sigma)
            value = profile(pr, e, np.zeros(()), self.method, sigma).loglik
        return np.where(np.isfinite(value), value, -np.inf)

    def suspects(self, squares: np.ndarray) -> np.ndarray:
        """Places of responses of which effects may leave nothing but rounding.

        Parameters
        ----------
        squares : array, shape (s,)
            Sums of squares of the responses.
        """
        rest = self.grams.total[:, -1, -1]
        found = ~(rest > DEGENERACY.suspect_share**2 * squares)
        for chosen in choices(self.problem) if self.sigma is None else ():
            e = eliminate(self.problem, self.grams, dwarfing(self.problem, chosen))
            left = profile(self.problem, e, np.zeros(()), "ML").sigma
            found |= ~(
                left * np.sqrt(self.problem.n) > DEGENERACY.suspect_share * np.sqrt(rest)
            )  # NaN too
        return np.flatnonzero(found)


def _split(level: np.ndarray, s: int) -> np.ndarray:
    """Products (q, c + s - 1, G) with s responses to (s, q, c, G)."""
    shared, own = level[:, :-s], level[:, -s:]
    spread = np.broadcast_to(shared, (s, *shared.shape))
    return np.concatenate([spread, np.moveaxis(own, 1, 0)[:, :, None, :]], axis=2)


@dataclass
class _Climb:
    """The state of the responses' searches; arrays have a first axis of responses (m, ...)."""

    f: Objective
    scale: np.ndarray
    theta: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    inverse: np.ndarray
    confirmed: np.ndarray
    done: np.ndarray
    gain: np.ndarray

    def step(self, rows: np.ndarray) -> None:
        """Take one step of the responses ``rows``, or compute their curvature anew."""
        direction = np.einsum("mij,mj->mi", self.inverse[rows], self.slope[rows])
        gain = np.einsum("mi,mi->m", self.slope[rows], direction)
        self.gain[rows] = gain
        size = np.max(np.abs(direction) / np.maximum(self.scale, np.abs(self.theta[rows])), axis=1)
        direction *= np.minimum(1.0, OPTIMISER.max_step_scales / np.maximum(size, 1e-300))[:, None]
        trial = self.theta[rows] + np.array(OPTIMISER.step_lengths)[:, None, None] * direction
        values = self.f(trial, rows)
        best = np.argmax(values, axis=0)
        at = np.arange(len(rows))
        up = (values[best, at] > self.value[rows]) & (gain >= REFIT.tolerance)
        if up.any():
            self._move(rows[up], trial[best[up], at[up]])
        self._stop(rows[~up])

    def _move(self, rows: np.ndarray, new: np.ndarray) -> None:
        value, slope, _ = differences(self.f, new, rows, self.scale)
        move, change = new - self.theta[rows], self.slope[rows] - slope
        self.confirmed[rows] &= value - self.value[rows] <= REFIT.tolerance
        self.inverse[rows] = _updated(self.inverse[rows], move, change)
        self.theta[rows], self.value[rows], self.slope[rows] = new, value, slope

    def _stop(self, rows: np.ndarray) -> None:
        """Responses that stop for the second time are done; the others get fresh curvature."""
        again = self.confirmed[rows]
        self.done[rows[again]] = True
        fresh = rows[~again]
        if len(fresh):
            self.confirmed[fresh] = True
            value, slope, curve = differences(self.f, self.theta[fresh], fresh, self.scale)
            self.value[fresh], self.slope[fresh] = value, slope
            self.inverse[fresh] = _diagonal(slope, curve, self.scale)


def differences(
    f: Objective, theta: np.ndarray, rows: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (m,), slopes and second differences (m, k) at theta (m, k) from one batch."""
    k = theta.shape[1]
    h = OPTIMISER.difference_step * np.maximum(scale, np.abs(theta))
    moves = np.einsum("ij,mi->imj", np.eye(k), h)
    values = f(np.concatenate([theta[None], theta + moves, theta - moves]), rows)
    up, down = values[1 : k + 1].T, values[k + 1 :].T
    with np.errstate(invalid="ignore"):
        slope, curve = (up - down) / (2 * h), (up - 2 * values[0][:, None] + down) / h**2
    slope, curve = (np.where(np.isfinite(x), x, 0.0) for x in (slope, curve))
    return values[0], slope, curve


def _diagonal(slope: np.ndarray, curve: np.ndarray, scale: np.ndarray) -> np.ndarray:
    floor = np.maximum(
        OPTIMISER.min_relative_curvature * np.abs(slope) / scale, OPTIMISER.min_curvature / scale**2
    )
    out: np.ndarray = (1.0 / np.maximum(-curve, floor))[:, :, None] * np.eye(len(scale))
    return out


def _updated(inverse: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """BFGS updates (m, k, k); kept where the curvature along the step is not positive."""
    sy = np.einsum("mi,mi->m", s, y)
    good = sy > 1e-10 * np.linalg.norm(s, axis=1) * np.linalg.norm(y, axis=1)
    rho = np.where(good, 1.0 / np.where(good, sy, 1.0), 0.0)[:, None, None]
    left = np.eye(s.shape[1]) - rho * s[:, :, None] * y[:, None, :]
    new = left @ inverse @ np.swapaxes(left, 1, 2) + rho * s[:, :, None] * s[:, None, :]
    out: np.ndarray = np.where(good[:, None, None], new, inverse)
    return out


def maximise_many(f: Objective, start: np.ndarray, scale: np.ndarray, max_iter: int) -> _Climb:
    """Maximise from start (m, k), a row for each response, all responses at once."""
    m = len(start)
    rows = np.arange(m)
    value, slope, curve = differences(f, start, rows, scale)
    no = np.zeros(m, dtype=bool)
    climb = _Climb(
        f,
        scale,
        start.copy(),
        value,
        slope,
        _diagonal(slope, curve, scale),
        no,
        ~np.isfinite(value),
        np.full(m, np.inf),
    )
    for _ in range(max_iter):
        moving = np.flatnonzero(~climb.done)
        if not len(moving):
            break
        climb.step(moving)
    return climb


def optima(responses: Several, own: np.ndarray, max_iter: int) -> list[Optimum]:
    """Return the best end of searches from a given start and from the best candidates.

    Parameters
    ----------
    responses : Several
    own : array, shape (k,)
        Start for all, beside the built-in candidates.
    max_iter : int
        Of one climb.

    Returns
    -------
    list of Optimum, one for each response
        Entries of the factors that the likelihood cannot tell from zero are zero.
    """
    scale, starts = scales(responses.problem), candidates(responses.problem)
    count = responses.count
    rows = np.arange(count)
    tried = [responses(np.broadcast_to(one, (1, count, len(one))), rows)[0] for one in starts]
    order = np.argsort(-np.array(tried), axis=0, kind="stable")[: REFIT.starts_per_response]
    begins = [np.tile(own, (count, 1)), *(starts[chosen] for chosen in order)]
    ends = [maximise_many(responses, begin, scale, max_iter) for begin in begins]
    best = np.argmax([end.value for end in ends], axis=0)
    theta, value, slope, gain, done = (
        np.stack([getattr(end, name) for end in ends])[best, rows]
        for name in ("theta", "value", "slope", "gain", "done")
    )
    _to_boundary(responses, theta, value)
    settled = done & (gain < OPTIMISER.noise_gain)
    return [
        Optimum(
            theta[i], float(value[i]), slope[i], bool(ok), CONVERGED if ok else NO_STEP, max_iter
        )
        for i, ok in enumerate(settled)
    ]


def _to_boundary(responses: Several, theta: np.ndarray, value: np.ndarray) -> None:
    """Set factors, and entries of them, to zero in place where the likelihood stays the same."""
    for stage in responses.problem.stages:
        block = np.arange(stage.theta.start, stage.theta.stop)
        for chosen in (block, *(block[j : j + 1] for j in range(len(block)))):
            rows = np.flatnonzero(
                np.all(np.abs(theta[:, chosen]) < SEARCH.near_zero_factor, axis=1)
            )
            if not len(rows):
                continue
            trial = theta[rows]
            trial[:, chosen] = 0.0
            got = responses(trial[None], rows)[0]
            same = got >= value[rows] - REFIT.equal_loglik
            theta[rows[same]] = trial[same]
            value[rows[same]] = np.maximum(got[same], value[rows[same]])


def with_response(problem: Problem, y: np.ndarray) -> Problem:
    """Return the problem with another response.

    Parameters
    ----------
    problem : Problem
    y : array, shape (n,)
        In the design's row order.
    """
    known = problem.columns
    x = known[-1 - problem.p : -1]
    own = np.asarray(y, float)[problem.order]
    coef = x @ own / problem.n
    shift = np.linalg.solve(problem.x_basis, coef) if len(coef) else coef
    columns = np.concatenate([known[:-1], (own - coef @ x)[None]])
    return replace(problem, source=Columns.holding(columns), shift=shift)


def bumped(found: Estimate) -> np.ndarray:
    """Return the fit's theta with factors near zero moved away from it, where the slope is zero."""
    theta = found.theta.copy()
    for stage in found.problem.stages:
        if np.linalg.norm(theta[stage.theta]) < REFIT.min_start_factor:
            theta[stage.theta] = REFIT.min_start_factor
    return theta


@dataclass(frozen=True)
class Refitter:
    """Estimates one design's model for other responses.

    Attributes
    ----------
    design : Design
    found : Estimate
        By maximum likelihood, restricted or not, or least squares.
    """

    design: Design
    found: Estimate

    @property
    def moving_covariate(self) -> bool:
        """Whether the variance depends on fitted values, so that nothing can be kept."""
        return any(c.source != "data" for c in self.design.variance)

    @cached_property
    def on_a_ridge(self) -> bool:
        """Whether the data do not tell variances apart, so that a search follows nlme's start."""
        likelihood, theta = self._likelihood(self.found.problem), self.found.theta
        end = Optimum(theta, self.found.loglik, np.zeros_like(theta), True, "", 0)
        moves = flat_moves(likelihood, end)
        return bool(len(moves)) and move_effects(likelihood, end, moves)

    @property
    def together(self) -> int:
        """Number of responses that are maximised side by side; 1 where each is searched alone."""
        problem = self.found.problem
        if problem.crossed is not None:
            return 1
        if problem.correlation is not None or problem.variance is not None or not problem.size:
            return 1
        if self.on_a_ridge:
            return 1
        c = problem.source.shape[0]
        numbers = c * c + sum(stage.q * c * stage.n_groups for stage in problem.stages)
        batch = 2 * problem.size + 1 + len(OPTIMISER.step_lengths)
        return max(
            1,
            min(
                REFIT.max_responses,
                int(LIKELIHOOD.batch_bytes / (REFIT.gram_copies * 8 * numbers * batch)),
            ),
        )

    @np.errstate(under="ignore")  # a vanishing correlation is 0
    def optima(self, y: np.ndarray) -> list[Optimum]:
        """Maxima of the log-likelihood for the responses y (s, n), rows in the design's order.

        Raises
        ------
        FitError
            Where the effects reproduce one of them.
        """
        if self.together == 1:
            return [self._search(with_response(self.found.problem, one)) for one in self._less(y)]
        sigma = self.found.sigma if self.found.sigma_held else None
        rest = self._less(y)
        several = Responses.of(self.found.problem, rest, self.found.method, sigma)
        for k in several.suspects(np.square(rest).sum(axis=1)):
            require_rest(self._likelihood(with_response(self.found.problem, rest[k])))
        return optima(several, bumped(self.found), self._max_iter)

    @np.errstate(under="ignore")  # a vanishing correlation is 0
    def estimate(self, y: np.ndarray, optimum: Optimum | None = None) -> Estimate:
        """Estimates for the response y (n,), in the design's row order.

        Parameters
        ----------
        y : array, shape (n,)
        optimum : Optimum, optional
            Of this response, where it is known.

        Raises
        ------
        FitError
            Where no likelihood exists.
        """
        design = replace(self.design, y=np.asarray(y, float))
        if self.moving_covariate:
            return estimate(design)
        problem = with_response(self.found.problem, design.response)
        end = self._search(problem) if optimum is None else optimum
        return read_off(self._likelihood(problem), end)

    @np.errstate(under="ignore")  # a vanishing correlation is 0
    def logliks(self, y: np.ndarray, method: str | None = None) -> list[float]:
        """Maxima of the log-likelihood for the responses y (s, n).

        Parameters
        ----------
        y : array, shape (s, n)
        method : {"REML", "ML"}, optional
            Criterion of a fit by least squares; that of the fit by default.
        """
        if self.moving_covariate:
            return [self.estimate(one).loglik for one in y]
        if self.found.problem.size:
            return [one.value for one in self.optima(y)]
        problems = (with_response(self.found.problem, one) for one in self._less(y))
        return [self._search(problem, method).value for problem in problems]

    def _less(self, y: np.ndarray) -> np.ndarray:
        """Responses (s, n) less the offset."""
        return np.asarray(y - self.design.offset)

    @property
    def _max_iter(self) -> int:
        return self.design.spec.control.max_iter or 200

    def _likelihood(self, problem: Problem, method: str | None = None) -> Likelihood:
        known = self.found
        kind = known.method if method is None else method
        sigma = known.sigma if known.sigma_held else None
        return Likelihood(problem, kind, sigma)  # type: ignore[arg-type]

    def _search(self, problem: Problem, method: str | None = None) -> Optimum:
        """Search from the fit's theta, and look for other local maxima from its end."""
        likelihood, own = self._likelihood(problem, method), bumped(self.found)
        require_rest(likelihood)
        usable = problem.size > 0 and bool(np.isfinite(likelihood(own[None])[0]))
        return search(likelihood, max_iter=self._max_iter, start=own if usable else None)
