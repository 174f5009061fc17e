"""Random effects out of the normal equations, level by level, and their modes.

With S the Gram matrix of the whitened columns [Z_k | rest] of a group and A the standard relative
factor of the level,

    H = A' S_zz A + I = L L',      U = L^-1 A' S_z,rest,      S_rest <- S_rest - U' U

and log|H| / 2 adds to the log determinant (Bates et al. 2015, JSS 67(1), equations 14-18; Pinheiro
and Bates 2000, section 2.2.3). A = 0 is an ordinary point. All groups of a level are handled at
once with the group axis last, and any leading axes are batches of theta. The same code runs in
NumPy and PyTensor.

Where effects dwarf the residuals, S_rest - U' U is the difference of two nearly equal numbers. It
is a sum of squares instead where the rows are taken apart: known rows at the innermost level
(`split.py`), and any level whose effects can reproduce all rows of each group (`filled.py`).

Random effects given everything else, read off the elimination from the outermost level in. They are
Gaussian. With v = (-outer effects, -beta, 1) on the columns to the right, L' u = U v gives the mode
of the spherical effects u, and b = A u on the standard scale (Pinheiro and Bates 2000, section
2.2.3); adding sigma z to U v gives an exact draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.engine.likelihood.reproduced_rows import rows_of
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.engine.likelihood.whiten import Gram, Split
from bayeslme.engine.problem import Problem, Stage
from bayeslme.structures.supports import Namespace


@dataclass(frozen=True, slots=True)
class Eliminated:
    """What elimination leaves.

    Attributes
    ----------
    block : array, shape (..., p + 1, p + 1), or (..., p + 1, p + 1, G_1) by outermost group
        [X | y]' V^-1 [X | y], V relative to sigma^2.
    half_logdet : array, shape (...,), or (..., G_1)
        Sum of log|H| / 2.
    upper : tuple of arrays (..., q, q, G), innermost first
        L' of each level.
    rest : tuple of arrays (..., q, c_rest, G), innermost first
        U of each level; its columns are the outer Z's, X and y.
    whole : array, shape (..., p + 1)
        Diagonal of the matrix from which the block is left by subtraction.
    """

    block: Array
    half_logdet: Array
    upper: tuple[Array, ...]
    rest: tuple[Array, ...]
    whole: Array


@dataclass(frozen=True, slots=True)
class LevelTrace:
    """What one level of an elimination began with.

    Attributes
    ----------
    left : array, shape (..., q, c, G)
        Cross products of the level's columns with themselves and with those that are left.
    upper : array, shape (..., q, q, G)
        L', where rows are subtracted; None where they are taken apart.
    split : Split or None
        The rows taken apart, where they are.
    known : bool
        Whether the split does not depend on what is further in.
    """

    left: Array
    upper: Array
    split: Split | None
    known: bool


def eliminate(
    problem: Problem,
    g: Gram,
    factors: tuple[Array, ...],
    xp: Namespace = NUMPY,
    *,
    by_group: bool = False,
    modes: bool = True,
    trace: list[LevelTrace] | None = None,
) -> Eliminated:
    """Eliminate every level.

    Parameters
    ----------
    problem : Problem
    g : Gram
    factors : tuple of arrays (..., q, q)
        Standard relative factors A = T Lambda, innermost first.
    by_group : bool
        Keep the outermost groups apart in ``block`` and ``half_logdet``; needs ``g.roots``.
    modes : bool
        Keep ``upper`` and ``rest`` of levels whose rows are taken apart, too.
    trace : list, optional
        To which is added, level by level, what derivatives need.
    """
    stages = problem.stages
    block, half = g.roots if by_group else g.total, 0.0
    whole = _diagonal(block, by_group, xp)
    uppers: list[Array] = []
    rests: list[Array] = []
    known, first, kept = g.levels, 0, None  # first level whose rows are subtracted
    for k, (stage, a) in enumerate(zip(stages, factors, strict=True)):
        left: Array = known[k] if known else 0.0
        if kept is not None:
            left = left + _through(problem, kept, first - 1, k, xp)
        for j in range(first, k):
            left = left - _through(problem, rests[j], j, k, xp)
        split = None if xp.symbolic else _split(g, stage, left, k)
        upper = rest = None
        if split is None or modes:
            upper, rest, logs = _factor_level(left, a, stage.q, xp)
        if split is None:
            block = block - _taken(problem, rest, k, by_group, xp)
        else:
            kept, logs = damped(split, a)
            first, known = k + 1, (None,) * (k + 1) + split.levels if split.levels else ()
            block = _taken(problem, kept, k, by_group, xp)
            if split.total is not None:
                block = block + split.total
            whole = _diagonal(block, by_group, xp)
        if trace is not None:
            trace.append(LevelTrace(left, upper, split, k == 0 and g.split is not None))
        uppers.append(upper)
        rests.append(rest)
        starts = problem.nested_starts(k, len(stages) - 1) if by_group else None
        half = half + (logs.sum(axis=-1) if starts is None else xp.segment_sum(logs, starts))
    if not stages:
        half = xp.zeros_like(g.total[..., 0, 0])
        if by_group:
            block, half = g.total[..., None], half[..., None]
    return Eliminated(block, half, tuple(uppers), tuple(rests), whole)


def _split(g: Gram, stage: Stage, left: Array, k: int) -> Split | None:
    """The rows of a level taken apart, where they are known so or its effects reproduce them."""
    if k == 0 and g.split is not None:
        return g.split
    return None if stage.filled is None else rows_of(left, stage.filled)


def _diagonal(block: Array, by_group: bool, xp: Namespace) -> Array:
    """Diagonal of a block, which only the numerical route asks for."""
    if xp.symbolic or by_group or block is None:
        return None
    return np.diagonal(block, axis1=-2, axis2=-1)


def _taken(problem: Problem, rest: Array, k: int, by_group: bool, xp: Namespace) -> Array:
    """Sum of squares of level k's rows on [X | y], in all or by outermost group."""
    tail = rest[..., _width(rest, xp) - problem.p - 1 :, :]
    if not by_group:
        return _summed(tail, xp)
    starts = problem.nested_starts(k, len(problem.stages) - 1)
    return xp.segment_sum(_outer(tail, tail, xp), starts)


def _through(problem: Problem, rest: Array, j: int, k: int, xp: Namespace) -> Array:
    """Sums of squares of level j's rows by the groups of level k, shape (..., q_k, c_k, G_k)."""
    at = sum(stage.q for stage in problem.stages[j + 1 : k])
    own = rest[..., at : at + problem.stages[k].q, :]
    return xp.segment_sum(_outer(own, rest[..., at:, :], xp), problem.nested_starts(j, k))


def _width(rest: Array, xp: Namespace) -> int:
    return int((rest.type.shape if xp.symbolic else rest.shape)[-2])


def _factor_level(s: Array, a: Array, q: int, xp: Namespace) -> tuple[Array, Array, Array]:
    """L' (..., q, q, G), U (..., q, rest, G) and log|L| (..., G) of one level."""
    if not xp.symbolic and q <= LIKELIHOOD.max_unrolled_effects:
        return _factor_few(s, a, q)
    if not xp.symbolic and s.shape[-1] < q:
        return _factor_wide(s, a, q)
    at = xp.swapaxes(a, -1, -2)
    top = s[..., :q, :, :]
    rows = _left_multiply(at, top, xp)
    h = xp.matmul(at[..., None, :, :], rows[..., :, :q, :]) + np.eye(q)[:, :, None]
    work = xp.concatenate([h, rows[..., :, q:, :]], axis=-2)
    full, logs = _carried(work, q, xp)
    return full[..., :, :q, :], full[..., :, q:, :], logs


def _carried(work: Array, q: int, xp: Namespace) -> tuple[Array, Array]:
    """Cholesky of [H | rest] (..., q, c, G): one pivot for all groups at a time; log|H| / 2."""
    done, logs = [], 0.0
    for j in range(q):
        pivot = xp.sqrt(work[..., 0, j, :])
        row = work[..., 0, :, :] / pivot[..., None, :]
        logs = logs + xp.log(pivot)
        done.append(row)
        if j + 1 < q:
            work = work[..., 1:, :, :] - row[..., j + 1 : q, None, :] * row[..., None, :, :]
    return xp.stack(done, axis=-3), logs


def damped(split: Split, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (..., q, c - q, G) whose sum of squares effects leave of a split, and log|H| / 2.

    They are L^-1 Q'[X | y] with L L' = I + R A A' R'.
    """
    q = a.shape[-1]
    if q == 1:
        pivot = np.sqrt(1.0 + np.square(a[..., None] * split.upper))
        return split.rows / pivot, np.log(pivot[..., 0, 0, :])
    b = [
        sum(split.upper[..., i, j, None, :] * a[..., j, :, None] for j in range(q))
        for i in range(q)
    ]
    batch = b[0].shape[:-2]
    work = np.empty((*batch, q, q + split.rows.shape[-2], b[0].shape[-1]))
    for i in range(q):
        for m in range(q):
            work[..., i, m, :] = float(i == m) + (b[i] * b[m]).sum(axis=-2)
    work[..., q:, :] = split.rows
    full, logs = _carried(work, q, NUMPY)
    return full[..., q:, :], logs


def _factor_wide(s: np.ndarray, a: np.ndarray, q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As ``_factor_level`` for more effects than groups, by LAPACK group by group."""
    by_group, a = np.moveaxis(s, -1, -3), a[..., None, :, :]
    sizes = np.diagonal(a, axis1=-2, axis2=-1)
    if np.count_nonzero(a) == np.count_nonzero(sizes):  # a diagonal factor scales
        rows = sizes[..., None] * by_group
        h = rows[..., :q] * sizes[..., None, :]
    else:
        rows = np.matmul(np.swapaxes(a, -1, -2), by_group)
        h = np.matmul(rows[..., :q], a)
    lower = NUMPY.cholesky(h + np.eye(q))
    logs = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)
    solved = NUMPY.lower_solve(lower, rows[..., q:])
    upper = np.swapaxes(lower, -1, -2)
    return np.moveaxis(upper, -3, -1), np.moveaxis(solved, -3, -1), logs


def _factor_few(s: np.ndarray, a: np.ndarray, q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As ``_factor_level`` for a few effects, row by row; zeros of A are skipped."""
    filled = np.any(a.reshape(-1, q, q), axis=0).tolist()
    rows = [_combine(s, a, i, filled) for i in range(q)]
    batch, (c, groups) = rows[0].shape[:-2], rows[0].shape[-2:]
    upper, rest = np.zeros((*batch, q, q, groups)), np.empty((*batch, q, c - q, groups))
    logs = np.zeros((*batch, groups))
    for i in range(q):
        rest[..., i, :, :] = rows[i][..., q:, :]
        for m in range(i):
            rest[..., i, :, :] -= upper[..., m, i, None, :] * rest[..., m, :, :]
        for k in range(i, q):
            h = np.full((*batch, groups), float(i == k))
            for j in range(q):
                if filled[j][k]:
                    h += rows[i][..., j, :] * a[..., j, k, None]
            for m in range(i):
                h -= upper[..., m, i, :] * upper[..., m, k, :]
            upper[..., i, k, :] = np.sqrt(h) if i == k else h / upper[..., i, i, :]
        rest[..., i, :, :] /= upper[..., i, i, None, :]
        logs += np.log(upper[..., i, i, :])
    return upper, rest, logs


def _combine(s: np.ndarray, a: np.ndarray, i: int, filled: list[list[bool]]) -> np.ndarray:
    """Row i of A' S, shape (..., c, G); ``filled`` says which entries of A are not all zero."""
    total = a[..., i, i, None, None] * s[..., i, :, :]
    for j in range(a.shape[-1]):
        if j != i and filled[j][i]:
            total += a[..., j, i, None, None] * s[..., j, :, :]
    return np.asarray(total)


def _left_multiply(at: Array, top: Array, xp: Namespace) -> Array:
    """Multiply the first axis of (..., q, c, G) by a matrix, as one product with (q, c G)."""
    if xp.symbolic:
        return xp.matmul(at, top.reshape((top.shape[0], -1))).reshape(top.shape)
    flat = top.reshape(*top.shape[:-2], -1)
    out = np.matmul(at, flat)
    return out.reshape(*out.shape[:-1], *top.shape[-2:])


def _outer(left: Array, right: Array, xp: Namespace) -> Array:
    """Sum over a level's effects of products of columns, (..., a, b, G)."""
    q = left.type.shape[-3] if xp.symbolic else left.shape[-3]
    total: Array = 0.0
    for j in range(q):
        total = total + left[..., j, :, None, :] * right[..., j, None, :, :]
    return total


def _summed(rest: Array, xp: Namespace) -> Array:
    """Sum of U' U over the groups, (..., rest, rest), as one matrix product."""
    if not xp.symbolic and rest.shape[-3] <= LIKELIHOOD.max_unrolled_effects:  # no copy of the rows
        rows = [rest[..., j, :, :] for j in range(rest.shape[-3])]
        return sum(np.matmul(row, np.swapaxes(row, -1, -2)) for row in rows)
    swapped = xp.moveaxis(rest, -3, -2)  # (..., rest, q, G)
    flat = (
        swapped.reshape((swapped.shape[0], -1))
        if xp.symbolic
        else swapped.reshape(*swapped.shape[:-2], -1)
    )
    return xp.matmul(flat, xp.swapaxes(flat, -1, -2))


def modes(
    problem: Problem,
    e: Eliminated,
    factors: tuple[np.ndarray, ...],
    beta: np.ndarray,
    sigma: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    spherical: tuple[np.ndarray, ...] | None = None,
) -> tuple[np.ndarray, ...]:
    """Conditional modes, or exact conditional draws, of the random effects.

    Parameters
    ----------
    problem : Problem
    e : Eliminated
        At the same theta; leading axes (...) are draws.
    factors : tuple of arrays (..., q, q), innermost first
    beta : array, shape (..., p)
        Coefficients on the engine's scale, that is of the engine's X and its shifted y.
    sigma : array, shape (...,), optional
    rng : Generator, optional
        With ``sigma``: draw instead of taking the mode.
    spherical : tuple of arrays (..., q, G), innermost first, optional
        With ``sigma``: the standard normal numbers of such a draw, in place of ``rng``.

    Returns
    -------
    tuple of arrays (..., G, q), innermost first, on the natural scale of the effects
    """
    found: list[np.ndarray] = []
    for k in range(len(problem.stages) - 1, -1, -1):
        right = _right_side(problem, k, e.rest[k], found[::-1], beta)
        z = None if spherical is None else spherical[k]
        if rng is not None and sigma is not None:
            z = rng.standard_normal(right.shape)
        if z is not None:
            right = right + np.asarray(sigma)[..., None, None] * z
        u = _back_substitute(e.upper[k], right)
        found.append(np.matmul(factors[k], u))
    return tuple(
        np.swapaxes(np.linalg.solve(stage.basis, b), -1, -2)
        for stage, b in zip(problem.stages, found[::-1], strict=True)
    )


def _right_side(
    problem: Problem, k: int, rest: np.ndarray, outer: list[np.ndarray], beta: np.ndarray
) -> np.ndarray:
    """U v of level k.

    Shape (..., q, G); ``outer`` holds the levels outside it, nearest first, shapes (..., q, G).
    """
    p = problem.p
    total = rest[..., -1, :] - np.einsum(
        "...qpg,...p->...qg", rest[..., rest.shape[-2] - p - 1 : -1, :], beta
    )
    at, owner = 0, np.arange(problem.stages[k].n_groups)
    for j, b in enumerate(outer):
        owner = problem.stages[k + j].parent[owner]
        width = problem.stages[k + j + 1].q
        total = total - np.einsum(
            "...qcg,...cg->...qg", rest[..., at : at + width, :], b[..., owner]
        )
        at += width
    return np.asarray(total)


def _back_substitute(upper: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve L' u = right for all groups, shapes (..., q, q, G) and (..., q, G)."""
    q = upper.shape[-2]
    u: list[np.ndarray] = [np.zeros(0)] * q
    for i in range(q - 1, -1, -1):
        rest = right[..., i, :]
        for j in range(i + 1, q):
            rest = rest - upper[..., i, j, :] * u[j]
        u[i] = rest / upper[..., i, i, :]
    return np.stack(u, axis=-2)
