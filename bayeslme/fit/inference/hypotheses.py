"""p-values and limits of several tests together."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from bayeslme.fit.hypotheses import t_quantile

FloatArray = npt.NDArray[np.float64]
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
    from scipy.stats import studentized_range

    tail = studentized_range.sf(np.sqrt(2.0) * np.abs(t), means, df)
    return np.clip(tail, 0.0, 1.0)


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
        from scipy.stats import studentized_range

        places, back = np.unique(df, return_inverse=True)
        at = np.asarray(studentized_range.ppf(level, means, places), float)
        return np.asarray(at[back] / np.sqrt(2.0))
    tail = 0.5 + level / 2 if adjust == "none" else 1.0 - (1.0 - level) / (2 * tests)
    return t_quantile(tail, df)
