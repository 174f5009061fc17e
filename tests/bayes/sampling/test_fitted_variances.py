"""Draws where the variance depends on fitted values: against grids, and against NUTS."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import halfnorm, norm

import bayeslme

WITHIN = 4.0  # standard errors of a difference of two Monte Carlo means


def moments(log_density: np.ndarray, axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of a density on a grid of two axes."""
    weight = np.exp(log_density - logsumexp(log_density))
    mean = np.array([(weight * a).sum() for a in axes])
    variance = np.array([(weight * (a - m) ** 2).sum() for a, m in zip(axes, mean, strict=True)])
    return mean, np.sqrt(variance)


def heteroscedastic() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(6), 5)
    mean = 10.0 + 2.5 * rng.normal(size=6)[group]
    y = mean + 0.15 * mean * rng.normal(size=30)
    return pd.DataFrame({"y": y, "g": [f"g{k}" for k in group]})


def check(posterior: Any, drawn: list[np.ndarray], mean: np.ndarray, sd: np.ndarray) -> None:
    """Means and standard deviations of two parameters, and the effective number of draws."""
    size = posterior.data["sample_stats"].attrs["weights_ess"]
    for own, m, s in zip(drawn, mean, sd, strict=True):
        assert abs(own.mean() - m) < WITHIN * s / np.sqrt(min(size, own.size))
        assert own.std() == pytest.approx(s, rel=0.1)


def test_a_gls_against_a_grid() -> None:
    """Mean and sigma unknown, the power held."""
    data = heteroscedastic()
    fit = bayeslme.gls("y ~ 1", data, weights=bayeslme.VarPower(fixed=1.0))
    priors = {"fixef": "Normal(10, 2)", "sigma": "HalfNormal(0.3)"}
    posterior = fit.sample(seed=1, priors=priors, progress=False)
    assert posterior.data["sample_stats"].attrs["method"] == "laplace"
    mu, sigma = np.meshgrid(np.linspace(2, 14, 401), np.linspace(0.1, 1.2, 401), indexing="ij")
    log_density = norm(10, 2).logpdf(mu) + halfnorm(0, 0.3).logpdf(sigma)
    for y in data["y"]:
        log_density += norm(mu, sigma * mu).logpdf(y)
    values = posterior.values
    drawn = [values["fixef"][:, 0], values["sigma"]]
    check(posterior, drawn, *moments(log_density, [mu, sigma]))
    cell = np.log(12 / 400 * 1.1 / 400)
    found = posterior.data["sample_stats"].attrs["log_evidence"]
    assert found == pytest.approx(float(logsumexp(log_density)) + cell, abs=0.1)


def test_random_effects_against_a_grid() -> None:
    """Mean and standard deviation of the effects unknown; these are integrated by quadrature."""
    data = heteroscedastic()
    fit = bayeslme.lme(
        "y ~ 1",
        data,
        "~ 1 | g",
        weights=bayeslme.VarPower(fixed=1.0),
        control={"sigma": 0.15},
    )
    priors = {"fixef": "Normal(10, 3)", "sd_g": "HalfNormal(3)"}
    posterior = fit.sample(seed=2, priors=priors, progress=False)
    mu, sd = np.meshgrid(np.linspace(1, 16, 101), np.linspace(0.01, 12, 120), indexing="ij")
    log_density = norm(10, 3).logpdf(mu) + halfnorm(0, 3).logpdf(sd)
    first = np.zeros_like(mu)
    mean = np.linspace(0.2, 20.0, 331)  # of a group
    for label, rows in data.groupby("g"):
        like = sum(norm(mean, 0.15 * mean).logpdf(y) for y in rows["y"])
        joint = like + norm(mu[..., None], sd[..., None]).logpdf(mean)
        own = logsumexp(joint, axis=-1)
        log_density += own + np.log(mean[1] - mean[0])
        if label == "g0":
            first = np.exp(joint - own[..., None]) @ mean - mu
    values = posterior.values
    again = fit.sample(seed=2, priors=priors, progress=False)
    assert np.array_equal(again.effects["g"], posterior.effects["g"])
    check(
        posterior,
        [values["fixef"][:, 0], values["sd_g"][:, 0]],
        *moments(log_density, [mu, sd]),
    )
    weight = np.exp(log_density - logsumexp(log_density))
    drawn = posterior.effects["g"][:, 0, 0]
    error = WITHIN * drawn.std() / np.sqrt(posterior.data["sample_stats"].attrs["weights_ess"])
    assert abs(drawn.mean() - (weight * first).sum()) < error


def trees() -> Any:
    return bayeslme.lme(
        "dds.log ~ dbh.log + dbh + BAL + BA + SITES",
        bayeslme.load_data("trees"),
        "~ 1 | PLot/MP",
        correlation=bayeslme.CorAR1(),
        weights=bayeslme.VarPower(),
    )


def test_trees_of_the_lecture() -> None:
    """As many effective draws as the summary of a posterior needs, without a warning."""
    fit = trees()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        posterior = fit.sample(draws=250, seed=1, progress=False)
    stats = posterior.data["sample_stats"].attrs
    assert stats["method"] == "laplace"
    assert stats["weights_ess"] > 0.25 * 1000
    assert stats["k_hat"] < 0.5
    assert stats["unvisited"] < 0.01
    estimate = fit.estimate.beta
    spread = posterior.values["fixef"].std(axis=0)
    assert np.all(np.abs(posterior.values["fixef"].mean(axis=0) - estimate) < spread)


def test_priors_far_from_the_data_are_visited_or_announced() -> None:
    """A narrow prior of the mean ten standard errors away moves the draws to where it is."""
    data = heteroscedastic()
    fit = bayeslme.gls("y ~ 1", data, weights=bayeslme.VarPower(fixed=1.0))
    posterior = fit.sample(seed=1, priors={"fixef": "Normal(20, 0.1)"}, progress=False)
    assert posterior.fixef.iloc[0] == pytest.approx(20.0, abs=0.5)


@pytest.mark.slow
@pytest.mark.pymc
def test_trees_against_nuts() -> None:
    fit = trees()
    ours = fit.sample(draws=2500, seed=1, progress=False)
    nuts = fit.sample(draws=2500, seed=2, method="nuts", progress=False)
    from arviz_stats.base import array_stats

    for name, other in nuts.values.items():
        own = ours.values[name]
        columns = other.reshape(len(other), -1)
        for j, column in enumerate(columns.T):
            size = float(array_stats.ess(column.reshape(4, -1)))
            error = column.std() * np.sqrt(1 / size + 1 / 3000)
            mine = own.reshape(len(own), -1)[:, j]
            assert abs(mine.mean() - column.mean()) < WITHIN * error
            assert mine.std() == pytest.approx(column.std(), rel=0.1)
