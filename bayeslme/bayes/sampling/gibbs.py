"""Many coefficients with heavy-tailed priors: chains over the priors' scales.

Importance weights of dozens of scales are too uneven. Here many chains run side by side, all
in the same array operations. Their state is the variance parameters and one component of each
prior's mixture; the coefficients are integrated out. Each component is drawn given all others with
its own coefficient integrated over (van Dyk and Park 2008, JASA 103, 790), so that a coefficient
moves between zero and its estimate in one step. The variance parameters move by Metropolis steps,
local ones and jumps to draws of the importance sampler's proposal. The chains begin at its draws,
which are wider than the posterior, and are compared with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.bayes import settings
from bayeslme.bayes.priors.mixtures import LOG_SQRT_2PI
from bayeslme.bayes.sampling.coefficients import MixedCoefficients, Tilted, gaussian_draws
from bayeslme.bayes.sampling.mixture import Proposal, covariance


class Target(Protocol):
    """A density of the variance parameters, and the Gaussian of the coefficients given them."""

    def flat(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density (b,) with the mixed priors left out, and the factor (b, p + 1, p + 1)."""
        ...


@dataclass(frozen=True, slots=True)
class Chains:
    """Draws of many chains.

    Attributes
    ----------
    u : array, shape (n, k)
        Chain after chain.
    beta : array, shape (n, p)
    effective : float
        Smallest effective number of draws of all coordinates and coefficients.
    r_hat : float
        Potential scale reduction of halves of all chains, the largest.
    steps : int
        Steps of each chain.
    """

    u: np.ndarray
    beta: np.ndarray
    effective: float
    r_hat: float
    steps: int


@dataclass
class _State:
    """The chains: coordinates, components, and the density with what it was made from."""

    u: np.ndarray
    which: np.ndarray
    flat: np.ndarray
    base: np.ndarray
    value: np.ndarray
    factor: np.ndarray


def run_chains(
    target: Target, mixed: MixedCoefficients, proposal: Proposal, n: int, rng: np.random.Generator
) -> Chains:
    """Draw n times.

    Parameters
    ----------
    target : Target
    mixed : MixedCoefficients
        None of them cut to an interval.
    proposal : Proposal
        Of the variance parameters, wider than their posterior.
    n : int
    rng : Generator
    """
    limits = settings.GIBBS
    walker = _Walker(target, mixed, proposal)
    state, scale = walker.begin(limits.chains, rng), 1.0
    for _ in range(limits.burn_in):
        rate = walker.step(state, scale, rng)
        scale = float(np.clip(scale * np.exp(rate - limits.target_acceptance), 0.01, 5.0))
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    wanted = min(limits.wanted_effective, limits.wanted_share * n)
    while True:
        for _ in range(limits.round_steps):
            walker.step(state, scale, rng)
            kept.append((state.u.copy(), walker.coefficients(state, rng)))
        u, beta = (np.stack([one[i] for one in kept], axis=1) for i in (0, 1))
        r_hat, effective = diagnostics(np.concatenate([u, beta], axis=2))
        good = r_hat <= settings.SAMPLING.max_population_r_hat and effective >= wanted
        enough = len(kept) * limits.chains >= n
        if (good and enough) or len(kept) >= limits.max_steps:
            break
    each = min(-(-n // limits.chains), len(kept))
    chosen = np.linspace(0, len(kept) - 1, each).round().astype(int)
    u, beta = (a[:, chosen].reshape(-1, a.shape[-1]) for a in (u, beta))
    places = np.linspace(0, len(u) - 1, n).round().astype(int)  # a copy where there are too few
    return Chains(u[places], beta[places], min(effective, float(n)), r_hat, len(kept))


def diagnostics(draws: np.ndarray) -> tuple[float, float]:
    """R-hat of the halves of chains, and the effective number of draws, the worst of all columns.

    The effective number follows from the variance of the chains' means: with many chains it needs
    no autocorrelations.

    Parameters
    ----------
    draws : array, shape (chains, steps, k)
    """
    chains, steps, _ = draws.shape
    half = steps // 2
    halves = np.concatenate([draws[:, :half], draws[:, -half:]])
    within = np.maximum(halves.var(axis=1, ddof=1).mean(axis=0), 1e-300)
    apart = halves.mean(axis=1).var(axis=0, ddof=1)
    r_hat = float(np.sqrt(np.max((within * (half - 1) / half + apart) / within)))
    means = draws.mean(axis=1).var(axis=0, ddof=1)
    total = within + apart
    effective = chains * float(np.min(total / np.maximum(means, 1e-300)))
    return r_hat, min(effective, float(chains * steps))


class _Walker:
    """Steps of all chains.

    Parameters
    ----------
    target : Target
    mixed : MixedCoefficients
    proposal : Proposal
    """

    def __init__(self, target: Target, mixed: MixedCoefficients, proposal: Proposal) -> None:
        self.target, self.mixed, self.proposal = target, mixed, proposal
        problem = mixed.parameters.problem
        self.rows = np.linalg.solve(problem.x_basis.T, mixed.combinations.T).T
        centres = np.array([m.centre for m in mixed.mixtures])
        apart = centres - mixed.combinations @ problem.shift
        self.middle = np.linalg.lstsq(self.rows, apart, rcond=None)[0]

    def begin(self, chains: int, rng: np.random.Generator) -> _State:
        """Chains at draws of the proposal, components drawn one after the other."""
        u = self.proposal.inside(chains, rng)
        flat, base = self.target.flat(u)
        while np.any(bad := ~np.isfinite(flat)):
            u[bad] = self.proposal.inside(int(bad.sum()), rng)
            flat, base = self.target.flat(u)
        which = np.zeros((chains, len(self.mixed.mixtures)), dtype=int)
        mean, cov, _ = self.mixed.moments(base)
        for j, mixture in enumerate(self.mixed.mixtures):
            which[:, j] = Tilted.of(mixture, mean[:, j], cov[:, j, j]).choose(0.0, rng)[0]
        value, factor = self.given(flat, base, which)
        spread = covariance(self.proposal.inside(2000, rng), np.full(2000, 1.0 / 2000))
        self.root = np.linalg.cholesky(spread) * 2.38 / np.sqrt(u.shape[1])
        return _State(u, which, flat, base, value, factor)

    def sds(self, which: np.ndarray) -> np.ndarray:
        """Standard deviations (b, j) of chosen components."""
        own = [m.sd[which[:, j]] for j, m in enumerate(self.mixed.mixtures)]
        return np.stack(own, axis=1)

    def given(
        self, flat: np.ndarray, base: np.ndarray, which: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log density (b,) given components, without their own, and the factor with them."""
        p = base.shape[-1] - 1
        sd = self.sds(which)
        about = np.array(base)  # the factor of columns about the priors' centres
        about[..., p, :p] -= np.einsum("bij,i->bj", base[..., :p, :p], self.middle)
        block = about @ np.swapaxes(about, -1, -2)
        scaled = self.rows / sd[..., None]
        block[..., :p, :p] += np.swapaxes(scaled, -1, -2) @ scaled
        factor = np.array(NUMPY.cholesky(block))
        with np.errstate(divide="ignore", invalid="ignore"):
            old, new = (np.diagonal(f, axis1=-2, axis2=-1) for f in (base, factor))
            value = flat + np.log(old[:, :p]).sum(axis=1) - np.log(new[:, :p]).sum(axis=1)
            value = value - 0.5 * (new[:, p] ** 2 - old[:, p] ** 2)
            value = value - np.log(sd).sum(axis=1) - sd.shape[1] * LOG_SQRT_2PI
        factor[..., p, :p] += np.einsum("bij,i->bj", factor[..., :p, :p], self.middle)
        return np.where(np.isfinite(value), value, -np.inf), factor

    def step(self, state: _State, scale: float, rng: np.random.Generator) -> float:
        """Move everything once; the acceptance rate of the local moves."""
        self.components(state, rng)
        rates = []
        for _ in range(settings.GIBBS.local_moves):
            new = state.u + scale * rng.standard_normal(state.u.shape) @ self.root.T
            new = np.where(self.proposal.even, np.abs(new), new)
            rates.append(self.accept(state, new, np.zeros(len(new)), rng))
        new = self.proposal.inside(len(state.u), rng)
        ratio = self.proposal.log_density(state.u) - self.proposal.log_density(new)
        self.accept(state, new, ratio, rng)
        return float(np.mean(rates))

    def accept(
        self, state: _State, new: np.ndarray, log_ratio: np.ndarray, rng: np.random.Generator
    ) -> float:
        """Metropolis step of the variance parameters; the share accepted."""
        flat, base = self.target.flat(new)
        value, factor = self.given(flat, base, state.which)
        with np.errstate(invalid="ignore"):
            gain = value - state.value + log_ratio
        yes = np.log(rng.random(len(new))) < np.where(np.isnan(gain), -np.inf, gain)
        state.u = np.where(yes[:, None], new, state.u)
        state.flat, state.value = np.where(yes, flat, state.flat), np.where(yes, value, state.value)
        state.base = np.where(yes[:, None, None], base, state.base)
        state.factor = np.where(yes[:, None, None], factor, state.factor)
        return float(yes.mean())

    def components(self, state: _State, rng: np.random.Generator) -> None:
        """Draw the component of every prior given the others, coefficients integrated out."""
        mean, cov, _ = self.mixed.moments(state.factor)
        chains = np.arange(len(mean))
        for j in rng.permutation(len(self.mixed.mixtures)):
            mixture = self.mixed.mixtures[j]
            variance, precision = cov[:, j, j], mixture.sd[state.which[:, j]] ** -2.0
            left = np.maximum(1.0 - precision * variance, settings.GIBBS.least_left)
            without = (mean[:, j] - precision * variance * mixture.centre) / left
            which, _ = Tilted.of(mixture, without, variance / left).choose(0.0, rng)
            change = mixture.sd[which] ** -2.0 - precision
            row = cov[chains, j].copy()
            gain = (change / (1.0 + change * variance))[:, None] * row
            mean = mean + gain * (mixture.centre - mean[:, j])[:, None]
            cov = cov - gain[:, :, None] * row[:, None, :]
            state.which[:, j] = which
        state.value, state.factor = self.given(state.flat, state.base, state.which)

    def coefficients(self, state: _State, rng: np.random.Generator) -> np.ndarray:
        """Draw the coefficients (b, p) of the chains' states."""
        return gaussian_draws(self.mixed.parameters, state.factor, len(state.u), rng)
