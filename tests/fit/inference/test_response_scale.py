"""Means of a transformed response on the scale of the response."""

import numpy as np
import pytest

from bayeslme import FitError, lme, load_data
from bayeslme.fit.inference.response_scale import response_scale
from bayeslme.formula.grammar import parse_expression

Y = np.array([0.3, 1.7, 2.9])
FORWARD = {
    "log(y)": np.log(Y),
    "log2(3 * y)": np.log2(3 * Y),
    "log10(y / 2 + 1)": np.log10(Y / 2 + 1),
    "log1p(y)": np.log1p(Y),
    "sqrt(y)": np.sqrt(Y),
    "I(y^2)": Y**2,
    "I(1 / y)": 1 / Y,
    "-(y - 5) * 2": -(Y - 5) * 2,
    "exp(y / 3)": np.exp(Y / 3),
    "expm1(2 - y)": np.expm1(2 - Y),
    "100 * log(y)": 100 * np.log(Y),
}


@pytest.mark.parametrize("left", FORWARD)
def test_the_way_back(left: str) -> None:
    scale = response_scale(parse_expression(left))
    assert scale is not None
    z = FORWARD[left]
    np.testing.assert_allclose(scale.back(z), Y, rtol=1e-13)
    h = 1e-6
    numeric = (scale.back(z + h) - scale.back(z - h)) / (2 * h)
    np.testing.assert_allclose(scale.slope(z), numeric, rtol=1e-7)


@pytest.mark.parametrize(
    ("left", "ratios"),
    [("log(y)", True), ("log10(2 * y)", True), ("log(y / 3)", True), ("log(y + 1)", False)],
)
def test_differences_of_logarithms_are_ratios(left: str, ratios: bool) -> None:
    scale = response_scale(parse_expression(left))
    assert scale is not None
    assert scale.ratios == ratios


@pytest.mark.parametrize("left", ["y + x", "sin(y)", "log(y, 2)", "y^0", "y * z"])
def test_no_way_back(left: str) -> None:
    with pytest.raises(FitError, match="no way back from"):
        response_scale(parse_expression(left))


def test_as_emmeans() -> None:
    # emmeans 1.8.4-1: f <- lme(log(distance) ~ Sex, Orthodont, ~ 1 | Subject);
    # pairs(emmeans(f, "Sex", type = "response")), with limits
    fit = lme("log(distance) ~ Sex", load_data("Orthodont"), "~ 1 | Subject")
    means = fit.means("Sex", type="response")
    assert means.table["Value"].round(1).tolist() == [24.8, 22.5]
    assert means.table["Std.Error"].round(3).tolist() == [0.506, 0.554]
    ratio = means.contrasts().table
    assert list(ratio.index) == ["Male / Female"]
    expected = [1.1012436, 0.03516398, 1.0311521, 1.1760996]
    found = ratio[["Value", "Std.Error", "lower", "upper"]].to_numpy()[0]
    np.testing.assert_allclose(found, expected, atol=6e-8)
    assert "tests are on the scale of log(distance)" in str(means.contrasts())
    assert "means are on the scale of log(distance)" in str(fit.means("Sex"))


def test_limits_stay_in_order_on_a_falling_scale() -> None:
    fit = lme("I(1 / distance) ~ Sex", load_data("Orthodont"), "~ 1 | Subject")
    table = fit.means("Sex", type="response").table
    assert (table["lower"] < table["Value"]).all()
    assert (table["Value"] < table["upper"]).all()


def test_slopes_are_on_the_scale_of_the_model() -> None:
    fit = lme("log(distance) ~ age * Sex", load_data("Orthodont"), "~ 1 | Subject")
    with pytest.raises(FitError, match="slopes are on the scale of the model"):
        fit.means("Sex", slope="age", type="response")
