"""New rows seen through a design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayeslme.data.datasets import load_data
from bayeslme.data.design import build
from bayeslme.data.newdata import nested_labels, new_correlation, new_rows, new_variance
from bayeslme.errors import DataError
from bayeslme.spec.make import make_lme
from bayeslme.spec.script import translate

CALLS = [
    "lme(pixel ~ day + I(day^2), random = list(Dog = ~day, Side = ~1), data = Pixel, "
    "correlation = corCAR1(form = ~day | Dog/Side))",
    "lme(distance ~ poly(age, 2) * Sex, random = ~scale(age) | Subject, data = Orthodont, "
    "weights = varComb(varIdent(form = ~1 | Sex), varPower(form = ~age)))",
    "lme(yield ~ ordered(nitro) * Variety, random = ~1 | Block/Variety, data = Oats, "
    "weights = varPower())",
    "gls(yield ~ variety - 1, data = Wheat2, correlation = corExp(form = ~latitude + longitude))",
    "lme(logDens ~ sample * dilut, random = list(Block = pdBlocked(list(pdIdent(~1), "
    "pdIdent(~sample - 1)))), data = Assay)",
]


@pytest.mark.parametrize("call", CALLS)
def test_the_old_rows_are_seen_as_they_were(call: str) -> None:
    spec = translate(call)
    frame = load_data(spec.data)
    design = build(spec, frame)
    order = np.random.default_rng(1).permutation(len(frame))
    rows = new_rows(design, frame.iloc[order])
    np.testing.assert_allclose(rows.X, design.X[order])
    for k, level in enumerate(design.levels):
        np.testing.assert_allclose(rows.Z[k], level.Z[order])
        np.testing.assert_array_equal(rows.code[k], level.code[order])
        own = [rows.group[k].levels[c] for c in rows.group[k].code]
        assert own == [level.labels[c] for c in level.code[order]]
    old, new = design.correlation, new_correlation(design, rows)
    if old is not None and new is not None:
        np.testing.assert_array_equal(new.code, old.code[order])
        np.testing.assert_array_equal(new.position, old.position[order])
    assert (new is None) == (old is None)
    for one, other in zip(design.variance, new_variance(design, rows), strict=True):
        np.testing.assert_array_equal(other.stratum, one.stratum[order])
        assert (one.covariate is None) == (other.covariate is None)


def test_unknown_and_missing_groups() -> None:
    design = build(make_lme("distance ~ age", "~ 1 | Subject"), load_data("Orthodont"))
    new = pd.DataFrame({"age": [8, 9, np.nan], "Subject": ["M01", "new", None]})
    rows = new_rows(design, new)
    known = design.levels[0].labels.index("M01")
    assert rows.code[0].tolist() == [known, -1, -1]
    assert rows.complete.tolist() == [True, True, False]
    assert rows.group[0].code[2] == -1
    assert new_rows(design, new[["age"]], depth=0).Z == ()
    with pytest.raises(DataError, match=r"'Subject' \(random groups\)"):
        new_rows(design, new[["age"]])


def test_inner_groups_are_looked_up_within_outer_ones() -> None:
    design = build(make_lme("pixel ~ day", "~ 1 | Dog/Side"), load_data("Pixel"))
    new = pd.DataFrame({"day": 1, "Dog": ["1", "10", "99"], "Side": ["L", "Z", "L"]})
    rows = new_rows(design, new)
    assert design.levels[1].labels[rows.code[1][0]] == "1/L"
    assert rows.code[0][1] >= 0 and rows.code[1].tolist()[1:] == [-1, -1]
    assert [rows.group[1].levels[c] for c in rows.group[1].code] == ["1/L", "10/Z", "99/L"]


def test_new_strata_and_correlation_groups_have_no_code() -> None:
    spec = make_lme(
        "distance ~ age",
        "~ 1 | Subject",
        correlation="corAR1(form = ~ age | Subject)",
        weights="varIdent(form = ~ 1 | Sex)",
    )
    design = build(spec, load_data("Orthodont"))
    new = pd.DataFrame({"age": [8, 16], "Subject": ["M01", "x"], "Sex": ["Male", "?"]})
    rows = new_rows(design, new)
    (variance,), correlation = new_variance(design, rows), new_correlation(design, rows)
    assert variance.stratum.tolist() == [0, -1]
    assert correlation.code[1] == -1 and correlation.position.tolist() == [[8], [16]]


def test_labels_that_contain_the_separator() -> None:
    frame = pd.DataFrame(
        {"y": np.arange(4.0), "a": ["p", "p/q", "p", "p/q"], "b": ["q/r", "r", "q/r", "s"]}
    )
    design = build(make_lme("y ~ 1", "~ 1 | a/b"), frame)
    rows = new_rows(design, frame)
    np.testing.assert_array_equal(rows.code[1], design.levels[1].code)
    assert nested_labels(rows.group[:1])[0].levels == ("p", "p/q")
