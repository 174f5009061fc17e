"""Likelihoods without a maximum, where a search finds nothing to settle at.

Random effects that can reproduce the response take up the residual variance, and the density of a
fit without residuals has no bound; so has that of rows with a variance of their own that are fitted
exactly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bayeslme.engine.exact_rows import exact_rows
from bayeslme.engine.likelihood import Likelihood
from bayeslme.engine.optimise import Optimum
from bayeslme.engine.reproduced import without_rest
from bayeslme.errors import FitError

FURTHER = 3.0  # times the relative factors of a level
GAIN = 1.0  # in log-likelihood over such a way: more than any end that is near can hide
BACK = 3.0  # of the logarithm of small standard deviations
EXACT = 1e-6  # standard deviation over that of other rows and of the residuals of least squares


def require_bound(likelihood: Likelihood, end: Optimum) -> None:
    """Raise where the likelihood has no maximum.

    Parameters
    ----------
    likelihood : Likelihood
    end : Optimum
        Of a search.

    Raises
    ------
    FitError
        Names the random effects or the variance function.
    """
    exact = exact_rows(likelihood.problem)
    if exact is not None:
        raise _without_bound(likelihood, len(exact))
    _require_scatter(likelihood, end)
    if not end.converged:
        _require_residuals(likelihood, end)


def _require_scatter(likelihood: Likelihood, end: Optimum) -> None:
    """Some rows' standard deviation has gone to zero, others' has not."""
    problem = likelihood.problem
    bound = problem.variance
    if bound is None or not len(bound.free):
        return

    def at(theta: np.ndarray) -> np.ndarray:
        _, par = likelihood.row_parameters(theta)
        return np.asarray(bound.structure.log_sd(par, bound.coords))

    with np.errstate(over="ignore", invalid="ignore"):
        log_sd = at(end.theta)
    low = log_sd - np.median(log_sd) < np.log(EXACT)
    if not low.any():
        return
    sigma = float(likelihood.profile(end.theta).sigma)
    sd = sigma * np.exp(log_sd[low] - log_sd.mean())
    exact = not np.min(sd) * np.sqrt(problem.n) > EXACT * problem.source.rest()  # NaN too
    if exact and _grows(likelihood, end, at, low):
        raise _without_bound(likelihood, int(low.sum()))


def _without_bound(likelihood: Likelihood, rows: int) -> FitError:
    variance = likelihood.problem.variance
    name = "weights" if variance is None else variance.structure.r_name
    return FitError(
        f"{name}: the likelihood has no maximum: it grows without bound as the standard deviation "
        f"of {rows} of the rows, which the model fits exactly, goes to zero; give them no variance "
        "or no coefficients of their own, or leave them out"
    )


def _grows(
    likelihood: Likelihood,
    end: Optimum,
    log_sd: Callable[[np.ndarray], np.ndarray],
    low: np.ndarray,
) -> bool:
    """Whether larger standard deviations of the low rows lose; random effects make up for them."""
    place = likelihood.problem.theta_variance
    moves = np.eye(len(end.theta))[place]
    slopes = [log_sd(end.theta + move) - log_sd(end.theta - move) for move in moves]
    columns = np.stack([*(slope / 2 for slope in slopes), np.ones(len(low))], axis=1)
    steps = np.linalg.lstsq(columns, BACK * low, rcond=None)[0][:-1]
    return not end.value - likelihood((end.theta + steps @ moves)[None])[0] < GAIN  # NaN too


def _require_residuals(likelihood: Likelihood, end: Optimum) -> None:
    """Random effects have taken up the residuals."""
    problem = likelihood.problem
    sigma = float(likelihood.profile(end.theta).sigma)
    gone = sigma * np.sqrt(problem.n) < EXACT * problem.source.rest()
    gone = gone and any(stage.filled is not None for stage in problem.stages)
    for k, stage in enumerate(problem.stages):
        further = end.theta.copy()
        further[stage.theta] *= FURTHER
        if gone or likelihood(further[None])[0] > end.value + GAIN:
            raise without_rest(problem, k)
