"""Correlation matrices from partial correlations.

Any partial correlations between -1 and 1 give a positive definite matrix, and the map is one to
one (Lewandowski, Kurowicka and Joe 2009, Journal of Multivariate Analysis 100, 1989, section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lgamma

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.structures.supports import Namespace


def draw_partials(powers: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Independent partial correlations r (n, k) of densities in proportion to (1 - r^2)^power."""
    return np.asarray(2.0 * rng.beta(powers + 1.0, powers + 1.0, (n, len(powers))) - 1.0)


def log_volume(powers: np.ndarray) -> float:
    """Logarithm of the product of the integrals of (1 - r^2)^power over -1 < r < 1."""
    ends = [lgamma(e + 1.0) - lgamma(e + 1.5) for e in powers.tolist()]
    return sum(ends) + len(ends) * 0.5 * float(np.log(np.pi))


def factor_rows(partials: Array, q: int, xp: Namespace = NUMPY) -> list[list[Array]]:
    """Rows of the Cholesky factor of a correlation matrix, entry by entry.

    Parameters
    ----------
    partials : array, shape (..., q (q - 1) / 2)
        Row by row below the diagonal: (2,1), (3,1), (3,2), ...; in row i the j-th is given the
        j - 1 before it.
    q : int

    Returns
    -------
    list of q lists of arrays, shape (...)
        The i-th has i + 1 entries.
    """
    one = xp.constant(np.ones(()))
    rows, at = [[one]], 0
    for i in range(1, q):
        row, rest = [], one
        for _ in range(i):
            row.append(partials[..., at] * xp.sqrt(rest))
            rest = rest * (1.0 - partials[..., at] ** 2)
            at += 1
        rows.append([*row, xp.sqrt(rest)])
    return rows


def partials_of(rows: Sequence[Array], xp: Namespace = NUMPY) -> Array:
    """Partial correlations (..., q (q - 1) / 2) of the rows of a Cholesky factor.

    The inverse of ``factor_rows``. What a row has left after its first j entries is summed from its
    end, so that no digits are lost where correlations are near 1.
    """
    partials: list[Array] = []
    for row in rows[1:]:
        own, left = [], row[-1] ** 2
        for entry in row[-2::-1]:
            left = left + entry**2
            own.append(entry / xp.sqrt(left))
        partials += own[::-1]
    return xp.stack(partials, axis=-1)


def log_jacobian(u: Array, q: int, rate: float, xp: Namespace = NUMPY) -> Array:
    """Log determinant (...) of the correlations by u (..., k), the partial ones tanh(rate u)."""
    size = xp.abs(rate * u)  # 1 - tanh^2 is even, and without overflow in this form
    log_rest = 2 * np.log(2.0) - 2 * size - 2 * xp.log1p(xp.exp(-2 * size))
    power = 1.0 + (q - np.tril_indices(q, -1)[1] - 2) / 2
    return (power * log_rest + np.log(rate)).sum(axis=-1)


def correlation_matrices(partials: np.ndarray, q: int) -> np.ndarray:
    """Correlation matrices (..., q, q) of partial correlations, as for ``factor_rows``."""
    factor = np.zeros((*partials.shape[:-1], q, q))
    for i, row in enumerate(factor_rows(partials, q)):
        for j, entry in enumerate(row):
            factor[..., i, j] = entry
    return np.asarray(factor @ np.swapaxes(factor, -1, -2))
