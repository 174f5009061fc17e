"""Cholesky factors and triangular solves by blocks that are too small to wake a thread.

The linear algebra libraries share one number of threads within a process, so that a fit that set it
would set it for everybody. It is left alone. Where threads pay is decided by the library itself,
from the size of a product; but its triangular solves hand work to threads at every size, and on a
busy machine a fit that waits for them hundreds of times is up to 100 times slower. Here the same
algorithms (Golub and Van Loan 2013, sections 3.1 and 4.2) consist of products of small blocks,
which every library does in the thread that asks for them.
"""

from __future__ import annotations

from functools import cache

import numpy as np

BLOCK_SIZE = 64  # rows and columns: a product of two blocks starts no threads
# Multiplications up to which OpenBLAS computes a product in the calling thread.
MAX_SINGLE_THREAD_PRODUCT = BLOCK_SIZE**3


def cholesky(c: np.ndarray) -> np.ndarray | None:
    """Lower factor (n, n) of a matrix; None where it is not positive definite.

    Parameters
    ----------
    c : array, shape (n, n)
        Symmetric; only the lower triangle is read.
    """
    found = factor_and_solve(c, np.zeros((0, len(c))))
    return None if found is None else found[0]


def factor_and_solve(c: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Lower factor L (n, n) of a matrix, and rows times L^-T, in one pass.

    None where the matrix is not positive definite.

    Parameters
    ----------
    c : array, shape (n, n)
        Symmetric; only the lower triangle is read.
    rows : array, shape (m, n)
    """
    from scipy.linalg.lapack import dpotrf

    tiles, extra = _tiles(c), _tiles(rows)
    a = tiles.reshape(-1, tiles.shape[-1])
    spans = _spans(len(c))
    for j, own in enumerate(spans):
        factor, failed = dpotrf(a[own, own], lower=1)
        if failed:
            return None
        a[own, own] = factor
        a[: own.start, own] = 0.0
        inverse = _inverse(factor).T
        below = tiles[j + 1 :, :, own]
        below[...] = np.matmul(below, inverse)
        extra[..., own] = np.matmul(extra[..., own], inverse)
        for k, later in enumerate(spans[j + 1 :], start=j + 1):
            across = a[later, own].T
            tiles[k:, :, later] -= np.matmul(tiles[k:, :, own], across)
            extra[..., later] -= np.matmul(extra[..., own], across)
    return np.asarray(a[: len(c)]), np.asarray(extra.reshape(-1, len(c))[: len(rows)])


def solve_rows(lower: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows times L^-T: L^-1 applied to every row.

    Parameters
    ----------
    lower : array, shape (n, n)
        Lower triangular.
    rows : array, shape (m, n)
    """
    tiles = _tiles(rows)
    spans = _spans(len(lower))
    for j, own in enumerate(spans):
        done = np.matmul(tiles[..., own], _inverse(lower[own, own]).T)
        tiles[..., own] = done
        for later in spans[j + 1 :]:
            tiles[..., later] -= np.matmul(done, lower[later, own].T)
    return np.asarray(tiles.reshape(-1, tiles.shape[-1])[: len(rows)])


def solve(lower: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve ``lower x = b`` for b of shape (n,) or (n, m)."""
    if not np.size(b):
        return np.zeros(np.shape(b))
    return solve_rows(lower, np.reshape(b, (len(lower), -1)).T).T.reshape(np.shape(b))


def _tiles(rows: np.ndarray) -> np.ndarray:
    """Copy of rows (m, n), so many at a time, (t, b, n); the last tile is filled with zeros."""
    m, n = rows.shape
    size = _width(m)
    tiles = np.zeros((-(-m // size), size, n))
    tiles.reshape(-1, n)[:m] = rows
    return tiles


def _spans(n: int) -> list[slice]:
    width = _width(n)
    return [slice(first, min(first + width, n)) for first in range(0, n, width)]


def _width(n: int) -> int:
    """Size of about equal blocks."""
    return max(1, -(-n // max(1, -(-n // BLOCK_SIZE))))


def _inverse(lower: np.ndarray) -> np.ndarray:
    """Inverse of a triangular block, by substitution; infinite where it has none."""
    from scipy.linalg.lapack import dtrtri

    inverse, singular = dtrtri(lower, lower=1)
    return np.full(lower.shape, np.inf) if singular else inverse * _lower_half(len(lower))


@cache
def _lower_half(n: int) -> np.ndarray:
    """Ones on and below the diagonal, (n, n); n is at most the size of a block."""
    return np.tri(n)
