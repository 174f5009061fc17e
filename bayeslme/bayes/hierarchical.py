"""The hierarchical form: random effects as variables, residuals by whitening.

This module imports PyMC; it is itself imported only when a model is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    means = _means(layout, values, data)
    if not layout.problem.waiting:
        means = means[-1:]
    blocks = (layout.corstruct, layout.varfunc, layout.sigma)
    rows = {b.name: values[b.name] for b in blocks if b is not None}
    residual = _Residual(layout, len(means), tuple(rows))
    inputs = ["(n)"] * len(means) + [
        f"(r{k})" if row.type.ndim else "()" for k, row in enumerate(rows.values())
    ]
    pm.CustomDist(
        "y",
        *means,
        *rows.values(),
        logp=residual.logp,
        random=residual.random,
        signature=",".join(inputs) + "->(n)",
        observed=pm.Data("y_observed", layout.design.y, dims="row"),
        dims="row",
    )


def _means(layout: Layout, values: dict[str, Tensor], data: dict[str, Tensor]) -> list[Tensor]:
    """X beta, then with the random effects of one level more each; the effects join the model."""
    n = layout.problem.n
    fixed = pt.dot(data["X"], values["fixef"]) if "fixef" in values else pt.zeros(n)
    means = [fixed + data["offset"] if "offset" in data else fixed]
    for level in layout.levels:
        dims = (level.key, f"{level.key}_effect")
        z = pm.Normal(f"z_{level.key}", 0.0, 1.0, dims=dims)
        factor = level.factor(values, pytensor_ops())
        b = pm.Deterministic(f"ranef_{level.key}", pt.dot(z, factor.T), dims=dims)
        means.append(means[-1] + (data[f"Z_{level.key}"] * b[level.level.code]).sum(axis=1))
    return means


@dataclass(frozen=True, slots=True)
class _Residual:
    """The response given its means and the residual structure.

    Attributes
    ----------
    layout : Layout
    depths : int
        Number of means among the arguments, the one with all effects last.
    names : tuple of str
        Variables of the residual structure, the other arguments.
    """

    layout: Layout
    depths: int
    names: tuple[str, ...]

    def logp(self, value: Tensor, *args: Tensor) -> Tensor:
        """Log density of all rows, symbolic."""
        xp, layout, problem = pytensor_ops(), self.layout, self.layout.problem
        mu, own, here = self._split(args)
        residual = pt.specify_shape((value - mu)[problem.order][None, :], (1, problem.n))
        rows_only = _without_effects(here)
        white = whiten(rows_only, *layout.row_parameters(own, xp), xp=xp, columns=residual)
        sigma = layout.sigma_of(own)
        scale = problem.n * (0.5 * LOG_2PI + pt.log(sigma)) + white.half_logdet.sum()
        return -scale - 0.5 * (white.columns**2).sum() / sigma**2

    def random(self, *args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        """New responses, (n,) or (*size, n)."""
        mu, own, here = self._split(args)
        if not size:
            return np.asarray(mu + new_residuals(self.layout, own, rng, here))
        count = int(np.prod(size))
        draws = [mu + new_residuals(self.layout, own, rng, here) for _ in range(count)]
        return np.reshape(draws, (*size, self.layout.problem.n))

    def _split(self, args: Any) -> tuple[Any, dict[str, Any], Problem]:
        """The mean, the structure's variables, and the problem with covariates at the means."""
        own = dict(zip(self.names, args[self.depths :], strict=True))
        return args[self.depths - 1], own, at_fitted(self.layout, args[: self.depths])


def _without_effects(problem: Problem) -> Problem:
    """The residual structure alone."""
    return replace(
        problem,
        stages=(),
        row_starts=np.zeros(1, dtype=int),
        x_basis=np.zeros((0, 0)),
        shift=np.zeros(0),
    )
