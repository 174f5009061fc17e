"""Unstructured correlations without a maximum are refused at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine.build import build_problem
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.no_maximum import require_groups
from bayeslme.errors import FitError
from bayeslme.structures import CorSymm


def problem(groups: int, positions: int, fixed: str = "y ~ 1") -> Problem:
    rng = np.random.default_rng(3)
    n = groups * positions
    frame = pd.DataFrame(
        {
            "y": rng.standard_normal(n),
            "g": np.repeat(np.arange(groups), positions),
            "t": np.tile(np.arange(1, positions + 1), groups),
        }
    )
    call = f"gls({fixed}, correlation = corSymm(form = ~ t | g))"
    return build_problem(build(bayeslme.translate(call), frame))


def has_bound(one: Problem, method: str = "ML") -> bool:
    try:
        require_groups(one, method)
    except FitError as error:
        assert str(error).startswith("corSymm: ") and len(str(error)) <= 300
        return False
    return True


@pytest.mark.parametrize(
    ("groups", "positions", "bounded"), [(1, 3, False), (2, 4, False), (3, 4, True), (27, 4, True)]
)
def test_two_groups_fewer_than_positions_are_too_few(
    groups: int, positions: int, bounded: bool
) -> None:
    assert has_bound(problem(groups, positions)) == bounded


@pytest.mark.parametrize(
    ("groups", "positions", "fixed", "bounded"),
    [
        (2, 4, "y ~ factor(t)", False),  # X'v of both groups are the same
        (1, 4, "y ~ 1", False),  # v may be orthogonal to the intercept
        (1, 3, "y ~ 1", True),
        (1, 4, "y ~ t", True),
    ],
)
def test_reml_takes_back_what_coefficients_can_follow(
    groups: int, positions: int, fixed: str, bounded: bool
) -> None:
    assert has_bound(problem(groups, positions, fixed), "REML") == bounded


@pytest.mark.parametrize(("groups", "grows"), [(2, True), (8, False)])
def test_the_likelihood_grows_towards_a_singular_correlation(groups: int, grows: bool) -> None:
    """Correlations of unit vectors that close a polygon have its sides in their null space."""
    one = problem(groups, 4)
    bound, rng = one.correlation, np.random.default_rng(5)
    assert bound is not None
    y = one.columns[-1].reshape(groups, 4)
    v = np.linalg.svd(y)[2][2:] if groups == 2 else np.linalg.svd(y)[2][3:]
    sides = next(
        s for s in rng.standard_normal((999, len(v))) @ v if 2 * abs(s).max() < abs(s).sum()
    )
    exact = np.mean([closed(sides, rng) for _ in range(20)], axis=0)
    np.testing.assert_allclose(exact @ sides, 0.0, atol=1e-9)
    likelihood = Likelihood(one, "ML")
    theta = []
    for share in (1e-2, 1e-4, 1e-6):
        near = (1 - share) * exact + share * np.eye(4)
        theta.append(bound.to_free(near[np.triu_indices(4, 1)]))
    values = likelihood(np.array(theta))
    assert isinstance(bound.structure, CorSymm)
    assert bool(np.all(np.diff(values) > 3.0)) == grows


def closed(sides: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Correlations of unit vectors u with sum_i sides_i u_i = 0, by random alternation."""
    u = rng.standard_normal((len(sides), 4))
    for _ in range(20000):
        u = u - np.outer(sides, sides @ u) / (sides @ sides)
        u = u / np.linalg.norm(u, axis=1, keepdims=True)
        if np.max(np.abs(sides @ u)) < 1e-12:
            break
    return u @ u.T


def test_it_is_said_at_once() -> None:
    call = "lme(logDens ~ sample + dilut, random = ~ 1 | Block, correlation = corSymm())"
    with pytest.raises(FitError, match="corSymm: 2 groups have all of 30 positions, too few"):
        bayeslme.translate(call).fit(bayeslme.load_data("Assay"))
