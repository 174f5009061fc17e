"""Which columns of the block the groups of a level meet, and products over these meetings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from bayeslme.engine.crossed.settings import CROSSED


@dataclass(frozen=True)
class Pattern:
    """Which columns of the block the groups of a level meet, sorted by group, then column.

    Attributes
    ----------
    group, column : int arrays, shape (m,)
    n_groups, n_columns : int
    """

    group: np.ndarray
    column: np.ndarray
    n_groups: int
    n_columns: int

    def matrix(self, values: np.ndarray) -> Any:
        """Values (q, m) as a matrix of q n_groups rows, effect by effect; a large one is sparse."""
        q = len(values)
        if self.full:
            return values.reshape(q * self.n_groups, self.n_columns)
        if q * self.n_groups * self.n_columns <= CROSSED.max_dense_numbers:
            out = np.zeros((q, self.n_groups, self.n_columns))
            out[:, self.group, self.column] = values
            return out.reshape(q * self.n_groups, self.n_columns)
        shape = (q * self.n_groups, self.n_columns)
        starts = np.append((len(self.group) * np.arange(q)[:, None] + self._starts[:-1]).ravel(),
                           q * len(self.group))  # fmt: skip
        return sparse.csr_array((values.ravel(), np.tile(self.column, q), starts), shape=shape)

    @cached_property
    def full(self) -> bool:
        """Whether every group meets every column."""
        return len(self.group) == self.n_groups * self.n_columns

    def mixed(self, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values (q, m) of each group combined by its own weights (q, q, n_groups)."""
        if len(values) == 1:
            return np.asarray(weights[0, 0][self.group] * values)
        if self.full:
            shape = (len(values), self.n_groups, self.n_columns)
            own = np.moveaxis(weights, -1, 0) @ np.swapaxes(values.reshape(shape), 0, 1)
            return np.swapaxes(own, 0, 1).reshape(values.shape)
        return np.asarray(np.einsum("abe,be->ae", weights[:, :, self.group], values))

    def contracted(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Sums (a, b, n_groups) by group of products of values (a, m) and (b, m)."""
        if not self.full:
            return self.sums(left[:, None] * right)
        one, other = (
            np.swapaxes(x.reshape(len(x), self.n_groups, self.n_columns), 0, 1)
            for x in (left, right)
        )
        return np.moveaxis(one @ np.swapaxes(other, 1, 2), 0, -1)

    def spread(self, by_group: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Combinations (q, m) of values (w, m), by each group's weights (q, w, n_groups)."""
        if not self.full:
            return np.asarray(np.einsum("qde,de->qe", by_group[..., self.group], values))
        own = np.swapaxes(values.reshape(len(values), self.n_groups, self.n_columns), 0, 1)
        out = np.moveaxis(by_group, -1, 0) @ own
        return np.swapaxes(out, 0, 1).reshape(len(by_group), -1)

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.searchsorted(self.group, np.arange(self.n_groups + 1))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums (..., n_groups) of values (..., m) by group."""
        if self.full:
            return values.reshape(*values.shape[:-1], self.n_groups, self.n_columns).sum(axis=-1)
        flat = values.reshape(-1, values.shape[-1])
        out = np.stack([np.bincount(self.group, one, self.n_groups) for one in flat])
        return out.reshape(*values.shape[:-1], self.n_groups)

    def products(self, values: np.ndarray) -> np.ndarray:
        """Cross products (n_columns, n_columns) of the columns, values (q, m)."""
        matrix = self.matrix(values)
        turned = matrix.T if isinstance(matrix, np.ndarray) else matrix.T.tocsr()
        return as_array(turned @ matrix)

    def times(self, values: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Cross products (n_columns, r) with other columns (q, r, n_groups)."""
        flat = np.swapaxes(right, 1, 2).reshape(-1, right.shape[1])
        return np.asarray(self.matrix(values).T @ flat)

    def pulled(self, values: np.ndarray, block: np.ndarray) -> np.ndarray:
        """The rows times a matrix (n_columns, n_columns), where they meet it, shape (q, m)."""
        rows = self.matrix(values)
        if isinstance(rows, np.ndarray):
            full = (rows @ block).reshape(len(values), self.n_groups, self.n_columns)
            return np.asarray(full[:, self.group, self.column])
        out = np.empty(values.shape)
        step = max(1, CROSSED.chunk_numbers // self.n_columns)
        for a in range(len(values)):
            for first in range(0, self.n_groups, step):
                last = min(first + step, self.n_groups)
                own = slice(self._starts[first], self._starts[last])
                full = rows[a * self.n_groups + first : a * self.n_groups + last] @ block
                out[a, own] = full[self.group[own] - first, self.column[own]]
        return out

    def inner(self, left: np.ndarray, right: np.ndarray, block: np.ndarray) -> float:
        """Sum over all groups of left' block right, for values (m,) of one effect."""
        one, other = self.matrix(left[None]), self.matrix(right[None])
        if isinstance(one, np.ndarray):
            return float(np.vdot(one @ block, other))
        product = (one.T.tocsr() @ other).tocsr()
        rows = np.repeat(np.arange(self.n_columns), np.diff(product.indptr))
        return float(product.data @ block[rows, product.indices])


def as_array(matrix: Any) -> np.ndarray:
    """A matrix, sparse or not, with its zeros."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())
