"""Coefficients given the variance parameters: exact draws under normal priors and mixtures of them.

With flat or normal priors beta is Gaussian given the variance parameters. A prior that is a mixture
of normal densities (`priors.mixtures`) enters one coefficient after another. What the data and the
coefficients before say of the next one is Gaussian, so that the integral of each component is in
closed form, cut to an interval or not. A component is drawn in that proportion and the coefficients
are conditioned on it. With one such coefficient this is the exact posterior; with several the
product of the integrals is an unbiased estimate of the density of the variance parameters
(sequential imputation: Kong, Liu and Wong 1994, JASA 89, 278), and a smooth approximation comes
from matching moments where components are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtri_exp

from bayeslme.bayes import settings
from bayeslme.bayes.density import GAUSSIAN
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.mixtures import LOG_SQRT_2PI, NormalMixture, normal_mixture
from bayeslme.bayes.priors.priors import ParameterPrior
from bayeslme.engine.estimate import Estimate


def gaussian_draws(
    parameters: ModelParameters, factor: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw beta (b, p) given factors (b, p + 1, p + 1) of [X | y]'V^-1[X | y]."""
    problem, p = parameters.problem, parameters.problem.p
    factor = np.broadcast_to(factor, (count, *factor.shape[-2:]))
    right = factor[:, p, :p] + rng.standard_normal((count, p))
    sound = _sound(factor)
    standard = np.full((count, p), np.nan)
    upper = np.swapaxes(factor[sound, :p, :p], -1, -2)
    standard[sound] = np.linalg.solve(upper, right[sound, :, None])[..., 0]
    return np.asarray(np.linalg.solve(problem.x_basis, standard.T).T + problem.shift)


def _sound(factor: np.ndarray) -> np.ndarray:
    p = factor.shape[-1] - 1
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)[..., :p]
        return np.asarray(
            np.all(np.isfinite(factor), axis=(-2, -1)) & np.all(diagonal > 0, axis=-1)
        )


@dataclass(frozen=True)
class MixedCoefficients:
    """Coefficients, or combinations of them, whose priors are neither normal nor flat.

    Attributes
    ----------
    parameters : ModelParameters
    prior : ParameterPrior
        Of all coefficients.
    places : tuple of int, length j
        Which of the combinations, in the order in which they enter: those cut to an interval last.
    mixtures : tuple of NormalMixture, length j
    """

    parameters: ModelParameters
    prior: ParameterPrior
    places: tuple[int, ...]
    mixtures: tuple[NormalMixture, ...]

    @property
    def exact(self) -> bool:
        """Whether `log_evidence` is exact: one prior, and a mixture of normal densities."""
        if len(self.places) != 1:
            return False
        family = self.prior.priors[self.places[0]].family
        return not self.mixtures[0].flat or family in EVEN

    @property
    def by_scale(self) -> bool:
        """Whether given their scales all of them are normal, on the whole line."""
        return not any(m.cut or m.flat or np.ndim(m.shift) for m in self.mixtures)

    def log_evidence(self, factor: np.ndarray) -> np.ndarray:
        """Log mean (b,) of the priors under the Gaussian of the data; exact for one coefficient.

        Parameters
        ----------
        factor : array, shape (b, p + 1, p + 1)
            With the normal priors, as `PosteriorDensity.evaluate` returns it.
        """
        total = np.full(len(factor), -np.inf)
        sound = _sound(factor)
        mean, cov, _ = self.moments(factor[sound])
        value = np.zeros(len(mean))
        for j, mixture in enumerate(self.mixtures):
            tilted = Tilted.of(mixture, mean[:, j], cov[:, j, j])
            value += tilted.log_mass
            later = slice(j + 1, None)  # those before are not read again
            gain = cov[:, j, later] / tilted.variance[:, None]
            own_mean, own_variance = tilted.moments()
            mean[:, later] += gain * (own_mean - tilted.mean)[:, None]
            change = (own_variance - tilted.variance)[:, None] * gain
            cov[:, later, later] += change[:, :, None] * gain[:, None, :]
        total[sound] = value
        return total

    def draw(self, factor: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Unbiased log mean (b,) of the priors, and beta (b, p) drawn with it.

        Parameters
        ----------
        factor : array, shape (b, p + 1, p + 1)
        rng : Generator
        """
        problem = self.parameters.problem
        count = len(factor)
        total = np.full(count, -np.inf)
        sound = _sound(factor)
        beta = gaussian_draws(self.parameters, factor, count, rng)
        mean, cov, spread = self.moments(factor[sound])
        state = _State(mean, cov, spread, beta[sound] @ self.combinations.T)
        value = np.zeros(len(mean))
        share = settings.MIXTURES.defended_share / max(len(self.mixtures), 1)
        for j, mixture in enumerate(self.mixtures):
            value += state.enter(j, mixture, share if len(self.mixtures) > 1 else 0.0, rng)
        standard = np.asarray(state.moved)
        own = beta[sound] + np.linalg.solve(problem.x_basis, standard.T).T
        beta[sound] = own
        total[sound] = value + self.correction(own)
        return total, beta

    def correction(self, beta: np.ndarray) -> np.ndarray:
        """Log (b,) of the priors' densities over those of the mixtures."""
        values = self.prior.scale.apply(beta, {})
        exact = self.prior.log_density_of(beta, self.places)
        pairs = zip(self.mixtures, self.places, strict=True)
        own = sum((m.log_density(values[..., j]) for m, j in pairs), np.zeros(len(beta)))
        with np.errstate(invalid="ignore"):
            return np.where(np.isneginf(exact), -np.inf, exact - own)

    def moments(self, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean (b, j), covariance (b, j, j), covariances (b, p, j) with standard coefficients."""
        problem, p = self.parameters.problem, self.parameters.problem.p
        rows = np.linalg.solve(problem.x_basis.T, self.combinations.T)  # of standard coefficients
        lower = factor[:, :p, :p]
        half = np.linalg.solve(lower, np.broadcast_to(rows, (len(factor), *rows.shape)))
        spread = np.linalg.solve(np.swapaxes(lower, -1, -2), half)
        mean = np.einsum("bpj,bp->bj", half, factor[:, p, :p]) + self.combinations @ problem.shift
        return mean, np.swapaxes(half, -1, -2) @ half, spread

    @property
    def combinations(self) -> np.ndarray:
        """The combinations' weights (j, p)."""
        basis = self.prior.scale.combinations(len(self.prior.priors))
        return np.asarray(basis[list(self.places)])


@dataclass
class _State:
    """What is known of some combinations while their priors enter one after the other.

    Attributes
    ----------
    mean, cov, spread : arrays, shapes (b, j), (b, j, j), (b, p, j)
    drawn : array, shape (b, j)
        A draw of the combinations given what has entered.
    moved : array, shape (b, p)
        What has been added to a draw of the standard coefficients since the beginning.
    """

    mean: np.ndarray
    cov: np.ndarray
    spread: np.ndarray
    drawn: np.ndarray

    def __post_init__(self) -> None:
        self.moved = np.zeros(self.spread.shape[:2])

    def enter(
        self, j: int, mixture: NormalMixture, share: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw a component, and the value where the mixture is cut; the log weight (b,)."""
        tilted = Tilted.of(mixture, self.mean[:, j], self.cov[:, j, j])
        which, log_weight = tilted.choose(share, rng)
        if mixture.cut:
            self._condition(j, tilted.draw(which, rng), np.zeros(len(which)), None)
        elif not mixture.flat:
            sd = mixture.sd[which]
            self._condition(j, mixture.centres[which], sd**2, rng)
        return log_weight

    def _condition(
        self, j: int, seen: np.ndarray, noise: np.ndarray, rng: np.random.Generator | None
    ) -> None:
        """Condition on an observation of combination ``j``, the draw too (Matheron's rule)."""
        later = slice(j, None)  # those before have entered and are not read again
        row = self.cov[:, j, later].copy()
        total = row[:, 0] + noise
        gain = row / total[:, None]
        wide = self.spread[:, :, j] / total[:, None]
        error = 0.0 if rng is None else np.sqrt(noise) * rng.standard_normal(len(seen))
        apart = (seen + error - self.drawn[:, j])[:, None]
        self.moved += wide * apart
        self.drawn[:, later] += gain * apart
        self.mean[:, later] += gain * (seen - self.mean[:, j])[:, None]
        self.cov[:, later, later] -= gain[:, :, None] * row[:, None, :]
        self.spread[:, :, later] -= wide[:, :, None] * row[:, None, :]


@dataclass(frozen=True, slots=True)
class Tilted:
    """A Gaussian times a mixture of normal densities, component by component.

    Attributes
    ----------
    mixture : NormalMixture
    mean, variance : arrays, shape (b,)
        Of the Gaussian.
    log_parts : array, shape (b, k)
        Log integrals.
    own_mean, own_sd : arrays, shape (b, k)
        Of each product, before it is cut.
    """

    mixture: NormalMixture
    mean: np.ndarray
    variance: np.ndarray
    log_parts: np.ndarray
    own_mean: np.ndarray
    own_sd: np.ndarray

    @classmethod
    def of(cls, mixture: NormalMixture, mean: np.ndarray, variance: np.ndarray) -> Tilted:
        """The product with Gaussians of given moments (b,)."""
        if mixture.flat:
            log_parts = np.zeros((len(mean), 1))
            own_mean, own_sd = mean[:, None], np.sqrt(variance)[:, None]
        else:
            total = variance[:, None] + mixture.sd**2
            apart = mean[:, None] - mixture.centres
            log_parts = (
                mixture.log_weight - LOG_SQRT_2PI - 0.5 * np.log(total) - 0.5 * apart**2 / total
            )
            own_mean = mixture.centres + mixture.sd**2 / total * apart
            own_sd = np.sqrt(variance[:, None] / total) * mixture.sd
        if mixture.cut:
            log_parts = log_parts + _interval(mixture, own_mean, own_sd)[0]
        return cls(mixture, mean, variance, log_parts, own_mean, own_sd)

    @property
    def log_mass(self) -> np.ndarray:
        """Log integral (b,) of the product."""
        return np.asarray(logsumexp(self.log_parts, axis=-1))

    def choose(self, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a component (b,), a share of them from the prior alone; the log weight (b,)."""
        count, k = self.log_parts.shape
        log_own = self.log_parts - self.log_mass[:, None]
        log_q = log_own
        if share > 0.0 and k > 1:
            log_prior = self.mixture.log_weight - logsumexp(self.mixture.log_weight)
            log_q = np.logaddexp(np.log1p(-share) + log_own, np.log(share) + log_prior)
        edges = np.cumsum(np.exp(log_q), axis=1)
        u = rng.random(count) * edges[:, -1]
        which = np.minimum((edges < u[:, None]).sum(axis=1), k - 1)
        rows = np.arange(count)
        return which, self.log_parts[rows, which] - log_q[rows, which]

    def draw(self, which: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A value (b,) of chosen components inside the interval."""
        rows = np.arange(len(which))
        mean, sd = self.own_mean[rows, which], self.own_sd[rows, which]
        _, low, high, mirrored = _interval(self.mixture, mean, sd)
        u = rng.random(len(which))
        log_p = np.logaddexp(np.log1p(-u) + log_ndtr(low), np.log(u) + log_ndtr(high))
        z = np.clip(ndtri_exp(log_p), low, high)
        value = mean + sd * np.where(mirrored, -z, z)
        inner = np.nextafter(self.mixture.low, np.inf), np.nextafter(self.mixture.high, -np.inf)
        return np.asarray(np.clip(value, *inner))

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance (b,) of the normalised product."""
        share = np.exp(self.log_parts - self.log_mass[:, None])
        mean, second = self.own_mean, self.own_sd**2
        if self.mixture.cut:
            log_p, low, high, mirrored = _interval(self.mixture, self.own_mean, self.own_sd)
            slopes = [
                np.exp(-0.5 * np.where(np.isfinite(z), z, 0.0) ** 2 - LOG_SQRT_2PI - log_p)
                * np.isfinite(z)
                for z in (low, high)
            ]
            first = slopes[0] - slopes[1]
            finite = [np.where(np.isfinite(z), z, 0.0) for z in (low, high)]
            ends = [z * slope for z, slope in zip(finite, slopes, strict=True)]
            away = np.maximum(np.maximum(low, -high), 0.0)
            narrow = np.maximum(1.0 + ends[0] - ends[1] - first**2, 0.1 / (1.0 + away**2))
            mean = mean + self.own_sd * np.where(mirrored, -first, first)
            second = second * narrow
        centre = (share * mean).sum(axis=-1)
        apart = mean - centre[:, None]
        return centre, (share * (second + apart**2)).sum(axis=-1)


def _interval(
    mixture: NormalMixture, mean: np.ndarray, sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log mass of an interval, its ends in standard deviations, mirrored where it lies above 0."""
    low, high = (mixture.low - mean) / sd, (mixture.high - mean) / sd
    mirrored = low + high > 0  # then in the lower tail, where logarithms keep their digits
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    upper, lower = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore"):
        return upper + np.log1p(-np.exp(lower - upper)), low, high, mirrored


EVEN = ("Uniform", "HalfFlat")  # densities that are constant on their interval


def mixed_coefficients(
    parameters: ModelParameters, prior: ParameterPrior, estimate: Estimate
) -> MixedCoefficients | None:
    """The coefficients whose priors are neither normal nor flat; None where all are.

    Parameters
    ----------
    parameters : ModelParameters
    prior : ParameterPrior
        Of the coefficients.
    estimate : Estimate
        Says how far from the priors' centres the coefficients may lie.
    """
    places = [j for j, p in enumerate(prior.priors) if p.family not in GAUSSIAN]
    if not places:
        return None
    basis = prior.scale.combinations(len(prior.priors))[places]
    found, variance = basis @ estimate.beta, np.diag(basis @ estimate.vcov @ basis.T)
    mixtures = []
    for j, at, v in zip(places, found, variance, strict=True):
        centre = normal_mixture(prior, j, 0.0).centre
        apart = abs(at - centre) if np.isfinite(centre) else 0.0
        mixtures.append(normal_mixture(prior, j, 10.0 * (apart + 30.0 * float(np.sqrt(v)))))
    order = entering_order(mixtures, variance)
    return MixedCoefficients(
        parameters, prior, tuple(places[j] for j in order), tuple(mixtures[j] for j in order)
    )


def entering_order(mixtures: Sequence[NormalMixture], variance: np.ndarray) -> list[int]:
    """Order in which priors enter: the most informative first, those cut to an interval last."""
    ratio = [m.spread**2 / v for m, v in zip(mixtures, variance, strict=True)]
    return sorted(range(len(mixtures)), key=lambda j: (mixtures[j].cut, ratio[j]))
