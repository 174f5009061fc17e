"""Adaptive importance sampling of a density of a few dimensions, and its weights.

The proposal starts at the mode with the curvature there. Rounds of draws are pooled, each draw with
the weight it has under the mixture of all proposals so far (Cornuet, Marin, Mira and Robert 2012,
Scandinavian Journal of Statistics 39, 798), and a mixture of Student-t distributions is fitted to
the pool; components are added while the efficiency improves. The draws that are kept are always
fresh. The Pareto k-hat of their weights is the certificate (Vehtari et al. 2024, JMLR 25(72)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp

from bayeslme.bayes import settings
from bayeslme.bayes.sampling.mixture import Proposal, covariance, joined, mixture, single
from bayeslme.bayes.sampling.pareto import pareto_smoothed


@dataclass(frozen=True, slots=True)
class Weighted:
    """Draws of a proposal with their importance weights.

    Attributes
    ----------
    u : array, shape (n, k)
    log_weight : array, shape (n,)
        Raw, up to a constant.
    smoothed : array, shape (n,)
        Pareto smoothed and normalised logarithms.
    k_hat : float
    """

    u: np.ndarray
    log_weight: np.ndarray
    smoothed: np.ndarray
    k_hat: float

    @property
    def efficiency(self) -> float:
        """Kish's effective share of the draws."""
        return float(np.exp(-logsumexp(2 * self.smoothed)) / len(self.u))


def smooth(u: np.ndarray, raw: np.ndarray) -> Weighted:
    """Pareto smoothed weights of draws from their raw logarithms."""
    raw = np.where(np.isfinite(raw), raw, -np.inf)
    if not np.any(np.isfinite(raw)):
        return Weighted(u, raw, np.full(len(u), -np.log(len(u))), np.inf)
    largest = np.sort(raw)[-int(np.ceil(min(0.2 * len(raw), 3 * np.sqrt(len(raw))))) :]
    if largest[0] == largest[-1]:  # weights that all end at the largest have no tail
        return Weighted(u, raw, raw - logsumexp(raw), -np.inf)
    floor = np.max(raw) - 700.0  # of weights that are zero, for the smoothing's arithmetic
    smoothed, k_hat = pareto_smoothed(np.maximum(raw, floor))
    limits = settings.SAMPLING
    if k_hat > limits.good_pareto_k:
        mean = logsumexp(raw) - np.log(len(raw))
        if largest[-1] - mean < np.log(limits.max_even_weight):  # a shape without an extent
            return Weighted(u, raw, raw - logsumexp(raw), -np.inf)
    return Weighted(u, raw, smoothed, k_hat)


@dataclass
class Pool:
    """Draws of several proposals, weighted by the mixture of all of them.

    Attributes
    ----------
    u : array, shape (n, k)
    value : array, shape (n,)
        Log density of the target.
    proposals : list of (Proposal, number of its draws)
    """

    u: np.ndarray
    value: np.ndarray
    proposals: list[tuple[Proposal, int]] = field(default_factory=list)
    _log_q: list[np.ndarray] = field(default_factory=list)

    def add(self, proposal: Proposal, u: np.ndarray, value: np.ndarray) -> None:
        """Add the draws of one more proposal."""
        self._log_q = [
            np.append(log_q, old.log_density(u))
            for (old, _), log_q in zip(self.proposals, self._log_q, strict=True)
        ]
        self.u = np.concatenate([self.u, u])
        self.value = np.append(self.value, value)
        self.proposals.append((proposal, len(u)))
        self._log_q.append(proposal.log_density(self.u))

    def weighted(self) -> Weighted:
        """All draws with their weights."""
        share = np.log([n / len(self.u) for _, n in self.proposals])
        return smooth(
            self.u, self.value - logsumexp(np.array(self._log_q) + share[:, None], axis=0)
        )

    def efficiency(self, proposal: Proposal, draws: Weighted) -> float:
        """Efficiency that draws of another proposal would have.

        One over the mean of their weight under the target, the normalised weight being 1 on
        average under the proposal; both means from the pool.
        """
        log_mean = logsumexp(draws.log_weight) - np.log(len(self.u))
        ratio = self.value - proposal.log_density(self.u)
        return float(np.exp(log_mean - logsumexp(draws.smoothed + ratio)))


def resample(draws: Weighted, n: int, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling: n indices in random order, twice only where a weight exceeds 1 / n."""
    w = np.exp(draws.smoothed)
    edges = np.cumsum(w / w.sum())
    edges[-1] = 1.0
    return rng.permutation(np.searchsorted(edges, (np.arange(n) + rng.random()) / n))


LogDensity = Callable[[np.ndarray], np.ndarray]


def evaluate(
    target: LogDensity, proposal: Proposal, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fresh draws (n, k) of a proposal and the target's log density (n,) there."""
    u = proposal.draw(n, rng)
    outside = np.any(u[:, proposal.even] < 0.0, axis=1)
    u = np.where(proposal.even, np.abs(u), u)
    return u, np.where(outside, -np.inf, target(u))


def laplace(mode: np.ndarray, hessian: np.ndarray, even: np.ndarray | None = None) -> Proposal:
    """One component at a mode; directions without curvature get the widest of the others."""
    value, vector = np.linalg.eigh(-0.5 * (hessian + hessian.T))
    good = value[value > 0]
    least = 1e-3 * float(np.median(good)) if len(good) else 1.0
    cov = (vector / np.maximum(value, least)) @ vector.T
    return single(mode, cov, np.zeros(len(mode), dtype=bool) if even is None else even)


@dataclass(frozen=True, slots=True)
class Adapted:
    """What adaptation came to.

    Attributes
    ----------
    proposal : Proposal
        The best found.
    efficiency : float
        Of its pilot draws.
    pool : Pool
        All draws so far.
    boundary : tuple of Proposal
    """

    proposal: Proposal
    efficiency: float
    pool: Pool
    boundary: tuple[Proposal, ...]


def adapt(
    target: LogDensity,
    first: Proposal,
    boundary: Sequence[Proposal],
    rng: np.random.Generator,
    sufficient: float | None = None,
) -> Adapted:
    """Improve a proposal until its weights are even enough, or nothing more is gained.

    Parameters
    ----------
    target : callable
    first : Proposal
    boundary : sequence of Proposal
        Components where the target ends, which always keep a share.
    rng : Generator
    sufficient : float, optional
        Efficiency at which adaptation stops, that of the settings by default.
    """
    limits = settings.SAMPLING
    sufficient = limits.sufficient_efficiency if sufficient is None else sufficient
    pool = Pool(np.zeros((0, len(first.even))), np.zeros(0))
    wide = Proposal(first.weight, first.mean, limits.tail_width * first.root, first.even)
    proposal = _defended(first, wide, boundary)
    best, efficiency, k_hat = proposal, -1.0, np.inf
    for attempt in range(limits.max_adaptation_rounds):
        u, value = evaluate(target, proposal, limits.pilot_draws * (1 + attempt // 2), rng)
        own = smooth(u, value - proposal.log_density(u))
        pool.add(proposal, u, value)
        if own.efficiency > efficiency:
            best, efficiency, k_hat = proposal, own.efficiency, own.k_hat
        if efficiency >= sufficient and k_hat < limits.good_pareto_k:
            break
        proposal, expected = fit(pool, proposal, boundary)
        if (
            expected < efficiency * limits.min_round_gain
            and k_hat < limits.good_pareto_k
            and efficiency > limits.min_stop_efficiency
        ):
            break
    return Adapted(best, efficiency, pool, tuple(boundary))


def fit(pool: Pool, start: Proposal, boundary: Sequence[Proposal] = ()) -> tuple[Proposal, float]:
    """The mixture that does best on the pool, of as few components as do, and its efficiency."""
    limits = settings.SAMPLING
    draws = pool.weighted()
    weight = np.exp(draws.smoothed)
    if draws.efficiency * len(weight) < 3 * draws.u.shape[1]:  # too few to trust a covariance
        return Proposal(start.weight, start.mean, 1.5 * start.root, start.even), np.inf
    moments = single(weight @ draws.u, covariance(draws.u, weight), start.even)
    wide = Proposal(moments.weight, moments.mean, limits.tail_width * moments.root, moments.even)
    inner = mixture(draws.u, weight, moments)
    best = _defended(inner, wide, boundary)
    best_efficiency = pool.efficiency(best, draws)
    for size in limits.component_counts[1:]:
        if best_efficiency > limits.sufficient_efficiency:
            break
        while len(inner.weight) < size:
            inner = _grown(pool, draws, inner, moments)
        inner = mixture(draws.u, weight, inner)
        candidate = _defended(inner, wide, boundary)
        efficiency = pool.efficiency(candidate, draws)
        if efficiency > best_efficiency * limits.min_component_gain:
            best, best_efficiency = candidate, efficiency
        if len(inner.weight) < size:
            break
    return best, best_efficiency


def _grown(pool: Pool, draws: Weighted, inner: Proposal, moments: Proposal) -> Proposal:
    """One more component, where the proposal lacks most."""
    ratio = draws.smoothed + pool.value - inner.log_density(draws.u)
    centre = draws.u[int(np.argmax(np.where(np.isfinite(ratio), ratio, -np.inf)))]
    new = Proposal(moments.weight, centre[None], 0.5 * moments.root, inner.even)
    return joined([(len(inner.weight), inner), (1.0, new)])


def grow(u: np.ndarray, weight: np.ndarray, even: np.ndarray) -> Proposal:
    """A mixture fitted to weighted draws, centres first spread over them."""
    limits = settings.SAMPLING
    moments = single(weight @ u, covariance(u, weight), even)
    apart = np.linalg.solve(moments.root[0], (u - moments.mean[0]).T).T
    centres = [int(np.argmin(np.square(apart).sum(axis=1)))]
    for _ in range(limits.jump_components - 1):
        # each new centre is the draw farthest from those before
        distance = np.min([np.square(apart - apart[c]).sum(axis=1) for c in centres], axis=0)
        centres.append(int(np.argmax(distance * weight)))
    parts = [(1.0, Proposal(moments.weight, u[[c]], 0.5 * moments.root, even)) for c in centres]
    wide = Proposal(moments.weight, moments.mean, limits.tail_width * moments.root, even)
    return _defended(mixture(u, weight, joined(parts)), wide, ())


def _defended(inner: Proposal, wide: Proposal, boundary: Sequence[Proposal]) -> Proposal:
    """Add what covers the tails, so that no part of the target is far out in the proposal's."""
    limits = settings.SAMPLING
    edge = min(limits.boundary_share, limits.max_boundary_share / max(len(boundary), 1))
    parts = [(1 - limits.tail_share - edge * len(boundary), inner), (limits.tail_share, wide)]
    return joined(parts + [(edge, one) for one in boundary])
