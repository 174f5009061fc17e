"""Likelihoods that are flat along a line, and the point that a search then returns.

Where a random effect is confounded with the residuals or with another term, the likelihood is
constant along a curve, and where a search ends on it is arbitrary. The result is then the point
that nlme's documented start leads to: every effect has a relative precision factor of 0.375 times
the root of the sum of squares of its column per group, followed by 25 iterations of the EM
algorithm for independent rows (Laird and Ware 1982; Pinheiro and Bates 2000, section 2.2.8). EM
moves towards the curve and not along it, so that a parameter on which the data have no information
keeps its start.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayeslme.engine.likelihood.likelihood import Likelihood, profile
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.optimise import Optimum, gradient, second_differences
from bayeslme.engine.search.settings import DEGENERACY
from bayeslme.engine.search.starts import scales


def flat_moves(likelihood: Likelihood, end: Optimum) -> np.ndarray:
    """Return short moves (m, k) from an optimum along which the likelihood does not change.

    Parameters
    ----------
    likelihood : Likelihood
    end : Optimum
        Of it.
    """
    size = np.maximum(scales(likelihood.problem), np.abs(end.theta))
    if end.hessian is not None and end.hessian.shape == (len(size), len(size)):
        curved = np.linalg.eigvalsh(-end.hessian * size * size[:, None])
        if np.all(curved > DEGENERACY.clear_multiple * DEGENERACY.flat_curvature):
            return np.zeros((0, len(size)))
    large = (
        likelihood.n_numbers >= DEGENERACY.large_numbers
        or len(end.theta) > DEGENERACY.many_parameters
    )
    if large and likelihood.problem.crossed is not None:
        return np.zeros((0, len(end.theta)))  # two names of one factor are refused before
    if large and not _suspect(likelihood, end):
        return np.zeros((0, len(end.theta)))
    if likelihood.problem.crossed is None:
        hessian = second_differences(
            lambda u: likelihood(end.theta + size * u), len(size), DEGENERACY.curvature_step
        )
    else:
        from bayeslme.engine.crossed.gradient import hessian_of

        hessian = np.outer(size, size) * hessian_of(
            likelihood, end.theta, DEGENERACY.curvature_step * size
        )
    if not np.all(np.isfinite(hessian)):
        return np.zeros((0, len(size)))
    values, directions = np.linalg.eigh(hessian)
    least = (
        DEGENERACY.flat_curvature
        + DEGENERACY.value_rounding * abs(end.value) / DEGENERACY.curvature_step**2
    )
    return np.asarray(DEGENERACY.curvature_step * size * directions[:, np.abs(values) < least].T)


def _suspect(likelihood: Likelihood, end: Optimum) -> bool:
    """Whether a variance is confounded by the counts of groups, or flat along its own size."""
    stages = likelihood.problem.stages
    counts = [1, *(stage.n_groups for stage in stages[::-1]), likelihood.problem.n]
    if len(set(counts)) < len(counts):
        return True
    shares = np.ones((2 * len(stages), len(end.theta)))
    for k, stage in enumerate(stages):
        shares[2 * k : 2 * k + 2, stage.theta] += np.array(
            [[DEGENERACY.curvature_step], [-DEGENERACY.curvature_step]]
        )
    if not len(shares):
        return False
    curved = likelihood(end.theta * shares).reshape(-1, 2).sum(axis=1) - 2 * end.value
    return bool(
        np.any(
            np.abs(curved)
            < DEGENERACY.flat_curvature * DEGENERACY.curvature_step**2
            + DEGENERACY.value_rounding * abs(end.value)
        )
    )


def move_effects(likelihood: Likelihood, end: Optimum, moves: np.ndarray) -> bool:
    """Whether the covariance of a random effect changes along one of the moves (m, k)."""
    sides = (likelihood.factors(end.theta + sign * moves) for sign in (1.0, -1.0))
    changes = [
        np.max(np.abs(_square(up) - _square(down)), initial=0.0)
        for up, down in zip(*sides, strict=True)
    ]
    return max(changes, default=0.0) > DEGENERACY.covariance_change * DEGENERACY.curvature_step


def reference_start(likelihood: Likelihood) -> np.ndarray:
    """Return nlme's start (k,): effects after EM, structures at the values they begin with."""
    problem = likelihood.problem
    plain = Likelihood(_without_rows(problem), likelihood.method, likelihood.sigma)
    theta = default_start(problem)
    effects = theta[: problem.theta_correlation.start]
    for _ in range(DEGENERACY.em_steps if problem.stages else 0):
        last, effects = effects, _em(plain, effects)
        if np.allclose(effects, last, rtol=DEGENERACY.em_tolerance, atol=0.0):
            break
    return np.concatenate([effects, theta[len(effects) :]])


def default_start(problem: Problem) -> np.ndarray:
    """Every parameter (k,) where nlme documents that it begins."""
    effects = [_begun(problem, k) for k in range(len(problem.stages))]
    rows = (bound.start for _, bound, _ in problem.row_structures)
    return np.concatenate([np.zeros(0), *effects[::-1], *rows])


def kept(likelihood: Likelihood, end: Optimum, start: np.ndarray) -> Optimum:
    """Return the starts of parameters that are not identified while the others are held.

    A search moves them by rounding.
    """
    stages = likelihood.problem.stages
    blocks = [np.arange(s.theta.start, s.theta.stop) for s in stages]
    choices = [*blocks, *np.arange(len(end.theta))[:, None]]
    trials = np.repeat(end.theta[None], len(choices), axis=0)
    for trial, chosen in zip(trials, choices, strict=True):
        trial[chosen] = start[chosen]
    free = np.abs(likelihood(trials) - end.value) < DEGENERACY.equal_loglik
    theta, value = end.theta.copy(), end.value
    for k in np.flatnonzero(free):
        trial = theta.copy()
        trial[choices[k]] = start[choices[k]]
        got = float(likelihood(trial[None])[0])
        if abs(got - end.value) < DEGENERACY.equal_loglik:
            theta, value = trial, got
    return replace(end, theta=theta, value=value)


def _square(factor: np.ndarray) -> np.ndarray:
    return np.asarray(factor @ np.swapaxes(factor, -1, -2))


def _without_rows(problem: Problem) -> Problem:
    """The same random effects with independent rows of one variance."""
    end = slice(problem.theta_correlation.start, problem.theta_correlation.start)
    return replace(
        problem, correlation=None, variance=None, theta_correlation=end, theta_variance=end
    )


def _begun(problem: Problem, k: int) -> np.ndarray:
    """Return the entries of theta of level ``k`` (innermost 0) with which EM begins."""
    stage = problem.stages[k]
    if getattr(stage.structure, "value", None) is not None:
        return stage.structure.nearest(np.asarray(stage.structure.value), stage.basis)
    at = sum(one.q for one in problem.stages[:k])
    own = stage.basis.T @ problem.columns[at : at + stage.q]
    squares = np.sum(np.square(own), axis=1) / stage.n_groups
    precision = np.where(squares > 0.0, DEGENERACY.start_precision**2 * squares, 1.0)
    return stage.structure.nearest(np.diag(1.0 / precision), stage.basis)


def _em(likelihood: Likelihood, theta: np.ndarray) -> np.ndarray:
    """Take one EM step: each level's covariance from the expected squares of its effects.

    By Fisher's identity that is Psi + (2 / G) Psi l'(Psi) Psi with the slope of the log-likelihood,
    which is A (I + A' l'(A) / G) A' for Psi = A A'.
    """
    stages, factors = likelihood.problem.stages, likelihood.factors(theta[None])
    known = likelihood.grams.at(None, None)
    sizes = [f.size for f in factors]

    def at(entries: np.ndarray) -> np.ndarray:
        pieces = np.split(entries, np.cumsum(sizes)[:-1], axis=1)
        trial = tuple(p.reshape(-1, *f.shape[1:]) for p, f in zip(pieces, factors, strict=True))
        e = likelihood.grams.reduce(known, trial)
        rows = known.half_logdet, likelihood.method, likelihood.sigma
        return np.asarray(profile(likelihood.problem, e, *rows).loglik)

    flat = np.concatenate([f.ravel() for f in factors])
    slopes = np.split(gradient(at, flat, np.ones_like(flat))[1], np.cumsum(sizes)[:-1])
    out = np.empty_like(theta)
    for stage, factor, slope in zip(stages, factors, slopes, strict=True):
        a = factor[0]
        step = a.T @ slope.reshape(a.shape) / stage.n_groups
        psi = a @ (np.eye(stage.q) + (step + step.T) / 2) @ a.T
        inverse = np.linalg.inv(stage.basis)
        out[stage.theta] = stage.structure.nearest(inverse @ psi @ inverse.T, stage.basis)
    return out
