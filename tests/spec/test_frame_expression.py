"""Rows chosen in the data argument of an R call."""

import numpy as np
import pytest

from bayeslme import DataError, gls, lme, load_data, translate
from bayeslme.formula.deparse import deparse
from bayeslme.formula.grammar import parse_expression
from bayeslme.spec.frame_expression import read_frame, without_frame

WITH = "lme(distance ~ age, data = {}, random = ~1 | Subject)"


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ("d", None),
        ("droplevels(as.data.frame(d))", None),
        ("subset(d, x > 1)", "x > 1"),
        ("subset(d, x > 1 | z, select = -w)", "x > 1 | z"),
        ('d[d$x == "a", ]', 'x == "a"'),
        ("d[which(d$x > 1), c('x', 'y')]", "x > 1"),
        ("d[c('x', 'y')]", None),
        ("d[, 1:2]", None),
        ("d[-c(1, 2), ]", "-c(1, 2)"),
        ("na.omit(d)", "complete.cases(.)"),
        ("d[complete.cases(d), ]", "complete.cases(.)"),
        ("na.omit(subset(d, a | b))", "(a | b) & complete.cases(.)"),
        ("subset(subset(d, a > 1), b > 2)", "a > 1 & b > 2"),
    ],
)
def test_rows_become_a_condition(data: str, rows: str | None) -> None:
    frame = read_frame(parse_expression(data), data, {})
    assert frame.name == "d"
    assert (None if frame.rows is None else deparse(frame.rows)) == rows


def test_columns_of_the_frame_are_columns() -> None:
    node = parse_expression("log(d$y + 1) ~ d$x * (d$z - e$w) + d$`a b`")
    assert deparse(without_frame(node, "d")) == "log(y + 1) ~ x * (z - e$w) + `a b`"


@pytest.mark.parametrize(
    ("data", "subset"),
    [
        ("subset(Orthodont, Sex == 'Female')", "Sex == 'Female'"),
        ("Orthodont[Orthodont$age > 8, ]", "age > 8"),
        ("Orthodont[1:40, ]", "1:40"),
    ],
)
def test_the_call_is_that_with_a_subset(data: str, subset: str) -> None:
    spec = translate(WITH.format(data))
    assert spec == translate(spec.to_r())
    orthodont = load_data("Orthodont")
    alone = lme("distance ~ age", orthodont, "~ 1 | Subject", subset=subset)
    assert spec.fit(orthodont).loglik == alone.loglik


def test_columns_alone_say_which_frame() -> None:
    spec = translate("lme(Orthodont$distance ~ Orthodont$age, random = ~1 | Orthodont$Subject)")
    assert spec == translate(WITH.format("Orthodont"))


def test_rows_without_missing_values_in_any_column() -> None:
    data = load_data("Orthodont")
    data["z"] = 1.0
    data.loc[[1, 8], "z"] = np.nan
    spec = translate(WITH.format("na.omit(d)"))
    assert "complete.cases(d)" in spec.to_r()
    assert spec == translate(spec.to_r())
    fit = spec.fit(data)
    # nlme 3.1-162: z missing in rows 2 and 9, lme(distance ~ age, data = na.omit(d), ~ 1 | Subject)
    assert fit.loglik == pytest.approx(-219.570523543, abs=1e-8)
    assert fit.update(method="ML").nobs == 106


def test_numbers_of_rows_are_those_of_the_frame() -> None:
    data = load_data("Orthodont")
    chosen = gls("distance ~ age", data, subset="c(1, 6, 11)")
    assert list(chosen.fitted().index) == [0, 5, 10]
    with pytest.raises(DataError, match="row 109 is none of the 108 rows"):
        gls("distance ~ age", data, subset="1:109")
