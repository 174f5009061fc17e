"""The collapsed sampler: variance parameters by importance sampling, the rest exactly.

beta and the random effects are Gaussian given the variance parameters, so only these few are
sampled, from their marginal posterior (the engine's likelihood with beta integrated out, times the
priors). A few thousand evaluations of that density are one batched call; no PyTensor is involved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from bayeslme import engine
from bayeslme.bayes import settings
from bayeslme.bayes.density import gaussian_part
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.priors import Priors
from bayeslme.bayes.sampling.annealing import anneal
from bayeslme.bayes.sampling.coefficients import (
    MixedCoefficients,
    gaussian_draws,
    mixed_coefficients,
)
from bayeslme.bayes.sampling.conflict import conflict_of, far_starts
from bayeslme.bayes.sampling.coordinates import Coordinates
from bayeslme.bayes.sampling.gibbs import run_chains
from bayeslme.bayes.sampling.importance import (
    Adapted,
    Weighted,
    adapt,
    evaluate,
    fit,
    resample,
    smooth,
)
from bayeslme.bayes.sampling.map import PosteriorDensity, natural_values
from bayeslme.bayes.sampling.mixture import Proposal, boundary_components
from bayeslme.bayes.sampling.modes import (
    Mode,
    distinct,
    mode_from,
    subsets,
    together,
    unvisited,
    unvisited_warnings,
)
from bayeslme.bayes.sampling.starting import starting_points
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.likelihood import Likelihood, NaturalPoint
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
    mixed : MixedCoefficients or None
        Coefficients whose priors are neither normal nor flat: `density` takes them for flat.
    """

    density: PosteriorDensity
    coordinates: Coordinates
    mixed: MixedCoefficients | None = None

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """Log density (b,) at coordinates (b, k); large batches in pieces.

        With several priors that are not normal it is an approximation, to make a proposal from.
        """
        found = []
        for piece in self._pieces(u):
            value, factor = self._piece(piece)
            found.append(value if self.mixed is None else value + self.mixed.log_evidence(factor))
        return self._finite(found)

    def with_coefficients(
        self, u: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log density (b,), unbiased on the natural scale, and a draw of beta (b, p) with it."""
        values, drawn = [], []
        for piece in self._pieces(u):
            value, factor = self._piece(piece)
            if self.mixed is None:
                beta = gaussian_draws(self.density.parameters, factor, len(piece), rng)
            else:
                log_mean, beta = self.mixed.draw(factor, rng)
                value = value + log_mean
            values.append(value)
            drawn.append(beta)
        return self._finite(values), np.concatenate(drawn)

    def flat(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density (b,) with the mixed priors left out, and the factor (b, p + 1, p + 1)."""
        found = [self._piece(piece) for piece in self._pieces(u)]
        return self._finite([v for v, _ in found]), np.concatenate([f for _, f in found])

    @property
    def exact(self) -> bool:
        """Whether the density is known, not only without bias."""
        return self.mixed is None or self.mixed.exact

    @property
    def chains_follow(self) -> bool:
        """Whether chains can take over where the weights are poor."""
        return self.mixed is not None and self.mixed.by_scale

    @property
    def cost(self) -> float:
        """Numbers that one density reads."""
        return float(self.density.likelihood.n_numbers + self.density.likelihood.n_dense_numbers)

    def _pieces(self, u: np.ndarray) -> list[np.ndarray]:
        pieces = self.density.likelihood.pieces(u) or [u]
        if self.mixed is None:
            return pieces
        each = len(self.mixed.places) * self.density.parameters.problem.p
        step = int(max(settings.MIXTURES.numbers_per_batch // each, 1))
        return [part for piece in pieces for part in np.split(piece, range(step, len(piece), step))]

    def _piece(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            point, log_jacobian = self.coordinates.decode_with_jacobian(u)
            value, factor = self.density.evaluate(point)
            factor = np.broadcast_to(factor, (len(u), *factor.shape[-2:]))
            return np.broadcast_to(value + log_jacobian, len(u)), factor

    @staticmethod
    def _finite(values: list[np.ndarray]) -> np.ndarray:
        out = np.concatenate(values)
        return np.where(np.isfinite(out), out, -np.inf)


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
    route : {"exact", "importance", "refined mixture", "annealed", "gibbs"}
    r_hat : float
        Between populations of particles, or between chains; NaN on the other routes.
    log_evidence : float
        Log p(y) by the mean of the weights; NaN of annealed particles.
    unvisited : float
        Estimated share of the posterior where no candidate lies; NaN where it was not looked for.
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
    unvisited: float = np.nan

    @property
    def log_evidence_mcse(self) -> float:
        """Monte Carlo standard error of the log evidence."""
        return float(np.sqrt(max(1.0 / self.efficiency - 1.0, 0.0) / self.candidates))

    @property
    def mistrust(self) -> str | None:
        """Why the draws are not to be used, or None."""
        limits = settings.SAMPLING
        if self.route == "gibbs":
            return self._apart
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
    def _apart(self) -> str | None:
        """Why the chains are not to be used, or None."""
        limits = settings.SAMPLING
        least = min(limits.min_effective_draws, 0.5 * len(self.log_weight))
        if self.r_hat <= limits.max_population_r_hat and self.effective >= least:
            return None
        worth = f"R-hat {self.r_hat:.3f}, worth {self.effective:.0f} draws"
        return f"{settings.GIBBS.chains} chains over the priors' scales do not agree yet ({worth})"

    @property
    def warnings(self) -> list[str]:
        """What the user of the draws must know."""
        return unvisited_warnings(self.unvisited)

    @property
    def certificate(self) -> str:
        """What is printed of the weights."""
        if self.route == "exact":
            return "exact"
        weights = f"k-hat {self.k_hat:.2f}, importance efficiency {self.efficiency:.0%}"
        if self.route == "gibbs":
            chains = f"{settings.GIBBS.chains} chains over the priors' scales"
            return f"gibbs, {chains}, R-hat {self.r_hat:.3f}; before: {weights}"
        if self.route != "annealed":
            missed = "" if np.isnan(self.unvisited) else f", never visited {self.unvisited:.1%}"
            return f"{self.route}; {weights} of {self.candidates}{missed}"
        populations = f"R-hat of {settings.ANNEALING.populations} populations {self.r_hat:.3f}"
        return f"annealed, {populations}; before: {weights}"


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
    target = _target(parameters, priors, points[0], estimate)
    if not target.coordinates.size:
        return _without_parameters(target, n, rng)
    modes = _modes(target, points, estimate)
    found = adapt(target, *_proposal(target, modes), rng)
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
    weighted, beta, route, proposal = _weighed(target, found, count, n, rng)
    if (
        weighted.k_hat > limits.max_pareto_k
        and target.exact
        and limits.densities_per_particle * n * target.cost <= limits.max_numbers_read
    ):
        return _annealed(target, found, weighted, n, rng)
    if not target.exact and weighted.efficiency < settings.GIBBS.min_efficiency:
        chained = _chained(target, found, weighted, n, rng)
        if chained is not None:
            return chained
    drawn = _complete(target, weighted, beta, route, n, rng)
    missed = unvisited(target, proposal, modes, drawn.log_evidence, len(weighted.u), rng)
    return replace(drawn, unvisited=missed)


def _chained(
    target: CollapsedPosterior, found: Adapted, failed: Weighted, n: int, rng: np.random.Generator
) -> CollapsedDraws | None:
    """Chains over the scales of the mixed priors; None where one is cut to an interval."""
    mixed = target.mixed
    if mixed is None or not target.chains_follow:
        return None
    chains = run_chains(target, mixed, found.proposal, n, rng)
    point = target.coordinates.decode(chains.u)
    return CollapsedDraws(
        {**natural_values(target.density.parameters, point), "fixef": chains.beta},
        np.zeros(n),
        failed.k_hat,
        failed.efficiency,
        len(failed.u),
        chains.effective,
        "gibbs",
        chains.r_hat,
    )


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


def _target(
    parameters: ModelParameters, priors: Priors, start: NaturalPoint, estimate: Estimate
) -> CollapsedPosterior:
    likelihood = Likelihood(parameters.problem, "REML")
    prior = priors["fixef"]
    density = PosteriorDensity(parameters, priors, likelihood, gaussian_part(prior))
    mixed = mixed_coefficients(parameters, prior, estimate)
    return CollapsedPosterior(density, Coordinates(parameters, start, priors), mixed)


def _modes(
    target: CollapsedPosterior, points: list[NaturalPoint], estimate: Estimate
) -> list[Mode]:
    """The modes climbed to from the data, and where priors lie far from these, from there too."""
    scale, even = target.coordinates.scale, target.coordinates.even
    parameters, priors = target.density.parameters, target.density.priors
    starts = np.stack([target.coordinates.encode(point) for point in points])
    heights = target(starts)
    best = int(np.argmax(heights))
    found = [mode_from(target, target, starts[best], scale, even)]
    conflict = conflict_of(priors["fixef"], estimate)
    others = far_starts(parameters, points, estimate, priors)
    more = [target.coordinates.encode(point) for point in others]
    found += [mode_from(target, target, start, scale, even) for start in more]
    if conflict is not None and target.mixed is not None:
        every = np.stack([*starts, *more])
        for chosen in subsets(len(conflict.places)):
            beta = conflict.tied(priors["fixef"], chosen)
            tied = replace(target, density=replace(target.density, beta=beta), mixed=None)
            start = every[int(np.argmax(tied(every)))]
            found.append(mode_from(tied, target, start, scale, even))
    block = parameters.corstruct
    if block is not None and block.turned_together:
        tops = [mode.component.mean[0] for mode in found if mode is not None]
        images = [_image(target, top) for top in tops]
        found += [mode_from(target, target, image, scale, even) for image in images]
    modes = distinct(found)
    if not modes:
        msg = "the posterior density is not finite at the starting values: check the priors"
        raise FitError(msg)
    return modes


def _image(target: CollapsedPosterior, top: np.ndarray) -> np.ndarray:
    """Coordinates (k,) of the point whose correlations have the other signs.

    Where the data leave the signs open, each maximum has an image of the same likelihood, and half
    of the evidence lies there.
    """
    bound = target.density.parameters.problem.correlation
    point = target.coordinates.decode(top[None])
    assert bound is not None
    assert point.corstruct is not None
    here = point.corstruct[0]
    turned = np.where(bound.mirrored, -here, here)
    random = tuple(own[0] for own in point.random)
    variance = None if point.varfunc is None else point.varfunc[0]
    return target.coordinates.encode(NaturalPoint(point.sigma[0], random, turned, variance))


def _proposal(target: CollapsedPosterior, modes: list[Mode]) -> tuple[Proposal, list[Proposal]]:
    """The components at the modes, and those that keep a share: at edges, at the other modes."""
    first = modes[0].component
    edges = boundary_components(target, first, target.coordinates.scale)
    return together(modes), edges + [mode.component for mode in modes[1:]]


def _weighed(
    target: CollapsedPosterior, found: Adapted, count: int, n: int, rng: np.random.Generator
) -> tuple[Weighted, np.ndarray, str, Proposal]:
    """Fresh draws with their weights and coefficients; of a refined mixture where they are poor.

    Weights that are worth the n draws asked for are good enough whatever their number. Also how
    the draws were made, and the mixture.
    """
    limits = settings.SAMPLING
    most = max(limits.min_candidates, limits.max_candidates_per_draw * n)
    tried: list[tuple[Weighted, np.ndarray, str, Proposal]] = []
    proposal, route, spent = found.proposal, "importance", 0.0
    for _ in range(1 + limits.max_refinements):
        u, value, beta = _candidates(target, proposal, count, rng)
        draws = smooth(u, value - proposal.log_density(u))
        tried.append((draws, beta, route, proposal))
        spent += count * target.cost
        enough = draws.efficiency >= limits.good_efficiency or draws.efficiency * len(u) >= n
        if (draws.k_hat <= limits.good_pareto_k and enough) or spent > limits.max_numbers_read:
            break
        if not target.exact:  # no proposal of the others makes the coefficients' weights more even
            if count >= most or target.chains_follow:
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
    if not target.exact:
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
    if not target.exact:
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
