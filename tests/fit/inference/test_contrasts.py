"""Contrasts and terms as people write them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import FitError
from bayeslme.fit.inference.contrasts import contrasts

NAMES = ("(Intercept)", "Time", "Diet2", "Diet3", "Time:Diet2", "Time:Diet3")
ONE = {"Time:Diet2": 1, "Time:Diet3": -1}
TWO = [{"Time:Diet2": 1}, {"Time:Diet3": 1}]


@cache
def rats() -> bayeslme.LmeFit:
    return bayeslme.lme("weight ~ Time * Diet", bayeslme.load_data("BodyWeight"), "~ Time | Rat")


@pytest.mark.parametrize(
    "L",
    [ONE, [ONE], pd.Series(ONE), pd.DataFrame([ONE]), [0, 0, 0, 0, 1, -1], [[0, 0, 0, 0, 1, -1]]],
)
def test_one_contrast_in_many_ways(L: Any) -> None:
    found = contrasts(L, NAMES)
    np.testing.assert_array_equal(found.rows, [[0, 0, 0, 0, 1, -1]])
    assert str(found) == "Time:Diet2 Time:Diet3 \n         1         -1 "


@pytest.mark.parametrize(
    "L", [TWO, np.eye(6)[4:], [TWO[0], np.eye(6)[5]], pd.DataFrame(TWO).fillna(0)]
)
def test_several_contrasts_in_many_ways(L: Any) -> None:
    found = contrasts(L, NAMES)
    np.testing.assert_array_equal(found.rows, np.eye(6)[4:])
    assert found.labels == ()


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series])
def test_contrasts_of_numbers_may_have_names_too(kind: Any) -> None:
    row = [0, 0, 0, 0, 1, -1]
    numbers = pd.Series(row, index=NAMES) if kind is pd.Series else kind(row)
    found = contrasts({"2 - 3": numbers}, NAMES)
    np.testing.assert_array_equal(found.rows, [row])
    assert found.labels == ("2 - 3",)


def test_one_contrast_is_a_named_vector() -> None:
    """R: anova(f, L = c(age = 1, "SexFemale:age" = 0.5)) of distance ~ Sex * age."""
    found = contrasts({"age": 1, "SexFemale:age": 0.5}, ["(Intercept)", "age", "SexFemale:age"])
    assert str(found) == "          age SexFemale:age \n          1.0           0.5 "


def test_rows_keep_their_names() -> None:
    rows = dict(zip(("2 - 1", "3 - 1"), TWO, strict=True))
    frame = pd.DataFrame(TWO, index=list(rows)).fillna(0)
    for L in (rows, frame):
        text = str(rats().anova(L=L))
        assert text.splitlines()[2].split() == ["2", "-", "1", "1", "0"]
        assert text.splitlines()[3].split() == ["3", "-", "1", "0", "1"]


@pytest.mark.parametrize(
    ("L", "words"),
    [
        ([1, 2], "a row of 2 where 6 numbers"),
        ([[0, 0, 0, 0, 1, 0], [1]], "a row of 1 where 6"),
        (np.zeros((1, 1, 6)), "shape"),
        ({"Tim": 1}, "'Tim' is no coefficient; allowed are .*Time:Diet3"),
        (pd.DataFrame({"Tim": [1]}), "'Tim' is no coefficient"),
        ([], "no contrast is given"),
        ({}, "no contrast is given"),
        ([0] * 6, "row 1 is zero"),
        ({"null": {"Time": 0}}, "row null is zero"),
        ([0, 0, 0, 0, np.nan, 1], "missing or infinite"),
        ({"Time": None}, "missing or infinite"),
        ({"Time": 1e308}, "too large or too small for double precision"),
        ({"Time": "a"}, "not made of numbers"),
        ("Time", "not made of numbers"),
        ([{"Time": 1}, {"Time": 2}], "rank 1"),
    ],
)
def test_what_is_no_contrast(L: Any, words: str) -> None:
    with pytest.raises(FitError, match=words):
        contrasts(L, NAMES)


@pytest.mark.parametrize("terms", [[2, 4], np.array([2, 4]), ["Time", "Diet:Time"], (4, "Time")])
def test_terms_in_many_ways(terms: Any) -> None:
    fit = rats()
    expected = fit.anova(L=np.eye(6)[[1, 4, 5]])
    np.testing.assert_allclose(fit.anova(terms=terms), expected, rtol=1e-10)


@pytest.mark.parametrize("terms", [0, 5, -1, 2.0, True, None, "Tim", [], [2, 2], ["Time", 2]])
def test_what_is_no_term(terms: Any) -> None:
    with pytest.raises(FitError, match=r"terms: .*\(Intercept\), Time, Diet, Time:Diet"):
        rats().anova(terms=[terms] if terms is None else terms)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fit: fit.anova(fit), "type: LmeFit is none of"),
        (lambda fit: fit.anova("foo", terms="Time"), "type: foo is none of"),
        (lambda fit: fit.anova(terms="Time", L=ONE), "terms, L: give one"),
        (lambda fit: bayeslme.anova(fit, names=["a"]), "names, test: for several"),
        (lambda fit: bayeslme.anova(fit, test=False), "names, test: for several"),
        (lambda fit: bayeslme.anova(fit, fit, names=["a"]), "names: a list of 2"),
        (lambda fit: bayeslme.anova(fit, fit, names="ab"), "names: a list of 2"),
        (lambda fit: bayeslme.anova(fit, fit, type="marginal"), "type: for one fit"),
        (lambda fit: bayeslme.anova([fit, fit]), "argument 1 is no fit"),
    ],
)
def test_no_argument_is_ignored(call: Any, words: str) -> None:
    with pytest.raises(FitError, match=words):
        call(rats())


def test_the_function_passes_the_arguments_of_one_fit() -> None:
    fit = rats()
    for arguments in ({"type": "marginal"}, {"L": ONE}, {"terms": 2, "df": "satterthwaite"}):
        assert str(bayeslme.anova(fit, **arguments)) == str(fit.anova(**arguments))


def test_comparison_without_tests() -> None:
    fit = rats()
    plain = bayeslme.anova(fit, fit.update(random="~ 1 | Rat"), test=False)
    assert list(plain) == ["Model", "df", "AIC", "BIC", "logLik"]
