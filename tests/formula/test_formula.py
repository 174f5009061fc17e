"""Formulas: their parts, their text, what is refused."""

from __future__ import annotations

import pytest

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Name
from bayeslme.formula.formula import Formula, parse_formula


@pytest.mark.parametrize(
    ("text", "printed", "groups"),
    [
        ("~1|Subject", "~1 | Subject", ("Subject",)),
        ("y~x", "y ~ x", ()),
        ("log( y )~I(days/100)|a/b/c", "log(y) ~ I(days/100) | a/b/c", ("a", "b", "c")),
        ("~ 1 | Sex*age", "~1 | Sex * age", ("Sex", "age")),
        ("~ (x | g)", "~x | g", ("g",)),
        ("~ 1 | `my group`/factor(b)", "~1 | `my group`/factor(b)", ("my group", "factor(b)")),
        ("~ fitted(.) | g", "~fitted(.) | g", ("g",)),
        ("IQ.ver.cen ~ -1 + avg.IQ.ver.cen", "IQ.ver.cen ~ -1 + avg.IQ.ver.cen", ()),
    ],
)
def test_parts_and_text(text: str, printed: str, groups: tuple[str, ...]) -> None:
    formula = parse_formula(text)
    assert str(formula) == printed
    assert formula.groups == groups
    assert parse_formula(printed) == formula
    assert formula.crossed is ("*" in printed.rpartition("|")[2] and bool(groups))


def test_sides() -> None:
    formula = parse_formula("log(y) ~ x + I(z - y) | g")
    assert formula.lhs is not None
    assert deparse(formula.lhs) == "log(y)"
    assert formula.variables == ("y", "x", "z", "g")
    assert str(formula.without_groups()) == "log(y) ~ x + I(z - y)"
    assert parse_formula(formula) is formula


def test_equal_formulas_compare_equal_whatever_their_spacing() -> None:
    assert parse_formula("y~a+b") == parse_formula(" y  ~ a + b ")
    assert hash(parse_formula("y~a+b")) == hash(parse_formula("y ~ a + b"))
    assert parse_formula("~ x") == Formula(None, Name("x"))


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("y", "a formula .* is needed", 0),
        ("'y ~ x'", "drop the quotes", 0),
        ("y ~ foo(x)", "unknown function 'foo'", 4),
        ("y ~ lg(x)", "did you mean", 4),
        ("y ~ ar1(0 + t)", "correlation=CorAR1", 4),
        ("y ~ s(x)", "ns\\(x, df = 4\\)", 4),
        ("y ~ os.system(x)", "unknown function 'os.system'", 4),
        ("y ~ data$x", "write the column alone", 8),
        ("y ~ x + (1 | g)", "lme4", 11),
        ("~ x || g", "uncorrelated", 4),
        ("~ x | g | h", "lme4", 4),
        ("y ~ x ~ z", "one tilde", 2),
        ("~ 1 | a + b", "nested as a/b", 6),
        ("~ 1 | 2", "nested as a/b", 6),
        ("~ 1 | a/a", "stands twice", 8),
    ],
)
def test_errors(text: str, message: str, position: int) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse_formula(text)
    assert caught.value.position == position


def test_no_text() -> None:
    with pytest.raises(SpecError, match="must be a string, not int"):
        parse_formula(3)  # type: ignore[arg-type]
