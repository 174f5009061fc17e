"""From a design to estimates: starting values, the search, and what is read off at the optimum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.build import build_problem
from bayeslme.engine.likelihood.likelihood import Likelihood, Method, NaturalPoint
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.fixed_point import agree
from bayeslme.engine.search.no_maximum import require_groups
from bayeslme.engine.search.optimise import Optimum
from bayeslme.engine.search.reproduced import require_rest
from bayeslme.engine.search.search import search
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.data.types import Design
    from bayeslme.structures import Bound


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


@np.errstate(under="ignore")  # a correlation that underflows is 0
def estimate(design: Design, *, start: np.ndarray | None = None, report: bool = True) -> Estimate:
    """Maximise the marginal likelihood of a design.

    Parameters
    ----------
    design : Design
        Its specification carries the method and the controls.
    start : array, shape (k,), optional
        Starting value of theta in place of the built-in ones.
    report : bool
        Whether to warn of a search that did not converge; the estimate says it too.

    Raises
    ------
    SpecError
        For a correlation structure of more orders than the data have lags.
    FitError
        Where no likelihood exists, e.g. more random effects than rows with a perfect fit, or it
        has no maximum, e.g. where the effects reproduce the response.
    """
    spec = design.spec
    sigma, max_iter = spec.control.sigma, spec.control.max_iter or 200
    problem = build_problem(design)
    if problem.correlation is not None:
        problem.correlation.structure.require(problem.correlation.coords)
    require_groups(problem, spec.method)
    if problem.needs_fitted_values:
        require_rest(Likelihood(replace(problem, needs_fitted_values=False), spec.method, sigma))
        found = agree(problem, design, max_iter, start, read_off)
        if report:
            _report(found)
        return found
    likelihood = Likelihood(problem, spec.method if spec.function != "lm" else "OLS", sigma)
    require_rest(likelihood)
    optimum = search(likelihood, max_iter=max_iter, start=start)
    found = read_off(likelihood, optimum)
    if report:
        _report(found)
    return found


def read_off(likelihood: Likelihood, optimum: Optimum) -> Estimate:
    """Coefficients, modes and structures at the optimum."""
    problem, theta, p = likelihood.problem, optimum.theta, likelihood.problem.p
    e, rows = likelihood.reduced(theta)
    pr = likelihood.profiled(e, rows)
    typical = float(pr.sigma)
    with np.errstate(over="ignore"):
        relative = float(np.exp(rows.centre))  # residual sd of a typical row over sigma
    _check_end(float(pr.loglik), relative, optimum.message)
    inverse = np.linalg.inv(pr.factor[:p, :p]) if p else np.zeros((0, 0))
    standard = inverse.T @ pr.factor[p, :p]
    to_natural = np.linalg.inv(problem.x_basis) if p else np.zeros((0, 0))
    root = to_natural @ inverse.T
    factors = likelihood.factors(theta)
    cor, var = likelihood.row_parameters(theta)
    return Estimate(
        problem=problem,
        method=likelihood.method,
        theta=theta,
        beta=to_natural @ standard + problem.shift,
        sigma=typical / relative,
        sigma_held=likelihood.sigma is not None,
        loglik=float(pr.loglik),
        vcov=typical**2 * root @ root.T,
        factors=problem.natural_factors(factors, relative),
        modes=likelihood.grams.modes(rows, factors, standard)[::-1],
        corstruct=cor,
        varfunc=var,
        log_sd=problem.log_sd(var),
        converged=optimum.converged,
        message=optimum.message,
        evaluations=likelihood.evaluations,
    )


def _check_end(loglik: float, relative: float, message: str) -> None:
    if not np.isfinite(loglik):
        msg = (
            f"the likelihood is not defined at the end of the search ({message}); "
            "the model fits the data perfectly, or the data carry no information on it"
        )
        raise FitError(msg)
    if not 0.0 < relative < np.inf:
        msg = (
            "weights: the variance function runs away, its sigma is beyond every number; simplify "
            "the weights, or rescale their covariate"
        )
        raise FitError(msg)


def _report(found: Estimate) -> None:
    if not found.converged:
        warnings.warn(f"the fit did not converge: {found.message}", stacklevel=4)
    for name, bound, _ in found.problem.row_structures:
        _warn_of_digits(bound, getattr(found, name))


def _warn_of_digits(bound: Bound, own: np.ndarray) -> None:
    for j in bound.free:
        if bound.parameters[j].has_no_digits(own[j]):
            message = (
                f"{bound.structure.r_name}: {bound.parameters[j].name} is below the smallest "
                "number; count its form's covariate in a smaller unit"
            )
            warnings.warn(message, stacklevel=5)
