"""The crossed engine against dense matrices: likelihood, gradient, modes, predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme import CorAR1, FitError, VarIdent
from bayeslme.data.design import build
from bayeslme.data.types import Design
from bayeslme.engine import estimate
from bayeslme.engine.build import build_problem
from bayeslme.engine.crossed import patterns
from bayeslme.engine.crossed import problem as crossed
from bayeslme.engine.crossed.blup import crossed_blup
from bayeslme.engine.crossed.gradient import value_and_gradient
from bayeslme.engine.crossed.kenward_roger import CrossedCovariance
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.inference.response_covariance import Bending, Covariance, linear_basis
from bayeslme.engine.inference.satterthwaite import sensitivity
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.engine.prediction.blup import Targets
from bayeslme.spec.lmer import make_lmer


def frame(seed: int = 1, n: int = 120) -> pd.DataFrame:
    """Rows of subjects by items, some missing; sites hold subjects, topics hold items."""
    rng = np.random.default_rng(seed)
    subject, item = rng.integers(11, size=n), rng.integers(7, size=n)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n) + rng.normal(size=11)[subject] + rng.normal(size=7)[item],
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "subject": subject,
            "item": item,
            "site": subject % 3,
            "topic": item % 2,
            "kind": np.where(rng.random(n) < 0.5, "a", "b"),
            "t": np.arange(n),
        }
    )


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "intercepts": ("y ~ x + (1 | subject) + (1 | item)", {}),
    "slopes": ("y ~ x + (x | subject) + (x | item)", {"REML": False}),
    "chain": ("y ~ x + (x | subject) + (1 | site) + (0 + z | item)", {}),
    "both chains": ("y ~ 1 + (z | subject) + (1 | site) + (x | item) + (1 | topic)", {}),
    "three": ("y ~ x * z + (1 | subject) + (1 | item) + (1 | kind)", {}),
    "blocks": ("y ~ x + (x || subject) + diag(0 + kind | item, hom = TRUE)", {}),
    "symmetry": ("y ~ x + cs(0 + kind | subject, hom = TRUE) + (1 | item)", {}),
    "many effects": ("y ~ 1 + (x + z + I(x * z) + I(x^2) | kind) + (1 | item)", {}),
    "variance": (
        "y ~ x + (1 | subject) + (x | item)",
        {"weights": VarIdent(form="~ 1 | kind"), "REML": False},
    ),
    "weights": ("y ~ x + (1 | subject) + (1 | item)", {"weights": "1 + t"}),
    "serial": (
        "y ~ x + (x | subject) + (1 | site) + (1 | item)",
        {"correlation": CorAR1(form="~ t | subject"), "weights": VarIdent(form="~ 1 | kind")},
    ),
    "serial across both": (
        "y ~ x + (1 | subject) + (1 | item)",
        {"correlation": CorAR1(form="~ t | kind")},
    ),
    "serial by item": (
        "y ~ x + (1 | subject) + (1 | item)",
        {"correlation": CorAR1(form="~ t | item/kind")},
    ),
}


def complete() -> pd.DataFrame:
    """Every subject meets every item, in rows of any order."""
    data = pd.concat([frame(seed) for seed in (1, 2)], ignore_index=True).head(11 * 7 * 3)
    pairs = np.random.default_rng(4).permutation(len(data)) % 77
    return data.assign(subject=pairs % 11, item=pairs // 11, site=pairs % 11 % 3)


def made(name: str) -> tuple[Design, Likelihood]:
    """Design and likelihood of a model."""
    formula, options = MODELS[name]
    spec = make_lmer(formula, **options)
    design = build(spec, frame())
    return design, Likelihood(build_problem(design), spec.method)  # type: ignore[arg-type]


def dense(likelihood: Likelihood, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, V relative to the variance of a typical row, and X, y beside it; sorted."""
    problem = likelihood.problem
    rows = np.asarray(
        whiten(problem, *likelihood.row_parameters(theta), columns=np.eye(problem.n)).columns
    ).T
    inverse, at = rows.T @ rows, 0
    log_sd = problem.log_sd(likelihood.row_parameters(theta)[1]).mean()
    v = np.linalg.inv(inverse) / np.exp(2 * log_sd)
    assert problem.crossed is not None
    for stage, factor, code in zip(
        problem.stages, likelihood.factors(theta), problem.crossed.code, strict=True
    ):
        z = problem.columns[at : at + stage.q].T @ factor
        v += (z @ z.T) * np.equal.outer(code, code)
        at += stage.q
    x, y = problem.columns[at:-1].T, problem.columns[-1]
    n, p = x.shape
    solved = np.linalg.solve(v, np.column_stack([x, y]))
    block = np.column_stack([x, y]).T @ solved
    beta = np.linalg.solve(block[:p, :p], block[:p, p])
    rss = block[p, p] - beta @ block[:p, p]
    df = n - p if likelihood.method == "REML" else n
    value = -0.5 * (df * np.log(2 * np.pi * rss / df) + df + np.linalg.slogdet(v)[1])
    if likelihood.method == "REML":
        scale = np.log(np.abs(np.diagonal(problem.x_basis))).sum()
        value -= 0.5 * np.linalg.slogdet(block[:p, :p])[1] + scale
    return float(value), v, np.column_stack([x, y])


EVERY = pytest.mark.parametrize("name", list(MODELS))


def points(size: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(2, size)) * 0.6


@EVERY
def test_likelihood_is_the_dense_one(name: str) -> None:
    _, likelihood = made(name)
    theta = points(likelihood.problem.size)
    expected = [dense(likelihood, one)[0] for one in theta]
    np.testing.assert_allclose(likelihood(theta), expected, rtol=1e-9)


@EVERY
@pytest.mark.parametrize("zero", [False, True])
def test_gradient_is_that_of_differences(name: str, zero: bool) -> None:
    _, likelihood = made(name)
    theta = points(likelihood.problem.size)[0]
    if zero:
        for stage in likelihood.problem.stages[:2]:
            theta[stage.theta.start] = 0.0
    value, slope = value_and_gradient(likelihood, theta)
    assert value == pytest.approx(likelihood(theta[None])[0], abs=1e-9)
    step = 1e-5 * np.eye(len(theta))
    near, far = (
        (likelihood(theta + k * step) - likelihood(theta - k * step)) / (2e-5 * k) for k in (1, 2)
    )
    expected = (4 * near - far) / 3
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["intercepts", "slopes", "chain", "variance"])
def test_complete_designs_are_worked_off_as_matrices(name: str) -> None:
    formula, options = MODELS[name]
    spec = make_lmer(formula, **options)
    problem = build_problem(build(spec, complete()))
    assert problem.crossed is not None
    assert problem.crossed.patterns[0].full
    likelihood = Likelihood(problem, spec.method)  # type: ignore[arg-type]
    theta = points(problem.size)[0]
    value, slope = value_and_gradient(likelihood, theta)
    assert value == pytest.approx(dense(likelihood, theta)[0], rel=1e-9)
    step = 1e-5 * np.eye(len(theta))
    expected = (likelihood(theta + step) - likelihood(theta - step)) / 2e-5
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@EVERY
def test_sparse_and_dense_patterns_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, likelihood = made(name)
    theta = points(likelihood.problem.size)[0]
    value, slope = value_and_gradient(likelihood, theta)
    small = replace(CROSSED, max_dense_numbers=0, chunk_numbers=20)
    monkeypatch.setattr(patterns, "CROSSED", small)
    sparse, sparse_slope = value_and_gradient(likelihood, theta)
    assert sparse == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(sparse_slope, slope, rtol=1e-9, atol=1e-9)


@EVERY
def test_modes_are_the_best_linear_predictions(name: str) -> None:
    design, likelihood = made(name)
    theta = points(likelihood.problem.size)[0]
    problem, p = likelihood.problem, likelihood.problem.p
    _, v, xy = dense(likelihood, theta)
    solved = np.linalg.solve(v, xy)
    beta = np.linalg.solve(xy[:, :p].T @ solved[:, :p], xy[:, :p].T @ solved[:, p])
    residual = np.linalg.solve(v, xy[:, p] - xy[:, :p] @ beta)
    rows = likelihood.grams.at(*likelihood.row_parameters(theta))
    found = likelihood.grams.modes(rows, likelihood.factors(theta), beta)[::-1]
    factors = problem.natural_factors(likelihood.factors(theta), 1.0)
    for level, b, factor in zip(design.levels, found, factors, strict=True):
        at = (level.Z[problem.order], level.code[problem.order])
        own = np.zeros_like(b)
        np.add.at(own, at[1], at[0] * residual[:, None])
        np.testing.assert_allclose(b, own @ factor @ factor.T, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["slopes", "chain", "both chains", "serial"])
def test_error_of_predictions_is_hendersons(name: str) -> None:
    design, likelihood = made(name)
    found = estimate(design)
    _, v, xy = dense(likelihood, found.theta)
    problem, p = likelihood.problem, likelihood.problem.p
    relative = np.exp(problem.log_sd(found.varfunc).mean())
    x = design.X[problem.order]
    inverse = np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ inverse @ x)
    rng = np.random.default_rng(2)
    m = 6
    targets = Targets(
        rng.normal(size=(m, p)),
        tuple(rng.normal(size=(m, level.Z.shape[1])) for level in design.levels),
        tuple(rng.integers(len(level.labels), size=m) for level in design.levels),
    )
    covariance, own = np.zeros((m, problem.n)), np.zeros(m)
    for k, (level, factor) in enumerate(zip(design.levels, found.factors, strict=True)):
        psi = factor @ factor.T / relative**2
        z, code = level.Z[problem.order], level.code[problem.order]
        covariance += (targets.Z[k] @ psi @ z.T) * np.equal.outer(targets.code[k], code)
        own += np.einsum("mq,qr,mr->m", targets.Z[k], psi, targets.Z[k])
    rest = targets.X - covariance @ inverse @ x
    left = own - np.einsum("mi,ij,mj->m", covariance, inverse, covariance)
    known = (found.sigma * relative) ** 2 * left
    full = known + (found.sigma * relative) ** 2 * np.einsum("mi,ij,mj->m", rest, phi, rest)
    np.testing.assert_allclose(crossed_blup(found, targets).variance, full, rtol=1e-6)
    bare = crossed_blup(found, targets, with_beta=False)
    np.testing.assert_allclose(bare.variance, known, rtol=1e-6)
    y = xy[:, p] + x @ problem.shift
    beta = phi @ x.T @ inverse @ y
    mean = targets.X @ beta + covariance @ inverse @ (y - x @ beta)
    np.testing.assert_allclose(bare.mean, mean, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["slopes", "chain", "symmetry", "weights", "serial"])
def test_kenward_roger_sums_are_the_dense_ones(name: str) -> None:
    design, _ = made(name)
    found = estimate(design)
    problem, p = found.problem, found.problem.p
    own = CrossedCovariance(found)
    assert problem.crossed is not None
    rows = np.arange(problem.n)[None]
    v, slopes = (one[..., 0, :, :] for one in own.residual.differences(rows))
    parts, at = [], 0
    factors = zip(problem.stages, found.factors[::-1], problem.crossed.code, strict=True)
    for stage, factor, code in factors:
        z, same = problem.columns[at : at + stage.q].T, np.equal.outer(code, code)
        root = found.sigma * z @ stage.basis @ factor
        v = v + (root @ root.T) * same
        parts += [(z @ e @ z.T) * same for e in linear_basis(stage)]
        at += stage.q
    inverse, x = np.linalg.inv(v), problem.columns[at:-1].T
    moved = [inverse @ one for one in (*parts, *slopes)]
    bending = Bending.of(found, sensitivity(found))
    assert bending is not None or not name.startswith("serial")
    turned = inverse @ x
    bent = np.zeros((p, p)) if bending is None else turned.T @ bending.at(rows)[0] @ turned
    expected = (
        x.T @ inverse @ x,
        np.array([-x.T @ one @ inverse @ x for one in moved]),
        np.array([[x.T @ a @ b @ inverse @ x for b in moved] for a in moved]),
        np.array([[np.sum(a * b.T) for b in moved] for a in moved]),
        bent,
    )
    assert x.shape[1] == p
    for mine, dense_one in zip(own.sums(bending), expected, strict=True):
        scale = np.abs(dense_one).max()
        np.testing.assert_allclose(mine, dense_one, rtol=1e-6, atol=1e-8 * scale)


def test_the_covariance_of_a_nested_model_is_no_crossed_one() -> None:
    design = build(make_lmer("y ~ x + (1 | subject) + (1 | site)"), frame())
    problem = build_problem(design)
    assert problem.crossed is None
    assert Covariance(estimate(design)).size == 3


def test_the_factor_with_most_effects_is_the_chain() -> None:
    _, likelihood = made("both chains")
    own = likelihood.problem.crossed
    assert own is not None
    names = [likelihood.problem.stages[k].group for k in own.chain]
    assert names == ["subject", "site"]
    assert own.n_columns == 7 * 2 + 2


def test_the_correlation_groups_choose_the_chain() -> None:
    _, likelihood = made("serial by item")
    own = likelihood.problem.crossed
    assert own is not None
    assert [likelihood.problem.stages[k].group for k in own.chain] == ["item"]


def test_what_is_too_large_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    design, _ = made("slopes")
    monkeypatch.setattr(crossed, "CROSSED", replace(CROSSED, max_columns=13))
    with pytest.raises(FitError, match=r"crossed factors \(item\) have 14 effects.* GB"):
        build_problem(design)


def test_correlation_groups_that_meet_too_many_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossed, "CROSSED", replace(CROSSED, max_mixed_numbers=500))
    with pytest.raises(FitError, match=r"meets \d+ crossed effects"):
        made("serial")


def test_effects_of_both_factors_that_reproduce_the_response_are_refused() -> None:
    data = frame()
    data = data.assign(y=np.sin(data["subject"]) + np.cos(data["item"]) + 0.5 * data["x"])
    with pytest.raises(FitError, match="no maximum: it grows"):
        estimate(build(make_lmer("y ~ x + (1 | subject) + (1 | item)"), data))
    noisy = data.assign(y=data["y"] + 1e-3 * data["z"])
    found = estimate(build(make_lmer("y ~ x + (1 | subject) + (1 | item)"), noisy))
    assert 5e-4 < found.sigma < 2e-3
