"""Separate fits by group: values, residuals, and how they show themselves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import DataError, FitError, SpecError
from bayeslme.fit.lmlist import LmList


@pytest.fixture(scope="module")
def fits() -> LmList:
    return bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("Orthodont"))


def test_values_are_those_of_each_group_alone(fits: LmList) -> None:
    own = fits.data[fits.data["Subject"] == "M13"]
    alone = bayeslme.lm("distance ~ age", own)
    np.testing.assert_allclose(fits.fitted()[own.index], alone.fitted())
    np.testing.assert_allclose(fits.residuals()[own.index], alone.residuals())
    squares = float((fits.residuals("pearson") ** 2).sum())
    assert squares == pytest.approx(fits.df)
    with pytest.raises(FitError, match="'normalized' is none of"):
        fits.residuals("normalized")  # type: ignore[arg-type]


def test_groups_without_coefficients_have_no_values() -> None:
    data = bayeslme.load_data("Orthodont")
    kept = data[(data["Subject"] != "M13") | (data["age"] == 8)]
    fits = bayeslme.lmlist("distance ~ age | Subject", kept)
    missing = fits.fitted().isna()
    assert kept.loc[missing, "Subject"].unique().tolist() == ["M13"]


def test_predictions_are_each_groups_own(fits: LmList) -> None:
    new = pd.DataFrame({"age": [10, 16, 16], "Subject": ["M13", "M13", "Z01"]})
    intercept, slope = fits.coef().loc["M13"]
    want = [intercept + 10 * slope, intercept + 16 * slope, np.nan]
    np.testing.assert_allclose(fits.predict(new), want)
    np.testing.assert_allclose(fits.predict(fits.data), fits.fitted())
    with pytest.raises(DataError, match=r"column 'Subject' \(groups\) is not in the data"):
        fits.predict(new[["age"]])


def test_curves_beside_those_of_a_mixed_model(fits: LmList) -> None:
    mixed = bayeslme.lme("distance ~ age", fits.data, "~ age | Subject")
    table = bayeslme.compare_pred(fits, mixed, names=["alone", "mixed"], length=2)
    chosen = table[(table[".groups"] == "F10") & (table["age"] == 14.0)].set_index(".type")
    assert chosen.loc["alone", "distance"] == pytest.approx(fits.coef().loc["F10"] @ [1, 14])
    assert chosen.loc["mixed", "distance"] == pytest.approx(mixed.coef().loc["F10"] @ [1, 14])
    with pytest.raises(SpecError, match="groups of their own"):
        fits.aug_pred(groups="Sex")


def test_coefficients_side_by_side(fits: LmList) -> None:
    mixed = bayeslme.lme("distance ~ age", fits.data, "~ 1 | Subject")
    both = bayeslme.compare_fits(fits, mixed, names=["alone", "mixed"])
    assert list(both) == ["(Intercept)", "age"]
    pd.testing.assert_series_equal(both["age"]["alone"], fits.coef()["age"], check_names=False)
    assert both["age"]["mixed"].nunique() == 1
    axes = both.plot(mark=mixed.fixef)
    alone, shrunk = axes[0].lines[1:]
    np.testing.assert_allclose(alone.get_xdata(), fits.coef()["(Intercept)"])
    np.testing.assert_allclose(shrunk.get_xdata(), mixed.coef()["(Intercept)"])
    assert axes[1].lines[0].get_xdata()[0] == mixed.fixef["age"]
    plt.close("all")
    with pytest.raises(FitError, match="mark: 'Sex' is no coefficient"):
        both.plot(mark={"Sex": 1.0})
    with pytest.raises(FitError, match="group 'M16' is not in both"):
        bayeslme.compare_fits(fits, mixed.coef().drop(index="M16"))
    with pytest.raises(FitError, match="argument 2 has no coefficients by group"):
        bayeslme.compare_fits(fits, bayeslme.lm("distance ~ age", fits.data))  # type: ignore[arg-type]
    with pytest.raises(FitError, match="at least two"):
        bayeslme.compare_fits(fits)


def test_tables_show_themselves(fits: LmList) -> None:
    assert str(fits.summary()).startswith("(Intercept)\n    Value Std.Error")
    assert fits.intervals()._repr_html_().count("<table") == 2
    oats = bayeslme.lme("yield ~ nitro", bayeslme.load_data("Oats"), "~ 1 | Block/Variety")
    both = oats.ranef(se=True)
    assert set(both) == {"Block", "Variety"}
    assert "est. (Intercept) se (Intercept)" in str(both)
    assert "<th>se (Intercept)</th>" in both._repr_html_()  # type: ignore[union-attr]


def test_options_are_those_of_the_rows_and_columns_they_stand_for() -> None:
    """subset, na_action and contrasts give what the data or the formula changed by hand give."""
    data = bayeslme.load_data("Orthodont")
    holed = data.assign(distance=data["distance"].where(data["age"] != 10))
    late, whole = data[data["age"] > 8], data[data["age"] != 10]
    for one in (bayeslme.lm, bayeslme.lmlist):
        formula = "distance ~ age | Subject" if one is bayeslme.lmlist else "distance ~ age"
        chosen, by_hand = one(formula, data, subset="age > 8"), one(formula, late)
        np.testing.assert_array_equal(chosen.fitted(), by_hand.fitted())
        omitted, by_hand = one(formula, holed, na_action="omit"), one(formula, whole)
        np.testing.assert_array_equal(omitted.fitted(), by_hand.fitted())
        with pytest.raises(DataError, match="distance"):
            one(formula, holed)
    sums = bayeslme.lm("distance ~ Sex", data, contrasts={"Sex": "sum"})
    of_sex = data.groupby("Sex", observed=True)["distance"].mean()
    assert sums.fixef.iloc[0] == pytest.approx(of_sex.mean())


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("unit", [1.0, 1000.0, 1e-8])
@pytest.mark.parametrize("level", [0.0, 1e6])
def test_a_response_that_each_group_reproduces_is_refused_as_by_lm(
    level: float, unit: float, shuffled: bool
) -> None:
    x, g = np.tile(np.arange(6.0), 8), np.repeat(np.arange(8), 6)
    data = pd.DataFrame({"x": x, "g": g, "y": (level + 3 + x * (2 + g % 5)) * unit})
    data = data.sample(frac=1, random_state=1) if shuffled else data
    with pytest.raises(FitError, match="each g reproduce the response exactly"):
        bayeslme.lmlist("y ~ x | g", data)
    with pytest.raises(FitError, match="exactly"):
        bayeslme.lm("y ~ x * factor(g)", data)
    noisy = data.assign(y=data["y"] + unit * 1e-3 * np.sin(7.0 * np.arange(48)))
    assert bayeslme.lmlist("y ~ x | g", noisy).sigma > 1e-4 * unit
