"""Log densities, distribution functions and quantiles, penalised-complexity ones included.

They are elementwise; ``a`` holds the arguments. Densities are not read outside their support.

Penalised-complexity priors: exponential in the distance from a simpler model. The distance is d =
sqrt(2 KLD) from the base model, where the parameter adds nothing, and d has an exponential density;
its rate follows from one statement of the user's.

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

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from bayeslme.bayes import settings

Args = Mapping[str, float]
Density = Callable[[Any, Args], Any]

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


def normal_log(x: Any, a: Args) -> Any:
    """Normal log density."""
    return -0.5 * ((x - a["mu"]) / a["sigma"]) ** 2 - np.log(a["sigma"]) - _LOG_SQRT_2PI


def truncated_log(x: Any, a: Args) -> Any:
    """Log density of a normal variable given that it lies between two ends."""
    return normal_log(x, a) - _log_between(a)


def truncated_cdf(x: Any, a: Args) -> Any:
    """Distribution function of a normal variable given that it lies between two ends."""
    low, high = _ends(a)
    z = np.clip((x - a["mu"]) / a["sigma"], low, high)
    sign = -1.0 if low > 0 else 1.0  # in the lower tail, where differences keep their digits
    part = sign * (special.ndtr(sign * z) - special.ndtr(sign * low))
    return np.asarray(part / np.exp(_log_between(a)))


def truncated_quantile(p: Any, a: Args) -> Any:
    """Quantiles of a normal variable given that it lies between two ends."""
    low, high = _ends(a)
    sign = -1.0 if low > 0 else 1.0
    below = special.ndtr(sign * low)
    z = sign * special.ndtri(below + p * (special.ndtr(sign * high) - below))
    return a["mu"] + a["sigma"] * np.clip(z, low, high)


def _ends(a: Args) -> tuple[float, float]:
    """The ends in standard deviations from the mean."""
    return (a["lower"] - a["mu"]) / a["sigma"], (a["upper"] - a["mu"]) / a["sigma"]


def _log_between(a: Args) -> float:
    """Log probability that a normal variable lies between the ends."""
    low, high = _ends(a)
    if low > 0:
        low, high = -high, -low
    upper, lower = special.log_ndtr(high), special.log_ndtr(low)
    return float(upper + np.log1p(-np.exp(lower - upper)))


def skew_log(x: Any, a: Args) -> Any:
    """Skew-normal log density (Azzalini 1985, Scandinavian Journal of Statistics 12, 171)."""
    z = (x - a["mu"]) / a["sigma"]
    return np.log(2.0) + normal_log(x, a) + special.log_ndtr(a["alpha"] * z)


def skew_cdf(x: Any, a: Args) -> Any:
    """Skew-normal distribution function, by Owen's T."""
    z = (x - a["mu"]) / a["sigma"]
    return np.clip(special.ndtr(z) - 2 * special.owens_t(z, a["alpha"]), 0.0, 1.0)


def skew_quantile(p: Any, a: Args) -> Any:
    """Skew-normal quantiles, by bisection."""
    standard = {"mu": 0.0, "sigma": 1.0, "alpha": a["alpha"]}
    low, high = np.full(np.shape(p), -40.0), np.full(np.shape(p), 40.0)
    for _ in range(60):  # 80 / 2^60 is rounding
        middle = 0.5 * (low + high)
        below = skew_cdf(middle, standard) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return a["mu"] + a["sigma"] * 0.5 * (low + high)


def student_log(x: Any, a: Args) -> Any:
    """Student-t log density, about 0 where no location is given."""
    nu, z = a["nu"], (x - a.get("mu", 0.0)) / a["sigma"]
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
    return constant - np.log(a["sigma"]) - (nu + 1) / 2 * np.log1p(z * z / nu)


def cauchy_log(x: Any, a: Args) -> Any:
    """Cauchy log density, about 0 where no location is given."""
    z = (x - a.get("alpha", 0.0)) / a["beta"]
    return -np.log(np.pi * a["beta"]) - np.log1p(z * z)


def log_normal_log(x: Any, a: Args) -> Any:
    """Log-normal log density."""
    return normal_log(np.log(x), a) - np.log(x)


def gamma_log(x: Any, a: Args) -> Any:
    """Gamma log density."""
    shape, rate = a["alpha"], a["beta"]
    return shape * np.log(rate) - special.gammaln(shape) + (shape - 1) * np.log(x) - rate * x


def inverse_gamma_log(x: Any, a: Args) -> Any:
    """Inverse-gamma log density."""
    shape, scale = a["alpha"], a["beta"]
    return shape * np.log(scale) - special.gammaln(shape) - (shape + 1) * np.log(x) - scale / x


def beta_log(x: Any, a: Args) -> Any:
    """Beta log density."""
    p, q = a["alpha"], a["beta"]
    return (p - 1) * np.log(x) + (q - 1) * np.log1p(-x) - special.betaln(p, q)


def laplace_cdf(x: Any, a: Args) -> Any:
    """Laplace distribution function."""
    z = (x - a["mu"]) / a["b"]
    return np.where(z < 0, 0.5 * np.exp(-np.abs(z)), 1 - 0.5 * np.exp(-np.abs(z)))


def cauchy_cdf(x: Any, a: Args) -> Any:
    """Cauchy distribution function, about 0 where no location is given."""
    return 0.5 + np.arctan((x - a.get("alpha", 0.0)) / a["beta"]) / np.pi


def flat_log(x: Any, _: Args) -> Any:
    """Improper log density, the same everywhere."""
    return np.zeros_like(x)


def half_log(density: Density) -> Density:
    """Density of the absolute value of a variable symmetric about zero."""
    return lambda x, a: np.log(2.0) + density(x, a)


def half_cdf(cdf: Density) -> Density:
    """Distribution function of the absolute value, from that of the variable."""
    return lambda x, a: np.maximum(2 * cdf(x, a) - 1, 0.0)


def centred(cdf: Density) -> Density:
    """A distribution function about 0 where no location is given."""
    return lambda x, a: cdf(x, {"mu": 0.0, "alpha": 0.0, **a})


def normal_cdf(x: Any, a: Args) -> Any:
    """Normal distribution function."""
    return special.ndtr((x - a["mu"]) / a["sigma"])


def student_cdf(x: Any, a: Args) -> Any:
    """Student-t distribution function."""
    return special.stdtr(a["nu"], (x - a["mu"]) / a["sigma"])


def normal_quantile(p: Any, a: Args) -> Any:
    """Normal quantiles."""
    return a["mu"] + a["sigma"] * special.ndtri(p)


def student_quantile(p: Any, a: Args) -> Any:
    """Student-t quantiles."""
    return a["mu"] + a["sigma"] * special.stdtrit(a["nu"], p)


def cauchy_quantile(p: Any, a: Args) -> Any:
    """Cauchy quantiles."""
    return a["alpha"] + a["beta"] * np.tan(np.pi * (p - 0.5))


def laplace_quantile(p: Any, a: Args) -> Any:
    """Laplace quantiles."""
    return a["mu"] - a["b"] * np.sign(p - 0.5) * np.log1p(-2 * np.abs(p - 0.5))


def half_quantile(quantile: Density) -> Density:
    """Quantiles of the absolute value, from those of the variable."""
    return lambda p, a: quantile(0.5 + p / 2, {"mu": 0.0, "alpha": 0.0, **a})


def step_correlation_log(x: Any, a: Args) -> Any:
    """Phi whose correlation ``steps`` apart, |Phi|^steps with its sign, is uniform on (-1, 1)."""
    with np.errstate(divide="ignore"):
        return np.log(a["steps"] / 2) + (a["steps"] - 1) * np.log(np.abs(x))


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
    near = np.abs(phi) < settings.PRIORS.small_correlation
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
