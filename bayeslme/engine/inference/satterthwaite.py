"""Degrees of freedom by Satterthwaite: the precision of the estimated variance of a contrast.

With f(theta) = c' Phi(theta) c the variance of a contrast and W the covariance of the estimated
variance parameters, f at the estimate is matched to a scaled chi-squared variable on

    nu = 2 f^2 / (g' W g),    g = df / dtheta

degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110). Several contrasts are turned
into independent ones, and the F of one denominator is matched to the mean of the sum of their
squared t (Fai and Cornelius 1996, J Stat Comput Simul 54:363).

nu does not depend on how theta is written. Here it is the scale of estimation and log sigma: a zero
variance is an ordinary point of it, where nothing moves Phi to first order. W is the inverse of
minus the second differences of the log-likelihood, taken twice: roughly, then along the principal
directions in steps of a fraction of their standard errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference import settings
from bayeslme.engine.likelihood.likelihood import Likelihood, profile
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.engine.search.optimise import curvature, extrapolated, stencil
from bayeslme.engine.search.starts import scales


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Covariance of the coefficients and how it moves with the variance parameters.

    Attributes
    ----------
    vcov : array, shape (p, p)
    slopes : array, shape (m, p, p)
        Derivatives of ``vcov`` along ``directions``.
    cov : array, shape (m, m)
        Approximate covariance of the parameters along them.
    directions : array, shape (m, m)
        Of about a standard error, in theta and log sigma (not where it is held); of the parameters'
        size where the likelihood is flat.
    flat : int
        Number of these, which come first. They get a standard error of ``max_standard_error``
        sizes, so that variances that depend on them have almost no degrees of freedom.
    """

    vcov: np.ndarray
    slopes: np.ndarray
    cov: np.ndarray
    directions: np.ndarray
    flat: int

    def degrees(self, rows: np.ndarray) -> float:
        """Denominator degrees of freedom of contrasts (r, p) tested together."""
        _, vectors = np.linalg.eigh(rows @ self.vcov @ rows.T)
        return mean_matched(self.each(vectors.T @ rows))

    def each(self, rows: np.ndarray) -> np.ndarray:
        """Degrees of freedom (r,) of contrasts (r, p) taken one by one."""
        f = np.einsum("rp,pq,rq->r", rows, self.vcov, rows)
        return self.matched(f, np.einsum("rp,mpq,rq->rm", rows, self.slopes, rows))

    def matched(self, f: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Degrees of freedom (r,) of variances f (r,) with slopes g (r, m)."""
        with np.errstate(divide="ignore"):
            return np.asarray(2.0 * f**2 / np.einsum("rm,mk,rk->r", g, self.cov, g))


def mean_matched(each: np.ndarray) -> float:
    """Denominator of the F whose mean is that of the averaged squares of independent t.

    Parameters
    ----------
    each : array, shape (r,)
        Degrees of freedom of the t.
    """
    if np.all(np.isinf(each)) or np.ptp(each) < settings.INFERENCE.equal_df:
        return float(each.mean())
    if np.any(each <= settings.INFERENCE.min_f_df):
        return float(each.min()) if each.min() < 1.0 else settings.INFERENCE.min_f_df
    excess = float(np.sum(2.0 / (each - 2.0)))  # E - r, without cancellation
    return 2.0 * (excess + len(each)) / excess


@np.errstate(under="ignore")  # a vanishing correlation is 0
def sensitivity(found: Estimate) -> Sensitivity:
    """Differentiate the log-likelihood and the covariance of the coefficients at an estimate.

    Parameters
    ----------
    found : Estimate
        By REML or ML.
    """
    surface = _Surface(found)
    m = len(surface.sizes)
    if surface.likelihood.climbs_by != "values":
        return _from_gradients(surface)
    rough = _differences(
        surface, np.diag(surface.sizes), settings.INFERENCE.gradient_step
    ).curvature
    visible = max(
        settings.INFERENCE.loglik_rounding
        * max(1.0, abs(found.loglik))
        / settings.INFERENCE.gradient_step**2,
        1.0 / settings.INFERENCE.max_standard_error**2,
    )
    # entries that a step out of the region of the likelihood has left unknown are taken as zero
    strength, vectors = np.linalg.eigh(-np.where(np.isfinite(rough), rough, 0.0))
    curved = strength > visible
    lengths = 1.0 / np.sqrt(np.where(curved, strength, 1.0))
    directions = (vectors * lengths).T * surface.sizes
    near, far = (
        _differences(surface, directions, step * settings.INFERENCE.direction_step)
        for step in (1, 2)
    )
    a = -extrapolated(near.curvature, far.curvature)
    cov = settings.INFERENCE.max_standard_error**2 * np.eye(m)
    cov[np.ix_(curved, curved)] = _inverse(a[np.ix_(curved, curved)])
    slopes = extrapolated(near.slopes, far.slopes)
    return Sensitivity(found.vcov, slopes, cov, directions, m - int(curved.sum()))


def _from_gradients(surface: _Surface) -> Sensitivity:
    """As ``sensitivity`` where gradients are exact: one batch of them has all derivatives."""
    m, found = len(surface.sizes), surface.found
    steps = settings.INFERENCE.exact_gradient_step * np.diag(surface.sizes)
    slopes, covs = surface.gradients(np.concatenate([steps, -steps]))
    hessian = (
        (slopes[:m] - slopes[m:]) / (2.0 * settings.INFERENCE.exact_gradient_step) * surface.sizes
    )
    hessian = np.where(np.isfinite(hessian), 0.5 * (hessian + hessian.T), 0.0)
    moved = (covs[:m] - covs[m:]) / (2.0 * settings.INFERENCE.exact_gradient_step)
    visible = max(
        settings.INFERENCE.loglik_rounding
        * max(1.0, abs(found.loglik))
        / settings.INFERENCE.exact_gradient_step,
        1.0 / settings.INFERENCE.max_standard_error**2,
    )
    strength, vectors = np.linalg.eigh(-hessian)
    curved = strength > visible
    lengths = 1.0 / np.sqrt(np.where(curved, strength, 1.0))
    turned = (vectors * lengths).T
    cov = np.where(curved, 1.0, settings.INFERENCE.max_standard_error**2) * np.eye(m)
    return Sensitivity(
        found.vcov,
        np.tensordot(turned, moved, 1),
        cov,
        turned * surface.sizes,
        m - int(curved.sum()),
    )


def differentiated(
    found: Estimate, near: Sensitivity, values: Callable[[Estimate], np.ndarray]
) -> np.ndarray:
    """Slopes (r, m) of values (r,) of the variance parameters, along a sensitivity's directions.

    Parameters
    ----------
    found : Estimate
    near : Sensitivity
    values : callable
        A function of sigma, the factors and the row structures of an estimate.
    """
    surface = _Surface(found)

    def slopes(step: float) -> np.ndarray:
        out = np.zeros((len(values(found)), len(near.directions)))
        for k, one in enumerate(near.directions):
            up, down = (values(surface.estimate(sign * step * one)) for sign in (1, -1))
            out[:, k] = (up - down) / (2 * step)
        return out

    step = settings.INFERENCE.direction_step
    return extrapolated(slopes(step), slopes(2 * step))


def _inverse(a: np.ndarray) -> np.ndarray:
    """Inverse within the directions of positive curvature, of order one."""
    strength, vectors = np.linalg.eigh(np.where(np.isfinite(a), a, np.eye(len(a))))
    kept = strength > np.sqrt(settings.INFERENCE.loglik_rounding)
    return np.asarray((vectors[:, kept] / strength[kept]) @ vectors[:, kept].T)


class _Surface:
    """Log-likelihood and covariance of the coefficients near an estimate."""

    def __init__(self, found: Estimate) -> None:
        self.found = found
        self.likelihood = Likelihood(found.problem, found.method)
        self.held = found.sigma if found.sigma_held else None
        centre = self.likelihood.centre(found.theta)
        self.here = found.theta
        sizes = np.maximum(scales(found.problem), np.abs(found.theta))
        if self.held is None:  # sigma of a typical row, a parameter of its own
            self.here = np.append(found.theta, np.log(found.sigma) + float(centre))
            sizes = np.append(sizes, 1.0)
        self.sizes = sizes
        self.to_natural = np.linalg.inv(found.problem.x_basis)

    def estimate(self, move: np.ndarray) -> Estimate:
        """The variance parameters after a move (m,); coefficients and modes stay."""
        found, problem = self.found, self.likelihood.problem
        theta = found.theta + move[: problem.size]
        correlation, variance = self.likelihood.row_parameters(theta)
        log_sd = problem.log_sd(variance)
        relative = float(np.exp(log_sd.mean()))
        return replace(
            found,
            theta=theta,
            sigma=found.sigma if self.held else float(np.exp(self.here[-1] + move[-1])) / relative,
            factors=problem.natural_factors(self.likelihood.factors(theta), relative),
            corstruct=correlation,
            varfunc=variance,
            log_sd=log_sd,
        )

    def at(self, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood (b,) and covariance (b, p, p) after moves (b, m)."""
        pieces = [self._at(piece) for piece in self.likelihood.pieces(self.here + moves)]
        return np.concatenate([v for v, _ in pieces]), np.concatenate([c for _, c in pieces])

    def gradients(self, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients (b, m) of the log-likelihood and covariances (b, p, p) after moves (b, m)."""
        pieces = self.likelihood.pieces(self.here + moves, LIKELIHOOD.gradient_memory)
        found = [self._gradients(piece) for piece in pieces]
        return np.concatenate([g for g, _ in found]), np.concatenate([c for _, c in found])

    def _gradients(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size, likelihood = self.likelihood.problem.size, self.likelihood
        theta = points[:, :size]
        if self.held is None:
            sigma = np.exp(points[:, -1])
            slopes, _, block = likelihood.given_sigma(theta, sigma)
        else:
            sigma = self.held * np.exp(likelihood.centre(theta)) * np.ones(len(points))
            held = replace(likelihood, sigma=self.held)
            slopes, _, block = held.given_sigma(theta, sigma)
            slopes = held.value_and_gradient(theta)[1]
        return slopes, self._covariance(block, sigma)

    def _covariance(self, block: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        p = self.likelihood.problem.p
        precision = np.broadcast_to(block[..., :p, :p], (len(sigma), p, p))
        inverse = self.to_natural @ np.linalg.inv(precision) @ self.to_natural.T
        return np.asarray(np.square(sigma)[:, None, None] * inverse)

    def _at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        problem = self.likelihood.problem
        e, rows = self.likelihood.reduced(points[:, : problem.size])
        sigma = (
            np.exp(points[:, -1])
            if self.held is None
            else self.held * np.exp(rows.centre) * np.ones(len(points))
        )
        values = profile(problem, e, rows.half_logdet, self.likelihood.method, sigma).loglik
        return np.asarray(values), self._covariance(e.block, sigma)


@dataclass(frozen=True, slots=True)
class _Derivatives:
    """Second derivatives (m, m) of the log-likelihood, first ones (m, p, p) of the covariance."""

    curvature: np.ndarray
    slopes: np.ndarray


def _differences(surface: _Surface, directions: np.ndarray, step: float) -> _Derivatives:
    """Central differences along directions (m, k), from one batch."""
    m = len(directions)
    values, covs = surface.at(stencil(step * directions))
    slopes = (covs[1 : m + 1] - covs[m + 1 : 2 * m + 1]) / (2 * step)
    return _Derivatives(curvature(values, m) / step**2, slopes)
