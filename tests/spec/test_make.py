"""Specifications from Python arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme.errors import SpecError
from bayeslme.formula.formula import parse_formula
from bayeslme.spec.make import make_gls, make_lm, make_lme, make_lmlist
from bayeslme.spec.model import make_control
from bayeslme.spec.script import translate
from bayeslme.structures import (
    CorAR1,
    CorARMA,
    CorSymm,
    PdBlocked,
    PdDiag,
    PdIdent,
    VarComb,
    VarExp,
    VarIdent,
)


@pytest.mark.parametrize(
    ("random", "r"),
    [
        ("~ 1 | g", "~1 | g"),
        ("~ x | g1 / g2", "~x | g1/g2"),
        (parse_formula("~ x | g"), "~x | g"),
        ({"g1": "~ 1", "g2": "~ x"}, "list(g1 = ~1, g2 = ~x)"),
        ({"g1": "~x", "g2": "~ x"}, "~x | g1/g2"),
        ({"my group": PdDiag("~ x")}, "list(`my group` = pdDiag(~x))"),
        ({"g": "pdIdent(~ x - 1)"}, "list(g = pdIdent(~x - 1))"),
        (PdDiag("~ x | g"), "list(g = pdDiag(~x))"),
        (PdDiag("~ x"), "pdDiag(~x)"),
        (
            PdDiag(np.diag([4, 2]), "~ x | g"),
            "list(g = pdDiag(matrix(c(4, 0, 0, 2), 2), form = ~x))",
        ),
        (
            {"b": PdBlocked([PdIdent("~ 1"), PdIdent("~ s - 1")])},
            "list(b = pdBlocked(list(pdIdent(~1), pdIdent(~s - 1))))",
        ),
    ],
)
def test_random_effects(random: Any, r: str) -> None:
    spec = make_lme("y~x", random, data="d")
    assert spec.to_r() == f"lme(y ~ x, data = d, random = {r})"
    assert translate(spec.to_r()) == spec


def test_spelling_does_not_matter() -> None:
    first = make_gls(
        "y~x",
        correlation=CorSymm(np.array([0.5, 0.25, 0.125]), "~1|g"),
        weights=VarComb(VarIdent({"a": 2}, "~1|h"), VarExp(form="~  x")),
        control={"msMaxIter": 50},
    )
    second = make_gls(
        "y ~ x",
        correlation="corSymm(c(0.5, 0.25, 0.125), form = ~ 1 | g)",
        weights="varComb(varIdent(c(a = 2), ~ 1 | h), varExp(form = ~ x))",
        control={"msMaxIter": 50.0},
    )
    assert first == second
    assert translate(first.to_r()) == first


def test_numbers_lose_no_digit() -> None:
    spec = make_gls("y ~ x", correlation=CorARMA([1 / 3, -2 / 7], p=1, q=1))
    assert translate(spec.to_r()) == spec


def test_a_formula_stands_for_a_fixed_variance() -> None:
    assert make_gls("y ~ x", weights="~ z").to_r() == "gls(y ~ x, weights = varFixed(~z))"


def test_subset_by_expression_or_mask() -> None:
    spec = make_lme("y ~ x", "~ 1 | g", subset='sex == "F" & age > 8')
    assert spec.to_r() == 'lme(y ~ x, random = ~1 | g, subset = sex == "F" & age > 8)'
    assert spec.mask is None
    mask = pd.Series([True, False])
    spec = make_lm("y ~ x", subset=mask)
    assert spec.subset is None
    np.testing.assert_array_equal(spec.mask, [True, False])


def test_contrasts() -> None:
    assert make_lm("y ~ x").contrasts == ("contr.treatment", "contr.poly")
    assert make_lm("y ~ x", contrasts=["sum", "contr.poly"]).contrasts == (
        "contr.sum",
        "contr.poly",
    )
    spec = make_lm("y ~ x", contrasts={"x": "SAS"}, data="d")
    assert spec.factor_contrasts == {"x": "contr.SAS"}
    assert str(spec) == 'lm("y ~ x", data=d, contrasts={"x": "contr.SAS"})'


def test_na_action_is_spelled_either_way() -> None:
    assert make_lm("y ~ x", na_action="na.omit") == make_lm("y ~ x", na_action="omit")


def test_list_of_models() -> None:
    assert make_lmlist("y ~ x | g").to_r() == "lmList(y ~ x | g)"


@pytest.mark.parametrize(
    ("options", "sigma", "max_iter"),
    [
        (None, None, None),
        ({"sigma": 1.4}, 1.4, None),
        ({"sigma": 0}, None, None),
        ({"sigma": None, "maxIter": 100}, None, 100),
        ({"maxIter": 100, "msMaxIter": 200, "tolerance": 1e-8}, None, 200),
        ({"max_iter": 7, "opt": "optim", "returnObject": True}, None, 7),
    ],
)
def test_control(options: Any, sigma: Any, max_iter: Any) -> None:
    control = make_control(options)
    assert (control.sigma, control.max_iter) == (sigma, max_iter)
    assert make_control(control) is control


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fixed": "y"}, "a formula"),
        ({"fixed": 3}, "must be a string"),
        ({"fixed": "~ x"}, "no response"),
        ({"random": "1 | g"}, "random is"),
        ({"random": 3}, "random is .* not int"),
        ({"random": {}}, "random is"),
        ({"random": {"g": 3}}, "'g' needs a formula"),
        ({"random": {3: "~ 1"}}, "column name"),
        ({"random": {"g": PdDiag()}}, "pdDiag needs a formula"),
        ({"random": {"g": "~ 1 | h"}}, "named twice"),
        ({"random": "~ 2 * x | g"}, "cannot be a term"),
        ({"correlation": 3}, "correlation is a structure such as"),
        ({"correlation": VarExp()}, "correlation is a structure such as"),
        ({"correlation": CorAR1(form="y ~ x")}, "one-sided"),
        ({"weights": CorAR1()}, "weights is a variance function"),
        ({"weights": [1.0, 2.0]}, "v = 1 / w, and weights='~ v' .VarFixed.; not list"),
        ({"weights": "corAR1()"}, "cannot stand here"),
        ({"subset": [1, 2]}, "boolean mask"),
        ({"subset": "3 > 2"}, "expression on columns"),
        ({"method": "MLE"}, "method is REML or ML"),
        ({"na_action": "drop"}, "na_action is one of"),
        ({"control": {"sgima": 1}}, "did you mean sigma"),
        ({"control": {"max_iter": 1.5}}, "whole number"),
        ({"control": {"sigma": "1"}}, "positive number"),
        ({"control": 3}, "control is a mapping"),
        ({"contrasts": "contr.sum"}, "are a pair"),
        ({"contrasts": {"a": "foo"}}, "unknown contrasts 'foo'"),
        ({"priors": 3}, "priors are"),
    ],
)
def test_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        make_lme(**{"fixed": "y ~ x", "random": "~ 1 | g", **arguments})
    assert len(str(caught.value)) <= 300
