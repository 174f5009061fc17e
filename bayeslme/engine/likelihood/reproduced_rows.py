"""Rows that the effects of a level can reproduce: what is left of them, without subtraction.

Nothing lies within such groups, so what elimination leaves of m rows with cross products Z'Z and
Z'R is R' (I + Z A A' Z')^-1 R, a sum of squares. As the difference R'R - U'U of the general formula
it would lose a digit for every digit by which the effects exceed the residuals, and the likelihood
of such a model stays the same, or nearly, however small the residuals become.

Rows taken apart into what lies in the span of each innermost group's effects, and the rest. With Z
= Q R of a group, whitening aside, the effects touch Q'[X | y] only; what is left of the rows does
not depend on them. So S_rest - U'U is the sum of cross products that are known once and of those of
a few rows (Q'[X | y] through I + R A A' R'), and nothing is subtracted: effects may exceed
residuals by any factor without a loss of digits. It takes rows that do not depend on theta.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.engine import settings
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.engine.likelihood.whiten import Gram, Split, products
from bayeslme.engine.problem import Problem


def filled_rows(
    z: np.ndarray, inverse: np.ndarray, code: np.ndarray, order: np.ndarray | slice
) -> np.ndarray | None:
    """Rows (G,) of each group, where in all of them the effects can reproduce any response.

    Parameters
    ----------
    z : array, shape (n, q)
        The level's columns.
    inverse : array, shape (q, q)
        Of their standard scale.
    code : int array, shape (n,)
        Group of each row.
    order : int array, shape (n,), or slice
        Sorts the rows by group.
    """
    counts, q = np.bincount(code), z.shape[1]
    if q > LIKELIHOOD.max_eigen_effects or counts.max() > q:
        return None
    starts = np.cumsum(counts) - counts
    own = z[order] @ inverse
    for m in np.unique(counts):
        sizes = np.linalg.svd(own[starts[counts == m][:, None] + np.arange(m)], compute_uv=False)
        if not np.all(
            (sizes[:, -1] > LIKELIHOOD.min_rank_ratio * sizes[:, 0]) & (sizes[:, 0] > 0.0)
        ):
            return None
    return counts


def rows_of(s: np.ndarray, counts: np.ndarray) -> Split:
    """The rows behind cross products of filled groups, up to a rotation.

    Parameters
    ----------
    s : array, shape (..., q, c, G)
        Cross products of the level's columns with themselves and with those that are left.
    counts : int array, shape (G,)
        Rows of each group, at most q; rows of zeros are added up to q.

    Returns
    -------
    Split
    """
    q = s.shape[-3]
    if q == 1:
        size = np.sqrt(s[..., :1, :])
        return Split(size, s[..., 1:, :] / size)
    by_group = np.moveaxis(s, -1, -3)
    square = by_group[..., :q]
    sound = np.isfinite(square).all(axis=(-2, -1))[..., None]
    values, vectors = np.linalg.eigh(np.where(sound[..., None], square, np.eye(q)))
    present = np.arange(q) >= q - counts[:, None]  # the others are zero but for rounding
    size = np.sqrt(np.where(present, np.where(sound, values, np.nan), 0.0))
    turned = np.swapaxes(vectors, -1, -2)
    inverse = np.where(present, 1.0 / np.where(present, size, 1.0), 0.0)
    rows = inverse[..., None] * (turned @ by_group[..., q:])
    return Split(*(np.moveaxis(m, -3, -1) for m in (size[..., None] * turned, rows)))


def split_in_blocks(problem: Problem, log_sd: np.ndarray | None) -> Split | None:
    """Split rows that are only divided by known standard deviations, in one pass over them.

    Parameters
    ----------
    problem : Problem
    log_sd : array, shape (n,), optional

    Returns
    -------
    Split or None
        None where groups have many effects, or no rows beside those that effects reproduce.
    """
    if (
        not problem.stages
        or problem.stages[0].q > LIKELIHOOD.max_unrolled_effects
        or problem.stages[0].filled is not None
    ):
        return None
    c, width, q = problem.source.shape[0], problem.p + 1, problem.stages[0].q
    outer = problem.stages[1:]
    ends = np.cumsum([q, *(stage.q for stage in outer)])
    count = problem.stages[0].n_groups
    upper, rows = np.zeros((q, q, count)), np.zeros((q, c - q, count))
    levels = [
        np.zeros((stage.q, c - at, stage.n_groups))
        for stage, at in zip(outer, ends[:-1], strict=True)
    ]
    total = np.zeros((width, width))
    starts = [problem.level_starts(k) for k in range(len(problem.stages))]
    for groups, first, last in _blocks(starts[0], problem.n):
        w = problem.source.block(first, last)
        if log_sd is not None:
            w *= np.exp(-log_sd[first:last])
        inside = starts[0][groups] - first
        upper[..., groups], rows[..., groups] = _orthogonal(w, q, inside)
        for level, own, at in zip(levels, starts[1:], ends[:-1], strict=True):
            some = slice(
                int(np.searchsorted(own, first, side="right")) - 1,
                int(np.searchsorted(own, last, side="left")),
            )
            places = np.maximum(own[some] - first, 0)
            level[..., some] += products(w, at, len(level), places, NUMPY)
        total += w[-width:] @ w[-width:].T
    return Split(upper, rows, tuple(levels), total)


def gram_of(problem: Problem, split: Split) -> Gram:
    """Gram matrices of rows that have been taken apart, without reading them again.

    Parameters
    ----------
    problem : Problem
    split : Split
        Of ``split_in_blocks``.
    """
    whole = np.concatenate([split.upper, split.rows], axis=1)
    q = len(whole)
    first = np.empty((q, *whole.shape[1:]))
    for i in range(q):  # R is upper triangular
        np.multiply(whole[0, i], whole[0], out=first[i])
        for m in range(1, i + 1):
            first[i] += whole[m, i] * whole[m]
    levels, at = [first], 0
    for k, (stage, rest) in enumerate(zip(problem.stages[1:], split.levels, strict=True), 1):
        right = split.rows[:, at:]
        own = np.einsum("qag,qbg->abg", right[:, : stage.q], right)
        levels.append(rest + NUMPY.segment_sum(own, problem.nested_starts(0, k)))
        at += stage.q
    tail = split.rows[:, at:]
    total = sum((row @ row.T for row in tail), np.asarray(split.total))
    return Gram(tuple(levels), np.asarray(total), split=split)


def _blocks(starts: np.ndarray, n: int) -> Iterator[tuple[slice, int, int]]:
    """Consecutive groups of some ``rows_per_block`` rows: which, their first row, the one after."""
    ends = np.append(starts[1:], n)
    at = 0
    while at < len(starts):
        after = max(
            at + 1,
            int(np.searchsorted(ends, starts[at] + settings.PROBLEM.rows_per_block, side="right")),
        )
        yield slice(at, after), int(starts[at]), int(ends[after - 1])
        at = after


def _orthogonal(w: np.ndarray, q: int, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R (q, q, G) and Q' of the other columns (q, c - q, G) by groups, freed of Q in place.

    Gram-Schmidt, each column twice: as accurate as Householder's method (Giraud et al. 2005).
    """
    count, n = len(starts), w.shape[1]
    sizes = np.diff(np.append(starts, n))
    upper, rows = np.zeros((q, q, count)), np.zeros((q, len(w) - q, count))
    for j in range(q):
        before = NUMPY.segment_sum(np.square(w[j]), starts)
        for _ in range(2 if j else 0):
            for i in range(j):
                upper[i, j] += _freed(w[j : j + 1], w[i], starts, sizes)[0]
        norm = np.sqrt(NUMPY.segment_sum(np.square(w[j]), starts))
        own = norm > LIKELIHOOD.rounding_norm * np.sqrt(
            before + np.sum(np.square(upper[:j, j]), axis=0)
        )
        upper[j, j] = np.where(own, norm, 0.0)
        w[j] *= np.repeat(np.where(own, 1.0 / np.where(own, norm, 1.0), 0.0), sizes)
    for _ in range(2):
        for i in range(q):
            rows[i] += _freed(w[q:], w[i], starts, sizes)
    return upper, rows


def _freed(
    columns: np.ndarray, unit: np.ndarray, starts: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Take the direction of a unit column out of others (m, n) in place; coefficients (m, G)."""
    coef = NUMPY.segment_sum(columns * unit, starts)
    columns -= np.repeat(coef, sizes, axis=-1) * unit
    return np.asarray(coef)
