"""Priors of coefficients that are not Gaussian, or flat for some of them only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.bayes.density import gaussian_beta
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.distributions import FAMILIES
from bayeslme.bayes.priors.language import as_prior

LINE = "gls(distance ~ 0 + Sex, control = glsControl(sigma = 4))"


@pytest.mark.parametrize(
    "text", ["StudentT(3, 20, 0.5)", "Cauchy(23, 0.3)", "Laplace(20, 1)", "Uniform(24.5, 40)"]
)
def test_draws_have_the_density_by_quadrature(text: str, orthodont: Any) -> None:
    """With sigma held the posterior of a group's mean is a normal density times its prior."""
    fit: Any = bayeslme.translate(LINE).fit(orthodont)
    posterior = fit.sample(draws=5000, priors={"fixef": {"SexMale": text}}, seed=1)
    boys = orthodont.loc[orthodont["Sex"] == "Male", "distance"]
    grid = np.linspace(18, 32, 28_001)
    prior = as_prior(text)
    family, args = FAMILIES[prior.family], prior.numbers()
    low, high = family.support(args)
    inside = (grid > low) & (grid < high)
    log = family.log_density(np.where(inside, grid, 25.0), args)
    log = log - 0.5 * len(boys) * (grid - boys.mean()) ** 2 / 16
    weight = np.where(inside, np.exp(log - log.max()), 0.0)
    weight /= weight.sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    drawn = posterior.values["fixef"][:, 0]
    size = posterior.data["sample_stats"].attrs["weights_ess"]
    assert posterior.data["sample_stats"].attrs["method"] == "exact"
    assert drawn.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(size))
    assert drawn.std() == pytest.approx(sd, rel=0.05)


def test_they_agree_with_a_mixture_of_gaussian_ones(orthodont: Any) -> None:
    """Given its own scale a Student-t is normal: importance weights by hand."""
    call = "lme(distance ~ Sex + age, random = ~ 1 | Subject)"
    fit: Any = bayeslme.translate(call).fit(orthodont)
    student = fit.sample(draws=5000, priors={"fixef": {"SexFemale": "StudentT(4, 0, 1.5)"}}, seed=1)
    flat = fit.sample(draws=5000, priors={"fixef": {"SexFemale": "Flat()"}}, seed=2)
    beta = flat.values["fixef"][:, 1]
    weight = (1 + (beta / 1.5) ** 2 / 4) ** -2.5
    for name, place in (("fixef", 0), ("fixef", 1), ("sd_Subject", 0)):
        other = flat.values[name][:, place]
        want = np.average(other, weights=weight)
        assert student.values[name][:, place].mean() == pytest.approx(want, abs=0.05 * other.std())


def test_flat_and_normal_side_by_side(orthodont: Any) -> None:
    """The density by its definition: a Gaussian of the others, 1 for the flat one."""
    call = "lme(distance ~ Sex * age, random = ~ 1 | Subject)"
    parameters = build_parameters(bayeslme.translate(call).fit(orthodont).design)
    prior = resolve_priors(parameters, {"fixef": {"(Intercept)": "Flat()"}})["fixef"]
    found = gaussian_beta(prior)
    assert found is not None
    assert found.proper == 3
    rng = np.random.default_rng(4)
    for beta in rng.normal(size=(5, 4)) * [20, 1, 1, 0.3]:
        apart = beta - found.mean
        want = found.half_logdet - 1.5 * np.log(2 * np.pi) - 0.5 * apart @ found.precision @ apart
        assert prior.log_density(beta) == pytest.approx(want)
    wide = {"fixef": {"(Intercept)": "Normal(0, 1e5)"}}
    fits = [
        bayeslme.lme("distance ~ Sex * age", orthodont, "~ 1 | Subject", priors=p)
        for p in ({"fixef": {"(Intercept)": "Flat()"}}, wide)
    ]
    assert fits[0].sigma == pytest.approx(fits[1].sigma, rel=1e-6)
    assert fits[0].fixef.to_numpy() == pytest.approx(fits[1].fixef.to_numpy(), rel=1e-4)


def test_a_prior_against_the_data_is_followed_as_far_as_its_tails_say(orthodont: Any) -> None:
    """With sigma and the slope of age held nothing but the prior's tail decides: quadrature."""
    fit: Any = bayeslme.translate(LINE).fit(orthodont)
    boys = orthodont.loc[orthodont["Sex"] == "Male", "distance"]
    text = "StudentT(30, 60, 0.1)"
    priors = {"fixef": {"SexMale": text}}
    posterior = fit.sample(draws=2000, method="collapsed", priors=priors, seed=1)
    grid = np.linspace(20, 70, 200_001)
    log = FAMILIES["StudentT"].log_density(grid, as_prior(text).numbers())
    log = log - 0.5 * len(boys) * (grid - boys.mean()) ** 2 / 16
    weight = np.exp(log - log.max())
    mean = weight @ grid / weight.sum()
    sd = np.sqrt(weight @ (grid - mean) ** 2 / weight.sum())
    drawn = posterior.values["fixef"][:, 0]
    assert drawn.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(2000))
    assert drawn.std() == pytest.approx(sd, rel=0.1)
