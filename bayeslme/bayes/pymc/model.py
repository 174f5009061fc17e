"""A specification and its data as a PyMC model, marginal or hierarchical.

The likelihood is the engine's code run on PyTensor variables: elementwise operations with the group
axis last, sums over groups by padded indices, no batched linear algebra. For Orthodont with
varIdent and corAR1 the density and its gradient are some 200 nodes: half a minute to a minute of
compilation the first time on a machine, two seconds from numba's cache, 20 microseconds a call; for
1e5 rows in 1e4 groups 6 milliseconds. Numba's cache is lost where a constant of the graph changes,
so data, response and the arguments of priors are ``pm.Data``: another prior needs no compilation.
The response is one observed ``pm.CustomDist``, so PyMC's own samplers, modes and predictive draws
apply to it. Coefficients are sampled on a linear scale that makes X orthonormal.

This module imports PyMC; it is itself imported only when a model is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from pytensor import shared

from bayeslme.arrays import pytensor_ops
from bayeslme.bayes import settings
from bayeslme.bayes.density import (
    LOG_2PI,
    at_fitted,
    block_width,
    conditional,
    gaussian_beta,
    integrated,
)
from bayeslme.bayes.model_parameters import (
    ModelParameters,
    build_parameters,
    is_joint,
    without_fixed,
)
from bayeslme.bayes.posterior.simulate import new_residuals, new_response
from bayeslme.bayes.posterior.tree import coordinates
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.priors import ParameterPrior, Priors, PriorsLike
from bayeslme.bayes.priors.proper import check_response
from bayeslme.bayes.pymc.transforms import Preconditioned, StructureSupport
from bayeslme.bayes.pymc.variables import add_natural, add_variable
from bayeslme.bayes.sampling.starting import starting_values
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.engine.problem import Problem
from bayeslme.errors import SpecError

if TYPE_CHECKING:
    import pandas as pd

    from bayeslme.data.types import Design


Tensor = Any


def add_hierarchical(
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
    n = parameters.problem.n
    fixed = pt.dot(data["X"], values["fixef"]) if "fixef" in values else pt.zeros(n)
    means = [fixed + data["offset"] if "offset" in data else fixed]
    for level in parameters.levels:
        dims = (level.key, f"{level.key}_effect")
        related = level.level.related
        if related is None:
            z = pm.Normal(f"z_{level.key}", 0.0, 1.0, dims=dims)
        else:  # a singular matrix has fewer independent effects than groups
            free = pm.Normal(f"z_{level.key}", 0.0, 1.0, shape=(related.rank, level.q))
            z = pt.dot(pm.Data(f"root_{level.key}", related.root), free)
        factor = level.factor(values, pytensor_ops())
        b = pm.Deterministic(f"ranef_{level.key}", pt.dot(z, factor.T), dims=dims)
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


Form = Literal["marginal", "hierarchical"]
BetaRole = Literal["variable", "integrated"]


def to_pymc(
    spec: Any,
    data: pd.DataFrame,
    form: Form = "marginal",
    priors: PriorsLike = None,
    beta: BetaRole = "variable",
) -> pm.Model:
    """Translate a specification into a PyMC model.

    Parameters
    ----------
    spec : LmeSpec
    data : DataFrame
    form : {"marginal", "hierarchical"}
        Random effects integrated out, or variables.
    priors : None, preset name or mapping, optional
        By default the specification's, or the default preset.
    beta : {"variable", "integrated"}
        With ``"integrated"`` (marginal form only) the coefficients are integrated over their prior,
        which must be flat or Gaussian.

    Returns
    -------
    pymc.Model
        With the data as ``pm.Data``, named dims and coords.

    Raises
    ------
    FitError
        For a response that the effects reproduce, unless sigma is held or its prior (LogNormal,
        InverseGamma, one that begins above zero) vanishes at zero.

    Examples
    --------
    >>> spec = bayeslme.translate("lme(distance ~ age, random = ~ 1 | Subject)")  # doctest: +SKIP
    >>> model = spec.to_pymc(bayeslme.load_data("orthodont"))  # doctest: +SKIP
    """
    from bayeslme.data.design import build

    _check_options(form, beta)
    parameters = build_parameters(build(spec, data))
    _check_generative(parameters, form)
    resolved = resolve_priors(parameters, priors if priors is not None else spec.priors)
    check_response(parameters, resolved)
    return build_model(parameters.design, form=form, priors=resolved, beta=beta)


def build_model(
    design: Design,
    form: Form = "marginal",
    priors: PriorsLike | Priors = None,
    beta: BetaRole = "variable",
) -> pm.Model:
    """As ``to_pymc``, from a design."""
    _check_options(form, beta)
    parameters = build_parameters(design)
    _check_generative(parameters, form)
    _check_digits(parameters)
    resolved = priors if isinstance(priors, Priors) else resolve_priors(parameters, priors)
    with pm.Model(coords=coordinates(parameters)) as model:
        data = _add_data(parameters)
        values = _add_variables(parameters, resolved, beta)
        if form == "hierarchical":
            add_hierarchical(parameters, values, data)
        elif beta == "integrated":
            _add_integrated(parameters, resolved["fixef"], values, data)
        else:
            _add_marginal(parameters, values, data)
    return model


def _check_options(form: str, beta: str) -> None:
    if form not in ("marginal", "hierarchical"):
        msg = f"form: {form!r} is neither 'marginal' nor 'hierarchical'"
        raise SpecError(msg)
    if beta not in ("variable", "integrated"):
        msg = f"beta: {beta!r} is neither 'variable' nor 'integrated'"
        raise SpecError(msg)
    if form == "hierarchical" and beta == "integrated":
        msg = "beta='integrated' needs form='marginal'"
        raise SpecError(msg)


def _check_digits(parameters: ModelParameters) -> None:
    """Refuse a unit of time so small that a correlation over one of it has no digits left."""
    bound = parameters.problem.correlation
    for p in () if bound is None else bound.parameters:
        if p.shown.steps > settings.PYMC.max_time_units:
            msg = (
                f"to_pymc: neighbours are some {p.shown.steps:.0e} units of time apart, and "
                f"{p.name} over one unit is 1 in all digits; count time in a larger unit"
            )
            raise SpecError(msg)


def _check_generative(parameters: ModelParameters, form: Form) -> None:
    sources = {c.source for c in parameters.design.variance}
    if "resid" in sources:
        msg = "weights: resid(.) has no generative model; use fitted(.) or a covariate"
        raise SpecError(msg)
    if "fitted" in sources and form == "marginal":
        msg = "weights: with fitted(.) the marginal form is not closed; use form='hierarchical'"
        raise SpecError(msg)
    related = parameters.design.related
    if related and form == "marginal":
        msg = (
            f"form: the effects of '{related[0]}', whose groups are related, are variables of the "
            "model; use form='hierarchical'"
        )
        raise SpecError(msg)
    width = block_width(parameters.problem) if form == "marginal" else 0
    if width > settings.PYMC.max_crossed_columns:
        msg = (
            f"form: the crossed random effects leave a dense matrix of {width} columns, and at "
            f"most {settings.PYMC.max_crossed_columns} are integrated out symbolically; use "
            "form='hierarchical'"
        )
        raise SpecError(msg)


def _add_data(parameters: ModelParameters) -> dict[str, Tensor]:
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


def _add_variables(
    parameters: ModelParameters, priors: Priors, beta: BetaRole
) -> dict[str, Tensor]:
    at_means = {prior.block.name for prior in priors if prior.scale.effects is not None}
    start = starting_values(parameters, at_means)
    out: dict[str, Tensor] = {}
    for prior in priors:
        block = prior.block
        if block.kind == "fixef" and (beta == "integrated" or not block.coefs):
            continue
        variable = add_variable(prior, start[block.name], _transform(parameters, prior), out)
        shape = (len(block.coefs),) * (2 if block.matrix else 1) if block.dim else ()
        out[block.name] = pt.specify_shape(variable, shape) if shape else variable
        if prior.scale.effects is not None and block.matrix:
            out |= add_natural(prior, out)
    return out


def _transform(parameters: ModelParameters, prior: ParameterPrior) -> Transform | None:
    problem, block = parameters.problem, prior.block
    if block.kind == "fixef":
        spread = np.sqrt(np.mean(problem.columns[-1] ** 2)) or 1.0
        return Preconditioned(
            problem.shift, np.linalg.inv(problem.x_basis) * spread / np.sqrt(problem.n)
        )
    bound = problem.correlation if block.kind == "corstruct" else None
    if bound is not None and is_joint(bound) and len(bound.free) > 1:
        return StructureSupport(bound)
    if bound is not None and not bound.as_printed and not prior.mirrored:
        whole = zip(block.lower, block.upper, strict=True)
        if all(prior.bounds(j) == own for j, own in enumerate(whole)):
            return StructureSupport(bound)  # on the scale on which one unit of it can be seen
    return None


def random_columns(parameters: ModelParameters, data: dict[str, Tensor]) -> list[Tensor]:
    """Sorted, standardised columns of the random effects (q, n), innermost level first."""
    order = parameters.problem.order
    sorted_already = np.array_equal(order, np.arange(len(order)))
    out = []
    for level, stage in zip(reversed(parameters.levels), parameters.problem.stages, strict=True):
        z = pt.dot(np.linalg.inv(stage.basis).T, data[f"Z_{level.key}"].T)
        out.append(z if sorted_already else z[:, order])
    return out


def _add_marginal(
    parameters: ModelParameters, values: dict[str, Tensor], data: dict[str, Tensor]
) -> None:
    design, problem = parameters.design, parameters.problem
    reduced = without_fixed(problem)
    split = _splitter(data, values)

    def logp(value: Tensor, *args: Tensor) -> Tensor:
        own, given = split(args)
        fixed = pt.dot(given["X"], own["fixef"]) if "fixef" in own else 0.0
        known = fixed + given.get("offset", 0.0)
        residual = (_held(value, (problem.n,)) - known)[problem.order]
        columns = pt.concatenate([*random_columns(parameters, given), residual[None, :]], axis=0)
        return conditional(
            parameters, reduced, _held(columns, reduced.columns.shape), own, pytensor_ops()
        )

    def random(*args: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        own, given = split(args)
        own.setdefault("fixef", np.zeros(0))
        z = tuple(given[f"Z_{level.key}"] for level in parameters.levels)
        if not size:
            return new_response(parameters, own, given["X"], z, rng, offset=given.get("offset"))
        draws = [
            new_response(parameters, own, given["X"], z, rng, offset=given.get("offset"))
            for _ in range(int(np.prod(size)))
        ]
        return np.reshape(draws, (*size, problem.n))

    _observe([*data.values(), *values.values()], logp, random, design.y)


def _add_integrated(
    parameters: ModelParameters,
    prior: ParameterPrior,
    values: dict[str, Tensor],
    data: dict[str, Tensor],
) -> None:
    problem = parameters.problem
    gaussian = gaussian_beta(prior)
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
    """Add the response; the first parameter is X, whose rows are those of the response."""
    cores = [",".join([f"a{k}", f"b{k}"][: x.type.ndim]) for k, x in enumerate(parameters)]
    signature = f"(n,p),{','.join(f'({core})' for core in cores[1:])}->(n)"
    observed = pm.Data("y_observed", y, dims="row")
    options = {"logp": logp, "random": random, "signature": signature}
    pm.CustomDist("y", *parameters, observed=observed, dims="row", **options)
