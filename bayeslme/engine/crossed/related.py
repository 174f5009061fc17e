"""Columns of groups that are related, turned into columns of independent effects.

With F F' the known covariance among the groups, effects b = F u have the model matrix W F of the
independent u: every group of the chain then meets every u, and the rest of the algebra is that of
crossed effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bayeslme.engine.crossed.patterns import Pattern
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.errors import FitError
from bayeslme.structures import Related


@dataclass(frozen=True)
class Part:
    """The columns of one stage of the block.

    Attributes
    ----------
    before, after : slice
        By group, and of the effects that are eliminated.
    q : int
    related : Related or None
    """

    before: slice
    after: slice
    q: int
    related: Related | None


@dataclass(frozen=True)
class Meetings:
    """What the groups of a level of the chain meet before and after the turn.

    Attributes
    ----------
    before, after : Pattern
    kept : int array
        Places of the meetings with columns that are not turned.
    order : int array
        Place of the kept meetings, and those with turned columns behind them, in ``after``.
    """

    before: Pattern
    after: Pattern
    kept: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Turn:
    """The way from columns by group to those of independent effects.

    Attributes
    ----------
    parts : tuple of Part
        In the order of the columns.
    meetings : tuple of Meetings
        Of the levels of the chain.
    """

    parts: tuple[Part, ...]
    meetings: tuple[Meetings, ...] = ()

    @property
    def width(self) -> int:
        """Number of columns after the turn."""
        return int(self.parts[-1].after.stop)

    def columns(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix (r, c0) by group as one (r, c) of the independent effects."""
        out = np.empty((len(matrix), self.width))
        for part in self.parts:
            own = matrix[:, part.before]
            if part.related is not None:
                own = _turned(own, part.related.root, part.q)
            out[:, part.after] = own
        return out

    def square(self, matrix: np.ndarray) -> np.ndarray:
        """Cross products (c, c) of the turned columns from those (c0, c0) by group."""
        return self.columns(self.columns(matrix).T)

    def met(self, at: int, values: np.ndarray) -> np.ndarray:
        """Cross products (q, m) of a level of the chain with the turned columns."""
        own = self.meetings[at]
        group, column, q = own.before.group, own.before.column, len(values)
        blocks = [values[:, own.kept]]
        for part in self.parts:
            if part.related is None:
                continue
            here = (column >= part.before.start) & (column < part.before.stop)
            shape = (own.before.n_groups, part.before.stop - part.before.start)
            place = group[here], column[here] - part.before.start
            for_each = [sparse.csr_array((one[here], place), shape=shape) for one in values]
            dense = [_sparsely_turned(one, part.related.root, part.q) for one in for_each]
            blocks.append(np.stack(dense).reshape(q, -1))
        return np.concatenate(blocks, axis=1)[:, own.order]


def _turned(matrix: np.ndarray, root: np.ndarray, q: int) -> np.ndarray:
    """(r, G q) times the root (G, s) of each effect, as (r, s q)."""
    each = [matrix[:, j::q] @ root for j in range(q)]
    return np.stack(each, axis=-1).reshape(len(matrix), -1)


def _sparsely_turned(matrix: sparse.csr_array, root: np.ndarray, q: int) -> np.ndarray:
    each = [np.asarray(matrix[:, j::q] @ root) for j in range(q)]
    return np.stack(each, axis=-1).reshape(matrix.shape[0], -1)


def turn(parts: Sequence[Part], patterns: Sequence[Pattern], names: str) -> Turn:
    """The turn of these columns, and of the meetings with them.

    Raises
    ------
    FitError
        Where the meetings do not fit into memory.
    """
    bare = Turn(tuple(parts))
    return Turn(bare.parts, tuple(_meetings(bare, pattern, names) for pattern in patterns))


def _meetings(bare: Turn, pattern: Pattern, names: str) -> Meetings:
    width, kept, keys, dense = bare.width, [], [], 0
    for part in bare.parts:
        if part.related is None:
            here = (pattern.column >= part.before.start) & (pattern.column < part.before.stop)
            kept.append(np.flatnonzero(here))
            column = pattern.column[here] + part.after.start - part.before.start
            keys.append(pattern.group[here] * width + column)
        else:
            dense += part.after.stop - part.after.start
    if dense * pattern.n_groups > CROSSED.max_related_numbers:
        raise FitError(
            f"random: {pattern.n_groups} groups beside {dense} effects of related groups ({names}) "
            f"need {8e-9 * dense * pattern.n_groups:.0f} GB; take fewer rows or levels"
        )
    for part in bare.parts:
        if part.related is not None:
            columns = np.arange(part.after.start, part.after.stop)
            keys.append((np.arange(pattern.n_groups)[:, None] * width + columns).ravel())
    every = np.concatenate([np.zeros(0, dtype=np.intp), *keys])
    order = np.argsort(every, kind="stable")
    after = Pattern(every[order] // width, every[order] % width, pattern.n_groups, width)
    return Meetings(pattern, after, np.concatenate([np.zeros(0, dtype=np.intp), *kept]), order)
