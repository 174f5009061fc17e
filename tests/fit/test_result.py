"""Verbs of a fit on small models whose answers are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import BayesLMEError, DataError, FitError, SpecError
from bayeslme.fit.inference.degrees import constant_within
from bayeslme.structures import CorAR1, PdDiag, VarIdent


@cache
def nested() -> bayeslme.LmeFit:
    return bayeslme.lme("yield ~ nitro", bayeslme.load_data("Oats"), "~ 1 | Block/Variety")


@cache
def slopes() -> bayeslme.LmeFit:
    return bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ age | Subject")


@cache
def marginal() -> bayeslme.GlsFit:
    return bayeslme.gls(
        "distance ~ Sex * age",
        bayeslme.load_data("orthodont"),
        correlation=CorAR1(form="~ 1 | Subject"),
        weights=VarIdent(form="~ 1 | Sex"),
    )


def test_fitted_values_add_up_over_levels() -> None:
    fit = nested()
    block, variety = fit.ranef("Block"), fit.ranef("Variety")
    data = fit.data
    labels = data["Block"].astype(str) + "/" + data["Variety"].astype(str)
    by_block = block["(Intercept)"].loc[data["Block"].astype(str)].to_numpy()
    by_variety = variety["(Intercept)"].loc[labels].to_numpy()
    np.testing.assert_allclose(fit.fitted("Block"), fit.fitted(0) + by_block)
    np.testing.assert_allclose(fit.fitted(), fit.fitted(1) + by_variety)
    np.testing.assert_allclose(fit.fitted() + fit.residuals(), data["yield"])
    assert set(fit.ranef()) == {"Block", "Variety"}


def test_coefficients_by_group_and_level() -> None:
    fit = nested()
    inner = fit.coef()
    assert list(inner.columns) == ["(Intercept)", "nitro"]
    assert inner.index[0] == fit.ranef("Variety").index[0]
    outer = fit.coef("Block")
    assert len(outer) == 6
    expected = fit.fixef["(Intercept)"] + fit.ranef("Block")["(Intercept)"]
    np.testing.assert_allclose(outer["(Intercept)"], expected)
    first = inner.index[0].split("/")[0]
    summed = outer.loc[first, "(Intercept)"] + fit.ranef("Variety").iloc[0, 0]
    assert inner.iloc[0, 0] == pytest.approx(summed)
    pd.testing.assert_series_equal(fit.coef(0).loc["fixed"], fit.fixef, check_names=False)


def test_effects_without_fixed_counterpart_come_last() -> None:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.lme("distance ~ 1", data, {"Subject": PdDiag("~ age")})
    assert list(fit.coef().columns) == ["(Intercept)", "age"]
    np.testing.assert_allclose(fit.coef()["age"], fit.ranef()["age"])


def test_predictions_of_the_rows_are_the_fitted_values() -> None:
    for fit in (nested(), slopes(), marginal()):
        pd.testing.assert_series_equal(fit.predict(fit.data), fit.fitted(), check_names=False)
        pd.testing.assert_series_equal(fit.predict(), fit.fitted(), check_names=False)


def test_unknown_groups_are_missing_at_their_level() -> None:
    fit = nested()
    new = pd.DataFrame(
        {"Block": ["I", "I", "new"], "Variety": ["Victory", "new", "Victory"], "nitro": 0.2}
    )
    assert fit.predict(new).isna().tolist() == [False, True, True]
    assert fit.predict(new, level="Block").isna().tolist() == [False, False, True]
    assert fit.predict(new, level=0).notna().all()
    assert fit.predict(new.drop(columns=["Block", "Variety"]), level=0).notna().all()


def test_residuals_of_each_type() -> None:
    fit = marginal()
    response = fit.residuals()
    assert list(fit.weights_coef.index) == ["Female"]
    ratio = fit.data["Sex"].map({"Male": 1.0, **fit.weights_coef}).astype(float)
    pearson = fit.residuals(type="pearson")
    np.testing.assert_allclose(pearson, response / (fit.sigma * ratio))
    phi = float(fit.correlation_coef["Phi"])
    whitened = fit.residuals(type="normalized").to_numpy().reshape(27, 4)
    plain = pearson.to_numpy().reshape(27, 4)
    np.testing.assert_allclose(whitened[:, 0], plain[:, 0])
    steps = (plain[:, 1:] - phi * plain[:, :-1]) / np.sqrt(1 - phi**2)
    np.testing.assert_allclose(whitened[:, 1:], steps)


def test_marginal_covariance_whitens_the_residuals() -> None:
    fit = marginal()
    cov = fit.marginal_cov("M01")
    root = np.linalg.cholesky(cov)
    rows = cov.index
    expected = np.linalg.solve(root, fit.residuals().loc[rows])
    np.testing.assert_allclose(fit.residuals(type="normalized").loc[rows], expected)


def test_marginal_covariance_of_all_rows_is_block_diagonal() -> None:
    fit = slopes()
    whole = fit.marginal_cov()
    one = fit.marginal_cov("M01")
    np.testing.assert_allclose(whole.loc[one.index, one.columns], one)
    assert (whole.loc[one.index].drop(columns=one.columns) == 0).all(axis=None)
    text = fit.marginal_cov("M01", symbolic=True)
    assert text.iloc[0, 0] == "σ₁.₁² + 16 σ₁.₁₂ + 64 σ₁.₂² + σ²"
    assert text.iloc[0, 1] == "σ₁.₁² + 18 σ₁.₁₂ + 80 σ₁.₂²"


def test_simulated_responses_have_the_covariance_of_the_fit() -> None:
    fit = marginal()
    draws = fit.simulate(4000, seed=1)
    rows = fit.marginal_cov("F01").index
    got = np.cov(draws.loc[rows].to_numpy())
    want = fit.marginal_cov("F01").to_numpy()
    assert np.abs(got - want).max() < 0.15 * want.max()
    pd.testing.assert_frame_equal(draws, fit.simulate(4000, seed=1))
    mean = draws.mean(axis=1)
    np.testing.assert_allclose(mean, fit.fitted(), atol=0.2)


def test_simulation_of_nested_effects() -> None:
    fit = nested()
    draws = fit.simulate(3000, seed=2)
    rows = fit.marginal_cov("I").index
    got = np.cov(draws.loc[rows].to_numpy())
    want = fit.marginal_cov("I").to_numpy()
    assert np.abs(got - want).max() < 0.15 * want.max()


def test_update_changes_only_what_is_named() -> None:
    fit = bayeslme.lme(
        "distance ~ Sex * age",
        bayeslme.load_data("orthodont"),
        "~ 1 | Subject",
        contrasts={"Sex": "sum"},
    )
    smaller = fit.update(fixed=". ~ . - Sex:age", method="ML")
    assert list(smaller.fixef.index) == ["(Intercept)", "Sex1", "age"]
    assert smaller.method == "ML"
    assert smaller.spec.random == fit.spec.random
    late = fit.update(subset="age > 8")
    assert late.nobs == 81
    half = fit.update(data=fit.data.iloc[::2])
    assert half.nobs == 54
    with pytest.raises(SpecError, match="cannot change 'rondom'"):
        fit.update(rondom="~ 1 | Subject")


def test_maximum_likelihood_errors_are_adjusted_in_tests_only() -> None:
    fit = slopes().update(method="ML")
    n, p = 108, 2
    error = fit.summary().fixed["Std.Error"].to_numpy()
    np.testing.assert_allclose(error, np.sqrt(np.diag(fit.vcov()) * n / (n - p)))
    generalized = marginal().update(method="ML")
    np.testing.assert_allclose(
        generalized.summary().fixed["Std.Error"], np.sqrt(np.diag(generalized.vcov()))
    )


def test_marginal_test_of_one_column_is_the_squared_t() -> None:
    fit = nested()
    t = fit.summary().fixed["t-value"].to_numpy()
    np.testing.assert_allclose(fit.anova(type="marginal")["F-value"], t**2)
    sequential, conditional = fit.anova(), fit.anova(type="marginal")
    assert sequential["F-value"].iloc[-1] == pytest.approx(conditional["F-value"].iloc[-1])


def test_linear_model_is_least_squares() -> None:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.lm("distance ~ age", data)
    slope, intercept = np.polyfit(data["age"], data["distance"], 1)
    np.testing.assert_allclose(fit.fixef, [intercept, slope])
    rss = float((fit.residuals() ** 2).sum())
    assert fit.sigma == pytest.approx(np.sqrt(rss / 106))
    assert fit.loglik == pytest.approx(-54 * (np.log(2 * np.pi * rss / 108) + 1))
    assert fit.df == 3
    assert fit.method == "OLS"
    assert list(fit.summary().fixed.columns) == ["Value", "Std.Error", "t-value", "p-value"]
    assert str(fit.summary()).startswith("Linear model fit by least squares\n")
    sigma = fit.intervals()["sigma"].iloc[0]
    assert sigma["lower"] < fit.sigma < sigma["upper"]


def test_zero_variance_prints_zero_and_says_so() -> None:
    data = bayeslme.load_data("piglets")
    fit = bayeslme.lme("loglact ~ reg * status", data, "~ 1 | litter/pig", na_action="omit")
    assert "StdDev:           0\n" in str(fit.summary())
    assert "the variance of (Intercept) in litter is estimated as zero" in str(fit.summary())
    limits = fit.intervals()["litter"].iloc[0]
    assert limits["lower"] == limits["est."] == 0.0
    assert 0.0 < limits["upper"] < 2.0
    assert "on its boundary" in str(fit.intervals())


def test_intervals_in_part_and_at_another_level() -> None:
    fit = slopes()
    assert set(fit.intervals(which="fixed")) == {"fixed"}
    assert set(fit.intervals(which="var-cov")) == {"Subject", "sigma"}
    wide, narrow = fit.intervals(0.99), fit.intervals(0.5)
    for part, table in wide.items():
        assert (table["lower"] < narrow[part]["lower"]).all()
        assert (table["upper"] > narrow[part]["upper"]).all()


def test_rows_used_keep_their_index() -> None:
    data = bayeslme.load_data("orthodont").set_index(pd.Index([f"r{k}" for k in range(108)]))
    data.loc["r3", "distance"] = np.nan
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", na_action="omit")
    assert fit.nobs == 107
    assert "r3" not in fit.residuals().index
    assert fit.residuals().index[3] == "r4"


@pytest.mark.parametrize(
    "verb",
    [
        lambda fit: fit.fitted(level="pig"),
        lambda fit: fit.residuals(type="deviance"),
        lambda fit: fit.ranef(level=0),
        lambda fit: fit.anova(type="III"),
        lambda fit: fit.anova(terms="Sex"),
        lambda fit: fit.anova(terms=9),
        lambda fit: fit.anova(L=[1, 0, 0]),
        lambda fit: fit.anova(L={"agee": 1}),
        lambda fit: fit.anova(L=[[0, 1], [0, 2]]),
        lambda fit: fit.intervals(level=95),
        lambda fit: fit.intervals(which="random"),
        lambda fit: fit.marginal_cov("M99"),
        lambda fit: fit.update(correlation=CorAR1()).marginal_cov(symbolic=True),
        lambda fit: fit.simulate(0),
        lambda fit: fit.predict([1, 2]),
        lambda fit: fit.predict(pd.DataFrame({"age": [1]})),
        lambda fit: fit.plot.residuals("~ age"),
        lambda fit: fit.plot.residuals("resid(., typ = 'p') ~ age"),
        lambda fit: fit.plot.residuals("resid(., type = 'x') ~ age"),
        lambda fit: bayeslme.anova(),
        lambda fit: bayeslme.anova(fit, "model"),
        lambda fit: bayeslme.anova(fit, fit.update(method="ML")),
        lambda fit: bayeslme.anova(fit, fit.update(subset="age > 8")),
        lambda fit: bayeslme.anova(fit, fit.update(fixed="log(distance) ~ age")),
        lambda fit: bayeslme.lme("distance ~ age", {"distance": [1]}, "~ 1 | Subject"),
    ],
)
def test_bad_questions_are_named_errors(verb: object) -> None:
    with pytest.raises(BayesLMEError) as caught:
        verb(slopes())  # type: ignore[operator]
    assert isinstance(caught.value, DataError | FitError | SpecError)
    assert 15 < len(str(caught.value)) <= 300


def test_comparison_warns_of_restricted_likelihoods() -> None:
    fit = slopes()
    with pytest.warns(UserWarning, match="REML comparisons are not meaningful"):
        table = bayeslme.anova(fit, fit.update(fixed="distance ~ age * Sex"))
    assert table.attrs["notes"]
    assert len(bayeslme.anova(fit)) == 2


def test_equal_numbers_of_parameters_have_no_ratio() -> None:
    data = bayeslme.load_data("orthodont")
    one = bayeslme.gls("distance ~ age", data, weights=VarIdent(form="~ 1 | Sex"))
    other = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    assert list(bayeslme.anova(one, other).columns) == ["Model", "df", "AIC", "BIC", "logLik"]


def test_html_of_every_result() -> None:
    fit = nested()
    for shown in (fit, fit.summary(), fit.varcorr(), fit.intervals(), fit.anova()):
        html = shown._repr_html_()
        assert html.count("<table") == html.count("</table>") >= 1
        assert "color:inherit" in html
    assert "Variety %in% Block" in fit._repr_html_()


def test_lmlist_prints_and_counts() -> None:
    fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
    assert "Degrees of freedom: 108 total; 54 residual" in str(fits)
    assert set(fits.summary()) == {"(Intercept)", "age"}
    with pytest.raises(DataError, match="no group"):
        bayeslme.lmlist("distance ~ age | Subject", fits.data.iloc[[0, 1, 4, 5]])


def test_columns_constant_within_groups() -> None:
    x = np.array([[1.0, 1.0], [1.0, 2.0], [3.0, 3.0]])
    assert constant_within(x, np.array([0, 0, 1])).tolist() == [True, False]


def test_a_test_on_the_boundary_is_noted() -> None:
    fit = nested()
    table = bayeslme.anova(fit, fit.update(random="~ 1 | Block"))
    assert "too large, rather than exact" in str(table)
    assert not bayeslme.anova(fit, fit.update(weights=VarIdent(form="~ 1 | Variety"))).attrs[
        "notes"
    ]


def test_fits_with_priors_have_no_likelihood_to_compare() -> None:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", priors="flat")
    plain = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    assert fit.method == "MAP"
    np.testing.assert_allclose(fit.fixef, plain.fixef)
    assert fit.sigma == pytest.approx(plain.sigma, rel=1e-5)
    assert np.isnan(fit.aic)
    assert "fit by maximum a posteriori" in str(fit.summary())
    with pytest.raises(FitError, match="no likelihoods to compare"):
        bayeslme.anova(fit, plain)


def test_a_long_series_is_fitted_but_has_no_dense_matrix() -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"y": rng.standard_normal(10_001)})
    fit = bayeslme.gls("y ~ 1", data, correlation=CorAR1())
    assert abs(fit.correlation_coef["Phi"]) < 0.05
    assert len(fit.residuals(type="normalized")) == 10_001
    with pytest.raises(FitError, match="10001 rows"):
        fit.residual_cov()
