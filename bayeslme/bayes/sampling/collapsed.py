"""The collapsed sampler: variance parameters by importance sampling, the rest exactly.

beta and the random effects are Gaussian given the variance parameters, so only these few are
sampled, from their marginal posterior (the engine's likelihood with beta integrated out, times the
priors). A few thousand evaluations of that density are one batched call; no PyTensor is involved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from bayeslme import engine
from bayeslme.bayes import settings
from bayeslme.bayes.density import GAUSSIAN, gaussian_part
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.priors import Priors
from bayeslme.bayes.sampling.annealing import anneal
from bayeslme.bayes.sampling.coordinates import Coordinates
from bayeslme.bayes.sampling.importance import (
    Adapted,
    Weighted,
    adapt,
    evaluate,
    fit,
    laplace,
    resample,
    smooth,
)
from bayeslme.bayes.sampling.map import PosteriorDensity, natural_values
from bayeslme.bayes.sampling.mixture import Proposal, boundary_components
from bayeslme.bayes.sampling.starting import starting_points
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.likelihood import Likelihood, NaturalPoint
from bayeslme.engine.search.optimise import maximise, second_differences
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.data.types import Design


@dataclass(frozen=True)
class CollapsedPosterior:
    """The posterior density of the variance parameters in coordinates of the whole real line.

    Attributes
    ----------
    density : PosteriorDensity
    coordinates : Coordinates
    rest : tuple of int
        Coefficients whose priors are not Gaussian: `density` takes them for flat, which bounds the
        weights that a draw of the coefficients adds.
    """

    density: PosteriorDensity
    coordinates: Coordinates
    rest: tuple[int, ...] = ()

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """Log density (b,) at coordinates (b, k); large batches in pieces."""
        return self._finite([self._piece(piece)[0] for piece in self._pieces(u)])

    def with_coefficients(
        self, u: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log density (b,), and a draw of beta (b, p) from its Gaussian conditional.

        The prior of the ``rest`` at the draw is part of the density then: what its weight needs.
        """
        values, drawn, fixef = [], [], self.density.priors["fixef"]
        for piece in self._pieces(u):
            value, factor = self._piece(piece)
            beta = coefficients(self.density.parameters, factor, len(piece), rng)
            values.append(value + fixef.log_density_of(beta, self.rest) if self.rest else value)
            drawn.append(beta)
        return self._finite(values), np.concatenate(drawn)

    @property
    def cost(self) -> float:
        """Numbers that one density reads."""
        return float(self.density.likelihood.n_numbers + self.density.likelihood.n_dense_numbers)

    def _pieces(self, u: np.ndarray) -> list[np.ndarray]:
        return self.density.likelihood.pieces(u) or [u]

    def _piece(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            point, log_jacobian = self.coordinates.decode_with_jacobian(u)
            value, factor = self.density.evaluate(point)
            return np.broadcast_to(value + log_jacobian, len(u)), factor

    @staticmethod
    def _finite(values: list[np.ndarray]) -> np.ndarray:
        out = np.concatenate(values)
        return np.where(np.isfinite(out), out, -np.inf)


def coefficients(
    parameters: ModelParameters, factor: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw beta (b, p) given factors (b, p + 1, p + 1) of [X | y]'V^-1[X | y]."""
    problem, p = parameters.problem, parameters.problem.p
    factor = np.broadcast_to(factor, (count, *factor.shape[-2:]))
    right = factor[:, p, :p] + rng.standard_normal((count, p))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)[:, :p]
        sound = np.all(np.isfinite(factor), axis=(-2, -1)) & np.all(diagonal > 0, axis=-1)
    standard = np.full((count, p), np.nan)
    upper = np.swapaxes(factor[sound, :p, :p], -1, -2)
    standard[sound] = np.linalg.solve(upper, right[sound, :, None])[..., 0]
    return np.asarray(np.linalg.solve(problem.x_basis, standard.T).T + problem.shift)


@dataclass(frozen=True, slots=True)
class CollapsedDraws:
    """Draws of the posterior.

    Attributes
    ----------
    values : dict of variable name to array (s, ...)
    log_weight : array, shape (s,)
        Raw log weights of the candidates kept; zeros for annealed particles.
    k_hat : float
        Of the importance weights, those that were given up too.
    efficiency : float
        Kish's effective share of the candidates.
    candidates : int
    effective : float
        Effective number of draws by the weights, or by the copies of particles.
    route : {"exact", "importance", "refined mixture", "annealed"}
    r_hat : float
        Between populations of particles; NaN on the other routes.
    log_evidence : float
        Log p(y) by the mean of the weights; NaN of annealed particles.
    """

    values: dict[str, np.ndarray]
    log_weight: np.ndarray
    k_hat: float
    efficiency: float
    candidates: int
    effective: float
    route: str
    r_hat: float = np.nan
    log_evidence: float = np.nan

    @property
    def log_evidence_mcse(self) -> float:
        """Monte Carlo standard error of the log evidence."""
        return float(np.sqrt(max(1.0 / self.efficiency - 1.0, 0.0) / self.candidates))

    @property
    def mistrust(self) -> str | None:
        """Why the draws are not to be used, or None."""
        limits = settings.SAMPLING
        too_high = f"Pareto k-hat {self.k_hat:.2f} is above {limits.max_pareto_k}"
        if self.route != "annealed":
            if self.effective < min(limits.min_effective_draws, 0.5 * len(self.log_weight)):
                return f"the weights of {self.candidates} draws are worth {self.effective:.0f}"
            if np.isnan(self.k_hat):
                return "a single draw has all the weight"
            return None if self.k_hat <= limits.max_pareto_k else too_high
        if self.r_hat <= limits.max_population_r_hat:
            return None
        return f"{too_high}, and annealed populations differ ({self.r_hat:.2f})"

    @property
    def certificate(self) -> str:
        """What is printed of the weights."""
        if self.route == "exact":
            return "exact"
        weights = f"k-hat {self.k_hat:.2f}, importance efficiency {self.efficiency:.0%}"
        if self.route != "annealed":
            return f"{self.route}; {weights} of {self.candidates}"
        populations = f"R-hat of {settings.ANNEALING.populations} populations {self.r_hat:.3f}"
        return f"annealed, {populations}; before: {weights}"


def collapsible(parameters: ModelParameters) -> str | None:
    """Why a model cannot be collapsed, or None."""
    return (
        "the variance depends on fitted values" if parameters.problem.needs_fitted_values else None
    )


@np.errstate(under="ignore")  # a vanishing correlation is 0
def draw(
    design: Design,
    parameters: ModelParameters,
    priors: Priors,
    n: int,
    rng: np.random.Generator,
    first: Estimate | None = None,
) -> CollapsedDraws:
    """Draw n times from the posterior.

    Parameters
    ----------
    design : Design
    parameters : ModelParameters
    priors : Priors
        Those of coefficients that are neither Gaussian nor flat enter by the weights.
    n : int
    rng : Generator
    first : Estimate, optional
        Where the search for the mode starts; one is made where there is none.

    Raises
    ------
    FitError
        Where the posterior has no mode to start from.
    """
    limits = settings.SAMPLING
    estimate = engine.estimate(design) if first is None else first
    points = starting_points(parameters, estimate, design, priors)
    target = _target(parameters, priors, points[0])
    if not target.coordinates.size:
        return _without_parameters(target, n, rng)
    starts = np.stack([target.coordinates.encode(point) for point in points])
    found = adapt(target, *_laplace(target, starts), rng)
    count = max(
        limits.min_candidates,
        int(
            np.ceil(
                n
                * min(
                    limits.candidate_surplus / max(found.efficiency, 1e-3),
                    limits.max_candidates_per_draw,
                )
            )
        ),
    )
    weighted, beta, route = _weighed(target, found, count, n, rng)
    if (
        weighted.k_hat > limits.max_pareto_k
        and not target.rest
        and limits.densities_per_particle * n * target.cost <= limits.max_numbers_read
    ):
        return _annealed(target, found, weighted, n, rng)
    return _complete(target, weighted, beta, route, n, rng)


def _annealed(
    target: CollapsedPosterior, found: Adapted, failed: Weighted, n: int, rng: np.random.Generator
) -> CollapsedDraws:
    """Particles moved from the proposal to the posterior, and their coefficients."""
    particles = anneal(target, found.proposal, n, rng)
    _, beta = target.with_coefficients(particles.u, rng)
    point = target.coordinates.decode(particles.u)
    return CollapsedDraws(
        {**natural_values(target.density.parameters, point), "fixef": beta},
        np.zeros(n),
        failed.k_hat,
        failed.efficiency,
        len(failed.u),
        particles.effective,
        "annealed",
        particles.r_hat,
    )


def _target(parameters: ModelParameters, priors: Priors, start: NaturalPoint) -> CollapsedPosterior:
    likelihood = Likelihood(parameters.problem, "REML")
    prior = priors["fixef"]
    density = PosteriorDensity(parameters, priors, likelihood, gaussian_part(prior))
    rest = tuple(j for j, p in enumerate(prior.priors) if p.family not in GAUSSIAN)
    return CollapsedPosterior(density, Coordinates(parameters, start, priors), rest)


def _laplace(target: CollapsedPosterior, starts: np.ndarray) -> tuple[Proposal, list[Proposal]]:
    """The component at the mode climbed to from the best of some starts, and those at the edges."""
    scale, even = target.coordinates.scale, target.coordinates.even
    mode = maximise(target, starts[int(np.argmax(target(starts)))], scale)
    if not np.isfinite(mode.value):
        msg = "the posterior density is not finite at the starting values: check the priors"
        raise FitError(msg)
    top = np.where(even, np.abs(mode.theta), mode.theta)
    hessian = second_differences(
        lambda v: target(top + v * scale), len(top), settings.SEARCH.difference_step
    )
    finite = np.where(np.isfinite(hessian), hessian, 0.0)
    first = laplace(top, finite / np.outer(scale, scale), even)
    return first, boundary_components(target, first, scale)


def _weighed(
    target: CollapsedPosterior, found: Adapted, count: int, n: int, rng: np.random.Generator
) -> tuple[Weighted, np.ndarray, str]:
    """Fresh draws with their weights and coefficients; of a refined mixture where they are poor.

    Weights that are worth the n draws asked for are good enough whatever their number.
    """
    limits = settings.SAMPLING
    most = max(limits.min_candidates, limits.max_candidates_per_draw * n)
    tried: list[tuple[Weighted, np.ndarray, str]] = []
    proposal, route, spent = found.proposal, "importance", 0.0
    for _ in range(1 + limits.max_refinements):
        u, value, beta = _candidates(target, proposal, count, rng)
        draws = smooth(u, value - proposal.log_density(u))
        tried.append((draws, beta, route))
        spent += count * target.cost
        enough = draws.efficiency >= limits.good_efficiency or draws.efficiency * len(u) >= n
        if (draws.k_hat <= limits.good_pareto_k and enough) or spent > limits.max_numbers_read:
            break
        if target.rest:  # no proposal of the others makes the coefficients' weights more even
            if count >= most:
                break
            count = int(
                min(
                    most,
                    np.ceil(
                        count
                        * limits.candidate_surplus
                        * limits.good_efficiency
                        / max(draws.efficiency, 1e-3)
                    ),
                )
            )
            continue
        found.pool.add(
            proposal, u[: limits.max_pooled_candidates], value[: limits.max_pooled_candidates]
        )
        proposal, _ = fit(found.pool, proposal, found.boundary)
        count, route = max(count, limits.min_refined_candidates), "refined mixture"
    if target.rest:
        return max(tried, key=lambda one: one[0].efficiency * len(one[0].u))
    return min(tried, key=lambda one: _lacks(one[0]))


def _candidates(
    target: CollapsedPosterior, proposal: Proposal, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    drawn: list[np.ndarray] = []

    def both(u: np.ndarray) -> np.ndarray:
        value, beta = target.with_coefficients(u, rng)
        drawn.append(beta)
        return value

    u, value = evaluate(both, proposal, count, rng)
    return u, value, np.concatenate(drawn)


def _lacks(draws: Weighted) -> float:
    """How far weights are from good ones."""
    limits = settings.SAMPLING
    return max(draws.k_hat - limits.good_pareto_k, 0.0) + max(
        limits.good_efficiency - draws.efficiency, 0.0
    )


def _without_parameters(
    target: CollapsedPosterior, n: int, rng: np.random.Generator
) -> CollapsedDraws:
    """Nothing but beta is unknown: its conditional is the posterior, up to the prior's rest."""
    limits = settings.SAMPLING
    if target.rest:
        u = np.zeros((max(limits.min_candidates, limits.max_candidates_per_draw * n), 0))
        value, beta = target.with_coefficients(u, rng)
        return _complete(target, smooth(u, value), beta, "importance", n, rng)
    u = np.zeros((n, 0))
    value, beta = target.with_coefficients(u, rng)
    equal = Weighted(u, value, np.full(n, -np.log(n)), -np.inf)
    return _complete(target, equal, beta, "exact", n, rng)


def _complete(
    target: CollapsedPosterior,
    draws: Weighted,
    beta: np.ndarray,
    route: str,
    n: int,
    rng: np.random.Generator,
) -> CollapsedDraws:
    """Resample the candidates."""
    kept = resample(draws, n, rng)
    point = target.coordinates.decode(draws.u[kept])
    values = {**natural_values(target.density.parameters, point), "fixef": beta[kept]}
    return CollapsedDraws(
        values,
        draws.log_weight[kept],
        draws.k_hat,
        draws.efficiency,
        len(draws.u),
        draws.efficiency * len(draws.u),
        route,
        log_evidence=float(logsumexp(draws.log_weight) - np.log(len(draws.u))),
    )
