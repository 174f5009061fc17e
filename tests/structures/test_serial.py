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
    limits, wide = (f.intervals()["corstruct"].loc["Phi", ["lower", "upper"]] for f in (fit, other))
    near = np.log(limits.astype(float) / (1 - limits.astype(float)))  # nlme's scale
    # on that scale the limits are in proportion, but for the log(1 - Phi) of the short unit
    np.testing.assert_allclose(np.log(wide.astype(float)), unit * near, rtol=3e-3)


def test_a_unit_of_time_that_no_number_can_follow_is_told() -> None:
    data = bayeslme.load_data("ovary")
    data["long"] = data["Time"] / 1000
    with pytest.warns(UserWarning, match="corCAR1: Phi is below the smallest number"):
        bayeslme.gls("follicles ~ 1", data, correlation=CorCAR1(form="~ long | Mare"))
