"""Where the search of a crossed model begins, and with which curvature."""

from __future__ import annotations

import numpy as np

from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.settings import OPTIMISER
from bayeslme.engine.search.starts import generic_start, scales


def crossed_candidates(problem: Problem, *, wide: bool) -> np.ndarray:
    """Starting values (s, k), the first by moments; more of them where evaluations are cheap."""
    first = moment_start(problem)
    if not wide:
        return first[None]
    return np.stack(
        [first, *(generic_start(problem, size) for size in CROSSED.other_start_factors)]
    )


def moment_start(problem: Problem) -> np.ndarray:
    """Sizes of the effects from the analysis of variance of each factor alone, (k,)."""
    y = problem.source.all()[-1]
    total = float(np.mean(y**2))
    codes = () if problem.crossed is None else problem.crossed.code
    variances = [_between(y, code, total) for code in codes]
    left = max(total - sum(variances), CROSSED.min_residual_share * total)
    start = generic_start(problem, 1.0)
    for stage, variance in zip(problem.stages, variances, strict=True):
        if stage.structure.value is None:
            start[stage.theta] *= float(
                np.clip(
                    np.sqrt(variance / left), CROSSED.min_moment_factor, CROSSED.max_moment_factor
                )
            )
    return start


def _between(y: np.ndarray, code: np.ndarray, total: float) -> float:
    """Variance between groups by the mean squares of a one-way analysis."""
    counts = np.bincount(code)
    groups, n = len(counts), len(y)
    between = float(np.sum(np.bincount(code, y) ** 2 / counts))
    within = max(n * total - between, 0.0) / max(n - groups, 1)
    typical = (n - float(np.sum(counts.astype(float) ** 2)) / n) / max(groups - 1, 1)
    return max((between / max(groups - 1, 1) - within) / typical, 0.0)


def inverse_curvature(likelihood: Likelihood, theta: np.ndarray) -> np.ndarray:
    """Inverse Hessian (k, k) of minus the log-likelihood to begin with.

    G effects tell the logarithm of their size with variance 1 / (2 G); row parameters are asked.
    """
    problem, out = likelihood.problem, np.ones(len(theta))
    for stage in problem.stages:
        size = np.max(np.abs(theta[stage.theta]), initial=0.1)
        out[stage.theta] = size**2 / (2.0 * stage.n_groups)
    first = problem.theta_correlation.start
    if first == len(theta):
        return np.diag(out)
    scale = scales(problem)
    step = OPTIMISER.difference_step * np.maximum(scale, np.abs(theta))
    moves = np.diag(step)[first:]
    values = likelihood(np.concatenate([theta[None], theta + moves, theta - moves]))
    up, down = np.split(values[1:], 2)
    with np.errstate(invalid="ignore"):
        curve = -(up - 2.0 * values[0] + down) / step[first:] ** 2
        slope = (up - down) / (2.0 * step[first:])
    floor = np.maximum(
        CROSSED.min_relative_curvature * np.abs(slope) / scale[first:], 1e-3 / scale[first:] ** 2
    )
    out[first:] = 1.0 / np.where(np.isfinite(curve), np.maximum(curve, floor), 1.0)
    return np.diag(out)
