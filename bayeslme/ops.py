"""The array operations that NumPy and PyTensor spell differently.

The mathematics of the package is written once against a namespace ``xp``. Where both libraries agree (``exp``, ``where``, ``stack``, ...) ``xp``
passes the name through; the few verbs below are where they do not. This is the only module that knows both libraries.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

Array = Any  # an ndarray, or a PyTensor variable of the same shape


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
    def inverse_cholesky(c: Array) -> tuple[Array, Array]:
        """Inverse of the lower Cholesky factor, and the logarithms of the factor's diagonal.

        Matrices of a batch that are not positive definite give NaN in their own place only.

        Parameters
        ----------
        c : array, shape (..., m, m)

        Returns
        -------
        inverse : array, shape (..., m, m), lower triangular
        log_diagonal : array, shape (..., m)
        """
        factor = NumpyOps.cholesky(c)
        inverse = np.tril(np.linalg.inv(factor))
        return inverse, np.log(np.diagonal(factor, axis1=-2, axis2=-1))

    @staticmethod
    def cholesky(c: Array) -> Array:
        """Lower Cholesky factors of a batch (..., m, m); NaN where a matrix has none."""
        try:
            return np.linalg.cholesky(c)
        except np.linalg.LinAlgError:
            flat = c.reshape(-1, *c.shape[-2:])
            return np.stack([_cholesky_or_nan(matrix) for matrix in flat]).reshape(c.shape)

    @staticmethod
    def solve(a: Array, b: Array) -> Array:
        """Solve ``a x = b`` for matrices (..., k, k) and vectors (..., k)."""
        return np.linalg.solve(a, b[..., None])[..., 0]

    @staticmethod
    def constant(x: Array) -> Array:
        """Take data (never a parameter) into the namespace."""
        return np.asarray(x, dtype=float)


def _cholesky_or_nan(matrix: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return np.full(matrix.shape, np.nan)


class PyTensorOps:
    """PyTensor under the same names; no batch axes are needed there, but none are forbidden."""

    symbolic = True

    def __init__(self) -> None:
        import pytensor.tensor as pt

        self.pt = pt

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pt, name)

    def segment_sum(self, x: Array, starts: np.ndarray) -> Array:
        """Sum the last axis over consecutive segments, as ``NumpyOps.segment_sum``."""
        pt = self.pt
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

    def inverse_cholesky(self, c: Array) -> tuple[Array, Array]:
        """As ``NumpyOps.inverse_cholesky``."""
        pt = self.pt
        factor = pt.linalg.cholesky(c)
        eye = np.broadcast_to(np.eye(c.type.shape[-1]), c.type.shape)
        inverse = pt.linalg.solve_triangular(factor, pt.as_tensor(eye), lower=True)
        return inverse, pt.log(pt.diagonal(factor, axis1=-2, axis2=-1))

    def solve(self, a: Array, b: Array) -> Array:
        """As ``NumpyOps.solve``."""
        return self.pt.linalg.solve(a, b[..., None])[..., 0]

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
