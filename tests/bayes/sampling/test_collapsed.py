"""The collapsed sampler: exact where the answer is known, equal to NUTS and brms elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayes.support import BRMS, GROWTH_PRIORS, growth_draws, z_score
from bayeslme.bayes import settings
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.sampling import collapsed as collapsed_module
from bayeslme.bayes.sampling import importance
from bayeslme.bayes.sampling.annealing import anneal, between
from bayeslme.bayes.sampling.importance import Weighted, resample, smooth
from bayeslme.bayes.sampling.mixture import Proposal, boundary_components, single
from bayeslme.engine.search.optimise import maximise, second_differences
from bayeslme.errors import BayesLMEError, FitError, SpecError

WITHIN = 4.0  # standard errors of a difference of two Monte Carlo means


def weigh(
    target: importance.LogDensity, proposal: Proposal, n: int, rng: np.random.Generator
) -> Weighted:
    """Fresh draws of a proposal and their weights."""
    u, value = importance.evaluate(target, proposal, n, rng)
    return smooth(u, value - proposal.log_density(u))


def z_of(one: np.ndarray, other: np.ndarray, size: float, other_size: float) -> float:
    error = np.hypot(one.std() / np.sqrt(size), other.std() / np.sqrt(other_size))
    return float((one.mean() - other.mean()) / error)


def test_importance_of_a_known_target() -> None:
    """Two unequal Gaussian local maxima: mean and variance are known."""
    low, high = np.array([-1.0, 0.0]), np.array([1.5, 0.5])

    def target(u: np.ndarray) -> np.ndarray:
        return np.logaddexp(
            np.log(0.7) - 0.5 * ((u - low) ** 2).sum(axis=1),
            np.log(0.3) - 0.5 * ((u - high) ** 2).sum(axis=1),
        )

    rng = np.random.default_rng(1)
    found = importance.adapt(target, importance.laplace(low, -np.eye(2)), (), rng)
    draws = weigh(target, found.proposal, 20000, rng)
    w = np.exp(draws.smoothed)
    mean = 0.7 * low + 0.3 * high
    assert draws.k_hat < 0.5
    size = draws.efficiency * len(w)
    sd = np.sqrt(1 + 0.21 * (high - low) ** 2)
    assert np.all(np.abs(w @ draws.u - mean) < WITHIN * sd / np.sqrt(size))
    kept = resample(draws, 4000, rng)
    assert len(np.unique(kept)) > 0.95 * 4000


def two_hills(apart: float) -> importance.LogDensity:
    """Narrow unequal local maxima in two dimensions, the lower one far from where a search ends."""

    def target(u: np.ndarray) -> np.ndarray:
        return np.logaddexp(
            np.log(0.7) - 0.5 * (u**2).sum(axis=1),
            np.log(0.3) - 0.5 * ((u - apart) ** 2).sum(axis=1),
        )

    return target


def test_pooled_weights_estimate_the_efficiency_of_another_proposal() -> None:
    rng, target = np.random.default_rng(2), two_hills(2.0)
    first = importance.laplace(np.zeros(2), -np.eye(2))
    found = importance.adapt(target, first, (), rng)
    fresh = weigh(target, first, 20000, rng)
    assert found.pool.efficiency(first, found.pool.weighted()) == pytest.approx(
        fresh.efficiency, rel=0.3
    )


def test_a_folded_component_is_a_density() -> None:
    rng = np.random.default_rng(3)
    even = np.array([True, False])
    cov = np.array([[1.0, 0.5], [0.5, 2.0]])
    folded = single(np.array([0.5, -1.0]), cov, even)
    u = folded.draw(200_000, rng)
    assert u[:, 0].min() >= 0.0
    wide = single(np.array([0.5, -1.0]), 4 * cov, even)
    ratio = np.exp(folded.log_density(u) - wide.log_density(u))
    inside = wide.draw(200_000, rng)
    back = np.exp(folded.log_density(inside) - wide.log_density(inside))
    assert back.mean() == pytest.approx(1.0, abs=WITHIN * back.std() / np.sqrt(len(back)))
    assert (1 / ratio).mean() == pytest.approx(1.0, abs=WITHIN * (1 / ratio).std() / 447)


def test_half_a_normal_needs_no_adaptation() -> None:
    """A target that ends at zero of an even coordinate, as standard deviations do."""
    target: importance.LogDensity = lambda u: -0.5 * (u**2).sum(axis=1)  # noqa: E731
    first = importance.laplace(np.array([0.0, 0.0]), -np.eye(2), np.array([True, False]))
    draws = weigh(target, first, 20_000, np.random.default_rng(4))
    assert draws.efficiency > 0.85
    mean = np.exp(draws.smoothed) @ draws.u
    assert mean[0] == pytest.approx(np.sqrt(2 / np.pi), abs=0.03)


def test_the_component_at_an_edge_knows_where_the_others_are_there() -> None:
    """u1 is near exp(-u0^2): 0 at the mode of u0, 1 where u0 is zero."""

    def target(u: np.ndarray) -> np.ndarray:
        middle = np.exp(-(u[:, 0] ** 2))
        return -2.0 * (np.abs(u[:, 0]) - 2.0) ** 2 - 10.0 * (u[:, 1] - middle) ** 2

    even = np.array([True, False])
    first = importance.laplace(np.array([2.0, np.exp(-4.0)]), np.diag([-4.0, -20.0]), even)
    (edge,) = boundary_components(target, first, np.ones(2))
    np.testing.assert_allclose(edge.mean, [[0.0, 1.0]], atol=1e-4)
    assert edge.root[0, 1, 1] == pytest.approx(20**-0.5, rel=1e-3)
    assert not boundary_components(
        lambda u: 20 * target(u), first, np.ones(2)
    )  # zero is out of reach


def test_a_long_tail_gets_a_component() -> None:
    """A normal share near 0.3 on the logit scale: towards 0 the scale stretches without end."""

    def share(u: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-u))

    def target(u: np.ndarray) -> np.ndarray:
        n = share(u[:, 0])
        log_prior = np.log(n) + np.log1p(-n) - 0.5 * ((n - 0.3) / 0.1) ** 2
        return log_prior - 2.0 * (u[:, 1] - n) ** 2

    mode = maximise(target, np.array([-1.0, 1.0]), np.ones(2)).theta
    curve = second_differences(lambda v: target(mode + v), 2, 1e-3)
    first = importance.laplace(mode, curve, np.array([False, False]))
    tails = boundary_components(target, first, np.ones(2))
    assert tails
    for tail in tails:
        assert tail.mean[0, 1] == pytest.approx(share(tail.mean[0, 0]), abs=1e-4)
    assert min(tail.mean[0, 0] for tail in tails) < -2.5
    rng = np.random.default_rng(8)
    plain, helped = (importance.adapt(target, first, e, rng) for e in ((), tails))
    worst = [
        np.exp(weigh(target, found.proposal, 40_000, rng).smoothed).max()
        for found in (plain, helped)
    ]
    assert worst[1] < 0.5 * worst[0]


def test_annealed_particles_find_a_hill_the_proposal_does_not_see() -> None:
    rng, target = np.random.default_rng(5), two_hills(6.0)
    first = importance.laplace(np.zeros(2), -np.eye(2))
    found = anneal(target, first, 4000, rng)
    assert found.steps > 1
    assert found.r_hat < 1.05
    assert np.mean(found.u.sum(axis=1) > 6.0) == pytest.approx(0.3, abs=0.05)
    assert np.all(np.abs(found.u.mean(axis=0) - 1.8) < 0.3)
    assert 1000 < found.effective <= 4000


def test_populations_that_differ_are_told() -> None:
    rng = np.random.default_rng(6)
    same, other = rng.normal(size=(4, 500, 2)), rng.normal(size=(4, 500, 2))
    other[0, :, 1] += 2.0
    assert between(same) < 1.02
    assert between(other) > 1.1


def test_normal_model_with_known_sigma_is_exact() -> None:
    """Only beta is unknown: its posterior is the textbook's Gaussian."""
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.gls("distance ~ I(age - 11)", data, control={"sigma": 2.0})
    draws = fit.sample(
        draws=5000, chains=4, priors={"fixef": "Normal(mu=20, sigma=3)"}, seed=3
    ).data["posterior"]["fixef"]
    x = fit.design.X
    precision = x.T @ x / 4.0 + np.eye(2) / 9.0
    mean = np.linalg.solve(precision, x.T @ fit.design.y / 4.0 + 20.0 / 9.0)
    cov = np.linalg.inv(precision)
    flat = draws.to_numpy().reshape(-1, 2)
    assert np.all(np.abs(flat.mean(axis=0) - mean) < WITHIN * np.sqrt(np.diag(cov) / len(flat)))
    np.testing.assert_allclose(np.cov(flat.T), cov, atol=0.05 * np.sqrt(np.prod(np.diag(cov))))


@pytest.mark.pymc
def test_random_effects_agree_with_nuts(collapsed: Any, posterior: Any) -> None:
    one, two = (p.data["posterior"]["ranef_Subject"].to_numpy() for p in (collapsed, posterior))
    one, two = one.reshape(10000, -1), two.reshape(10000, -1)
    size = min(float(collapsed.data["sample_stats"].attrs["weights_ess"]), 10000)
    for j in range(one.shape[1]):
        assert abs(z_of(one[:, j], two[:, j], size, 5000)) < WITHIN, j
        assert abs(one[:, j].std() / two[:, j].std() - 1) < 0.1, j


def test_it_agrees_with_brms(collapsed: Any) -> None:
    published = BRMS["orth_het_ar1"]["summary"]
    for name, draws in growth_draws(collapsed).items():
        row = published[name]
        assert abs(z_score(draws, row["mean"], row["mcse_mean"])) < WITHIN, name


def test_the_route_and_its_certificate_are_stored(collapsed: Any) -> None:
    stats = collapsed.data["sample_stats"]
    assert stats.attrs["route"].startswith("collapsed, importance; k-hat")
    assert stats.attrs["method"] == "importance"
    assert stats.attrs["k_hat"] < 0.7
    assert stats["log_weight"].shape == (4, 2500)
    table = collapsed.summary().fixed
    assert table["ess_bulk"].max() <= stats.attrs["weights_ess"]
    assert table["r_hat"].isna().all()


def test_equal_seeds_give_equal_draws(growth_fit: Any) -> None:
    one, two, three = (growth_fit.sample(draws=50, chains=2, seed=s) for s in (1, 1, 2))
    a, b, c = (p.data["posterior"]["sigma"].to_numpy() for p in (one, two, three))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert growth_fit.sample(draws=1, chains=1, seed=4).data["posterior"]["fixef"].shape == (
        1,
        1,
        4,
    )


@pytest.mark.parametrize(
    "call",
    [
        "lme(distance ~ Sex * I(age - 11), random = ~ I(age - 11) | Subject, data = d)",
        "gls(distance ~ Sex * I(age - 11), data = d, correlation = corSymm(form = ~ 1 | Subject),"
        " weights = varIdent(form = ~ 1 | age))",
        "lme(distance ~ age, data = d, random = list(Subject = pdCompSymm(~ Sex - 1)))",
    ],
)
def test_weights_are_even_enough(call: str) -> None:
    data = bayeslme.load_data("orthodont")
    posterior = bayeslme.translate(call).fit(data).sample(draws=500, chains=4, seed=5)
    stats = posterior.data["sample_stats"].attrs
    assert stats["route"].startswith("collapsed")
    assert stats["k_hat"] < 0.7
    assert stats["efficiency"] > 0.3


BIMODAL = (
    "lme(distance ~ Sex * I(age - 11), random = ~ 1 | Subject, data = d,"
    " correlation = corARMA(form = ~ 1 | Subject, p = 1, q = 1))"
)
AT_ZERO = "lme(loglact ~ reg * status, random = ~ 1 | litter, data = d, na.action = na.omit)"


def hyper(draws: collapsed_module.CollapsedDraws) -> np.ndarray:
    """Draws (s, k) of the variance parameters in the order of their names."""
    names = sorted(n for n in draws.values if n != "fixef")
    return np.concatenate([draws.values[n].reshape(len(draws.log_weight), -1) for n in names], 1)


def drawn(fit: Any, seed: int, n: int = 2000) -> collapsed_module.CollapsedDraws:
    parameters = build_parameters(fit.design)
    priors = resolve_priors(parameters)
    return collapsed_module.draw(
        fit.design, parameters, priors, n, np.random.default_rng(seed), fit.estimate
    )


@pytest.fixture(scope="module")
def bimodal_fit() -> Any:
    """Phi and Theta cancel along a ridge, with local maxima on both sides."""
    return bayeslme.translate(BIMODAL).fit(bayeslme.load_data("orthodont"))


def test_two_hills_of_a_posterior_refine_the_mixture(
    bimodal_fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = drawn(bimodal_fit, 1, 8000)
    monkeypatch.setattr(
        settings, "SAMPLING", replace(settings.SAMPLING, max_adaptation_rounds=1)
    )  # so that fresh draws find the other local maximum
    refined = drawn(bimodal_fit, 2)
    assert refined.route == "refined mixture"
    assert refined.mistrust is None
    a, b = hyper(refined), hyper(other)
    size, more = min(refined.effective, len(a)), min(other.effective, len(b))
    for j in range(a.shape[1]):
        assert abs(z_of(a[:, j], b[:, j], size, more)) < WITHIN, j


def test_particles_are_annealed_where_weights_fail(
    bimodal_fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = drawn(bimodal_fit, 3)
    changed = {"max_adaptation_rounds": 1, "max_refinements": 0, "max_pareto_k": -5.0}
    monkeypatch.setattr(settings, "SAMPLING", replace(settings.SAMPLING, **changed))
    posterior = bimodal_fit.sample(draws=500, chains=4, seed=4)
    stats = posterior.data["sample_stats"].attrs
    assert stats["method"] == "annealed"
    assert stats["route"].startswith("collapsed, annealed, R-hat of 4 populations 1.0")
    assert 200 < stats["weights_ess"] <= 2000
    for name, one in usual.values.items():
        a = one.reshape(2000, -1)
        b = posterior.data["posterior"][name].to_numpy().reshape(2000, -1)
        for j in range(a.shape[1]):
            assert abs(z_of(a[:, j], b[:, j], 2000, 0.5 * stats["weights_ess"])) < WITHIN, (name, j)


def test_no_particles_where_densities_are_dear(
    growth_fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        settings, "SAMPLING", replace(settings.SAMPLING, max_pareto_k=-5.0, max_numbers_read=1e5)
    )
    with pytest.raises(FitError, match=r"k-hat -?\d\.\d\d is above .*; use method='nuts'"):
        growth_fit.sample(draws=100, method="collapsed", seed=5)


@pytest.mark.pymc
def test_nuts_takes_over_where_populations_disagree(
    growth_fit: Any, posterior: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        settings,
        "SAMPLING",
        replace(settings.SAMPLING, max_pareto_k=-5.0, max_population_r_hat=0.5),
    )
    del posterior  # its compiled model is in the cache
    found = growth_fit.sample(draws=100, chains=2, tune=200, priors=GROWTH_PRIORS, seed=5)
    stats = found.data["sample_stats"].attrs
    assert stats["method"] == "nuts"
    assert "annealed populations differ" in stats["route"]
    with pytest.raises(FitError, match=r"k-hat .* method='nuts'"):
        growth_fit.sample(draws=100, method="collapsed", priors=GROWTH_PRIORS, seed=5)


def test_a_standard_deviation_at_zero_is_no_edge_of_the_proposal() -> None:
    """Litters of piglets do not vary: half of the posterior's local maximum is cut off at zero."""
    fit = bayeslme.translate(AT_ZERO).fit(bayeslme.load_data("piglets"))
    found = drawn(fit, 6)
    assert found.route == "importance"
    assert found.k_hat < 0.5
    assert found.efficiency > 0.7
    assert np.quantile(found.values["sd_litter"], 0.02) < 0.02 * found.values["sigma"].mean()


@pytest.mark.parametrize("draws", [1, 100_000])
def test_any_number_of_draws(draws: int) -> None:
    fit = bayeslme.gls("distance ~ age", bayeslme.load_data("orthodont"))
    posterior = fit.sample(draws=draws, chains=1, seed=7)
    assert posterior.data["posterior"]["fixef"].shape == (1, draws, 2)
    assert np.all(np.isfinite(posterior.data["posterior"]["sigma"]))


def test_more_draws_than_memory_holds_are_refused(
    growth_fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = 8 * (27 + 27 + 8)  # random effects, log likelihoods, parameters
    monkeypatch.setattr(settings, "POSTERIOR", replace(settings.POSTERIOR, max_bytes=100.0 * each))
    assert growth_fit.sample(draws=50, chains=2).data["posterior"].sizes["draw"] == 50
    with pytest.raises(SpecError, match=r"101 draws of 27 random effects .* at most 100 draws"):
        growth_fit.sample(draws=101, chains=1)


@pytest.mark.parametrize("draws", [0, -5, 2.5, True])
def test_a_number_of_draws_is_needed(growth_fit: Any, draws: Any) -> None:
    with pytest.raises(SpecError, match="draws: a whole number of at least 1"):
        growth_fit.sample(draws=draws)


@pytest.mark.filterwarnings("ignore:group 'one'")
def test_an_improper_posterior_is_refused() -> None:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.lme("distance ~ age", data.assign(one="a"), {"one": "~ 1", "Subject": "~ 1"})
    with pytest.raises(FitError, match=r"'sd_one' .* with 1 group\(s\) gives an improper"):
        fit.sample(priors="flat")


def test_what_cannot_be_collapsed_says_why() -> None:
    """Residuals are larger on either side of 0, where the random effects have two maxima each."""
    rng = np.random.default_rng(1)
    mean = rng.normal(size=12).repeat(3)
    y = mean + 0.5 * np.abs(mean) * rng.normal(size=36)
    data = pd.DataFrame({"y": y, "g": [f"g{k}" for k in np.arange(12).repeat(3)]})
    fit = bayeslme.lme("y ~ 1", data, "~ 1 | g", weights=bayeslme.VarPower())
    with pytest.raises(BayesLMEError, match="use method='nuts'"):
        fit.sample(method="collapsed", seed=1)
