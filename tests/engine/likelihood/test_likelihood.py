"""The engine against the definition, y ~ N(X beta, sigma^2 V) with V written out, on small data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import engine
from bayeslme.data.design import build
from bayeslme.data.types import Design
from bayeslme.engine.estimate import Estimate
from bayeslme.errors import FitError

CALLS = [
    "lme(y ~ x, random = ~ 1 | a, data = d)",
    "lme(y ~ x, random = ~ x | a, data = d, method = 'ML')",
    "lme(y ~ x * s, random = ~ 1 | a/b, data = d)",
    "lme(y ~ x, random = list(a = pdDiag(~ x), b = ~ 1), data = d)",
    "lme(y ~ x, random = ~ 1 | a/b/c, data = d)",
    "lme(y ~ x, random = list(a = pdCompSymm(~ s - 1)), data = d)",
    "lme(y ~ x, random = list(a = pdBlocked(list(pdIdent(~ 1), pdIdent(~ s - 1)))), data = d)",
    "lme(y ~ x, random = ~ 1 | a, correlation = corAR1(form = ~ t | a/b), data = d)",
    "lme(y ~ x, random = ~ x | a, weights = varIdent(form = ~ 1 | s), data = d)",
    "lme(y ~ x, random = ~ 1 | a/b, correlation = corCompSymm(0.2, form = ~ 1 | a/b), data = d)",
    "lme(y ~ x, random = ~ 1 | a, correlation = corARMA(c(.3, .2), form = ~ t | a/b, p = 1, q = 1),"
    " weights = varExp(form = ~ x), data = d, method = 'ML')",
    "gls(y ~ x, correlation = corExp(form = ~ t | a/b, nugget = TRUE), data = d)",
    "gls(y ~ x * s, weights = varPower(form = ~ w), data = d, method = 'ML')",
    "gls(y ~ x, data = d)",
]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Three nested levels, unbalanced, rows shuffled, with gaps in time."""
    rng = np.random.default_rng(11)
    rows = [
        (a, b, c, t)
        for a in range(6)
        for b in range(2 + a % 2)
        for c in range(2)
        for t in rng.choice(4, size=3, replace=False) + 4 * c
    ]
    d = pd.DataFrame(rows, columns=["a", "b", "c", "t"])
    n = len(d)
    d["x"], d["w"] = rng.normal(size=n), rng.uniform(1, 4, n)
    d["s"] = pd.Categorical(np.where(rng.random(n) < 0.5, "u", "v"))
    effect = rng.normal(size=6)[d["a"]] + rng.normal(scale=0.7, size=(6, 3))[d["a"], d["b"]]
    d["y"] = 1 + 2 * d["x"] + effect * (1 + 0.3 * d["x"]) + d["w"] * rng.normal(scale=0.4, size=n)
    return d.sample(frac=1.0, random_state=3).reset_index(drop=True)


def dense_v(design: Design, found: Estimate) -> np.ndarray:
    """V relative to sigma^2, straight from its definition, in the design's row order."""
    n = len(design.y)
    v = np.zeros((n, n))
    for level, lam in zip(design.levels, found.factors, strict=True):
        same = level.code[:, None] == level.code[None, :]
        v += np.where(same, level.Z @ lam @ lam.T @ level.Z.T, 0.0)
    sd = np.exp(found.log_sd)
    r = np.eye(n)
    if design.correlation is not None:
        places = found.problem.correlation.coords
        structure = found.problem.correlation.structure
        white, _ = structure.whiten_dense(np.eye(n), found.corstruct, places)
        order = found.problem.order
        r[np.ix_(order, order)] = np.linalg.inv(white @ white.T)  # white' = L^-1, row by row
    return v + sd[:, None] * r * sd[None, :]


@pytest.mark.parametrize("call", CALLS)
def test_likelihood_coefficients_and_modes(call: str, frame: pd.DataFrame) -> None:
    design = build(bayeslme.translate(call), frame)
    found = engine.estimate(design)
    v = dense_v(design, found)
    n, p = design.X.shape
    inverse = np.linalg.inv(v)
    xtx = design.X.T @ inverse @ design.X
    beta = np.linalg.solve(xtx, design.X.T @ inverse @ design.y)
    rest = design.y - design.X @ beta
    rss = rest @ inverse @ rest
    reml = found.method == "REML"
    df = n - p if reml else n
    sigma = np.sqrt(rss / df)
    loglik = -0.5 * (df * np.log(2 * np.pi * sigma**2) + np.linalg.slogdet(v)[1] + df)
    if reml:
        loglik -= 0.5 * np.linalg.slogdet(xtx)[1]
    np.testing.assert_allclose(found.loglik, loglik, rtol=1e-9)
    np.testing.assert_allclose(found.sigma, sigma, rtol=1e-8)
    np.testing.assert_allclose(found.beta, beta, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.vcov, sigma**2 * np.linalg.inv(xtx), rtol=1e-7, atol=1e-10)
    for level, lam, b in zip(design.levels, found.factors, found.modes, strict=True):
        member = level.code[:, None] == np.arange(len(level.labels))
        cov = lam @ lam.T
        blup = np.stack([cov @ (level.Z * one[:, None]).T @ inverse @ rest for one in member.T])
        np.testing.assert_allclose(b, blup, atol=1e-7)


@pytest.mark.parametrize("call", CALLS)
def test_score_is_zero_at_the_optimum(call: str, frame: pd.DataFrame) -> None:
    design = build(bayeslme.translate(call), frame)
    found = engine.estimate(design)
    if not len(found.theta):
        return
    likelihood = found.likelihood()
    h = 1e-4
    moves = h * np.eye(len(found.theta))
    up, down = likelihood(found.theta + moves), likelihood(found.theta - moves)
    assert np.max(np.abs(up - down) / (2 * h)) < 2e-3


def test_normalized_residuals_are_white(frame: pd.DataFrame) -> None:
    call = "gls(y ~ x, correlation = corAR1(form = ~ t | a/b), weights = varPower(form = ~ w))"
    design = build(bayeslme.translate(call), frame)
    found = engine.estimate(design)
    rest = design.y - design.X @ found.beta
    white = engine.normalise(found, rest)
    quadratic = rest @ np.linalg.inv(found.sigma**2 * dense_v(design, found)) @ rest
    np.testing.assert_allclose(white @ white, quadratic, rtol=1e-9)


def test_unbatched_equals_batched(frame: pd.DataFrame) -> None:
    design = build(bayeslme.translate(CALLS[10]), frame)
    likelihood = engine.estimate(design).likelihood()
    theta = np.random.default_rng(2).normal(scale=0.4, size=(7, likelihood.problem.size))
    one_by_one = [float(likelihood(t[None])[0]) for t in theta]
    np.testing.assert_allclose(likelihood(theta), one_by_one, rtol=1e-12)


@pytest.mark.parametrize("y", [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0] * 6])
def test_an_exact_fit_is_refused(y: list[float]) -> None:
    d = pd.DataFrame({"y": y, "x": [1.0, 2, 3, 4, 5, 6], "g": [1, 1, 2, 2, 3, 3]})
    with pytest.raises(FitError, match="reproduce 'y' exactly"):
        bayeslme.lme("y ~ x", d, "~ 1 | g")
