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
from bayeslme.bayes.generate import new_residuals
from bayeslme.bayes.layout import Layout
from bayeslme.engine.likelihood import whiten
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
    for level in layout.levels:
        dims = (level.key, f"{level.key}_effect")
        z = pm.Normal(f"z_{level.key}", 0.0, 1.0, dims=dims)
        b = pm.Deterministic(f"ranef_{level.key}", pt.dot(z, level.factor(values, xp).T), dims=dims)
        mean = mean + (data[f"Z_{level.key}"] * b[level.level.code]).sum(axis=1)
    rows = {
        b.name: values[b.name]
        for b in (layout.corstruct, layout.varfunc, layout.sigma)
        if b is not None
    }
    names = list(rows)
    stripped = replace(
        problem,
        stages=(),
        row_starts=np.zeros(1, dtype=int),
        x_basis=np.zeros((0, 0)),
        shift=np.zeros(0),
    )

    def logp(value: Tensor, mu: Tensor, *args: Tensor) -> Tensor:
        own = dict(zip(names, args, strict=True))
        residual = pt.specify_shape((value - mu)[problem.order][None, :], (1, problem.n))
        white = whiten(stripped, *layout.row_parameters(own, xp), xp=xp, columns=residual)
        sigma = layout.sigma_of(own)
        scale = problem.n * (0.5 * LOG_2PI + pt.log(sigma)) + white.half_logdet.sum()
        return -scale - 0.5 * (white.columns**2).sum() / sigma**2

    def random(
        mu: np.ndarray, *args: np.ndarray, rng: np.random.Generator, size: Any = None
    ) -> np.ndarray:
        own = dict(zip(names, args, strict=True))
        if not size:
            return np.asarray(mu + new_residuals(layout, own, rng))
        draws = [mu + new_residuals(layout, own, rng) for _ in range(int(np.prod(size)))]
        return np.reshape(draws, (*size, problem.n))

    inputs = ["(n)"] + [f"(r{k})" if rows[name].type.ndim else "()" for k, name in enumerate(names)]
    pm.CustomDist(
        "y",
        mean,
        *rows.values(),
        logp=logp,
        random=random,
        signature=",".join(inputs) + "->(n)",
        observed=pm.Data("y_observed", layout.design.y, dims="row"),
        dims="row",
    )
