"""Factors: levels, their order, and R's labels of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslme.data.variables.columns import Columns, read
from bayeslme.data.variables.factors import (
    Factor,
    compress,
    cross,
    drop_unused,
    from_numbers,
    from_text,
    number_labels,
    relabel,
)
from bayeslme.errors import DataError
from data.support import answers

codes = st.lists(st.integers(0, 3000), min_size=1, max_size=50)


def test_number_labels_are_r() -> None:
    stored = answers()["labels"]
    for value, text in zip(stored["numbers"], stored["text"], strict=True):
        assert number_labels(np.array([float(value)]), integer=False) == (text,)


@given(codes, st.booleans())
def test_compress_numbers_in_order(values: list[int], wide: bool) -> None:
    code = np.array(values) * (10**6 if wide else 1)
    new, used = compress(code, int(code.max()) + 1)
    np.testing.assert_array_equal(used[new], code)
    np.testing.assert_array_equal(used, np.unique(code))


def test_values_that_differ_by_less_than_their_steps_are_apart() -> None:
    factor = from_numbers(np.array([0.0, 1e-17, -1.0]), integer=False)
    assert factor.levels == ("-1", "0", "1e-17") and factor.code.tolist() == [1, 2, 0]


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=30))
def test_levels_of_numbers_are_sorted_by_value(values: list[float | None]) -> None:
    array = np.array([np.nan if v is None else v for v in values])
    factor = from_numbers(array, integer=False)
    known = array[~np.isnan(array)]
    assert len(factor.levels) == len(np.unique(known))
    np.testing.assert_array_equal(factor.code < 0, np.isnan(array))
    np.testing.assert_array_equal(np.unique(known)[factor.code[factor.code >= 0]], known)


@pytest.mark.parametrize("dtype", ["int64", "Int64"])
def test_long_identifiers_are_not_rounded(dtype: str) -> None:
    frame = pd.DataFrame({"id": pd.Series([2**60 + 1, 2**60, 2**60 + 1], dtype=dtype)})
    for columns in (Columns(frame), Columns(frame).take(np.arange(3))):
        factor = columns.factor("id")
        assert factor.levels == (str(2**60), str(2**60 + 1))
        assert factor.code.tolist() == [1, 0, 1]


def test_text_is_sorted_by_letter_before_case() -> None:
    factor = from_text(pd.Series(["Zed", "abc", None, "Q", "abc", "éa"]))
    assert factor.levels == ("abc", "éa", "Q", "Zed")
    assert factor.code.tolist() == [3, 0, -1, 2, 0, 1]


@given(codes, st.data())
def test_cross_is_ordered_by_outer_then_inner(values: list[int], data: st.DataObject) -> None:
    size = len(values)
    inner = data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    a = from_numbers(np.array(values, dtype=float), integer=True)
    b = from_numbers(np.array(inner, dtype=float), integer=True)
    both, first, second = cross(a, b, "/")
    pairs = list(zip(values, inner, strict=True))
    assert [both.levels[c] for c in both.code] == [f"{u}/{v}" for u, v in pairs]
    assert list(both.levels) == [f"{u}/{v}" for u, v in sorted(set(pairs))]
    assert [f"{a.levels[i]}/{b.levels[j]}" for i, j in zip(first, second, strict=True)] == list(
        both.levels
    )


def test_drop_unused_and_relabel() -> None:
    factor = Factor(np.array([2, 0, -1]), ("a", "b", "c"), "ordered")
    kept = drop_unused(factor)
    assert kept.levels == ("a", "c") and kept.code.tolist() == [1, 0, -1] and kept.kind == "ordered"
    assert relabel(factor, ("c", "z")).tolist() == [0, -1, -1]
    logical = Factor(np.array([1, 1]), ("FALSE", "TRUE"), "logical")
    assert drop_unused(logical).levels == ("FALSE", "TRUE")


@pytest.mark.parametrize(
    ("series", "want"),
    [
        (pd.Series([1, 2], dtype="Int64"), [1.0, 2.0]),
        (pd.Series([1, None], dtype="Float64"), [1.0, np.nan]),
        (pd.Series([1.5, None], dtype=object), [1.5, np.nan]),
        (pd.Series([None, None], dtype=object), [np.nan, np.nan]),
        (pd.Series([1, 2], dtype="uint8"), [1.0, 2.0]),
    ],
)
def test_numbers_of_every_type(series: pd.Series, want: list[float]) -> None:
    np.testing.assert_array_equal(read(series), want)


@pytest.mark.parametrize(
    ("series", "levels", "code", "kind"),
    [
        (pd.Series([True, False]), ("FALSE", "TRUE"), [1, 0], "logical"),
        (pd.Series([True, None], dtype="boolean"), ("FALSE", "TRUE"), [1, -1], "logical"),
        (pd.Series([True, None], dtype=object), ("FALSE", "TRUE"), [1, -1], "logical"),
        (pd.Series(["b", None, "a"], dtype="string"), ("a", "b"), [1, -1, 0], "text"),
        (pd.Series(["b", None, "a"], dtype=object), ("a", "b"), [1, -1, 0], "text"),
        (pd.Series(pd.Categorical([10, 8])), ("8", "10"), [1, 0], "factor"),
        (pd.Series(pd.Categorical([0.5, 8], ordered=True)), ("0.5", "8"), [0, 1], "ordered"),
        (pd.Series(pd.Categorical([True, False])), ("FALSE", "TRUE"), [1, 0], "factor"),
    ],
)
def test_factors_of_every_type(
    series: pd.Series, levels: tuple[str, ...], code: list[int], kind: str
) -> None:
    factor = read(series)
    assert isinstance(factor, Factor)
    assert (factor.levels, factor.code.tolist(), factor.kind) == (levels, code, kind)


def test_columns_are_checked() -> None:
    with pytest.raises(DataError, match="data: a data frame is needed, not dict"):
        Columns({"x": [1]})
    twice = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(DataError, match=r"column 'x' .* more than once"):
        Columns(twice).require(["x"], "fixed")
    with pytest.raises(DataError, match=r"'Sx' \(fixed\) is not in the data; did you mean 'Sex'"):
        Columns(pd.DataFrame({"Sex": [1]})).require(["Sx"], "fixed")
    with pytest.raises(DataError, match="complex"):
        read(pd.Series([1j]))


def test_taken_columns_are_rows_of_the_others() -> None:
    columns = Columns(pd.DataFrame({"x": [1.0, 2, 3], "g": ["a", "b", "c"]}))
    assert columns["x"] is columns["x"]
    taken = columns.take(np.array([2, 0]))
    assert taken["x"].tolist() == [3, 1]
    assert taken["g"].code.tolist() == [2, 0] and taken.n == 2
    assert taken.factor("x").levels == ("1", "3")
