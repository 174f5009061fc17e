"""Changing a specification; formulas against R's update(), stored by make_r_formulas.R."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bayeslme.errors import SpecError
from bayeslme.formula.formula import parse_formula
from bayeslme.spec.script import translate
from bayeslme.spec.update import update, update_formula
from bayeslme.structures import CorAR1, VarPower

R = json.loads(
    (Path(__file__).parents[1] / "formula" / "r_formulas.json").read_text(encoding="utf-8")
)
SPEC = translate(
    "lme(y ~ a * b, data = d, random = ~ a | g/h, correlation = corAR1(), na.action = na.omit)",
    ("contr.sum", "contr.poly"),
)


def test_formulas_are_those_of_r() -> None:
    wrong = []
    for case in R["updates"]:
        got = str(update_formula(parse_formula(case["old"]), parse_formula(case["new"])))
        if got != " ".join(case["updated"].split()):  # R breaks long lines
            wrong.append((case, got))
    assert not wrong, f"{len(wrong)} of {len(R['updates'])}: {wrong[:3]}"
    assert len(R["updates"]) > 250


@pytest.mark.parametrize(
    ("changes", "call"),
    [
        (
            {"fixed": ". ~ . - a:b", "method": "ML"},
            "lme(y ~ a + b, data = d, random = ~a | g/h, correlation = corAR1(), method = "
            '"ML", na.action = na.omit)',
        ),
        (
            {"random": {"g": "~ 1"}, "correlation": None, "na_action": "fail"},
            "lme(y ~ a * b, data = d, random = ~1 | g)",
        ),
        (
            {"weights": VarPower(form="~ x"), "subset": "a > 1", "correlation": CorAR1(0.5)},
            "lme(y ~ a * b, data = d, random = ~a | g/h, correlation = corAR1(0.5), "
            "weights = varPower(form = ~x), subset = a > 1, na.action = na.omit)",
        ),
        (
            {"fixed": "log(.) ~ x", "data": "e", "control": {"sigma": 1}, "weights": "varExp()"},
            "lme(log(y) ~ x, data = e, random = ~a | g/h, correlation = corAR1(), "
            "weights = varExp(), na.action = na.omit, control = lmeControl(sigma = 1))",
        ),
    ],
)
def test_changes(changes: dict[str, Any], call: str) -> None:
    new = SPEC.update(**changes)
    assert new.to_r() == call
    assert new.contrasts == ("contr.sum", "contr.poly")
    assert new == translate(call, new.contrasts)


def test_no_change() -> None:
    assert update(SPEC) == SPEC


def test_contrasts_and_priors() -> None:
    new = update(SPEC, contrasts={"a": "helmert"}, priors={"sigma": "HalfNormal(sigma=1)"})
    assert new.factor_contrasts == {"a": "contr.helmert"}
    assert new.priors == {"sigma": "HalfNormal(sigma=1)"}


def test_groups_of_a_list_of_models_stay() -> None:
    spec = translate("lmList(y ~ x | g, data = d)")
    assert str(spec.update(formula=". ~ . + z").fixed) == "y ~ x + z | g"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixde": "y ~ x"}, "cannot change 'fixde'"),
        ({"fixed": ". ~ foo(.)"}, "unknown function 'foo'"),
        ({"method": "MAP"}, "method is REML or ML"),
        ({"random": "1 | g"}, "random is"),
        ({"correlation": 3}, "correlation is a structure"),
    ],
)
def test_errors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        update(SPEC, **changes)


def test_gls_has_no_random_effects() -> None:
    with pytest.raises(SpecError, match="cannot change 'random'"):
        translate("gls(y ~ x)").update(random="~ 1 | g")
