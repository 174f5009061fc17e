"""Crossed random effects out of the normal equations: the chain group by group, then the block.

The chain is eliminated as a nested model is, with one more kind of columns to its right: those of
the block, of which each group meets few. What is left is one dense system of the block's effects,

    H = A' S A + I = L L',      U = L^-1 A' S_X,      S_XX <- S_XX - U' U

with S the Schur complement of the chain and A the block's relative factors along the diagonal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import lapack, solve_triangular

from bayeslme.arrays import NUMPY
from bayeslme.engine.crossed.patterns import Pattern
from bayeslme.engine.crossed.problem import Crossed
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.likelihood.eliminate import _back_substitute, _factor_level
from bayeslme.engine.problem import Problem

if TYPE_CHECKING:
    from bayeslme.engine.crossed.grams import CrossedGram

Noise = Callable[[Any], np.ndarray]


@dataclass(frozen=True, slots=True)
class Link:
    """One level of the chain, eliminated.

    Attributes
    ----------
    left : array, shape (q, d, G)
        Cross products of the level before it is eliminated, those it nests in and [X | y].
    meets : array, shape (q, m)
        The same with the columns of the block.
    upper : array, shape (q, q, G)
        L' with L L' = A' S A + I.
    middle : array, shape (q, q, G)
        L^-1 A'.
    rest : array, shape (q, d - q, G)
        U = L^-1 A' S_rest.
    meets_rest : array, shape (q, m)
        U for the columns of the block.
    """

    left: np.ndarray
    meets: np.ndarray
    upper: np.ndarray
    middle: np.ndarray
    rest: np.ndarray
    meets_rest: np.ndarray


@dataclass(frozen=True, slots=True)
class Swept:
    """All random effects eliminated at one theta.

    Attributes
    ----------
    links : tuple of Link
        Levels of the chain, innermost first.
    schur : array, shape (c, c), or (c,)
        Cross products of the block after the chain is out; their diagonal where they have no other.
    side : array, shape (c, p + 1)
        The same of the block's columns by [X | y].
    lower : array, shape (c, c), or (c,)
        L of the block; its diagonal where it is diagonal.
    rest : array, shape (c, p + 1)
        U of the block.
    block : array, shape (p + 1, p + 1)
        What is left of [X | y].
    half_logdet : float
        Sum of log|H| / 2; infinite where the block is not positive definite in rounding.
    """

    links: tuple[Link, ...]
    schur: np.ndarray
    side: np.ndarray
    lower: np.ndarray
    rest: np.ndarray
    block: np.ndarray
    half_logdet: float


def sweep(
    problem: Problem, crossed: Crossed, gram: CrossedGram, factors: tuple[np.ndarray, ...]
) -> Swept:
    """Eliminate the chain and the block.

    Parameters
    ----------
    problem : Problem
    crossed : Crossed
    gram : CrossedGram
    factors : tuple of arrays (q, q)
        Standard relative factors, in the order of the stages.
    """
    if gram.block.ndim == 1:
        return _diagonal(gram, float(factors[crossed.block[0]][0, 0]))
    links: list[Link] = []
    half, total = 0.0, gram.total.copy()
    schur, side = gram.block.copy(), gram.side.copy()
    for at, k in enumerate(crossed.chain):
        left, meets = _left_over(problem, crossed, gram, links, at)
        link, logs = _factor_link(left, meets, factors[k], crossed.patterns[at])
        tail = link.rest[:, link.rest.shape[1] - total.shape[0] :]
        flat = np.swapaxes(tail, 0, 1).reshape(tail.shape[1], -1)
        total -= flat @ flat.T
        schur -= crossed.patterns[at].products(link.meets_rest)
        side -= crossed.patterns[at].times(link.meets_rest, tail)
        half += logs
        links.append(link)
    own = [factors[k] for k in crossed.block]
    h = scaled_columns(scaled_columns(schur, own, crossed).T, own, crossed)
    h[np.diag_indices(len(h))] += 1.0
    lower, info = lapack.dpotrf(h.T, lower=1, clean=1, overwrite_a=1)
    if info != 0:
        nothing = np.full_like(total, np.nan)
        return Swept(tuple(links), schur, side, lower, side, nothing, np.inf)
    rest, _ = lapack.dtrtrs(lower, scaled_columns(side.T, own, crossed).T, lower=1)
    half += float(np.log(np.diagonal(lower)).sum())
    return Swept(tuple(links), schur, side, lower, rest, total - rest.T @ rest, half)


def _diagonal(gram: CrossedGram, a: float) -> Swept:
    """Eliminate a block whose cross products are diagonal, and nothing else."""
    lower = np.sqrt(1.0 + a * a * gram.block)
    rest = a * gram.side / lower[:, None]
    half = float(np.log(lower).sum())
    return Swept((), gram.block, gram.side, lower, rest, gram.total - rest.T @ rest, half)


def solve_lower(lower: np.ndarray, right: np.ndarray, *, transposed: bool = False) -> np.ndarray:
    """L^-1, or L^-T, of the block by (c, r) or (c,)."""
    if lower.ndim == 1:
        return np.asarray(right / (lower if right.ndim == 1 else lower[:, None]))
    return np.asarray(
        solve_triangular(
            lower, right, lower=True, trans="T" if transposed else "N", check_finite=False
        )
    )


def _left_over(
    problem: Problem, crossed: Crossed, gram: CrossedGram, links: list[Link], at: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cross products of a level after the levels within it are out."""
    left, meets = gram.levels[at], gram.meets[at]
    q = problem.stages[crossed.chain[at]].q
    for inner, link in enumerate(links):
        first = sum(problem.stages[k].q for k in crossed.chain[inner + 1 : at])
        own = link.rest[:, first : first + q]
        owner = crossed.parents[crossed.chain[inner], crossed.chain[at]]
        lost = np.einsum("bqg,bdg->qdg", own, link.rest[:, first:])
        left = left - summed(lost, owner, left.shape[-1])
        group = crossed.patterns[inner].group
        lost_meets = np.einsum("bqe,be->qe", own[..., group], link.meets_rest)
        meets = meets - summed(lost_meets, crossed.up[inner, at], meets.shape[-1])
    return left, meets


def summed(values: np.ndarray, where: np.ndarray, count: int) -> np.ndarray:
    """Sums (..., count) of values (..., m) by place."""
    flat = values.reshape(-1, values.shape[-1])
    return np.stack([np.bincount(where, one, count) for one in flat]).reshape(
        *values.shape[:-1], count
    )


def _factor_link(
    left: np.ndarray, meets: np.ndarray, a: np.ndarray, pattern: Pattern
) -> tuple[Link, float]:
    """Factor one level; columns of the identity beside its own give L^-1 A'."""
    q, _, count = left.shape
    if q > 1 and count <= CROSSED.max_looped_groups:
        upper, middle, rest, logs = _by_lapack(left, a)
    else:
        unit = np.broadcast_to(np.eye(q)[:, :, None], (q, q, count))
        whole = np.concatenate([left[:, :q], unit, left[:, q:]], axis=1)
        upper, solved, logs = _factor_level(whole, a, q, NUMPY)
        middle, rest = solved[:, :q], solved[:, q:]
    meets_rest = pattern.mixed(middle, meets)
    return Link(left, meets, upper, middle, rest, meets_rest), float(logs.sum())


def _by_lapack(
    left: np.ndarray, a: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """L', L^-1 A', U (q, ..., G) and log|L| of a level of not too many groups."""
    q = len(a)
    rows = a.T @ np.moveaxis(left, -1, 0)
    lower = NUMPY.cholesky(rows[:, :, :q] @ a + np.eye(q))
    middle = np.linalg.inv(lower) @ np.concatenate(
        [np.broadcast_to(a.T, (len(lower), q, q)), rows[:, :, q:]], axis=2
    )
    logs = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum()
    done = np.moveaxis(middle, 0, -1)
    return np.moveaxis(np.swapaxes(lower, 1, 2), 0, -1), done[:, :q], done[:, q:], logs


def scaled_columns(
    matrix: np.ndarray, factors: list[np.ndarray], crossed: Crossed, *, transposed: bool = False
) -> np.ndarray:
    """A matrix (r, c) times the block's relative factors, or their transposes."""
    out = np.empty(matrix.shape, order="F" if matrix.flags.f_contiguous else "C")
    for factor, place in zip(factors, crossed.columns, strict=True):
        a = factor.T if transposed else factor
        if a.size == 1:
            np.multiply(matrix[:, place], a[0, 0], out=out[:, place])
            continue
        own = np.ascontiguousarray(matrix[:, place]).reshape(len(matrix), -1, len(a))
        out[:, place] = (own @ a).reshape(len(matrix), -1)
    return out


def block_modes(
    problem: Problem,
    crossed: Crossed,
    done: Swept,
    factors: tuple[np.ndarray, ...],
    beta: np.ndarray,
    noise: Noise | None = None,
) -> list[np.ndarray]:
    """Conditional modes, or draws, (q, G) of the standard effects, in the order of the stages.

    Parameters
    ----------
    problem : Problem
    crossed : Crossed
    done : Swept
    factors : tuple of arrays (q, q)
    beta : array, shape (p,)
        Coefficients on the engine's scale.
    noise : callable, optional
        Independent normal numbers of a shape, with the standard deviation sigma of a typical row:
        added before the back substitution, they make a draw of a mode.
    """
    found: dict[int, np.ndarray] = {}
    fixed = np.append(-beta, 1.0)
    own = [factors[k] for k in crossed.block]
    side = done.rest @ fixed if noise is None else done.rest @ fixed + noise(len(done.rest))
    u = solve_lower(done.lower, side, transposed=True)
    effects = scaled_columns(u[None], own, crossed, transposed=True)[0]
    for k, place in zip(crossed.block, crossed.columns, strict=True):
        found[k] = effects[place].reshape(-1, problem.stages[k].q).T
    for at in range(len(crossed.chain) - 1, -1, -1):
        link, k = done.links[at], crossed.chain[at]
        right = np.einsum("qdg,d->qg", link.rest[:, link.rest.shape[1] - len(fixed) :], fixed)
        first = 0
        for j in crossed.chain[at + 1 :]:
            width = problem.stages[j].q
            outer = found[j][:, crossed.parents[k, j]]
            right = right - np.einsum("qdg,dg->qg", link.rest[:, first : first + width], outer)
            first += width
        pattern = crossed.patterns[at]
        right = right - pattern.sums(link.meets_rest * effects[pattern.column])
        right = right if noise is None else right + noise(right.shape)
        found[k] = factors[k] @ _back_substitute(link.upper, right)
    return [found[k] for k in range(len(problem.stages))]
