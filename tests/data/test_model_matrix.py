"""Model matrices, contrasts and their use on new data, against R's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme.data.contrasts import CONTRASTS, Contrasts, contrast_matrix
from bayeslme.data.model_matrix import JoinedMatrix, learn
from bayeslme.data.variables.columns import Columns
from bayeslme.errors import DataError, SpecError
from bayeslme.formula.formula import parse_formula
from bayeslme.formula.terms import Terms, expand
from data.support import answers, typed

FRAME, NEW = typed("r_frame.csv"), typed("r_new.csv")


def terms_of(formula: str) -> Terms:
    return expand(parse_formula(formula), tuple(FRAME.columns))


def assert_digest(X: np.ndarray, want: dict[str, list[float]]) -> None:
    """Two sums per column, one of them weighted by the row's place, say what is in it."""
    weights = np.sqrt(np.arange(1, len(X) + 1))
    np.testing.assert_allclose(X.T @ weights, want["weighted"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((X**2).sum(axis=0), want["squares"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", answers()["matrices"], ids=lambda c: c["formula"])
def test_model_matrix_is_r(case: dict[str, Any]) -> None:
    matrix, X = learn(terms_of(case["formula"]), Columns(FRAME), Contrasts(*case["contrasts"]))
    assert list(matrix.names) == case["names"]
    assert matrix.assign.tolist() == case["assign"]
    assert_digest(X, case["fit"])
    assert_digest(matrix.apply(NEW), case["new"])


@pytest.mark.parametrize(
    "case", answers()["contrasts"], ids=lambda c: f"{c['name']}{len(c['levels'])}"
)
def test_contrasts_are_r(case: dict[str, Any]) -> None:
    matrix, names = contrast_matrix(case["name"], tuple(case["levels"]))
    np.testing.assert_allclose(matrix, case["matrix"], atol=1e-12)
    assert list(names) == case["names"]


@pytest.mark.parametrize("name", CONTRASTS)
@pytest.mark.parametrize("m", range(2, 9))
def test_contrasts_and_intercept_span_all_levels(name: str, m: int) -> None:
    matrix = contrast_matrix(name, tuple("abcdefgh"[:m]))[0]
    assert np.linalg.matrix_rank(np.column_stack([np.ones(m), matrix])) == m


def test_unknown_contrasts_are_named() -> None:
    with pytest.raises(SpecError, match=r"contr\.Sum.*contr\.treatment"):
        contrast_matrix("contr.Sum", ("a", "b"))
    with pytest.raises(SpecError, match="96 levels"):
        contrast_matrix("contr.poly", tuple(map(str, range(96))))


def test_contrasts_by_factor() -> None:
    chosen = Contrasts(by_factor={"a": "contr.sum", "o": "contr.SAS"})
    names = learn(terms_of("y ~ a + b + o"), Columns(FRAME), chosen)[0].names
    assert names == ("(Intercept)", "a1", "a2", "bmid", "bhi", "os1", "os2", "os3")


def test_statistics_of_the_fit_are_used_for_new_data() -> None:
    matrix, X = learn(terms_of("y ~ 0 + I((z - mean(z)) / sd(z))"), Columns(FRAME))
    z = FRAME["z"].to_numpy()
    np.testing.assert_allclose(X[:, 0], (z - z.mean()) / z.std(ddof=1))
    got = matrix.apply(NEW)[:, 0]
    np.testing.assert_allclose(got, (NEW["z"] - z.mean()) / z.std(ddof=1))


def test_new_data_in_any_order_and_as_numbers() -> None:
    frame = pd.DataFrame({"y": [1.0, 2, 3, 4], "g": pd.Categorical(["1", "2", "3", "1"])})
    matrix, X = learn(terms_of("y ~ g"), Columns(frame))
    got = matrix.apply(pd.DataFrame({"g": [3, 1]}))
    np.testing.assert_array_equal(got, X[[2, 0]])


def test_new_data_with_few_levels_keep_the_levels_of_the_fit() -> None:
    formula = "y ~ as.numeric(o) + factor(b, labels = c('L', 'M', 'H')) + relevel(b, ref = 'hi')"
    matrix, X = learn(terms_of(formula), Columns(FRAME))
    one = FRAME.iloc[[5]].assign(o=str(FRAME["o"].iloc[5]), b=str(FRAME["b"].iloc[5]))
    np.testing.assert_array_equal(matrix.apply(one), X[[5]])


def test_missing_values_of_new_data_give_nan_rows() -> None:
    matrix = learn(terms_of("y ~ x + a"), Columns(FRAME))[0]
    new = NEW.head(3).copy()
    new.loc[new.index[0], "x"] = np.nan
    new.loc[new.index[2], "a"] = None
    X = matrix.apply(new)
    assert np.isnan(X).any(axis=1).tolist() == [True, False, True]


def test_errors_name_the_variable() -> None:
    matrix = learn(terms_of("y ~ x + b"), Columns(FRAME))[0]
    with pytest.raises(DataError, match=r"'b' has the level 'new' .* lo, mid, hi"):
        matrix.apply(NEW.assign(b="new"))
    with pytest.raises(DataError, match=r"column 'x' \(model formula\)"):
        matrix.apply(NEW.drop(columns="x"))
    with pytest.raises(DataError, match="'x' is a factor in the new data"):
        matrix.apply(NEW.assign(x="five"))
    with pytest.raises(DataError, match="factor 'a' has the single level 'u'"):
        learn(terms_of("y ~ a"), Columns(FRAME[FRAME["a"] == "u"]))
    with pytest.raises(DataError, match=r"'log\(z\)' is not a finite number"):
        learn(terms_of("y ~ log(z)"), Columns(FRAME))
    with pytest.raises(DataError, match="'ch' is text where a number is needed"):
        learn(terms_of("y ~ log(ch)"), Columns(FRAME))
    with pytest.raises(SpecError, match=r"poly\(\) needs a degree"):
        learn(terms_of("y ~ poly(x, 5)"), Columns(FRAME))


def test_too_many_dummies_are_refused_before_they_are_made() -> None:
    n = 40_000
    frame = pd.DataFrame({"y": np.zeros(n), "g": pd.Categorical(np.arange(n).astype(str))})
    with pytest.raises(DataError, match="'g' would make 40000 columns of 40000 rows"):
        learn(terms_of("y ~ g"), Columns(frame))


def test_joined_blocks_keep_their_own_coding() -> None:
    parts = tuple(learn(terms_of(f), Columns(FRAME))[0] for f in ("~ 1", "~ b - 1"))
    joined = JoinedMatrix(parts)
    assert joined.names == ("(Intercept)", "blo", "bmid", "bhi")
    assert joined.apply(NEW).shape == (len(NEW), 4)
    assert set(joined.codings) == {"b"}
