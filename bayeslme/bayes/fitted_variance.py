"""Variance functions of the fitted values: their covariate is another one at every draw.

Only given the random effects is such a model Gaussian, so it has a hierarchical form alone. The
layout's problem is then ``waiting``: its variance function is bound, to name its parameters, but
its covariate is that of least squares until it is replaced here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bayeslme.bayes.density import LOG_2PI
from bayeslme.bayes.layout import Layout, Values
from bayeslme.engine import depth_of, whiten
from bayeslme.engine.problem import Problem, runs
from bayeslme.ops import NUMPY, Array


def at_fitted(layout: Layout, means: Sequence[Array]) -> Problem:
    """Return the problem with its variance covariates at these fitted values.

    Parameters
    ----------
    layout : Layout
    means : sequence of arrays (..., n)
        Fitted values with 0, 1, ... levels of random effects, design's row order.
    """
    problem, coords = layout.problem, layout.design.variance
    if not problem.waiting or problem.variance is None or coords is None:
        return problem
    several = isinstance(coords, tuple)
    own = coords if isinstance(coords, tuple) else (coords,)
    bound = problem.variance.coords if several else (problem.variance.coords,)
    made = []
    for c, b in zip(own, bound, strict=True):
        mean = means[depth_of(layout.design, c.level)] if c.source == "fitted" else None
        made.append(b if mean is None else replace(b, covariate=mean[..., problem.order]))
    new: Any = tuple(made) if several else made[0]
    return replace(problem, variance=replace(problem.variance, coords=new))


def fitted_by_depth(
    layout: Layout, values: Values, effects: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """Fitted values (s, n) with 0, 1, ... levels of random effects."""
    means = [np.asarray(values["fixef"] @ layout.design.X.T) + layout.design.offset]
    for level in layout.levels:
        b = effects[level.key][:, level.level.code]
        means.append(means[-1] + np.einsum("nq,snq->sn", level.level.Z, b))
    return means


def problem_of_draws(layout: Layout, values: Values, effects: Mapping[str, np.ndarray]) -> Problem:
    """The problem at some draws: the layout's own, unless its covariates depend on them."""
    if not layout.problem.waiting:
        return layout.problem
    return at_fitted(layout, fitted_by_depth(layout, values, effects))


def given_effects_by_group(
    layout: Layout, values: Values, effects: Mapping[str, np.ndarray], step: int = 200
) -> np.ndarray:
    """Log p(y_g | b, ...) of every independent piece of the data, for many draws.

    The pieces are the outermost groups; without random effects the correlation groups, and without
    these the rows.

    Parameters
    ----------
    layout : Layout
    values : mapping of variable name to array (s, ...)
    effects : mapping of group key to array (s, G, q)
    step : int
        Draws worked off at a time.

    Returns
    -------
    array, shape (s, pieces)
    """
    draws = len(values["fixef"])
    out = []
    for at in range(0, draws, step):
        some = {k: v[at : at + step] for k, v in values.items()}
        own = {k: b[at : at + step] for k, b in effects.items()}
        out.append(_some_by_group(layout, some, own))
    return np.concatenate(out)


def _some_by_group(layout: Layout, values: Values, effects: Mapping[str, np.ndarray]) -> np.ndarray:
    means = fitted_by_depth(layout, values, effects)
    problem = at_fitted(layout, means)
    if not problem.stages:
        own = problem.correlation
        starts = np.arange(problem.n) if own is None else own.coords.starts
        problem = replace(problem, row_starts=starts)
    residual = (layout.design.y - means[-1])[:, problem.order]
    white = whiten(problem, *layout.row_parameters(values), columns=residual[:, None, :])
    root = problem.root_of_group() if problem.stages else np.arange(len(problem.row_starts))
    inner = runs(root)
    rows = problem.row_starts[inner]
    sizes = np.diff(np.append(rows, problem.n))
    sigma = layout.sigmas(values)[:, None]
    rss = NUMPY.segment_sum(white.columns[:, 0, :] ** 2, rows)
    half = NUMPY.segment_sum(np.broadcast_to(white.half_logdet, (len(residual), len(root))), inner)
    return np.asarray(-sizes * (0.5 * LOG_2PI + np.log(sigma)) - half - 0.5 * rss / sigma**2)
