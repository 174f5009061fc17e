"""The PyMC model's density, the engine's and the definition are one number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayes.support import KINDS, random_covariance, residual_covariance
from bayeslme.bayes.density import by_group
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.rows.random_effects import random_effects
from bayeslme.data.design import build
from bayeslme.engine import Likelihood

pytestmark = pytest.mark.pymc
RTOL = 1e-9


def some_point(model: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A point near the start: unconstrained as PyMC names it, and natural."""
    from bayeslme.bayes.pymc.nuts import natural_values

    rng = np.random.default_rng(11)
    point = {
        k: v + 0.1 * rng.standard_normal(np.shape(v)) for k, v in model.initial_point().items()
    }
    return point, natural_values(model, np.concatenate([np.ravel(v) for v in point.values()]))


def observed_density(model: Any, point: dict[str, np.ndarray]) -> float:
    density = model.logp(vars=model.observed_RVs, jacobian=False)
    known = {v.name for v in model.value_vars}
    compiled = model.compile_fn(density, inputs=model.value_vars, on_unused_input="ignore")
    return float(compiled({k: v for k, v in point.items() if k in known}))


def dense_covariance(parameters: ModelParameters, values: dict[str, np.ndarray]) -> np.ndarray:
    """V by its definition, rows as in the design."""
    return residual_covariance(parameters, values) + random_covariance(parameters, values)


def normal_density(r: np.ndarray, V: np.ndarray) -> float:
    logdet = np.linalg.slogdet(V)[1]
    return float(-0.5 * (len(r) * np.log(2 * np.pi) + logdet + r @ np.linalg.solve(V, r)))


@pytest.fixture(params=KINDS, scope="module")
def design(request: pytest.FixtureRequest) -> Any:
    return build(bayeslme.translate(KINDS[request.param]), bayeslme.load_data("orthodont"))


@pytest.mark.usefixtures("fast_compile")
def test_marginal_density_and_gradient(design: Any) -> None:
    from bayeslme.bayes.pymc.model import build_model

    parameters = build_parameters(design)
    model = build_model(design, priors="flat")
    point, values = some_point(model)
    V = dense_covariance(parameters, values)
    dense = normal_density(design.y - design.X @ values["fixef"], V)
    assert observed_density(model, point) == pytest.approx(dense, rel=RTOL)
    draws = {k: np.asarray(v)[None] for k, v in values.items()}
    assert by_group(parameters, draws).sum() == pytest.approx(dense, rel=RTOL)
    assert np.all(np.isfinite(model.compile_dlogp()(model.initial_point())))


@pytest.mark.usefixtures("fast_compile")
def test_integrated_density(design: Any) -> None:
    from bayeslme.bayes.pymc.model import build_model

    parameters = build_parameters(design)
    priors = {"preset": "flat", "fixef": "Normal(1, 10)"}
    model = build_model(design, priors=priors, beta="integrated")
    point, values = some_point(model)
    V = dense_covariance(parameters, values) + 100 * design.X @ design.X.T
    dense = normal_density(design.y - design.X.sum(axis=1), V)
    assert observed_density(model, point) == pytest.approx(dense, rel=RTOL)


def test_the_engine_s_log_likelihoods(growth_fit: Any) -> None:
    """At the estimates: ML's from beta, REML's from beta integrated."""
    from bayeslme.arrays import NUMPY
    from bayeslme.bayes.density import integrated

    ml = growth_fit.update(method="ML")
    for fit in (ml, growth_fit):
        parameters, estimate = build_parameters(fit.design), fit.estimate
        values = {
            "fixef": estimate.beta,
            "sigma": np.float64(estimate.sigma),
            "sd_Subject": fit.varcorr()["Subject"].sd.to_numpy(),
            "corstruct": estimate.corstruct,
            "varfunc": estimate.varfunc[[-1]],
        }
        if fit is ml:
            draws = {k: np.asarray(v)[None] for k, v in values.items()}
            assert by_group(parameters, draws).sum() == pytest.approx(fit.loglik, rel=1e-10)
        else:
            found = integrated(parameters, parameters.problem.columns, values, None, NUMPY)
            assert found == pytest.approx(fit.loglik, rel=1e-10)
    assert isinstance(ml.estimate.likelihood(), Likelihood)


@pytest.mark.usefixtures("fast_compile")
@pytest.mark.parametrize("kind", ["varIdent and corAR1", "slope", "corExp with nugget"])
def test_the_gradient_is_finite_in_the_hierarchical_form(
    kind: str, orthodont: pd.DataFrame
) -> None:
    from bayeslme.bayes.pymc.model import build_model

    design = build(bayeslme.translate(KINDS[kind]), orthodont)
    model = build_model(design, form="hierarchical")
    assert np.all(np.isfinite(model.compile_dlogp()(model.initial_point())))


@pytest.mark.usefixtures("fast_compile")
def test_forms_agree_through_the_random_effects() -> None:
    """p(y) = p(y | b) p(b) / p(b | y) at any b ties the two densities together."""
    from bayeslme.bayes.pymc.model import build_model

    data = bayeslme.load_data("piglets")
    spec = bayeslme.load_model("models/piglets.toml").spec
    design = build(spec, data)
    parameters = build_parameters(design)
    marginal, hierarchical = (
        build_model(design, priors="flat", form=f) for f in ("marginal", "hierarchical")
    )
    point, values = some_point(marginal)
    b = {lv.key: np.zeros((len(lv.level.labels), lv.q)) for lv in parameters.levels}
    full = {**point, **{f"z_{k}": v for k, v in b.items()}}
    given_b = observed_density(hierarchical, full)
    prior_b = sum(
        normal_density(np.zeros(lv.q), level_cov(lv, values)) * len(lv.level.labels)
        for lv in parameters.levels
    )
    assert given_b + prior_b - posterior_at_zero(parameters, values) == pytest.approx(
        observed_density(marginal, point), rel=1e-8
    )


def level_cov(level: Any, values: dict[str, np.ndarray]) -> np.ndarray:
    factor = level.factor(values)
    return np.asarray(factor @ factor.T)


def posterior_at_zero(parameters: ModelParameters, values: dict[str, np.ndarray]) -> float:
    """log p(b = 0 | y) by dense algebra."""
    mean, cov = dense_effects(parameters, values)
    return normal_density(-mean, cov)


def dense_effects(
    parameters: ModelParameters, values: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all random effects given y, outermost level first."""
    design = parameters.design
    columns, blocks = [], []
    for level in parameters.levels:
        for g in range(len(level.level.labels)):
            columns.append(level.level.Z * (level.level.code == g)[:, None])
            blocks.append(level_cov(level, values))
    Z, size = np.concatenate(columns, axis=1), sum(len(b) for b in blocks)
    D, at = np.zeros((size, size)), 0
    for b in blocks:
        D[at : at + len(b), at : at + len(b)] = b
        at += len(b)
    gain = np.linalg.solve(dense_covariance(parameters, values), Z @ D).T
    return gain @ (design.y - design.X @ values["fixef"]), D - gain @ Z @ D


@pytest.mark.parametrize("name", ["piglets", "orthodont"])
def test_random_effects_are_drawn_from_their_conditional(name: str) -> None:
    data: pd.DataFrame = bayeslme.load_data(name)
    spec = (
        bayeslme.load_model("models/piglets.toml").spec
        if name == "piglets"
        else bayeslme.translate(
            "lme(distance ~ age, random = ~ I(age - 11) | Subject, correlation = corAR1(0.3))"
        )
    )
    from bayeslme.bayes.sampling.starting import starting_values

    parameters = build_parameters(build(spec, data))
    values = {k: v for k, v in starting_values(parameters).items()}
    values["sigma"] = values["sigma"][0]
    draws = 40_000
    many = {k: np.broadcast_to(v, (draws, *np.shape(v))) for k, v in values.items()}
    drawn = random_effects(parameters, many, np.random.default_rng(5), chunk_bytes=3e7)
    flat = np.concatenate([b.reshape(draws, -1) for b in drawn.values()], axis=1)
    mean, cov = dense_effects(parameters, values)
    sd = np.sqrt(np.diagonal(cov))
    assert np.max(np.abs(flat.mean(axis=0) - mean) / sd) < 5 / np.sqrt(draws)
    correlation = np.cov(flat.T) / np.outer(sd, sd)
    assert np.max(np.abs(correlation - cov / np.outer(sd, sd))) < 6 / np.sqrt(draws)
