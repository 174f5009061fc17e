"""Units of time and place, and signs, that the likelihood does not depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorAR1, CorARMA, CorCAR1, CorExp, CorGaus, CorLin, CorRatio, CorSpher, gls, lme

GROUPS, VISITS = 25, 6


def visits(seed: int = 2, rho: float = 0.7) -> pd.DataFrame:
    """An autoregression of ``VISITS`` rows in each of ``GROUPS`` groups, in two sites."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(GROUPS, VISITS))
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    for j in range(1, VISITS):
        noise[:, j] += rho * noise[:, j - 1]
    k = np.tile(np.arange(VISITS), GROUPS)
    g = np.repeat(np.arange(GROUPS), VISITS)
    y = (2 + 0.2 * k + noise.ravel()).round(4)
    return pd.DataFrame({"site": g % 5, "g": g, "k": k, "y": y})


def dense_loglik(phi: float, lags: np.ndarray, data: pd.DataFrame, fit: Any) -> float:
    """REML log-likelihood of one correlation matrix for every group, by its definition."""
    c = np.kron(np.eye(GROUPS), np.where(lags == 0, 1.0, phi**lags))
    x, y = np.column_stack([np.ones(len(data)), data.k]), data.y.to_numpy()
    ci = np.linalg.inv(c)
    a = x.T @ ci @ x
    rest = y - x @ np.linalg.solve(a, x.T @ ci @ y)
    df = len(y) - 2
    s2 = float(rest @ ci @ rest) / df
    logdet = np.linalg.slogdet(c)[1] + np.linalg.slogdet(a)[1]
    return float(-0.5 * (df * np.log(2 * np.pi * s2) + logdet + df))


@pytest.mark.parametrize("step", [1, 2, 3, 4, 12, 15_001, 20_000, 86_400, 86_400 * 10**9])
@pytest.mark.parametrize("structure", [CorCAR1, CorAR1, lambda form: CorARMA(form=form, p=1)])
def test_a_fit_does_not_depend_on_the_unit_of_time(step: int, structure: Any) -> None:
    data = visits().assign(t=lambda d: 19_000 * step + d.k * step)
    plain = gls("y ~ k", data, CorCAR1(form="~ k | g"))
    lags = np.abs(np.subtract.outer(np.arange(VISITS), np.arange(VISITS)))
    assert plain.loglik == pytest.approx(
        dense_loglik(plain.correlation_coef["Phi"], lags, data, plain)
    )
    fit = gls("y ~ k", data, structure(form="~ t | g"))
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-8)
    if step < 1e9:
        phi = fit.correlation_coef["Phi"]
        assert phi == pytest.approx(plain.correlation_coef["Phi"] ** (1 / step), rel=1e-6)
    for method in ("wald", "profile"):
        own, other = (f.intervals(which="var-cov", method=method)["sigma"] for f in (fit, plain))
        np.testing.assert_allclose(own, other, rtol=2e-3)
    new = pd.DataFrame({"g": [0, 1], "k": [6.0, 7.0], "t": [19_006 * step, 19_007 * step]})
    np.testing.assert_allclose(
        fit.predict(new, use_correlation=True), plain.predict(new, use_correlation=True), rtol=1e-5
    )
    curve = fit.variogram(form="~ t | g").attrs
    assert curve is not None
    assert fit.simulate(1, seed=1).shape == plain.simulate(1, seed=1).shape


@pytest.mark.parametrize("structure", [CorExp, CorGaus, CorRatio, CorLin, CorSpher])
@pytest.mark.parametrize("unit", [1e-9, 86_400.0, 1e12])
def test_a_spatial_fit_does_not_depend_on_the_unit_of_place(structure: Any, unit: float) -> None:
    data = visits().assign(t=lambda d: d.k * unit, x=lambda d: d.k % 3, z=lambda d: d.k // 3)
    data = data.assign(east=data.x * unit, north=data.z * unit)
    for near, far in (("~ k | g", "~ t | g"), ("~ x + z | g", "~ east + north | g")):
        if structure is CorLin and "+" in near:
            continue
        fit, other = (gls("y ~ k", data, structure(form=form)) for form in (near, far))
        assert other.loglik == pytest.approx(fit.loglik, abs=1e-6)
        ratio = other.correlation_coef["range"] / fit.correlation_coef["range"]
        assert ratio == pytest.approx(unit, rel=1e-4)


def test_long_lags_without_a_common_divisor() -> None:
    data = visits().assign(t=lambda d: d.k * 86_400 + (d.k * d.g) % 3)
    one, other = (gls("y ~ k", data, c(form="~ t | g")) for c in (CorAR1, CorCAR1))
    assert one.loglik == pytest.approx(other.loglik, abs=1e-7)
    assert one.correlation_coef["Phi"] == pytest.approx(other.correlation_coef["Phi"])


@pytest.mark.parametrize("seed", range(6))
def test_the_sign_of_even_lags_is_positive_wherever_times_come_from(seed: int) -> None:
    data = visits(seed).assign(week=lambda d: 4 * d.k + d.g % 2)  # odd weeks in some groups
    shuffled = data.sample(frac=1, random_state=seed)
    one = gls("y ~ k", shuffled, CorAR1(form="~ week | g"))
    other = gls("y ~ k", data, CorCAR1(form="~ week | g"))
    assert one.correlation_coef["Phi"] > 0
    assert one.correlation_coef["Phi"] == pytest.approx(other.correlation_coef["Phi"], rel=1e-5)
    for method in ("wald", "profile"):
        limits = (f.intervals(which="var-cov", method=method)["corstruct"] for f in (one, other))
        np.testing.assert_allclose(*limits, rtol=1e-3)
    nested = lme(
        "y ~ k", shuffled, {"site": "~ 1", "g": "~ 1"}, correlation=CorAR1(form="~ week | site/g")
    )
    assert nested.correlation_coef["Phi"] > 0
    assert "does not tell the sign of Phi" in str(nested.summary())
    assert "sign" not in str(gls("y ~ k", data, CorAR1(form="~ k | g")).summary())


@pytest.mark.parametrize("orders", [{"p": 2}, {"p": 1, "q": 1}, {"p": 3}, {"q": 1, "p": 2}])
def test_odd_coefficients_of_arma_are_turned_to_a_positive_first_one(orders: dict) -> None:
    data = visits().assign(week=lambda d: 2 * d.k)
    fit = gls("y ~ k", data, CorARMA(form="~ week | g", **orders))
    coef = fit.correlation_coef
    odd = [n for n in coef.index if int(n[-1]) % 2]
    assert coef[odd[0]] > 0
    turned = coef.where(~coef.index.isin(odd), -coef)
    held = CorARMA(turned.to_list(), "~ week | g", fixed=True, **orders)
    assert gls("y ~ k", data, held).loglik == pytest.approx(fit.loglik, abs=1e-6)


def test_a_held_negative_correlation_stays_so() -> None:
    data = visits().assign(week=lambda d: 2 * d.k)
    fit = gls("y ~ k", data, CorAR1(-0.8, "~ week | g", fixed=True))
    assert fit.correlation_coef["Phi"] == -0.8


def test_a_negative_correlation_at_odd_lags_is_found() -> None:
    data = visits(rho=-0.6)
    one = gls("y ~ k", data, CorAR1(form="~ k | g"))
    far = gls("y ~ k", data.assign(t=15_001 * data.k), CorAR1(form="~ t | g"))
    assert one.correlation_coef["Phi"] < 0
    assert far.loglik == pytest.approx(one.loglik, abs=1e-8)
    phi = far.correlation_coef["Phi"]
    assert -(abs(phi) ** 15_001) == pytest.approx(one.correlation_coef["Phi"], rel=1e-6)


@pytest.mark.parametrize("structure", [CorAR1, CorCAR1])
def test_posteriors_mean_the_same_in_every_unit(structure: Any) -> None:
    data = visits()
    found = []
    for step in (2, 20_000, 86_400 * 10**9):
        fit = gls("y ~ k", data.assign(t=data.k * step), structure(form="~ t | g"))
        posterior = fit.sample(draws=500, seed=1)
        phi = posterior.data["posterior"]["corstruct"].to_numpy()
        assert (phi > 0).all()
        logs = posterior.data["sample_stats"].attrs["log_evidence"]
        found.append([float((phi**step).mean()), float((phi**step).std()), logs])
    np.testing.assert_allclose(found[1], found[0], rtol=0.05)
    np.testing.assert_allclose(found[2], found[0], rtol=0.05)
    assert found[2][2] == pytest.approx(found[0][2], abs=0.02)


def test_posterior_of_odd_steps_has_both_signs_under_the_same_prior() -> None:
    data = visits(rho=0.0)
    found = []
    for step in (1, 15_001):
        fit = gls("y ~ k", data.assign(t=data.k * step), CorAR1(form="~ t | g"))
        phi = fit.sample(draws=500, seed=1).data["posterior"]["corstruct"].to_numpy()
        found.append(np.sign(phi) * np.abs(phi) ** step)
    assert found[0].mean() == pytest.approx(found[1].mean(), abs=0.01)
    assert found[0].std() == pytest.approx(found[1].std(), rel=0.1)


@pytest.mark.parametrize(
    ("prior", "share"),
    [
        ("Uniform(lower=-1, upper=1)", 0.5),
        ("Uniform(lower=-1, upper=0)", 1.0),
        ("Uniform(lower=0, upper=1)", 0.0),
    ],
)
def test_both_signs_are_drawn_where_the_prior_speaks_of_both(prior: str, share: float) -> None:
    data = visits().assign(week=lambda d: 2 * d.k)
    fit = gls("y ~ k", data, CorAR1(form="~ week | g"))
    posterior = fit.sample(draws=500, seed=1, priors={"corstruct": prior})
    phi = posterior.data["posterior"]["corstruct"].to_numpy()
    assert (phi < 0).mean() == pytest.approx(share, abs=0.05)
    assert np.abs(phi).mean() == pytest.approx(fit.correlation_coef["Phi"], abs=0.02)


def test_penalised_fits_are_positive_too() -> None:
    data = visits().assign(week=lambda d: 2 * d.k)
    flat = gls("y ~ k", data, CorAR1(form="~ week | g"), priors="flat")
    fit = gls("y ~ k", data, CorAR1(form="~ week | g"))
    assert flat.correlation_coef["Phi"] == pytest.approx(fit.correlation_coef["Phi"], rel=1e-5)


def test_pymc_asks_for_a_larger_unit() -> None:
    data = visits().assign(ns=lambda d: d.k * 86_400 * 10**9)
    spec = bayeslme.translate("gls(y ~ k, correlation = corCAR1(form = ~ ns | g))")
    with pytest.raises(bayeslme.errors.SpecError, match="count time in a larger unit"):
        spec.to_pymc(data)
