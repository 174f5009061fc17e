"""Factors in several branches: which nest, which cross, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayeslme import BayesLMEError
from bayeslme.data.design import build
from bayeslme.data.newdata import new_rows
from bayeslme.spec.lmer import make_lmer
from bayeslme.spec.make import make_lme

RNG = np.random.default_rng(5)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=24),
        "a": np.repeat(["u", "v", "w"], 8),
        "b": np.tile(["p", "q"], 12),
        "c": np.tile(["k", "l", "m", "n"], 6),
    }
)


def test_factors_that_nest_make_a_nested_model() -> None:
    data = DATA.assign(inner=DATA["a"] + DATA["b"])
    design = build(make_lmer("y ~ (1 | inner) + (1 | a)"), data)
    assert not design.crossed
    assert [level.group for level in design.levels] == ["a", "inner"]
    assert design.levels[1].labels == ("up", "uq", "vp", "vq", "wp", "wq")
    np.testing.assert_array_equal(design.levels[1].parent, [0, 0, 1, 1, 2, 2])


def test_groups_of_a_nested_factor_come_by_the_outer_one() -> None:
    data = DATA.assign(inner=DATA["b"] + DATA["a"])
    level = build(make_lmer("y ~ (1 | a) + (1 | inner)"), data).levels[1]
    assert level.labels == ("pu", "qu", "pv", "qv", "pw", "qw")
    assert np.all(np.diff(level.parent) >= 0)
    assert [level.labels[k] for k in level.code] == data["inner"].tolist()


def test_branches_and_their_labels() -> None:
    design = build(make_lme("y ~ 1", ["~ 1 | a/b", "~ 1 | c"]), DATA)
    assert design.crossed
    assert [(level.group, level.branch) for level in design.levels] == [
        ("a", 0),
        ("b", 0),
        ("c", 1),
    ]
    assert design.levels[1].labels[:2] == ("u/p", "u/q")
    assert design.outer(1) == (0, 1)
    assert design.outer(2) == (2,)


def test_two_inner_factors_of_one_name() -> None:
    design = build(make_lme("y ~ 1", ["~ 1 | a/b", "~ 1 | c/b"]), DATA.assign(b=np.arange(24) % 5))
    assert [level.group for level in design.levels] == ["a", "b", "c", "c/b"]


def test_new_rows_find_their_groups_and_unseen_ones_do_not() -> None:
    design = build(make_lmer("y ~ (1 | a) + (1 | c:b)"), DATA)
    new = pd.DataFrame({"a": ["v", "zz"], "b": ["q", "p"], "c": ["l", "l"]})
    rows = new_rows(design, new)
    assert rows.code[0].tolist() == [1, -1]
    assert design.levels[1].labels[rows.code[1][0]] == "l:q"
    assert rows.code[1][1] == -1  # l comes with q only


@pytest.mark.parametrize(
    ("formula", "frame", "words"),
    [
        ("y ~ (1 | a) + (1 | k)", DATA.assign(k="one"), "'k' has one level"),
        ("y ~ (1 | a) + (1 | k)", DATA.assign(k=DATA["a"].str.upper()), "two names of one factor"),
        ("y ~ (1 | a:b) + (1 | b:a)", DATA, "stands in two terms"),
        ("y ~ (1 | a) + (1 | nowhere)", DATA, "'nowhere'"),
        ("y ~ (1 | a:nowhere)", DATA, "'nowhere'"),
    ],
)
def test_what_is_refused(formula: str, frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(BayesLMEError, match=words):
        build(make_lmer(formula), frame)


def test_one_factor_by_two_names_may_have_different_effects() -> None:
    data = DATA.assign(k=DATA["a"].str.upper(), x=RNG.normal(size=24))
    design = build(make_lmer("y ~ (1 | a) + (0 + x | k)"), data)
    assert [level.effects for level in design.levels] == [("(Intercept)",), ("x",)]


def test_new_rows_are_found_by_values_whatever_their_labels() -> None:
    data = DATA.assign(a=np.repeat([1, 10, 2], 8), b=np.tile([0.1, 0.3], 12))
    design = build(make_lmer("y ~ (1 | a) + (1 | c:b)"), data)
    new = pd.DataFrame({"a": [10.0, 2.0, 3.0], "b": [0.3, 0.1 + 0.2, 0.1], "c": ["l", "l", "k"]})
    rows = new_rows(design, new)
    assert [design.levels[0].labels[k] for k in rows.code[0][:2]] == ["10", "2"]
    assert rows.code[0][2] == -1
    assert design.levels[1].labels[rows.code[1][0]] == "l:0.3"
    assert rows.code[1][1] == -1  # 0.1 + 0.2 is another number than 0.3
    assert design.levels[1].labels[rows.code[1][2]] == "k:0.1"


def test_new_rows_of_a_branch_are_read_within_its_own_columns() -> None:
    design = build(make_lme("y ~ 1", ["~ 1 | c", "~ 1 | a/b"]), DATA)
    new = DATA.iloc[[9, 2]].assign(c="unseen")
    rows = new_rows(design, new)
    assert rows.code[0].tolist() == [-1, -1]
    for k in (1, 2):
        np.testing.assert_array_equal(rows.code[k], design.levels[k].code[[9, 2]])


def test_a_factor_between_the_levels_of_a_branch_leaves_them_together() -> None:
    data = DATA.assign(b=np.arange(24) // 2, c=np.arange(24) // 4)  # a holds c, c holds b
    design = build(make_lme("y ~ 1", ["~ 1 | a/b", "~ 1 | c"]), data)
    assert design.included(1) == (0, 1)
    assert design.levels[1].labels[:2] == ("u/0", "u/1")
