"""Sequential Monte Carlo from a proposal to a posterior, where importance weights alone fail.

Particles start as draws of the proposal and pass through the densities q^(1 - t) p^t (Neal 2001,
Statistics and Computing 11, 125; Del Moral, Doucet and Jasra 2006, JRSS B 68, 411). The next t is
the one at which the weights are still even enough; then particles are resampled and moved by
Metropolis steps, local ones and jumps to draws of a mixture fitted to them, until they have
forgotten where they were. Several populations that never meet certify each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from bayeslme.bayes import settings
from bayeslme.bayes.sampling.importance import LogDensity, grow
from bayeslme.bayes.sampling.mixture import Proposal, covariance


@dataclass(frozen=True, slots=True)
class Annealed:
    """Particles of equal weight.

    Attributes
    ----------
    u : array, shape (n, k)
        In random order.
    effective : float
        Kish's number of distinct particles.
    r_hat : float
        Potential scale reduction between the populations, the largest of all coordinates.
    steps : int
        Temperatures of the longest path.
    """

    u: np.ndarray
    effective: float
    r_hat: float
    steps: int


def anneal(target: LogDensity, proposal: Proposal, n: int, rng: np.random.Generator) -> Annealed:
    """Draw n particles.

    Parameters
    ----------
    target : callable
        Log density (b,) of coordinates (b, k).
    proposal : Proposal
    n : int
    rng : Generator
    """
    limits = settings.ANNEALING
    size = max(limits.min_particles, -(-n // limits.populations))
    proposal = replace(proposal, root=limits.initial_spread * proposal.root)
    runs = [_population(target, proposal, size, rng) for _ in range(limits.populations)]
    r_hat = between(np.stack([u for u, _ in runs]))
    u = np.concatenate([u for u, _ in runs])
    _, copies = np.unique(u, axis=0, return_counts=True)
    share = copies.sum() ** 2 / np.square(copies).sum() / len(u)
    return Annealed(rng.permutation(u)[:n], float(share * n), r_hat, max(s for _, s in runs))


def between(runs: np.ndarray) -> float:
    """Largest potential scale reduction of runs (m, n, k) (Gelman and Rubin 1992)."""
    within = runs.var(axis=1, ddof=1).mean(axis=0)
    apart = runs.mean(axis=1).var(axis=0, ddof=1)
    return float(np.sqrt(np.max((within + apart) / np.maximum(within, 1e-300))))


@dataclass
class _Swarm:
    """Particles with their log densities under the target and the proposal."""

    target: LogDensity
    proposal: Proposal
    u: np.ndarray
    p: np.ndarray
    q: np.ndarray

    def at(self, u: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log densities of the target, the proposal and the path at t."""
        p, q = self.target(u), self.proposal.log_density(u)
        return p, q, _path(p, q, t)

    def choose(self, index: np.ndarray) -> None:
        self.u, self.p, self.q = self.u[index], self.p[index], self.q[index]

    def accept(
        self, new: np.ndarray, t: float, log_ratio: np.ndarray, rng: np.random.Generator
    ) -> float:
        """Metropolis step to new points; ``log_ratio`` is that of the moves back and forth."""
        p, q, there = self.at(new, t)
        gain = there - _path(self.p, self.q, t) + log_ratio
        yes = np.log(rng.random(len(new))) < np.where(np.isnan(gain), -np.inf, gain)
        self.u = np.where(yes[:, None], new, self.u)
        self.p, self.q = np.where(yes, p, self.p), np.where(yes, q, self.q)
        return float(yes.mean())


def _path(p: np.ndarray, q: np.ndarray, t: float) -> np.ndarray:
    return np.where(np.isfinite(p), (1 - t) * q + t * p, -np.inf)


def _population(
    target: LogDensity, proposal: Proposal, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    u = proposal.inside(size, rng)
    swarm = _Swarm(target, proposal, u, target(u), proposal.log_density(u))
    t, scale, step = 0.0, 1.0, 0
    while t < 1.0 and step < settings.ANNEALING.max_temperatures:
        later = _next(swarm.p - swarm.q, t)
        log_weight = (later - t) * np.where(np.isfinite(swarm.p), swarm.p - swarm.q, -np.inf)
        swarm.choose(_systematic(log_weight, rng))
        t, step = later, step + 1
        scale = _mix(swarm, t, scale, rng)
    return swarm.u, step


def _next(log_ratio: np.ndarray, t: float) -> float:
    """The largest temperature up to 1 that leaves enough particles effective, by bisection."""
    limits = settings.ANNEALING

    def effective(later: float) -> float:
        w = (later - t) * np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
        return float(np.exp(2 * logsumexp(w) - logsumexp(2 * w)) / len(w))

    if effective(1.0) >= limits.min_effective_share:
        return 1.0
    low, high = t, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (
            (middle, high) if effective(middle) >= limits.min_effective_share else (low, middle)
        )
    return max(low, t + 1e-6)


def _systematic(log_weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(log_weight)
    edges = np.cumsum(np.exp(log_weight - logsumexp(log_weight)))
    edges[-1] = 1.0
    return np.searchsorted(edges, (np.arange(n) + rng.random()) / n)


def _mix(swarm: _Swarm, t: float, scale: float, rng: np.random.Generator) -> float:
    """Move the particles until they have forgotten where they were; the scale of local steps."""
    limits = settings.ANNEALING
    even, start = swarm.proposal.even, swarm.u.copy()
    equal = np.full(len(start), 1.0 / len(start))
    root = np.linalg.cholesky(covariance(start, equal))
    root *= 2.38 / np.sqrt(start.shape[1])
    jump = grow(start, equal, even)
    for _ in range(limits.max_move_rounds):
        new = jump.inside(len(start), rng)
        swarm.accept(new, t, jump.log_density(swarm.u) - jump.log_density(new), rng)
        for _ in range(limits.local_moves_per_round):
            new = swarm.u + scale * rng.standard_normal(start.shape) @ root.T
            rate = swarm.accept(np.where(even, np.abs(new), new), t, np.zeros(len(new)), rng)
            scale = float(np.clip(scale * np.exp(rate - limits.target_acceptance), 0.01, 2.0))
        if _memory(start, swarm.u) < limits.max_memory:
            break
    return scale


def _memory(before: np.ndarray, after: np.ndarray) -> float:
    """Largest correlation of a coordinate with itself before the moves."""
    a, b = before - before.mean(axis=0), after - after.mean(axis=0)
    norm = np.sqrt(np.square(a).sum(axis=0) * np.square(b).sum(axis=0))
    return float(np.max((a * b).sum(axis=0) / np.maximum(norm, 1e-300)))
