"""Likelihoods without a maximum are refused by name, near-perfect fits are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import estimate
from bayeslme.engine.search.no_maximum import require_bound
from bayeslme.engine.search.optimise import Optimum
from bayeslme.errors import FitError
from reference.corpus import load_frame


def marked(rows: int) -> pd.DataFrame:
    """Orthodont with a stratum of its first rows."""
    frame = load_frame("Orthodont")
    return frame.assign(s=np.where(np.arange(len(frame)) < rows, "few", "rest"))


@pytest.mark.parametrize("random", ["~ distance | Subject", "~ Sex * distance | Subject"])
def test_effects_made_of_the_response_are_named(random: str) -> None:
    call = f"lme(distance ~ age, random = {random})"
    with pytest.raises(FitError, match="'Subject' take up all of the residual") as caught:
        bayeslme.translate(call).fit(load_frame("Orthodont"))
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("rows", "call"),
    [
        (1, "gls(distance ~ age + s, weights = varIdent(form = ~ 1 | s), method = 'ML')"),
        (2, "gls(distance ~ age * s, weights = varIdent(form = ~ 1 | s), method = 'ML')"),
        (
            2,
            "lme(distance ~ age * s, random = ~ 1 | Subject, weights = varIdent(form = ~ 1 | s), "
            "method = 'ML')",
        ),
    ],
)
def test_a_stratum_that_is_fitted_exactly_is_named(rows: int, call: str) -> None:
    with pytest.raises(FitError, match=f"varIdent.*standard deviation of {rows} of the") as caught:
        bayeslme.translate(call).fit(marked(rows))
    assert len(str(caught.value)) <= 300


def test_under_reml_such_a_stratum_changes_nothing() -> None:
    """Its rows' density integrates out with their coefficients; the variance keeps its start."""
    call = "gls(distance ~ age + s, weights = varIdent(form = ~ 1 | s))"
    fit = bayeslme.translate(call).fit(marked(1))
    alone = bayeslme.translate("gls(distance ~ age)").fit(load_frame("Orthodont").iloc[1:])
    np.testing.assert_allclose(fit.loglik, alone.loglik, atol=1e-8)
    np.testing.assert_allclose(fit.weights_coef["rest"], 1.0)


@pytest.mark.parametrize("noise", [1e-3, 1e-5])
def test_strata_of_very_different_precision_are_fitted(noise: float) -> None:
    rng = np.random.default_rng(1)
    x = np.linspace(0, 1, 60)
    s = np.where(np.arange(60) % 2, "sharp", "rough")
    y = 1 + x + rng.standard_normal(60) * np.where(s == "sharp", noise, 1.0)
    frame = pd.DataFrame({"y": y, "x": x, "s": s})
    fit = bayeslme.translate("gls(y ~ x, weights = varIdent(form = ~ 1 | s))").fit(frame)
    np.testing.assert_allclose(np.log(fit.weights_coef["sharp"] / noise), 0.0, atol=0.5)


def test_what_rounding_decides_has_no_likelihood() -> None:
    """Beside a row known to be exact the others' digits are lost; before that the top is flat."""
    frame = load_frame("Orthodont")
    frame = frame[(frame["Subject"] != "M01") | (frame["age"] == 8)]
    frame = frame.assign(s=np.where(frame["Subject"] == "M01", "alone", "rest"))
    call = "lme(distance ~ age, random = ~ 1 | Subject, weights = varIdent(form = ~ 1 | s))"
    found = estimate(build(bayeslme.translate(call), frame))
    theta = np.repeat(found.theta[None], 40, axis=0)
    theta[:, found.problem.theta_variance] = -np.arange(1.0, 41.0)[:, None]
    values = found.likelihood()(theta)
    there = np.isfinite(values)
    assert 10 < there.sum() < 20
    assert not there[there.sum() :].any()
    assert np.all(np.abs(np.diff(values[there])) < 0.2)  # 0.06 a step; rounding adds the rest


def test_a_row_alone_in_its_group_is_no_exact_fit() -> None:
    """Its group's random effect is the variance that is left where its own goes to zero."""
    frame = load_frame("Orthodont")
    frame = frame[(frame["Subject"] != "M01") | (frame["age"] == 8)]
    frame = frame.assign(s=np.where(frame["Subject"] == "M01", "alone", "rest"))
    call = "lme(distance ~ age, random = ~ 1 | Subject, weights = varIdent(form = ~ 1 | s))"
    found = estimate(build(bayeslme.translate(call), frame))
    likelihood, theta = found.likelihood(), found.theta.copy()
    theta[found.problem.theta_variance] = -15.0  # of "alone", over the rest
    value = float(likelihood(theta[None])[0])
    assert np.isfinite(value)
    require_bound(likelihood, Optimum(theta, value, np.zeros_like(theta), True, "", 1))  # no error
