"""Values inside an R call."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bayeslme.errors import SpecError
from bayeslme.formula.constants import constant, match_arguments
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call
from bayeslme.formula.grammar import parse_expression
from bayeslme.spec.write import r_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5),
        ("-1/2", -0.5),
        ("2^-1 * (3 + 1)", 2.0),
        ("log(2 * pi)", math.log(2 * math.pi)),
        ("TRUE", True),
        ("F", False),
        ("NULL", None),
        ("'a'", "a"),
        ("c(0.8, 0.4)", (0.8, 0.4)),
        ("c(0.3)", 0.3),
        ("-c(1, 2) / 2", (-0.5, -1.0)),
        ("1 - c(1, 2)", (0.0, -1.0)),
        ("c(c(1, 2), 3:5, 2:1)", (1.0, 2.0, 3.0, 4.0, 5.0, 2.0, 1.0)),
        ("c(Female = 0.5, `10` = 2)", {"Female": 0.5, "10": 2.0}),
        ("list(const = 1, power = c(Male = 0.5))", {"const": 1.0, "power": {"Male": 0.5}}),
        ("c(matrix(1:4, 2), 5)", (1.0, 2.0, 3.0, 4.0, 5.0)),
        ("list(1, c(2, 3))", (1.0, (2.0, 3.0))),
        ("rep(0.2, 3)", (0.2, 0.2, 0.2)),
        ("rep(c(1, 2), each = 2)", (1.0, 1.0, 2.0, 2.0)),
        ("diag(2)", ((1.0, 0.0), (0.0, 1.0))),
        ("diag(3, 2)", ((3.0, 0.0), (0.0, 3.0))),
        ("diag(c(4, 2))", ((4.0, 0.0), (0.0, 2.0))),
        ("matrix(c(4, 1, 1, 2), 2)", ((4.0, 1.0), (1.0, 2.0))),
        ("matrix(1:6, ncol = 2)", ((1.0, 4.0), (2.0, 5.0), (3.0, 6.0))),
        ("matrix(1:6, 2, 3, byrow = TRUE)", ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))),
        ("matrix(0, 2, 2)", ((0.0, 0.0), (0.0, 0.0))),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert constant(parse_expression(text), text) == value
    assert constant(parse_expression(r_value(value)), "") == value or isinstance(value, tuple)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "not x"),
        ("system('ls')", "not system"),
        ("1/0", "no value"),
        ("log(-1)", "no value"),
        ("c(a = 1, 2)", "name all elements"),
        ("c(a = 1, a = 2)", "stands twice"),
        ("matrix(1:5, 2, 2)", "do not fill"),
        ("rep(0, 1.5)", "whole number"),
        ("1:1e9", "more than"),
        ("rep(1:100, 1e6)", "more than"),
        ("diag(1e6)", "more than"),
        ("2^1e6", "no value"),
        ("-'a'", "no number"),
    ],
)
def test_what_has_no_value(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        constant(parse_expression(text), text)


@pytest.mark.parametrize(
    ("call", "matched"),
    [
        ("f(1, 2)", {"value": "1", "form": "2"}),
        ("f(form = 1, 2)", {"form": "1", "value": "2"}),
        ("f(fo = 1, fi = 2)", {"form": "1", "fixed": "2"}),
        ("f('fixed' = 1)", {"fixed": "1"}),
    ],
)
def test_arguments_are_matched_as_in_r(call: str, matched: dict[str, str]) -> None:
    node = parse_expression(call)
    assert isinstance(node, Call)
    given = match_arguments(node, ("value", "form", "fixed"), call)
    assert {name: deparse(value) for name, value in given.items()} == matched
