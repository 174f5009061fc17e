"""A correlation that ends with a slope: its maxima are at ranges that are distances."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Likelihood, build_problem
from bayeslme.engine.search.kinks import settle
from bayeslme.engine.search.search import climb, search
from bayeslme.engine.search.settings import SEARCH
from bayeslme.engine.search.starts import kinks, starting_points
from reference.corpus import load_frame

MAX_ITER = 200
FORM = "~ latitude + longitude"


def likelihood_of(correlation: str, method: str, fixed: str = "variety - 1") -> Likelihood:
    call = f"gls(yield ~ {fixed}, correlation = {correlation}, method = '{method}')"
    design = build(bayeslme.translate(call), load_frame("Wheat2"))
    return Likelihood(build_problem(design), design.spec.method)


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_the_highest_of_all_kinks_is_found_and_is_a_maximum(method: str) -> None:
    likelihood = likelihood_of(f"corLin(form = {FORM})", method)
    bends = kinks(likelihood.problem.correlation)
    values = likelihood(bends[:, None])
    found = search(likelihood, max_iter=MAX_ITER)
    assert found.converged
    assert found.value >= values.max() - 1e-9
    beside = likelihood(found.theta + 1e-3 * np.linspace(-1, 1, 41)[:, None])
    assert found.value >= beside.max() - 1e-9


def test_the_others_are_at_their_best_beside_a_range_at_a_kink() -> None:
    likelihood = likelihood_of(f"corLin(form = {FORM}, nugget = TRUE)", "REML", "1")
    bends = kinks(likelihood.problem.correlation)
    ordinary = search(likelihood, max_iter=MAX_ITER)
    assert ordinary.converged
    assert np.min(np.abs(bends - ordinary.theta[0])) < 1e-9
    moves = 1e-3 * np.random.default_rng(2).standard_normal((200, 2))
    assert ordinary.value >= likelihood(ordinary.theta + moves).max() - 1e-9
    stuck = climb(likelihood, ordinary.theta + np.array([1e-3, 0.01]), MAX_ITER)
    settled = settle(likelihood, stuck, MAX_ITER)
    np.testing.assert_allclose(settled.value, ordinary.value, atol=1e-6)


def test_smooth_correlations_have_no_kinks() -> None:
    for name in ("corSpher", "corExp"):
        likelihood = likelihood_of(f"{name}(form = {FORM})", "REML")
        assert not len(kinks(likelihood.problem.correlation))
        end = climb(likelihood, np.array([0.0]), 3)
        assert settle(likelihood, end, MAX_ITER) is end


def test_many_distances_are_thinned() -> None:
    """At places of no lattice nearly every distance is another one."""
    rng = np.random.default_rng(4)
    frame = load_frame("Wheat2").assign(
        latitude=lambda d: d["latitude"] + rng.uniform(0, 1, len(d)),
        longitude=lambda d: d["longitude"] + rng.uniform(0, 1, len(d)),
    )
    call = f"gls(yield ~ 1, correlation = corLin(form = {FORM}))"
    problem = build_problem(build(bayeslme.translate(call), frame))
    bends, chosen = kinks(problem.correlation), starting_points(problem.correlation, 0)
    assert len(bends) > 20 * SEARCH.max_candidates
    assert len(chosen) <= SEARCH.max_candidates
    assert np.isin(chosen, bends).all()


def test_no_warning_that_it_did_not_converge() -> None:
    call = f"gls(yield ~ variety - 1, correlation = corLin(form = {FORM}, nugget = TRUE))"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = bayeslme.translate(call).fit(load_frame("Wheat2"))
    assert fit.converged
