"""Refits, the parametric bootstrap, and tests simulated under the smaller model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, f, ks_2samp

import bayeslme
from bayeslme.errors import DataError, FitError
from bayeslme.fit.inference.bootstrap import tracked
from bayeslme.fit.inference.simulated_lrt import mixture_tail
from bayeslme.fit.refit import parameters

STORED = json.loads((Path(__file__).parents[1] / "result_layer.json").read_text(encoding="utf-8"))
CALLS = {
    "lm": "lm(distance ~ age * Sex, data = Orthodont)",
    "intercepts": "lme(distance ~ age * Sex, random = ~ 1 | Subject, data = Orthodont)",
    "slopes by ML": "lme(distance ~ age, random = ~ age | Subject, data = Orthodont, "
    "method = 'ML')",
    "serial": "lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont, "
    "correlation = corAR1(), weights = varIdent(form = ~ 1 | Sex))",
    "unstructured": "gls(distance ~ age, data = Orthodont, "
    "correlation = corSymm(form = ~ 1 | Subject))",
    "power of the mean": "gls(distance ~ age, data = Orthodont, weights = varPower())",
    "part of the rows": "lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont, "
    "subset = Sex == 'Male')",
    "held sigma": "lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont, "
    "control = lmeControl(sigma = 1.4))",
}


def orthodont(call: str) -> bayeslme.Fit:
    return bayeslme.translate(call).fit(bayeslme.load_data("Orthodont"))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_refit_is_the_fit_of_the_new_response(call: str) -> None:
    fit = orthodont(call)
    y = fit.simulate(1, seed=4)["sim_1"]
    got = fit.refit(y)
    data = fit.data.copy()
    data.loc[y.index, "distance"] = y
    want = bayeslme.translate(call).fit(data)
    assert got.loglik == pytest.approx(want.loglik, abs=1e-7)
    np.testing.assert_allclose(parameters(got), parameters(want), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got.residuals(), want.residuals(), rtol=1e-4, atol=1e-5)
    pd.testing.assert_series_equal(got.data["distance"], data["distance"])
    assert str(got.summary())


def test_refit_under_priors_is_their_mode() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", priors="default")
    y = fit.simulate(1, seed=1)["sim_1"]
    want = fit.update(data=data.assign(distance=y))
    assert fit.refit(y).loglik == pytest.approx(want.loglik, abs=1e-7)


def test_refit_names_what_is_wrong_with_a_response() -> None:
    fit = orthodont(CALLS["intercepts"])
    y = fit.data["distance"]
    with pytest.raises(DataError, match="108 numbers are needed, not shape"):
        fit.refit(y.to_numpy()[:5])
    with pytest.raises(DataError, match="no value for row 7"):
        fit.refit(y.drop(7))
    with pytest.raises(DataError, match="missing or infinite"):
        fit.refit(y.where(y.index != 3))
    shuffled = fit.refit(y.sample(frac=1.0, random_state=1))
    assert shuffled.loglik == pytest.approx(fit.loglik)


def test_bootstrap_of_least_squares_has_its_standard_errors() -> None:
    fit = orthodont(CALLS["lm"])
    made = fit.bootstrap(400, lambda one: one.fixef, seed=1)
    errors = np.sqrt(np.diagonal(fit.vcov()))
    np.testing.assert_allclose(made.summary()["std.error"], errors, rtol=0.12)
    limits = made.intervals(0.9)
    np.testing.assert_allclose(limits["upper"] - limits["lower"], 2 * 1.645 * errors, rtol=0.2)
    assert made.replicates.index.tolist() == list(range(400))


def test_bootstrap_agrees_with_lme4s() -> None:
    """``bootMer`` of the same model, 2,000 replicates: means, deviations and quantiles."""
    fit = orthodont("lme(distance ~ age, random = ~ age | Subject, data = Orthodont)")
    made = fit.bootstrap(300, seed=5)
    names = ["(Intercept)", "age", "sigma", "Subject sd((Intercept))", "Subject sd(age)"]
    want = STORED["bootstrap"]
    got = made.replicates[names]
    np.testing.assert_allclose(made.estimate[names], want["estimate"], rtol=5e-4)
    error = np.array(want["sd"]) / np.sqrt(300)
    assert np.all(np.abs(got.mean() - want["mean"]) < 4 * error)
    np.testing.assert_allclose(got.std(), want["sd"], rtol=0.15)
    share = (got < np.array(want["quantiles"])[1]).mean()  # below their medians
    assert np.all(np.abs(share - 0.5) < 0.12)
    assert made.n_failed == 0


def test_all_parameters_are_those_of_the_tables() -> None:
    fit = orthodont(
        "lme(distance ~ age, random = ~ age | Subject, data = Orthodont, "
        "correlation = corAR1(), weights = varIdent(form = ~ 1 | Sex))"
    )
    found, level = parameters(fit), fit.varcorr()["Subject"]
    np.testing.assert_allclose(found[["(Intercept)", "age"]], fit.fixef)
    np.testing.assert_allclose(found[["Subject sd((Intercept))", "Subject sd(age)"]], level.sd)
    assert found["Subject cor((Intercept),age)"] == pytest.approx(level.corr.iloc[0, 1])
    assert found["corstruct Phi"] == fit.correlation_coef["Phi"]
    assert found["varfunc Female"] == fit.weights_coef["Female"]
    assert found.index[-1] == "sigma"


def test_seeds_and_kinds_of_intervals() -> None:
    fit = orthodont(CALLS["lm"])
    one, two = (fit.bootstrap(30, seed=9) for _ in range(2))
    pd.testing.assert_frame_equal(one.replicates, two.replicates)
    percentile, basic, normal = (one.intervals(kind=k) for k in ("percentile", "basic", "normal"))  # type: ignore[arg-type]
    np.testing.assert_allclose(basic["lower"], 2 * one.estimate - percentile["upper"])
    centre = (normal["lower"] + normal["upper"]) / 2
    np.testing.assert_allclose(centre, 2 * one.estimate - one.replicates.mean())
    with pytest.raises(FitError, match="kind: 'bca'"):
        one.intervals(kind="bca")  # type: ignore[arg-type]
    with pytest.raises(FitError, match="level: a number between 0 and 1"):
        one.intervals(95)


def test_failures_are_counted_and_mistakes_passed_on() -> None:
    fit = orthodont(CALLS["lm"])

    def sometimes(one: bayeslme.Fit) -> float:
        if one.sigma > fit.sigma:
            raise FitError("too noisy")
        return one.sigma

    made = fit.bootstrap(40, sometimes, seed=2)
    assert made.n_failed == made.failures["too noisy"] == 40 - len(made.replicates) > 0
    assert f"{made.n_failed} refits failed: too noisy" in str(made)
    with pytest.raises(ZeroDivisionError):
        fit.bootstrap(5, lambda one: 1 // (one is fit), seed=2)
    with pytest.raises(FitError, match=r"all 3 refits failed; the first: no level"):
        fit.bootstrap(3, lambda one: 1.0 if one is fit else _refuse(), seed=2)
    with pytest.raises(FitError, match="nsim: a whole number, at least 1"):
        fit.bootstrap(0)


def _refuse() -> float:
    raise FitError("no level")


def test_statistics_of_every_shape() -> None:
    fit = orthodont(CALLS["lm"])
    assert fit.bootstrap(3, lambda one: one.sigma, seed=1).estimate.index.tolist() == ["statistic"]
    named = fit.bootstrap(3, lambda one: {"aic": one.aic}, seed=1)
    assert named.replicates.columns.tolist() == ["aic"]
    assert fit.bootstrap(3, lambda one: one.vcov().to_numpy(), seed=1).estimate.size == 16


def test_a_bar_is_shown_on_terminals(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert list(tracked(range(3), 3, "Bootstrap", show=True)) == [0, 1, 2]
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert list(tracked(range(3), 3, "Bootstrap", show=True)) == [0, 1, 2]
    assert "Bootstrap" in capfd.readouterr().err
    assert list(tracked(range(3), 3, "Bootstrap", show=False)) == [0, 1, 2]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_simulated_ratios_have_nlmes_distribution(method: str) -> None:
    """Against 1,000 ratios of ``simulate.lme``; its EM leaves small ratios below zero."""
    data = bayeslme.load_data("Orthodont")
    null = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", method=method)
    test = bayeslme.simulated_lrt(null, null.update(random="~ age | Subject"), 250, seed=3)
    theirs = np.maximum(STORED["simulated"][method], 0.05)
    assert ks_2samp(np.maximum(test.ratios, 0.05), theirs).pvalue > 0.01
    assert test.mixture == (1, 2)
    assert test.p_value == (1 + np.sum(test.ratios >= test.observed)) / 251
    assert test.p_chi2 == pytest.approx(chi2.sf(test.observed, 2))


def test_a_variance_against_the_mixture() -> None:
    """Zero as often as F(26, 81) is below 1 (balanced, REML); the tail is that of the mixture."""
    data = bayeslme.load_data("Orthodont")
    null = bayeslme.lm("distance ~ 1", data)
    test = bayeslme.simulated_lrt(null, bayeslme.lme("distance ~ 1", data, "~ 1 | Subject"), 600, 8)
    zero = np.mean(test.ratios < 1e-6)
    exact = f.cdf(1.0, 26, 81)
    assert abs(zero - exact) < 3 * np.sqrt(exact * (1 - exact) / 600)
    assert test.mixture == (0, 1)
    for level in (0.1, 0.05):
        share = np.mean([mixture_tail(ratio, (0, 1)) < level for ratio in test.ratios])
        assert abs(share - level) < 3 * np.sqrt(level * (1 - level) / 600)
        naive = np.mean(chi2.sf(test.ratios, 1) < level)  # half as often as it should be
        assert naive < 0.75 * level
    assert test.p_value == 1 / 601
    assert mixture_tail(0.0, (0, 1)) == 1.0
    assert test.plot().get_xlabel() == "Simulated p-value"
    assert "chi-squared mixture" in str(test)


def test_tests_that_mean_nothing_are_refused() -> None:
    data = bayeslme.load_data("Orthodont")
    one = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    with pytest.raises(FitError, match="give the smaller model first"):
        bayeslme.simulated_lrt(one.update(random="~ age | Subject"), one, 5)
    with pytest.raises(FitError, match="restricted likelihoods of different fixed effects"):
        bayeslme.simulated_lrt(one, one.update(fixed="distance ~ age * Sex"), 5)
    with pytest.raises(FitError, match="simulated_lrt: all fits need one method"):
        bayeslme.simulated_lrt(one, one.update(method="ML", random="~ age | Subject"), 5)
    by_ml = one.update(method="ML")
    test = bayeslme.simulated_lrt(by_ml, by_ml.update(fixed="distance ~ age * Sex"), 5, 1)
    assert (test.df, test.mixture) == (2, None)
    assert np.isnan(test.p_mixture)
