"""Maximisation by quasi-Newton steps with an exact gradient.

The method is BFGS (Nocedal and Wright 2006, chapter 6). Near the maximum, where values differ by no
more than their rounding, a step is judged by the gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bayeslme.engine.search.optimise import (
    CONVERGED,
    NO_STEP,
    TOO_LONG,
    UNDEFINED,
    Optimum,
    _update,
)
from bayeslme.engine.search.settings import OPTIMISER

WithGradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


def ascend(
    f: WithGradient,
    start: np.ndarray,
    scale: np.ndarray,
    inverse: np.ndarray,
    *,
    max_iter: int = 200,
    tol: float = OPTIMISER.ascent_settled_gain,
) -> Optimum:
    """Maximise f from one start.

    Parameters
    ----------
    f : callable
        (k,) -> value, gradient (k,); minus infinity where undefined.
    start, scale : arrays, shape (k,)
    inverse : array, shape (k, k)
        Inverse Hessian of -f to begin with.
    tol : float
        Stop when the gain still predicted by the quadratic model is below it.
    """
    theta, first = start.copy(), inverse
    value, g = f(theta)
    if not np.isfinite(value):
        return Optimum(theta, value, g, False, UNDEFINED, 0)
    fresh = True  # whether the inverse Hessian is still the one given
    for iteration in range(1, max_iter + 1):
        step = inverse @ g
        gain = float(g @ step)
        if gain < tol:
            return Optimum(theta, value, g, True, CONVERGED, iteration, inverse)
        step *= min(
            1.0, OPTIMISER.max_step_scales / np.max(np.abs(step) / np.maximum(scale, np.abs(theta)))
        )
        found = _line(f, theta, value, g, step, gain, inverse)
        if found is None:
            if fresh or gain < OPTIMISER.noise_gain:
                done = gain < OPTIMISER.noise_gain
                message = CONVERGED if done else NO_STEP
                return Optimum(theta, value, g, done, message, iteration, inverse)
            inverse, fresh = first, True
            continue
        new, value, new_g = found
        inverse, fresh = _update(inverse, new - theta, g - new_g), False
        theta, g = new, new_g
    return Optimum(theta, value, g, False, TOO_LONG, max_iter, inverse)


def _line(
    f: WithGradient,
    theta: np.ndarray,
    value: float,
    g: np.ndarray,
    step: np.ndarray,
    gain: float,
    inverse: np.ndarray,
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Return the first step length that gains enough, or that lowers the gradient near the top."""
    slope = float(g @ step)
    rounding = OPTIMISER.relative_rounding * max(1.0, abs(value))
    for length in OPTIMISER.ascent_step_lengths:
        new = theta + length * step
        got, new_g = f(new)
        if not np.isfinite(got):
            continue
        if got > value + OPTIMISER.sufficient_gain * length * slope + (
            rounding if slope < rounding else 0.0
        ):
            return new, got, new_g
        if got > value - rounding and float(new_g @ inverse @ new_g) < 0.5 * gain:
            return new, got, new_g
    return None
