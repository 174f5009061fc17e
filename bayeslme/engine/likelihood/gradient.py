"""Exact derivatives of the profiled log-likelihood, by the adjoint of elimination.

The log-likelihood is f = -sum log|H| / 2 + g(B) with B the [X | y] block that elimination leaves.
Let Q (c, c) be the derivative of f by what a level hands on to the next one, the same for all
groups of the outermost level and taken from the parent group further in. At a level with Gram
matrices S,

    W = A H^-1 A',    D = W S_zr,    R = S_zr - S_zz D,
    df = tr(G dS),    G_zz = D Q D' - W / 2,    G_zr = -D Q,    G_rr = Q,
    df/dA = -2 R Q (H^-1 A' S_zr)' - S_zz A H^-1    (summed over groups),

and G is the Q of the next level further in. Where rows are taken apart (T and Y of
`reproduced_rows`, K = I + T M T', M = A A', E = K^-1 Y, N = -E Q E' - K^-1 / 2) nothing is
subtracted: df/dA = 2 (sum T' N T) A, and df/dS follows from S = [T Y]' [T Y].

The cost is that of about two more eliminations, whatever the number of parameters. The way from A
to theta is a product with a small matrix. Parameters of the rows (correlation, variance) enter
through the Gram matrices: these are differentiated by central differences and contracted with G.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme import triangular
from bayeslme.engine.likelihood.eliminate import LevelTrace
from bayeslme.engine.likelihood.whiten import Split
from bayeslme.engine.problem import Problem


@dataclass(frozen=True, slots=True)
class GramAdjoint:
    """Derivatives of the log-likelihood by the Gram matrices of the rows.

    Attributes
    ----------
    levels : tuple of arrays (..., q_k, c_k, G_k)
        Innermost first; only of those levels whose own cross products are read.
    total : array, shape (..., p + 1, p + 1), or None
        None where the total is not read.
    """

    levels: tuple[np.ndarray, ...]
    total: np.ndarray | None


def block_adjoint(
    factor: np.ndarray, df: int, sigma: np.ndarray | None, *, reml: bool
) -> np.ndarray:
    """Derivative (..., p + 1, p + 1) of the profiled log-likelihood by the block.

    Parameters
    ----------
    factor : array, shape (..., p + 1, p + 1)
        Lower Cholesky factor of the block.
    df : int
        Rows, less coefficients under REML.
    sigma : array, shape (...,), or None
        Where it is held.
    reml : bool
    """
    p = factor.shape[-1] - 1
    inverse = np.linalg.inv(factor)
    last = inverse[..., p, :]  # (-beta, 1) over the norm of the residuals
    scale = 0.5 * df if sigma is None else 0.5 * np.square(factor[..., p, p] / sigma)
    out: np.ndarray = last[..., :, None] * last[..., None, :]
    out *= -np.asarray(scale)[..., None, None]
    if reml and p:
        own = inverse[..., :p, :p]
        out[..., :p, :p] -= 0.5 * (np.swapaxes(own, -1, -2) @ own)
    return out


def eliminated_adjoint(
    problem: Problem,
    trace: list[LevelTrace],
    factors: tuple[np.ndarray, ...],
    block: np.ndarray,
    *,
    rows: bool,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Derivatives by the factors (..., q, q), and by Gram matrices that are read; innermost first.

    Parameters
    ----------
    problem : Problem
    trace : list of LevelTrace
        What `eliminate` has gone through.
    factors : tuple of arrays (..., q, q)
    block : array, shape (..., p + 1, p + 1)
        Derivative by the block.
    rows : bool
        Whether the Gram matrices depend on parameters.
    """
    slopes: list[np.ndarray] = []
    grams: list[np.ndarray] = []
    above = block[..., None]
    for k in range(len(problem.stages) - 1, -1, -1):
        level, stage, a = trace[k], problem.stages[k], factors[k]
        given = above if above.shape[-1] == 1 else above[..., stage.parent]
        wanted = rows or k > 0
        if level.split is None:
            slope, above = _subtracted(level, a, given, wanted=wanted)
        else:
            slope, above = _apart(level.split, a, given, wanted=wanted and not level.known)
        slopes.append(slope)
        # behind a level whose rows are taken apart nothing of the rows themselves is left
        if rows and not any(one.split is not None for one in trace[:k]):
            own = above[..., : stage.q, :, :].copy()
            own[..., stage.q :, :] *= 2.0
            grams.append(own)
    return slopes[::-1], grams[::-1]


def _subtracted(
    level: LevelTrace, a: np.ndarray, given: np.ndarray, *, wanted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives by A and, where wanted, by S of a level whose rows are subtracted."""
    q = a.shape[-1]
    square, rest = level.left[..., :q, :], level.left[..., q:, :]
    inverse = _solved(level.upper, np.swapaxes(a, -1, -2))  # H^-1 A'
    modes = _product(inverse, rest)
    d = _scaled(a, modes)
    left = rest - _product(square, d)
    slope = -2.0 * _contracted(_weighted(left, given), modes) - _contracted(square, inverse)
    if not wanted:
        return slope, given
    weighted = _weighted(d, given)
    zz = _product(weighted, np.swapaxes(d, -2, -3)) - 0.5 * _scaled(a, inverse)
    return slope, _joined(zz, -weighted, given)


def _apart(
    split: Split, a: np.ndarray, given: np.ndarray, *, wanted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives by A and, where wanted, by S of a level whose rows are taken apart.

    K^-1 is found from the columns of the identity beside those of Y and T.
    """
    q, r = a.shape[-1], split.rows.shape[-2]
    t = split.upper
    m = a @ np.swapaxes(a, -1, -2)
    k = _product(t, _scaled(m, np.swapaxes(t, -2, -3))) + np.eye(q)[:, :, None]
    columns = np.concatenate(
        [
            np.broadcast_to(split.rows, (*k.shape[:-2], r, k.shape[-1])),
            np.broadcast_to(t, k.shape),
            np.broadcast_to(np.eye(q)[:, :, None], k.shape),
        ],
        axis=-2,
    )
    solved = _symmetric_solved(k, columns)  # K^-1 [Y | T | I]
    turned = np.swapaxes(t, -2, -3)
    e, inverse = solved[..., :r, :], solved[..., r + q :, :]
    f, c = _product(turned, e), _product(turned, solved[..., r : r + q, :])
    weighted = _weighted(f, given)
    by_square = -_contracted(weighted, f) - 0.5 * c.sum(axis=-1)
    slope = 2.0 * by_square @ a
    if not wanted:
        return slope, given
    sizes = np.sum(np.square(t), axis=-2)  # rows of T are orthogonal; those of no row are zero
    back = turned / np.where(sizes > 0.0, sizes, np.inf)[..., None, :, :]
    e = _product(back, e)
    eq = _weighted(e, given)
    half = -2.0 * _scaled(m, _product(weighted, np.swapaxes(e, -2, -3)))
    half -= _product(eq, np.swapaxes(e, -2, -3))
    half -= 0.5 * _scaled(m, np.swapaxes(_product(back, _product(inverse, t)), -2, -3))
    zz = 0.5 * (half + np.swapaxes(half, -2, -3))
    return slope, _joined(zz, eq, np.zeros_like(given))


def _joined(zz: np.ndarray, zr: np.ndarray, rr: np.ndarray) -> np.ndarray:
    """The symmetric matrix [[zz, zr], [zr', rr]] of every group."""
    q, c = zr.shape[-3], zr.shape[-3] + zr.shape[-2]
    batch = np.broadcast_shapes(zz.shape[:-3], zr.shape[:-3], rr.shape[:-3])
    out = np.empty((*batch, c, c, zr.shape[-1]))
    out[..., :q, :q, :] = zz
    out[..., :q, q:, :] = zr
    out[..., q:, :q, :] = np.swapaxes(zr, -2, -3)
    out[..., q:, q:, :] = rr
    return out


def _product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Products (..., i, k, G) of matrices (..., i, j, G) and (..., j, k, G), group by group."""
    if x.shape[-1] < x.shape[-2]:  # few groups of many effects
        found = np.matmul(np.moveaxis(x, -1, -3), np.moveaxis(y, -1, -3))
        return np.moveaxis(found, -3, -1)
    total = x[..., :, 0, None, :] * y[..., None, 0, :, :]
    for j in range(1, x.shape[-2]):
        total += x[..., :, j, None, :] * y[..., None, j, :, :]
    return np.asarray(total)


def _scaled(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A matrix (..., i, j) times those of all groups (..., j, k, G)."""
    flat = a @ x.reshape(*x.shape[:-2], -1)
    return np.asarray(flat.reshape(*flat.shape[:-1], *x.shape[-2:]))


def _weighted(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Rows (..., i, c, G) times symmetric weights (..., c, c, G), or (..., c, c, 1) of all."""
    if q.shape[-1] == 1:
        return np.asarray(np.matmul(q[..., None, :, :, 0], x))
    return _product(x, q)


def _contracted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum over columns and groups (..., i, j) of products of (..., i, c, G) and (..., j, c, G)."""
    left, right = x.reshape(*x.shape[:-2], -1), y.reshape(*y.shape[:-2], -1)
    return np.asarray(left @ np.swapaxes(right, -1, -2))


def _solved(upper: np.ndarray, right: np.ndarray) -> np.ndarray:
    """H^-1 times a matrix (..., q, k), from H = L L' and ``upper`` = L' (..., q, q, G)."""
    q, groups = upper.shape[-2:]
    if groups < q:
        return _solved_by_group(upper, right)
    batch = np.broadcast_shapes(upper.shape[:-3], right.shape[:-2])
    x = np.empty((*batch, q, right.shape[-1], groups))
    x[...] = right[..., None]
    return _substituted(upper, x)


def _substituted(upper: np.ndarray, x: np.ndarray) -> np.ndarray:
    """H^-1 X in place, for all groups at a time."""
    q = upper.shape[-2]
    for i in range(q):
        for m in range(i):
            x[..., i, :, :] -= upper[..., m, i, None, :] * x[..., m, :, :]
        x[..., i, :, :] /= upper[..., i, i, None, :]
    for i in range(q - 1, -1, -1):
        for m in range(i + 1, q):
            x[..., i, :, :] -= upper[..., i, m, None, :] * x[..., m, :, :]
        x[..., i, :, :] /= upper[..., i, i, None, :]
    return x


def _solved_by_group(upper: np.ndarray, right: np.ndarray) -> np.ndarray:
    """As ``_solved`` for more effects than groups: substitution in blocks, group by group."""
    q, groups = upper.shape[-2:]
    batch = np.broadcast_shapes(upper.shape[:-3], right.shape[:-2])
    upper = np.broadcast_to(upper, (*batch, q, q, groups))
    right = np.broadcast_to(right, (*batch, *right.shape[-2:]))
    out = np.empty((*batch, q, right.shape[-1], groups))
    for at in np.ndindex(batch):
        for g in range(groups):
            own = np.ascontiguousarray(upper[at][..., g])
            half = triangular.solve(own.T, right[at])
            # the rows and columns of an upper factor in reverse order are those of a lower one
            out[(*at, ..., g)] = triangular.solve(own[::-1, ::-1], half[::-1])[::-1]
    return out


def _symmetric_solved(k: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """K^-1 (..., q, q, G) times columns (..., q, c, G)."""
    q = k.shape[-2]
    upper = np.zeros_like(k)
    for i in range(q):
        for j in range(i, q):
            entry = k[..., i, j, :] - np.sum(upper[..., :i, i, :] * upper[..., :i, j, :], axis=-2)
            upper[..., i, j, :] = np.sqrt(entry) if i == j else entry / upper[..., i, i, :]
    return _substituted(upper, columns)
