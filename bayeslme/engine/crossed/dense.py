"""Cross products of a crossed model as dense arrays: one level by group, all else as columns.

The innermost level of the chain keeps its groups. The columns of all other levels, X and y are one
matrix F of w columns, most of whose products with a group are zeros where factors are large; for a
few hundred columns the zeros cost less than looking for them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.crossed.problem import Crossed
from bayeslme.engine.problem import Problem

if TYPE_CHECKING:
    from bayeslme.engine.crossed.grams import CrossedGram


@dataclass(frozen=True)
class Layout:
    """Columns of F: level by level, within a level by effect, then by group; X and y at the end.

    Attributes
    ----------
    stages, sizes, groups : tuples of int
        Stage of each level, its number of effects and its number of groups.
    fixed : int
        Columns of [X | y].
    """

    stages: tuple[int, ...]
    sizes: tuple[int, ...]
    groups: tuple[int, ...]
    fixed: int

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Columns of each level."""
        pairs = zip(self.sizes, self.groups, strict=True)
        ends = np.cumsum([0, *(q * count for q, count in pairs)])
        return tuple(slice(int(i), int(j)) for i, j in itertools.pairwise(ends))

    @property
    def c(self) -> int:
        """Columns of the levels."""
        return int(self.places[-1].stop)

    @property
    def width(self) -> int:
        """All columns."""
        return self.c + self.fixed

    def column(self, stage: int, effect: int, group: np.ndarray) -> np.ndarray:
        """Columns of an effect of some groups of a level."""
        at = self.stages.index(stage)
        return np.asarray(self.places[at].start + effect * self.groups[at] + group)


@dataclass(frozen=True, slots=True)
class DenseGram:
    """Cross products in the dense form; leading axes (...) are values of row parameters.

    Attributes
    ----------
    own : array, shape (..., q, q, G)
        Of the innermost level's columns with themselves, by group.
    rows : array, shape (..., q, G, w)
        Of these columns with F.
    base : array, shape (..., w, w)
        F'F.
    """

    own: np.ndarray
    rows: np.ndarray
    base: np.ndarray


class DenseForm:
    """The dense form of a crossed problem.

    Parameters
    ----------
    problem : Problem
    crossed : Crossed
    """

    def __init__(self, problem: Problem, crossed: Crossed) -> None:
        self.problem, self.crossed = problem, crossed
        self.first = crossed.chain[0]
        others = (*crossed.chain[1:], *crossed.block)
        self.layout = Layout(
            others,
            tuple(problem.stages[k].q for k in others),
            tuple(problem.stages[k].n_independent for k in others),
            problem.p + 1,
        )

    @property
    def numbers(self) -> int:
        """Numbers of F by group."""
        stage = self.problem.stages[self.first]
        return stage.q * stage.n_groups * self.layout.width

    @cached_property
    def of_block(self) -> np.ndarray:
        """Column of F of each column of the block."""
        own = []
        for k in self.crossed.block:
            stage = self.problem.stages[k]
            group = np.arange(stage.n_independent)
            columns = [self.layout.column(k, j, group) for j in range(stage.q)]
            own.append(np.stack(columns, axis=1).ravel())
        return np.concatenate(own)

    def of(self, gram: CrossedGram) -> DenseGram:
        """Lay cross products out."""
        crossed, stages, layout = self.crossed, self.problem.stages, self.layout
        base, at, c = np.zeros((layout.width, layout.width)), self.of_block, layout.c
        base[np.ix_(at, at)] = gram.block
        base[at, c:] = gram.side
        base[c:, c:] = gram.total
        for level, k in enumerate(crossed.chain[1:], start=1):
            group = np.arange(stages[k].n_groups)
            for j in range(stages[k].q):
                row = layout.column(k, j, group)
                self._fill(base, row, gram, level, j)
                for i in range(stages[k].q):
                    base[row, layout.column(k, i, group)] = gram.levels[level][j, i]
        base = np.triu(base) + np.triu(base, 1).T
        stage = stages[self.first]
        rows = np.zeros((stage.q, stage.n_groups, layout.width))
        for j in range(stage.q):
            self._fill(rows[j], np.arange(stage.n_groups), gram, 0, j)
        return DenseGram(gram.levels[0][:, : stage.q], rows, base)

    def stacked(self, grams: tuple[CrossedGram, ...]) -> DenseGram:
        """Those of several values of the row parameters, along a first axis."""
        each = [self.of(gram) for gram in grams]
        return DenseGram(
            np.stack([g.own for g in each]),
            np.stack([g.rows for g in each]),
            np.stack([g.base for g in each]),
        )

    def _fill(self, out: np.ndarray, row: np.ndarray, gram: CrossedGram, at: int, j: int) -> None:
        """One effect of a level of the chain by the columns right of it, into its groups' rows."""
        crossed, stages = self.crossed, self.problem.stages
        k, pattern = crossed.chain[at], crossed.patterns[at]
        products, first = gram.levels[at][j], stages[k].q
        for outer in crossed.chain[at + 1 :]:
            for i in range(stages[outer].q):
                column = self.layout.column(outer, i, crossed.parents[k, outer])
                out[row, column] = products[first + i]
            first += stages[outer].q
        out[row[pattern.group], self.of_block[pattern.column]] = gram.meets[at][j]
        out[row, self.layout.c :] = products[first:].T
