"""Known matrices: what is refused, and how one is taken apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme.errors import DataError, SpecError
from bayeslme.structures import PdBlocked, PdIdent, PdKnown, RelationMatrix
from tests.known import clones, labelled, pedigree

NAMES = list("abcd")
GOOD = labelled(np.eye(4) + 0.25, NAMES)


def changed(i: int, j: int, value: float) -> pd.DataFrame:
    out = GOOD.copy()
    out.iloc[i, j] = value
    return out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (changed(0, 1, 0.3), "not symmetric: 0.3 at row 'a', column 'b'"),
        (changed(0, 0, -1.0), "not positive semidefinite"),
        (labelled(np.eye(4) - 0.5, NAMES), "smallest eigenvalue is -1"),
        (changed(2, 2, np.nan), "not finite at row 'c', column 'c'"),
        (GOOD.rename(index={"b": "a"}), "'a' stands twice"),
        (GOOD.rename(columns={"b": "a"}), "'a' stands twice"),
        (GOOD.rename(index={"b": "z"}), "labelled differently"),
        (GOOD.iloc[:3], "3 x 4"),
        (GOOD.iloc[:0, :0], "square"),
        (3.0, "a single number"),
        ("~ 1", "no numbers"),
        (pd.DataFrame({"a": ["x"]}, index=["a"]), "no numbers"),
        (None, "PdKnown"),
    ],
)
def test_what_is_no_covariance(given: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        PdKnown(given)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def test_rounding_is_no_error() -> None:
    rng = np.random.default_rng(2)
    a = clones(20, rng)
    root = rng.normal(size=(20, 20))
    noise = 1e-9 * (root + root.T)
    PdKnown(a + noise)
    PdKnown((a + noise).round(8))


def test_no_variance_at_all() -> None:
    matrix = RelationMatrix.of(changed(0, 0, 0.0) * np.outer([0, 1, 1, 1], [0, 1, 1, 1]), "A")
    assert matrix.among(["a", "b"], ordered=False, who="A").rank == 1
    with pytest.raises(DataError, match="0 for all groups"):
        matrix.among(["a"], ordered=False, who="A")


def test_blocks_are_within_groups() -> None:
    with pytest.raises(SpecError, match="among them"):
        PdBlocked([PdKnown(GOOD), PdIdent("~ x")])


def test_is_a_copy() -> None:
    a = GOOD.copy()
    known = PdKnown(a)
    a.iloc[0, 0] = 9.0
    assert known == PdKnown(GOOD)
    assert known != PdKnown(2.0 * GOOD)
    assert hash(known) == hash(PdKnown(GOOD))
    with pytest.raises(ValueError, match="read-only"):
        known.A.values[0, 0] = 1.0


def test_taken_apart() -> None:
    """What is expected of levels without rows, and what is left of them, by dense algebra."""
    a = pedigree(15, 4, np.random.default_rng(3))
    groups = list(a.index[[9, 2, 4, 11, 7, 0, 13]])
    related = RelationMatrix.of(a, "A").among(groups, ordered=False, who="A")
    others = list(related.labels)
    assert sorted([*groups, *others]) == sorted(a.index)
    own, cross = a.loc[groups, groups].to_numpy(), a.loc[others, groups].to_numpy()
    np.testing.assert_allclose(related.root @ related.root.T, own, atol=1e-12)
    effects = np.random.default_rng(1).normal(size=(3, len(groups), 2))
    expected = cross @ np.linalg.solve(own, effects)
    np.testing.assert_allclose(related.extended(effects)[:, len(groups) :], expected, atol=1e-12)
    left = a.loc[others, others].to_numpy() - cross @ np.linalg.solve(own, cross.T)
    np.testing.assert_allclose(related.left[len(groups) :], np.diagonal(left), atol=1e-12)
    some = np.array([len(groups), len(groups) + 3])
    root = related.unexplained(some)
    np.testing.assert_allclose(root @ root.T, left[np.ix_([0, 3], [0, 3])], atol=1e-12)


def test_clones_have_one_effect() -> None:
    a = clones(12, np.random.default_rng(5))
    groups = list(a.index[[0, 1, 2, 5]])
    related = RelationMatrix.of(a, "A").among(groups, ordered=False, who="A")
    assert related.rank == 3
    u = related.correlated(np.random.default_rng(1).normal(size=(5, 4, 1)))
    np.testing.assert_allclose(u[:, 0], u[:, 1], atol=1e-12)
    every = pd.DataFrame(related.extended(u)[0], index=[*groups, *related.labels])
    np.testing.assert_allclose(every.loc["c4"], every.loc["c5"], atol=1e-10)


def test_labels_that_pandas_counted() -> None:
    matrix = RelationMatrix.of(pd.DataFrame(GOOD.to_numpy()), "A")
    assert matrix.among(["0", "3"], ordered=False, who="A").labels == ("1", "2")
    with pytest.raises(DataError, match="no labels"):
        matrix.among(["1", "2"], ordered=False, who="A")
    assert matrix.among(["1", "2", "3", "4"], ordered=True, who="A").labels == ()
