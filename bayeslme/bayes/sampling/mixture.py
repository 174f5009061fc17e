"""Proposals: mixtures of Student-t distributions, with components at boundaries.

They are fitted to weighted draws by expectation maximisation (Cappe et al. 2008, Statistics and
Computing 18, 447). Where a component reaches across zero of a coordinate that is even, its mirror
image is added; the sign of a draw is then one more missing observation.

Components of a proposal where one at the mode has the wrong shape. At the zero of a standard
deviation a density ends abruptly, far out in the tail of the component at the mode. Towards the end
of another range (a nugget of 0, a correlation of 1) it falls only as fast as the coordinates
stretch. In both places the other parameters are elsewhere than the mode and its curvature say; the
components added are Laplace's, given the one coordinate.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln, logsumexp

from bayeslme.bayes import settings
from bayeslme.engine.search.optimise import maximise, second_differences

TINY = 1e-300


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
    fixed_df : float, optional
        Degrees of freedom, where they are not those of the number of dimensions.
    """

    weight: np.ndarray
    mean: np.ndarray
    root: np.ndarray
    even: np.ndarray
    fixed_df: float | None = None

    @property
    def df(self) -> float:
        """Degrees of freedom: so many that the distance from the centre keeps its spread.

        The tails of a Student-t distribution of few degrees reach the farther out the more
        dimensions there are, where a nearly Gaussian target has nothing.
        """
        if self.fixed_df is not None:
            return self.fixed_df
        return max(settings.PROPOSAL.degrees_of_freedom, float(self.mean.shape[1]))

    @cached_property
    def folded(self) -> np.ndarray:
        """Coordinates in which each component is folded, bool, shape (m, k).

        Elsewhere it is cut at zero, far out in its tail.
        """
        limits = settings.PROPOSAL
        spread = np.sqrt(np.square(self.root).sum(axis=-1))
        distance = np.where(self.even, np.abs(self.mean) / spread, np.inf)
        limit = np.sort(distance, axis=1)[
            :, min(limits.max_folded_coordinates, distance.shape[1]) - 1
        ]
        return np.asarray((distance < limits.max_folding_distance) & (distance <= limit[:, None]))

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
        limits = settings.PROPOSAL
        pieces = [
            logsumexp(np.concatenate(self.components(self.distances(piece))), axis=0)
            for piece in np.split(u, range(limits.rows_per_batch, len(u), limits.rows_per_batch))
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
    limits = settings.PROPOSAL
    cov = covariance(u, weight)
    size = 1.0 / np.square(weight).sum()  # draws of equal weight that would say as much
    for _ in range(limits.mixture_iterations):
        start = _step(u, weight, start, cov, size)
    return Proposal(
        start.weight,
        start.mean,
        np.sqrt(limits.covariance_inflation) * start.root,
        start.even,
    )


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
        lean = settings.PROPOSAL.covariance_shrinkage * k / size  # in units of mass
        full = (own + lean * cov) / (mass + lean)
        weights.append(mass)
        means.append(mean)
        roots.append(np.linalg.cholesky(full + 1e-9 * np.diag(np.diag(cov))))
    if not weights:
        return old
    total_mass = np.array(weights)
    return Proposal(total_mass / total_mass.sum(), np.stack(means), np.stack(roots), old.even)


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
    )


LogDensity = Callable[[np.ndarray], np.ndarray]


def boundary_components(target: LogDensity, first: Proposal, scale: np.ndarray) -> list[Proposal]:
    """Components for zeros of even coordinates, and for tails that are too long.

    Parameters
    ----------
    target : callable
        Log density (b,) of coordinates (b, k).
    first : Proposal
        One component at the mode.
    scale : array, shape (k,)
        Size of a visible step.
    """
    limits = settings.PROPOSAL
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    top = float(target(mode[None])[0])
    spread = np.sqrt(np.diagonal(cov))
    places = [
        (j, limits.zero_stand_in, 0.5 * (abs(mode[j]) - spread[j]))
        for j in _zeros(target, first, top)
    ]
    places += _tails(target, first, top)
    out = []
    for j, at, width in places:
        rest = np.delete(np.arange(len(mode)), j)
        found, height, block = _given(target, first, scale, j, at)
        if not height > top - limits.max_boundary_drop:
            continue
        centre, full = (
            np.full(len(mode), 0.0 if at == limits.zero_stand_in else at),
            np.zeros_like(cov),
        )
        centre[rest], full[np.ix_(rest, rest)] = found, block
        full[j, j] = max(limits.min_boundary_width, width) ** 2
        out.append(single(np.where(first.even, np.abs(centre), centre), full, first.even))
    return out


def _zeros(target: LogDensity, first: Proposal, top: float) -> list[int]:
    """Even coordinates away from zero whose zero is not out of reach.

    The others stay, or follow the component's regression on the one; the better of both counts.
    """
    limits = settings.PROPOSAL
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    variance = np.diagonal(cov)
    reached = np.flatnonzero(
        first.even & (np.abs(mode) > limits.covered_distance * np.sqrt(variance))
    )
    if not len(reached):
        return []
    slopes = (cov / variance)[:, reached].T
    faces = np.concatenate([np.tile(mode, (len(reached), 1)), mode - slopes * mode[reached, None]])
    faces[np.arange(len(faces)), np.tile(reached, 2)] = limits.zero_stand_in
    heights = target(np.where(first.even, np.abs(faces), faces)).reshape(2, -1).max(axis=0)
    return [int(j) for j in reached[heights > top - limits.max_face_drop]]


def _tails(target: LogDensity, first: Proposal, top: float) -> list[tuple[int, float, float]]:
    """Coordinates, where on them, and the scale there, of tails that a component has not.

    They are looked for where the others have their means under the component.
    """
    limits = settings.PROPOSAL
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    spread = np.sqrt(np.diagonal(cov))
    steps = np.array([sign * r for sign in (-1.0, 1.0) for r in limits.tail_radii])
    u = mode + (cov / spread)[None].swapaxes(1, 2) * steps[:, None, None]  # (steps, k, k)
    flat = u.reshape(-1, len(mode))
    wide = Proposal(first.weight, first.mean, settings.SAMPLING.tail_width * first.root, first.even)
    both = joined([(1 - settings.SAMPLING.tail_share, first), (settings.SAMPLING.tail_share, wide)])
    falls = both.log_density(flat) - both.log_density(mode[None])
    excess = (target(np.where(first.even, np.abs(flat), flat)) - top - falls).reshape(u.shape[:2])
    excess[np.any((u < 0) & first.even, axis=-1)] = -np.inf  # beyond zero lies the other half
    found: list[tuple[float, int, float, float]] = []
    for j in range(len(mode)):
        for side in (slice(0, len(limits.tail_radii)), slice(len(limits.tail_radii), None)):
            k = int(np.argmax(excess[side, j]))
            if (over := float(excess[side, j][k])) > limits.min_tail_excess:
                found.append(
                    (
                        over,
                        j,
                        float(u[side, j, j][k]),
                        limits.tail_component_width * limits.tail_radii[k] * spread[j],
                    )
                )
    return [
        (j, at, width)
        for _, j, at, width in sorted(found, reverse=True)[: limits.max_tail_components]
    ]


def _given(
    target: LogDensity, first: Proposal, scale: np.ndarray, j: int, at: float
) -> tuple[np.ndarray, float, np.ndarray]:
    """Mode of the other coordinates, the log density there, and the covariance of Laplace."""
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    rest = np.delete(np.arange(len(mode)), j)

    def given(v: np.ndarray) -> np.ndarray:
        u = np.full((len(v), len(mode)), at)
        u[:, rest] = v
        return target(u)

    own = scale[rest]
    found = maximise(given, mode[rest], own)
    hessian = second_differences(
        lambda v: given(found.theta + v * own), len(rest), settings.SEARCH.difference_step
    )
    block = _inverse(-hessian / np.outer(own, own), cov[np.ix_(rest, rest)])
    return found.theta, found.value, block


def _inverse(curvature: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Covariance where the curvature is positive definite; the mode's elsewhere."""
    if not len(curvature) or not np.all(np.isfinite(curvature)):
        return fallback
    value, vector = np.linalg.eigh(0.5 * (curvature + curvature.T))
    widest = 4.0 * float(np.linalg.eigvalsh(fallback).max())
    return np.asarray((vector / np.maximum(value, 1.0 / widest)) @ vector.T)
