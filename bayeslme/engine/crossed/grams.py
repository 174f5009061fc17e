"""Cross products of the whitened rows of a crossed model: by groups of the chain, and the block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bayeslme.engine.crossed.eliminate import Noise, Swept, block_modes, sweep
from bayeslme.engine.crossed.problem import Crossed, as_array
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.likelihood.eliminate import Eliminated
from bayeslme.engine.likelihood.row_grams import RowGram
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.engine.problem import Problem

Parameters = np.ndarray | None


@dataclass(frozen=True, slots=True)
class CrossedGram:
    """Cross products of the whitened columns [Z | W | X | y], W the columns of the block.

    Attributes
    ----------
    levels : tuple of arrays (q, d, G)
        For each level of the chain, innermost first: its own columns by its own, those of the
        levels it nests in, X and y.
    meets : tuple of arrays (q, m)
        Its own columns by those of the block, by pattern.
    block : array, shape (c, c)
    side : array, shape (c, p + 1)
        Columns of the block by [X | y].
    total : array, shape (p + 1, p + 1)
    """

    levels: tuple[np.ndarray, ...]
    meets: tuple[np.ndarray, ...]
    block: np.ndarray
    side: np.ndarray
    total: np.ndarray


class CrossedGrams:
    """Cross products of a crossed problem's rows, at any row parameters.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem, crossed: Crossed) -> None:
        self.problem, self.crossed = problem, crossed
        self.pieces: list[None] = [None]
        self._known = self._at(*self._held()) if problem.constant_rows else None

    @property
    def row_free(self) -> bool:
        """Whether a step of theta does not touch the rows."""
        return self._known is not None

    def _held(self) -> tuple[Parameters, Parameters]:
        none, problem = np.zeros(0), self.problem
        return (
            None if problem.correlation is None else problem.correlation.natural(none),
            None if problem.variance is None else problem.variance.natural(none),
        )

    def at(self, cor: Parameters, var: Parameters) -> RowGram:
        """Cross products at natural parameters (..., k) of correlation and variance function.

        ``gram`` is a tuple of these, one for all or one for each value of the parameters.
        """
        if self._known is not None:
            return self._known
        lead = next(p.shape[:-1] for p in (cor, var) if p is not None)
        if not lead:
            return self._at(cor, var)
        count = int(np.prod(lead))
        flat = [None if p is None else p.reshape(count, p.shape[-1]) for p in (cor, var)]
        made = [self._at(*(None if p is None else p[i] for p in flat)) for i in range(count)]
        return RowGram(
            tuple(one.gram[0] for one in made),
            np.array([one.half_logdet for one in made]).reshape(lead),
            np.array([one.centre for one in made]).reshape(lead),
        )

    def _at(self, cor: Parameters, var: Parameters) -> RowGram:
        problem, local = self.problem, self.crossed.local
        columns = problem.columns
        if local is not None:
            own = np.zeros((local.width, problem.n))
            np.add.at(own, (local.slot, local.row), columns[local.effect, local.row])
            columns = np.concatenate([columns, own])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            white = whiten(problem, cor, var, columns=columns, centred=True)
            return RowGram(
                (self._products(np.asarray(white.columns)),),
                np.asarray(white.half_logdet).sum(axis=-1),
                np.asarray(white.centre),
            )

    def entries(self, white: np.ndarray) -> np.ndarray:
        """Values (e,) of the entries of the block's model matrix after whitening."""
        crossed, width = self.crossed, self.problem.source.shape[0]
        if crossed.local is not None:
            return np.asarray(white[width:].reshape(-1)[crossed.local.filled])
        return np.asarray(white[crossed.effect, crossed.row])

    def _products(self, white: np.ndarray) -> CrossedGram:
        problem, crossed = self.problem, self.crossed
        values, fixed = self.entries(white), white[self._fixed]
        starts = np.searchsorted(crossed.row, np.arange(problem.n + 1))
        shape = (problem.n, crossed.n_columns)
        w = sparse.csr_array((values, crossed.column, starts), shape=shape)
        wt = w.T.tocsr()
        levels, meets = [], []
        for at, k in enumerate(crossed.chain):
            own = white[self._place(k)]
            right = [white[self._place(j)] for j in crossed.chain[at:]]
            levels.append(self._by_group(own, np.concatenate([*right, fixed]), k))
            entry, count = crossed.entry[at], len(crossed.patterns[at].group)
            meets.append(
                np.stack([np.bincount(entry, values * z[crossed.row], count) for z in own])
            )
        return CrossedGram(
            tuple(levels), tuple(meets), as_array(wt @ w), np.asarray(wt @ fixed.T), fixed @ fixed.T
        )

    @property
    def _fixed(self) -> slice:
        width = self.problem.source.shape[0]
        return slice(width - self.problem.p - 1, width)

    def _place(self, k: int) -> slice:
        """Compact columns of a stage."""
        at = sum(stage.q for stage in self.problem.stages[:k])
        return slice(at, at + self.problem.stages[k].q)

    def _by_group(self, left: np.ndarray, right: np.ndarray, k: int) -> np.ndarray:
        code, count = self.crossed.code[k], self.problem.stages[k].n_groups
        return np.stack([np.stack([np.bincount(code, a * b, count) for b in right]) for a in left])

    def swept(self, rows: RowGram, factors: tuple[np.ndarray, ...]) -> Swept:
        """Eliminate all random effects at one value of theta, keeping every step."""
        return sweep(self.problem, self.crossed, rows.gram[0], factors)

    def reduce(self, rows: RowGram, factors: tuple[np.ndarray, ...]) -> Eliminated:
        """Eliminate all random effects, keeping only the [X | y] block and log|H| / 2.

        Parameters
        ----------
        rows : RowGram
        factors : tuple of arrays (..., q, q), innermost first
        """
        lead = np.broadcast_shapes(*(f.shape[:-2] for f in factors), np.shape(rows.half_logdet))
        wide = self.problem.p + 1
        block, half = np.empty((*lead, wide, wide)), np.empty(lead)
        whole = np.empty((*lead, wide))
        full = [np.broadcast_to(f, (*lead, *f.shape[-2:])) for f in factors]
        for i, at in enumerate(np.ndindex(lead)):
            gram = rows.gram[i if len(rows.gram) > 1 else 0]
            done = sweep(self.problem, self.crossed, gram, tuple(f[at] for f in full))
            whole[at] = np.diagonal(gram.total)
            lost = np.any(np.diagonal(done.block) < CROSSED.lost_share * whole[at])
            block[at] = np.nan if lost else done.block
            half[at] = done.half_logdet
        return Eliminated(block, half, (), (), whole)

    def modes(
        self, rows: RowGram, factors: tuple[np.ndarray, ...], beta: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Conditional modes (G, q) of the random effects, in the order of the stages."""
        return self.modes_of(self.swept(rows, factors), factors, beta)

    def modes_of(
        self,
        done: Swept,
        factors: tuple[np.ndarray, ...],
        beta: np.ndarray,
        noise: Noise | None = None,
    ) -> tuple[np.ndarray, ...]:
        """Modes, or draws, (G, q) on the natural scale of the effects; see `block_modes`."""
        found = block_modes(self.problem, self.crossed, done, factors, beta, noise)
        return tuple(
            np.linalg.solve(stage.basis, b).T
            for stage, b in zip(self.problem.stages, found, strict=True)
        )
