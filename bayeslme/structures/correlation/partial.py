"""Correlation matrices from partial correlations.

Any partial correlations between -1 and 1 give a positive definite matrix, and the map is one to
one (Lewandowski, Kurowicka and Joe 2009, Journal of Multivariate Analysis 100, 1989, section 2).
"""

from __future__ import annotations

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.structures.supports import Namespace


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


def correlation_matrices(partials: np.ndarray, q: int) -> np.ndarray:
    """Correlation matrices (..., q, q) of partial correlations, as for ``factor_rows``."""
    factor = np.zeros((*partials.shape[:-1], q, q))
    for i, row in enumerate(factor_rows(partials, q)):
        for j, entry in enumerate(row):
            factor[..., i, j] = entry
    return np.asarray(factor @ np.swapaxes(factor, -1, -2))
