"""Variance functions of the fitted values: hierarchical form, covariate of every draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import bayeslme
from bayeslme.bayes.density import (
    at_fitted,
    fitted_by_depth,
    given_effects_by_group,
    problem_of_draws,
)
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.tree import log_likelihood_dim
from bayeslme.data.design import build

pytestmark = pytest.mark.pymc
CALLS = {
    "power": "weights = varPower()",
    "level 0": "weights = varPower(form = ~ fitted(., level = 0))",
    "constant": "weights = varConstPower(0.2, 0.3)",
    "combined": "weights = varComb(varIdent(form = ~ 1 | Sex), varExp()), correlation = corAR1()",
}


def parameters_of(kind: str, data: pd.DataFrame) -> ModelParameters:
    call = f"lme(distance ~ Sex * age, random = ~ 1 | Subject, {CALLS[kind]})"
    return build_parameters(build(bayeslme.translate(call), data))


def draws_of(
    parameters: ModelParameters, count: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from bayeslme.bayes.sampling.starting import starting_values

    rng = np.random.default_rng(2)
    start = starting_values(parameters)
    values = {k: v + 0.05 * rng.uniform(size=(count, *np.shape(v))) for k, v in start.items()}
    values["sigma"] = values["sigma"][:, 0]
    return values, {"Subject": rng.standard_normal((count, 27, 1))}


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.usefixtures("fast_compile")
def test_the_hierarchical_density_is_the_definition(kind: str, orthodont: pd.DataFrame) -> None:
    from bayeslme.bayes.pymc.model import build_model
    from bayeslme.bayes.pymc.nuts import natural_values

    parameters = parameters_of(kind, orthodont)
    model = build_model(parameters.design, form="hierarchical")
    rng = np.random.default_rng(4)
    start = model.initial_point()
    point = {k: v + 0.1 * rng.standard_normal(np.shape(v)) for k, v in start.items()}
    flat = np.concatenate([np.ravel(v) for v in point.values()])
    values = {k: np.asarray(v)[None] for k, v in natural_values(model, flat).items()}
    factor = np.swapaxes(parameters.levels[0].factor(values), -1, -2)
    effects = {"Subject": values["z_Subject"] @ factor}
    density = model.logp(vars=model.observed_RVs, jacobian=False)
    compiled = model.compile_fn(density, inputs=model.value_vars, on_unused_input="ignore")
    terms = given_effects_by_group(parameters, values, effects)
    assert terms.shape == (1, 27)
    assert float(compiled(point)) == pytest.approx(terms.sum(), rel=1e-9)
    assert np.all(np.isfinite(model.compile_dlogp()(model.initial_point())))


def test_the_covariate_is_that_of_the_draw(orthodont: pd.DataFrame) -> None:
    parameters = parameters_of("power", orthodont)
    values, effects = draws_of(parameters, 3)
    means = fitted_by_depth(parameters, values, effects)
    problem = problem_of_draws(parameters, values, effects)
    assert problem.variance is not None
    assert problem.variance.coords.covariate == pytest.approx(means[1][:, parameters.problem.order])
    lowest = at_fitted(parameters_of("level 0", orthodont), means)
    assert lowest.variance is not None
    assert lowest.variance.coords.covariate == pytest.approx(means[0][:, parameters.problem.order])


def test_terms_are_normal_densities_of_the_rows(orthodont: pd.DataFrame) -> None:
    parameters = parameters_of("power", orthodont)
    values, effects = draws_of(parameters, 2)
    mean = fitted_by_depth(parameters, values, effects)[1]
    sd = values["sigma"][:, None] * np.abs(mean) ** values["varfunc"]
    z = (parameters.design.y - mean) / sd
    rows = -0.5 * np.log(2 * np.pi) - np.log(sd) - 0.5 * z**2
    terms = given_effects_by_group(parameters, values, effects, step=1)
    code = parameters.design.levels[0].code
    by_hand = np.stack([np.bincount(code, weights=r) for r in rows])
    assert terms == pytest.approx(by_hand, rel=1e-10)


@pytest.mark.parametrize("draws", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_nuts_samples_it(draws: int, orthodont: pd.DataFrame) -> None:
    spec = bayeslme.translate(f"lme(distance ~ age, random = ~ 1 | Subject, {CALLS['power']})")
    fit = spec.fit(orthodont)
    priors = {"varfunc": "Normal(0, 1)"}
    posterior = fit.sample(
        draws=draws, tune=2 * draws, seed=1, priors=priors, progress=False, method="nuts"
    )
    assert "hierarchical" in posterior.data["sample_stats"].attrs["route"]
    assert posterior.data["log_likelihood"].attrs["kind"] == "given the random effects"
    apart = posterior.residuals(type="pearson").std() / fit.residuals(type="pearson").std()
    assert apart == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("correlation", ["", ", correlation = corAR1(form = ~ 1 | Subject)"])
def test_without_groups_the_terms_are_of_rows_or_correlation_groups(
    correlation: str, orthodont: pd.DataFrame
) -> None:
    call = f"gls(distance ~ age, weights = varPower(form = ~ fitted(.)){correlation})"
    design = build(bayeslme.translate(call), orthodont)
    parameters = build_parameters(design)
    values = {
        "fixef": np.array([[17.0, 0.6], [16.0, 0.7]]),
        "varfunc": np.array([[0.4], [0.8]]),
        "sigma": np.array([0.7, 0.2]),
        "corstruct": np.array([[0.5], [0.3]]),
    }
    terms = given_effects_by_group(parameters, values, {})
    assert terms.shape == (2, len(log_likelihood_dim(parameters)[1]))
    for s in range(2):
        mean = design.X @ values["fixef"][s]
        sd = values["sigma"][s] * mean ** values["varfunc"][s, 0]
        cov = np.diag(sd**2)
        if correlation:
            subject = orthodont["Subject"].to_numpy()
            place = orthodont.groupby("Subject", observed=True).cumcount().to_numpy()
            apart = np.abs(np.subtract.outer(place, place))
            same = subject[:, None] == subject[None, :]
            cov = np.outer(sd, sd) * np.where(same, values["corstruct"][s, 0] ** apart, 0.0)
        expected = multivariate_normal(mean, cov).logpdf(design.y)
        assert terms[s].sum() == pytest.approx(expected)
