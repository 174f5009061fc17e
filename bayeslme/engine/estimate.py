"""From a design to estimates: starting values, the search, and what is read off at the optimum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.conditional import modes
from bayeslme.engine.fitted import variance_covariates
from bayeslme.engine.likelihood import Likelihood, Method, NaturalPoint
from bayeslme.engine.mixing import Mixer
from bayeslme.engine.optimise import Optimum
from bayeslme.engine.problem import Problem, bind_variance, build_problem
from bayeslme.engine.search import search
from bayeslme.engine.starts import generic_start
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.data.types import Design

REFRESHES = 60  # of a variance covariate that depends on the fit
SETTLED = 1e-7  # largest relative change of theta between two refreshes
SLACK = 1e-4  # above it the two are said not to have settled
GENERIC = (1.0,)  # sizes of the random effects behind other first covariates: fixed points differ


Density = Callable[[NaturalPoint], np.ndarray]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimates on the natural scale.

    Attributes
    ----------
    problem : Problem
    method : str
    theta : array, shape (k,)
    beta : array, shape (p,)
    sigma : float
    sigma_held : bool
        Whether sigma was given rather than estimated.
    loglik : float
    vcov : array, shape (p, p)
        sigma^2 (X'V^-1X)^-1.
    factors : tuple of arrays (q, q), outermost level first
        Relative factors Lambda: the level's covariance is sigma^2 Lambda Lambda'.
    modes : tuple of arrays (G, q), outermost level first
        Conditional modes of the random effects.
    corstruct, varfunc : array or None
        Natural parameters, held ones included.
    log_sd : array, shape (n,), design's row order
        Logarithm of the residual standard deviation relative to sigma.
    converged : bool
    message : str
    evaluations : int
    density : callable or None
        Log density of natural points, (b) -> (b,), whose mode this is; None for the likelihood.
    """

    problem: Problem
    method: Method
    theta: np.ndarray
    beta: np.ndarray
    sigma: float
    sigma_held: bool
    loglik: float
    vcov: np.ndarray
    factors: tuple[np.ndarray, ...]
    modes: tuple[np.ndarray, ...]
    corstruct: np.ndarray | None
    varfunc: np.ndarray | None
    log_sd: np.ndarray
    converged: bool
    message: str
    evaluations: int
    density: Density | None = None

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters, coefficients and sigma included."""
        return len(self.beta) + len(self.theta) + (0 if self.sigma_held else 1)

    def likelihood(self) -> Likelihood:
        """The likelihood function behind these estimates."""
        return Likelihood(self.problem, self.method, self.sigma if self.sigma_held else None)


def estimate(design: Design, *, start: np.ndarray | None = None) -> Estimate:
    """Maximise the marginal likelihood of a design.

    Parameters
    ----------
    design : Design
        Its specification carries the method and the controls.
    start : array, shape (k,), optional
        Starting value of theta in place of the built-in ones.

    Raises
    ------
    FitError
        Where no likelihood exists, e.g. more random effects than rows with a perfect fit.
    """
    spec = design.spec
    sigma, max_iter = spec.control.sigma, spec.control.max_iter or 200
    problem = build_problem(design)
    if problem.waiting:
        return _alternate(problem, design, max_iter, start)
    likelihood = Likelihood(problem, spec.method if spec.function != "lm" else "OLS", sigma)
    optimum = search(likelihood, max_iter=max_iter, start=start)
    found = read_off(likelihood, design, optimum)
    _report(found)
    return found


def read_off(likelihood: Likelihood, design: Design, optimum: Optimum) -> Estimate:
    """Coefficients, modes and structures at the optimum."""
    problem, theta = likelihood.problem, optimum.theta
    e, _, centre = likelihood.eliminated(theta)
    pr = likelihood.profile(theta)
    if not np.isfinite(pr.loglik):
        msg = (
            f"the likelihood is not defined at the end of the search ({optimum.message}); "
            "the model fits the data perfectly, or the data carry no information on it"
        )
        raise FitError(msg)
    p, typical = problem.p, float(pr.sigma)
    relative = float(np.exp(centre))  # residual sd of a typical row over sigma
    sigma = typical / relative
    inverse = np.linalg.inv(pr.factor[:p, :p]) if p else np.zeros((0, 0))
    standard = inverse.T @ pr.factor[p, :p]
    to_natural = np.linalg.inv(problem.x_basis) if p else np.zeros((0, 0))
    root = to_natural @ inverse.T
    b = modes(problem, e, likelihood.factors(theta), standard)
    cor, var = likelihood.row_parameters(theta)
    log_sd = np.zeros(problem.n)
    if problem.variance is not None:
        log_sd[problem.order] = problem.variance.structure.log_sd(var, problem.variance.coords)
    lambdas = tuple(
        relative * np.linalg.solve(s.basis, a)
        for s, a in zip(problem.stages, likelihood.factors(theta), strict=True)
    )
    return Estimate(
        problem, likelihood.method, theta, to_natural @ standard + problem.shift, sigma,
        likelihood.sigma is not None, float(pr.loglik), typical**2 * root @ root.T, lambdas[::-1],
        b[::-1], cor, var, log_sd, optimum.converged, optimum.message, likelihood.evaluations,
    )  # fmt: skip


def _alternate(
    problem: Problem, design: Design, max_iter: int, start: np.ndarray | None
) -> Estimate:
    """Variance functions of the fit: optimise, refresh their covariate, until nothing moves.

    The answer is a fixed point, as in nlme (Pinheiro and Bates 2000, section 5.2.2; Carroll and
    Ruppert 1988), not the maximum of a likelihood.
    """
    plain = Likelihood(replace(problem, waiting=False), design.spec.method)
    best = search(plain, max_iter=max_iter)
    first_fits = [
        best,
        *(
            replace(best, theta=generic_start(plain.problem, r))
            for r in (GENERIC if problem.stages else ())
        ),
    ]
    tried = [
        _settle(problem, design, max_iter, read_off(plain, design, o), start) for o in first_fits
    ]
    found, moved = max(tried, key=lambda one: (one[1] < SLACK, one[0].loglik))
    if moved >= SLACK:
        warnings.warn(
            "the variance covariate and the fit did not settle on each other; simplify the weights",
            stacklevel=3,
        )
    _report(found)
    return found


def _settle(
    problem: Problem, design: Design, max_iter: int, found: Estimate, theta: np.ndarray | None
) -> tuple[Estimate, float]:
    """Refresh the covariate until nothing moves; also the last relative change of theta."""
    covariates, moved, mixer = variance_covariates(design, found), np.inf, Mixer()
    for _ in range(REFRESHES):
        bound = bind_variance(problem, design, covariates)
        likelihood = Likelihood(bound, design.spec.method, design.spec.control.sigma)
        optimum = search(likelihood, max_iter=max_iter, start=theta)
        moved = _movement(optimum.theta, theta)
        found, theta = read_off(likelihood, design, optimum), optimum.theta
        fresh = variance_covariates(design, found)
        if moved < SETTLED and _distance(covariates, fresh) < SETTLED:
            break
        covariates = _mixed(mixer, covariates, fresh)
    return found, moved


Covariates = tuple[np.ndarray | None, ...]


def _distance(old: Covariates, new: Covariates) -> float:
    """Largest change of a covariate over its spread."""
    return max(
        float(np.max(np.abs(b - a)) / (np.std(b) + np.abs(np.mean(b))))
        for a, b in zip(old, new, strict=True)
        if a is not None and b is not None
    )


def _mixed(mixer: Mixer, old: Covariates, new: Covariates) -> Covariates:
    """The next covariates; those that are data stay None."""
    own = [k for k, c in enumerate(new) if c is not None]
    n = len(new[own[0]])  # type: ignore[arg-type]
    flat = mixer.next(
        np.concatenate([c for c in old if c is not None]),
        np.concatenate([c for c in new if c is not None]),
    ).reshape(-1, n)
    out: list[np.ndarray | None] = [None] * len(new)
    for k, values in zip(own, flat, strict=True):
        out[k] = values
    return tuple(out)


def _movement(new: np.ndarray, old: np.ndarray | None) -> float:
    return (
        np.inf
        if old is None
        else float(np.max(np.abs(new - old) / (np.abs(old) + 1.0), initial=0.0))
    )


def _report(found: Estimate) -> None:
    if not found.converged:
        warnings.warn(f"the fit did not converge: {found.message}", stacklevel=4)
