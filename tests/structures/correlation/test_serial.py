"""Serial correlation: what a unit of time may not change."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorCAR1
from bayeslme.errors import SpecError
from bayeslme.fit.output.summary import notes


@pytest.mark.parametrize("unit", [4.0, 10.0, 40.0])
def test_the_unit_of_time_changes_only_the_name_of_a_correlation(unit):
    """Phi of a long unit is a tiny number: 7e-106 where Time is counted in forties of cycles."""
    data = bayeslme.load_data("ovary")
    data["long"] = data["Time"] / unit
    model = "follicles ~ sin(2 * pi * Time)"
    fit = bayeslme.gls(model, data, correlation=CorCAR1(form="~ Time | Mare"))
    other = bayeslme.gls(model, data, correlation=CorCAR1(form="~ long | Mare"))
    assert other.loglik == pytest.approx(fit.loglik, abs=1e-6)
    phi, far = fit.correlation_coef["Phi"], other.correlation_coef["Phi"]
    assert np.log(far) == pytest.approx(unit * np.log(phi), rel=1e-4)
    limits, wide = (
        f.intervals()["corstruct"].loc["Phi", ["lower", "upper"]].to_numpy(float)
        for f in (fit, other)
    )
    # Limits are formed on the logit scale, where log(Phi) moves by 1 - Phi times as much. Phi of
    # the long unit is so small that its logit is its logarithm.
    half = np.diff(np.log(limits / (1 - limits))) / 2 * (1 - phi)
    want = unit * (np.log(phi) + np.array([-1.0, 1.0]) * half)
    # Each half width has the rounding of its second differences: 1e-14 of the log-likelihood over
    # (5e-4)^2, some 1e-5 of it.
    np.testing.assert_allclose(np.log(wide), want, rtol=5e-5)


def test_a_unit_of_time_that_no_number_can_follow_is_told() -> None:
    data = bayeslme.load_data("ovary")
    data["long"] = data["Time"] / 1000
    with pytest.warns(UserWarning, match="corCAR1: Phi is below the smallest number"):
        bayeslme.gls("follicles ~ 1", data, correlation=CorCAR1(form="~ long | Mare"))


@pytest.mark.parametrize(("p", "q"), [(2, 0), (1, 1), (0, 1), (3, 2)])
def test_arma_of_steps_too_long_to_see_its_coefficients_is_refused(p: int, q: int) -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 8), "t": np.tile(np.arange(8), 6)})
    data["y"] = rng.normal(size=(6, 8)).cumsum(axis=1).ravel()
    for unit in (20_000, 86_400, 86_400 * 10**9):
        data["s"] = 10**9 + unit * data["t"]
        with pytest.raises(SpecError, match=f"{unit} or more steps apart"):
            bayeslme.gls("y ~ 1", data, bayeslme.CorARMA(form="~ s | g", p=p, q=q))
    days, again = (
        bayeslme.gls("y ~ 1", data, bayeslme.CorARMA(form=f"~ {time} | g", p=p, q=q)).loglik
        for time in ("t", f"I((s - 1e9) / {unit})")
    )
    assert days == pytest.approx(again, abs=1e-9)


@pytest.mark.parametrize("kind", [bayeslme.CorAR1, bayeslme.CorCAR1, bayeslme.CorARMA])
def test_a_correlation_that_is_printed_as_one_is_told_over_the_usual_step(kind: Any) -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 8), "t": np.tile(np.arange(8), 6)})
    data["y"] = rng.normal(size=(6, 8)).cumsum(axis=1).ravel()
    step = 86_400 * 10**9
    data["s"] = step * data["t"]
    order = {"p": 1} if kind is bayeslme.CorARMA else {}
    days, long = (
        bayeslme.gls("y ~ 1", data, kind(form=f"~ {time} | g", **order)) for time in ("t", "s")
    )
    assert not notes(days)
    (note,) = (one for one in notes(long) if "less than 1" in one)
    less, unit, over = (
        float(n) for n in re.findall(r"by (\S+); of times (\S+) apart it is (\S+)$", note)[0]
    )
    phi = days.correlation_coef.item()
    assert less == pytest.approx(-np.log(phi) / step, rel=1e-3)
    assert over == pytest.approx(phi ** (unit / step), rel=1e-3)


def test_more_coefficients_than_can_be_estimated_are_refused_before_the_work() -> None:
    for p, q in ((200, 200), (0, 10**9), (61, 0)):
        with pytest.raises(SpecError, match=f"p = {p}, q = {q} have more than 60"):
            bayeslme.CorARMA(p=p, q=q)
    assert bayeslme.CorARMA(p=53).p == 53
