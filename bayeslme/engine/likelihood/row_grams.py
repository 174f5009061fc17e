"""Where the Gram matrices of the whitened rows come from: known, sums over cells, or the rows.

They come in pieces of whole outermost groups, so that elimination works on arrays that stay in the
processor's cache however many groups there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayeslme.engine.likelihood.compressed_rows import Cells, build_cells, row_codes
from bayeslme.engine.likelihood.eliminate import Eliminated, LevelTrace, eliminate, modes
from bayeslme.engine.likelihood.gradient import GramAdjoint, eliminated_adjoint
from bayeslme.engine.likelihood.one_level import OneLevel, OneLevelSums
from bayeslme.engine.likelihood.reproduced_rows import gram_of, split_in_blocks
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.engine.likelihood.whiten import Gram, Split, gram, gram_in_blocks, whiten
from bayeslme.engine.problem import Problem

NO_GRAM = Gram((), np.zeros((0, 0)))  # where only the determinant is asked
Parameters = np.ndarray | None


@dataclass(frozen=True, slots=True)
class RowGram:
    """Gram matrices at given row parameters; leading axes (...) are batches.

    Attributes
    ----------
    gram : Gram, or tuple of CrossedGram, or DenseGram, where random effects cross
    half_logdet : array, shape (...,)
        log|R| / 2 over all rows.
    centre : array, shape (...,)
        Mean log relative standard deviation taken out of the variance function.
    """

    gram: Any
    half_logdet: np.ndarray
    centre: np.ndarray


class RowGrams:
    """Gram matrices of a problem's rows, at any row parameters.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.pieces = list(_pieces(problem))
        self._cells: Cells | None = None
        self._read = 0.0
        self._known = self._constant() if problem.constant_rows else None
        self.one_level = self._one_level()

    @property
    def row_free(self) -> bool:
        """Whether a step of theta does not touch the rows."""
        return self._known is not None or self._cells is not None

    def at(self, cor: Parameters, var: Parameters) -> RowGram:
        """Gram matrices at natural parameters (..., k) of correlation and variance function."""
        if self._known is not None:
            return self._known
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            cells = self._worth_cells(cor, var)
            if cells is None:
                return self._from_rows(cor, var)
            weights = cells.weights(cor, var)
            if weights.steep.all():
                return self._from_rows(cor, var)
            found = RowGram(cells.gram(weights.pairs), weights.half_logdet, weights.centre)
            if weights.steep.any():
                self._replace_steep(weights.steep, cor, var, found)
            return found

    def thinned(self, step: int) -> RowGrams:
        """Some groups of a single known level, each standing for ``step`` of them."""
        few = RowGrams.__new__(RowGrams)
        few.problem, few.pieces, few._cells, few._read = self.problem, self.pieces, None, 0.0
        few._known = self._known
        few.one_level = None if self.one_level is None else self.one_level.thinned(step)
        return few

    def _one_level(self) -> OneLevel | None:
        """The groups of a single level whose rows are known and taken apart."""
        split = None if self._known is None else self._known.gram.split
        if split is None or len(self.problem.stages) > 1:
            return None
        return OneLevel(split.upper, split.rows)

    def _constant(self) -> RowGram:
        """Gram matrices that do not depend on theta, in one pass where rows are independent."""
        problem = self.problem
        none = np.zeros(0)
        cor = None if problem.correlation is None else problem.correlation.natural(none)
        var = None if problem.variance is None else problem.variance.natural(none)
        if problem.correlation is not None:
            return self._from_rows(cor, var)
        if problem.variance is None:
            return RowGram(_known_gram(problem, None), np.zeros(()), np.zeros(()))
        log_sd = problem.variance.structure.log_sd(var, problem.variance.coords)
        centre = log_sd.mean(axis=-1)
        log_sd = np.broadcast_to(log_sd - centre, (problem.n,))
        return RowGram(_known_gram(problem, log_sd), log_sd.sum(axis=-1), centre)

    def _worth_cells(self, cor: Parameters, var: Parameters) -> Cells | None:
        """Count what is read of the rows; once it is much, look for cells."""
        if self._cells is None and self._read <= LIKELIHOOD.min_numbers_to_compress:
            batch = max(par[..., 0].size for par in (cor, var) if par is not None and par.size)
            self._read += float(batch * np.prod(self.problem.source.shape))
            if self._read > LIKELIHOOD.min_numbers_to_compress:
                self._cells = build_cells(self.problem)
        return self._cells

    def _from_rows(self, cor: Parameters, var: Parameters) -> RowGram:
        white = whiten(self.problem, cor, var, centred=True)
        g = gram(self.problem, white.columns)
        return RowGram(g, white.half_logdet.sum(axis=-1), white.centre)

    def _replace_steep(
        self, steep: np.ndarray, cor: Parameters, var: Parameters, found: RowGram
    ) -> None:
        """Put in place what the rows themselves give where sums over cells lose digits."""
        own = [None if par is None else par[steep] for par in (cor, var)]
        exact = self._from_rows(*own)
        found.half_logdet[steep] = exact.half_logdet
        if np.ndim(found.centre):
            found.centre[steep] = exact.centre
        old, new = found.gram, exact.gram
        for left, right in zip((*old.levels, old.total), (*new.levels, new.total), strict=True):
            left[steep] = right

    def reduce(self, rows: RowGram, factors: tuple[np.ndarray, ...]) -> Eliminated:
        """Eliminate piece by piece, keeping only the [X | y] block and log|H| / 2.

        The block is NaN where a column has lost all its digits, as beside a residual variance of
        next to nothing: no likelihood is better than one of rounding errors.

        Parameters
        ----------
        rows : RowGram
        factors : tuple of arrays (..., q, q), innermost first
        """
        if self.one_level is not None and rows is self._known:
            return self._one_level_reduced(self.one_level, factors[0])
        if len(self.pieces) == 1:
            e = eliminate(self.problem, rows.gram, factors, modes=False)
        else:
            e = self._summed(rows, factors)
        lost = (np.einsum("...ii->...i", e.block) < LIKELIHOOD.lost_share * e.whole).any(axis=-1)
        if lost.any():
            return replace(e, block=np.where(lost[..., None, None], np.nan, e.block))
        return e

    def _one_level_reduced(self, level: OneLevel, factor: np.ndarray) -> Eliminated:
        found = level.sums(factor.reshape(-1, *factor.shape[-2:]), slopes=False)
        block = found.block.reshape(*factor.shape[:-2], *found.block.shape[1:])
        block = block + self._rest
        half = found.half_logdet.reshape(factor.shape[:-2])
        return Eliminated(block, half, (), (), np.einsum("...ii->...i", block))

    def one_level_slopes(self, factor: np.ndarray) -> tuple[Eliminated, OneLevelSums]:
        """As ``reduce`` for a single known level, with the sums that derivatives need.

        Parameters
        ----------
        factor : array, shape (b, q, q)
        """
        if self.one_level is None:
            msg = "the rows are not those of one known level"
            raise ValueError(msg)
        found = self.one_level.sums(factor, slopes=True)
        block = found.block + self._rest
        e = Eliminated(block, found.half_logdet, (), (), np.einsum("...ii->...i", block))
        return e, found

    @property
    def _rest(self) -> np.ndarray | float:
        """What the innermost groups' effects leave of the cross products of [X | y]."""
        split = None if self._known is None else self._known.gram.split
        return 0.0 if split is None or split.total is None else split.total

    def traced(
        self, rows: RowGram, factors: tuple[np.ndarray, ...]
    ) -> tuple[Eliminated, list[list[LevelTrace]]]:
        """As ``reduce``, with what derivatives need of every piece.

        Parameters
        ----------
        rows : RowGram
        factors : tuple of arrays (..., q, q), innermost first
        """
        traces: list[list[LevelTrace]] = [[] for _ in self.pieces]
        if len(self.pieces) == 1:
            e = eliminate(self.problem, rows.gram, factors, modes=False, trace=traces[0])
        else:
            e = self._summed(rows, factors, traces)
        lost = (np.einsum("...ii->...i", e.block) < LIKELIHOOD.lost_share * e.whole).any(axis=-1)
        if lost.any():
            e = replace(e, block=np.where(lost[..., None, None], np.nan, e.block))
        return e, traces

    def adjoint(
        self,
        traces: list[list[LevelTrace]],
        factors: tuple[np.ndarray, ...],
        block: np.ndarray,
    ) -> tuple[list[np.ndarray], GramAdjoint]:
        """Derivatives by the factors, and by the Gram matrices where these depend on parameters.

        Parameters
        ----------
        traces : list of lists of LevelTrace
            Of ``traced``.
        factors : tuple of arrays (..., q, q), innermost first
        block : array, shape (..., p + 1, p + 1)
            Derivative by the block.
        """
        rows = self._known is None
        found = [
            eliminated_adjoint(piece, trace, factors, block, rows=rows)
            for (piece, _), trace in zip(self.pieces, traces, strict=True)
        ]
        slopes = [sum(parts[1:], parts[0]) for parts in zip(*(s for s, _ in found), strict=True)]
        levels = zip(*(g for _, g in found), strict=True)
        apart = any(one.split is not None for one in traces[0])
        return slopes, GramAdjoint(
            tuple(np.concatenate(parts, axis=-1) for parts in levels), None if apart else block
        )

    def row_sums(self, var: Parameters, adjoint: GramAdjoint) -> tuple[np.ndarray, np.ndarray, Any]:
        """Squares of the rows weighted by derivatives, where the rows are independent.

        Parameters
        ----------
        var : array (b, k)
            Natural parameters of the variance function.
        adjoint : GramAdjoint

        Returns
        -------
        sums : array, shape (b, m)
            For every row, or all those of equal standard deviation, the sum of the Gram matrices'
            entries times their derivatives that it contributes.
        counts : array, shape (m,)
            Rows each stands for.
        coords
            Coordinates of the variance function at each.
        """
        problem = self.problem
        cells = self._worth_cells(None, var)
        if cells is not None:
            sums = cells.weights(None, var).pairs * cells.contracted(adjoint)
            return sums, cells.counts, cells.coords
        w = whiten(problem, None, var, centred=True).columns
        sums, at = np.zeros(w.shape[:-2] + w.shape[-1:]), 0
        levels = zip(row_codes(problem), problem.stages, adjoint.levels, strict=False)
        for code, stage, own in levels:
            for i in range(stage.q):
                right = own[..., i, :, :][..., code] * w[..., at:, :]
                sums = sums + w[..., at + i, :] * right.sum(axis=-2)
            at += stage.q
        if adjoint.total is not None:
            tail = w[..., -1 - problem.p :, :]
            sums = sums + (tail * (adjoint.total @ tail)).sum(axis=-2)
        coords = None if problem.variance is None else problem.variance.coords
        return sums, np.ones(problem.n), coords

    def contracted(
        self, cor: Parameters, var: Parameters, adjoint: GramAdjoint
    ) -> tuple[np.ndarray, RowGram]:
        """Sum (...,) of the Gram matrices' entries times their derivatives, held fixed.

        Parameters
        ----------
        cor, var : arrays (..., k), or None
            Natural parameters.
        adjoint : GramAdjoint
        """
        cells = self._worth_cells(cor, var)
        if cells is not None:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                weights = cells.weights(cor, var)
            if not weights.steep.any():
                value = np.sum(weights.pairs * cells.contracted(adjoint), axis=-1)
                return value, RowGram(NO_GRAM, weights.half_logdet, weights.centre)
        rows = self.at(cor, var)
        value = np.zeros(())
        for level, own in zip(rows.gram.levels, adjoint.levels, strict=False):
            value = value + np.sum(level * own, axis=(-3, -2, -1))
        if adjoint.total is not None:
            value = value + np.sum(rows.gram.total * adjoint.total, axis=(-2, -1))
        return value, rows

    def _summed(
        self,
        rows: RowGram,
        factors: tuple[np.ndarray, ...],
        traces: list[list[LevelTrace]] | None = None,
    ) -> Eliminated:
        """Eliminate all pieces; where rows are taken apart, the block begins with their rest."""
        g = rows.gram
        anew = g.split is not None or any(stage.filled is not None for stage in self.problem.stages)
        block = np.zeros_like(g.total) if anew else g.total
        if g.split is not None and g.split.total is not None:
            block = g.split.total
        whole, half = np.einsum("...ii->...i", block), np.zeros(())
        for _, part in self._eliminated(rows, factors, modes=False, traces=traces):
            block, half = block + part.block, half + part.half_logdet
            whole = whole + part.whole
        return Eliminated(block, half, (), (), whole)

    def modes(
        self, rows: RowGram, factors: tuple[np.ndarray, ...], beta: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Conditional modes (G, q) of the random effects, innermost level first, piece by piece.

        Parameters
        ----------
        rows : RowGram
            At one theta.
        factors : tuple of arrays (q, q), innermost first
        beta : array, shape (p,)
            Coefficients on the engine's scale.
        """
        if not self.problem.stages:
            return ()
        if self.one_level is not None and rows is self._known:
            basis = self.problem.stages[0].basis
            return (np.linalg.solve(basis, self.one_level.modes(factors[0], beta)).T,)
        found = [modes(piece, e, factors, beta) for piece, e in self._eliminated(rows, factors)]
        return tuple(np.concatenate(level) for level in zip(*found, strict=True))

    def _eliminated(
        self,
        rows: RowGram,
        factors: tuple[np.ndarray, ...],
        *,
        modes: bool = True,
        traces: list[list[LevelTrace]] | None = None,
    ) -> Iterator[tuple[Problem, Eliminated]]:
        """Every piece eliminated; its block is what it takes from the total."""
        nothing = np.zeros_like(rows.gram.total)
        for k, (piece, places) in enumerate(self.pieces):
            trace = None if traces is None else traces[k]
            levels = tuple(s[..., place] for s, place in zip(rows.gram.levels, places, strict=True))
            split = None if rows.gram.split is None else _part_of(rows.gram.split, places)
            own = Gram(levels, nothing, split=split)
            yield piece, eliminate(piece, own, factors, modes=modes, trace=trace)


def _known_gram(problem: Problem, log_sd: np.ndarray | None) -> Gram:
    """Gram matrices of rows that are only divided by known standard deviations, read once."""
    split = split_in_blocks(problem, log_sd)
    return gram_in_blocks(problem, log_sd) if split is None else gram_of(problem, split)


def _part_of(split: Split, places: tuple[slice, ...]) -> Split:
    """Some of the groups of a split; its total is left to the whole."""
    levels = tuple(s[..., place] for s, place in zip(split.levels, places[1:], strict=True))
    return Split(split.upper[..., places[0]], split.rows[..., places[0]], levels)


def _pieces(problem: Problem) -> Iterator[tuple[Problem, tuple[slice, ...]]]:
    """Consecutive outermost groups of some ``piece_numbers``, and their groups at every level."""
    if not problem.stages:
        yield problem, ()
        return
    last = len(problem.stages) - 1
    roots = problem.stages[last].n_groups
    c = problem.source.shape[0]
    numbers = sum(stage.q * c * stage.n_groups for stage in problem.stages)
    count = min(roots, max(1, round(numbers / LIKELIHOOD.piece_numbers)))
    edges = np.linspace(0, roots, count + 1).astype(int)
    bounds = []
    for k, stage in enumerate(problem.stages):
        starts = np.append(problem.nested_starts(k, last), stage.n_groups)
        bounds.append(starts[edges])
    for i in range(count):
        places = tuple(slice(int(b[i]), int(b[i + 1])) for b in bounds)
        yield _part(problem, places), places


def _part(problem: Problem, places: tuple[slice, ...]) -> Problem:
    """The problem of some of the groups, as far as elimination reads it."""
    stages = []
    for k, (stage, own) in enumerate(zip(problem.stages, places, strict=True)):
        outer = places[k + 1] if k + 1 < len(places) else slice(0, 1)
        starts = stage.parent_starts[outer] - own.start if k + 1 < len(places) else np.zeros(1, int)
        stages.append(
            replace(
                stage,
                n_groups=own.stop - own.start,
                parent_starts=starts,
                parent=stage.parent[own] - outer.start,
                filled=None if stage.filled is None else stage.filled[own],
            )
        )
    return replace(problem, stages=tuple(stages))
