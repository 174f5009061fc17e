"""R expressions on columns, against R's values, factors and subsets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslme.data.evaluation.evaluate import (
    evaluate,
    evaluate_mask,
    evaluate_number,
    evaluate_rows,
)
from bayeslme.data.evaluation.functions import FUNCTIONS, MATHS
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Factor, drop_unused
from bayeslme.errors import BayesLMEError, DataError, SpecError
from bayeslme.formula import functions
from bayeslme.formula.grammar import parse_expression
from data.support import answers, typed, with_gaps

FRAME = typed("r_frame.csv")
GAPS = with_gaps(FRAME)


@pytest.mark.parametrize("case", answers()["values"], ids=lambda c: c["text"])
def test_values_are_r(case: dict[str, Any]) -> None:
    got = evaluate_number(parse_expression(case["text"]), Columns(FRAME))
    want = [np.nan if v in (None, "NaN", "NA") else float(v) for v in case["values"]]
    np.testing.assert_allclose(got, np.broadcast_to(want, got.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", answers()["factors"], ids=lambda c: c["text"])
def test_factors_are_r(case: dict[str, Any]) -> None:
    got = evaluate_rows(parse_expression(case["text"]), Columns(FRAME))
    assert isinstance(got, Factor)
    kept = drop_unused(got)
    used = [level for level in case["levels"] if level in kept.levels]
    assert list(kept.levels) == used
    codes = [0 if c in (None, "NA") else c for c in case["codes"]]
    assert [got.levels[c] if c >= 0 else None for c in got.code] == [
        case["levels"][c - 1] if c else None for c in codes
    ]
    assert (got.kind == "ordered") == case["ordered"]


@pytest.mark.parametrize("case", answers()["subsets"], ids=lambda c: c["text"])
def test_subsets_are_r(case: dict[str, Any]) -> None:
    mask = evaluate_mask(parse_expression(case["text"]), Columns(GAPS))
    assert (np.flatnonzero(mask) + 1).tolist() == case["rows"]


def test_every_allowed_function_has_a_meaning() -> None:
    here = {*FUNCTIONS, *MATHS}
    elsewhere = {"offset", *functions.VARIANCE_COVARIATES}
    assert here == functions.FUNCTIONS - elsewhere


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system('ls')", "'system' is no function"),
        ("nowhere + 1", "column 'nowhere'"),
        ("a + 1", "'a' is a factor where a number is needed"),
        ("a > 'u'", "'>' has no meaning for an unordered factor"),
        ("o > 's9'", "'s9' is none of the levels"),
        ("x == 'five'", "compares text with numbers"),
        ("a == b", "different levels"),
        ("log()", "needs its argument 'x'"),
        ("log(x, 2, 3)", "too many arguments"),
        ("log(x, basis = 2)", "no argument 'basis'"),
        ("sqrt(x, x)", "takes one argument"),
        ("x:z", "':' has no value"),
        ("!x", "neither TRUE nor FALSE"),
        ("factor(x, labels = c('a', 'b'))", "labels for"),
        ("relevel(a, ref = 'zz')", "'zz' is none of the levels"),
        ("as.numeric(ch)", "text that is no number"),
        ("cut(x, 1)", "a whole number of at least 2 for 'breaks'"),
        ("cut(x, c())", "cut points"),
        ("ns(x, 0)", "a whole number of at least 1 for 'df'"),
        ("bs(x, df = 2)", "a whole number of at least 3 for 'df'"),
        ("bs(x, degree = 0)", "a degree of at least 1"),
        ("ns(x, knots = c(0, 2))", "knots between the boundary knots 1 and 5"),
        ("ns(x, knots = 'a')", "numbers for 'knots'"),
        ("bs(x, Boundary.knots = 3)", "two different boundary knots"),
        ("x %in% z", "constants on its right"),
        ("c(x, 1)", "holds constants"),
        ("'text'", "no variable"),
        ("poly(z, 2)", "several columns"),
    ],
)
def test_errors_name_the_culprit(text: str, message: str) -> None:
    with pytest.raises(BayesLMEError, match=message.replace("(", r"\(")) as caught:
        evaluate_number(parse_expression(text), Columns(FRAME))
    assert len(str(caught.value)) <= 300


def test_a_subset_must_be_logical() -> None:
    with pytest.raises(SpecError, match="must be a comparison"):
        evaluate_mask(parse_expression("x + 1"), Columns(FRAME))
    assert evaluate_mask(parse_expression("TRUE"), Columns(FRAME)).all()


def test_a_column_hides_a_constant() -> None:
    frame = pd.DataFrame({"pi": [1.0, 2.0], "x": [1.0, 1.0]})
    assert evaluate_number(parse_expression("pi * x"), Columns(frame)).tolist() == [1, 2]
    assert evaluate(parse_expression("pi"), Columns(frame[["x"]])) == np.pi


def test_dates_are_days_and_complex_numbers_are_refused() -> None:
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-01-01", "2020-01-02"]), "z": [1j, 2j]})
    assert evaluate_number(parse_expression("t"), Columns(frame)).tolist() == [0.0, 1.0]
    with pytest.raises(DataError, match="column 'z' holds"):
        evaluate_number(parse_expression("z"), Columns(frame))


numbers = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=20)


@given(numbers, st.sampled_from(["x > 1", "!(x > 1)", "x > 1 | x < -1", "x > 1 & x < 5"]))
def test_a_condition_and_its_negation_part_the_rows(values: list[float], text: str) -> None:
    columns = Columns(pd.DataFrame({"x": [*values, np.nan]}))
    one = evaluate_mask(parse_expression(text), columns)
    other = evaluate_mask(parse_expression(f"!({text})"), columns)
    assert ((one | other) == [*[True] * len(values), False]).all()
    assert not (one & other).any()


def test_c_without_contrasts_is_the_factor() -> None:
    columns = Columns(pd.DataFrame({"t": [8, 10, 8], "g": pd.Categorical(["u", "v", "u"])}))
    for name in ("t", "g"):
        alone = evaluate(parse_expression(f"C({name})"), columns)
        made = evaluate(parse_expression(f"factor({name})"), columns)
        assert isinstance(alone, Factor)
        assert isinstance(made, Factor)
        assert alone.levels == made.levels
        assert alone.code.tolist() == made.code.tolist()


def _poly(x: Any, degree: int, more: Any = None) -> np.ndarray:
    """The columns of poly() over x, or at other points by what was learned over x."""
    memory: dict[str, Any] = {}
    node = parse_expression(f"poly(x, {degree})")
    first = evaluate(node, Columns(pd.DataFrame({"x": x})), memory)
    again = first if more is None else evaluate(node, Columns(pd.DataFrame({"x": more})), memory)
    return np.asarray(again.values)


def test_poly_of_equal_steps_is_the_table_of_contrasts() -> None:
    # Fisher and Yates, Statistical Tables, XXIII: five equally spaced points.
    want = np.array([[-2, -1, 0, 1, 2], [2, -1, -2, -1, 2], [-1, 2, 0, -2, 1]], float)
    want /= np.linalg.norm(want, axis=1)[:, None]
    np.testing.assert_allclose(_poly([3, 5, 7, 9, 11], 3).T, want, atol=1e-14)


@pytest.mark.parametrize("shift", [0.0, 1e8])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_poly_is_orthonormal_wherever_the_values_lie(shift: float, unit: float) -> None:
    x = unit * (np.random.default_rng(3).integers(-500, 500, 80) + shift)
    basis = _poly(x, 20)
    np.testing.assert_allclose(basis.T @ basis, np.eye(20), atol=1e-6)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-6)


def test_poly_of_a_high_degree_of_large_values_does_not_overflow() -> None:
    x = 1e5 * np.random.default_rng(4).uniform(size=100)
    assert np.isfinite(_poly(x, 60)).all()


def test_poly_at_new_points_is_the_same_polynomial() -> None:
    x, new = np.linspace(0, 3, 12) ** 2, np.array([-1.0, 0.5, 12.0, np.nan])
    basis = _poly(x, 3)
    coefficients = np.linalg.solve(np.vander(x[:4], 4), basis[:4])
    np.testing.assert_allclose(_poly(x, 3, new), np.vander(new, 4) @ coefficients, rtol=1e-9)
