"""Mixtures of Student-t distributions, folded at zero where only the size of a coordinate counts.

They are fitted to weighted draws by expectation maximisation (Cappe et al. 2008, Statistics and
Computing 18, 447). Where a component reaches across zero of a coordinate that is even, its mirror
image is added; the sign of a draw is then one more missing observation.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln, logsumexp

DF = 7.0  # tails that bound the weights of a nearly Gaussian target cheaply
ITERATIONS = 8  # of expectation maximisation
REACH = 4.0  # standard deviations from zero within which a component is folded
MOST_FOLDS = 3  # coordinates a component is folded in
SHRINK = 1.0  # draws, for each coordinate, by which a component's covariance leans to that of all
INFLATE = 1.1  # of fitted covariances, whose tails the weights tend to miss
TINY = 1e-300
PIECE = 20_000  # rows of one batch


@dataclass(frozen=True)
class Proposal:
    """A mixture of multivariate Student-t distributions.

    Attributes
    ----------
    weight : array, shape (m,)
    mean : array, shape (m, k)
    root : array, shape (m, k, k)
        Lower Cholesky factors of the scale matrices.
    even : bool array, shape (k,)
        Coordinates that are folded at zero.
    df : float
    """

    weight: np.ndarray
    mean: np.ndarray
    root: np.ndarray
    even: np.ndarray
    df: float = DF

    @cached_property
    def folded(self) -> np.ndarray:
        """Coordinates in which each component is folded, bool, shape (m, k).

        Elsewhere it is cut at zero, far out in its tail.
        """
        spread = np.sqrt(np.square(self.root).sum(axis=-1))
        distance = np.where(self.even, np.abs(self.mean) / spread, np.inf)
        limit = np.sort(distance, axis=1)[:, min(MOST_FOLDS, distance.shape[1]) - 1]
        return np.asarray((distance < REACH) & (distance <= limit[:, None]))

    @cached_property
    def images(self) -> list[np.ndarray]:
        """Signs (i, k) of each component's mirror images, itself first."""
        return [_signs(own) for own in self.folded]

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw (n, k); negative in an even coordinate only where the component is cut there."""
        which = np.sort(rng.choice(len(self.weight), size=n, p=self.weight))
        z = rng.standard_normal((n, self.mean.shape[1]))
        z *= np.sqrt(self.df / rng.chisquare(self.df, size=n))[:, None]
        ends = np.searchsorted(which, np.arange(len(self.weight) + 1))
        for j, (i, k) in enumerate(itertools.pairwise(ends)):
            z[i:k] = self.mean[j] + z[i:k] @ self.root[j].T
            z[i:k] = np.where(self.folded[j], np.abs(z[i:k]), z[i:k])
        return rng.permutation(z)

    def inside(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw (n, k) where no even coordinate is negative."""
        u = self.draw(n, rng)
        while np.any(cut := np.any(u[:, self.even] < 0.0, axis=1)):
            u[cut] = self.draw(int(cut.sum()), rng)
        return u

    def distances(self, u: np.ndarray) -> list[np.ndarray]:
        """Squared distance (i, n) of u (n, k) from each component's images, in its own metric."""
        out = []
        for mean, root, signs in zip(self.mean, self.root, self.images, strict=True):
            inverse = np.linalg.inv(root)
            z = (inverse * signs[:, None, :]) @ u.T - (inverse @ mean)[:, None]
            out.append(np.square(z).sum(axis=1))
        return out

    def components(self, distances: list[np.ndarray]) -> list[np.ndarray]:
        """Log weighted densities (i, n) of all images, from their distances."""
        k = self.mean.shape[1]
        half = 0.5 * (self.df + k)
        constant = gammaln(half) - gammaln(0.5 * self.df) - 0.5 * k * np.log(self.df * np.pi)
        logdet = np.log(np.diagonal(self.root, axis1=-2, axis2=-1)).sum(axis=-1)
        logs = np.log(np.maximum(self.weight, TINY)) + constant - logdet
        return [log - half * np.log1p(d / self.df) for log, d in zip(logs, distances, strict=True)]

    def log_density(self, u: np.ndarray) -> np.ndarray:
        """Log density (n,) at points that are not negative in even coordinates."""
        pieces = [
            logsumexp(np.concatenate(self.components(self.distances(piece))), axis=0)
            for piece in np.split(u, range(PIECE, len(u), PIECE))
        ]
        return np.concatenate(pieces)


def _signs(folded: np.ndarray) -> np.ndarray:
    """All sign patterns (2^f, k) of the f coordinates that are folded."""
    where = np.flatnonzero(folded)
    bits = (np.arange(2 ** len(where))[:, None] >> np.arange(len(where))) & 1
    out = np.ones((len(bits), len(folded)))
    out[:, where] -= 2.0 * bits
    return out


def mixture(u: np.ndarray, weight: np.ndarray, start: Proposal) -> Proposal:
    """Fit a mixture to weighted draws, from a first guess; components without draws are dropped.

    Parameters
    ----------
    u : array, shape (n, k)
    weight : array, shape (n,)
        Sums to 1.
    start : Proposal
    """
    cov = covariance(u, weight)
    size = 1.0 / np.square(weight).sum()  # draws of equal weight that would say as much
    for _ in range(ITERATIONS):
        start = _step(u, weight, start, cov, size)
    return Proposal(start.weight, start.mean, np.sqrt(INFLATE) * start.root, start.even, start.df)


def covariance(u: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted covariance (k, k), never singular."""
    rest = u - weight @ u
    cov = (weight[:, None] * rest).T @ rest
    return np.asarray(cov + 1e-8 * np.diag(np.diag(cov) + TINY))


def _step(
    u: np.ndarray, weight: np.ndarray, old: Proposal, cov: np.ndarray, size: float
) -> Proposal:
    k, df = u.shape[1], old.df
    distances = old.distances(u)
    parts = old.components(distances)
    total = logsumexp(np.concatenate(parts), axis=0)
    weights, means, roots = [], [], []
    for distance, part, signs in zip(distances, parts, old.images, strict=True):
        share = np.exp(part - total) * weight
        mass = float(share.sum())
        if mass * size < k + 2.0:
            continue
        heavy = share * (df + k) / (df + distance)
        mean = (heavy @ u * signs).sum(axis=0) / heavy.sum()
        second = sum(
            s[:, None] * ((h[:, None] * u).T @ u) * s for s, h in zip(signs, heavy, strict=True)
        )
        own = second - heavy.sum() * np.outer(mean, mean)
        lean = SHRINK * k / size  # in units of mass
        full = (own + lean * cov) / (mass + lean)
        weights.append(mass)
        means.append(mean)
        roots.append(np.linalg.cholesky(full + 1e-9 * np.diag(np.diag(cov))))
    if not weights:
        return old
    total_mass = np.array(weights)
    return Proposal(total_mass / total_mass.sum(), np.stack(means), np.stack(roots), old.even, df)


def single(mean: np.ndarray, cov: np.ndarray, even: np.ndarray) -> Proposal:
    """One component."""
    return Proposal(np.ones(1), mean[None], np.linalg.cholesky(cov)[None], even)


def joined(parts: Sequence[tuple[float, Proposal]]) -> Proposal:
    """Mixture of mixtures with given weights, which need not sum to 1."""
    total = sum(share for share, _ in parts)
    return Proposal(
        np.concatenate([share / total * p.weight for share, p in parts]),
        np.concatenate([p.mean for _, p in parts]),
        np.concatenate([p.root for _, p in parts]),
        parts[0][1].even,
        parts[0][1].df,
    )
