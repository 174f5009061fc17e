"""Predictions against the joint Gaussian of old and new responses, written out densely."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.engine.prediction import settings
from bayeslme.errors import DataError, FitError
from bayeslme.structures import CorAR1, CorExp, VarConstPower, VarPower

EXACT = {"rtol": 1e-8, "atol": 1e-8}
CALLS = [
    "lm(y ~ x * s, data = d)",
    "lme(y ~ x, random = ~ 1 | a, data = d)",
    "lme(y ~ x, random = ~ x | a, data = d, method = 'ML')",
    "lme(y ~ x * s, random = ~ 1 | a/b, data = d)",
    "lme(y ~ x, random = list(a = pdDiag(~ x), b = ~ 1), data = d)",
    "lme(y ~ x, random = ~ 1 | a/b, weights = varPower(form = ~ w), data = d)",
    "lme(y ~ x, random = ~ 1 | a, weights = varIdent(form = ~ 1 | s), data = d)",
]
SERIAL = [
    "lme(y ~ x, random = ~ 1 | a, correlation = corAR1(form = ~ t | a), data = d)",
    "lme(y ~ x, random = ~ 1 | a/b, correlation = corAR1(form = ~ t | a/b),"
    " weights = varIdent(form = ~ 1 | s), data = d, method = 'ML')",
    "lme(y ~ x, random = ~ 1 | a, correlation = corCAR1(form = ~ t | a),"
    " weights = varExp(form = ~ w), data = d)",
    "lme(y ~ x, random = ~ 1 | a, correlation = corARMA(c(.3, .2), form = ~ t | a, p = 1, q = 1),"
    " data = d, method = 'ML')",
    "gls(y ~ x, correlation = corExp(form = ~ t + w | a, nugget = TRUE), data = d)",
    "gls(y ~ x, correlation = corSpher(4, form = ~ t | a), weights = varPower(form = ~ w),"
    " data = d)",
    "gls(y ~ x, correlation = corGaus(form = ~ t + w), data = d)",
    "gls(y ~ x, correlation = corCompSymm(form = ~ 1 | a), data = d)",
    "gls(y ~ x, correlation = corSymm(form = ~ v | a/b), data = d, method = 'ML')",
]


@pytest.fixture(scope="module")
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Observed and new rows: two nested levels, times 0 to 3 observed with gaps."""
    rng = np.random.default_rng(5)
    rows = [(a, b) for a in range(7) for b in range(2)]
    d = pd.DataFrame([(a, b, t) for a, b in rows for t in range(4)], columns=["a", "b", "t"])
    n = len(d)
    d["v"], d["t"] = d["t"], d["t"] + 4 * d["b"]
    d["x"], d["w"] = rng.normal(size=n), rng.uniform(1, 4, n)
    d["s"] = pd.Categorical(np.where(rng.random(n) < 0.5, "u", "v"))
    noise = rng.normal(size=n)
    noise[1:] = 0.5 * noise[:-1] + noise[1:]
    effect = rng.normal(size=7)[d["a"]] + rng.normal(scale=0.7, size=(7, 2))[d["a"], d["b"]]
    d["y"] = 1 + 2 * d["x"] + effect * (1 + 0.4 * d["x"]) + 0.4 * d["w"] * noise
    d = d.sample(frac=1.0, random_state=2).reset_index(drop=True)
    new = rng.random(n) < 0.25
    return d[~new].reset_index(drop=True), d[new].reset_index(drop=True)


def fitted_model(call: str, d: pd.DataFrame) -> bayeslme.Fit:
    return bayeslme.translate(call).fit(d)


def joint(fit: bayeslme.Fit, both: pd.DataFrame) -> tuple[bayeslme.Fit, np.ndarray, np.ndarray]:
    """The fit's parameters in a design of all rows: covariances of b's part and of the residuals.

    Taken from the definitions, not from the engine's route.
    """
    from dataclasses import replace

    from bayeslme.data.design import build
    from bayeslme.engine import build_problem
    from bayeslme.fit.values.covariance import _residual

    design = build(fit.spec, both)
    problem = build_problem(design)
    log_sd = np.zeros(len(both))
    if problem.variance is not None:
        bound = problem.variance
        log_sd[problem.order] = bound.structure.log_sd(fit.estimate.varfunc, bound.coords)
    estimate = replace(fit.estimate, problem=problem, log_sd=log_sd)
    whole = type(fit)(fit.spec, design, estimate, both)
    residual = _residual(whole, np.arange(len(both)))
    random = np.zeros_like(residual)
    for level, factor in zip(design.levels, estimate.factors, strict=True):
        root = fit.sigma * level.Z @ factor
        random += (root @ root.T) * np.equal.outer(level.code, level.code)
    return whole, random, residual


def universal_kriging(
    x: np.ndarray, v: np.ndarray, y: np.ndarray, x0: np.ndarray, c: np.ndarray, v0: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of targets with design x0, covariance c (n, m) with y, own variance v0."""
    inverse = np.linalg.inv(v)
    cov = np.linalg.inv(x.T @ inverse @ x)
    beta = cov @ x.T @ inverse @ y
    d = x0 - c.T @ inverse @ x
    mean = x0 @ beta + c.T @ inverse @ (y - x @ beta)
    return mean, v0 - np.einsum("nm,nk,km->m", c, inverse, c) + np.einsum("mp,pq,mq->m", d, cov, d)


@pytest.mark.parametrize("call", CALLS)
def test_means_and_intervals(call: str, frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    old, new = frames
    fit = fitted_model(call, old)
    whole, _, residual = joint(fit, pd.concat([old, new], ignore_index=True))
    design, n = whole.design, len(old)
    _, random, _ = joint(fit, pd.concat([old, new], ignore_index=True))
    v = (random + residual)[:n, :n]
    for depth in range(len(design.levels) + 1):
        part, deeper = np.zeros_like(v, shape=residual.shape), np.zeros(len(residual))
        for k, (level, factor) in enumerate(
            zip(design.levels, whole.estimate.factors, strict=True)
        ):
            root = fit.sigma * level.Z @ factor
            if k < depth:
                part += (root @ root.T) * np.equal.outer(level.code, level.code)
            else:
                deeper += np.square(root).sum(axis=1)
        mean, variance = universal_kriging(
            design.X[:n], v, design.y[:n], design.X[n:], part[:n, n:], np.diagonal(part)[n:]
        )
        table = fit.predict(new, depth, se=True, interval=0.9)
        assert list(table.columns) == ["fit", "se", "lower", "upper"]
        np.testing.assert_allclose(table["fit"], mean, **EXACT)
        np.testing.assert_allclose(table["fit"], fit.predict(new, depth), **EXACT)
        np.testing.assert_allclose(np.square(table["se"]), variance, **EXACT)
        total = variance + np.diagonal(residual)[n:] + deeper[n:]
        half = (table["upper"] - table["lower"]) / 2
        ratio = half / np.sqrt(total)
        np.testing.assert_allclose(ratio, ratio.iloc[0], **EXACT)
        assert 1.65 < ratio.iloc[0] < 1.75


@pytest.mark.parametrize("call", SERIAL)
def test_conditional_on_residuals(call: str, frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    old, new = frames
    fit = fitted_model(call, old)
    both = pd.concat([old, new], ignore_index=True)
    whole, random, residual = joint(fit, both)
    design, n, v = whole.design, len(old), random + residual
    mean, variance = universal_kriging(
        design.X[:n], v[:n, :n], design.y[:n], design.X[n:], v[:n, n:], np.diagonal(v)[n:]
    )
    table = fit.predict(new, se=True, use_correlation=True)
    np.testing.assert_allclose(table["fit"], mean, **EXACT)
    np.testing.assert_allclose(np.square(table["se"]), variance, **EXACT)
    np.testing.assert_array_equal(fit.predict(new, use_correlation=True), table["fit"])


@pytest.mark.parametrize("call", SERIAL)
def test_observed_rows(call: str, frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Without a nugget an observed row is its own observation; a nugget leaves its share out."""
    fit = fitted_model(call, frames[0])
    again = fit.predict(se=True, use_correlation=True)
    if "nugget" not in call:
        np.testing.assert_allclose(again["fit"], fit.design.y, rtol=1e-7)
        assert (again["se"] < 1e-3 * fit.sigma).all()
        return
    residual = joint(fit, frames[0])[2]
    share = 1 - float(fit.correlation_coef["nugget"])
    across = np.where(np.eye(len(residual), dtype=bool), share * residual, residual)
    mean, variance = universal_kriging(
        fit.design.X, residual, fit.design.y, fit.design.X, across, np.diagonal(residual)
    )
    np.testing.assert_allclose(again["fit"], mean, **EXACT)
    np.testing.assert_allclose(np.square(again["se"]), variance, **EXACT)


@pytest.mark.parametrize("call", [call for call in CALLS + SERIAL if call.startswith("lme")])
def test_errors_of_random_effects(call: str, frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    fit = fitted_model(call, frames[0])
    whole, random, residual = joint(fit, frames[0])
    v, design = random + residual, whole.design
    for level, factor in zip(design.levels, fit.estimate.factors, strict=True):
        psi = fit.sigma**2 * factor @ factor.T
        table = fit.ranef(level.group, se=True)
        for g in range(len(level.labels)):
            member = (level.code == g)[:, None]
            mean, variance = universal_kriging(
                design.X,
                v,
                design.y,
                np.zeros((len(psi), design.X.shape[1])),
                np.where(member, level.Z, 0.0) @ psi,
                np.diagonal(psi),
            )
            np.testing.assert_allclose(table["est."].iloc[g], mean, **EXACT)
            np.testing.assert_allclose(np.square(table["se"].iloc[g]), variance, **EXACT)


def test_unknown_groups_have_a_mean_at_the_fixed_level_only() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ age", data, "~ age | Subject")
    new = pd.DataFrame({"age": [8.0, 9.0, 8.0], "Subject": ["M01", "someone", None]})
    inner = fit.predict(new, se=True, interval=0.95)
    assert inner.notna().all(axis=1).tolist() == [True, False, False]
    outer = fit.predict(new.drop(columns="Subject"), 0, se=True, interval=0.95)
    assert outer.notna().all().all()
    wide = np.sqrt(np.diagonal(fit.marginal_cov("M01"))[0] + outer["se"][0] ** 2)
    np.testing.assert_allclose(
        (outer["upper"] - outer["fit"])[0] / wide, 1.983, atol=1e-3
    )  # t on 106


def test_rows_without_a_position_follow_the_observed_ones() -> None:
    """An AR(1) forecast falls off geometrically."""
    data = bayeslme.load_data("Ovary")
    fit = bayeslme.gls("follicles ~ 1", data, correlation=CorAR1(form="~ 1 | Mare"))
    new = pd.DataFrame({"Mare": ["1", "1", "1", "strange"]})
    table = fit.predict(new, se=True, use_correlation=True)
    phi, mean = float(fit.correlation_coef["Phi"]), float(fit.fixef.iloc[0])
    last = data.loc[data["Mare"].astype(str) == "1", "follicles"].iloc[-1] - mean
    expected = mean + last * np.array([phi, phi**2, phi**3, 0.0])
    np.testing.assert_allclose(table["fit"], expected, rtol=1e-10)
    assert table["se"].is_monotonic_increasing


def test_missing_values_and_weights_by_fitted_values() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", weights=VarPower())
    new = data.head(4).assign(age=[8.0, np.nan, 12.0, 14.0])
    table = fit.predict(new, interval=0.95)
    assert list(table.columns) == ["fit", "lower", "upper"]
    assert table.notna().all(axis=1).tolist() == [True, False, True, True]
    observed = fit.predict(se=True, interval=0.95)
    sd = fit.sigma * np.exp(fit.estimate.log_sd)
    width = (observed["upper"] - observed["lower"]) / 2
    ratio = width / np.hypot(sd, observed["se"])
    np.testing.assert_allclose(ratio, ratio.iloc[0], rtol=1e-6)


def test_refusals() -> None:
    data = bayeslme.load_data("Ovary")
    plain = bayeslme.lme("follicles ~ Time", data, "~ 1 | Mare")
    with pytest.raises(FitError, match="no correlation structure"):
        plain.predict(use_correlation=True)
    with pytest.raises(FitError, match="interval"):
        plain.predict(interval=95)
    serial = plain.update(correlation=CorAR1())
    with pytest.raises(FitError, match="innermost"):
        serial.predict(level=0, use_correlation=True)
    by_residual = plain.update(
        weights=VarConstPower(form="~ resid(.)", fixed={"const": 10.0, "power": 1.0})
    )
    with pytest.raises(FitError, match=r"resid\(\.\)"):
        by_residual.predict(interval=0.9)
    visits = bayeslme.gls(
        "distance ~ age",
        bayeslme.load_data("Orthodont"),
        correlation=bayeslme.CorSymm(form="~ age | Subject"),
    )
    late = pd.DataFrame({"age": [16.0], "Subject": ["M01"]})
    with pytest.raises(DataError, match="none of the 4"):
        visits.predict(late, use_correlation=True)
    negative = bayeslme.gls(
        "y ~ 1",
        pd.DataFrame({"y": [1.0, -1.1, 2.0, -1.9, 0.5, -0.6], "g": [0, 0, 1, 1, 2, 2]}),
        correlation=bayeslme.CorCompSymm(form="~ 1 | g"),
    )
    with pytest.raises(FitError, match="no correlation matrix"):
        negative.predict(pd.DataFrame({"g": [0]}), use_correlation=True)


def test_long_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PREDICTION", settings.PredictionSettings(max_dense_rows=10))
    data = bayeslme.load_data("Ovary")
    fit = bayeslme.gls("follicles ~ Time", data, correlation=CorExp(form="~ Time | Mare"))
    with pytest.raises(FitError, match="up to 10 rows"):
        fit.predict(use_correlation=True)
