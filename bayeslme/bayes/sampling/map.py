"""Penalised estimates: the mode of the posterior density of the natural parameters.

The density is that of (standard deviations, correlations, row parameters, sigma), without Jacobian,
with beta integrated over its Gaussian or flat prior. Under flat priors it is the restricted
likelihood, and its mode the REML estimate. Where a prior is about random effects with their
predictors at the means, sigma of a typical row or a constant over its power, so is the density: its
mode does not move with the predictors' origin or a covariate's units.
The search runs over coordinates in which a standard deviation of zero is an ordinary point; the
mode itself does not depend on them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme import engine
from bayeslme.arrays import NUMPY
from bayeslme.bayes import settings
from bayeslme.bayes.density import LOG_2PI, GaussianBeta, bordered, engine_scale, gaussian_beta
from bayeslme.bayes.model_parameters import LevelParameters, ModelParameters, build_parameters
from bayeslme.bayes.priors.correlation import log_density
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.priors import Priors, PriorsLike
from bayeslme.bayes.sampling.conflict import far_starts
from bayeslme.bayes.sampling.coordinates import Coordinates
from bayeslme.bayes.sampling.starting import starting_points
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.likelihood import Likelihood, NaturalPoint
from bayeslme.engine.search.optimise import maximise
from bayeslme.errors import FitError, SpecError
from bayeslme.structures import Parameter

if TYPE_CHECKING:
    from bayeslme.data.types import Design


@dataclass(frozen=True)
class PosteriorDensity:
    """Log posterior density of the natural parameters, beta integrated out.

    Attributes
    ----------
    parameters : ModelParameters
    priors : Priors
    likelihood : Likelihood
    beta : GaussianBeta or None
        None under a flat prior.
    at_means : bool
        Whether the density is that of what the priors are about: a level's standard deviations
        and correlations with the predictors at their means, sigma of a typical row.
    """

    parameters: ModelParameters
    priors: Priors
    likelihood: Likelihood
    beta: GaussianBeta | None
    at_means: bool = False

    def __call__(self, point: NaturalPoint) -> np.ndarray:
        """Log density (b,) at natural points (b)."""
        return self.evaluate(point)[0]

    def evaluate(self, point: NaturalPoint) -> tuple[np.ndarray, np.ndarray]:
        """Log density (b,), and the factor (b, p + 1, p + 1) of [X | y]'V^-1[X | y]."""
        _, factor, typical, half = self.block(point)
        problem, p = self.parameters.problem, self.parameters.problem.p
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
        logdet = np.log(np.abs(np.diagonal(problem.x_basis))).sum()
        df = problem.n - p
        if self.beta is not None:
            logdet = logdet - self.beta.half_logdet
            df = problem.n - p + self.beta.proper
        with np.errstate(divide="ignore", invalid="ignore"):
            value = -0.5 * df * LOG_2PI - problem.n * np.log(typical) - half - logdet
            value = value - np.log(diagonal[..., :p]).sum(axis=-1) - 0.5 * diagonal[..., p] ** 2
        value = value + self.log_prior(point)
        return np.where(np.isfinite(value), value, -np.inf), factor

    def block(
        self, point: NaturalPoint, *, whole: bool = False
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Elimination, factor of [X | y]'V^-1[X | y] with beta's prior, sigma, log determinants."""
        e, half, typical = self.likelihood.natural(point, whole=whole)
        block = e.block / np.asarray(typical)[..., None, None] ** 2
        if self.beta is None:
            return e, NUMPY.cholesky(block), typical, half + e.half_logdet
        # y - X mean in place of y: a tight prior far away would take all digits of the rest
        p = self.parameters.problem.p
        mean, precision = engine_scale(self.parameters.problem, self.beta)
        about = np.eye(p + 1)
        about[:p, p] = -mean
        block = about.T @ block @ about + bordered(np.zeros(p), precision)
        factor = np.array(NUMPY.cholesky(block))
        factor[..., p, :p] += np.einsum("...ij,i->...j", factor[..., :p, :p], mean)
        return e, factor, typical, half + e.half_logdet

    def log_prior(self, point: NaturalPoint) -> np.ndarray:
        """Log prior density (b,) of everything but beta."""
        return log_prior(self.parameters, self.priors, point, at_means=self.at_means)


def log_prior(
    parameters: ModelParameters, priors: Priors, point: NaturalPoint, *, at_means: bool = False
) -> np.ndarray:
    """Log prior density (b,) of everything but beta, at natural points (b).

    With ``at_means`` it is that of what the priors are about; see `PosteriorDensity`.
    """
    values = natural_values(parameters, point)
    terms = []
    for name, own in values.items():
        correlation, inside = parameters.problem.correlation, point.corstruct
        if name == "corstruct" and correlation is not None and inside is not None:
            terms.append(log_density(priors[name], correlation, inside))
        else:
            terms.append(priors[name].log_density(own, values))
    if at_means:
        terms += [-priors[name].scale.log_volume(v, values) for name, v in values.items()]
    return np.asarray(sum(terms, np.zeros(())))


def natural_values(parameters: ModelParameters, point: NaturalPoint) -> dict[str, np.ndarray]:
    """Values of the named variables at natural points (b)."""
    out: dict[str, np.ndarray] = {}
    for level, par in zip(parameters.levels, point.random, strict=True):
        out |= _level_values(level, par)
    for block, row_structure in parameters.row_blocks:
        out[block.name] = np.asarray(row_structure.printed_free(getattr(point, block.name)))
    if parameters.sigma is not None:
        out[parameters.sigma.name] = np.asarray(point.sigma)
    return out


def _level_values(level: LevelParameters, par: np.ndarray) -> dict[str, np.ndarray]:
    sds, out, at = [], {}, 0
    for block in level.covariance_blocks:
        own = par[..., at : at + block.structure.size(block.q)]
        at += own.shape[-1]
        count = block.sds.stop - block.sds.start
        sds.append(own[..., :count])
        if block.correlation is not None and block.correlation.matrix:
            matrix = np.broadcast_to(np.eye(block.q), (*par.shape[:-1], block.q, block.q)).copy()
            i, j = np.triu_indices(block.q, 1)
            matrix[..., i, j] = matrix[..., j, i] = own[..., count:]
            out[block.correlation.name] = matrix
        elif block.correlation is not None:
            out[block.correlation.name] = own[..., count]
    return {level.sd.name: np.concatenate(sds, axis=-1), **out}


@np.errstate(under="ignore")  # a vanishing correlation is 0
def map_estimate(design: Design, priors: PriorsLike) -> Estimate:
    """Mode of the posterior density of the natural parameters.

    Parameters
    ----------
    design : Design
    priors : str or mapping
        A preset's name, or priors by variable; what is not named keeps its default.

    Returns
    -------
    Estimate
        Method ``"MAP"``; ``loglik`` is the log posterior density at the mode up to the constant
        p(y), and ``density`` the function itself.

    Raises
    ------
    SpecError
        For a variance that depends on fitted values, or a prior of the coefficients that is neither
        Normal nor Flat.
    FitError
        Where no point of positive density is found.

    Warns
    -----
    UserWarning
        Where the search did not converge, as where the mode is at the end of a prior's interval.
    """
    parameters = build_parameters(design)
    if parameters.problem.needs_fitted_values:
        msg = "priors: a variance that depends on fitted values has no marginal density; sample it"
        raise SpecError(msg)
    resolved = resolve_priors(parameters, priors)
    likelihood = Likelihood(parameters.problem, "REML")
    beta = gaussian_beta(resolved["fixef"])
    density = PosteriorDensity(parameters, resolved, likelihood, beta, at_means=True)
    first = engine.estimate(design)
    points = starting_points(parameters, first, design, resolved)
    coordinates = Coordinates(parameters, points[0], resolved)

    def objective(u: np.ndarray) -> np.ndarray:
        likelihood.evaluations += len(u)
        return density(coordinates.decode(u))

    starts = np.stack([coordinates.encode(point) for point in points])
    chosen = [starts[int(np.argmax(objective(starts)))]]
    chosen += [coordinates.encode(p) for p in far_starts(parameters, points, first, resolved)]
    found = [maximise(objective, start, coordinates.scale) for start in chosen]
    optimum = max(found, key=lambda one: one.value if np.isfinite(one.value) else -np.inf)
    if not np.isfinite(optimum.value):
        msg = "priors: the posterior density is zero wherever the search looked; widen the priors"
        raise FitError(msg)
    if not optimum.converged:
        note = (
            f"the mode did not settle: {optimum.message}; an end of a prior's interval is one too"
        )
        warnings.warn(note, stacklevel=2)
    point = coordinates.decode(optimum.theta[None])
    estimate = _read_off(density, _clean(density, point, pd_parameters(parameters)))
    return replace(
        estimate,
        loglik=optimum.value,
        converged=optimum.converged,
        message=optimum.message,
        evaluations=likelihood.evaluations,
    )


def pd_parameters(parameters: ModelParameters) -> tuple[tuple[Parameter, ...], ...]:
    """Natural parameters of every level's covariance, outermost first."""
    return tuple(
        level.level.structure.natural_parameters(level.level.effects, str(level.level.formula))
        for level in parameters.levels
    )


def _clean(
    density: PosteriorDensity, point: NaturalPoint, parameters: tuple[tuple[Parameter, ...], ...]
) -> NaturalPoint:
    """The first point of a batch; standard deviations that go to zero are zero."""
    limits = settings.SEARCH
    random = [par.copy() for par in point.random]
    for k, ps in enumerate(parameters):
        for j, p in enumerate(ps):
            if p.support.lower != 0.0 or random[k][0, j] > limits.zero_sd_share * point.sigma[0]:
                continue
            trial = [par.copy() for par in random]
            trial[k][0, j] *= 0.1  # towards zero: at it a prior on the open interval says no
            if (
                density(replace(point, random=tuple(trial)))[0]
                >= density(point)[0] - limits.equal_log_densities
            ):
                random[k][0, j] = 0.0
    correlation = None if point.corstruct is None else point.corstruct[0]
    variance = None if point.varfunc is None else point.varfunc[0]
    return NaturalPoint(point.sigma[0], tuple(par[0] for par in random), correlation, variance)


def _read_off(density: PosteriorDensity, point: NaturalPoint) -> Estimate:
    problem, p = density.parameters.problem, density.parameters.problem.p
    e, factor, typical, _ = density.block(point, whole=True)
    inverse = np.linalg.inv(factor[:p, :p])
    standard = inverse.T @ factor[p, :p]
    to_natural = np.linalg.inv(problem.x_basis)
    root = to_natural @ inverse.T
    lambdas = tuple(
        stage.structure.natural_factor(par, stage.q) / float(point.sigma)
        for stage, par in zip(problem.stages, point.random[::-1], strict=True)
    )
    factors = tuple(
        stage.basis @ lam * float(point.sigma) / float(typical)
        for stage, lam in zip(problem.stages, lambdas, strict=True)
    )
    if problem.crossed is None:
        modes = engine.modes(problem, e, factors, standard)
    else:
        grams = density.likelihood.grams
        modes = grams.modes(grams.at(point.corstruct, point.varfunc), factors, standard)
    return Estimate(
        problem=problem,
        method="MAP",
        theta=_theta(density.parameters, point, lambdas),
        beta=to_natural @ standard + problem.shift,
        sigma=float(point.sigma),
        sigma_held=density.parameters.sigma is None,
        loglik=float("nan"),
        vcov=root @ root.T,
        factors=lambdas[::-1],
        modes=modes[::-1],
        corstruct=point.corstruct,
        varfunc=point.varfunc,
        log_sd=problem.log_sd(point.varfunc),
        converged=False,
        message="",
        evaluations=0,
        density=density,
    )


def _theta(
    parameters: ModelParameters, point: NaturalPoint, lambdas: tuple[np.ndarray, ...]
) -> np.ndarray:
    """The engine's theta of a natural point."""
    problem = parameters.problem
    theta = np.zeros(problem.size)
    for stage, lam in zip(problem.stages, lambdas, strict=True):
        theta[stage.theta] = stage.structure.nearest(lam @ lam.T, stage.basis)
    for name, row_structure, place in problem.row_structures:
        values = getattr(point, name)
        if values is not None:
            theta[place] = row_structure.to_free(values)
    return theta
