"""Labels: as R prints values, and different wherever values differ."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslme.data.variables.labels import (
    LOGICAL_KEYS,
    joined_labels,
    kind_of,
    number_labels,
    numbered,
    plain_keys,
    sorting_key,
    value_labels,
)

TEXTS = st.text(alphabet='ab/"* (2)', max_size=6)


@given(st.lists(st.floats(allow_nan=False), min_size=1, unique=True))
def test_different_numbers_have_different_labels(values: list[float]) -> None:
    different = list({v + 0.0 for v in values})  # 0 and -0 are one number
    labels = number_labels(np.array(different), integer=False)
    assert len(set(labels)) == len(different)


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_integers_of_full_range(kind: type) -> None:
    ends = [np.iinfo(kind).min, np.iinfo(kind).max - 1, np.iinfo(kind).max]
    assert number_labels(np.array(ends, dtype=kind), integer=True) == tuple(map(str, ends))


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, unique=True), st.sampled_from(["/", "*"]))
def test_joined_labels_of_different_groups_differ(pairs: list[tuple[str, str]], by: str) -> None:
    labels = joined_labels([np.array(part, dtype=str) for part in zip(*pairs, strict=True)], by)
    assert len(set(labels)) == len(pairs)
    plain = [f"{a}{by}{b}" for a, b in pairs]
    alone = [k for k, label in enumerate(plain) if plain.count(label) == 1]
    for k in alone:  # what is not ambiguous keeps R's label, numbers of others aside
        assert labels[k].startswith(plain[k])


@given(st.lists(TEXTS, min_size=1))
def test_numbered_labels_differ(labels: list[str]) -> None:
    found = numbered(labels)
    assert len(set(found)) == len(found)
    assert {*labels} <= {*found}


def test_values_of_several_types() -> None:
    keys = [*LOGICAL_KEYS, 1, "1", 0.5, "TRUE", b"1", Decimal("0.50"), datetime.date(2020, 1, 2)]
    labels = value_labels(keys)
    assert len(set(labels)) == len(keys)
    assert labels[2:4] == ("1", '"1"') and labels[-1] == "2020-01-02"


def test_dates_without_a_time_of_day_are_dates() -> None:
    assert value_labels([pd.Timestamp("2020-01-02")]) == ("2020-01-02",)
    assert value_labels([pd.Timestamp("2020-01-02 03:04")]) == ("2020-01-02 03:04:00",)
    assert value_labels([pd.Timestamp(1)])[0].endswith("000000001")


def test_true_is_not_one() -> None:
    keys = plain_keys(np.array([True, 1, False, 0], dtype=object))
    assert len(set(keys)) == 4
    assert [kind_of(k) for k in keys] == ["logical", "number"] * 2


def test_values_of_any_types_sort() -> None:
    values = ["b", 2, LOGICAL_KEYS[1], "A", 1.5, (2, 1), b"x", Decimal(1), 1 + 2j, (1, "a")]
    found = sorted(values, key=sorting_key)
    assert found[:6] == [Decimal(1), 1.5, 2, LOGICAL_KEYS[1], "A", "b"]
