"""Aliased columns, against NumPy's rank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslme.data.model_matrix import aliased


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 4))
def test_dependent_columns_are_found(seed: int, free: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, free)) * 10.0 ** rng.integers(-6, 7, free)
    mixed = X @ rng.normal(size=(free, copies))
    assert aliased(np.column_stack([X, mixed])) == list(range(free, free + copies))


@pytest.mark.parametrize("power", range(2, 6))
def test_uncentred_powers_are_no_aliases(power: int) -> None:
    x = np.arange(1.0, 40.0)
    assert aliased(np.vander(x, power, increasing=True)) == []


def test_zero_columns_and_more_columns_than_rows() -> None:
    assert aliased(np.array([[1.0, 0.0], [1.0, 0.0]])) == [1]
    assert aliased(np.random.default_rng(0).normal(size=(2, 4))) == [2, 3]
    assert aliased(np.array([[1.0, 1.0 + 1e-9], [1.0, 1.0]])) == [1]
