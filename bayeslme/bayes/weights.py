"""Importance weights: smoothed, pooled over proposals, resampled."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp

from bayeslme.bayes.proposal import Proposal


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
    from arviz_stats.base import array_stats

    largest = np.sort(raw)[-int(np.ceil(min(0.2 * len(raw), 3 * np.sqrt(len(raw))))) :]
    if largest[0] == largest[-1]:  # weights that end at their bound have no tail
        return Weighted(u, raw, raw - logsumexp(raw), -np.inf)
    floor = np.max(raw) - 700.0  # of weights that are zero, for the smoothing's arithmetic
    smoothed, k_hat = array_stats.psislw(-np.maximum(raw, floor))
    return Weighted(u, raw, np.asarray(smoothed) - logsumexp(smoothed), float(k_hat))


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
