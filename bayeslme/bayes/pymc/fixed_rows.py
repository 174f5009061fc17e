"""The response of a model whose rows and groups are those of its data.

That is one with residual correlation, and one whose crossed random effects are integrated out.
Lags, patterns of positions and the order by group and time are constants of the graph. Values of
the model matrices may be exchanged, but not their shapes.

This module imports PyMC; it is itself imported only while a model is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor import shared

from bayeslme.arrays import pytensor_ops
from bayeslme.bayes.density import LOG_2PI, GaussianBeta, at_fitted, conditional, integrated
from bayeslme.bayes.model_parameters import ModelParameters, without_fixed
from bayeslme.bayes.posterior.rows.simulate import new_residuals, new_response
from bayeslme.bayes.pymc.open_rows import add_effects, fixed_mean
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.engine.problem import Problem
from bayeslme.errors import SpecError

Tensor = Any


def add_data(parameters: ModelParameters, *, groups: bool) -> dict[str, Tensor]:
    """Add the design to the model being built, with fixed shapes; ``groups`` are constants."""
    design = parameters.design
    data = {"X": _held(pm.Data("X", design.X, dims=("row", "term")), design.X.shape)}
    if not isinstance(design.offset, float):
        data["offset"] = _held(pm.Data("offset", design.offset, dims=("row",)), design.y.shape)
    for level in parameters.levels:
        name, z = f"Z_{level.key}", level.level.Z
        data[name] = _held(pm.Data(name, z, dims=("row", f"{level.key}_effect")), z.shape)
    return data


def _held(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Give static shapes; values may still be exchanged with ``pm.set_data``."""
    return pt.specify_shape(x, shape)


def add_given_effects(
    parameters: ModelParameters, values: dict[str, Tensor], data: dict[str, Tensor]
) -> None:
    """Add the random effects and the response to the model being built.

    Parameters
    ----------
    parameters : ModelParameters
    values : dict of variable name to tensor
    data : dict of data name to tensor
        ``X`` and ``Z_<group>``, design's row order.
    """
    means = _means(parameters, values, data)
    means[-1] = pm.Deterministic("mu", means[-1], dims="row")
    if not parameters.problem.needs_fitted_values:
        means = means[-1:]
    blocks = (parameters.corstruct, parameters.varfunc, parameters.sigma)
    rows = {b.name: values[b.name] for b in blocks if b is not None}
    residual = _Residual(parameters, len(means), tuple(rows))
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
        observed=pm.Data("y_observed", parameters.design.y, dims="row"),
        dims="row",
    )


def _means(
    parameters: ModelParameters, values: dict[str, Tensor], data: dict[str, Tensor]
) -> list[Tensor]:
    """X beta, then with the random effects of one level more each; the effects join the model."""
    means = [fixed_mean(values, data)]
    for level in parameters.levels:
        b = add_effects(level, values)
        means.append(means[-1] + (data[f"Z_{level.key}"] * b[level.level.code]).sum(axis=1))
    return means


@dataclass(frozen=True, slots=True)
class _Residual:
    """The response given its means and the residual structure.

    Attributes
    ----------
    parameters : ModelParameters
    depths : int
        Number of means among the arguments, the one with all effects last.
    names : tuple of str
        Variables of the residual structure, the other arguments.
    """

    parameters: ModelParameters
    depths: int
    names: tuple[str, ...]

    def logp(self, value: Tensor, *args: Tensor) -> Tensor:
        """Log density of all rows, symbolic."""
        xp, parameters, problem = pytensor_ops(), self.parameters, self.parameters.problem
        mu, own, here = self._split(args)
        residual = pt.specify_shape((value - mu)[problem.order][None, :], (1, problem.n))
        rows_only = _without_effects(here)
        white = whiten(rows_only, *parameters.row_parameters(own, xp), xp=xp, columns=residual)
        sigma = parameters.sigma_of(own)
        scale = problem.n * (0.5 * LOG_2PI + pt.log(sigma)) + white.half_logdet.sum()
        return -scale - 0.5 * (white.columns**2).sum() / sigma**2

    def random(self, *args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        """New responses, (n,) or (*size, n)."""
        mu, own, here = self._split(args)
        if not size:
            return np.asarray(mu + new_residuals(self.parameters, own, rng, here))
        count = int(np.prod(size))
        draws = [mu + new_residuals(self.parameters, own, rng, here) for _ in range(count)]
        return np.reshape(draws, (*size, self.parameters.problem.n))

    def _split(self, args: Any) -> tuple[Any, dict[str, Any], Problem]:
        """The mean, the structure's variables, and the problem with covariates at the means."""
        own = dict(zip(self.names, args[self.depths :], strict=True))
        return args[self.depths - 1], own, at_fitted(self.parameters, args[: self.depths])


def _without_effects(problem: Problem) -> Problem:
    """The residual structure alone."""
    return replace(
        problem,
        stages=(),
        row_starts=np.zeros(1, dtype=int),
        x_basis=np.zeros((0, 0)),
        shift=np.zeros(0),
    )


def random_columns(parameters: ModelParameters, data: dict[str, Tensor]) -> list[Tensor]:
    """Sorted, standardised columns of the random effects (q, n), innermost level first."""
    order = parameters.problem.order
    sorted_already = np.array_equal(order, np.arange(len(order)))
    out = []
    for level, stage in zip(reversed(parameters.levels), parameters.problem.stages, strict=True):
        z = pt.dot(np.linalg.inv(stage.basis).T, data[f"Z_{level.key}"].T)
        out.append(z if sorted_already else z[:, order])
    return out


def add_marginal(
    parameters: ModelParameters, values: dict[str, Tensor], data: dict[str, Tensor]
) -> None:
    """Add ``mu`` = X beta and the response with the random effects integrated out."""
    design, problem = parameters.design, parameters.problem
    mu = pm.Deterministic("mu", fixed_mean(values, data), dims="row")
    given_mean = {"mu": mu, **{k: v for k, v in data.items() if k not in ("X", "offset")}}
    own_values = {k: v for k, v in values.items() if k != "fixef"}
    reduced = without_fixed(problem)
    split = _splitter(given_mean, own_values)

    def logp(value: Tensor, *args: Tensor) -> Tensor:
        own, given = split(args)
        residual = (_held(value, (problem.n,)) - given["mu"])[problem.order]
        columns = pt.concatenate([*random_columns(parameters, given), residual[None, :]], axis=0)
        return conditional(
            parameters, reduced, _held(columns, reduced.columns.shape), own, pytensor_ops()
        )

    def random(*args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        own, given = split(args)
        own["fixef"] = np.zeros(0)  # the mean is given, as an offset
        empty = np.zeros((problem.n, 0))
        z = tuple(given[f"Z_{level.key}"] for level in parameters.levels)
        draws = [
            new_response(parameters, own, empty, z, rng, offset=given["mu"])
            for _ in range(int(np.prod(size)) if size else 1)
        ]
        return np.reshape(draws, (*size, problem.n)) if size else draws[0]

    _observe([*given_mean.values(), *own_values.values()], logp, random, design.y)


def add_integrated(
    parameters: ModelParameters,
    gaussian: GaussianBeta | None,
    values: dict[str, Tensor],
    data: dict[str, Tensor],
) -> None:
    """Add the response with coefficients and random effects integrated out."""
    problem = parameters.problem
    split = _splitter(data, values)
    inverse, shift = shared(np.linalg.inv(problem.x_basis)), shared(problem.shift)

    def logp(value: Tensor, *args: Tensor) -> Tensor:
        own, given = split(args)
        x = pt.dot(inverse.T, given["X"].T)[:, problem.order]
        known = pt.dot(given["X"], shift) + given.get("offset", 0.0)
        rest = (_held(value, (problem.n,)) - known)[problem.order]
        columns = pt.concatenate([*random_columns(parameters, given), x, rest[None, :]], axis=0)
        return integrated(
            parameters, _held(columns, problem.columns.shape), own, gaussian, pytensor_ops()
        )

    def random(*args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        if gaussian is None or gaussian.proper < problem.p:
            msg = "beta is integrated over a flat prior, which cannot be drawn from"
            raise SpecError(msg)
        own, given = split(args)
        z = tuple(given[f"Z_{level.key}"] for level in parameters.levels)
        covariance = np.linalg.inv(gaussian.precision)
        draws = []
        for _ in range(int(np.prod(size)) if size else 1):
            own["fixef"] = rng.multivariate_normal(gaussian.mean, covariance)
            draws.append(
                new_response(parameters, own, given["X"], z, rng, offset=given.get("offset"))
            )
        return np.reshape(draws, (*size, problem.n)) if size else draws[0]

    _observe([*data.values(), *values.values()], logp, random, parameters.design.y)


def _splitter(
    data: dict[str, Tensor], values: dict[str, Tensor]
) -> Callable[[tuple[Any, ...]], tuple[dict[str, Any], dict[str, Any]]]:
    """Give the response's parameters back their names: variables and data."""
    names = [*data, *values]

    def split(args: tuple[Any, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
        named = dict(zip(names, args, strict=True))
        return {k: named[k] for k in values}, {k: named[k] for k in data}

    return split


def _observe(parameters: list[Tensor], logp: Any, random: Any, y: np.ndarray) -> None:
    """Add the response; the first parameter is X or the mean, with the rows of the response."""
    cores = [",".join([f"a{k}", f"b{k}"][: x.type.ndim]) for k, x in enumerate(parameters)]
    cores[0] = ",".join(["n", "p"][: parameters[0].type.ndim])
    signature = ",".join(f"({core})" for core in cores) + "->(n)"
    observed = pm.Data("y_observed", y, dims="row")
    options = {"logp": logp, "random": random, "signature": signature}
    pm.CustomDist("y", *parameters, observed=observed, dims="row", **options)
