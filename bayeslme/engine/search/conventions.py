"""One result where several values of the parameters stand for the same model.

Variances that the likelihood does not distinguish from zero are set to zero. A parameter of which
only the absolute value counts gets the sign of its start. A variance function that is known up to a
multiple of sigma gets its usual size. A parameter that runs to the end of its range is placed at
one value next to it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.local_maxima import by_size
from bayeslme.engine.search.optimise import Optimum
from bayeslme.engine.search.settings import SEARCH


def to_boundary(likelihood: Likelihood, optimum: Optimum) -> Optimum:
    """Set entries of the random-effects factors that the likelihood cannot tell from zero to zero.

    A zero variance is zero.
    """
    theta = optimum.theta.copy()
    value = optimum.value
    for stage in likelihood.problem.stages:
        block = np.arange(stage.theta.start, stage.theta.stop)
        small = block[np.abs(theta[block]) < SEARCH.near_zero_factor]
        for chosen in ([small] if len(small) == len(block) else []) + [[j] for j in small]:
            trial = theta.copy()
            trial[chosen] = 0.0
            got = float(likelihood(trial[None])[0])
            if got >= value - 1e-8:
                theta, value = trial, max(got, value)
    if np.array_equal(theta, optimum.theta):
        return optimum
    return replace(optimum, theta=theta, value=float(likelihood(theta[None])[0]))


def to_end(likelihood: Likelihood, optimum: Optimum) -> Optimum:
    """Set correlation parameters that run to the end of their range to one value next to it.

    A search stops somewhere before the end, where the likelihood has become flat.
    """
    bound, place = likelihood.problem.correlation, likelihood.problem.theta_correlation
    if bound is None or place.start == place.stop:
        return optimum
    theta = optimum.theta.copy()
    theta[place] = bound.structure.at_end(theta[place])
    if np.array_equal(theta, optimum.theta):
        return optimum
    value = float(likelihood(theta[None])[0])
    return (
        replace(optimum, theta=theta, value=value)
        if value >= optimum.value - SEARCH.equal_loglik
        else optimum
    )


def normalised(likelihood: Likelihood, optimum: Optimum) -> Optimum:
    """Give a variance function of which only multiples of sigma are known its usual size."""
    bound, place = likelihood.problem.variance, likelihood.problem.theta_variance
    if bound is None or likelihood.sigma is not None or not len(bound.free):
        return optimum
    here = bound.natural(optimum.theta[place])
    usual = bound.structure.normalised(here, bound.natural(bound.start), bound.coords)
    if np.array_equal(usual, here) or not np.all(np.isfinite(usual)):
        return optimum
    theta = optimum.theta.copy()
    theta[place] = bound.to_free(usual)
    value = float(likelihood(theta[None])[0])
    return (
        replace(optimum, theta=theta, value=value)
        if abs(value - optimum.value) < SEARCH.equal_loglik
        else optimum
    )


def upright(likelihood: Likelihood, optimum: Optimum) -> Optimum:
    """Give parameters of which only the size counts, as varConstProp's, their starts' signs."""
    problem = likelihood.problem
    optimum = _represented(problem, optimum)
    even = by_size(problem, optimum.theta)
    if problem.variance is None or not even.any():
        return optimum
    start = np.zeros(problem.size)
    start[problem.theta_variance] = problem.variance.start
    turned = even & (start * optimum.theta < 0)
    return replace(optimum, theta=np.where(turned, -optimum.theta, optimum.theta))


def _represented(problem: Problem, optimum: Optimum) -> Optimum:
    """Choose, among correlation parameters of the same likelihood, those with positive signs."""
    bound, place = problem.correlation, problem.theta_correlation
    if bound is None or not bound.two_signs:
        return optimum
    theta = optimum.theta.copy()
    printed = np.asarray(bound.printed(bound.natural(theta[place])))
    own = bound.represented(printed)
    turned = bound.to_free(bound.inside(own))
    if np.array_equal(own, printed) or not np.isfinite(turned).all():
        return optimum
    theta[place] = turned
    return replace(optimum, theta=theta)
