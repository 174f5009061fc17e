"""Formula algebra against R's terms(), stored by make_r_formulas.R."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bayeslme.errors import SpecError
from bayeslme.formula.formula import parse_formula
from bayeslme.formula.terms import expand

R = json.loads((Path(__file__).parent / "r_formulas.json").read_text(encoding="utf-8"))


def test_terms_are_those_of_r() -> None:
    wrong = []
    for case in R["terms"]:
        formula = parse_formula(case["formula"])
        terms = expand(formula)
        got: dict[str, Any] = {
            "deparsed": str(formula),
            "intercept": terms.intercept,
            "labels": list(terms.labels),
            "order": [t.order for t in terms.terms],
            "contrasted": [list(c) for c in terms.coding()],
        }
        wrong += [(case["formula"], k, v, case[k]) for k, v in got.items() if v != case[k]]
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"
    assert len(R["terms"]) > 500


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("y ~ b + a + a:b", ("b", "a", "b:a")),
        ("y ~ (a + b)/c", ("a", "b", "a:b:c")),
        ("y ~ a/b/c", ("a", "a:b", "a:b:c")),
        ("y ~ a %in% b", ("a:b",)),
        ("y ~ x + x^2 + I(x^2)", ("x", "I(x^2)")),
        ("y ~ (a + b + c)^2 - a:b", ("a", "b", "c", "a:c", "b:c")),
        ("y ~ stats::poly(x, 2)", ("stats::poly(x, 2)",)),
    ],
)
def test_labels(text: str, labels: tuple[str, ...]) -> None:
    assert expand(parse_formula(text)).labels == labels


@pytest.mark.parametrize(
    ("text", "intercept"),
    [("~ 1", True), ("~ 0", False), ("~ -1", False), ("~ x - 1", False), ("~ 0 + x + 1", True)],
)
def test_intercept(text: str, intercept: bool) -> None:
    assert expand(parse_formula(text)).intercept is intercept


def test_dot_is_the_other_columns() -> None:
    formula = parse_formula("log(y) ~ .^2")
    assert expand(formula, ["a", "y", "b c"]).labels == ("a", "`b c`", "a:`b c`")
    with pytest.raises(SpecError, match=r"'\.' needs a data frame"):
        expand(formula)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ x * offset(z)", "offset"),
        ("y ~ x + offset(z, w)", "offset"),
        ("y ~ 2 * x", r"2 cannot be a term .* I\(2 \* x\)"),
        ("y ~ 'x'", "cannot be a term"),
        ("y ~ (a + b)^x", "power x of a formula"),
        ("y ~ (a + b)^0.5", "power 0.5"),
    ],
)
def test_what_no_formula_may_hold(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        expand(parse_formula(text))


def test_too_many_terms_are_refused() -> None:
    wide = " + ".join(f"x{i}" for i in range(40))
    with pytest.raises(SpecError, match="more than 5000 terms"):
        expand(parse_formula(f"y ~ ({wide})^6"))
