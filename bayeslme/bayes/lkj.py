"""The LKJ distribution over correlation matrices.

References
----------
Lewandowski, Kurowicka and Joe (2009), Journal of Multivariate Analysis 100, 1989.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

FloatArray = npt.NDArray[np.float64]


def lkj_log_density(matrix: FloatArray, eta: float) -> FloatArray:
    """Normalised log density, (eta - 1) log det R - log constant; theorem 5.

    Parameters
    ----------
    matrix : array, shape (..., q, q)
    eta : float

    Returns
    -------
    array, shape (...)
        Minus infinity where the matrix is not positive definite.
    """
    q = matrix.shape[-1]
    sign, log_det = np.linalg.slogdet(matrix)
    inside = (sign > 0) & np.isfinite(log_det)
    return np.where(
        inside, (eta - 1) * np.where(inside, log_det, 0.0) - lkj_log_constant(q, eta), -np.inf
    )


def lkj_log_constant(q: int, eta: float) -> float:
    """Log integral of det(R)^(eta - 1) over the correlation matrices of order ``q``."""
    total = 0.0
    for k in range(1, q):
        shape = eta + (q - 1 - k) / 2
        total += (q - k) * (special.betaln(shape, shape) + (2 * shape - 1) * np.log(2.0))
    return float(total)


def lkj_draws(q: int, eta: float, n: int, rng: np.random.Generator) -> FloatArray:
    """Draw correlation matrices (n, q, q) through their partial correlations; section 2.2."""
    factor = np.zeros((n, q, q))
    factor[:, 0, 0] = 1.0
    for i in range(1, q):
        rest = np.ones(n)
        for j in range(i):
            shape = eta + (q - 2 - j) / 2
            partial = 2.0 * rng.beta(shape, shape, n) - 1.0
            factor[:, i, j] = partial * np.sqrt(rest)
            rest *= 1.0 - partial**2
        factor[:, i, i] = np.sqrt(rest)
    return np.asarray(factor @ np.swapaxes(factor, -1, -2))
