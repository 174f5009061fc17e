"""Curves of the groups against nlme's augPred and comparePred."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import DataError, FitError, SpecError
from bayeslme.fit.values.compared import compare_pred
from bayeslme.fit.values.curves import aug_pred

STORED = json.loads((Path(__file__).parents[1] / "result_layer.json").read_text(encoding="utf-8"))


def fit_of(case: dict[str, Any]) -> bayeslme.LmeFit:
    return bayeslme.lme(case["fixed"], bayeslme.load_data(case["data"]), case["random"])


def assert_same_rows(got: pd.DataFrame, want: dict[str, list[Any]], response: str) -> None:
    """The rows in any order of groups, which R takes as they come."""
    frame = pd.DataFrame({k: v for k, v in want.items() if k != "_row"})
    keys = [".type", ".groups", frame.columns[0], response]
    assert list(got.columns) == list(frame.columns)
    one, other = (
        t.astype({".type": str, ".groups": str}).sort_values(keys, ignore_index=True)[keys]
        for t in (got, frame)
    )
    pd.testing.assert_frame_equal(one[keys[:2]], other[keys[:2]])
    np.testing.assert_allclose(one[keys[2]], other[keys[2]], rtol=1e-9)
    np.testing.assert_allclose(one[response], other[response], rtol=5e-5)


@pytest.mark.parametrize("case", STORED["aug_pred"], ids=lambda c: f"{c['data']}-{c['level']}")
def test_curves_of_one_fit(case: dict[str, Any]) -> None:
    fit = fit_of(case)
    got = aug_pred(fit, level=case["level"], length=5)
    assert_same_rows(got, case["table"], fit.design.response_label)


def test_curves_of_two_fits() -> None:
    one = bayeslme.lme("distance ~ age", bayeslme.load_data("Orthodont"), "~ 1 | Subject")
    two = one.update(random="~ age | Subject")
    got = compare_pred(one, two, names=["fm1", "fm2"], length=3)
    assert_same_rows(got, STORED["compare_pred"], "distance")
    assert list(got[".type"].cat.categories) == ["fm1", "fm2", "original"]


@pytest.fixture(scope="module")
def growth() -> bayeslme.LmeFit:
    return bayeslme.lme("distance ~ age * Sex", bayeslme.load_data("Orthodont"), "~ 1 | Subject")


def test_a_factor_runs_over_its_levels(growth: bayeslme.LmeFit) -> None:
    table = aug_pred(growth, "Sex", level="fixed")
    assert table.loc[table[".type"] == "predicted", "Sex"].tolist()[:2] == ["Male", "Female"]
    with pytest.raises(DataError, match="Sex is a factor"):
        aug_pred(growth, "Sex", minimum=0.0)


def test_ends_of_the_grid(growth: bayeslme.LmeFit) -> None:
    table = aug_pred(growth, minimum=6.0, maximum=18.0, length=2)
    predicted = table[table[".type"] == "predicted"]
    assert sorted(predicted["age"].unique()) == [6.0, 18.0]
    own = growth.predict(pd.DataFrame({"age": [6, 18], "Sex": "Male", "Subject": "M03"}))
    np.testing.assert_allclose(predicted.loc[predicted[".groups"] == "M03", "distance"], own)


def test_a_fit_without_groups_follows_those_of_the_other(growth: bayeslme.LmeFit) -> None:
    plain = bayeslme.lm("distance ~ age * Sex", growth.data)
    table = compare_pred(growth, plain, length=2)
    chosen = table[(table[".type"] == "fit2") & (table[".groups"] == "F02")]
    want = plain.predict(pd.DataFrame({"age": [8, 14], "Sex": "Female"}))
    np.testing.assert_allclose(chosen["distance"], want)
    assert aug_pred(plain)[".groups"].unique().tolist() == ["all"]
    assert aug_pred(plain, groups="Sex", length=2)[".groups"].unique().tolist() == [
        "Male",
        "Female",
    ]


def test_bad_requests_are_named(growth: bayeslme.LmeFit) -> None:
    bare = growth.data.copy()
    bare.attrs = {}
    bare["weight"] = bare["age"] ** 2
    two = bayeslme.lme("distance ~ age + weight", bare, "~ 1 | Subject")
    with pytest.raises(SpecError, match=r"primary: say which .* one of age, weight"):
        aug_pred(two)
    with pytest.raises(SpecError, match="'height' is not one column"):
        aug_pred(growth, "height")
    with pytest.raises(SpecError, match="level 'School' is none of 'fixed', 'Subject'"):
        aug_pred(growth, level="School")
    with pytest.raises(SpecError, match="twice"):
        aug_pred(growth, level=["fixed", 0])
    with pytest.raises(SpecError, match="groups of their own"):
        aug_pred(growth, groups="Sex")
    with pytest.raises(FitError, match="at least two fits"):
        compare_pred(growth)
    with pytest.raises(FitError, match="names: 2 different names"):
        compare_pred(growth, growth, names=["a", "a"])
    other = bayeslme.lme("log(distance) ~ age", growth.data, "~ 1 | Subject")
    with pytest.raises(FitError, match=r"fit 2 has response log\(distance\)"):
        compare_pred(growth, other)


def test_numbers_that_are_factors_keep_to_their_values() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ factor(age) + Sex", data, "~ 1 | Subject")
    table = aug_pred(fit)
    predicted = table[(table[".type"] == "predicted") & (table[".groups"] == "F03")]
    assert predicted["age"].tolist() == [8, 10, 12, 14]
    own = fit.fitted()[data["Subject"] == "F03"]
    np.testing.assert_allclose(predicted["distance"], own)
    table = aug_pred(fit, "Sex", level=0)  # age is held at a value that the model knows
    assert np.isfinite(table["distance"]).all()


def test_the_only_covariate_needs_no_name() -> None:
    data = bayeslme.load_data("Machines")
    data.attrs = {}
    fit = bayeslme.lme("score ~ Machine", data, "~ 1 | Worker")
    assert aug_pred(fit).columns[0] == "Machine"


def test_predicted_groups_come_as_in_the_data():
    """nlme's order of the curves: that of the rows, whatever the levels of the factor."""
    data = bayeslme.load_data("orthodont").iloc[::-1]
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    table = aug_pred(fit, length=2)
    curves = table[table[".type"] == "predicted"]
    assert curves[".groups"].unique().tolist() == data["Subject"].unique().tolist()
    expected = fit.predict(curves.rename(columns={".groups": "Subject"}))
    np.testing.assert_allclose(curves["distance"], expected)
