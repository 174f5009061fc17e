"""Coordinates of variance functions and correlation structures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslme.data.coordinates import covariate_source, ties
from bayeslme.data.datasets import load_data
from bayeslme.data.design import build
from bayeslme.data.types import Design
from bayeslme.formula.grammar import parse_expression
from bayeslme.spec.make import make_gls, make_lme


def orthodont(**changes: Any) -> Design:
    return build(make_lme("distance ~ age", "~ 1 | Subject", **changes), load_data("Orthodont"))


@pytest.mark.parametrize(
    ("text", "source", "level"),
    [
        ("fitted(.)", "fitted", None),
        ("fitted(., level = 0)", "fitted", 0),
        ("fitted(., level = 'Subject')", "fitted", "Subject"),
        ("resid(.)", "resid", None),
        ("residuals(., level = Subject)", "resid", "Subject"),
        ("age", "data", None),
    ],
)
def test_covariate_sources(text: str, source: str, level: str | int | None) -> None:
    assert covariate_source(parse_expression(text)) == (source, level)


def test_variance_coordinates() -> None:
    (power,) = orthodont(weights="varPower(form = ~ age | Sex)").variance
    np.testing.assert_array_equal(power.covariate, load_data("Orthodont")["age"])
    assert power.strata == ("Male", "Female") and power.source == "data"
    (fitted,) = orthodont(weights="varPower()").variance
    assert (fitted.covariate, fitted.source, fitted.strata) == (None, "fitted", ("",))
    both = orthodont(weights="varComb(varIdent(form = ~ 1 | Sex), varExp(form = ~ age))").variance
    assert both[0].strata == ("Male", "Female")
    assert both[1].covariate.shape == (108,)


def test_strata_of_several_factors_are_met_in_sorted_order() -> None:
    frame = pd.DataFrame(
        {
            "y": np.arange(8.0),
            "g": [2, 2, 1, 1, 2, 2, 1, 1],
            "a": list("uvvuuvvu"),
            "b": list("xxyyxxyy"),
        }
    )
    lme = build(make_lme("y ~ 1", "~ 1 | g", weights="varIdent(form = ~ 1 | a * b)"), frame)
    assert lme.variance[0].strata == ("v*y", "u*y", "u*x", "v*x")
    assert [lme.variance[0].strata[k] for k in lme.variance[0].stratum[:2]] == ["u*x", "v*x"]
    gls = build(make_gls("y ~ 1", weights="varIdent(form = ~ 1 | a)"), frame)
    assert gls.variance[0].strata == ("u", "v")
    sorted_gls = build(
        make_gls("y ~ 1", "corAR1(form = ~ 1 | g)", weights="varIdent(form = ~ 1 | a)"), frame
    )
    assert sorted_gls.variance[0].strata == ("v", "u")


@pytest.mark.parametrize(("ordered", "first"), [(False, "u"), (True, "v")])
def test_nested_groups_of_gls_come_as_met_unless_the_outermost_is_ordered(
    ordered: bool, first: str
) -> None:
    """R: ``levels(getGroups(d, ~ 1 | g/b, level = 2))`` is 2/x, 1/y; sorted for ``ordered(g)``."""
    frame = pd.DataFrame(
        {"y": np.arange(8.0), "a": list("uvvuvuvu"), "b": list("xxyyxxyy"), "v": [2, 2, 1, 1] * 2}
    )
    frame["g"] = pd.Categorical(frame.pop("v"), ordered=ordered)
    spec = make_gls("y ~ 1", "corAR1(form = ~ 1 | g/b)", weights="varIdent(form = ~ 1 | a)")
    assert build(spec, frame).variance[0].strata[0] == first


def test_correlation_groups() -> None:
    assert orthodont(correlation="corAR1()").correlation.groups == ("Subject",)
    pixel = load_data("Pixel")
    spec = make_lme("pixel ~ day", "~ 1 | Dog/Side", correlation="corCAR1(form = ~ day)")
    both = build(spec, pixel)
    assert both.correlation.groups == ("Dog", "Side")
    np.testing.assert_array_equal(both.correlation.code, both.levels[1].code)
    finer = build(
        make_lme("pixel ~ day", "~ 1 | Dog", correlation="corCAR1(form = ~ day | Dog/Side)"), pixel
    )
    assert len(finer.correlation.labels) == 20 and finer.correlation.labels[0].count("/") == 1


def test_equal_groups_under_another_name_are_allowed() -> None:
    spec = make_lme(
        "loglact ~ reg",
        "~ 1 | litter/pig",
        correlation="corCompSymm(form = ~ 1 | pig)",
        na_action="omit",
    )
    assert len(build(spec, load_data("piglets")).correlation.labels) == 20


def test_spatial_positions_keep_the_order_of_the_formula() -> None:
    wheat = load_data("Wheat2")
    spec = make_gls("yield ~ 1", correlation="corExp(form = ~ longitude + latitude)")
    np.testing.assert_array_equal(
        build(spec, wheat).correlation.position, wheat[["longitude", "latitude"]]
    )


def test_compound_symmetry_has_no_positions() -> None:
    assert orthodont(correlation="corCompSymm(form = ~ age | Subject)").correlation.position is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 2)), min_size=1))
def test_ties_are_found_where_there_are_some(rows: list[tuple[int, int, int]]) -> None:
    code = np.array([r[0] for r in rows])
    position = np.array([r[1:] for r in rows], dtype=float)
    found = ties(code, position)
    assert (found is not None) == (len(set(rows)) < len(rows))
    if found is not None:
        assert rows.count(rows[found]) > 1
