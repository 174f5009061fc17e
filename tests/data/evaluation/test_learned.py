"""Functions that learn from the data of a fit: intervals, quantiles, and conditions as groups."""

import numpy as np
import pandas as pd
import pytest

from bayeslme import lme, load_data
from bayeslme.data.evaluation.evaluate import evaluate
from bayeslme.data.variables.columns import Columns
from bayeslme.formula.grammar import parse_expression

X = [2.3, 7.1, 4.4, 9.8, 1.2, 5.5, np.nan]


def value(text: str, x: list[float] = X, memory: dict | None = None):
    return evaluate(parse_expression(text), Columns(pd.DataFrame({"x": x})), memory)


# R 4.2.2: levels(cut(x, ...)), as.integer(cut(x, ...)) of the x above, of c(5, 5), of c(0, 0)
@pytest.mark.parametrize(
    ("text", "x", "levels", "codes"),
    [
        ("cut(x, 3)", X, "(1.19,4.07] (4.07,6.93] (6.93,9.81]", [1, 3, 2, 3, 1, 2, 0]),
        ("cut(x, 4, dig.lab = 2)", X, "(1.2,3.4] (3.4,5.5] (5.5,7.7] (7.7,9.8]", None),
        (
            "cut(x, 3, right = FALSE, include.lowest = TRUE)",
            X,
            "[1.19,4.07) [4.07,6.93) [6.93,9.81]",
            None,
        ),
        ("cut(x, 2)", [5.0, 5.0], "(4.995,5] (5,5.005]", [1, 1]),
        ("cut(x, 2)", [0.0, 0.0], "(-0.001,0] (0,0.001]", [1, 1]),
    ],
)
def test_intervals_of_equal_length(
    text: str, x: list[float], levels: str, codes: list[int] | None
) -> None:
    found = value(text, x)
    assert " ".join(found.levels) == levels
    if codes is not None:
        assert (found.code + 1).tolist() == codes


def test_quantiles_are_r() -> None:
    # R: quantile(x, c(.3, .65), na.rm = TRUE)
    assert value("quantile(x, c(0.3, 0.65), na.rm = TRUE)") == pytest.approx((3.35, 5.9))
    assert value("x - quantile(x, 0.5)")[0] == pytest.approx(2.3 - 4.95)


def test_new_data_meet_what_was_learned() -> None:
    memory: dict = {}
    value("cut(x, 3)", memory=memory)
    assert value("cut(x, 3)", [2.0, 100.0], memory).code.tolist() == [0, -1]
    value("quantile(x, 0.5)", memory=memory)
    assert value("quantile(x, 0.5)", [0.0, 1.0], memory) == pytest.approx(4.95)


def test_fits_are_nlme() -> None:
    # nlme 3.1-162 with splines, Orthodont: logLik and fixef of the calls below
    data = load_data("Orthodont")
    fit = lme("distance ~ cut(age, 2)", data, "~ 1 | Subject")
    assert fit.fixef["cut(age, 2)(11,14]"] == pytest.approx(2.694444444, abs=1e-8)
    formula = "distance ~ ns(age, knots = quantile(age, c(0.3, 0.6)))"
    fit = lme(formula, data, "~ 1 | Subject", method="ML")
    assert fit.loglik == pytest.approx(-221.238662095, abs=1e-8)
    assert fit.predict(data.head(3)).tolist() == pytest.approx(fit.fitted().head(3).tolist())


def test_a_condition_is_a_stratum() -> None:
    # nlme 3.1-162: weights = varIdent(form = ~ 1 | age > 10)
    data = load_data("Orthodont")
    weights = "varIdent(form = ~ 1 | age > 10)"
    fit = lme("distance ~ age", data, "~ 1 | Subject", weights=weights)
    assert fit.loglik == pytest.approx(-223.492095379, abs=1e-8)
    assert fit.weights_coef["TRUE"] == pytest.approx(1.029206, abs=2e-4)
    crossed = "varIdent(form = ~ 1 | (age > 10) * Sex)"
    fit = lme("distance ~ age", data, "~ 1 | Subject", weights=crossed)
    assert sorted(fit.weights_coef.index) == ["FALSE*Female", "TRUE*Female", "TRUE*Male"]
