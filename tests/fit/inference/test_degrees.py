"""Denominator degrees of freedom against lmerTest and pbkrtest (make_degrees.R), and by algebra."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtrit

import bayeslme
from bayeslme.engine.inference import response_covariance, settings
from bayeslme.engine.inference.kenward_roger import _matched, kenward_roger
from bayeslme.engine.inference.satterthwaite import mean_matched
from bayeslme.errors import FitError, SpecError
from bayeslme.fit.inference.degrees import small_sample
from bayeslme.fit.inference.hypotheses import f_tail
from bayeslme.structures import (
    CorAR1,
    CorCompSymm,
    CorExp,
    CorNatural,
    CorSymm,
    PdBlocked,
    PdDiag,
    PdIdent,
    PdLogChol,
    PdNatural,
    PdSymm,
    VarConstProp,
    VarIdent,
)

STORED = json.loads((Path(__file__).parent / "degrees_r.json").read_text())["models"]
RANDOM: dict[str, Any] = {
    "intercepts": "~ 1 | Subject",
    "slopes": "~ age | Subject",
    "slopes_ml": "~ age | Subject",
    "split_plot": "~ 1 | Block/Variety",
    "sleep": "~ Days | Subject",
    "sleep_diagonal": {"Subject": PdDiag("~ Days")},
    "machines": "~ 1 | Worker/Machine",
    "machines_unbalanced": "~ 1 | Worker/Machine",
    "machines_general": "~ Machine | Worker",
    "pups": "~ 1 | Litter",
    "pixel": {"Dog": "~ day", "Side": "~ 1"},
    "oxide": "~ 1 | Lot/Wafer",
    "chicks": "~ Time | Chick",
    "crossed": {
        "Block": PdBlocked([PdIdent("~ 1"), PdIdent("~ sample - 1"), PdIdent("~ dilut - 1")])
    },
    "zero": "~ 1 | Batch",
}
# Two optimisers stop within about 1e-6 of the optimum in the variances (lme4's bobyqa with rhoend
# 1e-9); F and the degrees of freedom are smooth functions of these. lmerTest's Hessian and
# Jacobian are numerical, which is below that.
CLOSE = 5e-6
METHODS = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward_roger"}


@cache
def stored_fit(name: str) -> bayeslme.LmeFit:
    case = STORED[name]
    data = bayeslme.load_data(case["data"])
    for column in data.select_dtypes("category"):
        data[column] = data[column].cat.as_unordered()
    data = data.drop(index=data.index[np.array(case["drop"], int) - 1])
    return bayeslme.lme(case["fixed"], data, RANDOM[name], method=case["method"])


@cache
def growth(**structures: Any) -> bayeslme.GlsFit:
    return bayeslme.gls("distance ~ Sex * age", bayeslme.load_data("Orthodont"), **structures)


def unstructured() -> bayeslme.GlsFit:
    return growth(correlation=CorSymm(form="~ 1 | Subject"), weights=VarIdent(form="~ 1 | age"))


@cache
def serial() -> bayeslme.LmeFit:
    return bayeslme.lme(
        "distance ~ Sex * age",
        bayeslme.load_data("Orthodont"),
        "~ 1 | Subject",
        correlation=CorAR1(form="~ 1 | Subject"),
        weights=VarIdent(form="~ 1 | Sex"),
    )


@pytest.mark.parametrize("df", METHODS)
@pytest.mark.parametrize("name", STORED)
def test_equals_lmertest_and_pbkrtest(name: str, df: Any) -> None:
    case, fit = STORED[name], stored_fit(name)
    if METHODS[df] not in case["marginal"][0]:
        pytest.skip("Kenward and Roger are for REML")
    n, p = fit.design.X.shape
    adjusted = n / (n - p) if case["method"] == "ML" else 1.0  # nlme's, not lmerTest's
    for kind in ("marginal", "sequential"):
        expected = np.array([test[METHODS[df]] for test in case[kind]])
        table = fit.anova(kind, df=df)
        np.testing.assert_allclose(adjusted * table["F-value"], expected[:, 0], rtol=CLOSE)
        np.testing.assert_allclose(table["denDF"], expected[:, 1], rtol=CLOSE)
    expected = np.array([test[METHODS[df]] for test in case["coefficients"]])
    fixed = fit.summary(df).fixed
    np.testing.assert_allclose(adjusted * fixed["t-value"] ** 2, expected[:, 0], rtol=CLOSE)
    np.testing.assert_allclose(fixed["DF"], expected[:, 1], rtol=CLOSE)
    error = np.atleast_1d(case["adjusted_error" if df == "kenward-roger" else "std_error"])
    np.testing.assert_allclose(fixed["Std.Error"], np.sqrt(adjusted) * error, rtol=CLOSE)


def test_terms_and_contrasts_are_the_same_tests() -> None:
    fit = stored_fit("machines_unbalanced")
    for df in ("satterthwaite", "kenward-roger"):
        marginal = fit.anova("marginal", df=df).loc["Machine"]
        rows = np.eye(3)[1:]
        for table in (fit.anova(terms="Machine", df=df), fit.anova(L=rows, df=df)):
            np.testing.assert_allclose(table.iloc[0], marginal)
        assert df[:6].title() in str(fit.anova(df=df))


def test_kenward_roger_does_not_depend_on_the_parametrisation() -> None:
    # compound symmetry as a correlation (V not linear in it) and as a variance component
    plain, correlated = stored_fit("intercepts"), growth(correlation=CorCompSymm(form="~1|Subject"))
    for one, other in zip(
        (plain.anova("marginal", df="kenward-roger"), plain.summary("kenward-roger").fixed),
        (
            correlated.anova("marginal", df="kenward-roger"),
            correlated.summary("kenward-roger").fixed,
        ),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)  # two searches for one optimum


def test_growth_curves_of_an_unstructured_covariance() -> None:
    # T = 4 ages, q = 2 columns within, m = 25: to first order in 1 / m the variance of coefficients
    # is understated by (T - q) / m twice over, by ignoring and by estimating V (Rao 1965).
    fit = unstructured()
    pieces = kenward_roger(fit.estimate)
    np.testing.assert_allclose(pieces.adjusted, (1 + 2 * 2 / 25) * pieces.vcov, rtol=1e-6)
    np.testing.assert_allclose(fit.summary("satterthwaite").fixed["DF"], 25.0, rtol=1e-6)


def hotelling(profiles: np.ndarray, pooled: np.ndarray, weight: float, m: int) -> tuple[float, int]:
    """F and denominator of T^2 for changes in a mean profile (T,) of covariance pooled / weight."""
    changes = np.diff(np.eye(len(profiles)), axis=0)
    moved = changes @ profiles
    r = len(moved)
    t2 = weight * moved @ np.linalg.solve(changes @ pooled @ changes.T, moved)
    return (m - r + 1) / (m * r) * t2, m - r + 1


def test_unstructured_covariance_gives_hotelling() -> None:
    # Balanced profiles in two samples: changes with age are tested by Hotelling's T^2 exactly.
    data = bayeslme.load_data("Orthodont")
    data["age"] = data["age"].astype(int).astype(str).str.zfill(2).astype("category")
    fit = bayeslme.gls(
        "distance ~ age * Sex",
        data,
        correlation=CorSymm(form="~ 1 | Subject"),
        weights=VarIdent(form="~ 1 | age"),
    )
    table = fit.anova("marginal", df="kenward-roger")
    wide = data.pivot(index=["Sex", "Subject"], columns="age", values="distance").dropna()
    samples = [wide.loc[sex].to_numpy() for sex in data["Sex"].cat.categories]
    m = sum(map(len, samples)) - 2
    pooled = sum((len(s) - 1) * np.cov(s, rowvar=False) for s in samples) / m
    first, second = (s.mean(axis=0) for s in samples)
    share = 1 / (1 / len(samples[0]) + 1 / len(samples[1]))
    for term, expected in {
        "age": hotelling(first, pooled, len(samples[0]), m),
        "age:Sex": hotelling(second - first, pooled, share, m),
    }.items():
        np.testing.assert_allclose(table.loc[term, ["F-value", "denDF"]], expected, rtol=1e-6)
    assert table.loc["Sex", "denDF"] == pytest.approx(m)
    plain = fit.anova("marginal", df="satterthwaite")
    np.testing.assert_allclose(plain["denDF"], m, rtol=1e-6)


SAME_MODEL: dict[str, list[dict[str, Any]]] = {
    # corExp's range is -1 / log(Phi): V is linear in neither
    "series": [
        {"random": "~ 1 | Subject", "correlation": one, "weights": VarIdent(form="~ 1 | Sex")}
        for one in (CorAR1(form="~ 1 | Subject"), CorExp(form="~ age | Subject"))
    ],
    "slopes": [{"random": {"Subject": pd("~ age")}} for pd in (PdSymm, PdLogChol, PdNatural)],
    "unstructured": [
        {"correlation": one(form="~ 1 | Subject"), "weights": VarIdent(form="~ 1 | age")}
        for one in (CorSymm, CorNatural)
    ],
}


@pytest.mark.parametrize("df", METHODS)
@pytest.mark.parametrize("name", SAME_MODEL)
def test_one_model_in_several_parametrisations(name: str, df: Any) -> None:
    data, tables = bayeslme.load_data("Orthodont"), []
    for structures in SAME_MODEL[name]:
        function = bayeslme.lme if "random" in structures else bayeslme.gls
        fit = function("distance ~ Sex * age", data, **structures)
        own, terms = fit.summary(df).fixed, fit.anova("marginal", df=df)
        tables.append([*own["Std.Error"], *own["DF"], *terms["F-value"], *terms["denDF"]])
    for other in tables[1:]:
        np.testing.assert_allclose(other, tables[0], rtol=1e-6)  # searches for one optimum


def test_saturated_variances_by_group_are_welch() -> None:
    data = bayeslme.load_data("Orthodont").query("age == 8")
    fit = bayeslme.gls("distance ~ Sex", data, weights=VarIdent(form="~ 1 | Sex"))
    part = data.groupby("Sex", observed=True)["distance"].agg(["var", "size"])
    share = part["var"] / part["size"]
    welch = share.sum() ** 2 / (share**2 / (part["size"] - 1)).sum()
    assert fit.anova(df="satterthwaite").loc["Sex", "denDF"] == pytest.approx(welch, rel=1e-5)
    assert fit.summary("kenward-roger").fixed.loc["SexFemale", "DF"] == pytest.approx(
        welch, rel=1e-5
    )


def test_random_effects_with_residual_structures() -> None:
    fit = serial()
    for df in ("satterthwaite", "kenward-roger"):
        den = fit.anova("marginal", df=df)["denDF"]
        assert np.all((den > 10) & (den < 108)), df
    np.testing.assert_allclose(kenward_roger(fit.estimate).vcov, fit.estimate.vcov, rtol=1e-7)


def test_covariance_of_a_group_and_its_derivatives() -> None:
    fit = serial()
    covariance = response_covariance.Covariance(fit.estimate)
    order = fit.estimate.problem.order
    full = fit.marginal_cov().to_numpy()
    residual = fit.residual_cov().to_numpy()
    for stack in covariance.stacks():
        for h, rows in enumerate(order[stack.rows]):
            np.testing.assert_allclose(stack.cov[h], full[np.ix_(rows, rows)], rtol=1e-10)
            # log sigma moves the residual part alone
            own = 2 * residual[np.ix_(rows, rows)]
            np.testing.assert_allclose(stack.slopes[-1, h], own, rtol=1e-8, atol=1e-8)


def test_linear_model_keeps_its_degrees() -> None:
    fit = bayeslme.lm("distance ~ Sex * age", bayeslme.load_data("Orthodont"))
    for df in ("satterthwaite", "kenward-roger"):
        assert str(fit.anova(df=df)) == str(fit.anova())
    scale, den = kenward_roger(fit.estimate).scaling(np.eye(4)[1:])
    assert (scale, den) == pytest.approx((1.0, 104.0))


def test_known_variances_give_chi_squared() -> None:
    fit = bayeslme.gls("distance ~ age", bayeslme.load_data("Orthodont"), control={"sigma": 2.0})
    for df in ("satterthwaite", "kenward-roger"):
        table = fit.anova(df=df)
        assert np.all(np.isinf(table["denDF"]))
        assert np.all((table["p-value"] >= 0) & (table["p-value"] < 1e-6))


def test_what_rests_on_a_flat_direction_has_no_degrees() -> None:
    # a random intercept of the factor whose fixed effects are in the model is known to nobody
    data = bayeslme.load_data("cake")
    fit = bayeslme.lme("angle ~ recipe + temp", data, "~ 1 | recipe/replicate")
    plain = bayeslme.lme(
        "angle ~ recipe + temp",
        data.assign(g=data["recipe"].astype(str) + data["replicate"].astype(str)),
        "~ 1 | g",
    )
    for df in METHODS:
        table = fit.anova("marginal", df=df)
        assert any("flat along a direction" in note for note in table.attrs["notes"])
        expected = plain.anova("marginal", df=df)
        np.testing.assert_allclose(table.loc["temp"], expected.loc["temp"], rtol=1e-5)
        assert table.loc["recipe", "denDF"] < 0.1
        assert table.loc["recipe", "p-value"] > 0.9
    # one constant, next to none, beside a proportion of the fitted values
    kept = bayeslme.lme(
        "distance ~ Sex * age",
        bayeslme.load_data("Orthodont"),
        "~ 1 | Subject",
        weights=VarConstProp(),
    )
    tables = [kept.anova("marginal", df=df)["denDF"] for df in METHODS]
    np.testing.assert_allclose(*tables, rtol=0.05)


def test_held_sigma_is_known() -> None:
    fit = bayeslme.lme(
        "distance ~ Sex * age",
        bayeslme.load_data("Orthodont"),
        "~ 1 | Subject",
        control={"sigma": 2.0},
    )
    for df in METHODS:
        den = fit.anova("marginal", df=df)["denDF"]
        assert np.isinf(den["age"]) and den["Sex:age"] == np.inf and den["Sex"] > 24


def test_two_factors_that_vanish_in_the_scale() -> None:
    # five blocks: the intercept has four degrees of freedom, where mean and variance of F divide
    # by the same zero
    fit = bayeslme.lme("score ~ Storage", bayeslme.load_data("Meat"), "~ 1 | Block/Pair")
    table = fit.summary("kenward-roger").fixed
    plain = fit.summary("satterthwaite").fixed
    assert table.loc["(Intercept)", "DF"] == pytest.approx(4.0, rel=1e-6)
    np.testing.assert_allclose(table["DF"], plain["DF"], rtol=0.1)


@pytest.mark.parametrize("m", [1.0, 2.0, 3.0, 4.0, 4.0 + 1e-9, 30.0])
@pytest.mark.parametrize("r", [2, 3])
def test_one_unknown_variance_is_an_exact_f(m: float, r: int) -> None:
    # all contrasts scale with one variance of m degrees of freedom
    assert _matched(2 * r**2 / m, 2 * r / m, r) == pytest.approx((1.0, m), rel=1e-6)


@pytest.mark.parametrize(("m", "r"), [(2, 2), (3, 2), (5, 2), (3, 3), (4, 3), (6, 4), (20, 4)])
def test_unknown_covariance_is_hotelling(m: int, r: int) -> None:
    # a Wishart matrix of m degrees of freedom: E tr(D)^2 = 2 r / m, E tr(D^2) = r (r + 1) / m
    expected = ((m - r + 1) / m, m - r + 1)
    assert _matched(2 * r / m, r * (r + 1) / m, r) == pytest.approx(expected, rel=1e-3)


def test_nearly_singular_covariances_have_degrees() -> None:
    # heights of one boy are correlated by 0.99 and more: steps in a correlation leave its range
    oxboys = bayeslme.load_data("Oxboys")
    fit = bayeslme.gls("height ~ age", oxboys, correlation=CorSymm(form="~ 1 | Subject"))
    for df in ("satterthwaite", "kenward-roger"):
        den = fit.anova("marginal", df=df)["denDF"]
        assert np.all((den > 15) & (den < 232)), df


@pytest.mark.parametrize("df", METHODS)
def test_intervals_are_what_the_tests_do_not_refuse(df: Any) -> None:
    fit = serial()
    table = fit.intervals(0.9, which="fixed", df=df)["fixed"]
    for name, limits in table.iterrows():
        for limit in (limits["lower"], limits["upper"]):
            f, den = small_sample(fit, df).test(
                np.array([[1.0 if n == name else 0.0 for n in table.index]])
            )
            scale = (limit - limits["est."]) / limits["est."]
            assert float(f_tail(f * scale**2, 1, den)) == pytest.approx(0.1, rel=1e-8)


def test_interval_of_a_new_group_by_hand() -> None:
    # one way, balanced: the variance is a sum of mean squares, which Satterthwaite's formula is for
    rails = bayeslme.load_data("Rail")
    fit = bayeslme.lme("travel ~ 1", rails, "~ 1 | Rail")
    groups, t = rails.groupby("Rail", observed=True)["travel"], 3
    g = len(groups)
    between, within = t * groups.mean().var(), groups.var().mean()
    parts = np.array([between * (1 + 1 / g) / t, within * (1 - 1 / t)])
    den = parts.sum() ** 2 / np.sum(parts**2 / [g - 1, g * (t - 1)])
    table = fit.predict(rails.head(1), level=0, interval=0.9, df="satterthwaite").iloc[0]
    expected = stdtrit(den, 0.95) * np.sqrt(parts.sum())
    assert table["upper"] - table["fit"] == pytest.approx(expected, rel=1e-6)


def test_interval_of_a_new_response_of_two_samples() -> None:
    data = bayeslme.load_data("Orthodont").query("age == 8")
    fit = bayeslme.gls("distance ~ Sex", data, weights=VarIdent(form="~ 1 | Sex"))
    samples = data.groupby("Sex", observed=True)["distance"]
    n, sd = samples.size(), samples.std()
    table = fit.predict(interval=0.95, df="satterthwaite").groupby(data["Sex"], observed=True)
    found = table["upper"].first() - table["fit"].first()
    expected = stdtrit(n - 1, 0.975) * sd * np.sqrt(1 + 1 / n)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_interval_of_a_known_variance_is_normal() -> None:
    data = bayeslme.load_data("Orthodont")
    held = bayeslme.gls("distance ~ age", data, control={"sigma": 2.0})
    normal = held.predict(interval=0.95, df="satterthwaite")
    pd.testing.assert_frame_equal(normal, held.predict(interval=0.95))


def test_forecasts_have_degrees() -> None:
    fit = serial()
    later = bayeslme.load_data("Orthodont").groupby("Subject", observed=True).tail(1)
    tables = [
        fit.predict(later.assign(age=16.0), use_correlation=True, interval=0.9, df=df)
        for df in ("residual", "satterthwaite")
    ]
    width = [t["upper"] - t["lower"] for t in tables]
    assert (width[1] > width[0]).all() and (width[1] < 1.2 * width[0]).all()


def test_mean_matched() -> None:
    assert mean_matched(np.array([7.0, 7.0])) == 7.0
    each = np.array([5.0, 12.0])
    mean = np.mean(each / (each - 2))  # of F
    den = mean_matched(each)
    assert den / (den - 2) == pytest.approx(mean)
    assert mean_matched(np.array([1.5, 9.0])) == 2.0
    assert mean_matched(np.array([0.01, 9.0])) == 0.01


def test_zero_variance_is_said() -> None:
    notes = stored_fit("zero").anova(df="satterthwaite").attrs["notes"]
    assert any("count as known" in note for note in notes)


def test_more_parameters_than_the_subjects_can_tell() -> None:
    data = bayeslme.load_data("Orthodont")
    few = data[data["Subject"].isin(["M01", "M02", "F01", "F02"])]
    data_of_visits = few.assign(age=few["age"].astype(int).astype(str).str.zfill(2))
    with pytest.warns(UserWarning, match="converge"):
        fit = bayeslme.gls(
            "distance ~ age * Sex",
            data_of_visits,
            correlation=CorSymm(form="~ 1 | Subject"),
            weights=VarIdent(form="~ 1 | age"),
        )
    with pytest.raises(FitError, match="no positive variance"):
        fit.anova(df="kenward-roger")
    table = fit.anova("marginal", df="satterthwaite")
    assert table.loc["age:Sex", "denDF"] < 0.1 and table.loc["age:Sex", "p-value"] > 0.9


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = stored_fit("intercepts")
    with pytest.raises(SpecError, match="'satterthwaite', 'kenward-roger'"):
        fit.anova(df="kr")  # type: ignore[arg-type]
    with pytest.raises(FitError, match="by REML"):
        stored_fit("slopes_ml").summary("kenward-roger")
    data = bayeslme.load_data("Orthodont")
    mode = bayeslme.lme(
        "distance ~ age", data, "~ 1 | Subject", priors={"sigma": "HalfNormal(sigma=5)"}
    )
    with pytest.raises(FitError, match="without priors"):
        mode.anova(df="satterthwaite")
    with pytest.raises(FitError, match="not asked for"):
        fit.intervals(which="var-cov", df="satterthwaite")
    with pytest.raises(FitError, match=r"interval=0\.95"):
        fit.predict(df="satterthwaite")
    with pytest.raises(FitError, match="level=0"):
        fit.predict(interval=0.9, df="kenward-roger")
    monkeypatch.setattr(settings, "INFERENCE", settings.InferenceSettings(max_group_rows=3))
    with pytest.raises(FitError, match="Subject group has 4 rows"):
        response_covariance.Covariance(fit.estimate)


def _dense_kenward_roger(
    fit: bayeslme.GlsFit, at: Any, start: np.ndarray, *, bent: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted errors and degrees of freedom from V as a function of its parameters, dense."""
    x, y = fit.design.X, fit.design.y
    k = len(start)
    h = 1e-4 * np.maximum(np.abs(start), 0.1)
    steps = np.diag(h)

    def loglik(par: np.ndarray) -> float:
        v = at(par)
        w = np.linalg.inv(v)
        a = x.T @ w @ x
        r = y - x @ np.linalg.solve(a, x.T @ w @ y)
        return float(-0.5 * (np.linalg.slogdet(v)[1] + np.linalg.slogdet(a)[1] + r @ w @ r))

    def second(f: Any, i: int, j: int) -> Any:
        signs = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
        values = (c * f(start + a * steps[i] + b * steps[j]) for a, b, c in signs)
        return sum(values) / (4 * h[i] * h[j])

    information = -np.array([[second(loglik, i, j) for j in range(k)] for i in range(k)])
    w = np.linalg.inv(information)
    inverse = np.linalg.inv(at(start))
    phi = np.linalg.inv(x.T @ inverse @ x)
    slopes = [(at(start + s) - at(start - s)) / (2 * s.sum()) for s in steps]
    left = [inverse @ s @ inverse for s in slopes]
    p = [-x.T @ one @ x for one in left]
    middle = np.zeros_like(phi)
    for i in range(k):
        for j in range(k):
            q = x.T @ left[i] @ slopes[j] @ inverse @ x
            middle += w[i, j] * (q - p[i] @ phi @ p[j])
            if bent:
                middle -= w[i, j] / 4 * x.T @ inverse @ second(at, i, j) @ inverse @ x
    adjusted = phi + 2 * phi @ middle @ phi
    g = np.array([[phi[c] @ one @ phi[c] for one in p] for c in range(len(phi))])
    df = 2 * np.diag(phi) ** 2 / np.einsum("ck,kl,cl->c", g, w, g)
    return np.sqrt(np.diag(adjusted)), df


def _serial_covariance(fit: bayeslme.GlsFit, strata: np.ndarray) -> tuple[Any, np.ndarray]:
    """V of an AR(1) by variances of strata and Phi, and these at the estimates."""
    code = fit.data["Subject"].cat.codes.to_numpy()
    visit = (fit.data["age"].to_numpy() - 8) / 2
    same = code[:, None] == code
    lag = np.abs(visit[:, None] - visit)

    def at(par: np.ndarray) -> np.ndarray:
        sd = np.sqrt(par[:-1])[strata]
        return same * np.outer(sd, sd) * par[-1] ** lag

    variances = np.diag(fit.marginal_cov().to_numpy())
    own = [variances[strata == s][0] for s in range(strata.max() + 1)]
    return at, np.array([*own, float(fit.correlation_coef.iloc[0])])


@pytest.mark.parametrize("weights", [None, VarIdent(form="~ 1 | Sex")])
@pytest.mark.parametrize("form", ["kenward-roger-linear", "kenward-roger-observed"])
def test_observed_information_against_dense_matrices(weights: Any, form: Any) -> None:
    data = bayeslme.load_data("Orthodont").assign(visit=lambda d: (d["age"] - 8) / 2)
    data = data.drop(index=[2, 17, 50, 51])
    fit = bayeslme.gls(
        "distance ~ Sex * age", data, correlation=CorAR1(form="~ visit | Subject"), weights=weights
    )
    strata = np.zeros(len(data), int) if weights is None else data["Sex"].cat.codes.to_numpy()
    at, start = _serial_covariance(fit, strata)
    error, df = _dense_kenward_roger(fit, at, start, bent=form.endswith("observed"))
    table = fit.summary(df=form).fixed
    np.testing.assert_allclose(table["Std.Error"], error, rtol=2e-6)
    np.testing.assert_allclose(table["DF"], df, rtol=1e-4)


def test_linear_structures_have_no_second_derivatives() -> None:
    """Unstructured and compound symmetric: the observed form is the linear one."""
    for fit in (unstructured(), growth(correlation=CorCompSymm(form="~ 1 | Subject"))):
        tables = [fit.summary(df=f"kenward-roger-{k}").fixed for k in ("linear", "observed")]
        np.testing.assert_allclose(*(t["Std.Error"] for t in tables), rtol=1e-10)


def test_counted_degrees() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ Sex * age", data, "~ age | Subject")
    within = 108 - 27 - 2
    assert fit.summary(df="between-within").fixed["DF"].tolist() == [within, 25, within, within]
    assert fit.summary(df="residual").fixed["DF"].tolist() == [104] * 4
    table = fit.anova("marginal", df="between-within")
    assert table["denDF"].tolist() == [within, 25, within, within]
    means = fit.means("Sex", at={"age": 11}, df="between-within").table
    assert means["DF"].tolist() == [within, 25]
    new = data.iloc[[0, 80]]
    rules = {"between-within": [within, 25], "residual": [104, 104]}
    widths = []
    for df, left in rules.items():
        table = fit.predict(new, level=0, interval=0.9, se=True, df=df)  # type: ignore[arg-type]
        half = (table["upper"] - table["fit"]).to_numpy()
        widths.append(half / stdtrit(np.array(left), 0.95))
    np.testing.assert_allclose(*widths)
    with pytest.raises(FitError, match="no groups"):
        bayeslme.gls("distance ~ age", data, weights=VarIdent(form="~ 1 | Sex")).summary(
            df="between-within"
        )
