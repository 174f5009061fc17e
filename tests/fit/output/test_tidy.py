"""Frames out of results, beside broom.mixed's numbers (make_broom.R)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import FitError
from bayeslme.fit.result import Fit

BROOM = json.loads(Path(__file__).with_name("broom.json").read_text())
# nlme and lme4 stop their searches at relative changes of 1e-6 or so; broom prints their numbers.
RELATIVE = 2e-4


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    growth = bayeslme.load_data("orthodont")
    by_age = "distance ~ age * Sex"
    return {
        "growth": bayeslme.lme(
            by_age,
            growth,
            "~ age | Subject",
            correlation=bayeslme.CorAR1(form="~ 1 | Subject"),
            weights=bayeslme.VarIdent(form="~ 1 | Sex"),
        ),
        "ml": bayeslme.lme(by_age, growth, "~ 1 | Subject", method="ML"),
        "pixel": bayeslme.lme(
            "pixel ~ day + I(day^2)", bayeslme.load_data("pixel"), {"Dog": "~ day", "Side": "~ 1"}
        ),
        "marginal": bayeslme.gls(
            by_age, growth, correlation=bayeslme.CorCompSymm(form="~ 1 | Subject")
        ),
        "line": bayeslme.lm("distance ~ age", growth),
        "sleep": bayeslme.lmer(
            "Reaction ~ Days + (Days | Subject)", bayeslme.load_data("sleepstudy")
        ),
    }


def equal(ours: pd.DataFrame, theirs: dict[str, Any], *, but: tuple[str, ...] = ()) -> None:
    for name, found in theirs.items():
        if name in but:
            continue
        values = found if isinstance(found, list) else [found]
        column = ours[name].tolist()
        if isinstance(values[0], str):
            assert column == values, name
        else:
            expected = np.array([np.nan if v is None else v for v in values], float)
            scale = np.nanmax(np.abs(expected))
            np.testing.assert_allclose(
                np.array(column, float),
                expected,
                rtol=RELATIVE,
                atol=RELATIVE * scale,
                err_msg=name,
            )


@pytest.mark.parametrize("name", ["growth", "ml", "pixel", "marginal", "line", "sleep"])
def test_fixed_effects_are_those_of_broom(fits: dict[str, Fit], name: str) -> None:
    # broom leaves p-values of lmer to lmerTest; an extreme p-value has few digits in common
    equal(fits[name].tidy(), BROOM[name]["tidy"], but=("p.value", "group"))
    if "p.value" in BROOM[name]["tidy"]:
        ours = np.log(fits[name].tidy()["p.value"].to_numpy())
        np.testing.assert_allclose(ours, np.log(BROOM[name]["tidy"]["p.value"]), rtol=1e-3)


@pytest.mark.parametrize("name", ["growth", "ml", "pixel", "marginal", "line", "sleep"])
def test_glance_is_that_of_broom(fits: dict[str, Fit], name: str) -> None:
    equal(fits[name].glance(), BROOM[name]["glance"], but=("p.value",))


@pytest.mark.parametrize("name", ["growth", "ml", "pixel", "marginal", "line", "sleep"])
def test_augment_is_that_of_broom(fits: dict[str, Fit], name: str) -> None:
    fit = fits[name]
    equal(fit.augment().head(5), BROOM[name]["augment"])
    assert list(fit.augment().columns)[: len(fit.data.columns)] == list(fit.data.columns)


def test_variance_parameters_are_those_of_broom(fits: dict[str, Fit]) -> None:
    found = fits["growth"].tidy("variance", conf_int=False)
    equal(found[found["effect"] != "cor_model"], BROOM["growth_variance"], but=("term",))
    equal(fits["sleep"].tidy("variance", conf_int=False), BROOM["sleep_variance"])


def test_random_effects_are_those_of_broom(fits: dict[str, Fit]) -> None:
    equal(fits["sleep"].tidy("random"), BROOM["sleep_random"])
    ours = fits["growth"].tidy("random").set_index(["level", "term"])["estimate"]
    theirs = pd.DataFrame(BROOM["growth_random"]).set_index(["level", "term"])["estimate"]
    pd.testing.assert_series_equal(ours.sort_index(), theirs.sort_index(), atol=2e-3, rtol=0)


def test_all_is_the_three_parts_below_each_other(fits: dict[str, Fit]) -> None:
    fit = fits["pixel"]
    whole = fit.tidy("all")
    assert len(whole) == sum(len(fit.tidy(part)) for part in ("fixed", "random", "variance"))
    assert whole["effect"].unique().tolist() == ["fixed", "ran_vals", "ran_pars"]


def test_robust_errors_and_degrees_reach_the_table(fits: dict[str, Fit]) -> None:
    fit = fits["growth"]
    found = fit.tidy(vcov="CR2")
    table = fit.summary(vcov="CR2").fixed
    np.testing.assert_array_equal(found["std.error"], table["Std.Error"])
    assert (found["conf.high"] > found["estimate"]).all()
    assert fit.tidy(df="satterthwaite")["df"].tolist() == (
        fit.summary("satterthwaite").fixed["DF"].tolist()
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"effects": "ran_vals"}, "effects"),
        ({"effects": []}, "effects"),
        ({"conf_level": 95}, "level"),
        ({"effects": "variance", "df": "satterthwaite"}, "df, vcov"),
    ],
)
def test_wrong_calls_are_refused_by_name(
    fits: dict[str, Fit], call: dict[str, Any], words: str
) -> None:
    with pytest.raises(FitError, match=words):
        fits["sleep"].tidy(**call)


def test_augment_of_new_rows(fits: dict[str, Fit]) -> None:
    fit = fits["growth"]
    new = pd.DataFrame({"age": [8.0, 9.0], "Sex": ["Male", "Male"], "Subject": ["M01", "nobody"]})
    made = fit.augment(new)
    assert made.columns.tolist() == ["age", "Sex", "Subject", ".fitted"]
    assert np.isnan(made[".fitted"].iloc[1])
    assert made[".fitted"].iloc[0] == pytest.approx(fit.augment()[".fitted"].iloc[0])


def test_missing_rows_are_left_out() -> None:
    data = bayeslme.load_data("orthodont").copy()
    data.loc[data.index[[3, 50]], "distance"] = np.nan
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", na_action="omit")
    made = fit.augment()
    assert len(made) == len(data) - 2
    np.testing.assert_allclose(made["distance"], made[".fitted"] + made[".resid"])


def test_lists_of_models() -> None:
    fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
    table = fits.tidy()
    assert table.loc[0, "estimate"] == fits.coef().iloc[0, 0]
    assert len(table) == fits.coef().size
    made = fits.augment()
    np.testing.assert_allclose(made["distance"], made[".fitted"] + made[".resid"])
    assert fits.glance()["df.residual"].item() == fits.df
