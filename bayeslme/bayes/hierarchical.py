"""The hierarchical form: random effects as variables, residuals by whitening.

This module imports PyMC; it is itself imported only when a model is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayeslme.bayes.density import LOG_2PI
from bayeslme.bayes.fitted_variance import at_fitted
from bayeslme.bayes.generate import new_residuals
from bayeslme.bayes.layout import Layout
from bayeslme.engine.problem import Problem
from bayeslme.engine.whitening import whiten
from bayeslme.ops import pytensor_ops

Tensor = Any


def add_hierarchical(layout: Layout, values: dict[str, Tensor], data: dict[str, Tensor]) -> None:
    """Add the random effects and the response to the model being built.

    Parameters
    ----------
    layout : Layout
    values : dict of variable name to tensor
    data : dict of data name to tensor
        ``X`` and ``Z_<group>``, design's row order.
    """
    xp, problem = pytensor_ops(), layout.problem
    mean = pt.dot(data["X"], values["fixef"]) if "fixef" in values else pt.zeros(problem.n)
    means = [mean]
    for level in layout.levels:
        dims = (level.key, f"{level.key}_effect")
        z = pm.Normal(f"z_{level.key}", 0.0, 1.0, dims=dims)
        b = pm.Deterministic(f"ranef_{level.key}", pt.dot(z, level.factor(values, xp).T), dims=dims)
        means.append(means[-1] + (data[f"Z_{level.key}"] * b[level.level.code]).sum(axis=1))
    rows = {
        b.name: values[b.name]
        for b in (layout.corstruct, layout.varfunc, layout.sigma)
        if b is not None
    }
    names = list(rows)
    if not problem.waiting:
        means = means[-1:]
    depths = len(means)

    def split(args: Any) -> tuple[Any, dict[str, Any], Problem]:
        own = dict(zip(names, args[depths:], strict=True))
        return args[depths - 1], own, at_fitted(layout, args[:depths])

    def logp(value: Tensor, *args: Tensor) -> Tensor:
        mu, own, here = split(args)
        residual = pt.specify_shape((value - mu)[problem.order][None, :], (1, problem.n))
        rows_only = _without_effects(here)
        white = whiten(rows_only, *layout.row_parameters(own, xp), xp=xp, columns=residual)
        sigma = layout.sigma_of(own)
        scale = problem.n * (0.5 * LOG_2PI + pt.log(sigma)) + white.half_logdet.sum()
        return -scale - 0.5 * (white.columns**2).sum() / sigma**2

    def random(*args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        mu, own, here = split(args)
        if not size:
            return np.asarray(mu + new_residuals(layout, own, rng, here))
        draws = [mu + new_residuals(layout, own, rng, here) for _ in range(int(np.prod(size)))]
        return np.reshape(draws, (*size, problem.n))

    inputs = ["(n)"] * depths + [
        f"(r{k})" if rows[name].type.ndim else "()" for k, name in enumerate(names)
    ]
    pm.CustomDist(
        "y",
        *means,
        *rows.values(),
        logp=logp,
        random=random,
        signature=",".join(inputs) + "->(n)",
        observed=pm.Data("y_observed", layout.design.y, dims="row"),
        dims="row",
    )


def _without_effects(problem: Problem) -> Problem:
    """The residual structure alone."""
    return replace(
        problem,
        stages=(),
        row_starts=np.zeros(1, dtype=int),
        x_basis=np.zeros((0, 0)),
        shift=np.zeros(0),
    )
