"""Where the likelihood is flat along a line, the answer is where nlme's start leads."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Estimate, Likelihood, build_problem, estimate
from bayeslme.engine.search import flat
from bayeslme.engine.search.flat import (
    flat_moves,
    move_effects,
    reference_start,
)
from bayeslme.engine.search.optimise import Optimum
from bayeslme.engine.search.search import search
from bayeslme.engine.search.settings import DEGENERACY
from bayeslme.engine.search.starts import candidates
from reference.corpus import by_id, load_frame
from reference.fitting import fitted

pytestmark = pytest.mark.filterwarnings("ignore::bayeslme.errors.IdentificationWarning")
MAX_ITER = 200
RIDGES = ("b_Stool_fm4_REML", "d_cake_temp_REML", "d_toomany_re_REML")
NLMES = (*RIDGES, "b_Stool_fm4_ML", "d_Wheat2_lme_exp_one_REML", "d_BW_cs_lme_REML")
CURVED = ("a_orth_fit1_REML", "d_DialG_cs_vcp_ML", "d_Glu2_exp_nug_REML", "b_BW_fm2_ML")


def likelihood_of(name: str) -> Likelihood:
    case = by_id()[name]
    spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
    return Likelihood(build_problem(build(spec, load_frame(case["data"]))), spec.method)


def on_ridge(likelihood: Likelihood, end: Optimum) -> bool:
    return move_effects(likelihood, end, flat_moves(likelihood, end))


def found_of(call: str, frame: pd.DataFrame) -> Estimate:
    return estimate(build(bayeslme.translate(call), frame))


def dense_em(frame: pd.DataFrame, method: str, steps: int) -> np.ndarray:
    """Relative standard deviations (Subject, Type) by EM, from its definition."""
    y = frame["effort"].to_numpy(float)
    x = pd.get_dummies(frame["Type"], dtype=float).to_numpy()
    z = pd.get_dummies(frame["Subject"], dtype=float).to_numpy()
    n, p = x.shape
    levels = (z, np.eye(n))
    psi = np.array(
        [1 / (DEGENERACY.start_precision**2 * len(level) / level.shape[1]) for level in levels]
    )
    for _ in range(steps):
        v = np.eye(n) + sum(s * level @ level.T for s, level in zip(psi, levels, strict=True))
        inverse = np.linalg.inv(v)
        w = inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)
        sigma2 = y @ w @ y / (n - p if method == "REML" else n)
        about = w if method == "REML" else inverse
        for k, level in enumerate(levels):
            squares = np.sum((level.T @ w @ y) ** 2) / sigma2
            rest = np.trace(level.T @ about @ level)
            psi[k] += psi[k] ** 2 * (squares - rest) / level.shape[1]
    return np.sqrt(psi)


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_em_is_the_definitions(method: str) -> None:
    likelihood = likelihood_of(f"b_Stool_fm4_{method}")
    got = reference_start(likelihood)
    basis = np.array([stage.basis[0, 0] for stage in likelihood.problem.stages[::-1]])
    want = dense_em(load_frame("ergoStool"), method, DEGENERACY.em_steps)
    np.testing.assert_allclose(got / basis, want, rtol=1e-6)


@pytest.mark.parametrize("name", RIDGES)
def test_the_answer_on_a_ridge_does_not_depend_on_the_candidates(name: str) -> None:
    likelihood = likelihood_of(name)
    ordinary = search(likelihood, max_iter=MAX_ITER)
    assert on_ridge(likelihood, ordinary)
    grid = candidates(likelihood.problem)
    for seed in range(3):
        moved = grid + np.random.default_rng(seed).normal(0, 0.5, grid.shape)
        found = search(likelihood, max_iter=MAX_ITER, grid=moved)
        for a, b in zip(
            likelihood.factors(found.theta), likelihood.factors(ordinary.theta), strict=True
        ):
            np.testing.assert_allclose(a @ a.T, b @ b.T, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NLMES)
def test_the_answer_is_nlmes(name: str) -> None:
    stored, fit = by_id()[name]["results"], fitted(name)
    np.testing.assert_allclose(fit.sigma, stored["sigma"], rtol=1e-3)
    for group, parts in stored["re"].items():
        want = list(parts["stddev"].values())
        np.testing.assert_allclose(fit.varcorr()[group].sd, want, rtol=1e-3)


@pytest.mark.parametrize("name", CURVED)
def test_an_optimum_and_an_edge_are_no_ridge(name: str) -> None:
    likelihood = likelihood_of(name)
    assert not on_ridge(likelihood, search(likelihood, max_iter=MAX_ITER))


def test_a_variance_the_data_do_not_know_keeps_its_start() -> None:
    frame = load_frame("Orthodont").assign(one="a", half=lambda d: d["Sex"])
    one = found_of("lme(distance ~ age, random = ~ 1 | one)", frame)
    np.testing.assert_allclose(
        one.factors[0], 1 / (DEGENERACY.start_precision * np.sqrt(len(frame))), rtol=1e-4
    )
    fixed = found_of("lme(distance ~ age + Sex, random = ~ 1 | half/Subject)", frame)
    size = np.sqrt(len(frame) / frame["Sex"].nunique())
    np.testing.assert_allclose(fixed.factors[0], 1 / (DEGENERACY.start_precision * size), rtol=1e-3)
    alone = found_of("lme(distance ~ age + Sex, random = ~ 1 | Subject)", frame)
    np.testing.assert_allclose(fixed.factors[1], alone.factors[0], rtol=1e-5)


@pytest.mark.parametrize("name", ["b_Stool_fm4_REML", "d_cake_temp_REML"])
def test_large_problems_are_suspected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    likelihood = likelihood_of(name)
    ordinary = search(likelihood, max_iter=MAX_ITER)
    monkeypatch.setattr(flat, "DEGENERACY", replace(DEGENERACY, large_numbers=0.0))
    assert on_ridge(likelihood, ordinary)
    curved = likelihood_of("a_orth_fit1_REML")
    end = search(curved, max_iter=MAX_ITER)
    before = curved.evaluations
    assert not on_ridge(curved, replace(end, hessian=None))
    assert curved.evaluations == before + 2
    assert not on_ridge(curved, end)  # the climb's own Hessian says so
    assert curved.evaluations == before + 2


def test_a_correlation_the_data_do_not_know_keeps_its_start() -> None:
    frame = load_frame("Orthodont").assign(row=lambda d: np.arange(len(d)))
    found = found_of("gls(distance ~ age, correlation = corCompSymm(0.3, ~ 1 | row))", frame)
    np.testing.assert_allclose(found.corstruct, 0.3, rtol=1e-12)


def test_a_given_start_of_the_covariance_is_kept() -> None:
    frame = load_frame("Orthodont").assign(one="a")
    call = "lme(distance ~ age, random = list(one = pdSymm(matrix(0.49), ~ 1)))"
    np.testing.assert_allclose(found_of(call, frame).factors[0], 0.7, rtol=1e-4)


def test_the_warning_stays() -> None:
    case: dict[str, Any] = by_id()["b_Stool_fm4_REML"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bayeslme.translate(case["call"]).fit(load_frame(case["data"]))
    assert any("not identified apart" in str(w.message) for w in caught)
