"""Wald tests of coefficients, and p-values and limits of several tests together.

Wald tests of coefficients: t for one, F for several, on given denominator degrees of freedom. With
cov(beta) = U U', U upper triangular, z = U^-1 beta has unit variances, and z_j is free of the
columns after j: its squares are the sequential F statistics. Tails come from the incomplete beta
function, upper ones computed as such.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky
from scipy.special import chdtrc, fdtrc, ndtri, stdtr, stdtrit

from bayeslme import triangular
from bayeslme.fit.inference import studentized_range

FloatArray = npt.NDArray[np.float64]


def t_tail(t: npt.ArrayLike, df: npt.ArrayLike) -> FloatArray:
    """Two-sided p-value of t; NaN without degrees of freedom."""
    t, df = np.asarray(t, float), np.asarray(df, float)
    return np.where(df > 0, 2.0 * stdtr(np.where(df > 0, df, 1.0), -np.abs(t)), np.nan)


def t_quantile(probability: float, df: npt.ArrayLike) -> FloatArray:
    """Quantile of t, of the standard normal at infinite degrees of freedom."""
    df = np.asarray(df, float)
    return np.where(np.isinf(df), ndtri(probability), stdtrit(df, probability))


def f_tail(f: npt.ArrayLike, num: npt.ArrayLike, den: npt.ArrayLike) -> FloatArray:
    """Upper tail of F, of chi-squared / num at infinite den; NaN without degrees of freedom."""
    f, num, den = (np.asarray(x, float) for x in (f, num, den))
    tail = fdtrc(num, np.where((den > 0) & np.isfinite(den), den, 1.0), f)
    return np.where(den > 0, np.where(np.isinf(den), chdtrc(num, num * f), tail), np.nan)


def sequential_scores(beta: FloatArray, vcov: FloatArray) -> FloatArray:
    """Independent scores of unit variance, each column adjusted for those before it; shape (p,)."""
    sd = np.sqrt(np.diagonal(vcov))
    return triangular.solve(_flipped_root(vcov, sd), (beta / sd)[::-1])[::-1]


def sequential_contrasts(vcov: FloatArray) -> FloatArray:
    """Contrasts (p, p) of the sequential scores: 1 for the own column, 0 for those before it."""
    sd = np.sqrt(np.diagonal(vcov))
    root = _flipped_root(vcov, sd)
    rows = triangular.solve(root, np.diag(1.0 / sd)[::-1])[::-1]
    return np.asarray(rows / np.diagonal(rows)[:, None])


def _flipped_root(vcov: FloatArray, sd: FloatArray) -> FloatArray:
    """Upper triangular U of the correlation U U', its rows and columns from the last to the first.

    That is a lower Cholesky factor.
    """
    flipped = (vcov / np.outer(sd, sd))[::-1, ::-1]
    return np.asarray(cholesky(flipped, lower=True))


def quadratic(contrast: FloatArray, vcov: FloatArray) -> float:
    """Wald statistic of contrasts, contrast' cov^-1 contrast; shapes (r,) and (r, r)."""
    sd = np.sqrt(np.diagonal(vcov))
    root = cholesky(vcov / np.outer(sd, sd), lower=True)
    return float(np.sum(triangular.solve(root, contrast / sd) ** 2))


Adjust = Literal["tukey", "holm", "bonferroni", "none"]


def adjusted(
    p: FloatArray, t: FloatArray, df: FloatArray, means: int, adjust: Adjust
) -> FloatArray:
    """Adjust p-values of a family.

    Parameters
    ----------
    p : array, shape (m,)
        Of the tests one by one.
    t, df : array, shape (m,)
        Statistics and their degrees of freedom.
    means : int
        Means whose pairs are compared, for Tukey's method.
    adjust : {"tukey", "holm", "bonferroni", "none"}

    Returns
    -------
    array, shape (m,)

    References
    ----------
    Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70; Tukey's method is that of the
    studentized range of `means` independent means (Kramer 1956 for unequal errors).

    Examples
    --------
    >>> adjusted(np.array([0.01, 0.04, 0.03]), np.zeros(3), np.zeros(3), 3, "holm").tolist()
    [0.03, 0.06, 0.06]
    """
    m = len(p)
    if adjust == "none" or m == 1:
        return p
    if adjust == "bonferroni":
        return np.minimum(m * p, 1.0)
    if adjust == "holm":
        return holm(p)
    return 1.0 - studentized_range.cdf(np.sqrt(2.0) * np.abs(t), means, df)


def holm(p: FloatArray) -> FloatArray:
    """p-values (m,) of a family by Holm's method.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist(), holm(np.array([0.9])).tolist()
    ([0.03, 0.06, 0.06], [0.9])
    """
    m = len(p)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((m - np.arange(m)) * p[order])
    out = np.empty(m)
    out[order] = np.minimum(stepped, 1.0)
    return out


def critical(level: float, df: FloatArray, tests: int, means: int, adjust: Adjust) -> FloatArray:
    """Half-widths (m,) of limits in standard errors; Holm's method has Bonferroni's."""
    if adjust == "tukey" and tests > 1:
        places, back = np.unique(df, return_inverse=True)
        at = studentized_range.ppf(level, means, places)
        return np.asarray(at[back] / np.sqrt(2.0))
    tail = 0.5 + level / 2 if adjust == "none" else 1.0 - (1.0 - level) / (2 * tests)
    return t_quantile(tail, df)
