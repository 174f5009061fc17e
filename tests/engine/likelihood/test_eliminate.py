"""Elimination of many effects: by LAPACK for few groups, pivot by pivot for many, one answer."""

from __future__ import annotations

import numpy as np
import pytest

from bayeslme.arrays import NUMPY
from bayeslme.engine.likelihood.eliminate import _factor_level
from bayeslme.engine.likelihood.whiten import products

SIZES = [(7, 10, 3, (4,)), (12, 15, 1, (2,)), (6, 9, 2, ())]


def few_groups(q: int, c: int, groups: int) -> np.ndarray:
    w = np.random.default_rng(1).normal(size=(c, 40, groups))
    return np.einsum("ing,jng->ijg", w, w)[:q]


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(("q", "c", "groups", "batch"), SIZES)
def test_few_groups_as_the_same_among_many(
    q: int, c: int, groups: int, batch: tuple[int, ...], diagonal: bool
) -> None:
    s, factor = few_groups(q, c, groups), np.random.default_rng(2).normal(size=(*batch, q, q))
    if diagonal:
        factor = factor * np.eye(q)
    own = _factor_level(s, factor, q, NUMPY)
    among = _factor_level(np.repeat(s, q, axis=-1), factor, q, NUMPY)
    for one, many in zip(own, among, strict=True):
        np.testing.assert_allclose(one, many[..., ::q], rtol=1e-9, atol=1e-11)


def test_a_factor_that_is_not_a_number_spoils_its_own_place_only() -> None:
    s, factor = few_groups(6, 9, 2), np.repeat(0.5 * np.eye(6)[None], 3, axis=0)
    factor[1, 2, 2] = np.nan
    _, rest, logs = _factor_level(s, factor, 6, NUMPY)
    assert np.isnan(logs[1]).all()
    assert np.isfinite(logs[[0, 2]]).all()
    assert np.isfinite(rest[[0, 2]]).all()


@pytest.mark.parametrize("starts", [[0], [0, 10, 17]])
def test_products_by_few_groups_are_sums_over_their_rows(starts: list[int]) -> None:
    w = np.random.default_rng(3).normal(size=(2, 9, 30))
    found = products(w, 2, 6, np.array(starts), NUMPY)
    for g, rows in enumerate(np.split(w, starts[1:], axis=-1)):
        np.testing.assert_allclose(
            found[..., g], rows[:, 2:8] @ np.swapaxes(rows[:, 2:], -1, -2), rtol=1e-12, atol=1e-12
        )
