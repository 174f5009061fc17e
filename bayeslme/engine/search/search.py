"""The search for the global maximum of a likelihood.

The search starts from the best of the built-in starting values and ends at a local maximum. It is
then asked whether the likelihood has another one (`local_maxima`), and every one that is found is
climbed, until there is no further. So the result does not depend on which starting value was the
best.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayeslme.engine.crossed.starts import crossed_candidates, inverse_curvature
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.search.conventions import normalised, to_boundary, to_end, upright
from bayeslme.engine.search.flat import (
    default_start,
    flat_moves,
    kept,
    move_effects,
    reference_start,
)
from bayeslme.engine.search.kinks import settle
from bayeslme.engine.search.local_maxima import other_maxima, unseen
from bayeslme.engine.search.no_maximum import require_bound
from bayeslme.engine.search.optimise import Optimum, maximise
from bayeslme.engine.search.settings import SEARCH
from bayeslme.engine.search.starts import candidates, scales
from bayeslme.errors import FitError


@np.errstate(over="ignore", invalid="ignore")  # out there the likelihood is not defined
def search(
    likelihood: Likelihood,
    *,
    max_iter: int,
    start: np.ndarray | None = None,
    grid: np.ndarray | None = None,
    around: bool = True,
    inverse: np.ndarray | None = None,
) -> Optimum:
    """Maximise a likelihood.

    Parameters
    ----------
    likelihood : Likelihood
    max_iter : int
        Of one climb.
    start : array, shape (k,), optional
        Starting value; the candidates are then only looked at.
    grid : array, shape (s, k), optional
        Candidates in place of the built-in ones.
    around : bool
        Look for other local maxima from the top of the first.
    inverse : array, shape (k, k), optional
        Of minus the Hessian, to begin the climb from ``start`` with.

    Raises
    ------
    FitError
        Where the likelihood is not defined at ``start``, or has no maximum.
    """
    near = _near(likelihood, max_iter, around=around) if start is None and grid is None else None
    if near is not None:
        best = climb(likelihood, near.theta, max_iter, inverse=near.inverse)
        best = replace(best, hessian=near.hessian)
    else:
        best = _highest(likelihood, max_iter, start, grid, inverse, around=around)
    best = to_boundary(likelihood, best)
    if around and best.theta.size:
        if not best.converged:
            best = settle(likelihood, best, max_iter)
        require_bound(likelihood, best)
        if best.converged:
            best = _off_ridges(likelihood, best, max_iter)
    return normalised(likelihood, upright(likelihood, to_end(likelihood, best)))


def _near(likelihood: Likelihood, max_iter: int, *, around: bool) -> Optimum | None:
    """Search on a sample of very many groups; None where its end cannot be relied on.

    A variance that some groups do not tell from zero may be one that all of them do, and zero is a
    point from which no climb gets away.
    """
    few = likelihood.thinned()
    if few is None:
        return None
    near = _highest(few, max_iter, around=around)
    sizes = [np.linalg.svd(a, compute_uv=False).min() for a in few.factors(near.theta)]
    return near if near.converged and min(sizes) > SEARCH.min_clear_factor else None


def _highest(
    likelihood: Likelihood,
    max_iter: int,
    start: np.ndarray | None = None,
    grid: np.ndarray | None = None,
    inverse: np.ndarray | None = None,
    *,
    around: bool,
) -> Optimum:
    """Return the higher end of two searches: from the best start, and from another maximum."""
    looks = (
        around
        and likelihood.problem.size > 0
        and likelihood.n_numbers < SEARCH.max_parallel_numbers
    )
    starts = np.zeros((0, likelihood.problem.size))
    if start is None or looks:
        starts = _candidates(likelihood) if grid is None else _ranked(likelihood, grid)
    if start is not None:
        given = np.asarray(start, float)[None]
        if not np.isfinite(likelihood(given)[0]):
            msg = "start: the likelihood is not defined at this starting value; give another"
            raise FitError(msg)
        starts = np.concatenate([given, starts])
    first = starts[0] if start is not None else _better(likelihood, starts[0])
    best = climb(likelihood, first, max_iter, inverse=None if start is None else inverse)
    return _look_around(likelihood, best, starts[1:], max_iter) if looks else best


def _better(likelihood: Likelihood, start: np.ndarray) -> np.ndarray:
    """Return the start, or what Fisher scoring makes of it where that is higher."""
    scored = likelihood.scored(start)
    if scored is start:
        return start
    before, after = likelihood(np.stack([start, scored]))
    return scored if after > before else start


def _off_ridges(likelihood: Likelihood, best: Optimum, max_iter: int) -> Optimum:
    """Return the point that nlme's start leads to where the likelihood is flat along a line."""
    moves = flat_moves(likelihood, best)
    if not len(moves):
        return best
    if not move_effects(likelihood, best, moves):
        return kept(likelihood, best, default_start(likelihood.problem))
    start = reference_start(likelihood)
    end = kept(likelihood, climb(likelihood, start, max_iter), start)
    return end if end.converged and end.value > best.value - SEARCH.equal_loglik else best


def _candidates(likelihood: Likelihood) -> np.ndarray:
    """Return the built-in starting values (s, k), best first."""
    problem = likelihood.problem
    if problem.crossed is None:
        return _ranked(likelihood, candidates(problem))
    wide = likelihood.n_numbers < SEARCH.max_parallel_numbers
    starts = crossed_candidates(problem, wide=wide)
    return _ranked(likelihood, starts) if wide else starts


def _ranked(likelihood: Likelihood, starts: np.ndarray) -> np.ndarray:
    """Sort starting values (s, k), best first, after shrinking them until one is defined."""
    for _ in range(SEARCH.max_shrinkings):
        values = likelihood(starts)
        if np.isfinite(values).any():
            break
        starts = starts / 2
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")
    return np.asarray(starts[order])


def climb(
    likelihood: Likelihood,
    start: np.ndarray,
    max_iter: int,
    tol: float = 1e-9,
    inverse: np.ndarray | None = None,
) -> Optimum:
    """Maximise from one starting value, to the local maximum that it belongs to."""
    scale = scales(likelihood.problem)
    if likelihood.problem.crossed is not None and len(start):
        return _ascend(likelihood, start, scale, max_iter, tol, inverse)
    wide = likelihood.n_numbers < SEARCH.max_parallel_numbers
    return maximise(
        likelihood, start, scale, max_iter=max_iter, tol=tol, wide=wide, inverse=inverse
    )


def _ascend(
    likelihood: Likelihood,
    start: np.ndarray,
    scale: np.ndarray,
    max_iter: int,
    tol: float,
    inverse: np.ndarray | None,
) -> Optimum:
    """Maximise with the exact gradient of a crossed model."""
    from bayeslme.engine.crossed.gradient import value_and_gradient
    from bayeslme.engine.search.ascent import ascend

    if inverse is None:
        inverse = inverse_curvature(likelihood, start)

    def f(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return value_and_gradient(likelihood, theta)

    return ascend(
        f, start, scale, inverse, max_iter=max_iter, tol=min(tol, 1.0) * SEARCH.exact_gradient_share
    )


def _look_around(
    likelihood: Likelihood, best: Optimum, starts: np.ndarray, max_iter: int
) -> Optimum:
    """Look for other local maxima, and return the highest that is found.

    A sound end is better than one that is not; among ends of one kind the higher one is better. So
    an end at which nothing is defined never takes the place of one with a likelihood.
    """
    sound = _sound(likelihood, best)
    others, seen = unseen(likelihood.problem, starts), starts[: SEARCH.max_line_starts]
    for _ in range(SEARCH.max_rounds):
        before, looked = best, sound
        points = (
            other_maxima(likelihood, likelihood.problem, best.theta, seen)
            if sound
            else np.concatenate([_inside(likelihood, best.theta)[None], seen])
        )
        points, others = np.concatenate([points[: SEARCH.max_climbs_per_round], others]), others[:0]
        for point in points:
            rough = climb(
                likelihood, point, min(SEARCH.rough_iterations, max_iter), SEARCH.rough_tolerance
            )
            if sound and (
                rough.value < best.value - SEARCH.max_deficit
                or _same_maximum(likelihood, best, rough)
            ):
                continue
            end = climb(likelihood, rough.theta, max_iter)
            if _merit(end) > _merit(best) or (not sound and np.isfinite(end.value)):
                trusted = _sound(likelihood, end)
                if trusted > sound or (trusted == sound and _merit(end) > _merit(best)):
                    best, sound = end, trusted
        if looked and best.value <= before.value + SEARCH.max_deficit * 1e-2:
            break
    return best


def _same_maximum(likelihood: Likelihood, best: Optimum, rough: Optimum) -> bool:
    """Whether the likelihood never falls on the line between two ends of searches."""
    if rough.value > best.value:
        return False
    way = rough.theta + np.array(SEARCH.path_fractions)[:, None] * (best.theta - rough.theta)
    values = np.concatenate([[rough.value], likelihood(way), [best.value]])
    return bool(np.all(np.diff(values) >= -SEARCH.equal_loglik))


def _sound(likelihood: Likelihood, end: Optimum) -> bool:
    """Whether a value is more than rounding, which is all there is beside a singular matrix."""
    signs = (-1.0) ** np.arange(len(end.theta))
    near = likelihood(
        end.theta * (1 + SEARCH.soundness_step * np.stack([signs, -signs, 2 * signs, -2 * signs]))
    )
    bent = near[2:] - 2 * near[:2] + end.value  # to each side by itself: there may be a kink
    if not np.max(np.abs(bent)) < SEARCH.soundness_tolerance:  # NaN is not
        return False
    inside = _inside(likelihood, end.theta)
    if np.array_equal(inside, end.theta):
        return True
    return (
        climb(likelihood, inside, SEARCH.rough_iterations).value
        > end.value - SEARCH.soundness_tolerance
    )


def _inside(likelihood: Likelihood, theta: np.ndarray) -> np.ndarray:
    """Return theta with correlations moved inwards where they are at an end of their range."""
    out, place = theta.copy(), likelihood.problem.theta_correlation
    out[place] = np.clip(out[place], -SEARCH.max_free_correlation, SEARCH.max_free_correlation)
    return out


def _merit(end: Optimum) -> float:
    return end.value + (SEARCH.equal_loglik if end.converged else 0.0)
