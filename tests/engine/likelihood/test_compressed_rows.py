"""Gram matrices as sums over cells against those of the rows themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine.build import build_problem
from bayeslme.engine.likelihood.compressed_rows import build_cells
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.search.starts import generic_start

# What has cells: Markov processes of any length, and any structure on groups of a few rows.
WITH = [
    "lme(y ~ x, random = ~ x | a, correlation = corAR1(form = ~ t | a))",
    "lme(y ~ x, random = ~ 1 | a/b, correlation = corAR1(form = ~ t | a/b),"
    " weights = varIdent(form = ~ 1 | s))",
    "lme(y ~ x, random = ~ 1 | a, correlation = corCAR1(form = ~ t | a),"
    " weights = varPower(form = ~ k))",
    "gls(y ~ x, correlation = corExp(form = ~ t | a))",
    "lme(y ~ x, random = ~ x | a, correlation = corARMA(c(.3, .2), form = ~ 1 | a, p = 2),"
    " weights = varIdent(form = ~ 1 | s))",
    "gls(y ~ x, correlation = corARMA(c(.3, .2, .1, .1), form = ~ 1 | b, p = 4))",
    "gls(y ~ x * s, weights = varComb(varIdent(form = ~ 1 | s), varExp(form = ~ k)))",
    "gls(y ~ x, correlation = corSymm(form = ~ 1 | b), weights = varIdent(form = ~ 1 | k))",
    "lme(y ~ x, random = ~ 1 | a/b,"
    " correlation = corARMA(c(.3, .2), form = ~ 1 | a/b, p = 1, q = 1))",
    "lme(y ~ x, random = ~ 1 | a, correlation = corCompSymm(0.2, form = ~ 1 | a/b))",
    "gls(y ~ x, correlation = corGaus(form = ~ t | b, nugget = TRUE))",
]
# What has none: a covariate that differs in every row, long groups of another structure.
WITHOUT = [
    "gls(y ~ x, weights = varExp(form = ~ x))",
    "gls(y ~ x, correlation = corARMA(c(.3, .2), form = ~ t | a, p = 1, q = 1))",
]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Nested groups with gaps in time, some of them in equal places."""
    rng = np.random.default_rng(5)
    rows = [
        (a, f"{a}.{b}", t)
        for a in range(12)
        for b in range(4)
        for t in np.sort(rng.choice(5, size=3 + (a + b) % 3, replace=False)) + 5 * b
    ]
    d = pd.DataFrame(rows, columns=["a", "b", "t"])
    n = len(d)
    d["x"], d["k"] = rng.normal(size=n), 1.0 + d["t"] % 4
    d["s"] = pd.Categorical(np.where(rng.random(n) < 0.5, "u", "v"))
    d["y"] = 1 + 2 * d["x"] + rng.normal(size=12)[d["a"]] + rng.normal(size=n)
    return d


@pytest.mark.parametrize("call", WITH)
def test_cells_give_the_likelihood_of_the_rows(call: str, frame: pd.DataFrame) -> None:
    problem = build_problem(build(bayeslme.translate(call[:-1] + ", data = d)"), frame))
    rows, cells = Likelihood(problem, "REML"), Likelihood(problem, "REML")
    cells.grams._cells = build_cells(problem)
    assert cells.grams._cells is not None
    start = generic_start(problem, 1.0)
    theta = start + 0.3 * np.random.default_rng(1).standard_normal((40, len(start)))
    np.testing.assert_allclose(cells(theta), rows(theta), rtol=1e-11)
    np.testing.assert_allclose(cells.profile(theta[0]).loglik, rows(theta[:1])[0], rtol=1e-11)


@pytest.mark.parametrize("call", WITHOUT)
def test_rows_without_cells_are_left_alone(call: str, frame: pd.DataFrame) -> None:
    problem = build_problem(build(bayeslme.translate(call[:-1] + ", data = d)"), frame))
    assert build_cells(problem) is None


def test_a_correlation_near_one_is_taken_from_the_rows(frame: pd.DataFrame) -> None:
    """There the sum over cells loses digits: a difference of nearly equal numbers."""
    call = "gls(y ~ t, correlation = corAR1(form = ~ t | a), data = d)"
    problem = build_problem(build(bayeslme.translate(call), frame))
    rows, cells = Likelihood(problem, "REML"), Likelihood(problem, "REML")
    found = build_cells(problem)
    assert found is not None
    cells.grams._cells = found
    theta = np.array([[0.3], [16.0]])
    assert found.weights(*cells.row_parameters(theta)).steep.tolist() == [False, True]
    assert cells(theta)[1] == rows(theta)[1]


def test_cells_are_looked_for_once_the_rows_were_read_often(frame: pd.DataFrame) -> None:
    problem = build_problem(
        build(
            bayeslme.translate("gls(y ~ x, correlation = corAR1(form = ~ t | a), data = d)"), frame
        )
    )
    likelihood = Likelihood(problem, "REML")
    theta = np.linspace(-1, 1, 200)[:, None]
    likelihood(theta[:3])
    assert likelihood.grams._cells is None
    for _ in range(5):
        likelihood(theta)
    assert likelihood.grams._cells is not None
