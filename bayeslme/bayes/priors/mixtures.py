"""Priors of coefficients as mixtures of normal densities, cut to an interval.

A Student-t, Cauchy or Laplace density is a normal one whose standard deviation has a
distribution of its own (Andrews and Mallows 1974, JRSS B 36, 99). The integral over that standard
deviation is a sum over a grid of its logarithm: the trapezoidal rule on the whole real line, whose
error falls exponentially with the number of points (Trefethen and Weideman 2014, SIAM Review 56,
385). Given the grid point the coefficient is Gaussian, so that it is still integrated out exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import gammainccinv, gammaln, logsumexp

from bayeslme.bayes import settings
from bayeslme.bayes.priors.priors import ParameterPrior

LOG_SQRT_2PI = 0.5 * float(np.log(2 * np.pi))
Args = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class NormalMixture:
    """Normal densities about one centre or beside it, cut to an interval.

    Attributes
    ----------
    centre : float
    spread : float
        Standard deviation of the middle of the density; infinite for a flat one.
    log_weight : array, shape (k,)
    sd : array, shape (k,)
        A single infinite one is the density 1.
    low, high : float
    shift : array, shape (k,), or float
        What the densities of a skew one are apart from the centre.
    """

    centre: float
    spread: float
    log_weight: np.ndarray
    sd: np.ndarray
    low: float = -np.inf
    high: float = np.inf
    shift: np.ndarray | float = 0.0

    @property
    def centres(self) -> np.ndarray:
        """Centre of each density, shape (k,)."""
        return np.broadcast_to(self.centre + self.shift, self.sd.shape)

    @property
    def flat(self) -> bool:
        """Whether the density is 1 on the interval."""
        return bool(np.isinf(self.sd[0]))

    @property
    def cut(self) -> bool:
        """Whether the interval is not the whole line."""
        return bool(np.isfinite(self.low) or np.isfinite(self.high))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density (...), not renormalised, minus infinity outside the interval."""
        if self.flat:
            inner = np.zeros(x.shape)
        else:
            z = (x[..., None] - self.centres) / self.sd
            inner = logsumexp(
                self.log_weight - np.log(self.sd) - LOG_SQRT_2PI - 0.5 * z**2, axis=-1
            )
        return np.where((x > self.low) & (x < self.high), inner, -np.inf)


def normal_mixture(prior: ParameterPrior, j: int, reach: float) -> NormalMixture:
    """The mixture that stands for the prior of a coefficient.

    Parameters
    ----------
    prior : ParameterPrior
    j : int
    reach : float
        Distance from the prior's centre up to which the mixture has to be accurate.

    Returns
    -------
    NormalMixture
        The flat one for families that are no scale mixtures; their density is then a factor.
    """
    one, (low, high) = prior.priors[j], prior.bounds(j)
    args = one.numbers()
    if one.family not in (*_SCALE_MIXTURES, "SkewNormal"):
        return NormalMixture(np.nan, np.inf, np.zeros(1), np.full(1, np.inf), low, high)
    if one.family == "SkewNormal":
        return _skew(args, reach, low, high)
    centre, spread, nodes = _SCALE_MIXTURES[one.family](args, reach)
    log_weight, sd = nodes
    keep = log_weight > np.max(log_weight) - settings.MIXTURES.least_log_weight
    return NormalMixture(centre, spread, log_weight[keep], sd[keep], low, high)


Nodes = tuple[np.ndarray, np.ndarray]


def _student(nu: float, sigma: float, reach: float) -> Nodes:
    """Precisions Gamma(nu / 2, nu / 2) on an even grid of their logarithms."""
    limits = settings.MIXTURES
    shape = 0.5 * nu
    top = float(np.log(gammainccinv(shape, limits.lost_mass) / shape))
    bottom = float(np.log(limits.lost_tail / (1.0 + (reach / sigma) ** 2)))
    step = min(limits.log_precision_step, limits.relative_step / np.sqrt(0.5 * (nu + 1.0)))
    log_precision = np.arange(bottom, top + step, step)
    log_weight = shape * np.log(shape) - gammaln(shape) + np.log(step)
    log_weight = log_weight + shape * log_precision - shape * np.exp(log_precision)
    return log_weight, sigma * np.exp(-0.5 * log_precision)


def _laplace(b: float, reach: float) -> Nodes:
    """Variances 2 b^2 E of exponential E; the grid is even in log E at first, in its root later.

    The peak of what is summed has a standard deviation of about 1 in the root of E.
    """
    limits = settings.MIXTURES
    step = 0.5 * limits.log_precision_step
    bottom = 0.5 * np.log(limits.lost_variance)
    top = np.sqrt(-np.log(limits.lost_mass)) + np.sqrt(reach / b)
    at = np.arange(bottom, top + step, step)
    root = np.logaddexp(0.0, at)
    log_weight = np.log(2.0 * step * root) + at - root - root**2
    return log_weight, b * np.sqrt(2.0) * root


def _skew(args: Args, reach: float, low: float, high: float) -> NormalMixture:
    """Normal densities about a half-normal shift (Azzalini 1985, section 2), by Gauss's rule."""
    limits = settings.MIXTURES
    delta = args["alpha"] / np.hypot(1.0, args["alpha"])
    far = min(limits.half_normal_reach + reach / args["sigma"], 5 * limits.half_normal_reach)
    count = int(min(far * (4.0 + abs(args["alpha"])), limits.max_shifts))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    at = 0.5 * far * (nodes + 1.0)
    log_weight = np.log(far * weights) - LOG_SQRT_2PI - 0.5 * at**2
    sd = np.full(count, args["sigma"] / np.hypot(1.0, args["alpha"]))
    shift = args["sigma"] * delta * at
    return NormalMixture(args["mu"], args["sigma"], log_weight, sd, low, high, shift)


def _one(sigma: float) -> Nodes:
    return np.zeros(1), np.array([sigma])


_SCALE_MIXTURES: Mapping[str, Callable[[Args, float], tuple[float, float, Nodes]]] = {
    "Normal": lambda a, _: (a["mu"], a["sigma"], _one(a["sigma"])),
    "TruncatedNormal": lambda a, _: (a["mu"], a["sigma"], _one(a["sigma"])),
    "HalfNormal": lambda a, _: (0.0, a["sigma"], _one(a["sigma"])),
    "StudentT": lambda a, r: (a["mu"], a["sigma"], _student(a["nu"], a["sigma"], r)),
    "HalfStudentT": lambda a, r: (0.0, a["sigma"], _student(a["nu"], a["sigma"], r)),
    "Cauchy": lambda a, r: (a["alpha"], a["beta"], _student(1.0, a["beta"], r)),
    "HalfCauchy": lambda a, r: (0.0, a["beta"], _student(1.0, a["beta"], r)),
    "Laplace": lambda a, r: (a["mu"], a["b"], _laplace(a["b"], r)),
    "Exponential": lambda a, r: (0.0, 1 / a["lam"], _laplace(1 / a["lam"], r)),
}
