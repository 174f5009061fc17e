"""A specification and its data as a PyMC model, marginal or hierarchical.

The likelihood is the engine's code run on PyTensor variables: elementwise operations with the group
axis last, sums over groups by padded indices, no batched linear algebra. For Orthodont with
varIdent and corAR1 the density and its gradient are some 200 nodes: half a minute to a minute of
compilation the first time on a machine, two seconds from numba's cache, 20 microseconds a call; for
1e5 rows in 1e4 groups 6 milliseconds. Numba's cache is lost where a constant of the graph changes,
so data, response and the arguments of priors are ``pm.Data``: another prior needs no compilation.
The response is one observed variable, so PyMC's own samplers, modes and predictive draws apply to
it: ``open_rows`` adds it where residuals are independent, ``fixed_rows`` where they are correlated.
Coefficients are sampled on a linear scale that makes X orthonormal.

This module imports PyMC; it is itself imported only when a model is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

from bayeslme.arrays import Tensor
from bayeslme.bayes import settings
from bayeslme.bayes.density import block_width, gaussian_beta, without_chain
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.tree import coordinates
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.priors import ParameterPrior, Priors, PriorsLike
from bayeslme.bayes.priors.proper import check_response
from bayeslme.bayes.pymc import fixed_rows, open_rows
from bayeslme.bayes.pymc.new_data import remember
from bayeslme.bayes.pymc.transforms import Preconditioned, StructureSupport
from bayeslme.bayes.pymc.variables import add_natural, add_variable
from bayeslme.bayes.sampling.starting import starting_values
from bayeslme.errors import SpecError

if TYPE_CHECKING:
    import pandas as pd

    from bayeslme.data.types import Design


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
    gaussian = gaussian_beta(resolved["fixef"]) if beta == "integrated" else None
    correlated = parameters.problem.correlation is not None
    eliminated_together = design.crossed and form == "marginal"
    independent = not correlated and not parameters.levels and beta == "variable"
    rows: Any = fixed_rows if correlated or eliminated_together else open_rows
    with pm.Model(coords=coordinates(parameters)) as model:
        data = rows.add_data(parameters, groups=form == "marginal")
        values = _add_variables(parameters, resolved, beta)
        if form == "hierarchical" or independent:
            rows.add_given_effects(parameters, values, data)
        elif beta == "integrated":
            rows.add_integrated(parameters, gaussian, values, data)
        else:
            rows.add_marginal(parameters, values, data)
    remember(model, parameters)
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
    correlation = parameters.problem.correlation
    for p in () if correlation is None else correlation.parameters:
        if p.shown.steps > settings.PYMC.max_time_units:
            msg = (
                f"to_pymc: neighbours are some {p.shown.steps:.0e} units of time apart, and "
                f"{p.name} over one unit is 1 in all digits; count time in a larger unit"
            )
            raise SpecError(msg)


def _check_generative(parameters: ModelParameters, form: Form) -> None:
    if any(level.key == "mu" for level in parameters.levels):
        msg = "the grouping column 'mu' has the name of the model's mean; rename the column"
        raise SpecError(msg)
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
    if form == "marginal" and without_chain(parameters.problem):
        msg = (
            "form: the groups of the correlation lie within no factor of the crossed random "
            "effects, which are variables of the model; use form='hierarchical'"
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
    correlation = problem.correlation if block.kind == "corstruct" else None
    if correlation is None:
        return None
    if correlation.restricted_jointly:
        return StructureSupport(correlation)
    if not correlation.as_printed and not prior.mirrored:
        whole = zip(block.lower, block.upper, strict=True)
        if all(prior.bounds(j) == own for j, own in enumerate(whole)):
            return StructureSupport(correlation)  # on the scale on which one unit of it can be seen
    return None
