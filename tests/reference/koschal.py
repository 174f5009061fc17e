"""nlme's second differences in exact arithmetic: what its design gives without rounding.

For a random intercept with a power of a given covariate as variance: parameters log sd, power, log
sigma. ``fdHess`` fits a quadratic through the centre, a step to both sides of every parameter and
one to the upper side of every pair; its steps are 6e-6 of a parameter, at least of 0.05.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np

RELATIVE, LEAST = (2.0**-52) ** (1 / 3), 0.05
TINY = Decimal("1e-12")
NORMAL = 1.959963984540054

type Vector = Sequence[Decimal]
type Function = Callable[[Vector], Decimal]


def decimals(values: np.ndarray) -> list[Decimal]:
    """The same numbers, exactly."""
    return [Decimal(float(v)) for v in values]


def loglik(
    theta: Vector, x: np.ndarray, y: np.ndarray, groups: np.ndarray, v: np.ndarray
) -> Decimal:
    """ML log-likelihood less its constant, beta profiled; all columns (n, ...) of Decimals."""
    variance, power, sigma = (2 * theta[0]).exp(), theta[1], theta[2].exp()
    columns = np.concatenate([x, y[:, None]], axis=1)
    total, log_det = np.full((columns.shape[1],) * 2, Decimal(0)), Decimal(0)
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        weight = [1 / (sigma * (power * v[i].ln()).exp()) for i in own]
        z = np.array(weight)
        white = columns[own] * z[:, None]
        spread = 1 + variance * (z @ z)
        u = z @ white
        total = total + white.T @ white - np.outer(u, u) * (variance / spread)
        log_det += spread.ln() - 2 * sum(w.ln() for w in weight)
    for j in range(len(total) - 1):  # beta out
        total = total - np.outer(total[:, j], total[j]) / total[j, j]
    return -(log_det + total[-1, -1]) / 2


def nlmes_steps(theta: Vector) -> list[Decimal]:
    """Steps of ``fdHess`` as ``lme`` calls it."""
    return [Decimal(RELATIVE) * max(abs(t), Decimal(LEAST)) for t in theta]


def hessian(f: Function, theta: Vector, steps: Vector, *, one_sided: bool) -> np.ndarray:
    """Second derivatives (k, k) by nlme's design, or symmetrically."""
    k, base = len(theta), f(theta)

    def at(*moves: tuple[int, int]) -> Decimal:
        point = list(theta)
        for i, sign in moves:
            point[i] += sign * steps[i]
        return f(point) - base

    up, down = [at((i, 1)) for i in range(k)], [at((i, -1)) for i in range(k)]
    out = np.empty((k, k))
    for i in range(k):
        out[i, i] = float((up[i] + down[i]) / steps[i] ** 2)
        for j in range(i):
            both = at((i, 1), (j, 1)) - up[i] - up[j]
            if not one_sided:
                both = (both + at((i, -1), (j, -1)) - down[i] - down[j]) / 2
            out[i, j] = out[j, i] = float(both / (steps[i] * steps[j]))
    return out


def limits(second: np.ndarray, theta: Vector, j: int) -> np.ndarray:
    """Wald limits (2,) of parameter j."""
    error = float(np.sqrt(np.linalg.inv(-second)[j, j]))
    return float(theta[j]) + NORMAL * error * np.array([-1.0, 1.0])
