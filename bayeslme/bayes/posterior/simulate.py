"""Fitted values, residuals and replicated responses of every draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayeslme.bayes.fitted_variance import at_fitted, fitted_by_depth
from bayeslme.bayes.generate import new_effects, new_residuals
from bayeslme.bayes.layout import Layout, Values
from bayeslme.engine import whiten
from bayeslme.engine.colouring import cells
from bayeslme.engine.problem import Problem

MOST_CELLS = 1e7  # of one batch of draws


def fitted(
    layout: Layout, values: Values, effects: Mapping[str, np.ndarray], depth: int
) -> np.ndarray:
    """Fitted values of every draw.

    Parameters
    ----------
    layout : Layout
    values : mapping of variable name to array (s, ...)
    effects : mapping of group key to array (s, G, q)
    depth : int
        Number of levels included, 0 for X beta.

    Returns
    -------
    array, shape (s, n), design's row order
    """
    out = values["fixef"] @ layout.design.X.T + layout.design.offset
    for level in layout.levels[:depth]:
        out = out + np.einsum("nq,snq->sn", level.level.Z, effects[level.key][:, level.level.code])
    return np.asarray(out)


def replicated(
    layout: Layout,
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
    out = np.empty((len(chosen), layout.problem.n))
    step = max(1, int(MOST_CELLS // _cells(layout)))
    for first in range(0, len(chosen), step):
        own, piece = chosen[first : first + step], slice(first, first + step)
        some = {name: v[own] for name, v in values.items()}
        means = fitted_by_depth(layout, some, {key: b[own] for key, b in effects.items()})
        here = at_fitted(layout, means)
        out[piece] = means[-1] + new_residuals(layout, some, rng, here, (len(own),))
    return out


def _cells(layout: Layout) -> int:
    """Numbers a draw needs: its rows, and what correlates them."""
    bound = layout.problem.correlation
    more = 0 if bound is None else cells(bound.structure, bound.coords)
    return 4 * layout.problem.n + int(more)


def replicated_new(
    layout: Layout, values: Values, chosen: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw responses of new groups with the design of the old ones, shape (r, n)."""
    own = {name: v[chosen] for name, v in values.items()}
    out = np.empty((len(chosen), layout.problem.n))
    groups = sum(len(level.level.labels) * level.q for level in layout.levels)
    step = max(1, int(MOST_CELLS // (_cells(layout) + groups)))
    for first in range(0, len(chosen), step):
        at = slice(first, first + step)
        some = {name: v[at] for name, v in own.items()}
        effects = new_effects(layout, some, rng, (len(out[at]),))
        out[at] = replicated(layout, some, effects, np.arange(len(out[at])), rng)
    return out


def log_sd(layout: Layout, values: Values, problem: Problem) -> np.ndarray:
    """Log residual standard deviation relative to sigma, (s, n) or (1, n), design's row order."""
    if problem.variance is None:
        return np.zeros((1, problem.n))
    _, var = layout.row_parameters(values)
    sorted_ = np.atleast_2d(problem.variance.structure.log_sd(var, problem.variance.coords))
    out: np.ndarray = np.empty_like(sorted_)
    out[:, problem.order] = sorted_
    return out


def scaled(
    layout: Layout, values: Values, problem: Problem, residual: np.ndarray, type: str
) -> np.ndarray:
    """Residuals of one type from those of the response.

    Parameters
    ----------
    layout : Layout
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
    standard = residual / layout.sigmas(values)[:, None]
    if type == "pearson":
        return np.asarray(standard / np.exp(log_sd(layout, values, problem)))
    columns = standard[:, None, problem.order]
    white = whiten(problem, *layout.row_parameters(values), columns=columns).columns
    out: np.ndarray = np.empty_like(standard)
    out[:, problem.order] = white[:, 0, :]
    return out
