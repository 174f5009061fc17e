"""Rows freed of the residual structure, and the cross products of what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.engine import settings
from bayeslme.engine.problem import Problem
from bayeslme.structures.supports import Namespace


@dataclass(frozen=True, slots=True)
class Split:
    """Rows taken apart by the span of each innermost group's effects, Z = Q R.

    Attributes
    ----------
    upper : array, shape (..., q, q, G)
        R.
    rows : array, shape (..., q, c - q, G)
        Q' of the columns that are left at this level.
    levels : tuple of arrays (..., q_k, c_k, G_k)
        Cross products of what Q leaves of the rows, by the levels outside this one; where it leaves
        nothing there are none.
    total : array, shape (..., p + 1, p + 1), or None
        The same for [X | y].
    """

    upper: np.ndarray
    rows: np.ndarray
    levels: tuple[np.ndarray, ...] = ()
    total: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Gram:
    """Cross products of the whitened columns, before any random effect is out.

    Attributes
    ----------
    levels : tuple of arrays
        Innermost first: shape (..., q_k, c_k, G_k), the level's own columns by those that are left
        at that level.
    total : array, shape (..., p + 1, p + 1)
        Cross products of [X | y].
    roots : array, shape (..., p + 1, p + 1, G_1), or None
        The same by outermost group, where it was asked for.
    split : Split or None
        The rows taken apart, where they are known once.
    """

    levels: tuple[Array, ...]
    total: Array
    roots: Array | None = None
    split: Split | None = None


def gram(problem: Problem, w: Array, xp: Namespace = NUMPY, *, by_group: bool = False) -> Gram:
    """Cross products of every level by its groups, and of [X | y] in all.

    They are formed row by row of each matrix, so that temporary memory stays linear in the rows.

    Parameters
    ----------
    problem : Problem
    w : array, shape (..., c, n)
        Whitened columns.
    by_group : bool
        Keep [X | y] by outermost group too.
    """
    at, levels = 0, []
    for k, stage in enumerate(problem.stages):
        levels.append(products(w, at, stage.q, problem.level_starts(k), xp))
        at += stage.q
    tail = w[..., at:, :]
    total = xp.matmul(tail, xp.swapaxes(tail, -1, -2))
    roots = None
    if by_group:
        roots = products(tail, 0, problem.p + 1, problem.level_starts(len(levels) - 1), xp)
    return Gram(tuple(levels), total, roots)


def products(w: Array, at: int, q: int, starts: np.ndarray, xp: Namespace) -> Array:
    """Products (..., q, c, g) of columns ``at`` to ``at + q`` with those from ``at`` on."""
    right = w[..., at:, :]
    if not xp.symbolic and len(starts) < q:  # matrix products where effects outnumber groups
        ends = [*starts[1:].tolist(), w.shape[-1]]
        spans = [slice(*pair) for pair in zip(starts.tolist(), ends, strict=True)]
        left = w[..., at : at + q, :]
        return np.stack(
            [np.matmul(left[..., s], np.swapaxes(right[..., s], -1, -2)) for s in spans], axis=-1
        )
    return xp.stack(
        [xp.segment_sum(w[..., i : i + 1, :] * right, starts) for i in range(at, at + q)], axis=-3
    )


def gram_in_blocks(problem: Problem, log_sd: np.ndarray | None) -> Gram:
    """Gram matrices of rows that are only divided by known standard deviations.

    One pass over blocks of rows: the columns are never held.

    Parameters
    ----------
    problem : Problem
    log_sd : array, shape (n,), optional
    """
    c, width = problem.source.shape[0], problem.p + 1
    widths = c - np.cumsum([0, *(stage.q for stage in problem.stages)])
    levels = [
        np.zeros((stage.q, w, stage.n_groups))
        for stage, w in zip(problem.stages, widths[:-1], strict=True)
    ]
    total = np.zeros((width, width))
    starts = [problem.level_starts(k) for k in range(len(levels))]
    for first in range(0, problem.n, settings.PROBLEM.rows_per_block):
        last = min(first + settings.PROBLEM.rows_per_block, problem.n)
        w = problem.source.block(first, last)
        if log_sd is not None:
            w *= np.exp(-log_sd[first:last])
        for level, start, right in zip(levels, starts, widths, strict=False):
            groups = slice(
                int(np.searchsorted(start, first, side="right")) - 1,
                int(np.searchsorted(start, last, side="left")),
            )
            inside = np.maximum(start[groups] - first, 0)
            level[..., groups] += products(w, c - right, len(level), inside, NUMPY)
        total += w[-width:] @ w[-width:].T
    return Gram(tuple(levels), total)


@dataclass(frozen=True, slots=True)
class Whitened:
    """Rows after the residual structure is taken out.

    Attributes
    ----------
    columns : array, shape (..., c, n)
    half_logdet : array, shape (..., G) by innermost group
        log|R| / 2 of each innermost group's rows, R relative to sigma^2 exp(2 centre).
    centre : array, shape (...,), or 0
        Mean log relative standard deviation taken out of the variance function, if it was asked
        for.
    """

    columns: Array
    half_logdet: Array
    centre: Array


def whiten(
    problem: Problem,
    corstruct: Array | None,
    varfunc: Array | None,
    xp: Namespace = NUMPY,
    *,
    columns: Array | None = None,
    centred: bool = False,
) -> Whitened:
    """Divide rows by their relative standard deviation, then take out the correlation.

    Parameters
    ----------
    corstruct, varfunc : arrays (..., k), or None
        Natural parameters of the structures, held ones included.
    columns : array, shape (c, n), optional
        Rows to whiten in place of the problem's own.
    centred : bool
        Take the mean of the log standard deviations out, so that sigma and the relative factors
        refer to a typical row: a power of a covariate near 1000 would otherwise move sigma by
        orders of magnitude, and every relative factor with it.
    """
    w: Array = problem.columns if columns is None else columns
    starts = problem.row_starts
    half: Array = np.zeros(len(starts))
    centre: Array = np.zeros(())
    if problem.variance is not None:
        log_sd = problem.variance.structure.log_sd(varfunc, problem.variance.coords, xp)
        if centred:
            centre = log_sd.mean(axis=-1)
            log_sd = log_sd - centre[..., None]
        w = w * xp.exp(-log_sd)[..., None, :]
        half = xp.segment_sum(log_sd, starts) + half
    if problem.correlation is not None:
        lattice = problem.correlation.coords
        w, logs = problem.correlation.structure.whiten(w, corstruct, lattice, xp)
        inner = np.searchsorted(
            lattice.starts, starts
        )  # correlation groups are nested in the innermost groups
        half = half + xp.segment_sum(logs, inner)
    return Whitened(w, half, centre)
