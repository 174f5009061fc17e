"""Expressions: R's precedence and R's deparse, stored by make_r_formulas.R, and round trips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    Arg,
    Binary,
    Call,
    Constant,
    Dot,
    Expr,
    Name,
    Number,
    Paren,
    String,
    Unary,
    exact_number,
    r_number,
    variables,
)
from bayeslme.formula.grammar import parse_expression

R = json.loads((Path(__file__).parent / "r_formulas.json").read_text(encoding="utf-8"))


def test_text_is_that_of_r() -> None:
    wrong = []
    for case in R["expressions"]:
        try:
            got = deparse(parse_expression(case["text"]))
        except SpecError:
            got = None
        if got != case["deparsed"]:
            wrong.append((case["text"], got, case["deparsed"]))
    assert not wrong, f"{len(wrong)}: {wrong[:5]}"


def test_numbers_are_written_as_r_writes_them() -> None:
    wrong = [
        (case["text"], r_number(float.fromhex(case["hex"])))
        for case in R["numbers"]
        if r_number(float.fromhex(case["hex"])) != case["text"]
    ]
    assert not wrong, wrong[:5]


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0))
def test_exact_numbers_lose_nothing(value: float) -> None:
    assert float(exact_number(value)) == value


def canonical_number(value: float) -> Number:
    """A number that its own text gives back."""
    return Number(float(r_number(value)))


names = st.sampled_from(
    ["a", "x.y", "IQ.ver.cen", "a b", "10", "if", "TRUE", "é", "..x", "_u", "a`b"]
)
leaves = st.one_of(
    names.map(Name),
    st.floats(0, 1e300).map(canonical_number),
    st.integers(0, 10**9).map(lambda i: Number(float(i), f"{i}L")),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(String),
    st.sampled_from([Constant("TRUE"), Constant("NULL"), Dot(), Number(float("inf"))]),
)
infix = st.sampled_from("~ | & == < + - * / %in% %% : ^ $".split())  # noqa: SIM905
prefix = st.sampled_from(["-", "+", "!", "~"])


def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    arg = st.builds(Arg, st.none() | names, inner)
    return st.one_of(
        st.builds(Paren, inner),
        st.builds(Unary, prefix, inner),
        st.builds(Binary, infix, inner, inner),
        st.builds(Call, st.sampled_from(["f", "stats::poly", "as.factor"]), st.tuples(arg, arg)),
    )


expressions = st.recursive(leaves, grow, max_leaves=12)


def unwrapped(node: Expr) -> Expr:
    """The expression without any parentheses, which deparse adds where precedence needs them."""
    match node:
        case Paren(inner=inner):
            return unwrapped(inner)
        case Unary(op=op, operand=operand):
            return Unary(op, unwrapped(operand))
        case Binary(op=op, left=left, right=right):
            return Binary(op, unwrapped(left), unwrapped(right))
        case Call(function=function, args=args):
            return Call(function, tuple(Arg(a.name, unwrapped(a.value)) for a in args))
        case _:
            return node


@given(expressions)
@example(Unary("~", Binary("~", Name("a"), Name("a"))))
def test_deparse_and_parse_are_inverse(node: Expr) -> None:
    again = parse_expression(deparse(node))
    assert unwrapped(again) == unwrapped(node)
    assert parse_expression(deparse(again)) == again


@given(st.text(max_size=30) | st.text("ab1.(),~+-*/^:|&=<>!%`'\" ", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_expression(text)
    except SpecError as error:
        assert len(str(error)) <= 300


@pytest.mark.parametrize(
    ("text", "position", "what"),
    [
        ("a +", 3, "ends too early"),
        ("f(a", 3, "ends too early"),
        ("a b", 2, "unexpected 'b'"),
        ("__import__('os')", 0, "unexpected character '_'"),
        ("f(x)[1]", 4, r"unexpected '\['"),
        ("a < b < c", 6, "do not chain"),
        ("f(a,)", 4, r"unexpected '\)'"),
        ("(lambda: 0)()", 11, r"unexpected '\('"),
        ("a;b", 1, "unexpected character"),
        ("{a}", 0, "unexpected character"),
    ],
)
def test_errors_point_at_their_place(text: str, position: int, what: str) -> None:
    with pytest.raises(SpecError, match=what) as caught:
        parse_expression(text)
    assert caught.value.position == position
    caret = str(caught.value).splitlines()[-1]
    assert caret.index("^") == position + 4


@pytest.mark.parametrize("text", ["", "  ", "(" * 500 + "a" + ")" * 500, "a+" * 20_000 + "a"])
def test_empty_and_endless_text(text: str) -> None:
    with pytest.raises(SpecError):
        parse_expression(text)


def test_only_text_is_parsed() -> None:
    with pytest.raises(SpecError, match="must be a string, not int"):
        parse_expression(3)  # type: ignore[arg-type]


def test_variables_in_order_of_appearance() -> None:
    assert variables(parse_expression("log(y) ~ b + I(a - b) | g/h")) == ("y", "b", "a", "g", "h")
