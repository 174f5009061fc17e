from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bayes.support import KINDS, parameters_of
from bayeslme.bayes.checks.calibration import p_values
from bayeslme.bayes.model_parameters import Block
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.distributions import FAMILIES, lkj_draws
from bayeslme.bayes.priors.draws import draw_one, draw_priors
from bayeslme.bayes.priors.language import as_prior
from bayeslme.bayes.priors.priors import ParameterPrior
from bayeslme.errors import SpecError

PROPER = [f for f in FAMILIES.values() if f.cumulative is not None]
ARGUMENTS = {"nu": 3.5, "alpha": 2.5, "beta": 1.5, "mu": 0.3, "sigma": 1.2, "b": 0.8, "lam": 2.0}
ARGUMENTS |= {"lower": 0.2, "upper": 0.8}
ARGUMENTS |= {"steps": 3.0}
STATEMENT = {"lower": 0.2, "upper": 0.8, "alpha": 0.1, "dimension": 2.0}


@pytest.mark.parametrize("family", PROPER, ids=lambda f: f.name)
def test_quantiles_undo_distribution_functions(family: Any) -> None:
    own = STATEMENT if family.name.startswith("PC") else ARGUMENTS
    args = {name: own[name] for name in family.arguments}
    p = np.array([0.001, 0.2, 0.5, 0.77, 0.999])
    x = family.quantile(p, args)
    low, high = family.support(args)
    assert np.all((x > low) & (x < high))
    assert family.cumulative(x, args) == pytest.approx(p, abs=1e-9)


@pytest.mark.parametrize("text", ["Normal(0, 1)", "StudentT(4, 0, 2)", "HalfNormal(1)", "Flat()"])
def test_draws_follow_the_density_that_is_cut(text: str) -> None:
    block = Block("x", "sigma", ("x",), (0.5,), (2.0,))
    prior = ParameterPrior(block, (as_prior(text),))
    drawn = draw_one(prior, 4000, np.random.default_rng(1))
    grid = np.linspace(0.5, 2.0, 2001)
    density = np.exp(prior.log_density(np.clip(grid, 0.5 + 1e-9, 2.0 - 1e-9)))
    cdf = np.append(0.0, np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid)))
    assert cdf[-1] == pytest.approx(1.0, abs=1e-4)
    u = np.interp(drawn, grid, cdf / cdf[-1])
    assert p_values(np.floor(200 * u).astype(int), 199) > 0.001


@pytest.mark.parametrize("q", [2, 3, 5])
@pytest.mark.parametrize("eta", [0.7, 1.0, 3.0])
def test_correlations_have_the_variance_of_their_beta_margin(q: int, eta: float) -> None:
    drawn = lkj_draws(q, eta, 20_000, np.random.default_rng(3))
    upper = np.triu_indices(q, 1)
    entries = drawn[:, upper[0], upper[1]]
    # Lewandowski and others (2009): every margin is Beta(a, a) on (-1, 1), a = eta - 1 + q / 2.
    expected = 1 / (2 * (eta - 1 + q / 2) + 1)
    assert (entries**2).mean(axis=0) == pytest.approx(expected, rel=0.05)
    assert entries.mean(axis=0) == pytest.approx(0.0, abs=5 * np.sqrt(expected / 20_000))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_draws_inside_its_supports(kind: str, orthodont: Any) -> None:
    parameters = parameters_of(KINDS[kind], orthodont)
    priors = resolve_priors(parameters)
    drawn = draw_priors(parameters, priors, 300, np.random.default_rng(5))
    assert set(drawn) == {b.name for b in parameters.blocks}
    for values in priors.log_density(drawn).values():
        assert values.shape == (300,)
        assert np.all(np.isfinite(values))


def test_coefficients_are_drawn_through_the_basis(orthodont: Any) -> None:
    parameters = parameters_of("lme(distance ~ age, random = ~ 1 | Subject)", orthodont)
    fixef = draw_priors(parameters, resolve_priors(parameters), 20_000, np.random.default_rng(6))[
        "fixef"
    ]
    y, age = orthodont["distance"], orthodont["age"]
    at_mean = fixef @ [1.0, age.mean()]
    assert at_mean.mean() == pytest.approx(y.mean(), abs=0.2)
    assert at_mean.std() == pytest.approx(2.5 * y.std(ddof=0), rel=0.03)
    assert fixef[:, 1].std() == pytest.approx(2.5 * y.std(ddof=0) / age.std(ddof=0), rel=0.03)


def test_joint_regions_are_kept(orthodont: Any) -> None:
    arma = parameters_of(
        "lme(distance ~ age, random = ~ 1 | Subject, correlation = corARMA(p = 2))", orthodont
    )
    phi = draw_priors(arma, resolve_priors(arma), 500, np.random.default_rng(7))["corstruct"]
    # the triangle of stationary AR(2) processes
    assert np.all((phi.sum(axis=1) < 1) & (phi[:, 1] - phi[:, 0] < 1) & (np.abs(phi[:, 1]) < 1))


@pytest.mark.parametrize("prior", [None, "Uniform(lower=-1, upper=0.999)"])
def test_unstructured_correlations_are_uniform_over_matrices(prior: Any, orthodont: Any) -> None:
    parameters = parameters_of(
        "gls(distance ~ age, correlation = corSymm(form = ~ 1 | Subject))", orthodont
    )
    priors = resolve_priors(parameters, None if prior is None else {"corstruct": prior})
    drawn = draw_priors(parameters, priors, 4000, np.random.default_rng(8))["corstruct"]
    # uniform over matrices of order 4: every margin is Beta(2, 2) on (-1, 1), of variance 1 / 5
    assert (drawn**2).mean(axis=0) == pytest.approx(0.2, rel=0.12)


def test_improper_priors_cannot_be_drawn_from(orthodont: Any) -> None:
    parameters = parameters_of("lme(distance ~ age, random = ~ 1 | Subject)", orthodont)
    with pytest.raises(SpecError, match=r"Flat\(\) on 'fixef' is improper"):
        draw_priors(parameters, resolve_priors(parameters, "flat"), 10, np.random.default_rng(9))


def test_priors_that_miss_the_joint_region_say_so(orthodont: Any) -> None:
    parameters = parameters_of(
        "lme(distance ~ age, random = ~ 1 | Subject, correlation = corARMA(p = 2))", orthodont
    )
    priors = resolve_priors(parameters, {"corstruct": "Normal(mu=9, sigma=0.1)"})
    with pytest.raises(SpecError, match="corARMA is a correlation"):
        draw_priors(parameters, priors, 10, np.random.default_rng(9))
