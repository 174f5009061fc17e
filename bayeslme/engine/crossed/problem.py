"""Crossed random effects as the engine sees them: a chain of nested levels, and a block of columns.

The level with the most effects, and the levels that it nests in, are the chain: they are eliminated
group by group as in a nested model. The effects of all other levels are the columns of one block;
each group of the chain meets few of them, and the pattern of these meetings is found once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.crossed.patterns import Pattern
from bayeslme.engine.crossed.related import Part, Turn, turn
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.errors import DataError, FitError

if TYPE_CHECKING:
    from bayeslme.data.types import Design, Level


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
    correlation : int array, shape (n,), or None
        Correlation group of each sorted row.
    turn : Turn or None
        Where groups are related: from the columns by group, in which ``column``, ``effect`` and
        ``entry`` are, to those of independent effects, in which ``columns`` and ``patterns`` are.
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
    correlation: np.ndarray | None
    turn: Turn | None = None

    @property
    def n_columns(self) -> int:
        """Number of columns of the block."""
        return int(self.columns[-1].stop)

    @property
    def n_by_group(self) -> int:
        """Number of columns by group, before those of related groups are turned."""
        return self.n_columns if self.turn is None else self.turn.parts[-1].before.stop

    @property
    def alone(self) -> bool:
        """Whether one effect of related groups is all there is: its block can be made diagonal."""
        return (
            not self.chain
            and len(self.block) == 1
            and self.turn is not None
            and (self.turn.parts[0].q == 1)
        )

    def n_meetings(self, at: int) -> int:
        """Number of meetings of a level of the chain with the columns by group."""
        before = self.patterns[at] if self.turn is None else self.turn.meetings[at].before
        return len(before.group)

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
    """
    levels = design.levels[::-1]
    code = tuple(level.code[order] for level in levels)
    counts = [len(level.labels) for level in levels]
    chain = _chain(levels, code, counts, sizes, corr)
    block = tuple(k for k in range(len(levels)) if k not in chain)
    _require_memory(levels, chain, block, counts, sizes)
    return _turned(_arranged(code, counts, sizes, chain, corr), levels, sizes)


def by_itself(crossed: Crossed, k: int, sizes: Sequence[int], counts: Sequence[int]) -> Crossed:
    """The same levels with one of them as the chain, and all others in the block.

    Raises
    ------
    DataError
        Where correlation groups do not lie within the groups of the level.
    """
    corr = crossed.correlation
    if corr is not None and not nests(corr, crossed.code[k]):
        raise DataError("the correlation groups reach across the groups of this factor")
    return _arranged(crossed.code, counts, sizes, (k,), corr)


def _arranged(
    code: tuple[np.ndarray, ...],
    counts: Sequence[int],
    sizes: Sequence[int],
    chain: tuple[int, ...],
    corr: np.ndarray | None,
) -> Crossed:
    block = tuple(k for k in range(len(code)) if k not in chain)
    columns, row, column, effect = _entries(code, counts, sizes, block)
    local = None
    if corr is not None:
        local, row, column = _local(row, column, effect, corr, len(code[0]), columns[-1].stop)
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
    up = _up(chain, parents, tuple(patterns))
    return Crossed(
        chain, block, code, parents, columns, row, column, effect, tuple(patterns), tuple(entry),
        up, local, corr,
    )  # fmt: skip


def _up(
    chain: tuple[int, ...],
    parents: dict[tuple[int, int], np.ndarray],
    patterns: tuple[Pattern, ...],
) -> dict[tuple[int, int], np.ndarray]:
    """Place of each meeting of a level in the pattern of a level outside it."""
    return {
        (a, b): _places(patterns[b], parents[k, j][patterns[a].group], patterns[a].column)
        for a, k in enumerate(chain)
        for b, j in enumerate(chain)
        if b > a
    }


def _turned(crossed: Crossed, levels: Sequence[Level], sizes: Sequence[int]) -> Crossed:
    """The same with columns of independent effects where groups are related."""
    block = crossed.block
    if all(levels[k].related is None for k in block):
        return crossed
    parts, at = [], 0
    for k, before in zip(block, crossed.columns, strict=True):
        related = levels[k].related
        width = before.stop - before.start if related is None else related.rank * sizes[k]
        parts.append(Part(before, slice(at, at + width), sizes[k], related))
        at += width
    names = ", ".join(levels[k].group for k in block if levels[k].related is not None)
    made = turn(parts, crossed.patterns, names)
    patterns = tuple(one.after for one in made.meetings)
    return replace(
        crossed,
        columns=tuple(part.after for part in parts),
        patterns=patterns,
        up=_up(crossed.chain, crossed.parents, patterns),
        turn=made,
    )


def _chain(
    levels: Sequence[Level],
    code: tuple[np.ndarray, ...],
    counts: list[int],
    sizes: Sequence[int],
    corr: np.ndarray | None,
) -> tuple[int, ...]:
    """The level with most effects that holds the correlation groups, and those it nests in.

    None where all groups are related, or where no level holds the correlation groups, as of a field
    with random rows and columns: everything is one block.
    """
    apart = [k for k in range(len(counts)) if levels[k].related is None]
    allowed = [k for k in apart if corr is None or nests(corr, code[k])]
    if not allowed:
        return ()
    by_size = sorted(allowed, key=lambda k: (-counts[k] * sizes[k], -counts[k], k))
    chain = [by_size[0]]
    for k in sorted(allowed, key=lambda k: (-counts[k], k)):
        if k not in chain and counts[k] <= counts[chain[-1]] and nests(code[chain[-1]], code[k]):
            chain.append(k)
    return tuple(chain)


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
    beside = f"beside {levels[chain[0]].group} the crossed" if chain else "the related"
    msg = (
        f"random: {beside} factors ({names}) have {width} "
        f"effects, whose dense matrices need {memory:.0f} GB; at most {CROSSED.max_columns} are "
        "fitted: take fewer rows or levels, or make the smaller of the factors fixed"
    )
    raise FitError(msg)


def _entries(
    code: tuple[np.ndarray, ...],
    counts: Sequence[int],
    sizes: Sequence[int],
    block: tuple[int, ...],
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
