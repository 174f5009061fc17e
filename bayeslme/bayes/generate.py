"""New data from parameters: random effects of new groups and correlated residuals."""

from __future__ import annotations

import numpy as np

from bayeslme.bayes.fitted_variance import at_fitted
from bayeslme.bayes.layout import Layout, Values
from bayeslme.engine.colouring import colour_groups
from bayeslme.engine.problem import Problem


def new_effects(
    layout: Layout, values: Values, rng: np.random.Generator, shape: tuple[int, ...] = ()
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
        level.key: rng.standard_normal((*shape, len(level.level.labels), level.q))
        @ np.swapaxes(np.asarray(level.factor(values)), -1, -2)
        for level in layout.levels
    }


def new_response(
    layout: Layout,
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
    layout : Layout
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
    effects = new_effects(layout, values, rng) if effects is None else effects
    means = [X @ values["fixef"] + (layout.design.offset if offset is None else offset)]
    for level, z in zip(layout.levels, Z, strict=True):
        own = effects[level.key][level.level.code]
        means.append(means[-1] + np.einsum("nq,nq->n", z, own))
    return np.asarray(means[-1] + new_residuals(layout, values, rng, at_fitted(layout, means)))


def new_residuals(
    layout: Layout,
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
        The layout's, or that of ``at_fitted``.
    """
    problem = layout.problem if problem is None else problem
    cor, var = layout.row_parameters(values)
    eps = colour(problem, cor, rng.standard_normal((*shape, problem.n)))
    if problem.variance is not None:
        eps = eps * np.exp(problem.variance.structure.log_sd(var, problem.variance.coords))
    out = np.empty_like(eps)
    out[..., problem.order] = eps * np.asarray(layout.sigma_of(values))[..., None]
    return out


def colour(problem: Problem, cor: np.ndarray | None, white: np.ndarray) -> np.ndarray:
    """Give independent rows their groups' correlations: the inverse of whitening.

    Parameters
    ----------
    cor : array, shape (..., k), or None
        Natural parameters of the correlation structure.
    white : array, shape (..., n), sorted
    """
    if problem.correlation is None or cor is None:
        return white
    return colour_groups(problem.correlation.structure, cor, problem.correlation.coords, white)
