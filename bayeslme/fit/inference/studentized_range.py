"""The distribution of the studentized range, for many statistics at once.

With k independent standard normal variables and an independent estimate s of their standard
deviation on nu degrees of freedom, the range over s is below q with probability

    P(q) = int f_nu(s) W(q s) ds,    W(w) = k int phi(z) [Phi(z) - Phi(z - w)]^(k - 1) dz,

where f_nu is the density of sqrt(chi2_nu / nu). Both integrals are of smooth functions over a short
range, so that Gauss-Legendre sums give ten digits; W depends on k only and is made once. SciPy
integrates adaptively for each statistic, which takes seconds for the pairs of forty means.

References
----------
Lund, R. E. and Lund, J. R. (1983), Algorithm AS 190, Applied Statistics 32, 204-210; Copenhaver,
M. D. and Holland, B. (1988), Journal of Statistical Computation and Simulation 30, 1-15.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, chdtri, gammaln, ndtr, ndtri

from bayeslme.errors import FitError
from bayeslme.fit.settings import SETTINGS

if TYPE_CHECKING:
    from scipy.interpolate import BSpline

FloatArray = npt.NDArray[np.float64]


def cdf(q: npt.ArrayLike, means: int, df: npt.ArrayLike) -> FloatArray:
    """Probability of a studentized range below q.

    Parameters
    ----------
    q : (m,) float array
    means : int
        Of how many means the range is.
    df : (m,) float array
        Degrees of freedom; infinity for a known standard deviation.

    Returns
    -------
    (m,) float array
        NaN where a statistic is, or there are no degrees of freedom.

    Examples
    --------
    The 5 % point of three means on 10 degrees of freedom is 3.88 in printed tables:

    >>> cdf([3.877], 3, [10.0]).round(4).tolist()
    [0.95]
    """
    q, df = np.broadcast_arrays(np.asarray(q, float), np.asarray(df, float))
    valid = ~np.isnan(q) & (df > 0)
    q, df = np.where(valid, np.maximum(q, 0.0), 1.0), np.where(valid, df, 1.0)
    known = df > SETTINGS.many_degrees
    nu = np.where(known, 1.0, df)
    below = _range(means)
    tail = SETTINGS.range_tail
    # chdtri is the upper quantile; a probability of `tail` is left out at either end.
    least, most = np.sqrt(chdtri(nu, 1.0 - tail) / nu), np.sqrt(chdtri(nu, tail) / nu)
    # From here on the range is below q s for certain, so that the rest is a chi-squared tail.
    end = np.clip(below.certain / np.maximum(q, tail), least, most)
    nodes, weights = np.polynomial.legendre.leggauss(SETTINGS.range_nodes)
    # s = x^power, since the density has a root singularity at zero for few degrees of freedom.
    power = np.maximum(1.0, np.ceil(SETTINGS.smooth_order / nu))[:, None]
    low, high = least[:, None] ** (1 / power), end[:, None] ** (1 / power)
    x = low + (high - low) / 2 * (1.0 + nodes)
    s = x**power
    each = (high - low) / 2 * weights * power * s / x * np.exp(_log_density(s, nu[:, None]))
    found = (each * below(q[:, None] * s)).sum(axis=1) + chdtrc(nu, nu * end**2)
    found = np.where(known, below(q), found)
    return np.where(valid, np.clip(found, 0.0, 1.0), np.nan)


def ppf(probability: float, means: int, df: npt.ArrayLike) -> FloatArray:
    """Quantiles (m,) of the studentized range on df (m,) degrees of freedom.

    By false position with Illinois' halving (Dowell and Jarratt 1971), all at once.
    """
    df = np.asarray(df, float)
    known = df > 0
    nu = np.where(known, df, 1.0)
    low, high = np.zeros(len(df)), np.full(len(df), 2.0)
    while (short := cdf(high, means, nu) < probability).any():
        low, high = np.where(short, high, low), np.where(short, 2.0 * high, high)
    f_low = cdf(low, means, nu) - probability
    f_high = cdf(high, means, nu) - probability
    for _ in range(SETTINGS.max_quantile_steps):
        slope = f_high - f_low
        found = slope == 0.0
        middle = np.where(found, high, (low * f_high - high * f_low) / np.where(found, 1.0, slope))
        f = cdf(middle, means, nu) - probability
        same = f * f_high > 0  # the root lies below, so the lower end stays and counts half
        low, f_low = np.where(same, low, high), np.where(same, f_low / 2, f_high)
        high, f_high = middle, f
        if np.max(np.abs(f)) < SETTINGS.quantile_tolerance:
            return np.where(known, high, np.nan)
    raise FitError(f"the quantile of the studentized range of {means} means was not found")


def _log_density(s: FloatArray, nu: FloatArray) -> FloatArray:
    """Log density of sqrt(chi2_nu / nu)."""
    scale = np.log(2.0) + nu / 2 * np.log(nu / 2) - gammaln(nu / 2)
    return np.asarray(scale + (nu - 1) * np.log(s) - nu * s**2 / 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Range:
    """The distribution function of the range of some standard normal variables.

    Attributes
    ----------
    spline : BSpline
        The function between 0 and `certain`.
    certain : float
        The range is below it but for a probability of rounding.
    """

    spline: BSpline
    certain: float

    def __call__(self, w: FloatArray) -> FloatArray:
        return np.asarray(self.spline(np.minimum(w, self.certain)))


@lru_cache(maxsize=64)
def _range(means: int) -> _Range:
    """The range of `means` variables, integrated at the knots of a spline.

    The probability of a range above w is at most that of all pairs apart by w together.
    """
    from scipy.interpolate import make_interp_spline  # it takes as long to import as a fit

    pairs = means * (means - 1) / 2
    certain = float(-np.sqrt(2.0) * ndtri(SETTINGS.range_tail / (2 * pairs)))
    w = np.linspace(0.0, certain, SETTINGS.range_knots)
    nodes, weights = np.polynomial.legendre.leggauss(SETTINGS.range_knots)
    z = SETTINGS.normal_reach * nodes
    density = means * SETTINGS.normal_reach * weights * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    inside = ndtr(z) - ndtr(z - w[:, None])
    return _Range(make_interp_spline(w, inside ** (means - 1) @ density, k=7), certain)
