"""Derivatives of the log-likelihood equal differences of it, for every kind of model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import (
    CorAR1,
    CorCompSymm,
    PdBlocked,
    PdCompSymm,
    PdDiag,
    PdIdent,
    PdSymm,
    VarComb,
    VarExp,
    VarIdent,
    VarPower,
)
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.structures.random import PdMat
from reference.corpus import load_frame

STEP = 1e-3

ORTHODONT: list[tuple[Any, dict[str, Any]]] = [
    ("~ 1 | Subject", {}),
    ("~ age | Subject", {}),
    ({"Subject": PdDiag("~ poly(age, 3)")}, {}),
    ("~ 1 | Sex/Subject", {}),
    ("~ age | Subject", {"weights": VarIdent(form="~ 1 | Sex")}),
    ("~ 1 | Sex/Subject", {"weights": VarPower(form="~ age | Sex")}),
    ("~ age | Subject", {"correlation": CorAR1(), "weights": VarIdent(form="~ 1 | Sex")}),
]
BLOCKED = PdBlocked([PdSymm("~ 1"), PdIdent("~ Variety - 1")])
OATS: list[tuple[Any, dict[str, Any]]] = [
    ({"Block": PdSymm("~ Variety - 1")}, {}),
    ({"Block": PdCompSymm("~ Variety - 1")}, {}),
    ({"Block": BLOCKED}, {}),
    ({"Block": "~ 1", "Variety": "~ nitro"}, {}),
    ({"Block": PdIdent("~ factor(nitro):Variety - 1")}, {}),  # more effects than groups
    ({"Block": "~ 1", "Variety": PdDiag("~ factor(nitro)")}, {}),  # rows that are reproduced
    (
        {"Block": "~ 1", "Variety": PdDiag("~ factor(nitro)")},
        {"weights": VarExp(form="~ nitro")},
    ),
    (
        "~ nitro | Block/Variety",
        {"weights": VarComb(VarIdent(form="~ 1 | Variety"), VarExp(form="~ nitro"))},
    ),
]


def differences(likelihood: Likelihood, theta: np.ndarray) -> np.ndarray:
    """Gradients (b, k) at theta (b, k) by central differences of fourth order."""
    moves = STEP * np.eye(theta.shape[1])
    slopes = [
        8 * (likelihood(theta + m) - likelihood(theta - m))
        - likelihood(theta + 2 * m)
        + likelihood(theta - 2 * m)
        for m in moves
    ]
    return np.stack(slopes, axis=1) / (12 * STEP)


def check(fit: Any) -> None:
    """Values and gradients at some points, by ML and REML, with and without sigma."""
    problem = fit.estimate.problem
    points = np.random.default_rng(0).normal(fit.estimate.theta, 0.2, (3, problem.size))
    for method, sigma in (("ML", None), ("REML", None), ("ML", 1.3 * fit.sigma)):
        likelihood = Likelihood(problem, method, sigma)
        values, slopes = likelihood.value_and_gradient(points)
        np.testing.assert_allclose(values, likelihood(points), rtol=1e-12)
        wanted = differences(likelihood, points)
        np.testing.assert_allclose(slopes, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("random", "more"), ORTHODONT)
def test_gradient_of_growth_curves(random: Any, more: dict[str, Any]) -> None:
    check(bayeslme.lme("distance ~ age", load_frame("Orthodont"), random, **more))


@pytest.mark.parametrize(("random", "more"), OATS)
def test_gradient_of_split_plots(random: Any, more: dict[str, Any]) -> None:
    check(bayeslme.lme("yield ~ nitro", load_frame("Oats"), random, **more))


def test_gradient_without_random_effects() -> None:
    rows = {"correlation": CorCompSymm(form="~ 1 | Subject"), "weights": VarIdent(form="~ 1 | Sex")}
    check(bayeslme.gls("distance ~ age", load_frame("Orthodont"), **rows))


def test_gradient_in_pieces_of_groups() -> None:
    """As many groups as are worked on in several pieces, nested and of one level."""
    rng = np.random.default_rng(2)
    n = 30_000
    data = pd.DataFrame({"x": rng.normal(size=n), "a": np.arange(n) // 6, "b": np.arange(n) // 3})
    y = data["x"] + rng.normal(size=n) + rng.normal(size=n)[data["a"]] * (1 + data["x"])
    data = data.assign(y=y)
    check(bayeslme.lme("y ~ x", data, "~ x | a"))
    check(bayeslme.lme("y ~ x", data, "~ 1 | a/b"))


def test_a_factor_that_is_not_linear_is_differentiated_where_it_is() -> None:
    class Squared(PdDiag):
        def factor(self, u: Any, basis: np.ndarray, xp: Any = np) -> Any:
            return PdDiag.factor(self, u**2, basis)

        def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
            return np.sqrt(PdDiag.nearest(self, cov, basis))

    u, basis = np.array([[0.3, -2.0]]), np.eye(2)
    assert Squared("~ x").factor_map(basis) is None
    wanted = np.zeros((1, 2, 2, 2))
    wanted[0, 0, 0, 0], wanted[0, 1, 1, 1] = 0.6, -4.0
    np.testing.assert_allclose(Squared("~ x").factor_slopes(u, basis), wanted, atol=1e-9)
    assert isinstance(Squared("~ x"), PdMat)


def test_very_many_strata_have_the_variances_of_their_rows() -> None:
    """Without coefficients in common, each stratum's deviation has a closed form."""
    rng = np.random.default_rng(5)
    strata, m = 80, 6
    s = np.repeat(np.arange(strata), m)
    y = np.exp(rng.normal(size=strata))[s] * rng.normal(size=len(s))
    data = pd.DataFrame({"y": y, "s": s})
    fit = bayeslme.gls("y ~ 0 + factor(s)", data, weights=VarIdent(form="~ 1 | s"), method="ML")
    by_stratum = y.reshape(strata, m)
    sd = by_stratum.std(axis=1)
    np.testing.assert_allclose(fit.sigma, sd[0], rtol=1e-4)
    np.testing.assert_allclose(fit.weights_coef.to_numpy(), sd[1:] / sd[0], rtol=1e-4)
    assert fit.converged
