"""Offsets: where they may stand, and that no term is left of them."""

from __future__ import annotations

import pytest

from bayeslme import SpecError, translate
from bayeslme.formula.deparse import deparse
from bayeslme.formula.formula import offsets, parse_formula
from bayeslme.formula.terms import expand


@pytest.mark.parametrize(
    ("text", "found", "labels"),
    [
        ("y ~ x + offset(z)", ["z"], ("x",)),
        ("y ~ offset(log(z)) + offset(2 * w)", ["log(z)", "2 * w"], ()),
        ("y ~ (x + offset(z))", ["z"], ("x",)),
        ("y ~ x + offset(z) - offset(z)", [], ("x",)),
        ("y ~ x", [], ("x",)),
    ],
)
def test_offsets_are_no_terms(text: str, found: list[str], labels: tuple[str, ...]) -> None:
    formula = parse_formula(text)
    assert [deparse(one) for one in offsets(formula)] == found
    assert expand(formula).labels == labels


@pytest.mark.parametrize(
    "call",
    [
        "lme(y ~ x, random = ~ offset(z) | g)",
        "lmList(y ~ x + offset(z) | g)",
        "gls(y ~ x:offset(z))",
        "lm(y ~ x + log(offset(z)))",
    ],
)
def test_where_no_offset_may_stand(call: str) -> None:
    with pytest.raises(SpecError, match="offset"):
        translate(call)


def test_an_update_keeps_it() -> None:
    spec = translate("gls(y ~ x + offset(z))").update(model=". ~ . + w")
    assert str(spec.fixed) == "y ~ x + w + offset(z)"
    assert translate("lm(y ~ x, offset = z)").fixed == translate("lm(y ~ x + offset(z))").fixed
