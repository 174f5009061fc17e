"""Cross products of the whitened rows of a crossed model: by groups of the chain, and the block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import sparse

from bayeslme.arrays import NUMPY
from bayeslme.engine.crossed.batch import (
    Prepared,
    batch_effects,
    fits,
    prepare,
    sweep_batch,
)
from bayeslme.engine.crossed.dense import DenseForm, DenseGram
from bayeslme.engine.crossed.eliminate import Noise, Swept, block_modes, sweep
from bayeslme.engine.crossed.patterns import as_array
from bayeslme.engine.crossed.problem import Crossed
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.crossed.symbolic import products_of_many, with_local
from bayeslme.engine.likelihood.eliminate import Eliminated
from bayeslme.engine.likelihood.row_grams import RowGram
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.engine.problem import Problem, Stage

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
    block : array, shape (c, c), or (c,)
        Its diagonal where it is diagonal.
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
        self._rotation: np.ndarray | None = None
        if self._known is not None and crossed.alone:
            self._known, self._rotation = _by_eigenvectors(self._known)
        form = DenseForm(problem, crossed) if crossed.chain else None
        self.form = form if form is not None and fits(form) else None
        self._loadings = tuple(map(self._turned_loadings, problem.stages))

    @property
    def numbers(self) -> int:
        """Numbers that an evaluation works on."""
        if self._rotation is None:
            return self.crossed.numbers
        return len(self._rotation) * (self.problem.p + 2)

    def loadings(self, k: int) -> np.ndarray | None:
        """Effects of related groups by the independent ones that are eliminated, (G + E, r)."""
        return self._loadings[k]

    def _turned_loadings(self, stage: Stage) -> np.ndarray | None:
        if stage.related is None or self._rotation is None:
            return None if stage.related is None else stage.related.loadings
        return np.asarray(stage.related.loadings @ self._rotation)

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

        ``gram`` is a tuple of these, one for all or one for each value of the parameters, or a
        `DenseGram` of all values where that is small.
        """
        if self._known is not None:
            return self._known
        lead = next(p.shape[:-1] for p in (cor, var) if p is not None)
        if not lead:
            return self._at(cor, var)
        count = int(np.prod(lead))
        flat = [None if p is None else p.reshape(count, p.shape[-1]) for p in (cor, var)]
        small = (
            self.form is not None
            and self.problem.n * self.form.layout.width <= CROSSED.max_dense_numbers
        )
        if self.form is not None and small and self.crossed.turn is None:
            return self._many(self.form, flat[0], flat[1], lead)
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

    def _many(
        self, form: DenseForm, cor: Parameters, var: Parameters, lead: tuple[int, ...]
    ) -> RowGram:
        """Those of many values of the row parameters (t, k) at once, in the dense form."""
        columns = with_local(self.problem, self.crossed, self.problem.columns, NUMPY)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            white = whiten(self.problem, cor, var, columns=columns, centred=True)
            gram = products_of_many(form, np.asarray(white.columns))
            half = np.asarray(white.half_logdet).sum(axis=-1)
        shape = (int(np.prod(lead)),)
        centre = np.broadcast_to(white.centre, shape).reshape(lead)
        return RowGram(gram, np.broadcast_to(half, shape).reshape(lead), centre)

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
        shape = (problem.n, crossed.n_by_group)
        w = sparse.csr_array((values, crossed.column, starts), shape=shape)
        wt = w.T.tocsr()
        levels, meets = [], []
        for at, k in enumerate(crossed.chain):
            own = white[self._place(k)]
            right = [white[self._place(j)] for j in crossed.chain[at:]]
            levels.append(self._by_group(own, np.concatenate([*right, fixed]), k))
            entry, count = crossed.entry[at], crossed.n_meetings(at)
            meets.append(
                np.stack([np.bincount(entry, values * z[crossed.row], count) for z in own])
            )
        block, side = as_array(wt @ w), np.asarray(wt @ fixed.T)
        if crossed.turn is not None:
            block, side = crossed.turn.square(block), crossed.turn.columns(side.T).T
            meets = [crossed.turn.met(at, values) for at, values in enumerate(meets)]
        return CrossedGram(tuple(levels), tuple(meets), block, side, fixed @ fixed.T)

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
        if self._rotation is not None:
            return _diagonally(rows.gram[0], factors[0][..., 0, 0])
        if lead and self.form is not None:
            return self._batched(self.form, rows, factors, lead)
        wide = self.problem.p + 1
        block, half = np.empty((*lead, wide, wide)), np.empty(lead)
        whole = np.empty((*lead, wide))
        full = [np.broadcast_to(f, (*lead, *f.shape[-2:])) for f in factors]
        for i, at in enumerate(np.ndindex(lead)):
            gram = rows.gram[i if len(rows.gram) > 1 else 0]
            done = sweep(self.problem, self.crossed, gram, tuple(f[at] for f in full))
            whole[at] = np.diagonal(gram.total)
            block[at], half[at] = done.block, done.half_logdet
        return Eliminated(_without_lost(block, whole), half, (), (), whole)

    @cached_property
    def _known_prepared(self) -> Prepared:
        if self.form is None or self._known is None:
            raise TypeError("cross products that are known and small are needed")
        return prepare(self.form, self.form.of(self._known.gram[0]))

    def prepared(self, rows: RowGram) -> Prepared:
        """What a batch of eliminations reads, for a problem of which the dense form is small."""
        if rows is self._known:
            return self._known_prepared
        if self.form is None:
            raise TypeError("the cross products are too large for their dense form")
        gram = rows.gram
        if not isinstance(gram, DenseGram):
            gram = self.form.stacked(gram)
        return Prepared(gram, self.form.layout, gram.base)

    def _batched(
        self, form: DenseForm, rows: RowGram, factors: tuple[np.ndarray, ...], lead: tuple[int, ...]
    ) -> Eliminated:
        """As ``reduce`` for many values of theta, in the dense form."""
        count, wide = int(np.prod(lead)), self.problem.p + 1
        flat = [np.broadcast_to(f, (*lead, *f.shape[-2:])) for f in factors]
        flat = [f.reshape(count, *f.shape[-2:]) for f in flat]
        prepared = self.prepared(rows)
        block, half = np.empty((count, wide, wide)), np.empty(count)
        total = prepared.gram.base[..., -wide:, -wide:]
        whole = np.broadcast_to(np.diagonal(total, axis1=-2, axis2=-1), (count, wide))
        for first in range(0, count, prepared.at_once):
            own = slice(first, first + prepared.at_once)
            done = sweep_batch(form, prepared.part(own), tuple(f[own] for f in flat))
            block[own], half[own] = done.block, done.half_logdet
        block = _without_lost(block, whole).reshape(*lead, wide, wide)
        return Eliminated(block, half.reshape(lead), (), (), whole.reshape(*lead, wide))

    def drawn(
        self,
        rows: RowGram,
        factors: tuple[np.ndarray, ...],
        beta: np.ndarray,
        sigma: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
        """Draw the random effects from their exact distribution given everything else.

        Parameters
        ----------
        rows : RowGram
        factors : tuple of arrays (t, q, q)
        beta : array, shape (t, p)
            Coefficients on the engine's scale.
        sigma : array, shape (t,)
            Standard deviation of a typical row.
        rng : Generator

        Returns
        -------
        effects : tuple of arrays (t, G, q), in the order of the stages
            On their natural scale.
        block : array, shape (t, p + 1, p + 1)
        half_logdet : array, shape (t,)
        """
        if self._rotation is not None:
            return self._drawn_diagonally(rows.gram[0], factors[0][..., 0, 0], beta, sigma, rng)
        t, p1, stages = len(beta), self.problem.p + 1, self.problem.stages
        out = tuple(np.empty((t, stage.n_groups, stage.q)) for stage in stages)
        block, half = np.empty((t, p1, p1)), np.empty(t)
        inverses = [np.linalg.inv(stage.basis).T for stage in stages]
        prepared = None if self.form is None else self.prepared(rows)
        if self.form is None or prepared is None:
            for i in range(t):
                gram = rows.gram[i if len(rows.gram) > 1 else 0]
                own = tuple(f[i] for f in factors)
                done = sweep(self.problem, self.crossed, gram, own)
                noise = partial(_noise, rng, float(sigma[i]))
                for full, b in zip(out, self.modes_of(done, own, beta[i], noise), strict=True):
                    full[i] = b
                block[i], half[i] = done.block, done.half_logdet
            return out, block, half
        for first in range(0, t, prepared.at_once):
            at = slice(first, first + prepared.at_once)
            own, some = tuple(f[at] for f in factors), prepared.part(at)
            swept = sweep_batch(self.form, some, own)
            effects = batch_effects(self.form, some, swept, own, beta[at], sigma[at], rng)
            for k, (b, inverse) in enumerate(zip(effects, inverses, strict=True)):
                out[k][at] = self._natural(k, np.swapaxes(b, -1, -2) @ inverse)
            block[at], half[at] = swept.block, swept.half_logdet
        return out, block, half

    def _drawn_diagonally(
        self,
        gram: CrossedGram,
        a: np.ndarray,
        beta: np.ndarray,
        sigma: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
        """As ``drawn``, of a diagonal block at relative standard deviations a (t,)."""
        e = _diagonally(gram, a)
        lower = np.sqrt(1.0 + np.square(a)[:, None] * gram.block)
        fixed = np.concatenate([-beta, np.ones((len(beta), 1))], axis=1)
        mean = a[:, None] * (fixed @ gram.side.T) / lower
        noise = sigma[:, None] * rng.standard_normal(mean.shape)
        u = a[:, None] * (mean + noise) / lower / self.problem.stages[0].basis[0, 0]
        return (self._natural(0, u[..., None]),), np.asarray(e.block), np.asarray(e.half_logdet)

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
            self._natural(k, np.linalg.solve(stage.basis, found[k]).T)
            for k, stage in enumerate(self.problem.stages)
        )

    def _natural(self, k: int, effects: np.ndarray) -> np.ndarray:
        """Effects (G, q) of the groups from the independent ones (r, q)."""
        loadings = self.loadings(k)
        if loadings is None:
            return effects
        return np.asarray(loadings[: self.problem.stages[k].n_groups] @ effects)


def _by_eigenvectors(rows: RowGram) -> tuple[RowGram, np.ndarray]:
    """Cross products of a block alone, made diagonal, and the rotation (c, c) that does it."""
    gram = rows.gram[0]
    values, vectors = np.linalg.eigh(gram.block)
    turned = replace(gram, block=np.maximum(values, 0.0), side=vectors.T @ gram.side)
    return RowGram((turned,), rows.half_logdet, rows.centre), vectors


def _diagonally(gram: CrossedGram, a: np.ndarray) -> Eliminated:
    """Eliminate a diagonal block at many relative standard deviations a (...)."""
    square = np.square(a)[..., None]
    h = 1.0 + square * gram.block
    pairs = gram.side[:, :, None] * gram.side[:, None, :]
    wide = len(gram.total)
    block = gram.total - ((square / h) @ pairs.reshape(-1, wide * wide)).reshape(
        *a.shape, wide, wide
    )
    whole = np.broadcast_to(np.diagonal(gram.total), (*a.shape, wide))
    return Eliminated(_without_lost(block, whole), 0.5 * np.log(h).sum(axis=-1), (), (), whole)


def _noise(rng: np.random.Generator, scale: float, shape: Any) -> np.ndarray:
    return np.asarray(scale * rng.standard_normal(shape))


def _without_lost(block: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Blocks (..., p + 1, p + 1), NaN where elimination has rounded a column away."""
    left = np.diagonal(block, axis1=-2, axis2=-1)
    lost = np.any(left < CROSSED.lost_share * whole, axis=-1)
    return np.where(lost[..., None, None], np.nan, block)
