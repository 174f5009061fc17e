"""Draws of models whose variance depends on fitted values.

Variance parameters and coefficients are sampled together by importance sampling, with the adaptive
mixture of the collapsed sampler. Their density needs the random effects integrated out, which
`GroupIntegrals` does by Laplace's approximation while the mixture adapts, and without bias for the
draws that are kept, whose random effects come with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from bayeslme.bayes import settings
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.priors import Priors
from bayeslme.bayes.sampling.conflict import conflict_of, far_starts
from bayeslme.bayes.sampling.coordinates import Coordinates
from bayeslme.bayes.sampling.importance import Adapted, Weighted, adapt, evaluate, fit, resample
from bayeslme.bayes.sampling.importance import smooth as smoothed
from bayeslme.bayes.sampling.linearised import Effects, GroupIntegrals
from bayeslme.bayes.sampling.map import log_prior, natural_values
from bayeslme.bayes.sampling.mixture import Proposal, boundary_components
from bayeslme.bayes.sampling.modes import (
    Mode,
    distinct,
    mode_from,
    together,
    unvisited,
    unvisited_warnings,
)
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.likelihood import NaturalPoint


@dataclass(frozen=True)
class FittedPosterior:
    """The posterior density of variance parameters and coefficients, as one vector.

    Coefficients are counted from the estimate, in units in which its covariance is the identity.

    Attributes
    ----------
    parameters : ModelParameters
    priors : Priors
    coordinates : Coordinates
        Of the variance parameters, which come first.
    integrals : GroupIntegrals
    estimate : Estimate
    predicted : tuple of arrays (1 + k + p, G, q), outermost first, or None
        Intercepts and slopes of the random effects' modes in the coordinates.
    """

    parameters: ModelParameters
    priors: Priors
    coordinates: Coordinates
    integrals: GroupIntegrals
    estimate: Estimate
    predicted: Effects | None = None

    @cached_property
    def root(self) -> np.ndarray:
        """Factor (p, p) of the estimated covariance of the coefficients."""
        return np.linalg.cholesky(self.estimate.vcov)

    @property
    def even(self) -> np.ndarray:
        """Coordinates of which only the size counts, bool, shape (k + p,)."""
        return np.concatenate([self.coordinates.even, np.zeros(len(self.root), dtype=bool)])

    @property
    def scale(self) -> np.ndarray:
        """Size of a visible step, shape (k + p,)."""
        return np.concatenate([self.coordinates.scale, np.ones(len(self.root))])

    def start(self, point: NaturalPoint) -> np.ndarray:
        """Coordinates (k + p,) of a natural point, the coefficients at their estimate."""
        return np.concatenate([self.coordinates.encode(point), np.zeros(len(self.root))])

    def values(self, u: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Values of all variables at coordinates (b, k + p), and the log prior with Jacobians."""
        k = self.coordinates.size
        point, log_jacobian = self.coordinates.decode_with_jacobian(u[:, :k])
        beta = self.estimate.beta + u[:, k:] @ self.root.T
        values = {**natural_values(self.parameters, point), "fixef": beta}
        total = log_jacobian + log_prior(self.parameters, self.priors, point)
        total = total + self.priors["fixef"].log_density(beta, values)
        return values, total + np.log(np.diagonal(self.root)).sum()

    def starting_effects(self, u: np.ndarray) -> Effects | None:
        """Effects (b, G, q) close to their modes at coordinates (b, k + p); None until learned."""
        if self.predicted is None:
            return None
        full = np.concatenate([np.ones((len(u), 1)), u], axis=1)
        return tuple(np.tensordot(full, own, axes=1) for own in self.predicted)

    def learned(self, component: Proposal, rng: np.random.Generator) -> FittedPosterior:
        """The same density, with modes predicted by least squares from those of some draws."""
        if self.integrals.exact or not self.parameters.levels:
            return self
        u = component.inside(max(settings.EFFECTS.learned_draws, 5 * len(self.even)), rng)
        full = np.concatenate([np.ones((len(u), 1)), u], axis=1)
        found = [self.integrals.modes(self.values(batch)[0]) for batch in self._batches(u)]
        every = [np.concatenate([own[k] for own in found]) for k in range(len(found[0]))]
        sound = np.all([np.isfinite(b).all(axis=(1, 2)) for b in every], axis=0)
        slopes = [
            np.linalg.lstsq(full[sound], b[sound].reshape(int(sound.sum()), -1), rcond=None)[0]
            for b in every
        ]
        predicted = tuple(
            own.reshape(-1, *b.shape[1:]) for own, b in zip(slopes, every, strict=True)
        )
        return replace(self, predicted=predicted)

    @property
    def step(self) -> int:
        """Draws in a batch."""
        rows = self.parameters.problem.n
        return max(1, int(settings.EFFECTS.numbers_per_batch // rows))

    def _batches(self, u: np.ndarray) -> list[np.ndarray]:
        return np.split(u, range(self.step, len(u), self.step))

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """Log density (b,) by Laplace's approximation at coordinates (b, k + p)."""
        found = []
        for batch in self._batches(u):
            with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
                values, total = self.values(batch)
                found.append(total + self.integrals.laplace(values, self.starting_effects(batch)))
        return _finite(np.concatenate(found))

    def drawn(
        self, u: np.ndarray, pairs: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, Effects, np.ndarray]:
        """Unbiased log density (b,) on the natural scale, random effects, and its variance (b,)."""
        logs, effects, variances = [], [], []
        for batch in self._batches(u):
            with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
                values, total = self.values(batch)
                start = self.starting_effects(batch)
                value, own, variance = self.integrals.drawn(values, pairs, rng, start)
            logs.append(total + value)
            effects.append(own)
            variances.append(variance)
        levels = len(self.parameters.levels)
        joined = tuple(np.concatenate([own[k] for own in effects]) for k in range(levels))
        return _finite(np.concatenate(logs)), joined, np.concatenate(variances)


def _finite(value: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(value), value, -np.inf)


@dataclass(frozen=True, slots=True)
class FittedDraws:
    """Draws of the posterior.

    Attributes
    ----------
    values : dict of variable name to array (s, ...)
    effects : dict of group key to array (s, G, q)
    log_weight : array, shape (s,)
        Raw log weights of the candidates kept.
    k_hat : float
        Of the importance weights.
    efficiency : float
        Kish's effective share of the candidates.
    candidates : int
    pairs : int
        Pairs of draws of the random effects of each group behind a weight.
    log_evidence : float
        Log p(y) by the mean of the weights.
    unvisited : float
        Estimated share of the posterior where no candidate lies.
    """

    values: dict[str, np.ndarray]
    effects: dict[str, np.ndarray]
    log_weight: np.ndarray
    k_hat: float
    efficiency: float
    candidates: int
    pairs: int
    log_evidence: float
    unvisited: float

    @property
    def route(self) -> str:
        """How the draws were made."""
        return "laplace"

    @property
    def effective(self) -> float:
        """Effective number of draws by the weights."""
        return self.efficiency * self.candidates

    @property
    def log_evidence_mcse(self) -> float:
        """Monte Carlo standard error of the log evidence."""
        return float(np.sqrt(max(1.0 / self.efficiency - 1.0, 0.0) / self.candidates))

    @property
    def mistrust(self) -> str | None:
        """Why the draws are not to be used, or None."""
        limits = settings.SAMPLING
        if self.effective < min(limits.min_effective_draws, 0.5 * len(self.log_weight)):
            return f"the weights of {self.candidates} draws are worth {self.effective:.0f}"
        if not self.k_hat <= limits.max_pareto_k:
            return f"Pareto k-hat {self.k_hat:.2f} is above {limits.max_pareto_k}"
        return None

    @property
    def warnings(self) -> list[str]:
        """What the user of the draws must know."""
        return unvisited_warnings(self.unvisited)

    @property
    def certificate(self) -> str:
        """What is printed of the weights."""
        how = f"{self.pairs} pairs of effects a group; " if self.pairs else ""
        weights = f"k-hat {self.k_hat:.2f}, importance efficiency {self.efficiency:.0%}"
        missed = f"never visited {self.unvisited:.1%}"
        return f"laplace in groups; {how}{weights} of {self.candidates}, {missed}"


def refused(parameters: ModelParameters) -> str | None:
    """Why the groups of a model cannot be integrated one by one, or None."""
    if parameters.problem.crossed is not None or parameters.design.related:
        return "the variance depends on fitted values, and groups are not independent"
    return None


@np.errstate(under="ignore")  # a vanishing correlation is 0
def draw(
    parameters: ModelParameters,
    priors: Priors,
    points: list[NaturalPoint],
    n: int,
    rng: np.random.Generator,
    estimate: Estimate,
) -> FittedDraws | None:
    """Draw n times from the posterior; None where its density is zero at all starting values.

    Parameters
    ----------
    parameters : ModelParameters
    priors : Priors
    points : list of NaturalPoint
        Where the search for the mode may start.
    n : int
    rng : Generator
    estimate : Estimate
        Of the same model: its coefficients and random effects are where approximations begin.
    """
    coordinates = Coordinates(parameters, points[0], priors)
    integrals = GroupIntegrals(parameters, estimate.modes)
    target = FittedPosterior(parameters, priors, coordinates, integrals, estimate)
    modes = _modes(target, points)
    if not modes:
        return None
    first = together(modes)
    target = target.learned(first, rng)
    edges = boundary_components(target, modes[0].component, target.scale)
    edges += [mode.component for mode in modes[1:]]
    enough = settings.EFFECTS.sufficient_efficiency
    found = adapt(target, first, edges, rng, sufficient=enough)
    pairs = _pairs(target, found, rng)
    limits = settings.SAMPLING
    share = min(
        limits.candidate_surplus / max(found.efficiency, 1e-3), settings.EFFECTS.max_surplus
    )
    count = max(limits.min_candidates, int(np.ceil(n * share)))
    u, weighted, effects, last = _weighed(target, found, count, pairs, rng)
    log_evidence = float(logsumexp(weighted.log_weight) - np.log(len(u)))
    missed = unvisited(target, last, modes, log_evidence, len(u), rng)
    kept = resample(weighted, n, rng)
    values, _ = target.values(u[kept])
    named = zip(parameters.levels, effects, strict=True)
    return FittedDraws(
        values,
        {level.key: b[kept] for level, b in named},
        weighted.log_weight[kept],
        weighted.k_hat,
        weighted.efficiency,
        len(u),
        pairs,
        log_evidence,
        missed,
    )


def _modes(target: FittedPosterior, points: list[NaturalPoint]) -> list[Mode]:
    """The modes climbed to from the data, and where priors lie far from these, from there too."""
    starts = np.stack([target.start(point) for point in points])
    best = starts[[int(np.argmax(target(starts)))]]
    parameters, priors, estimate = target.parameters, target.priors, target.estimate
    far = [target.start(point) for point in far_starts(parameters, points, estimate, priors)]
    conflict = conflict_of(priors["fixef"], estimate)
    if conflict is not None:
        moved = np.linalg.solve(target.root, conflict.beta - estimate.beta)
        far += [np.append(start[: target.coordinates.size], moved) for start in (*starts, *far)]
    found = [mode_from(target, target, start, target.scale, target.even) for start in (*best, *far)]
    return distinct(found)


def _pairs(target: FittedPosterior, found: Adapted, rng: np.random.Generator) -> int:
    """Pairs of draws of the random effects that leave the weights even enough."""
    limits = settings.EFFECTS
    if target.integrals.exact:
        return 0
    u = np.abs(found.proposal.inside(limits.pilot_draws, rng))
    u = np.where(target.even, u, found.proposal.inside(limits.pilot_draws, rng))
    value, _, variance = target.drawn(u, limits.pairs, rng)
    weight = value - found.proposal.log_density(u)
    if not np.any(np.isfinite(weight)):
        return limits.pairs
    share = np.exp(weight - logsumexp(weight))
    one = limits.pairs * float(share @ np.where(np.isfinite(variance), variance, 0.0))
    return int(np.clip(np.ceil(one / limits.max_log_variance), 1, limits.max_pairs))


def _weighed(
    target: FittedPosterior, found: Adapted, count: int, pairs: int, rng: np.random.Generator
) -> tuple[np.ndarray, Weighted, Effects, Proposal]:
    """Fresh draws with weights, random effects and proposal, refined where weights are uneven."""
    limits, proposal = settings.SAMPLING, found.proposal
    tried: list[tuple[np.ndarray, Weighted, Effects, Proposal]] = []
    for _ in range(1 + settings.EFFECTS.max_refinements):
        own: list[Effects] = []

        def unbiased(u: np.ndarray, own: list[Effects] = own) -> np.ndarray:
            value, effects, _ = target.drawn(u, pairs, rng)
            own.append(effects)
            return value

        u, value = evaluate(unbiased, proposal, count, rng)
        weighted = smoothed(u, value - proposal.log_density(u))
        tried.append((u, weighted, own[0], proposal))
        enough = weighted.efficiency * len(u) >= limits.good_efficiency * count
        if weighted.k_hat <= limits.good_pareto_k and enough:
            break
        found.pool.add(
            proposal, u[: limits.max_pooled_candidates], value[: limits.max_pooled_candidates]
        )
        proposal, _ = fit(found.pool, proposal, found.boundary)
    return max(tried, key=lambda one: one[1].efficiency - max(one[1].k_hat, limits.good_pareto_k))
