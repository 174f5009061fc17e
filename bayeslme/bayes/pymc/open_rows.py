"""The response of a model with independent residuals: rows and groups can be exchanged.

Everything that the rows and groups of a data frame decide is ``pm.Data``: model matrices, the group
of each row, the rows of each group, strata and covariates of variances. Shapes are left open, but
for the numbers of columns, so that ``pm.set_data`` can bring other rows and other groups.

A group's rows are one line of an index with -1 where it has fewer rows than the largest group; sums
over groups are then gathers, without loops. Rows are in the data frame's order.

This module imports PyMC; it is itself imported only while a model is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor import shared

from bayeslme.arrays import NUMPY, PaddedSegments, pytensor_ops
from bayeslme.bayes.density import LOG_2PI, GaussianBeta, integrated_block
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.data.types import VarianceCoords
from bayeslme.engine import depth_of
from bayeslme.engine.likelihood.eliminate import eliminate
from bayeslme.engine.likelihood.whiten import gram
from bayeslme.engine.problem import Stage
from bayeslme.errors import SpecError
from bayeslme.structures.supports import Namespace

Tensor = Any


@dataclass(frozen=True, slots=True)
class Rows:
    """What a data frame's rows give a model, in their order.

    Attributes
    ----------
    y : array, shape (n,)
    X : array, shape (n, p)
    offset : array, shape (n,), or None
        None where the model has no offset.
    Z : tuple of arrays (n, q), outermost first
    code : tuple of int arrays (n,), outermost first
        Group of each row.
    labels : tuple of tuples of str, outermost first
        Groups that the codes count.
    variance : tuple of VarianceCoords
        Strata and covariate of each component of the variance function.
    """

    y: np.ndarray
    X: np.ndarray
    offset: np.ndarray | None
    Z: tuple[np.ndarray, ...]
    code: tuple[np.ndarray, ...]
    labels: tuple[tuple[str, ...], ...]
    variance: tuple[VarianceCoords, ...]


def rows_of_design(parameters: ModelParameters) -> Rows:
    """The rows that a model was built from."""
    design = parameters.design
    return Rows(
        design.y,
        design.X,
        None if isinstance(design.offset, float) else design.offset,
        tuple(one.level.Z for one in parameters.levels),
        tuple(one.level.code for one in parameters.levels),
        tuple(one.level.labels for one in parameters.levels),
        design.variance,
    )


Arrays = dict[str, tuple[np.ndarray, tuple[str, ...]]]


def row_arrays(parameters: ModelParameters, rows: Rows, *, groups: bool) -> Arrays:
    """Arrays of a model by name, each with its dimensions; the response is ``y_observed``.

    Parameters
    ----------
    parameters : ModelParameters
    rows : Rows
    groups : bool
        With the index of rows by group, which the marginal form sums over.
    """
    out: Arrays = {"X": (rows.X, ("row", "term")), "y_observed": (rows.y, ("row",))}
    if rows.offset is not None:
        out["offset"] = (rows.offset, ("row",))
    levels = parameters.levels
    for one, z, code, labels in zip(levels, rows.Z, rows.code, rows.labels, strict=True):
        key = one.key
        out[f"Z_{key}"] = (z, ("row", f"{key}_effect"))
        out[f"{key}_code"] = (code, ("row",))
        out[f"{key}_size"] = (np.bincount(code, minlength=len(labels)), (key,))
        if groups:
            out[f"{key}_rows"] = (padded(code, len(labels)), (key, f"{key}_place"))
    if groups:
        for outer, inner in _pairs(len(levels)):
            name = within(levels[inner].key, levels[outer].key)
            first = np.unique(rows.code[inner], return_index=True)[1]
            parent = np.full(len(rows.labels[inner]), -1)
            parent[rows.code[inner][first]] = rows.code[outer][first]
            members = padded(parent, len(rows.labels[outer]))
            out[name] = (members, (levels[outer].key, f"{name}_place"))
    for end, coords in zip(_endings(len(rows.variance)), rows.variance, strict=True):
        if coords.covariate is not None:
            out[f"varfunc_covariate{end}"] = (coords.covariate, ("row",))
        out[f"varfunc_stratum{end}"] = (coords.stratum, ("row",))
    return out


def within(inner: str, outer: str) -> str:
    """Name of the index of a level's groups by those of a level outside it."""
    return f"{inner}_within_{outer}"


def padded(code: np.ndarray, count: int) -> np.ndarray:
    """Places of each code as the lines of an index (count, most), -1 after the last of a line.

    Parameters
    ----------
    code : int array, shape (n,)
        From 0 to count - 1; a negative code is in no line.
    """
    order = np.argsort(code, kind="stable")
    order = order[code[order] >= 0]
    own = code[order]
    sizes = np.bincount(own, minlength=count)
    out = np.full((count, max(1, int(sizes.max(initial=0)))), -1)
    out[own, np.arange(len(own)) - np.repeat(np.cumsum(sizes) - sizes, sizes)] = order
    return out


def _pairs(count: int) -> list[tuple[int, int]]:
    """Pairs of an outer and an inner level."""
    return [(outer, inner) for outer in range(count) for inner in range(outer + 1, count)]


def _endings(count: int) -> list[str]:
    """What ends the names of a variance component's data: nothing of a single one."""
    return [""] if count == 1 else [f"_{chr(65 + k)}" for k in range(count)]


def add_data(parameters: ModelParameters, *, groups: bool) -> dict[str, Tensor]:
    """Add the design's arrays to the model being built; numbers of columns are fixed.

    Parameters
    ----------
    parameters : ModelParameters
    groups : bool
        As of ``row_arrays``.
    """
    model, out = pm.modelcontext(None), {}
    arrays = row_arrays(parameters, rows_of_design(parameters), groups=groups)
    for name, (values, dims) in arrays.items():
        for dim, length in zip(dims, values.shape, strict=True):
            if dim not in model.dim_lengths:  # places in the index, which have no labels
                model.add_coord(dim, length=length)
        data = pm.Data(name, values, dims=dims)
        columns = name == "X" or name.startswith("Z_")
        out[name] = pt.specify_shape(data, (None, values.shape[1])) if columns else data
    return out


def fixed_mean(values: dict[str, Any], data: dict[str, Any]) -> Any:
    """X beta and the offset, (n,)."""
    mean = data["X"] @ values["fixef"] if "fixef" in values else 0.0 * data["X"].sum(axis=1)
    return mean + data["offset"] if "offset" in data else mean


def add_given_effects(
    parameters: ModelParameters, values: dict[str, Tensor], data: dict[str, Tensor]
) -> None:
    """Add the random effects, the mean ``mu`` and the response given them."""
    means = [fixed_mean(values, data)]
    for one in parameters.levels:
        b = add_effects(one, values)
        means.append(means[-1] + (data[f"Z_{one.key}"] * b[data[f"{one.key}_code"]]).sum(axis=1))
    means[-1] = pm.Deterministic("mu", means[-1], dims="row")
    sigma = parameters.sigma_of(values)
    log_sd = row_log_sd(parameters, values, data, means, pytensor_ops())
    sd = sigma if log_sd is None else sigma * pt.exp(log_sd)
    pm.Normal("y", means[-1], sd, observed=data["y_observed"], dims="row")


def add_effects(level: Any, values: dict[str, Tensor]) -> Tensor:
    """Add the random effects (G, q) of a level, from standard normal ones."""
    dims = (level.key, f"{level.key}_effect")
    related = level.level.related
    if related is None:
        z = pm.Normal(f"z_{level.key}", 0.0, 1.0, dims=dims)
    else:  # a singular matrix has fewer independent effects than groups
        free = pm.Normal(f"z_{level.key}", 0.0, 1.0, shape=(related.rank, level.q))
        z = pt.dot(pm.Data(f"root_{level.key}", related.root), free)
    factor = level.factor(values, pytensor_ops())
    return pm.Deterministic(f"ranef_{level.key}", pt.dot(z, factor.T), dims=dims)


def row_log_sd(
    parameters: ModelParameters,
    values: dict[str, Any],
    data: dict[str, Any],
    means: Sequence[Any],
    xp: Namespace,
) -> Any:
    """Log relative standard deviation (n,) of the rows, or None without a variance function."""
    bound = parameters.problem.variance
    if bound is None:
        return None
    coords = parameters.design.variance
    made = []
    for end, own, part in zip(_endings(len(coords)), coords, bound.parts, strict=True):
        covariate: Any = data.get(f"varfunc_covariate{end}")
        if own.source == "fitted":
            covariate = means[depth_of(parameters.design, own.level)]
        stratum = data[f"varfunc_stratum{end}"]
        made.append(replace(part, covariate=covariate, stratum=stratum))
    _, natural = parameters.row_parameters(values, xp)
    return bound.structure.log_sd(natural, bound.with_parts(made).coords, xp)


@dataclass(frozen=True, slots=True)
class OpenProblem:
    """As much of a `Problem` as elimination reads, with groups that are data.

    Attributes
    ----------
    stages : tuple of Stage
        Innermost first.
    rows : tuple of index arrays (G_k, most), innermost first
        Rows of each group.
    groups : mapping of two stages to an index array
        Groups of the first stage in each group of the second, which is outside it.
    p : int
        Number of columns of X among those eliminated.
    """

    stages: tuple[Stage, ...]
    rows: tuple[Any, ...]
    groups: dict[tuple[int, int], Any]
    p: int

    def level_starts(self, k: int) -> PaddedSegments:
        """Rows of each group of level ``k``."""
        return PaddedSegments(self.rows[k])

    def nested_starts(self, j: int, k: int) -> PaddedSegments:
        """Groups of level ``j`` in each group of level ``k`` outside it."""
        return PaddedSegments(self.groups[j, k])


def _open_problem(parameters: ModelParameters, data: dict[str, Any], p: int) -> Any:
    keys = [one.key for one in reversed(parameters.levels)]
    groups = {(j, k): data[within(keys[j], keys[k])] for j, k in _pairs(len(keys))}
    rows = tuple(data[f"{key}_rows"] for key in keys)
    return OpenProblem(parameters.problem.stages, rows, groups, p)


def _eliminated(
    parameters: ModelParameters,
    columns: Sequence[Tensor],
    values: dict[str, Tensor],
    data: dict[str, Tensor],
    p: int,
) -> tuple[Tensor, Tensor]:
    """[X | y]' V^-1 [X | y] (p + 1, p + 1) and log|V| / 2, V relative to sigma^2."""
    xp = pytensor_ops()
    each = zip(reversed(parameters.levels), parameters.problem.stages, strict=True)
    own = [pt.dot(np.linalg.inv(stage.basis).T, data[f"Z_{one.key}"].T) for one, stage in each]
    count = sum(one.q for one in parameters.levels) + p + 1
    joined = pt.specify_shape(pt.concatenate([*own, *columns], axis=0), (count, None))
    log_sd = row_log_sd(parameters, values, data, (), xp)
    half: Tensor = 0.0
    if log_sd is not None:
        joined, half = joined * pt.exp(-log_sd), log_sd.sum()
    problem = _open_problem(parameters, data, p)
    e = eliminate(problem, gram(problem, joined, xp), parameters.factors(values, xp), xp)
    return e.block, half + e.half_logdet


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What the response depends on, as the inputs of one operation.

    Attributes
    ----------
    first : tensor (n,) or (n, p)
        The mean or X: it has the rows of the response.
    data, values : dict of name to tensor
    """

    first: Tensor
    data: dict[str, Tensor]
    values: dict[str, Tensor]

    def split(self, args: Sequence[Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """The first input, data and values of the operation's arguments, under their names."""
        own = len(self.data) + 1
        data = dict(zip(self.data, args[1:own], strict=True))
        return args[0], data, dict(zip(self.values, args[own:], strict=True))

    def observe(self, y: Tensor, logp: Any, random: Any) -> None:
        """Add the response to the model being built."""
        tensors = [self.first, *self.data.values(), *self.values.values()]
        cores = [",".join([f"a{k}", f"b{k}"][: x.type.ndim]) for k, x in enumerate(tensors)]
        cores[0] = ",".join(["n", "p"][: self.first.type.ndim])
        signature = ",".join(f"({core})" for core in cores) + "->(n)"
        options = {"logp": logp, "random": random, "signature": signature}
        pm.CustomDist("y", *tensors, observed=y, dims="row", **options)


def _inputs(
    parameters: ModelParameters,
    first: Tensor,
    values: dict[str, Tensor],
    data: dict[str, Tensor],
    unused: tuple[str, ...],
) -> _Inputs:
    left = ("X", "y_observed", *(f"{one.key}_size" for one in parameters.levels), *unused)
    used = {name: tensor for name, tensor in data.items() if name not in left}
    return _Inputs(first, used, {k: v for k, v in values.items() if k != "fixef"})


def add_marginal(
    parameters: ModelParameters, values: dict[str, Tensor], data: dict[str, Tensor]
) -> None:
    """Add ``mu`` = X beta and the response with the random effects integrated out."""
    mu = pm.Deterministic("mu", fixed_mean(values, data), dims="row")
    inputs = _inputs(parameters, mu, values, data, ("offset",))

    def logp(value: Tensor, *args: Tensor) -> Tensor:
        mean, given, own = inputs.split(args)
        residual = (value - mean)[None, :]
        block, half = _eliminated(parameters, [residual], own, given, 0)
        sigma = parameters.sigma_of(own)
        constant = value.shape[0] * (0.5 * LOG_2PI + pt.log(sigma)) + half
        return -constant - 0.5 * block[0, 0] / sigma**2

    def random(*args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        mean, given, own = inputs.split(args)
        return _drawn(lambda: _new_response(parameters, mean, own, given, rng), size)

    inputs.observe(data["y_observed"], logp, random)


def add_integrated(
    parameters: ModelParameters,
    prior: GaussianBeta | None,
    values: dict[str, Tensor],
    data: dict[str, Tensor],
) -> None:
    """Add the response with coefficients and random effects integrated out."""
    problem = parameters.problem
    inverse, shift = shared(np.linalg.inv(problem.x_basis)), shared(problem.shift)
    inputs = _inputs(parameters, data["X"], values, data, ())

    def logp(value: Tensor, *args: Tensor) -> Tensor:
        X, given, own = inputs.split(args)
        rest = value - pt.dot(X, shift) - given.get("offset", 0.0)
        columns = [pt.dot(inverse.T, X.T), rest[None, :]]
        block, half = _eliminated(parameters, columns, own, given, problem.p)
        sigma, n = parameters.sigma_of(own), value.shape[0]
        return integrated_block(problem, n, block, half, sigma, prior, pytensor_ops())

    def random(*args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        if prior is None or prior.proper < problem.p:
            msg = "beta is integrated over a flat prior, which cannot be drawn from"
            raise SpecError(msg)
        X, given, own = inputs.split(args)
        covariance = np.linalg.inv(prior.precision)

        def one() -> np.ndarray:
            beta = rng.multivariate_normal(prior.mean, covariance)
            mean = X @ beta + given.get("offset", 0.0)
            return _new_response(parameters, mean, own, given, rng)

        return _drawn(one, size)

    inputs.observe(data["y_observed"], logp, random)


def _drawn(one: Callable[[], np.ndarray], size: Any) -> np.ndarray:
    """One response (n,), or as many as asked for (*size, n)."""
    if not size:
        return one()
    draws = np.array([one() for _ in range(int(np.prod(size)))])
    return draws.reshape(*size, draws.shape[-1])


def _new_response(
    parameters: ModelParameters,
    mean: np.ndarray,
    values: dict[str, np.ndarray],
    data: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """A response (n,) of new groups that look like those of the data."""
    out = np.array(mean, dtype=float)
    for one in parameters.levels:
        groups = len(data[f"{one.key}_rows"])
        factor = np.asarray(one.factor(values))
        b = rng.standard_normal((groups, one.q)) @ factor.T
        out += np.einsum("nq,nq->n", data[f"Z_{one.key}"], b[data[f"{one.key}_code"]])
    sd = np.asarray(parameters.sigma_of(values))
    log_sd = row_log_sd(parameters, values, data, (), NUMPY)
    if log_sd is not None:
        sd = sd * np.exp(log_sd)
    return np.asarray(out + sd * rng.standard_normal(len(out)))
