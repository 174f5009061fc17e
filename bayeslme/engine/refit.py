"""The same model for another response: what does not depend on it is kept.

Sorting, standardising and binding are done; only the last of the problem's columns, and what least
squares took out of it, belong to the response.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.columns import Columns
from bayeslme.engine.estimate import Estimate, estimate, read_off
from bayeslme.engine.likelihood import Likelihood
from bayeslme.engine.optimise import Optimum
from bayeslme.engine.problem import Problem, variance_coords
from bayeslme.engine.search import search

if TYPE_CHECKING:
    from bayeslme.data.types import Design


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
        return any(c.source != "data" for c in variance_coords(self.design))

    def estimate(self, y: np.ndarray) -> Estimate:
        """Estimates for the response y (n,), in the design's row order.

        Raises
        ------
        FitError
            Where no likelihood exists.
        """
        design = replace(self.design, y=np.asarray(y, float))
        if self.moving_covariate:
            return estimate(design)
        likelihood = self._likelihood(design.y)
        return read_off(likelihood, design, self._search(likelihood))

    def loglik(self, y: np.ndarray, method: str | None = None) -> float:
        """Maximum of the log-likelihood for the response y (n,).

        Parameters
        ----------
        y : array, shape (n,)
        method : {"REML", "ML"}, optional
            Criterion of a fit by least squares; that of the fit by default.
        """
        if self.moving_covariate:
            return self.estimate(y).loglik
        return self._search(self._likelihood(y, method)).value

    def _likelihood(self, y: np.ndarray, method: str | None = None) -> Likelihood:
        known = self.found
        kind = known.method if method is None else method
        sigma = known.sigma if known.sigma_held else None
        return Likelihood(with_response(known.problem, y), kind, sigma)  # type: ignore[arg-type]

    def _search(self, likelihood: Likelihood) -> Optimum:
        return search(likelihood, max_iter=self.design.spec.control.max_iter or 200)
