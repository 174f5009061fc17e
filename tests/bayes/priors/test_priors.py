from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

import bayeslme
from bayes.support import GROWTH
from bayeslme.bayes.centring import sweep
from bayeslme.bayes.model_parameters import Block, build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.distributions import lkj_log_constant, lkj_log_density
from bayeslme.bayes.priors.language import as_prior
from bayeslme.bayes.priors.priors import ParameterPrior
from bayeslme.bayes.priors.scales import NATURAL
from bayeslme.bayes.sampling.starting import starting_values
from bayeslme.data.design import build
from bayeslme.errors import BayesLMEError, SpecError

INF = np.inf


def one(text: str, lower: float = -INF, upper: float = INF) -> ParameterPrior:
    block = Block("x", "sigma", ("x",), (lower,), (upper,))
    return ParameterPrior(block, (as_prior(text),))


@pytest.mark.parametrize(
    "text",
    [
        "Normal(1, 2)", "StudentT(3, 1, 2)", "Cauchy(0, 1)", "Laplace(1, 2)", "Uniform(-1, 3)",
        "HalfNormal(2)", "HalfStudentT(4, 2)", "HalfCauchy(1)", "Exponential(2)", "LogNormal(0, 1)",
        "Gamma(2, 1)", "InverseGamma(3, 2)", "Beta(2, 3)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("interval", [(-INF, INF), (0.0, INF), (0.2, 0.9)])
def test_densities_integrate_to_one_on_their_interval(
    text: str, interval: tuple[float, float]
) -> None:
    prior = one(text, *interval)
    low, high = prior.bounds(0)
    middle = [p for p in (0.0, 0.5, 1.0, 2.0) if low < p < high]
    edges = [low, *middle, high]
    total = sum(quad(lambda x: np.exp(prior.log_density(x)), a, b)[0] for a, b in pairwise(edges))
    assert total == pytest.approx(1.0, abs=1e-6)
    assert prior.log_density(low - 1.0) == -INF
    assert prior.is_proper


def test_flat_is_proper_only_on_a_bounded_interval() -> None:
    assert not one("Flat()").is_proper
    assert not one("Flat()", 0.0).is_proper
    bounded = one("Flat()", -1.0, 1.0)
    assert bounded.is_proper
    assert bounded.log_density(0.3) == pytest.approx(-np.log(2.0))


def test_lkj_is_normalised() -> None:
    def density(r: float, eta: float) -> float:
        return float(np.exp(lkj_log_density(np.array([[1.0, r], [r, 1.0]]), eta)))

    for eta in (1.0, 2.0, 0.5):
        assert quad(density, -1, 1, args=(eta,))[0] == pytest.approx(1.0, abs=1e-6)
    # volume of the 3 x 3 correlation matrices, pi^2 / 2
    assert lkj_log_constant(3, 1.0) == pytest.approx(np.log(np.pi**2 / 2))
    assert lkj_log_density(np.array([[1.0, 1.2], [1.2, 1.0]]), 1.0) == -INF


def parameters_of(call: str, **columns: object):
    data = bayeslme.load_data("orthodont").assign(**columns)
    return build_parameters(build(bayeslme.translate(call), data))


def test_the_default_does_not_depend_on_where_zero_is() -> None:
    data = bayeslme.load_data("orthodont")
    call = "lme(distance ~ Sex * age, random = ~ 1 | Subject)"
    here = parameters_of(call)
    there = parameters_of(call, distance=data["distance"] + 1000, age=data["age"] - 2000)
    beta = np.array([20.0, -1.0, 0.7, -0.2])
    # the same lines: X beta shifts with y, written from the other zero
    moved = beta + np.array([1000 + 2000 * 0.7, -2000 * 0.2, 0.0, 0.0])
    first = resolve_priors(here)["fixef"].log_density(beta)
    assert resolve_priors(there)["fixef"].log_density(moved) == pytest.approx(first, rel=1e-6)
    for name in ("sigma", "sd_Subject"):
        assert str(resolve_priors(here)[name].priors[0]) == str(
            resolve_priors(there)[name].priors[0]
        )


def test_the_default_scales_with_the_data() -> None:
    data = bayeslme.load_data("orthodont")
    call = "lme(distance ~ Sex * I(age - 11), random = ~ I(age - 11) | Subject)"
    here, there = parameters_of(call), parameters_of(call, distance=data["distance"] * 1000)
    for name in ("fixef", "sigma", "sd_Subject"):
        small, large = (resolve_priors(x)[name].priors for x in (here, there))
        for a, b in zip(small, large, strict=True):
            assert b.numbers()["sigma"] == pytest.approx(1000 * a.numbers()["sigma"])


def test_documented_scales() -> None:
    parameters = parameters_of("lme(distance ~ age, random = ~ age | Subject)")
    y, x = parameters.design.y, parameters.design.X[:, 1]
    priors = resolve_priors(parameters)
    slope, intercept = priors["fixef"].priors[1].numbers(), priors["fixef"].priors[0].numbers()
    assert slope["sigma"] == pytest.approx(2.5 * y.std() / x.std())
    assert intercept == pytest.approx({"mu": y.mean(), "sigma": 2.5 * y.std()})
    sds = [p.numbers()["sigma"] for p in priors["sd_Subject"].priors]
    assert sds == pytest.approx([y.std(), y.std() / x.std()])
    assert str(priors["cor_Subject"].priors[0]) == "LKJ(eta=1)"
    named = resolve_priors(parameters, {"cor_Subject": "LKJ(2)"})["sd_Subject"]
    apart = parameters_of("lme(distance ~ age, random = list(Subject = pdDiag(~ age)))")
    far = np.sqrt(1 + (x.mean() / x.std()) ** 2)
    for prior in (named, resolve_priors(apart)["sd_Subject"]):
        sds = [p.numbers()["sigma"] for p in prior.priors]
        assert sds == pytest.approx([y.std() * far, y.std() / x.std()])
    assert priors["sigma"].priors[0].numbers() == pytest.approx({"nu": 4, "sigma": y.std()})


def test_all_priors_are_printed() -> None:
    text = str(resolve_priors(parameters_of(GROWTH), {"varfunc": "LogNormal(0, 0.5)"}))
    for name in ("fixef (Intercept)", "at the predictors' means", "sd_Subject", "corstruct Phi"):
        assert name in text
    assert "varfunc Female" in text
    assert "LogNormal(mu=0, sigma=0.5)" in text


def test_naming_the_intercept_s_prior_means_the_intercept_itself() -> None:
    parameters = parameters_of("lme(distance ~ age, random = ~ 1 | Subject)")
    named = resolve_priors(parameters, {"fixef": {"(Intercept)": "Normal(17, 10)"}})
    assert named["fixef"].scale is NATURAL
    slopes = resolve_priors(parameters, {"fixef": {"age": "Normal(0, 10)"}})
    assert slopes["fixef"].scale is not NATURAL


@pytest.mark.parametrize(
    "rhs", ["Sex * age", "age + I(age^2)", "Sex * (age + I(age^2))", "0 + Sex:age + Sex"]
)
def test_sweeping_keeps_the_fitted_values(rhs: str) -> None:
    design = parameters_of(f"lme(distance ~ {rhs}, random = ~ 1 | Subject)").design
    swept, basis = sweep(design.X, design.matrix.terms.terms, design.assign)
    beta = np.arange(1.0, design.X.shape[1] + 1)
    assert swept @ basis @ beta == pytest.approx(design.X @ beta)
    assert basis == pytest.approx(np.triu(basis))
    assert np.diagonal(basis) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("priors", "complaint"),
    [
        ({"tau": "Normal(0, 1)"}, "is not a parameter of this model; it has fixef, sd_Subject"),
        ({"sigma": "Uniform(-2, -1)"}, "has no mass where 'sigma'"),
        ({"corstruct": "Uniform(2, 3)"}, "has no mass where 'corstruct' (Phi) lives, (-1, 1)"),
        ({"fixef": {"age": "Normal(0, 1)"}}, "no coefficient 'age'; it has (Intercept)"),
        ({"fixef": "LKJ(1)"}, "which is no correlation matrix"),
        ({"fixef": "Normal(mu=[1, 2], sigma=1)"}, "has 4 coefficients"),
        (["Normal(0, 1)"], "a mapping from parameters to priors is needed"),
        ("weak", "unknown preset 'weak'; presets are default, flat"),
    ],
)  # fmt: skip
def test_bad_priors_are_named(priors: object, complaint: str) -> None:
    with pytest.raises(SpecError) as error:
        resolve_priors(parameters_of(GROWTH), priors)  # type: ignore[arg-type]
    assert complaint in str(error.value)
    assert len(str(error.value)) <= 300


def test_a_constant_response_has_no_scale() -> None:
    call = "lme(distance ~ 1, random = ~ 1 | Subject)"
    with pytest.raises(BayesLMEError, match=r"exactly|constant"):
        resolve_priors(parameters_of(call, distance=1.0))


def test_starting_values_are_inside_the_priors() -> None:
    parameters = parameters_of(GROWTH)
    density = resolve_priors(parameters).log_density(starting_values(parameters))
    assert all(np.isfinite(v).all() for v in density.values())
