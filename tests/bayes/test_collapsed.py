"""The collapsed sampler: exact where the answer is known, equal to NUTS and brms elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bayeslme
from bayes.support import BRMS, growth_draws, z_score
from bayeslme.bayes import importance
from bayeslme.errors import BayesLMEError

WITHIN = 4.0  # standard errors of a difference of two Monte Carlo means


def z_of(one: np.ndarray, other: np.ndarray, size: float, other_size: float) -> float:
    error = np.hypot(one.std() / np.sqrt(size), other.std() / np.sqrt(other_size))
    return float((one.mean() - other.mean()) / error)


def test_importance_of_a_known_target() -> None:
    """Two unequal Gaussian hills: mean and variance are known."""
    low, high = np.array([-1.0, 0.0]), np.array([1.5, 0.5])

    def target(u: np.ndarray) -> np.ndarray:
        return np.logaddexp(
            np.log(0.7) - 0.5 * ((u - low) ** 2).sum(axis=1),
            np.log(0.3) - 0.5 * ((u - high) ** 2).sum(axis=1),
        )

    rng = np.random.default_rng(1)
    found = importance.adapt(target, importance.laplace(low, -np.eye(2)), (), rng)
    draws = importance.weigh(target, found.proposal, 20000, rng)
    w = np.exp(draws.smoothed)
    mean = 0.7 * low + 0.3 * high
    assert draws.k_hat < 0.5
    size = draws.efficiency * len(w)
    sd = np.sqrt(1 + 0.21 * (high - low) ** 2)
    assert np.all(np.abs(w @ draws.u - mean) < WITHIN * sd / np.sqrt(size))
    kept = importance.resample(draws, 4000, rng)
    assert len(np.unique(kept)) > 0.95 * 4000


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
def test_it_agrees_with_nuts(collapsed: Any, posterior: Any) -> None:
    ours, nuts = collapsed.data["posterior"], posterior.data["posterior"]
    size = float(collapsed.data["sample_stats"].attrs["weights_ess"])
    table = posterior.summary()
    other = min(t["ess_bulk"].min() for t in (table.fixed, *table.variance.values()))
    for name in ("fixef", "sigma", "sd_Subject", "varfunc", "corstruct", "ranef_Subject"):
        one = ours[name].to_numpy().reshape(10000, -1)
        two = nuts[name].to_numpy().reshape(10000, -1)
        for j in range(one.shape[1]):
            assert abs(z_of(one[:, j], two[:, j], min(size, 10000), other)) < WITHIN, (name, j)
            assert abs(one[:, j].std() / two[:, j].std() - 1) < 0.1, (name, j)


def test_it_agrees_with_brms(collapsed: Any) -> None:
    published = BRMS["orth_het_ar1"]["summary"]
    for name, draws in growth_draws(collapsed).items():
        row = published[name]
        assert abs(z_score(draws, row["mean"], row["mcse_mean"])) < WITHIN, name


def test_the_route_and_its_certificate_are_stored(collapsed: Any) -> None:
    stats = collapsed.data["sample_stats"]
    assert stats.attrs["route"].startswith("collapsed")
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


def test_what_cannot_be_collapsed_says_why() -> None:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", weights=bayeslme.VarPower())
    with pytest.raises(BayesLMEError, match="fitted values"):
        fit.sample(method="collapsed")
