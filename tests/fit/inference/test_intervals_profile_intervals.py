"""Profile-likelihood intervals: lme4's, and refits with the parameter held at a limit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

import bayeslme
from bayeslme.errors import FitError
from bayeslme.structures import CorAR1, PdDiag, VarIdent, VarPower

LME4 = json.loads((Path(__file__).parent / "profiles.json").read_text())
INTERPOLATED = 2e-5  # lme4 interpolates its profiles by splines
MODELS = {
    "orthodont": ("Orthodont", "distance ~ age + Sex", "~ 1 | Subject"),
    "oats": ("Oats", "yield ~ nitro", "~ 1 | Block/Variety"),
    "rail": ("Rail", "travel ~ 1", "~ 1 | Rail"),
    "dyestuff2": ("Dyestuff2", "Yield ~ 1", "~ 1 | Batch"),
    "sleepstudy": ("sleepstudy", "Reaction ~ Days", "~ Days | Subject"),
}


@pytest.mark.parametrize("name", MODELS)
def test_as_lme4(name: str) -> None:
    data, fixed, random = MODELS[name]
    fit = bayeslme.lme(fixed, bayeslme.load_data(data), random, method="ML")
    found = fit.intervals(0.9, method="profile")
    inner = [level.group for level in fit.design.levels[::-1]]
    rows = np.concatenate(
        [found[part][["lower", "upper"]].to_numpy() for part in (*inner, "sigma", "fixed")]
    )
    if name == "sleepstudy":
        rows = rows[[0, 2, 1, 3, 4, 5]]  # lme4's order: sd, correlation, sd
    expected = np.column_stack([LME4[name]["lower"], LME4[name]["upper"]])
    np.testing.assert_allclose(rows, expected, rtol=INTERPOLATED, atol=1e-9)


def dropped(fit: bayeslme.Fit, held: bayeslme.Fit) -> float:
    """Root deviance of a fit with a parameter held."""
    return float(np.sqrt(2 * (fit.loglik - held.loglik)))


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_refits_at_the_limits(method: str) -> None:
    fit = bayeslme.lme(
        "distance ~ age * Sex",
        bayeslme.load_data("Orthodont"),
        "~ 1 | Subject",
        correlation=CorAR1(form="~ 1 | Subject"),
        weights=VarIdent(form="~ 1 | Sex"),
        method=method,
    )
    found = fit.intervals(method="profile", which="var-cov")
    z = float(ndtri(0.975))
    for side in ("lower", "upper"):
        phi = float(found["corstruct"][side].iloc[0])
        held = fit.update(correlation=CorAR1(phi, form="~ 1 | Subject", fixed=True))
        np.testing.assert_allclose(dropped(fit, held), z, rtol=1e-5)
        ratio = found["varfunc"][side].to_dict()
        held = fit.update(weights=VarIdent(form="~ 1 | Sex", fixed=ratio))
        np.testing.assert_allclose(dropped(fit, held), z, rtol=1e-5)
        sigma = float(found["sigma"][side].iloc[0])
        held = fit.update(control={"sigma": sigma})
        np.testing.assert_allclose(dropped(fit, held), z, rtol=1e-5)


def test_far_from_quadratic() -> None:
    """Correlations whose Wald limits cannot be reached in one step; a limit at the bound."""
    machines = bayeslme.lme(
        "score ~ Machine", bayeslme.load_data("Machines"), "~ Machine | Worker", method="ML"
    )
    found = machines.intervals(method="profile", which="var-cov")["Worker"]
    wald = machines.intervals(which="var-cov")["Worker"]
    both = found[["lower", "upper"]].to_numpy() - wald[["lower", "upper"]].to_numpy()
    assert np.all(np.abs(both) > 1e-4)
    slopes = bayeslme.lme("distance ~ age", bayeslme.load_data("Orthodont"), "~ age | Subject")
    limits = slopes.intervals(method="profile", which="var-cov")["Subject"]
    assert limits.loc["sd((Intercept))", "lower"] == 0
    assert limits.loc["cor((Intercept),age)", "upper"] == 1
    without = slopes.update(random=PdDiag("~ age - 1"))
    assert dropped(slopes, without) < ndtri(0.975)


def test_what_is_said() -> None:
    data = bayeslme.load_data("Orthodont")
    reml = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", weights=VarPower())
    found = reml.intervals(method="profile")
    assert any("t intervals" in note for note in found.notes)
    assert any("held at its values" in note for note in found.notes)
    np.testing.assert_array_equal(found["fixed"], reml.intervals()["fixed"])
    plain = bayeslme.lm("distance ~ age", data)
    np.testing.assert_array_equal(
        plain.intervals(method="profile")["sigma"], plain.intervals()["sigma"]
    )
    with pytest.raises(FitError, match="is none of 'wald', 'profile'"):
        plain.intervals(method="exact")  # type: ignore[arg-type]


def test_sigma_alone() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.gls("distance ~ age", data, method="ML")
    found = fit.intervals(method="profile")
    for side in ("lower", "upper"):
        held = fit.update(control={"sigma": float(found["sigma"][side].iloc[0])})
        np.testing.assert_allclose(dropped(fit, held), ndtri(0.975), rtol=1e-5)
