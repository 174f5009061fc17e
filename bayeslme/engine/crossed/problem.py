"""Crossed random effects as the engine sees them: a chain of nested levels, and a block of columns.

The level with the most effects, and the levels that it nests in, are the chain: they are eliminated
group by group as in a nested model. The effects of all other levels are the columns of one block;
each group of the chain meets few of them, and the pattern of these meetings is found once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.errors import DataError, FitError

if TYPE_CHECKING:
    from bayeslme.data.types import Design, Level


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


@dataclass(frozen=True)
class Crossed:
    """How the levels of a crossed model are eliminated.

    Attributes
    ----------
    chain, block : tuple of int
        Stages that are eliminated group by group, innermost first, and those of the block.
    code : tuple of int arrays (n,)
        Group of each sorted row at every stage.
    parents : dict of pairs of int to int arrays
        Group of the stage ``j`` in which each group of the stage ``k`` of the chain lies.
    columns : tuple of slice
        Columns of the block, one slice for each of its stages.
    row, column, effect : int arrays, shape (e,)
        Sorted row and column of the block of every entry of its model matrix, and the place of its
        value among the compact columns.
    patterns : tuple of Pattern
        Of the levels of the chain.
    entry : tuple of int arrays (e,)
        Place of each entry in the patterns.
    up : dict of pairs of int to int arrays
        Place, in the pattern of level ``j`` of the chain, of each meeting of level ``k``.
    local : Local or None
        Where whitening mixes rows: the columns that each correlation group meets.
    """

    chain: tuple[int, ...]
    block: tuple[int, ...]
    code: tuple[np.ndarray, ...]
    parents: dict[tuple[int, int], np.ndarray]
    columns: tuple[slice, ...]
    row: np.ndarray
    column: np.ndarray
    effect: np.ndarray
    patterns: tuple[Pattern, ...]
    entry: tuple[np.ndarray, ...]
    up: dict[tuple[int, int], np.ndarray]
    local: Local | None

    @property
    def n_columns(self) -> int:
        """Number of columns of the block."""
        return int(self.columns[-1].stop)

    @property
    def numbers(self) -> int:
        """Numbers that an evaluation works on."""
        return self.n_columns**2 + sum(len(p.group) for p in self.patterns)


@dataclass(frozen=True)
class Local:
    """Columns of the block by correlation group, which whitening mixes only within.

    Attributes
    ----------
    width : int
        Largest number of columns that one group meets.
    slot : int array, shape (e0,)
        Place of each entry of the model matrix among its group's columns.
    row, effect : int arrays, shape (e0,)
        Its sorted row, and the place of its value among the compact columns.
    filled : int array, shape (e,)
        Places, in the local columns (width, n), of the entries after whitening.
    """

    width: int
    slot: np.ndarray
    row: np.ndarray
    effect: np.ndarray
    filled: np.ndarray


def plan(
    design: Design, order: np.ndarray | slice, sizes: Sequence[int], corr: np.ndarray | None
) -> Crossed:
    """Find the chain, the block and the patterns of a design.

    Parameters
    ----------
    design : Design
    order : int array (n,) or slice
        Row of the design at each sorted place.
    sizes : sequence of int
        Number of effects of every stage, innermost first.
    corr : int array, shape (n,), optional
        Correlation group of each sorted row.

    Raises
    ------
    FitError
        Where the block does not fit into memory.
    DataError
        Where correlation groups lie within no level.
    """
    levels = design.levels[::-1]
    code = tuple(level.code[order] for level in levels)
    counts = [len(level.labels) for level in levels]
    chain = _chain(design, code, counts, sizes, corr)
    block = tuple(k for k in range(len(levels)) if k not in chain)
    _require_memory(levels, chain, block, counts, sizes)
    columns, row, column, effect = _entries(code, counts, sizes, block)
    local = None
    if corr is not None:
        local, row, column = _local(row, column, effect, corr, len(design.y), columns[-1].stop)
    patterns, entry = [], []
    for k in chain:
        pattern, where = _pattern(code[k][row], column, counts[k], columns[-1].stop)
        patterns.append(pattern)
        entry.append(where)
    parents = {
        (k, j): _parent(code[k], code[j], counts[k])
        for at, k in enumerate(chain)
        for j in chain[at + 1 :]
    }
    up = {
        (a, b): _places(patterns[b], parents[k, j][patterns[a].group], patterns[a].column)
        for a, k in enumerate(chain)
        for b, j in enumerate(chain)
        if b > a
    }
    return Crossed(
        chain, block, code, parents, columns, row, column, effect, tuple(patterns), tuple(entry),
        up, local,
    )  # fmt: skip


def _chain(
    design: Design,
    code: tuple[np.ndarray, ...],
    counts: list[int],
    sizes: Sequence[int],
    corr: np.ndarray | None,
) -> tuple[int, ...]:
    """The level with most effects that holds the correlation groups, and those it nests in."""
    allowed = [k for k in range(len(counts)) if corr is None or nests(corr, code[k])]
    if not allowed:
        raise DataError(_no_level(design))
    by_size = sorted(allowed, key=lambda k: (-counts[k] * sizes[k], -counts[k], k))
    chain = [by_size[0]]
    for k in sorted(allowed, key=lambda k: (-counts[k], k)):
        if k not in chain and counts[k] <= counts[chain[-1]] and nests(code[chain[-1]], code[k]):
            chain.append(k)
    return tuple(chain)


def _no_level(design: Design) -> str:
    groups = " and ".join(f"'{level.group}'" for level in design.levels)
    own = design.correlation
    name = "/".join(own.groups) if own is not None and own.groups else "all rows"
    return (
        f"correlation: its groups ({name}) lie within no factor of the random effects ({groups}); "
        "take the groups of one factor, or groups within it, as in form = ~ t | g"
    )


def nests(inner: np.ndarray, outer: np.ndarray) -> bool:
    """Whether every group of a code lies in one group of another."""
    owner = np.zeros(int(inner.max()) + 1, dtype=np.intp)
    owner[inner] = outer
    return bool(np.array_equal(owner[inner], outer))


def _parent(inner: np.ndarray, outer: np.ndarray, count: int) -> np.ndarray:
    owner = np.zeros(count, dtype=np.intp)
    owner[inner] = outer
    return owner


def _require_memory(
    levels: Sequence[Level],
    chain: tuple[int, ...],
    block: tuple[int, ...],
    counts: list[int],
    sizes: Sequence[int],
) -> None:
    width = sum(counts[k] * sizes[k] for k in block)
    if width <= CROSSED.max_columns:
        return
    names = ", ".join(levels[k].group for k in block[::-1])
    memory = CROSSED.dense_matrices * 8e-9 * width**2
    msg = (
        f"random: beside {levels[chain[0]].group} the crossed factors ({names}) have {width} "
        f"effects, whose dense matrices need {memory:.0f} GB; at most {CROSSED.max_columns} are "
        "fitted: take fewer rows or levels, or make the smaller of the factors fixed"
    )
    raise FitError(msg)


def _entries(
    code: tuple[np.ndarray, ...], counts: list[int], sizes: Sequence[int], block: tuple[int, ...]
) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Columns of each stage of the block; row, column and effect of every entry, by rows."""
    n = len(code[0])
    columns, column, effect, at = [], [], [], 0
    for k in block:
        first = sum(sizes[:k])
        columns.append(slice(at, at + counts[k] * sizes[k]))
        for j in range(sizes[k]):
            column.append(at + code[k] * sizes[k] + j)
            effect.append(np.full(n, first + j))
        at = columns[-1].stop
    row = np.repeat(np.arange(n), len(column))
    return tuple(columns), row, np.stack(column, 1).ravel(), np.stack(effect, 1).ravel()


def _pattern(
    group: np.ndarray, column: np.ndarray, n_groups: int, n_columns: int
) -> tuple[Pattern, np.ndarray]:
    """The meetings of groups and columns, and the place of every entry among them."""
    keys, where = np.unique(group * n_columns + column, return_inverse=True)
    return Pattern(keys // n_columns, keys % n_columns, n_groups, n_columns), where


def _places(pattern: Pattern, group: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Place of meetings in a pattern that has them."""
    width = pattern.n_columns
    keys = pattern.group * width + pattern.column
    return np.asarray(np.searchsorted(keys, group * width + column))


def _local(
    row: np.ndarray, column: np.ndarray, effect: np.ndarray, corr: np.ndarray, n: int, width: int
) -> tuple[Local, np.ndarray, np.ndarray]:
    """Columns by correlation group, and row and column of the entries after whitening."""
    own, where = _pattern(corr[row], column, int(corr.max()) + 1, width)
    first = np.searchsorted(own.group, np.arange(own.n_groups + 1))
    slot = np.arange(len(own.group)) - first[own.group]
    most = int(slot.max()) + 1
    if most * n > CROSSED.max_mixed_numbers:
        msg = (
            f"correlation: a group of it meets {most} crossed effects, and whitening them in {n} "
            f"rows needs {8e-9 * most * n:.0f} GB; take smaller correlation groups, or fewer rows"
        )
        raise FitError(msg)
    counts = np.diff(first)[corr]  # columns that each row's group meets
    rows = np.repeat(np.arange(n), counts)
    slots = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = own.column[first[corr[rows]] + slots]
    return Local(most, slot[where], row, effect, slots * n + rows), rows, columns
