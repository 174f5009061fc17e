"""Crossed random effects and lmer(): lme4's numbers, and every verb of a crossed fit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import FitError, LmeFit, SpecError, lme, lmer, load_data
from bayeslme.bayes import settings

CASES = json.loads((Path(__file__).parent / "crossed.json").read_text())  # make_crossed.R
EMPTY = 1e-3  # of sigma: a variance below it is zero


def fitted_case(case: dict[str, Any]) -> LmeFit:
    weights = case["weights"] or None
    return lmer(case["formula"], load_data(case["data"]), REML=case["REML"], weights=weights)


@pytest.fixture(scope="module")
def fits() -> list[LmeFit]:
    return [fitted_case(case) for case in CASES]


@pytest.fixture(scope="module")
def penicillin() -> LmeFit:
    return lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_data("Penicillin"))


def test_likelihood_and_estimates_are_lme4s(fits: list[LmeFit]) -> None:
    for case, fit in zip(CASES, fits, strict=True):
        assert fit.loglik == pytest.approx(case["loglik"], abs=1e-5), case
        assert fit.df == case["npar"]
        assert fit.sigma == pytest.approx(case["sigma"], rel=1e-3)
        np.testing.assert_allclose(fit.fixef, case["fixef"], rtol=1e-4)
        np.testing.assert_allclose(fit.fitted().iloc[:8], case["fitted"], rtol=1e-4)
        sd = np.concatenate([part.sd for part in fit.varcorr().values()])
        own, wanted = np.sort(sd), np.sort(np.atleast_1d(case["sd"]))
        np.testing.assert_allclose(own, wanted, rtol=2e-3, atol=EMPTY * fit.sigma)


def test_summary_is_lmertests(fits: list[LmeFit]) -> None:
    for case, fit in zip(CASES, fits, strict=True):
        table = fit.summary().fixed
        np.testing.assert_allclose(table["Std.Error"], case["se"], rtol=1e-3)
        if np.min(case["sd"]) > EMPTY * fit.sigma:  # lmerTest counts a zero variance as unknown
            np.testing.assert_allclose(table["DF"], case["df"], rtol=1e-2)


def test_kenward_roger_is_pbkrtests(fits: list[LmeFit]) -> None:
    tested = 0
    for case, fit in zip(CASES, fits, strict=True):
        if "kr_df" not in case or case["weights"]:
            continue
        table = fit.summary(df="kenward-roger").fixed
        np.testing.assert_allclose(table["Std.Error"], case["kr_se"], rtol=1e-3)
        np.testing.assert_allclose(table["DF"], case["kr_df"], rtol=1e-2)
        tested += 1
    assert tested > 3


def test_three_ways_to_say_it(penicillin: LmeFit) -> None:
    data = load_data("Penicillin")
    listed = lme("diameter ~ 1", data, random=["~ 1 | plate", {"sample": "~ 1"}])
    turned = lmer("diameter ~ 1 + (1 | sample) + (1 | plate)", data)
    pasted = bayeslme.translate(penicillin.spec.to_r()).fit(data)
    for fit in (listed, turned, pasted):
        assert fit.loglik == pytest.approx(penicillin.loglik, abs=1e-8)
    assert list(turned.varcorr()) == ["sample", "plate"]


def test_the_order_of_terms_does_not_matter_with_a_variance_function() -> None:
    data = load_data("sleepstudy")
    data["late"] = np.where(data["Days"] > 4, "late", "early")
    weights = bayeslme.VarIdent(form="~ 1 | late")
    one, other = (
        lmer(f"Reaction ~ Days + {terms}", data, weights=weights)
        for terms in ("(1 | Subject) + (1 | Days)", "(1 | Days) + (1 | Subject)")
    )
    assert one.sigma == pytest.approx(other.sigma, rel=1e-6)
    assert list(one.weights_coef.index) == [
        "late"
    ]  # the first stratum in the data is the reference


def test_rows_and_groups_may_come_in_any_order(penicillin: LmeFit) -> None:
    data = load_data("Penicillin")
    shuffled = data.sample(frac=1.0, random_state=1)
    fit = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", shuffled)
    assert fit.loglik == pytest.approx(penicillin.loglik, abs=1e-8)
    pd.testing.assert_series_equal(fit.fitted().loc[data.index], penicillin.fitted(), atol=1e-5)


def test_nested_terms_are_the_nested_model() -> None:
    data = load_data("Pastes")
    nested = lme("strength ~ 1", data, "~ 1 | batch/cask")
    for formula in ("strength ~ (1 | batch/cask)", "strength ~ (1 | sample) + (1 | batch)"):
        fit = lmer(formula, data)
        assert fit.loglik == pytest.approx(nested.loglik, abs=1e-8)
        np.testing.assert_allclose(fit.fitted(), nested.fitted(), rtol=1e-5)


def test_each_term_of_a_nested_formula_stands_for_itself() -> None:
    data = load_data("Pastes")
    fit, nested = (
        lmer("strength ~ (1 | sample) + (1 | batch)", data),
        lme("strength ~ 1", data, "~ 1 | batch/cask"),
    )
    assert list(fit.varcorr()) == ["sample", "batch"]
    ranef = fit.ranef()
    assert list(ranef) == ["sample", "batch"]
    alone = fit.fixef.iloc[0] + ranef["sample"]["(Intercept)"].loc[data["sample"]].to_numpy()
    np.testing.assert_allclose(fit.fitted("sample"), alone)
    outer = fit.predict(data, level="batch", se=True)
    pd.testing.assert_frame_equal(outer, nested.predict(data, level="batch", se=True), rtol=1e-4)
    n, one = len(data), np.ones(len(data))
    inverse = np.linalg.inv(nested.marginal_cov().to_numpy())
    variance = fit.varcorr()["sample"].sd.iloc[0] ** 2
    own = variance * np.equal.outer(data["sample"].to_numpy(), data["sample"].to_numpy())
    phi = 1.0 / float(one @ inverse @ one)
    left = variance - np.einsum("ij,jk,ik->i", own, inverse, own)
    error = left + phi * (1.0 - own @ inverse @ one) ** 2
    found = fit.predict(data, level="sample", se=True)["se"]
    np.testing.assert_allclose(found, np.sqrt(error), rtol=1e-4)
    assert n == len(found)


def test_conditional_deviations_are_lme4s(penicillin: LmeFit) -> None:
    """sqrt(attr(ranef(fm, condVar = TRUE)$plate, "postVar")) with the fit of crossed.json."""
    conditional, full = penicillin.ranef(se="conditional"), penicillin.ranef(se=True)
    assert isinstance(conditional, dict)
    assert isinstance(full, dict)
    v = penicillin.marginal_cov().to_numpy()
    data = load_data("Penicillin")
    variance = penicillin.varcorr()["plate"].sd.iloc[0] ** 2
    own = variance * (data["plate"] == "a").to_numpy()
    expected = np.sqrt(variance - own @ np.linalg.solve(v, own))
    assert conditional["plate"]["se"].loc["a"].iloc[0] == pytest.approx(expected, rel=1e-6)
    assert (full["sample"]["se"] > conditional["sample"]["se"]).all(axis=None)
    with pytest.raises(FitError, match="se: True, False or 'conditional'"):
        penicillin.ranef(se="both")  # type: ignore[arg-type]


def test_values_by_factor(penicillin: LmeFit) -> None:
    data, ranef = load_data("Penicillin"), penicillin.ranef()
    assert isinstance(ranef, dict)
    alone = penicillin.fixef.iloc[0] + ranef["plate"]["(Intercept)"].loc[data["plate"]].to_numpy()
    np.testing.assert_allclose(penicillin.fitted("plate"), alone)
    np.testing.assert_allclose(penicillin.predict(data, level="plate"), alone)
    both = alone + ranef["sample"]["(Intercept)"].loc[data["sample"]].to_numpy()
    np.testing.assert_allclose(penicillin.fitted(), both)
    np.testing.assert_allclose(penicillin.predict(data, level=0), penicillin.fixef.iloc[0])
    coef = penicillin.coef()
    assert isinstance(coef, dict)
    assert set(coef) == {"plate", "sample"}
    several = penicillin.fitted([0, "plate", "sample"])
    assert list(several.columns) == ["fixed", "plate", "sample"]


def test_unseen_groups_count_as_zero_in_lmer_and_are_unknown_in_lme(penicillin: LmeFit) -> None:
    data = load_data("Penicillin")
    new = data.head(2).astype({"plate": str}).assign(plate="unseen")
    listed = lme("diameter ~ 1", data, random=["~ 1 | plate", "~ 1 | sample"])
    np.testing.assert_allclose(penicillin.predict(new), penicillin.predict(new, level="sample"))
    assert listed.predict(new).isna().all()
    table = penicillin.predict(new, se=True)
    known = penicillin.predict(new, level="sample", se=True)
    sd = penicillin.varcorr()["plate"].sd.iloc[0]
    np.testing.assert_allclose(table["se"] ** 2, known["se"] ** 2 + sd**2)


def test_nested_lmer_counts_unseen_groups_as_zero() -> None:
    data = load_data("sleepstudy")
    fit = lmer("Reaction ~ Days + (Days | Subject)", data)
    new = pd.DataFrame({"Days": [1.0, 2.0], "Subject": ["unseen", "308"]})
    fixed = fit.predict(new, level=0)
    assert fit.predict(new).iloc[0] == pytest.approx(fixed.iloc[0])
    assert fit.predict(new).iloc[1] != pytest.approx(fixed.iloc[1])


def test_every_verb_of_a_crossed_fit(penicillin: LmeFit) -> None:
    assert penicillin.marginal_cov().iloc[0, 0] == pytest.approx(
        sum(part.sd.iloc[0] ** 2 for part in penicillin.varcorr().values()) + penicillin.sigma**2
    )
    refit = penicillin.refit(penicillin.simulate(1, seed=3)["sim_1"])
    assert refit.converged
    made = penicillin.bootstrap(5, lambda fit: fit.sigma, seed=1, progress=False)
    assert made.n_failed == 0
    limits = penicillin.intervals()
    assert list(limits) == ["fixed", "plate", "sample", "sigma"]
    smaller = penicillin.update(formula=". ~ . - (1 | plate)", REML=False)
    table = bayeslme.anova(smaller, penicillin.update(REML=False))
    assert table["L.Ratio"].iloc[1] > 100
    assert len(penicillin.residuals(type="normalized")) == 144
    assert penicillin.plot.residuals() is not None
    assert not penicillin.singular().is_singular
    assert "html" in penicillin.summary()._repr_html_() or penicillin.summary()._repr_html_()


def test_profile_limits_are_lme4s() -> None:
    """confint(lmer(diameter ~ (1 | plate) + (1 | sample), Penicillin, REML = FALSE))."""
    fit = lmer("diameter ~ (1 | plate) + (1 | sample)", load_data("Penicillin"), REML=False)
    table = fit.intervals(method="profile")
    np.testing.assert_allclose(
        table["plate"][["lower", "upper"]], [[0.6335658, 1.1821040]], rtol=2e-3
    )
    np.testing.assert_allclose(
        table["sample"][["lower", "upper"]], [[1.0957893, 3.5562919]], rtol=2e-3
    )


def test_a_zero_variance_is_zero_and_told() -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject) + (1 | Days)", load_data("sleepstudy"))
    assert fit.varcorr()["Days"].sd.iloc[0] == 0.0
    assert any("in Days is estimated as zero" in note for note in fit.summary().page.notes)
    report = fit.singular()
    assert report.is_singular
    assert report.alternatives is not None
    assert "without Days" in report.alternatives.index
    assert report.alternatives.loc["without Days", "logLik"] == pytest.approx(fit.loglik, abs=1e-6)


def test_printed_as_lme4(penicillin: LmeFit) -> None:
    assert str(penicillin.varcorr()) == (
        " Groups   Name        Std.Dev.\n"
        " plate    (Intercept) 0.84670 \n"
        " sample   (Intercept) 1.93156 \n"
        " Residual             0.54992 "
    )
    text = str(penicillin.summary())
    for line in (
        "Formula: diameter ~ 1 + (1 | plate) + (1 | sample)",
        "REML criterion at convergence: 330.9",
        " plate    (Intercept) 0.7169   0.8467  ",
        "Number of obs: 144, groups:  plate, 24; sample, 6",
        "(Intercept)  22.9722     0.8086 5.487   28.41",
    ):
        assert line in text
    assert "deviance" in str(penicillin.update(REML=False))


def test_degrees_that_only_nested_levels_have(penicillin: LmeFit) -> None:
    with pytest.raises(FitError, match="'inner-outer' counts groups of nested levels"):
        penicillin.summary(df="inner-outer")
    nested = lmer("distance ~ age + (1 | Subject)", load_data("Orthodont"))
    assert nested.summary(df="inner-outer").fixed["DF"].tolist() == [80, 80]


def test_the_mode_under_priors(penicillin: LmeFit) -> None:
    fit = penicillin.update(priors="boundary-avoiding")
    assert fit.method == "MAP"
    ranef = fit.ranef()
    assert isinstance(ranef, dict)
    assert np.corrcoef(ranef["plate"].squeeze(), penicillin.ranef()["plate"].squeeze())[0, 1] > 0.99


def test_what_the_posterior_does_not_reach_is_told(
    penicillin: LmeFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = penicillin.update(weights=bayeslme.VarPower())
    with pytest.raises(FitError, match="hierarchical"):
        moving.sample()
    few = dataclasses.replace(settings.PYMC, max_crossed_columns=5)
    monkeypatch.setattr(settings, "PYMC", few)
    with pytest.raises(SpecError, match=r"6 columns, and at most 5 .*form='hierarchical'"):
        penicillin.spec.to_pymc(load_data("Penicillin"))
    with pytest.raises(FitError, match="nested models only"):
        penicillin.predict(use_correlation=True)


def test_missing_values_are_left_out_as_by_lme4() -> None:
    data = load_data("Penicillin")
    data.loc[3, "diameter"] = np.nan
    formula = "diameter ~ (1 | plate) + (1 | sample)"
    assert lmer(formula, data).nobs == 143
    with pytest.raises(bayeslme.DataError, match="missing values"):
        lmer(formula, data, na_action="fail")
