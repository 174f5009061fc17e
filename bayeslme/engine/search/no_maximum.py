"""Likelihoods without a maximum, on which a search does not converge.

Three kinds are recognised. First, random effects that reproduce the response: the residual variance
goes to zero, and the density has no bound.

Second, rows that the coefficients reproduce exactly and that have a standard deviation of their
own, such as responses that are all equal in one stratum of varIdent, or rows where the covariate of
varConstPower is zero. The density of such rows has no bound, at whichever local maximum a search
ends. Rows that are not more than the coefficients are left out of this: under ML they can always be
reproduced, while REML integrates the coefficients out, and a search converges or not.

Third, unstructured correlations of more positions than there are groups to estimate them from. With
m positions and g groups that have all of them there are vectors v in R^m orthogonal to the g
residuals. If a correlation matrix can have v in its null space, as some can where two dimensions
are left, the likelihood grows without bound on the way to it: log|C| falls, and the sum of squares
does not rise. REML integrates the coefficients out, which takes back as much as the X'v of the
groups have rank, unless v is orthogonal to X as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bayeslme.engine.likelihood.likelihood import Likelihood, Method
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.optimise import Optimum
from bayeslme.engine.search.reproduced import without_rest
from bayeslme.engine.search.settings import DEGENERACY
from bayeslme.errors import FitError
from bayeslme.structures import Bound, CorrelationGroups


def exact_rows(problem: Problem) -> np.ndarray | None:
    """Return sorted places (m,) of rows that make the likelihood unbounded; None without any.

    Parameters
    ----------
    problem : Problem
    """
    bound = problem.variance
    if bound is None or not len(bound.free):
        return None
    limit = DEGENERACY.reproduced_residual * problem.source.rest() / np.sqrt(problem.n)
    kinds = (False, True) if problem.stages else (False,)
    for low in vanishing(bound, problem.n):
        rows = np.flatnonzero(low)
        if any(_reproduced(problem, rows, limit, effects) for effects in kinds):
            return rows
    return None


def vanishing(bound: Bound, n: int) -> Iterator[np.ndarray]:
    """Return sets (n,) of rows whose standard deviation can go to zero relative to all others."""
    k = len(bound.free)
    moves = (
        np.concatenate([-np.eye(k), np.eye(k), np.ones((int(k > 1), k))])
        * bound.scale
        * DEGENERACY.distant_scales
    )
    step = max(1, int(DEGENERACY.batch_numbers // n))
    for first in range(0, len(moves), step):
        some = moves[first : first + step]
        with np.errstate(all="ignore"):  # a power may overflow: that is no set
            near, far = (
                bound.structure.log_sd(bound.natural(bound.start + m * some), bound.coords)
                for m in (1.0, 2.0)
            )
            rates = (far - near) / DEGENERACY.distant_scales
        for rate in rates[np.isfinite(rates).all(axis=1)]:
            low = np.abs(rate - rate.min()) < DEGENERACY.equal_rates
            if not low.all() and np.all(low | (np.abs(rate - rate.max()) < DEGENERACY.equal_rates)):
                yield low


def _reproduced(problem: Problem, rows: np.ndarray, limit: float, effects: bool) -> bool:
    """Whether coefficients, fewer than there are rows, reproduce them; some of the rows first.

    With or without ``effects`` that are random: their variance can be zero, too.
    """
    count = min(DEGENERACY.first_rows, len(rows))
    while True:
        some = rows[:count]
        columns = _coefficients(problem, some, effects)
        if columns is None:
            return False
        y = problem.columns[-1, some]
        coef, _, rank, _ = np.linalg.lstsq(columns, y, rcond=None)
        if not np.max(np.abs(y - columns @ coef)) < limit:
            return False
        if count == len(rows):
            return bool(count > rank)
        count = min(2 * count, len(rows))


def _coefficients(problem: Problem, rows: np.ndarray, effects: bool) -> np.ndarray | None:
    """Columns (m, c) of fixed, and random, effects of these rows; None where they are many."""
    known, at = problem.columns, 0
    blocks = [known[-1 - problem.p : -1, rows].T]
    for k, stage in enumerate(problem.stages if effects else ()):
        group = problem.group_of(k, rows)
        own, place = np.unique(group, return_inverse=True)
        if len(rows) * len(own) * stage.q > DEGENERACY.max_coefficient_numbers:
            return None
        z = known[at : at + stage.q, rows].T
        member = np.eye(len(own))[place]
        blocks.append((member[:, :, None] * z[:, None, :]).reshape(len(rows), -1))
        at += stage.q
    return np.concatenate(blocks, axis=1)


def require_bound(likelihood: Likelihood, end: Optimum) -> None:
    """Raise where the likelihood has no maximum.

    Parameters
    ----------
    likelihood : Likelihood
    end : Optimum
        Of a search.

    Raises
    ------
    FitError
        Names the random effects or the variance function.
    """
    exact = exact_rows(likelihood.problem)
    if exact is not None:
        raise _without_bound(likelihood, len(exact))
    _require_scatter(likelihood, end)
    if not end.converged:
        _require_residuals(likelihood, end)


def _require_scatter(likelihood: Likelihood, end: Optimum) -> None:
    """Raise where the standard deviation of some rows has gone to zero and of others has not."""
    problem = likelihood.problem
    bound = problem.variance
    if bound is None or not len(bound.free):
        return

    def at(theta: np.ndarray) -> np.ndarray:
        _, par = likelihood.row_parameters(theta)
        return np.asarray(bound.structure.log_sd(par, bound.coords))

    with np.errstate(over="ignore", invalid="ignore"):
        log_sd = at(end.theta)
    low = log_sd - np.median(log_sd) < np.log(DEGENERACY.exact_sd)
    if not low.any():
        return
    sigma = float(likelihood.profile(end.theta).sigma)
    sd = sigma * np.exp(log_sd[low] - log_sd.mean())
    exact = (
        not np.min(sd) * np.sqrt(problem.n) > DEGENERACY.exact_sd * problem.source.rest()
    )  # NaN too
    if exact and _grows_with_low_rows(likelihood, end, at, low):
        raise _without_bound(likelihood, int(low.sum()))


def _without_bound(likelihood: Likelihood, rows: int) -> FitError:
    variance = likelihood.problem.variance
    name = "weights" if variance is None else variance.structure.r_name
    return FitError(
        f"{name}: the likelihood has no maximum: it grows without bound as the standard deviation "
        f"of {rows} of the rows, which the model fits exactly, goes to zero; give them no variance "
        "or no coefficients of their own, or leave them out"
    )


def _grows_with_low_rows(
    likelihood: Likelihood,
    end: Optimum,
    log_sd: Callable[[np.ndarray], np.ndarray],
    low: np.ndarray,
) -> bool:
    """Whether the likelihood grows as the standard deviation of these rows falls."""
    place = likelihood.problem.theta_variance
    moves = np.eye(len(end.theta))[place]
    slopes = [log_sd(end.theta + move) - log_sd(end.theta - move) for move in moves]
    columns = np.stack([*(slope / 2 for slope in slopes), np.ones(len(low))], axis=1)
    steps = np.linalg.lstsq(columns, DEGENERACY.backward_step * low, rcond=None)[0][:-1]
    return (
        not end.value - likelihood((end.theta + steps @ moves)[None])[0] < DEGENERACY.unbounded_gain
    )  # NaN too


def _require_residuals(likelihood: Likelihood, end: Optimum) -> None:
    """Raise where the random effects have replaced the residuals."""
    problem = likelihood.problem
    sigma = float(likelihood.profile(end.theta).sigma)
    gone = sigma * np.sqrt(problem.n) < DEGENERACY.exact_sd * problem.source.rest()
    gone = gone and any(stage.filled is not None for stage in problem.stages)
    for k, stage in enumerate(problem.stages):
        further = end.theta.copy()
        further[stage.theta] *= DEGENERACY.further_multiple
        if gone or likelihood(further[None])[0] > end.value + DEGENERACY.unbounded_gain:
            raise without_rest(problem, k)


def require_groups(problem: Problem, method: Method) -> None:
    """Raise where an unstructured correlation has too few groups to have a maximum.

    Parameters
    ----------
    problem : Problem
    method : {"REML", "ML", "OLS"}

    Raises
    ------
    FitError
        Names the structure, its positions and their groups.
    """
    bound = problem.correlation
    if bound is None or not len(bound.free) or not bound.structure.unstructured:
        return
    for groups, at in bound.coords.by_level():
        rows = at[_complete_groups(groups)]
        g, m = rows.shape
        if g <= m - DEGENERACY.null_dimensions and _grows_under_reml(problem, rows, method):
            those = "group has" if g == 1 else "groups have"
            msg = (
                f"{bound.structure.r_name}: {g} {those} all of {m} positions, too few for "
                f"{m * (m - 1) // 2} correlations: the likelihood has no maximum; use a structure "
                "of few parameters (corAR1, corCompSymm, corExp), or merge positions"
            )
            raise FitError(msg)


def _complete_groups(coords: CorrelationGroups) -> np.ndarray:
    """Sorted rows (g, m) of the groups that have all positions of the largest group."""
    largest = int(np.argmax(coords.sizes))
    m = coords.sizes[largest]
    of = [coords.starts[k] + np.arange(m) for k in np.flatnonzero(coords.sizes == m)]
    here = coords.position[coords.starts[largest] + np.arange(m), 0]
    return np.array([rows for rows in of if np.array_equal(coords.position[rows, 0], here)])


def _grows_under_reml(problem: Problem, rows: np.ndarray, method: Method) -> bool:
    """Whether what REML takes back is less than the likelihood gains."""
    if method != "REML":
        return True
    g, m = rows.shape
    x = problem.columns[-1 - problem.p : -1][:, rows]  # (p, g, m)
    along = x @ np.random.default_rng(0).standard_normal(m)
    if np.linalg.matrix_rank(along) < g:
        return True
    return bool(np.linalg.matrix_rank(x.reshape(-1, m)) + g <= m - DEGENERACY.null_dimensions)
