"""Pareto smoothed importance weights.

The largest weights are replaced by the expected order statistics of a generalised Pareto
distribution fitted to them, and its shape k-hat says whether weights can be trusted (Vehtari,
Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72)). The fit is that of Zhang and Stephens (2009),
Technometrics 51, 316: a posterior mean over a grid of one parameter, the other profiled out.

ArviZ has the same; loading it takes as long as pandas, SciPy and xarray together, and this is all
that a posterior needs of it before a summary is asked for. The tests compare both.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

LONG_SAMPLE = 225  # weights from which on the tail grows with the root of their number
MIN_TAIL = 5  # largest weights to which a distribution can be fitted
SHAPE_PRIOR = (10.0, 0.5)  # observations that the prior of the shape counts for, and its mean


def tail_length(n: int) -> int:
    """Number of the largest of n weights that are smoothed."""
    return int(3 * np.sqrt(n)) if n > LONG_SAMPLE else n // 5


def pareto_smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Smoothed and normalised log weights (n,), and k-hat.

    Parameters
    ----------
    log_weight : array, shape (n,)
        Finite logarithms up to a constant, at least 25, of which the largest are not all equal.

    Returns
    -------
    smoothed : array, shape (n,)
    k_hat : float
        NaN where the tail is far from a Pareto distribution; the weights are then as they were.
    """
    out = log_weight - np.max(log_weight)
    length = tail_length(len(out))
    if length < MIN_TAIL:
        raise ValueError(f"{len(out)} weights are too few: {MIN_TAIL} of the largest are needed")
    order = np.argsort(out)
    tail = order[-length:]
    cutoff = np.exp(out[order[-length - 1]])
    k_hat, sigma = pareto_fit(np.exp(out[tail]) - cutoff)
    if np.isfinite(k_hat):
        p = (np.arange(length) + 0.5) / length
        out[tail] = np.minimum(np.log(cutoff + _quantile(p, k_hat, sigma)), np.max(out))
    return out - logsumexp(out), k_hat


def pareto_fit(exceedances: np.ndarray) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution; NaN where the sample is far from one.

    Parameters
    ----------
    exceedances : array, shape (n,)
        In increasing order, not negative.
    """
    x, n = exceedances, len(exceedances)
    quartile = x[int(n / 4 + 0.5) - 1]
    if quartile <= x[0]:
        return np.nan, np.nan
    count = 30 + int(np.sqrt(n))
    # minus the shape over the scale
    grid = 1.0 / x[-1] + (1.0 - np.sqrt(count / (np.arange(count) + 0.5))) / (3.0 * quartile)
    shape = np.log1p(-grid[:, None] * x).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_likelihood = n * (np.log(-grid / shape) - shape - 1.0)
    log_likelihood = np.where(np.isnan(log_likelihood), -np.inf, log_likelihood)
    weight = np.exp(log_likelihood - logsumexp(log_likelihood))
    weight[weight < 10.0 * np.finfo(float).eps] = 0.0
    best = float(weight @ grid / weight.sum())
    k = float(np.log1p(-best * x).mean())
    sigma = -k / best
    counted, middle = SHAPE_PRIOR
    if np.isnan(k):
        return np.inf, np.nan
    return (n * k + counted * middle) / (n + counted), sigma


def _quantile(p: np.ndarray, k: float, sigma: float) -> np.ndarray:
    """Quantiles of a generalised Pareto distribution that begins at 0."""
    if sigma <= 0:
        return np.full_like(p, np.nan)
    log_rest = np.log1p(-p)
    standard = -log_rest if abs(k) < np.finfo(float).eps else np.expm1(-k * log_rest) / k
    return np.asarray(sigma * standard)
