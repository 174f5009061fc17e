"""The columns [Z_K ... Z_1 | X | y] that the engine works on: sorted, standardised, in blocks.

Fits whose whitening does not depend on theta need one pass over them only; then no copy of the
model matrices is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bayeslme.ops import upper_factor

BLOCK = 1 << 15  # rows worked on together: a few megabytes


@dataclass(slots=True)
class Columns:
    """Columns that are made from the model matrices when they are read.

    Attributes
    ----------
    order : int array, shape (n,), or None
        Row of the matrices at each sorted place; None where they are sorted.
    parts : tuple of pairs of arrays (n, k) and (k, k)
        Matrices, and what each is multiplied by.
    response : array, shape (n,)
    shift : array, shape (p,)
        Coefficients of the last part's columns, on their standard scale, taken out of the response.
    """

    order: np.ndarray | None
    parts: tuple[tuple[np.ndarray, np.ndarray], ...]
    response: np.ndarray
    shift: np.ndarray
    _all: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def holding(cls, columns: np.ndarray) -> Columns:
        """Columns (c, n) that are given."""
        none = np.zeros(0)
        return cls(None, (), none, none, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows."""
        if self._all is not None:
            return self._all.shape[0], self._all.shape[1]
        return sum(m.shape[1] for m, _ in self.parts) + 1, len(self.response)

    def block(self, first: int, last: int) -> np.ndarray:
        """Sorted rows from ``first`` to ``last``, shape (c, last - first), not shared."""
        if self._all is not None:
            return self._all[:, first:last].copy()
        rows: slice | np.ndarray = slice(first, last)
        if self.order is not None:
            rows = self.order[first:last]
        out = np.empty((self.shape[0], last - first))
        at = 0
        for matrix, scale in self.parts:
            np.matmul(scale.T, matrix[rows].T, out=out[at : at + matrix.shape[1]])
            at += matrix.shape[1]
        out[at] = self.response[rows] - self.shift @ out[at - len(self.shift) : at]
        return out

    def rest(self) -> float:
        """Norm of the response that the last part's columns leave."""
        total = 0.0
        for first in range(0, self.shape[1], BLOCK):
            total += float(np.sum(self.block(first, min(first + BLOCK, self.shape[1]))[-1] ** 2))
        return float(np.sqrt(total))

    def all(self) -> np.ndarray:
        """All of them, shape (c, n), made once."""
        if self._all is None:
            out = np.empty(self.shape)
            for first in range(0, self.shape[1], BLOCK):
                last = min(first + BLOCK, self.shape[1])
                out[:, first:last] = self.block(first, last)
            self._all = out
        return self._all


def standardise(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What makes columns orthonormal, and the least-squares fit of the response to them.

    Parameters
    ----------
    x : array, shape (n, p), n >= p
    y : array, shape (n,)

    Returns
    -------
    basis : array, shape (p, p)
        Upper triangular R with X = Q R and Q'Q = n I.
    inverse : array, shape (p, p)
    coef : array, shape (p,)
        Coefficients of y on Q.
    """
    n = len(x)
    factor = upper_factor(x)
    basis = factor * np.where(np.diagonal(factor) < 0, -1.0, 1.0)[:, None] / np.sqrt(n)
    inverse = np.linalg.inv(basis)
    coef = np.zeros(x.shape[1])
    for first in range(0, n, BLOCK):
        rows = slice(first, first + BLOCK)
        coef += y[rows] @ (x[rows] @ inverse)
    return basis, inverse, coef / n
