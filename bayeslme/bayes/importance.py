"""Adaptive importance sampling of a density of a few dimensions.

A proposal is a mixture of multivariate Student-t distributions. It starts at the mode with the
curvature there, is matched to the weighted moments of its own draws (Oh and Berger 1992, Journal of
Statistical Computation and Simulation 41, 143), and where one component is not enough becomes a
mixture fitted by weighted expectation maximisation (Cappe et al. 2008, Statistics and Computing 18,
447). The last draws are always fresh. The Pareto k-hat of their weights is the certificate (Vehtari
et al. 2024, JMLR 25(72)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp

LogDensity = Callable[[np.ndarray], np.ndarray]

DF = 7.0  # of the proposals: tails that bound the weights of a nearly Gaussian target cheaply
PILOT = 1000  # draws of an adaptation round
ROUNDS = 4
ENOUGH = 0.6  # efficiency at which a single component is kept
COMPONENTS = 5
MANY = 8  # components of a refinement
REFINEMENTS = 4
GOOD, LEAST = 0.5, 0.4  # k-hat and efficiency at which draws are left as they are
TAILS, WIDE = 0.1, 2.5  # share and width of the component that covers the tails
INFLATE = 1.1  # of a matched covariance, whose tails the weights tend to miss


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mixture of multivariate Student-t distributions.

    Attributes
    ----------
    weight : array, shape (m,)
    mean : array, shape (m, k)
    root : array, shape (m, k, k)
        Lower Cholesky factors of the scale matrices.
    df : float
    """

    weight: np.ndarray
    mean: np.ndarray
    root: np.ndarray
    df: float = DF

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw (n, k)."""
        which = rng.choice(len(self.weight), size=n, p=self.weight)
        z = rng.standard_normal((n, self.mean.shape[1]))
        stretch = np.sqrt(self.df / rng.chisquare(self.df, size=n))
        return np.asarray(
            self.mean[which] + np.einsum("nij,nj->ni", self.root[which], z) * stretch[:, None]
        )

    def components(self, u: np.ndarray) -> np.ndarray:
        """Log weighted densities (n, m) of the components at u (n, k)."""
        k, out = u.shape[1], []
        for weight, mean, root in zip(self.weight, self.mean, self.root, strict=True):
            z = np.linalg.solve(root, (u - mean).T)
            half = 0.5 * (self.df + k)
            constant = gammaln(half) - gammaln(0.5 * self.df) - 0.5 * k * np.log(self.df * np.pi)
            out.append(
                np.log(weight)
                + constant
                - np.log(np.diagonal(root)).sum()
                - half * np.log1p((z**2).sum(axis=0) / self.df)
            )
        return np.stack(out, axis=1)

    def log_density(self, u: np.ndarray) -> np.ndarray:
        """Log density (n,)."""
        return np.asarray(logsumexp(self.components(u), axis=1))


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


def weigh(target: LogDensity, proposal: Proposal, n: int, rng: np.random.Generator) -> Weighted:
    """Fresh draws of a proposal and their weights."""
    u = proposal.draw(n, rng)
    raw = target(u) - proposal.log_density(u)
    raw = np.where(np.isfinite(raw), raw, -np.inf)
    if not np.any(np.isfinite(raw)):
        return Weighted(u, raw, np.full(n, -np.log(n)), np.inf)
    from arviz_stats.base import array_stats

    floor = np.max(raw) - 700.0  # of weights that are zero, for the smoothing's arithmetic
    smoothed, k_hat = array_stats.psislw(-np.maximum(raw, floor))
    return Weighted(u, raw, np.asarray(smoothed) - logsumexp(smoothed), float(k_hat))


def laplace(mode: np.ndarray, hessian: np.ndarray) -> Proposal:
    """The proposal at a mode; directions without curvature get the widest of the others."""
    value, vector = np.linalg.eigh(-0.5 * (hessian + hessian.T))
    good = value[value > 0]
    least = 1e-3 * float(np.median(good)) if len(good) else 1.0
    cov = (vector / np.maximum(value, least)) @ vector.T
    return _single(mode, cov)


def _single(mean: np.ndarray, cov: np.ndarray) -> Proposal:
    return Proposal(np.ones(1), mean[None], np.linalg.cholesky(cov)[None])


def adapt(
    target: LogDensity, first: Proposal, rng: np.random.Generator
) -> tuple[Proposal, Weighted]:
    """Improve a proposal until its weights are even enough, or nothing more is gained.

    Returns
    -------
    proposal : Proposal
        The best found.
    weighted : Weighted
        Its pilot draws.
    """
    best, best_draws = first, weigh(target, first, PILOT, rng)
    pool = [best_draws]
    for _ in range(ROUNDS):
        if best_draws.efficiency >= ENOUGH:
            return best, best_draws
        matched = _matched(pool[-1], best)
        draws = weigh(target, matched, PILOT, rng)
        pool.append(draws)
        if draws.efficiency <= best_draws.efficiency * 1.02:
            break
        best, best_draws = matched, draws
    for size in (2, COMPONENTS):
        if best_draws.efficiency >= ENOUGH:
            break
        mixture = _mixture(best_draws, best, size, rng)
        draws = weigh(target, mixture, PILOT, rng)
        if draws.efficiency > best_draws.efficiency:
            best, best_draws = mixture, draws
    return best, best_draws


def refine(
    target: LogDensity, proposal: Proposal, draws: Weighted, n: int, rng: np.random.Generator
) -> tuple[Proposal, Weighted]:
    """Where many draws still have uneven weights, fit a mixture to them and draw afresh."""
    for _ in range(REFINEMENTS):
        if draws.k_hat < GOOD and draws.efficiency > LEAST:
            break
        mixture = _mixture(draws, proposal, MANY, rng)
        fresh = weigh(target, mixture, n, rng)
        if fresh.efficiency > draws.efficiency or fresh.k_hat < draws.k_hat - 0.1:
            proposal, draws = mixture, fresh
    return proposal, draws


def _matched(draws: Weighted, fallback: Proposal) -> Proposal:
    """One component with the weighted moments of the draws."""
    w = np.exp(draws.smoothed)
    if draws.efficiency * len(w) < 3 * draws.u.shape[1]:  # too few weights to trust a covariance
        return Proposal(fallback.weight, fallback.mean, 1.5 * fallback.root, fallback.df)
    mean = w @ draws.u
    rest = draws.u - mean
    cov = (w[:, None] * rest).T @ rest
    return _with_tails(_single(mean, INFLATE * (1 - 2 / DF) * cov + _jitter(cov)), mean, cov)


def _jitter(cov: np.ndarray) -> np.ndarray:
    return np.asarray(1e-12 * np.trace(cov) * np.eye(len(cov)))


def _with_tails(inner: Proposal, mean: np.ndarray, cov: np.ndarray) -> Proposal:
    """Add a wide component, so that no part of the target is far out in the proposal's tails."""
    wide = np.linalg.cholesky(WIDE**2 * cov + _jitter(cov))
    return Proposal(
        np.append((1 - TAILS) * inner.weight, TAILS),
        np.concatenate([inner.mean, mean[None]]),
        np.concatenate([inner.root, wide[None]]),
    )


def _mixture(draws: Weighted, start: Proposal, size: int, rng: np.random.Generator) -> Proposal:
    """Weighted expectation maximisation, from centres spread over the draws."""
    w, u = np.exp(draws.smoothed), draws.u
    mean = w @ u
    rest = u - mean
    cov = (w[:, None] * rest).T @ rest + 1e-10 * np.eye(u.shape[1])
    centres = u[rng.choice(len(u), size=size, p=w / w.sum())]
    root = np.broadcast_to(np.linalg.cholesky(0.5 * cov), (size, *cov.shape))
    mixture = Proposal(np.full(size, 1 / size), centres, root.copy())
    for _ in range(12):
        parts = mixture.components(u)
        share = np.exp(parts - logsumexp(parts, axis=1, keepdims=True)) * w[:, None]
        weight = share.sum(axis=0)
        kept = weight > 2.0 * u.shape[1] / len(u)
        if not kept.any():
            return start
        share, weight = share[:, kept], weight[kept]
        means, roots = [], []
        for j in range(share.shape[1]):
            z = np.linalg.solve(mixture.root[kept][j], (u - mixture.mean[kept][j]).T)
            heavy = (DF + u.shape[1]) / (DF + (z**2).sum(axis=0)) * share[:, j]
            m = heavy @ u / heavy.sum()
            d = u - m
            c = (heavy[:, None] * d).T @ d / weight[j]
            means.append(m)
            roots.append(np.linalg.cholesky(INFLATE * c + 1e-3 * np.diag(np.diag(cov))))
        mixture = Proposal(weight / weight.sum(), np.stack(means), np.stack(roots))
    return _with_tails(mixture, mean, cov)


def resample(draws: Weighted, n: int, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling: n indices in random order, twice only where a weight exceeds 1 / n."""
    w = np.exp(draws.smoothed)
    edges = np.cumsum(w / w.sum())
    edges[-1] = 1.0
    return rng.permutation(np.searchsorted(edges, (np.arange(n) + rng.random()) / n))
