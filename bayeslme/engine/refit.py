"""The same model for another response: what does not depend on it is kept.

Sorting, standardising and binding are done; only the last of the problem's columns, and what least
squares took out of it, belong to the response.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.columns import Columns
from bayeslme.engine.estimate import Estimate, estimate, read_off
from bayeslme.engine.likelihood import BATCH_BYTES, Likelihood
from bayeslme.engine.many import Responses, optima
from bayeslme.engine.optimise import LENGTHS, Optimum
from bayeslme.engine.problem import Problem
from bayeslme.engine.reproduced import require_rest
from bayeslme.engine.ridge import flat_moves, move_effects
from bayeslme.engine.search import search

if TYPE_CHECKING:
    from bayeslme.data.types import Design

BARELY = 0.1  # entries of a relative factor
MOST = 250  # responses side by side
COPIES = 6  # of the Gram matrices that elimination holds at a time


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
        return any(c.source != "data" for c in self.design.variance_parts)

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
        batch = 2 * problem.size + 1 + len(LENGTHS)
        return max(1, min(MOST, int(BATCH_BYTES / (COPIES * 8 * numbers * batch))))

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
        return optima(several, self._bumped(), self._max_iter)

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
        """From the fit's own theta, and a look around from the top of its hill."""
        likelihood, own = self._likelihood(problem, method), self._bumped()
        require_rest(likelihood)
        usable = problem.size > 0 and bool(np.isfinite(likelihood(own[None])[0]))
        return search(likelihood, max_iter=self._max_iter, start=own if usable else None)

    def _bumped(self) -> np.ndarray:
        """The fit's own theta, factors that are near zero moved off it: there the slope is zero."""
        theta = self.found.theta.copy()
        for stage in self.found.problem.stages:
            if np.linalg.norm(theta[stage.theta]) < BARELY:
                theta[stage.theta] = BARELY
        return theta
