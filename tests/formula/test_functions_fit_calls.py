"""Calls that stand for the fitted model: every argument counts, or is refused."""

from __future__ import annotations

import pytest

from bayeslme.errors import SpecError
from bayeslme.formula.functions import FitCall, read_fit_call
from bayeslme.formula.grammar import parse_expression

BOTH = ("level", "type")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fitted(.)", FitCall("fitted")),
        ("residuals(object = .)", FitCall("resid")),
        ("resid(., level = 0, type = 'p')", FitCall("resid", 0, "p")),
        ("ranef((.), level = 'Subject')", FitCall("ranef", "Subject")),
        ("resid(., level = Subject)", FitCall("resid", "Subject")),
    ],
)
def test_what_is_asked(text: str, found: FitCall) -> None:
    assert read_fit_call(parse_expression(text), "form", BOTH) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fitted()", "is a dot"),
        ("resid(x)", "is a dot"),
        ("resid(age, .)", "is a dot"),
        ("fitted(., 0)", "takes level = and type ="),
        ("resid(., 'p')", "takes level = and type ="),
        ("fitted(., asList = TRUE)", "takes level = and type ="),
        ("fitted(., level = 0, level = 1)", "takes level = and type ="),
        ("fitted(., level = 0.7)", "level is a number from 0 on or a group, not 0.7"),
        ("fitted(., level = -1)", "level is a number from 0 on or a group, not -1"),
        ("resid(., type = p)", "type is text in quotes, not p"),
    ],
)
def test_other_arguments_are_refused(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=r"^form: ") as error:
        read_fit_call(parse_expression(text), "form", BOTH)
    assert said in str(error.value)
