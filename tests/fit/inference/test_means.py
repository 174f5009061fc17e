"""Marginal means against R's emmeans (make_means.R), and against fitted values by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import FitError, SpecError
from bayeslme.fit.inference.contrasts import Estimates
from bayeslme.fit.inference.hypotheses import adjusted, critical, t_tail
from bayeslme.fit.inference.means import Means

R = json.loads((Path(__file__).parent / "means.json").read_text())


def orthodont() -> bayeslme.LmeFit:
    return bayeslme.lme("distance ~ Sex * age", bayeslme.load_data("Orthodont"), "~ 1 | Subject")


def oats() -> Means:
    fit = bayeslme.lme(
        "yield ~ ordered(nitro) * Variety", bayeslme.load_data("Oats"), "~ 1 | Block/Variety"
    )
    return fit.means(["Variety", "nitro"])


def machines(**options: Any) -> Means:
    data = bayeslme.load_data("Machines").iloc[10:]
    return bayeslme.lme("score ~ Machine", data, "~ 1 | Worker/Machine").means("Machine", **options)


def growth() -> bayeslme.LmeFit:
    data = bayeslme.load_data("Orthodont")
    return bayeslme.lme("distance ~ Sex + poly(age, 2)", data, "~ 1 | Subject", method="ML")


def weight() -> bayeslme.GlsFit:
    rats = bayeslme.load_data("BodyWeight")
    correlation = bayeslme.CorAR1(form="~ 1 | Rat")
    return bayeslme.gls("weight ~ Diet * Time", rats, correlation=correlation)


def breaks(form: str) -> bayeslme.LmFit:
    return bayeslme.lm(f"breaks ~ {form}", bayeslme.load_data("warpbreaks").iloc[5:])


def over_nitro(fit: Means) -> Means:
    return fit.fit.means("Variety")


CASES: dict[str, Callable[[], Estimates]] = {
    "sex_slope": lambda: orthodont().means("Sex", slope="age"),
    "sex_slope_pairs": lambda: orthodont().means("Sex", slope="age").contrasts(),
    "oats": lambda: over_nitro(oats()),
    "oats_pairs": lambda: over_nitro(oats()).contrasts(),
    "cells_pairs": lambda: oats().contrasts(by="Variety"),
    "cells_reference": lambda: oats().contrasts("reference", by="Variety"),
    "cells_linear": lambda: oats().contrasts({"linear": [-3, -1, 1, 3]}, by="Variety"),
    "machine_pairs": lambda: machines().contrasts(),
    "machine_bonferroni": lambda: machines().contrasts(adjust="bonferroni"),
    "kr": lambda: machines(df="kenward-roger"),
    "kr_pairs": lambda: machines(df="kenward-roger").contrasts(),
    "gls": lambda: weight().means("Diet"),
    "gls_slope_pairs": lambda: weight().means("Diet", slope="Time").contrasts(),
    "wool": lambda: breaks("wool * tension").means("wool"),
    "wool_proportional": lambda: breaks("wool + tension").means("wool", weights="proportional"),
    "wool_interaction_proportional": lambda: breaks("wool * tension").means(
        "wool", weights="proportional"
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_emmeans_has_the_same(case: str) -> None:
    table, stored = CASES[case]().table, R[case]
    tolerance = 2e-4 if case.startswith("gls") else 2e-5  # how closely the optimisers agree
    if case.startswith("gls"):  # emmeans counts the correlation as a coefficient, nlme does not
        stored = {**stored, "DF": [one + 1 for one in stored["DF"]]}
    for column in ("Value", "Std.Error", "DF", "lower", "upper"):
        np.testing.assert_allclose(table[column], stored[column], rtol=tolerance, atol=1e-4)
    if "p-value" in table:
        np.testing.assert_allclose(table["p-value"], stored["p"], rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("case", ["sex", "sex_at", "ml"])
def test_means_of_subjects_have_the_degrees_of_freedom_between_them(case: str) -> None:
    """emmeans gives the first level of a factor the 26 of the intercept, the others 25."""
    fit = growth() if case == "ml" else orthodont()
    at = {"age": [14, 8]} if case == "sex_at" else None
    table = fit.means(["age", "Sex"] if at else "Sex", at=at).table
    stored = R[case]
    np.testing.assert_allclose(table["Value"], stored["Value"], rtol=1e-6)
    np.testing.assert_allclose(table["Std.Error"], stored["Std.Error"], rtol=1e-5)
    assert set(table["DF"]) == {25.0}
    assert 25.0 in stored["DF"]


def test_a_mean_is_the_mean_of_fitted_values_over_the_grid() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ Sex * log(age)", data, "~ 1 | Subject")
    grid = pd.DataFrame({"Sex": ["Male", "Female"], "age": data["age"].mean()})
    np.testing.assert_allclose(fit.means("Sex").table["Value"], fit.predict(grid, level=0))
    both = fit.means("age", at={"age": [8, 9]}).table["Value"]
    rows = fit.predict(pd.DataFrame({"Sex": ["Male", "Female"] * 2, "age": [8, 8, 9, 9]}), level=0)
    np.testing.assert_allclose(both, rows.to_numpy().reshape(2, 2).mean(axis=1))


def test_slopes_are_derivatives() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ Sex * (age + I(age^3)) + log(age)", data, "~ 1 | Subject")
    slopes = fit.means("age", at={"age": [8, 12], "Sex": "Male"}, slope="age").table["Value"]
    b, x = fit.fixef, np.array([8.0, 12.0])
    by_hand = b["age"] + 3 * b["I(age^3)"] * x**2 + b["log(age)"] / x
    np.testing.assert_allclose(slopes, by_hand, rtol=1e-8)


def test_contrasts_are_those_of_anova() -> None:
    fit = orthodont()
    table = fit.means("Sex", at={"age": 14}, df="satterthwaite").contrasts().table
    row = {"SexFemale": -1.0, "SexFemale:age": -14.0}
    test = fit.anova(L=row, df="satterthwaite")
    assert table["t-value"].iloc[0] ** 2 == pytest.approx(test["F-value"].iloc[0], rel=1e-9)
    assert table["DF"].iloc[0] == pytest.approx(test["denDF"].iloc[0], rel=1e-9)
    assert table["p-value"].iloc[0] == pytest.approx(test["p-value"].iloc[0], rel=1e-6)


def test_limits_and_tests_agree() -> None:
    """At a limit the p-value is 5 %, whatever the method."""
    df = np.array([7.0, 30.0, np.inf])
    for adjust in ("tukey", "bonferroni", "none"):
        at = critical(0.95, df, 3, 3, adjust)
        found = adjusted(t_tail(at, df), at, df, 3, adjust)
        np.testing.assert_allclose(found, 0.05, atol=2e-4)


def test_logical_text_and_ordered_predictors() -> None:
    data = bayeslme.load_data("Orthodont").assign(old=lambda d: d["age"] > 10)
    data["kind"] = data["Sex"].astype(str)
    data["when"] = pd.Categorical(
        data["age"].astype(int).astype(str), ["8", "10", "12", "14"], True
    )
    fit = bayeslme.lme("distance ~ kind * when", data, "~ 1 | Subject")
    table = fit.means(["kind", "when"]).table
    cells = data.groupby(["kind", "when"], observed=True)["distance"].mean()
    np.testing.assert_allclose(table["Value"], cells.loc[list(table.index)], rtol=1e-9)
    logical = bayeslme.lme("distance ~ old", data, "~ 1 | Subject").means("old")
    assert list(logical.table.index) == ["FALSE", "TRUE"]
    assert list(fit.means("when", at={"when": [8, 14]}).table.index) == ["8", "14"]


def test_printed() -> None:
    text = str(orthodont().means("Sex"))
    assert text.splitlines()[0] == "Sex"
    assert text.splitlines()[-1] == "Note: at age = 11"
    pairs = oats().contrasts(by="Variety")
    assert "0.2 - 0.4, Victory" in str(pairs)
    assert "method for 6 contrasts each" in pairs._repr_html_()
    assert len(oats().plot().get_yticklabels()) == 12


def test_weights_by_name_are_weights_in_order() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"A": list("klm") * 16, "B": np.repeat(["lo", "hi"], 24)})
    frame["g"], frame["on"] = np.repeat(range(16), 3), np.tile([True, False], 24)
    frame["y"] = rng.normal(size=48)
    fit = bayeslme.lme("y ~ A * B + on", frame, "~ 1 | g")

    def same(means: Means, named: object, row: list[float]) -> None:
        tables = (means.contrasts({"c": w}).table for w in (named, row))
        pd.testing.assert_frame_equal(*tables)

    named = {"m": -0.5, "k": 1, "l": -0.5}
    same(fit.means("A"), named, [1, -0.5, -0.5])
    same(fit.means("A"), pd.Series(named), [1, -0.5, -0.5])
    same(fit.means("on"), {True: 1, False: -1}, [-1, 1])
    both = fit.means(["A", "B"])
    order = [list(both.table.index).index(one) for one in (("k", "lo"), ("m", "hi"))]
    row = [0.0] * 6
    row[order[0]], row[order[1]] = 1.0, -2.0
    for one, two in ((("k", "lo"), ("m", "hi")), ("k, lo", "m, hi"), ("k lo", "m hi")):
        same(both, {one: 1, two: -2}, row)
    within = both.contrasts({"c": named}, by="B").table
    pd.testing.assert_frame_equal(both.contrasts({"c": [1, -0.5, -0.5]}, by="B").table, within)
    numbers = orthodont().means(["age"], at={"age": [8, 14]})
    for early, late in ((8, 14), ("8", "14"), (8.0, np.float64(14))):
        same(numbers, {late: 1, early: -1}, [-1, 1])


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda m: m.fit.means("Subject"), SpecError, "'Subject' is no predictor"),
        (lambda m: m.fit.means("age"), SpecError, r"at=\{'age': \[\.\.\.\]\}"),
        (lambda m: m.fit.means("Sex", at={"agee": 1}), SpecError, "at: 'agee' is no predictor"),
        (lambda m: m.fit.means("Sex", at={"age": "old"}), SpecError, "age is a number"),
        (lambda m: m.fit.means("Sex", at={"Sex": "Girl"}), SpecError, "no level 'Girl'"),
        (lambda m: m.fit.means([]), SpecError, "at least one of Sex, age"),
        (lambda m: m.fit.means("Sex", slope="Sex"), SpecError, "no covariate"),
        (lambda m: m.fit.means("Sex", weights="cells"), FitError, "weights"),
        (lambda m: m.fit.means("Sex", df="t"), SpecError, "df: 't'"),
        (lambda m: m.contrasts("all"), FitError, "kind: 'all'"),
        (lambda m: m.contrasts({"x": [1]}), FitError, "2 weights are needed"),
        (lambda m: m.contrasts({}), FitError, "names no contrast"),
        (lambda m: m.contrasts({"x": {"Boy": 1}}), FitError, "'Boy' in 'x' is none of the means"),
        (lambda m: m.contrasts({"x": {"Male": "1"}}), FitError, "not made of numbers"),
        (lambda m: m.contrasts({"x": {"Male": None}}), FitError, "missing"),
        (lambda m: m.contrasts({"x": {"Male": np.inf}}), FitError, "infinite"),
        (lambda m: m.contrasts({"x": {"Male": 0}}), FitError, "'x' are zero"),
        (lambda m: m.contrasts({"x": {}}), FitError, "'x' are zero"),
        (lambda m: m.contrasts({"x": [1e308, -1e308]}), FitError, "'x' are too large or too small"),
        (lambda m: m.contrasts({"x": {"Male": 1e-320}}), FitError, "too large or too small"),
        (lambda m: m.contrasts({"x": {"Male": 1, ("Male",): 2}}), FitError, "a mean twice"),
        (lambda m: m.contrasts({"x": "Male - Female"}), FitError, "not made of numbers"),
        (lambda m: m.contrasts({"x": [["a"]]}), FitError, "not made of numbers"),
        (lambda m: m.contrasts({"x": [1, [2]]}), FitError, "not made of numbers"),
        (lambda m: m.contrasts({"x": 3}), FitError, "2 weights are needed"),
        (lambda m: m.contrasts({"Male": 1, "Female": -1}), FitError, "2 weights are needed"),
        (lambda m: m.contrasts(pd.DataFrame({"Male": [1]})), FitError, "kind"),
        (lambda m: m.contrasts("reference", adjust="tukey"), FitError, "'tukey' is for pairs"),
        (lambda m: m.contrasts(by="Sex"), SpecError, "by: 'Sex'"),
        (lambda m: m.fit.means("Sex", at={"Sex": "Male"}).contrasts(), FitError, "stands alone"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    call: Callable[[Means], object], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        call(orthodont().means("Sex"))
