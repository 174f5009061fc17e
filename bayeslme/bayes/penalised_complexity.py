"""Penalised-complexity priors: exponential in the distance from a simpler model.

The distance is d = sqrt(2 KLD) from the base model, where the parameter adds nothing, and d has an
exponential density; its rate follows from one statement of the user's.

    standard deviation  base 0: the density itself is Exponential, P(sd > upper) = alpha
    Phi of corAR1       base 0: d = sqrt(-log(1 - Phi^2)), P(|Phi| > upper) = alpha; so for corARMA
                        of p = 1, q = 0, and for corCAR1 by its positive half: the distance of rows
                        one unit of time apart
    range of corExp     base infinity, in d dimensions: range^(-d/2) is exponential,
                        P(range < lower) = alpha

References
----------
Simpson, Rue, Riebler, Martins and Sorbye (2017), Statistical Science 32, 1. Sorbye and Rue (2017),
Journal of Time Series Analysis 38, 923; section 3.1. Fuglstad, Simpson, Lindgren and Rue (2019),
Journal of the American Statistical Association 114, 445; theorem 2.6 (their range is twice nlme's
range of corExp, their marginal sd is sigma).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Args = Mapping[str, float]
NEAR_ZERO = 1e-8  # of Phi, where |Phi| / d is 1


def scale_rate(a: Args) -> float:
    """Rate of the exponential density of a standard deviation."""
    return float(-np.log(a["alpha"]) / a["upper"])


def scale_log_density(x: Any, a: Args) -> Any:
    """Log density of a standard deviation."""
    rate = scale_rate(a)
    return np.log(rate) - rate * x


def scale_cdf(x: Any, a: Args) -> Any:
    """Distribution function of a standard deviation."""
    return -np.expm1(-scale_rate(a) * x)


def scale_quantile(p: Any, a: Args) -> Any:
    """Quantiles of a standard deviation."""
    return -np.log1p(-p) / scale_rate(a)


def correlation_distance(phi: Any) -> Any:
    """Distance of an AR(1) process from independence, per root of its length."""
    return np.sqrt(-np.log1p(-(phi**2)))


def correlation_rate(a: Args) -> float:
    """Rate of the exponential density of that distance."""
    return float(-np.log(a["alpha"]) / correlation_distance(a["upper"]))


def correlation_log_density(phi: Any, a: Args) -> Any:
    """Log density of Phi, half of it on each side of 0."""
    rate, d = correlation_rate(a), correlation_distance(phi)
    near = np.abs(phi) < NEAR_ZERO
    slope = np.where(near, 1.0, np.abs(phi) / np.where(near, 1.0, d))
    return np.log(rate / 2) - rate * d + np.log(slope) - np.log1p(-(phi**2))


def correlation_cdf(phi: Any, a: Args) -> Any:
    """Distribution function of Phi."""
    outside = 0.5 * np.exp(-correlation_rate(a) * correlation_distance(phi))
    return np.where(np.asarray(phi) < 0, outside, 1.0 - outside)


def correlation_quantile(p: Any, a: Args) -> Any:
    """Quantiles of Phi."""
    p = np.asarray(p, dtype=float)
    d = -np.log(2 * np.minimum(p, 1 - p)) / correlation_rate(a)
    return np.sign(p - 0.5) * np.sqrt(-np.expm1(-(d**2)))


def range_rate(a: Args) -> float:
    """Rate of the exponential density of range^(-d/2)."""
    return float(-np.log(a["alpha"]) * a["lower"] ** (a["dimension"] / 2))


def range_log_density(x: Any, a: Args) -> Any:
    """Log density of a range."""
    rate, half = range_rate(a), a["dimension"] / 2
    return np.log(half * rate) - (half + 1) * np.log(x) - rate * x**-half


def range_cdf(x: Any, a: Args) -> Any:
    """Distribution function of a range."""
    return np.exp(-range_rate(a) * np.asarray(x, dtype=float) ** (-a["dimension"] / 2))


def range_quantile(p: Any, a: Args) -> Any:
    """Quantiles of a range."""
    return (-np.log(p) / range_rate(a)) ** (-2 / a["dimension"])
