"""The array operations that NumPy and PyTensor spell differently.

The mathematics of the package is written once against a namespace ``xp``. Where both libraries
agree (``exp``, ``where``, ``stack``, ...) ``xp`` passes the name through; the few verbs below are
where they do not. This is the only module that knows both libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bayeslme import triangular

QR_BLOCK_NUMBERS = 1 << 12  # of a tall matrix, factored at once: in the cache and in one thread
MIN_SQUARED_PIVOT = 1e-10  # of a matrix with unit diagonal: below it, half of the digits are lost
MAX_BATCHED_SIZE = 24  # above it, one factorisation per matrix is faster than a batched inverse

Array = Any  # an ndarray, or a PyTensor variable of the same shape
Tensor = Any  # a PyTensor variable: its own types are not known to a type checker


def upper_factor(x: np.ndarray) -> np.ndarray:
    """R (p, p) of X = Q R for a tall matrix (n, p), block by block of rows.

    The factors of blocks are factored again (Golub and Van Loan 2013, section 5.2.8: as accurate as
    one factorisation), so that no copy of the matrix is made, and no thread is waited for.
    """
    n, p = x.shape
    size = max(4 * p, QR_BLOCK_NUMBERS // max(p, 1))
    if n <= size or p == 0:
        return np.asarray(np.linalg.qr(x, mode="r"))
    whole = n - n % size
    parts = np.linalg.qr(x[:whole].reshape(-1, size, p), mode="r").reshape(-1, p)
    return upper_factor(np.concatenate([parts, x[whole:]]))


@dataclass(frozen=True, slots=True)
class PaddedSegments:
    """Segments that are data of a symbolic graph, in any order and of any lengths.

    Attributes
    ----------
    index : int array, shape (g, most)
        Positions of each segment; -1 after the last.
    """

    index: Array


class NumpyOps:
    """NumPy under the common names; arrays may carry leading batch axes."""

    symbolic = False

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def segment_sum(x: Array, starts: np.ndarray) -> Array:
        """Sum the last axis over consecutive segments.

        Parameters
        ----------
        x : array, shape (..., n)
        starts : int array, shape (g,)
            First position of each segment, increasing from 0; no segment is empty.

        Returns
        -------
        array, shape (..., g)
        """
        if len(starts) == 1:
            return x.sum(axis=-1, keepdims=True)
        if len(starts) == x.shape[-1]:
            return x
        return np.add.reduceat(x, starts, axis=-1)

    @staticmethod
    def whiten_patterns(c: Array, pattern: np.ndarray, rows: Array) -> tuple[Array, Array]:
        """Multiply groups of rows by the inverse Cholesky factor of their pattern's matrix.

        A matrix that is not positive definite gives NaN in its own place only.

        Parameters
        ----------
        c : array, shape (..., r, m, m)
        pattern : int array, shape (h,)
            Matrix of each group.
        rows : array, shape (..., c, h, m)

        Returns
        -------
        white : array, shape (..., c, h, m)
        log_diagonal : array, shape (..., r, m)
            Logarithms of the factors' diagonals.
        """
        if c.shape[-1] > MAX_BATCHED_SIZE:
            return _whiten_one_by_one(c, pattern, rows)
        factor = NumpyOps.cholesky(c)
        inverse = np.tril(np.linalg.inv(factor))
        if c.shape[-3] == 1:
            white = np.matmul(rows, np.swapaxes(inverse, -1, -2))
        else:
            white = np.moveaxis(
                np.matmul(inverse[..., pattern, :, :], np.moveaxis(rows, -3, -1)), -1, -3
            )
        return white, _log_pivots(np.diagonal(factor, axis1=-2, axis2=-1))

    @staticmethod
    def cholesky(c: Array) -> Array:
        """Lower Cholesky factors of a batch (..., m, m); NaN where a matrix has none."""
        if c.shape[-1] <= triangular.BLOCK_SIZE:
            try:
                return np.linalg.cholesky(c)
            except np.linalg.LinAlgError:
                pass
        flat = c.reshape(-1, *c.shape[-2:])
        return np.stack([_cholesky_or_nan(matrix) for matrix in flat]).reshape(c.shape)

    @staticmethod
    def lower_solve(lower: Array, b: Array) -> Array:
        """Solve ``lower x = b`` for triangular (..., k, k) and matrices (..., k, m)."""
        out = np.empty(b.shape)
        for at in np.ndindex(b.shape[:-2]):
            out[at] = triangular.solve(lower[at], b[at])
        return out

    @staticmethod
    def scatter(index: np.ndarray, values: Array, size: int) -> Array:
        """Sums (size,) of values (m,) by known places."""
        return np.bincount(index, values, size)

    @staticmethod
    def smallest_eigenvalue(c: Array) -> Array:
        """Smallest eigenvalue (...) of symmetric matrices (..., m, m), NaN of one not finite."""
        finite = np.isfinite(c).all(axis=(-1, -2))
        if finite.all():
            return np.linalg.eigvalsh(c)[..., 0]
        usable = np.where(finite[..., None, None], c, 0.0)
        return np.where(finite, np.linalg.eigvalsh(usable)[..., 0], np.nan)

    @staticmethod
    def solve(a: Array, b: Array) -> Array:
        """Solve ``a x = b`` for matrices (..., k, k) and vectors (..., k)."""
        try:
            return np.linalg.solve(a, b[..., None])[..., 0]
        except (
            np.linalg.LinAlgError
        ):  # a singular matrix somewhere in the batch: its own place becomes NaN
            a = np.broadcast_to(a, (*b.shape, b.shape[-1]))
            singular = ~(np.abs(np.linalg.det(a)) > 0)
            safe = np.where(singular[..., None, None], np.eye(b.shape[-1]), a)
            return np.where(
                singular[..., None], np.nan, np.linalg.solve(safe, b[..., None])[..., 0]
            )

    @staticmethod
    def constant(x: Array) -> Array:
        """Take data (never a parameter) into the namespace."""
        return np.asarray(x, dtype=float)


def _whiten_one_by_one(
    c: np.ndarray, pattern: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As ``NumpyOps.whiten_patterns`` with one factorisation per matrix."""
    batch = np.broadcast_shapes(c.shape[:-3], rows.shape[:-3])
    c = np.broadcast_to(c, (*batch, *c.shape[-3:]))
    rows = np.broadcast_to(rows, (*batch, *rows.shape[-3:]))
    white, logs = np.full(rows.shape, np.nan), np.full(c.shape[:-1], np.nan)
    for at in np.ndindex(*batch, c.shape[-3]):
        groups = np.flatnonzero(pattern == at[-1])
        own = rows[at[:-1]][:, groups, :]
        found = triangular.factor_and_solve(c[at], own.reshape(-1, own.shape[-1]))
        if found is None:
            continue
        factor, solved = found
        white[at[:-1]][:, groups, :] = solved.reshape(own.shape)
        logs[at] = _log_pivots(np.diagonal(factor))
    return white, logs


def _log_pivots(diagonal: np.ndarray) -> np.ndarray:
    """Logarithms of a factor's diagonals (..., m); NaN where what is left of a row is rounding."""
    smallest = np.min(diagonal, axis=-1, keepdims=True)
    return np.where(smallest**2 > MIN_SQUARED_PIVOT, np.log(diagonal), np.nan)


def _cholesky_or_nan(matrix: np.ndarray) -> np.ndarray:
    factor = triangular.cholesky(matrix)
    return np.full(matrix.shape, np.nan) if factor is None else factor


class PyTensorOps:
    """PyTensor under the same names; no batch axes are needed there, but none are forbidden."""

    symbolic = True

    def __init__(self) -> None:
        import pytensor.tensor as pt

        self.pt = pt

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pt, name)

    def segment_sum(self, x: Array, starts: np.ndarray | PaddedSegments) -> Array:
        """Sum the last axis over segments, as ``NumpyOps.segment_sum`` if they are consecutive."""
        pt = self.pt
        if isinstance(starts, PaddedSegments):
            index = starts.index
            return pt.where(index >= 0, x[..., index], 0.0).sum(axis=-1)
        if len(starts) == 1:
            return x.sum(axis=-1, keepdims=True)
        n = x.type.shape[-1]
        if n == len(starts):
            return x
        if n is None:
            msg = "segment_sum needs a static length of the last axis"
            raise ValueError(msg)
        sizes = np.diff(np.append(starts, n))
        inside = np.arange(sizes.max()) < sizes[:, None]
        index = np.where(inside, starts[:, None] + np.arange(sizes.max()), 0)
        return pt.where(inside, x[..., index], 0.0).sum(axis=-1)

    def whiten_patterns(self, c: Array, pattern: np.ndarray, rows: Array) -> tuple[Array, Array]:
        """As ``NumpyOps.whiten_patterns``."""
        pt = self.pt
        factor = pt.linalg.cholesky(c)
        eye = np.broadcast_to(np.eye(c.type.shape[-1]), c.type.shape)
        inverse = pt.linalg.solve_triangular(factor, pt.as_tensor(eye), lower=True)
        white = pt.moveaxis(pt.matmul(inverse[pattern], pt.moveaxis(rows, -3, -1)), -1, -3)
        return white, pt.log(pt.diagonal(factor, axis1=-2, axis2=-1))

    def scatter(self, index: np.ndarray, values: Array, size: int) -> Array:
        """As ``NumpyOps.scatter``."""
        zeros = self.pt.zeros((size,))
        return self.pt.inc_subtensor(zeros[self.pt.as_tensor(index)], values)

    def cholesky(self, c: Array) -> Array:
        """Lower Cholesky factor (m, m)."""
        return self.pt.linalg.cholesky(c)

    def lower_solve(self, lower: Array, b: Array) -> Array:
        """As ``NumpyOps.lower_solve``, for one matrix."""
        return self.pt.linalg.solve_triangular(lower, b, lower=True)

    def solve(self, a: Array, b: Array) -> Array:
        """As ``NumpyOps.solve``."""
        return self.pt.linalg.solve(a, b[..., None])[..., 0]

    def smallest_eigenvalue(self, c: Array) -> Array:
        """Smallest eigenvalue of a symmetric matrix (m, m).

        Its slopes v v' exist where eigenvalues coincide too, which those of the eigenvectors do
        not, so they are given here.
        """
        from pytensor.compile.builders import OpFromGraph

        def slopes(inputs: Any, outputs: Any, gradients: Any) -> Any:
            vector = self.pt.linalg.eigh(inputs[0])[1][:, 0]
            return [gradients[0] * self.pt.outer(vector, vector)]

        matrix = c.type()
        value = self.pt.linalg.eigh(matrix)[0][0]
        return OpFromGraph([matrix], [value], pullback=slopes)(c)

    def matmul(self, a: Array, b: Array) -> Array:
        """Matrix product over the last two axes."""
        return self.pt.matmul(a, b)

    def constant(self, x: Array) -> Array:
        """Take data (never a parameter) into the namespace."""
        return self.pt.as_tensor(np.asarray(x, dtype=float))


NUMPY = NumpyOps()


@cache
def pytensor_ops() -> PyTensorOps:
    """Return the PyTensor namespace, imported at the first call."""
    return PyTensorOps()
