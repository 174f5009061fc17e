"""Families and parametrisations against PyMC and scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import bayeslme
from bayes.support import parameters_of
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.distributions import FAMILIES
from bayeslme.bayes.priors.language import as_prior
from bayeslme.errors import SpecError

GROWTH = "lme(distance ~ Sex + age, random = ~ 1 | Subject)"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("TruncatedNormal(1, 2, 0, 3)", stats.truncnorm(-0.5, 1.0, 1, 2)),
        ("TruncatedNormal(mu=0, sigma=1, lower=5)", stats.truncnorm(5, np.inf, 0, 1)),
        ("TruncatedNormal(mu=0, tau=4, upper=-1)", stats.truncnorm(-np.inf, -2, 0, 0.5)),
        ("SkewNormal(1, 2, 3)", stats.skewnorm(3, 1, 2)),
        ("SkewNormal(mu=1, sigma=2, alpha=-30)", stats.skewnorm(-30, 1, 2)),
        ("Gamma(mu=3, sigma=2)", stats.gamma(2.25, scale=4 / 3)),
        ("Exponential(scale=4)", stats.expon(scale=4)),
        ("InverseGamma(mu=3, sigma=2)", stats.invgamma(4.25, scale=9.75)),
        ("Beta(mu=0.3, nu=10)", stats.beta(3, 7)),
        ("Beta(mu=0.3, sigma=0.1)", stats.beta(6, 14)),
        ("Normal(mu=1, tau=4)", stats.norm(1, 0.5)),
        ("StudentT(nu=3, mu=1, lam=4)", stats.t(3, 1, 0.5)),
    ],
)
def test_a_family_has_its_density_distribution_and_quantiles(text: str, reference: Any) -> None:
    prior = as_prior(text)
    family, args = FAMILIES[prior.family], prior.numbers()
    p = np.array([0.01, 0.2, 0.5, 0.9, 0.999])
    x = reference.ppf(p)
    assert family.cumulative is not None
    assert family.quantile is not None
    assert family.log_density(x, args) == pytest.approx(reference.logpdf(x), rel=1e-8)
    assert family.cumulative(x, args) == pytest.approx(p, abs=1e-8)
    assert family.quantile(p, args) == pytest.approx(x, rel=1e-6)
    assert as_prior(str(prior)).family == prior.family  # what is printed can be read


def test_moments_of_alternative_arguments_are_those_named() -> None:
    """The mean and standard deviation by definition of the argument."""
    for name in ("Gamma", "InverseGamma"):
        own = as_prior(f"{name}(mu=3, sigma=2)").numbers()
        other = {"Gamma": stats.gamma, "InverseGamma": stats.invgamma}[name]
        scale = 1 / own["beta"] if name == "Gamma" else own["beta"]
        found = other(own["alpha"], scale=scale)
        assert (found.mean(), found.std()) == pytest.approx((3, 2))


@pytest.mark.parametrize(
    "text",
    [
        "Gamma(mu=-1, sigma=2)",
        "Gamma(mu=1, sigma=2, alpha=3)",
        "Normal(mu=0, sigma=1, tau=2)",
        "Beta(mu=0.5, sigma=0.9)",
        "TruncatedNormal(0, 1, 3, 2)",
        "TruncatedNormal(0, 0)",
    ],
)
def test_arguments_without_a_density_are_refused(text: str) -> None:
    with pytest.raises(SpecError):
        as_prior(text)


def test_priors_are_listed_coefficient_by_coefficient(orthodont: Any) -> None:
    given = ["Normal(20, 5)", "Cauchy(0, 1)", "TruncatedNormal(0.5, 1, lower=0)"]
    resolved = resolve_priors(parameters_of(GROWTH, orthodont), {"fixef": given})["fixef"]
    assert [p.family for p in resolved.priors] == ["Normal", "Cauchy", "TruncatedNormal"]
    assert resolved.bounds(2) == (0.0, np.inf)
    with pytest.raises(SpecError, match="2 priors are listed"):
        resolve_priors(parameters_of(GROWTH, orthodont), {"fixef": given[:2]})


def test_models_have_the_same_densities(orthodont: Any) -> None:
    """PyMC's own classes, cut to where a standard deviation lives."""
    import pymc as pm

    priors = {
        "fixef": ["TruncatedNormal(20, 5, lower=0)", "SkewNormal(0, 2, -3)", "Gamma(0.25, 0.25)"],
        "sd_Subject": "TruncatedNormal(1, 2)",
        "sigma": "Exponential(scale=2)",
    }
    spec = bayeslme.translate(GROWTH)
    model = spec.to_pymc(orthodont, form="marginal", priors=priors)
    own = resolve_priors(parameters_of(GROWTH, orthodont), priors)
    values = {"fixef": np.array([18.0, -1.5, 0.7]), "sd_Subject": np.array([1.4]), "sigma": 1.2}
    density = own.log_density(values)
    for name, value in values.items():
        found = pm.logp(model[name], value).sum().eval()
        assert found == pytest.approx(float(np.sum(density[name])), rel=1e-8)


@pytest.mark.parametrize("text", ["TruncatedNormal(20, 0.5, lower=21)", "SkewNormal(22, 1, -4)"])
def test_draws_have_the_density_by_quadrature(text: str, orthodont: Any) -> None:
    call = "gls(distance ~ 0 + Sex, control = glsControl(sigma = 4))"
    fit: Any = bayeslme.translate(call).fit(orthodont)
    posterior = fit.sample(draws=5000, priors={"fixef": {"SexMale": text}}, seed=1)
    boys = orthodont.loc[orthodont["Sex"] == "Male", "distance"]
    prior = as_prior(text)
    family, args = FAMILIES[prior.family], prior.numbers()
    low, high = family.support(args)
    grid = np.linspace(15, 32, 28_001)
    inside = (grid > low) & (grid < high)
    log = family.log_density(grid, args) - 0.5 * len(boys) * (grid - boys.mean()) ** 2 / 16
    weight = np.where(inside, np.exp(log - log[inside].max()), 0.0)
    mean = weight @ grid / weight.sum()
    sd = np.sqrt(weight @ (grid - mean) ** 2 / weight.sum())
    drawn = posterior.values["fixef"][:, 0]
    size = min(posterior.data["sample_stats"].attrs["weights_ess"], 20_000.0)
    assert drawn.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(size))
    assert drawn.std() == pytest.approx(sd, rel=0.05)
