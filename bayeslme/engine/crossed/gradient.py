"""The gradient of a crossed model's log-likelihood, by going back through the elimination.

Each step of the elimination turns cross products S into a Schur complement S' = S_rr - S_rz Q S_zr
with Q = A H^-1 A' and H = A' S_zz A + I. With G the derivative of the log-likelihood by S' and
N = S_zr G S_rz, the derivatives one step further in are

    by S_zr: -2 Q S_zr G,        by S_zz: Q N Q - Q / 2,
    by A: 2 (S_zz Q - I) N A H^-1 - S_zz A H^-1

(reverse mode differentiation; the last term of each is that of -log|H| / 2). Nothing is divided by
A, so a zero variance is an ordinary point. Parameters of the rows are asked by differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from bayeslme.engine.crossed.eliminate import Link, Swept, scaled_columns
from bayeslme.engine.crossed.grams import CrossedGrams
from bayeslme.engine.crossed.problem import Crossed
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.likelihood.eliminate import Eliminated, _back_substitute
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.problem import Problem, Stage
from bayeslme.engine.search.starts import scales


def value_and_gradient(likelihood: Likelihood, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-likelihood and its gradient (k,) at theta (k,).

    Minus infinity, and zeros, where it does not exist.
    """
    problem, grams = likelihood.problem, likelihood.grams
    crossed = problem.crossed
    if crossed is None or not isinstance(grams, CrossedGrams):
        raise TypeError("a crossed problem is needed")
    likelihood.evaluations += 1
    rows = grams.at(*likelihood.row_parameters(theta))
    factors = likelihood.factors(theta)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        done = grams.swept(rows, factors)
        whole = np.diagonal(rows.gram[0].total)
        e = Eliminated(done.block, np.asarray(done.half_logdet), (), (), whole)
        profiled = likelihood.profiled(e, rows)
    value = float(profiled.loglik)
    out = np.zeros(len(theta))
    if not np.isfinite(value):
        return value, out
    outer = _by_block(likelihood, done.block, float(profiled.sigma))
    slopes = _slopes(problem, crossed, done, factors, outer)
    for stage, slope in zip(problem.stages, slopes, strict=True):
        out[stage.theta] = np.einsum("kij,ij->k", _factor_slopes(stage, theta[stage.theta]), slope)
    out[problem.theta_correlation.start :] = _row_slopes(likelihood, theta)
    return value, out


def hessian_of(likelihood: Likelihood, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Second derivatives (k, k) of the log-likelihood, by differences of its gradient."""
    moves = np.diag(step)
    up, down = (
        np.stack([value_and_gradient(likelihood, theta + sign * move)[1] for move in moves])
        for sign in (1.0, -1.0)
    )
    out = (up - down) / (2.0 * step[:, None])
    return np.asarray(0.5 * (out + out.T))


def _by_block(likelihood: Likelihood, block: np.ndarray, sigma: float) -> np.ndarray:
    """Derivative (p + 1, p + 1) of the log-likelihood by the block that is left of [X | y]."""
    p = likelihood.problem.p
    inverse = np.linalg.inv(block[:p, :p])
    v = np.append(-inverse @ block[:p, p], 1.0)
    out = -0.5 / sigma**2 * np.outer(v, v)
    if likelihood.method == "REML":
        out[:p, :p] -= 0.5 * inverse
    return np.asarray(out)


def _factor_slopes(stage: Stage, own: np.ndarray) -> np.ndarray:
    """Derivatives (k, q, q) of a stage's factor by its parameters."""
    step = CROSSED.difference_step * np.maximum(1.0, np.abs(own))
    moves = np.diag(step)
    up, down = (stage.structure.factor(own + sign * moves, stage.basis) for sign in (1.0, -1.0))
    return np.asarray((up - down) / (2.0 * step[:, None, None]))


def _row_slopes(likelihood: Likelihood, theta: np.ndarray) -> np.ndarray:
    """Derivatives of the log-likelihood by the parameters of correlation and variance function."""
    first = likelihood.problem.theta_correlation.start
    if first == len(theta):
        return np.zeros(0)
    step = CROSSED.difference_step * np.maximum(scales(likelihood.problem), np.abs(theta))
    moves = np.diag(step)[first:]
    up, down = (likelihood(theta + sign * moves) for sign in (1.0, -1.0))
    with np.errstate(invalid="ignore"):
        slope = (up - down) / (2.0 * step[first:])
    return np.where(np.isfinite(slope), slope, 0.0)


@dataclass(slots=True)
class _Adjoint:
    """Derivatives by the cross products of the levels of the chain still to come.

    Attributes
    ----------
    levels : dict of int to array (q, d, G)
        By place in the chain; the products of a level with itself as a symmetric matrix.
    meets : dict of int to array (q, m)
    block : array, shape (c, c)
    side : array, shape (c, p + 1)
    total : array, shape (p + 1, p + 1)
    """

    levels: dict[int, np.ndarray]
    meets: dict[int, np.ndarray]
    block: np.ndarray
    side: np.ndarray
    total: np.ndarray


def _slopes(
    problem: Problem,
    crossed: Crossed,
    done: Swept,
    factors: tuple[np.ndarray, ...],
    outer: np.ndarray,
) -> list[np.ndarray]:
    """Derivatives (q, q) by the factor of every stage, in their order."""
    if done.lower.ndim == 1:
        return [_diagonal_slope(done, factors[0], outer)]
    found: dict[int, np.ndarray] = {}
    adjoint = _block_step(problem, crossed, done, factors, outer, found)
    for at in range(len(crossed.chain) - 1, -1, -1):
        _chain_step(problem, crossed, done.links[at], factors, at, adjoint, found)
    return [found[k] for k in range(len(problem.stages))]


def _diagonal_slope(done: Swept, factor: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Derivative (1, 1) by the factor of a diagonal block D: a / (1 + a^2 D) by a, and its log."""
    a, h = float(factor[0, 0]), np.square(done.lower)
    by_block = np.einsum("ri,ij,rj->r", done.side, outer, done.side, optimize=True)
    return np.array([[-2.0 * a * np.sum(by_block / h**2) - a * np.sum(done.schur / h)]])


def _block_step(
    problem: Problem,
    crossed: Crossed,
    done: Swept,
    factors: tuple[np.ndarray, ...],
    outer: np.ndarray,
    found: dict[int, np.ndarray],
) -> _Adjoint:
    """Through the elimination of the block."""
    own = [factors[k] for k in crossed.block]
    inverse, _ = lapack.dpotri(done.lower, lower=1)  # the lower triangle of H^-1
    inverse[np.diag_indices(len(inverse))] *= 0.5
    inverse = inverse + inverse.T
    spherical, _ = lapack.dtrtrs(done.lower, done.rest, lower=1, trans=1)
    natural = scaled_columns(spherical.T, own, crossed, transposed=True).T  # A H^-1 A' S_side
    left = -2.0 * (done.side - done.schur @ natural) @ outer
    half = scaled_columns(inverse, own, crossed, transposed=True)  # H^-1 A'
    for k, place in zip(crossed.block, crossed.columns, strict=True):
        q = problem.stages[k].q
        low_rank = np.einsum("gix,gjx->ij", _grouped(left[place], q), _grouped(spherical[place], q))
        if q == 1:
            trace = np.array([[np.vdot(done.schur[place], half[place])]])
        else:
            pair = (_grouped(done.schur[place], q), _grouped(half[place], q))
            trace = np.tensordot(*pair, axes=((0, 2), (0, 2)))
        found[k] = low_rank - trace
    block = scaled_columns(half.T, own, crossed, transposed=True)
    block *= -0.5
    block += natural @ outer @ natural.T
    return _Adjoint({}, {}, block, -2.0 * natural @ outer, outer)


def _grouped(rows: np.ndarray, q: int) -> np.ndarray:
    return rows.reshape(-1, q, rows.shape[1])


def _chain_step(
    problem: Problem,
    crossed: Crossed,
    link: Link,
    factors: tuple[np.ndarray, ...],
    at: int,
    adjoint: _Adjoint,
    found: dict[int, np.ndarray],
) -> None:
    """Through the elimination of one level of the chain."""
    k, pattern = crossed.chain[at], crossed.patterns[at]
    q = problem.stages[k].q
    a = factors[k]
    own, right = link.left[:, :q], link.left[:, q:]
    through = _through(link, a)  # A H^-1
    square = np.einsum("aig,ajg->ijg", link.middle, link.middle)  # Q
    by_rest, by_meets = _rest_slopes(problem, crossed, at, adjoint)
    rest = _contracted(right, by_rest)
    rest += pattern.contracted(link.meets, by_meets)
    turned = _product(own, square)
    turned -= np.eye(q)[:, :, None]
    slope = -np.einsum("ijg,jkg->ik", own, through)
    if at == 0 and q == 1:  # the whole block at once: a second sum of squares with other weights
        left = (turned[0, 0] * through[0, 0])[pattern.group] * link.meets[0]
        slope = slope + 2.0 * pattern.inner(left, link.meets[0], adjoint.block)
        meets = pattern.spread(right, by_meets)
    else:
        meets = pattern.spread(right, by_meets)
        meets += pattern.pulled(link.meets, adjoint.block)
    inner = np.einsum("ixg,jxg->ijg", rest, right)
    inner += pattern.contracted(meets, link.meets)
    found[k] = slope + 2.0 * np.einsum("ijg,jlg->il", turned, _product(inner, through))
    if at == 0:
        return
    by_own = _product(square, _product(inner, square)) - 0.5 * square
    by_right = -2.0 * np.einsum("ijg,jdg->idg", square, rest)
    adjoint.levels[at] = np.concatenate([by_own, by_right], axis=1)
    adjoint.meets[at] = -2.0 * pattern.mixed(square, meets)


def _product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Products of small matrices (q, q, G) group by group."""
    return np.asarray(np.einsum("ijg,jkg->ikg", one, other))


def _through(link: Link, a: np.ndarray) -> np.ndarray:
    """A H^-1 of every group, (q, q, G): H^-1 A' turned."""
    q = len(a)
    solved = [_back_substitute(link.upper, link.middle[:, j]) for j in range(q)]
    return np.stack(solved, axis=0)


def _rest_slopes(
    problem: Problem, crossed: Crossed, at: int, adjoint: _Adjoint
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives by the products of what is right of a level.

    Among the levels outside it and [X | y], shape (w, w, G), or (w, w) where there are no such
    levels; and with the columns of the block, by pattern, shape (w, m).
    """
    k, pattern = crossed.chain[at], crossed.patterns[at]
    side = 0.5 * adjoint.side[pattern.column].T
    outer = range(at + 1, len(crossed.chain))
    if not outer:
        return adjoint.total, side
    widths = [problem.stages[crossed.chain[j]].q for j in outer]
    width = sum(widths) + len(adjoint.total)
    out = np.zeros((width, width, pattern.n_groups))
    meets, first = [], 0
    for j, q in zip(outer, widths, strict=True):
        owner = crossed.parents[k, crossed.chain[j]]
        own = adjoint.levels[j][..., owner]
        place = slice(first, first + q)
        out[place, place] = own[:, :q]
        out[place, first + q :] = 0.5 * own[:, q:]
        out[first + q :, place] = 0.5 * np.swapaxes(own[:, q:], 0, 1)
        meets.append(0.5 * adjoint.meets[j][:, crossed.up[at, j]])
        first += q
    out[first:, first:] = adjoint.total[:, :, None]
    return out, np.concatenate([*meets, side])


def _contracted(right: np.ndarray, by_rest: np.ndarray) -> np.ndarray:
    same = by_rest.ndim == 2  # noqa: PLR2004 - for all groups
    how = "qdg,de->qeg" if same else "qdg,deg->qeg"
    return np.asarray(np.einsum(how, right, by_rest))
