"""Fitted values, residuals, and replicated or new responses of every draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.density import at_fitted, fitted_by_depth
from bayeslme.bayes.model_parameters import ModelParameters, Values
from bayeslme.engine import whiten
from bayeslme.engine.fitted import means_by_depth
from bayeslme.engine.prediction.residuals import colour_groups, n_numbers
from bayeslme.engine.problem import Problem


def new_effects(
    parameters: ModelParameters,
    values: Values,
    rng: np.random.Generator,
    shape: tuple[int, ...] = (),
) -> dict[str, np.ndarray]:
    """Draw random effects of new groups.

    Parameters
    ----------
    values : mapping of variable name to array (*shape, ...)

    Returns
    -------
    dict of group key to array (*shape, G, q), outermost first
    """
    return {
        level.key: level.level.correlated(
            rng.standard_normal((*shape, len(level.level.labels), level.q))
            @ np.swapaxes(np.asarray(level.factor(values)), -1, -2)
        )
        for level in parameters.levels
    }


def new_response(
    parameters: ModelParameters,
    values: Values,
    X: np.ndarray,
    Z: tuple[np.ndarray, ...],
    rng: np.random.Generator,
    effects: dict[str, np.ndarray] | None = None,
    offset: np.ndarray | None = None,
) -> np.ndarray:
    """Draw a response for new groups that look like the old ones.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to one draw
    X : array, shape (n, p)
    Z : tuple of arrays (n, q), outermost level first
    rng : Generator
    effects : dict of group key to array (G, q), optional
        Those of ``new_effects``; drawn here by default.
    offset : array, shape (n,), optional
        The design's by default.

    Returns
    -------
    array, shape (n,), design's row order
    """
    effects = new_effects(parameters, values, rng) if effects is None else effects
    fixed = X @ values["fixef"] + (parameters.design.offset if offset is None else offset)
    levels = zip(parameters.levels, Z, strict=True)
    own = ((z, effects[level.key], level.level.code) for level, z in levels)
    means = means_by_depth(fixed, own)
    return np.asarray(
        means[-1] + new_residuals(parameters, values, rng, at_fitted(parameters, means))
    )


def new_residuals(
    parameters: ModelParameters,
    values: Values,
    rng: np.random.Generator,
    problem: Problem | None = None,
    shape: tuple[int, ...] = (),
) -> np.ndarray:
    """Draw residuals of the model, shape (*shape, n), design's row order.

    Parameters
    ----------
    values : mapping of variable name to array (*shape, ...)
    problem : Problem, optional
        The model's, or that of ``at_fitted``.
    """
    problem = parameters.problem if problem is None else problem
    correlation, variance = parameters.row_parameters(values)
    eps = colour(problem, correlation, rng.standard_normal((*shape, problem.n)))
    if problem.variance is not None:
        eps = eps * np.exp(problem.variance.structure.log_sd(variance, problem.variance.coords))
    eps *= np.asarray(parameters.sigma_of(values))[..., None]
    if np.array_equal(problem.order, np.arange(problem.n)):
        return np.asarray(eps)
    out = np.empty_like(eps)
    out[..., problem.order] = eps
    return out


def colour(problem: Problem, correlation: np.ndarray | None, white: np.ndarray) -> np.ndarray:
    """Give independent rows their groups' correlations: the inverse of whitening.

    Parameters
    ----------
    correlation : array, shape (..., k), or None
        Natural parameters of the correlation structure.
    white : array, shape (..., n), sorted
    """
    if problem.correlation is None or correlation is None:
        return white
    return colour_groups(
        problem.correlation.structure, correlation, problem.correlation.coords, white
    )


def fitted(
    parameters: ModelParameters, values: Values, effects: Mapping[str, np.ndarray], depth: int
) -> np.ndarray:
    """Fitted values of every draw.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array (s, ...)
    effects : mapping of group key to array (s, G, q)
    depth : int
        Number of levels included, 0 for X beta.

    Returns
    -------
    array, shape (s, n), design's row order
    """
    levels = parameters.levels[:depth]
    each = ((one.level.Z, effects[one.key], one.level.code) for one in levels)
    return means_by_depth(values["fixef"] @ parameters.design.X.T + parameters.design.offset, each)[
        -1
    ]


def replicated(
    parameters: ModelParameters,
    values: Values,
    effects: Mapping[str, np.ndarray],
    chosen: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw replicated responses of the groups in the data.

    Parameters
    ----------
    chosen : int array, shape (r,)
        Which draws.

    Returns
    -------
    array, shape (r, n)
    """
    out = np.empty((len(chosen), parameters.problem.n))
    step = max(1, int(settings.POSTERIOR.numbers_per_batch // _n_numbers(parameters)))
    for first in range(0, len(chosen), step):
        own, piece = chosen[first : first + step], slice(first, first + step)
        some = {name: v[own] for name, v in values.items()}
        means = fitted_by_depth(parameters, some, {key: b[own] for key, b in effects.items()})
        here = at_fitted(parameters, means)
        new = new_residuals(parameters, some, rng, here, (len(own),))
        np.add(means[-1], new, out=out[piece])
    return out


def _n_numbers(parameters: ModelParameters) -> int:
    """Numbers a draw needs: its rows, and what correlates them."""
    correlation = parameters.problem.correlation
    more = 0 if correlation is None else n_numbers(correlation.structure, correlation.coords)
    return 4 * parameters.problem.n + int(more)


def replicated_new(
    parameters: ModelParameters, values: Values, chosen: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw responses of new groups with the design of the old ones, shape (r, n)."""
    own = {name: v[chosen] for name, v in values.items()}
    out = np.empty((len(chosen), parameters.problem.n))
    groups = sum(len(level.level.labels) * level.q for level in parameters.levels)
    step = max(1, int(settings.POSTERIOR.numbers_per_batch // (_n_numbers(parameters) + groups)))
    for first in range(0, len(chosen), step):
        at = slice(first, first + step)
        some = {name: v[at] for name, v in own.items()}
        effects = new_effects(parameters, some, rng, (len(out[at]),))
        out[at] = replicated(parameters, some, effects, np.arange(len(out[at])), rng)
    return out


def log_sd(parameters: ModelParameters, values: Values, problem: Problem) -> np.ndarray:
    """Log residual standard deviation relative to sigma, (s, n) or (1, n), design's row order."""
    if problem.variance is None:
        return np.zeros((1, problem.n))
    _, variance = parameters.row_parameters(values)
    sorted_ = np.atleast_2d(problem.variance.structure.log_sd(variance, problem.variance.coords))
    out: np.ndarray = np.empty_like(sorted_)
    out[:, problem.order] = sorted_
    return out


def scaled(
    parameters: ModelParameters, values: Values, problem: Problem, residual: np.ndarray, type: str
) -> np.ndarray:
    """Residuals of one type from those of the response.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array (s, ...)
    problem : Problem
        At these draws; see ``problem_of_draws``.
    residual : array, shape (s, n), design's row order
    type : {"response", "pearson", "normalized"}

    Returns
    -------
    array, shape (s, n), design's row order
    """
    if type == "response":
        return residual
    standard = residual / parameters.sigmas(values)[:, None]
    if type == "pearson":
        return np.asarray(standard / np.exp(log_sd(parameters, values, problem)))
    columns = standard[:, None, problem.order]
    white = whiten(problem, *parameters.row_parameters(values), columns=columns).columns
    out: np.ndarray = np.empty_like(standard)
    out[:, problem.order] = white[:, 0, :]
    return out
