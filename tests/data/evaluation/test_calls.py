"""Arguments of functions in formulas: any constant is read or refused by name, before the work."""

import time

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data.evaluation.evaluate import evaluate_rows
from bayeslme.data.evaluation.functions import FUNCTIONS, MATHS
from bayeslme.data.variables.columns import Columns
from bayeslme.errors import BayesLMEError, DataError, SpecError
from bayeslme.formula.grammar import parse_expression

ROWS = 12
FRAME = pd.DataFrame(
    {"x": np.linspace(1.0, 5.0, ROWS), "f": list("abc") * 4, "b": [True, False] * 6}
)
VALUES = (
    '"a"', '""', "NA", "NULL", "TRUE", "Inf", "-Inf", "-1", "0", "1.5", "3", "1e9", "1e308",
    "c()", "c(1, 2)", 'c("a", "b")', "c(1, NA)", 'c(1, "a")', "x", "f", "pi", "poly(x, 2)",
    "mean(x)", "x > 2",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *MATHS}))
def test_every_function_takes_or_refuses_every_constant(name: str) -> None:
    columns = Columns(FRAME)
    for value in VALUES:
        for call in (f"{name}({value})", f"{name}(x, {value})", f"{name}(f, {value})"):
            try:
                made = evaluate_rows(parse_expression(call), columns)
            except BayesLMEError as error:
                assert len(str(error)) <= 300
            else:
                values = getattr(made, "code", getattr(made, "values", made))
                assert len(values) == ROWS


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('round(x, "a")', "whole number"),
        ('poly(x, "a")', "whole number"),
        ("poly(x, 1e6)", "1000000 asked for, 12 values"),
        ('cut(x, "a")', "needs numbers for 'breaks'"),
        ("ns(x, NA)", "whole number"),
        ("ns(x, df = 1e8)", "at most 12 for 'df', not 100000000"),
        ("bs(x, degree = 1e9)", "at most 100"),
        ("scale(pi)", "needs a column for 'x', not the constant pi"),
        ("factor(f, levels = c('a', 'a'))", "twice"),
    ],
)
def test_errors_say_what_is_allowed(call: str, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(SpecError, match=message):
        evaluate_rows(parse_expression(call), Columns(FRAME))
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("text", ["1e400L", "0x" + "f" * 300, "-" * 200 + "x", "x" + "^2" * 200])
def test_numbers_and_operators_beyond_the_limits_are_told(text: str) -> None:
    with pytest.raises(SpecError, match=r"too large|within one another"):
        parse_expression(text)


def test_a_thousand_terms_are_fitted() -> None:
    rng = np.random.default_rng(1)
    names = [f"x{k}" for k in range(1200)]
    data = pd.DataFrame(rng.standard_normal((1300, 1200)), columns=names)
    data["y"] = data["x0"] + rng.standard_normal(1300)
    text = "y ~ x0 + x1 + x2" + "".join(f" - {name}" for name in names[3:])
    assert list(bayeslme.lm(text, data).fixef.index) == ["(Intercept)", "x0", "x1", "x2"]
    whole = bayeslme.lm("y ~ I(" + " + ".join(names) + ")", data)
    own = np.polyfit(data[names].sum(axis=1), data["y"], 1)  # the same line by least squares
    assert whole.fixef.to_numpy() == pytest.approx(own[::-1], rel=1e-8)


def test_more_effects_than_rows_are_refused_before_the_work() -> None:
    data = bayeslme.load_data("Orthodont")
    with pytest.raises(DataError, match="27 effects for group 'Subject': no group has more than 4"):
        bayeslme.lme("distance ~ 1", data, "~ Subject | Subject")
    with pytest.raises(DataError, match="378 variance parameters, and at most 108"):
        bayeslme.lme("distance ~ 1", data, "~ Subject | Sex")
    long = pd.DataFrame({"t": np.arange(2000), "y": np.arange(2000) % 7})
    with pytest.raises(DataError, match="1999000 correlations, and at most 1000"):
        bayeslme.gls("y ~ 1", long, bayeslme.CorSymm(form="~ t"))


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_a_model_without_coefficients_has_every_verb(method: str) -> None:
    fit = bayeslme.lme(
        "distance ~ 0", bayeslme.load_data("Orthodont"), "~ 1 | Subject", method=method
    )
    assert fit.loglik == pytest.approx(-322.5150867, abs=1e-6)
    for verb in (fit.summary, fit.anova, fit.intervals, fit.vcov, fit.predict):
        assert str(verb()) != ""
    with pytest.raises(BayesLMEError, match="no predictor"):
        fit.means("age")
    assert fit.update(fixed="distance ~ age").fixef.index.tolist() == ["(Intercept)", "age"]


def test_varident_of_many_strata_is_that_of_each_stratum() -> None:
    rng = np.random.default_rng(3)
    strata = np.repeat(np.arange(100), 6)
    data = pd.DataFrame({"s": strata.astype(str), "y": rng.standard_normal(600) * (1 + strata % 5)})
    fit = bayeslme.gls("y ~ 0", data, weights=bayeslme.VarIdent(form="~ 1 | s"), method="ML")
    sd = np.sqrt((data["y"] ** 2).groupby(strata).mean())  # the closed form
    expected = -3 * np.sum(np.log(2 * np.pi * sd**2) + 1)
    assert fit.loglik == pytest.approx(expected, abs=1e-5)


def test_underflow_is_no_error_of_a_fit() -> None:
    data = bayeslme.load_data("Orthodont")
    form = bayeslme.CorGaus(form="~ age | Subject")
    plain = bayeslme.gls("distance ~ age", data, form).loglik
    with np.errstate(all="raise"):
        assert bayeslme.gls("distance ~ age", data, form).loglik == plain


@pytest.mark.parametrize("name", ["fixed", "corstruct", "varfunc", "sigma"])
def test_groups_named_as_parts_are_refused(name: str) -> None:
    data = bayeslme.load_data("Orthodont").rename(columns={"Subject": name})
    with pytest.raises(DataError, match=f"'{name}' has a name"):
        bayeslme.lme("distance ~ age", data, f"~ 1 | {name}")
