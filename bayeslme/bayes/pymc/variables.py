"""Resolved priors as PyMC random variables with names, dims and transforms.

This module imports PyMC; it is itself imported only while a model is built.

Standard deviations and correlations of effects whose priors are about the predictors' means. PyMC's
free variables are those of the priors; the effects' own are computed from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms as tr
from pymc.logprob.transforms import Transform

from bayeslme.arrays import Tensor
from bayeslme.bayes import settings
from bayeslme.bayes.priors import densities
from bayeslme.bayes.priors.distributions import FAMILIES, FLAT_FAMILIES, lkj_draws, lkj_log_constant
from bayeslme.bayes.priors.priors import ParameterPrior, Priors
from bayeslme.bayes.priors.scales import Combinations, RelativeConstants, TypicalScale
from bayeslme.bayes.pymc.starts import starting_at
from bayeslme.bayes.pymc.transforms import CorrelationMatrix, correlation_cholesky


class PCCorrelation:
    """AR(1) correlations whose distance from 0 is exponential; see ``penalised_complexity``."""

    @staticmethod
    def dist(lam: Tensor, **options: Any) -> Tensor:
        """Variable without a name."""
        return pm.CustomDist.dist(lam, **_CORRELATION, **options)

    def __new__(cls, name: str, lam: Tensor, **options: Any) -> Any:
        """Variable of the model."""
        return pm.CustomDist(name, lam, **_CORRELATION, **options)


def _pc_correlation(phi: Tensor, lam: Tensor) -> Tensor:
    near = pt.abs(phi) < settings.PRIORS.small_correlation
    safe = pt.switch(near, 0.5, phi)  # the gradient of the root does not exist at 0
    log_rest = pt.log1p(-(safe**2))
    d = pt.sqrt(-log_rest)
    density = -lam * d + pt.log(pt.abs(safe) / d) - log_rest
    return pt.log(lam / 2) + pt.switch(near, 0.0, density)


def _pc_correlation_cdf(phi: Tensor, lam: Tensor) -> Tensor:
    """Its logarithm; what a prior cut to positive correlations needs."""
    outside = 0.5 * pt.exp(-lam * pt.sqrt(-pt.log1p(-(phi**2))))
    return pt.log(pt.switch(phi < 0.0, outside, 1.0 - outside))


def _pc_correlation_draw(lam: Tensor, size: Tensor) -> Tensor:
    signed = pm.Laplace.dist(0.0, 1.0 / lam, size=size)
    return pt.sign(signed) * pt.sqrt(-pt.expm1(-(signed**2)))


_CORRELATION: dict[str, Any] = {
    "logp": _pc_correlation,
    "logcdf": _pc_correlation_cdf,
    "dist": _pc_correlation_draw,
}


class PCRange:
    """Ranges whose power -d/2 is exponential; see ``penalised_complexity``."""

    @staticmethod
    def dist(lam: Tensor, half: Tensor, **options: Any) -> Tensor:
        """Variable without a name."""
        return pm.CustomDist.dist(lam, half, logp=_pc_range, dist=_pc_range_draw, **options)

    def __new__(cls, name: str, lam: Tensor, half: Tensor, **options: Any) -> Any:
        """Variable of the model."""
        given = {"logp": _pc_range, "dist": _pc_range_draw, **options}
        return pm.CustomDist(name, lam, half, **given)


def _pc_range(x: Tensor, lam: Tensor, half: Tensor) -> Tensor:
    return pt.log(half * lam) - (half + 1.0) * pt.log(x) - lam * x**-half


def _pc_range_draw(lam: Tensor, half: Tensor, size: Tensor) -> Tensor:
    return pm.Exponential.dist(lam, size=size) ** (-1.0 / half)


class StepCorrelation:
    """AR(1) correlations that are uniform some steps apart, the sign kept."""

    @staticmethod
    def dist(steps: Tensor, **options: Any) -> Tensor:
        """Variable without a name."""
        return pm.CustomDist.dist(steps, **_STEPS, **options)

    def __new__(cls, name: str, steps: Tensor, **options: Any) -> Any:
        """Variable of the model."""
        return pm.CustomDist(name, steps, **_STEPS, **options)


def _step_correlation(phi: Tensor, steps: Tensor) -> Tensor:
    return pt.log(steps / 2) + (steps - 1.0) * pt.log(pt.abs(phi))


def _step_correlation_cdf(phi: Tensor, steps: Tensor) -> Tensor:
    """Its logarithm."""
    return pt.log((1.0 + pt.sign(phi) * pt.abs(phi) ** steps) / 2)


def _step_correlation_draw(steps: Tensor, size: Tensor) -> Tensor:
    apart = pm.Uniform.dist(-1.0, 1.0, size=size)
    return pt.sign(apart) * pt.abs(apart) ** (1.0 / steps)


_STEPS: dict[str, Any] = {
    "logp": _step_correlation,
    "logcdf": _step_correlation_cdf,
    "dist": _step_correlation_draw,
}


PENALISED: dict[str, Any] = {
    "PC": lambda a: (pm.Exponential, {"lam": densities.scale_rate(a)}),
    "PCCorrelation": lambda a: (PCCorrelation, {"lam": densities.correlation_rate(a)}),
    "StepCorrelation": lambda a: (StepCorrelation, dict(a)),
    "PCRange": lambda a: (PCRange, {"lam": densities.range_rate(a), "half": a["dimension"] / 2}),
}


ENDED = (pm.Uniform, pm.TruncatedNormal)  # whose ends are constants, as their transforms are
CENTRED = "_centred"  # ends the names of variables with the predictors at their means


def add_variable(
    prior: ParameterPrior,
    start: np.ndarray,
    transform: Transform | None = None,
    others: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Add a variable to the model being built.

    Parameters
    ----------
    prior : ParameterPrior
    start : array, shape (k,) or (k, k)
        Starting value, on the natural scale.
    transform : Transform, optional
        Map from the unconstrained scale; by default that of the interval the variable lives in.
    others : mapping of variable name to tensor, optional
        The variables added before it.

    Returns
    -------
    tensor, shape (k,), (k, k) for a correlation matrix, or () for a single number
    """
    if prior.scale.effects is not None:
        name = f"{prior.block.name}{CENTRED}"
        prior = replace(prior, block=replace(prior.block, name=name))
    block = prior.block
    if block.matrix:
        return _correlation_matrix(prior, start)
    begin = np.asarray(start, dtype=float)
    begin = _inside(prior, begin) if transform is None else begin
    alike = (
        not isinstance(prior.scale, Combinations | RelativeConstants)
        and len({(p.family, prior.bounds(j)) for j, p in enumerate(prior.priors)}) == 1
    )
    if block.dim is not None and not alike:
        return _mixed(prior, begin, transform)
    if block.dim is None:
        drawn, begin = _scalar(prior, others or {}), begin.ravel()[0]
    else:
        drawn = _vector(prior)
    return pm.modelcontext(None).register_rv(
        starting_at(drawn, begin),
        block.name,
        dims=None if block.dim is None else (block.dim,),
        default_transform=None,
        transform=transform or _interval(prior),
    )


def _mixed(prior: ParameterPrior, start: np.ndarray, transform: Transform | None) -> Tensor:
    """A vector with priors of different families or intervals, or of its combinations."""
    block, k = prior.block, len(prior.priors)
    bounds = np.array([prior.bounds(j) for j in range(k)])
    if transform is None and not np.all(np.isinf(bounds)):
        transform = PerCoefficient(bounds[:, 0], bounds[:, 1])
    basis, units = prior.scale.combinations(k), prior.scale.log_units(k)
    each = [_class_and_args(prior, j)[1] for j in range(k)]
    flat = np.array([v for args in each for v in args.values()])
    ends = np.cumsum([len(args) for args in each])
    classes = {_class_and_args(prior, j)[0] for j in range(k)}
    alike = len(classes) == 1 and not any(_is_cut(prior, j) for j in range(k))

    def distribution(hyper: Tensor, j: int) -> Tensor:
        first = ends[j] - len(each[j])
        args = {name: hyper[first + i] for i, name in enumerate(each[j])}
        return _univariate(prior, j, args)

    def logp(value: Tensor, matrix: Tensor, units: Tensor, hyper: Tensor) -> Tensor:
        log_units = pt.dot(units, value)
        combined = pt.dot(matrix, value) * pt.exp(-log_units)
        if alike:
            columns = hyper.reshape((k, len(each[0])))
            args = {name: columns[:, i] for i, name in enumerate(each[0])}
            return pm.logp(next(iter(classes)).dist(**args), combined).sum() - log_units.sum()
        own = sum(pm.logp(distribution(hyper, j), combined[j]) for j in range(k))
        return own - log_units.sum()

    def dist(matrix: Tensor, units: Tensor, hyper: Tensor, size: Tensor) -> Tensor:
        independent = pt.stack([distribution(hyper, j) for j in range(k)])
        own = pt.dot(pt.linalg.inv(matrix), independent)
        return own * pt.exp(pt.dot(units, own))

    return pm.CustomDist(
        block.name,
        pt.specify_shape(pm.Data(f"{block.name}_prior_basis", basis), (k, k)),
        pt.specify_shape(pm.Data(f"{block.name}_prior_units", units), (k, k)),
        pt.specify_shape(pm.Data(f"{block.name}_prior", flat), (len(flat),)),
        logp=logp,
        dist=dist,
        signature="(p,p),(p,p),(h)->(p)",
        dims=block.dim,
        support_point=_always(start),
        default_transform=None,
        transform=transform,
    )


def _always(start: np.ndarray) -> Any:
    """A support point that is known."""
    return lambda *_: pt.constant(np.asarray(start, dtype=float))


def _scalar(prior: ParameterPrior, others: Mapping[str, Tensor]) -> Tensor:
    """The variable of a single number, without its name."""
    name = prior.block.name
    own, args = _class_and_args(prior, 0)
    if _is_cut(prior, 0):
        lower, upper = _limits(prior, 0)
        return pm.Truncated.dist(own.dist(**args), lower=lower, upper=upper)
    data = _as_data(prior, own, args)
    if isinstance(prior.scale, TypicalScale):
        # a scale family: sigma is that of a typical row over a factor
        weights = pm.Data(f"{name}_prior_weights", prior.scale.weights)
        data["sigma"] *= pt.exp(-pt.dot(others["varfunc"], weights) - prior.scale.constant)
    return own.dist(**data)


def _vector(prior: ParameterPrior) -> Tensor:
    """The variable of several alike, without its name."""
    own, _ = _class_and_args(prior, 0)
    each = [_class_and_args(prior, j)[1] for j in range(len(prior.priors))]
    args = {key: np.array([a[key] for a in each]) for key in each[0]}
    shape = (len(each),)
    if _is_cut(prior, 0):
        lower, upper = _limits(prior, 0)
        base = own.dist(**args) if args else own.dist(shape=shape)
        return pm.Truncated.dist(base, lower=lower, upper=upper, shape=shape)
    return own.dist(**_as_data(prior, own, args), shape=shape)


def _as_data(prior: ParameterPrior, own: Any, args: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a prior as data: other priors then need no new compilation.

    The ends of a uniform stay constants, for its transform has them too.
    """
    if own in ENDED:
        return args
    name, dim = prior.block.name, prior.block.dim
    return {key: pm.Data(f"{name}_prior_{key}", value, dims=dim) for key, value in args.items()}


def _univariate(prior: ParameterPrior, j: int, args: dict[str, Any]) -> Tensor:
    own, constants = _class_and_args(prior, j)
    if not _is_cut(prior, j):
        return own.dist(**(constants if own in ENDED else args))
    lower, upper = _limits(prior, j)
    return pm.Truncated.dist(own.dist(**constants), lower=lower, upper=upper)


def _limits(prior: ParameterPrior, j: int) -> tuple[float | None, float | None]:
    """Ends of the interval of a coefficient, None where it has none."""
    low, high = prior.bounds(j)
    return (None if np.isinf(low) else low), (None if np.isinf(high) else high)


def _class_and_args(prior: ParameterPrior, j: int) -> tuple[Any, dict[str, float]]:
    """PyMC's class; a flat prior becomes the uniform or half-flat one of its interval."""
    one, (low, high) = prior.priors[j], prior.bounds(j)
    if one.family in FLAT_FAMILIES and np.isfinite(high - low):
        return pm.Uniform, {"lower": low, "upper": high}
    if one.family == "Flat" and low == 0.0:
        return pm.HalfFlat, {}
    if one.family in PENALISED:
        own, rates = PENALISED[one.family](one.numbers())
        return own, rates
    return getattr(pm, one.family), one.numbers()


def _is_cut(prior: ParameterPrior, j: int) -> bool:
    """Whether the density reaches beyond the interval of its parameter."""
    family = FAMILIES[prior.priors[j].family]
    own = family.support(prior.priors[j].numbers())
    return family.cumulative is not None and own != prior.bounds(j)


def _interval(prior: ParameterPrior) -> Transform | None:
    """Transform of coefficients that live in one common interval."""
    bounds = np.array([prior.bounds(j) for j in range(len(prior.priors))])
    low, high = bounds[:, 0], bounds[:, 1]
    if np.all(np.isinf(bounds)):
        return None
    if np.all(low == 0.0) and np.all(np.isinf(high)):
        return tr.log
    return tr.Interval(*(None if np.isinf(v) else float(v) for v in bounds[0]))


class PerCoefficient(Transform):
    """Intervals that differ between the coefficients of a vector.

    Parameters
    ----------
    low, high : arrays, shape (k,)
        Bounds, infinite where there is none.
    """

    name = "intervals"
    ndim_supp = 1

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        self.parts = [
            None
            if np.isinf(a) and np.isinf(b)
            else tr.Interval(*(None if np.isinf(v) else float(v) for v in (a, b)))
            for a, b in zip(low, high, strict=True)
        ]

    def forward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Natural to unconstrained, shape (k,)."""
        return pt.stack([p.forward(value[j]) if p else value[j] for j, p in enumerate(self.parts)])

    def backward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Unconstrained to natural, shape (k,)."""
        return pt.stack([p.backward(value[j]) if p else value[j] for j, p in enumerate(self.parts)])

    def log_jac_det(self, value: Tensor, *_: Tensor) -> Tensor:
        """Sum of the log derivatives."""
        return sum(
            (p.log_jac_det(value[j]) for j, p in enumerate(self.parts) if p), start=pt.constant(0.0)
        )


def _inside(prior: ParameterPrior, start: np.ndarray) -> np.ndarray:
    """Starting values, moved to an inner point where the prior excludes them."""
    values = np.broadcast_to(start, (len(prior.priors),)).copy()
    for j in range(len(values)):
        low, high = prior.bounds(j)
        if not low < values[j] < high:
            values[j] = prior.inner_point(j)
    return values


def _correlation_matrix(prior: ParameterPrior, start: np.ndarray) -> Tensor:
    block, q = prior.block, len(prior.block.coefs)
    eta = prior.priors[0].numbers()["eta"]
    numbers = np.array([eta, lkj_log_constant(q, eta)])

    def logp(value: Tensor, identity: Tensor, hyper: Tensor) -> Tensor:
        factor = correlation_cholesky(value, q)
        half_logdet = sum(pt.log(factor[i][i]) for i in range(1, q))
        return (hyper[0] - 1.0) * 2.0 * half_logdet - hyper[1]

    def random(
        identity: np.ndarray, hyper: np.ndarray, rng: np.random.Generator, size: Any
    ) -> np.ndarray:
        draws = lkj_draws(q, float(hyper[0]), int(np.prod(size)) if size else 1, rng)
        return draws.reshape((*size, q, q)) if size else draws[0]

    return pm.CustomDist(
        block.name,
        np.eye(q),
        pt.specify_shape(pm.Data(f"{block.name}_prior", numbers), (len(numbers),)),
        logp=logp,
        random=random,
        signature="(q,q),(h)->(q,q)",
        support_point=_always(start),
        transform=CorrelationMatrix(q),
        dims=(block.dim, f"{block.dim}_bis"),
    )


def add_natural(prior: ParameterPrior, centred: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add a level's standard deviations and correlations, from those at the predictors' means.

    Parameters
    ----------
    prior : ParameterPrior
        Of the correlations.
    centred : mapping of variable name to tensor
        The variables added before.
    """
    own, block, q = prior.scale.effects, prior.block, len(prior.block.coefs)
    assert own is not None
    back = pm.Data(f"{block.name}_margins", np.linalg.inv(own.basis))
    scaled = pt.dot(pt.specify_shape(back, (q, q)), pt.diag(centred[own.sd]))
    covariance = pt.dot(scaled, pt.dot(centred[own.cor], scaled.T))
    sd = pm.Deterministic(own.sd, pt.sqrt(pt.diag(covariance)), dims=block.dim)
    correlation = covariance / sd[:, None] / sd[None, :]
    dims = (block.dim, f"{block.dim}_bis")
    return {own.sd: sd, own.cor: pm.Deterministic(own.cor, correlation, dims=dims)}


def natural_draws(priors: Priors, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draws of the free variables with standard deviations and correlations in their own place."""
    out = dict(values)
    for own in (p.scale.effects for p in priors if p.block.matrix):
        if own is None:
            continue
        centred = (out.pop(f"{name}{CENTRED}") for name in (own.sd, own.cor))
        out[own.sd], out[own.cor] = own.natural(*centred)
    return out
