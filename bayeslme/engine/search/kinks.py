"""Maxima at points where the likelihood has no derivative.

A correlation that reaches zero with a slope, as corLin does, has a kink at every range that is a
distance between two rows. A maximum is often at such a kink, where no derivative is zero and no
quasi-Newton step helps. The other parameters are then maximised with the range held at the
distance.
"""

from __future__ import annotations

import numpy as np

from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.search.optimise import CONVERGED, Optimum, maximise
from bayeslme.engine.search.settings import SEARCH
from bayeslme.engine.search.starts import kinks, scales


def settle(likelihood: Likelihood, end: Optimum, max_iter: int) -> Optimum:
    """Return the maximum at a kink near ``end`` where there is one, else ``end``.

    Parameters
    ----------
    likelihood : Likelihood
    end : Optimum
        That is not converged.
    """
    best = end
    for value in _near(likelihood, end.theta):
        found = _held(likelihood, end, value, max_iter)
        if found.converged and found.value > best.value - SEARCH.kink_tolerance:
            best = found
    return best


def _near(likelihood: Likelihood, theta: np.ndarray) -> np.ndarray:
    """Values of the unconstrained range at the distances nearest to it."""
    bound, place = likelihood.problem.correlation, likelihood.problem.theta_correlation
    if bound is None:
        return np.zeros(0)
    bends = kinks(bound)
    at = int(np.searchsorted(bends, theta[place.start])) if len(bends) else 0
    return bends[max(0, at - SEARCH.kinks_per_side) : at + SEARCH.kinks_per_side]


def _held(likelihood: Likelihood, end: Optimum, value: float, max_iter: int) -> Optimum:
    """Maximise the others with the range held; converged if the range is best there."""
    at = likelihood.problem.theta_correlation.start
    others, scale = np.arange(len(end.theta)) != at, scales(likelihood.problem)

    def whole(free: np.ndarray, range_: float = value) -> np.ndarray:
        out = np.empty((len(free), len(others)))
        out[:, others], out[:, at] = free, range_
        return out

    top = maximise(
        lambda free: likelihood(whole(free)), end.theta[others], scale[others], max_iter=max_iter
    )
    step = SEARCH.kink_step * scale[at]
    sides = np.concatenate([whole(top.theta[None], value + s) for s in (step, -step)])
    best = top.converged and np.max(likelihood(sides)) <= top.value + SEARCH.kink_tolerance
    slope = np.zeros(len(others))
    slope[others] = top.gradient
    message = CONVERGED if best else end.message
    theta = whole(top.theta[None])[0]
    return Optimum(theta, top.value, slope, bool(best), message, top.iterations)
