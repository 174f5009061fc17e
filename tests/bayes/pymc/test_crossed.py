"""PyMC models of crossed random effects: the dense marginal density, its gradient, and NUTS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bayes.agreement import MEANS, SDS, agreement
from bayes.posterior.test_crossed import MODELS, dense, frame, made
from bayeslme import lmer
from bayeslme.arrays import NUMPY, pytensor_ops
from bayeslme.bayes.density import conditional, integrated
from bayeslme.bayes.model_parameters import ModelParameters, without_fixed

PRIORS = {"sd_a": "Exponential(1)", "sd_b": "Exponential(1)", "sigma": "Exponential(1)"}


def expected(parameters: ModelParameters, values: dict[str, np.ndarray]) -> tuple[float, float]:
    """Log p(y | beta, ...) and the log of its integral over beta, by dense matrices."""
    z, g, r, rest = dense(parameters, values)
    v, x = z @ g @ z.T + r, parameters.design.X
    constant = -0.5 * np.linalg.slogdet(2 * np.pi * v)[1]
    inner = x.T @ np.linalg.solve(v, x)
    error = np.linalg.solve(inner, x.T @ np.linalg.solve(v, rest))
    left = rest - x @ error
    marginal = constant - 0.5 * left @ np.linalg.solve(v, left)
    marginal -= 0.5 * np.linalg.slogdet(inner / (2 * np.pi))[1]
    return float(constant - 0.5 * rest @ np.linalg.solve(v, rest)), float(marginal)


@pytest.mark.parametrize("symbolic", [False, pytest.param(True, marks=pytest.mark.pymc)])
@pytest.mark.parametrize("name", MODELS)
def test_the_effects_are_integrated_out(name: str, symbolic: bool, fast_compile: None) -> None:
    parameters, draws = made(name)
    problem, bare = parameters.problem, without_fixed(parameters.problem)
    values: dict[str, Any] = {k: v[0] for k, v in draws.items()}
    xp: Any = pytensor_ops() if symbolic else NUMPY
    residual = (parameters.design.y - parameters.design.X @ values["fixef"])[problem.order]
    columns = np.vstack([problem.columns[: -problem.p - 1], residual])
    if symbolic:
        values = {k: xp.constant(v) for k, v in values.items()}
    given = conditional(parameters, bare, xp.constant(columns), values, xp)
    over = integrated(parameters, xp.constant(problem.columns), values, None, xp)
    found = [float(one.eval()) if symbolic else float(one) for one in (given, over)]
    np.testing.assert_allclose(found, expected(parameters, draws), rtol=1e-9)


@pytest.mark.pymc
def test_its_gradient_is_the_slope(fast_compile: None) -> None:
    formula, options = MODELS["rows"]
    model = lmer(formula, frame(), **options).spec.to_pymc(frame())
    value, gradient = model.compile_logp(), model.compile_dlogp()
    point = model.initial_point()
    slope, at = gradient(point), 0
    for variable in model.value_vars:
        own = np.asarray(point[variable.name], dtype=float)
        for place in np.ndindex(own.shape):
            ends = []
            for sign in (1e-5, -1e-5):
                moved = own.copy()
                moved[place] += sign
                ends.append(float(value({**point, variable.name: moved})))
            assert slope[at] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-4)
            at += 1


@pytest.mark.slow
@pytest.mark.pymc
@pytest.mark.parametrize("name", ["intercepts", "rows"])
def test_nuts_draws_the_same_posterior(name: str) -> None:
    formula, options = MODELS[name]
    fit = lmer(formula, frame(), **options)
    some = {"priors": PRIORS, "progress": False}
    ours = fit.sample(draws=2500, chains=4, method="collapsed", seed=1, priors=PRIORS)
    nuts = fit.sample(draws=1500, chains=4, tune=1000, method="nuts", seed=2, **some)
    found = agreement(ours, nuts)
    assert abs(found.mean) < MEANS, found
    assert abs(found.sd) < SDS, found
