"""Serial correlation: what a unit of time may not change."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme import CorCAR1


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
