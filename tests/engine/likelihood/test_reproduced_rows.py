"""Levels that reproduce every row: the likelihood of the dense matrix, however small sigma is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine.build import build_problem
from bayeslme.engine.likelihood import row_grams
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.structures import VarIdent

pytestmark = pytest.mark.filterwarnings("ignore::bayeslme.errors.IdentificationWarning")
FAR = [1e-12, 1e-9, 1e-6]  # residual standard deviations beside effects of size 1
MODELS = {
    "one row": ("~ 1 | r", {"r": "~ 1"}),
    "two rows, a line": ("~ x | g", {"g": "~ x"}),
    "nested": ("~ 1 | a/r", {"a": "~ 1", "r": "~ 1"}),
    "twice": ("~ 1 | b/r", {"b": "~ 1", "r": "~ 1"}),
    "rows of lines": ("~ x | a/g", {"a": "~ x", "g": "~ x"}),
}


def frame() -> pd.DataFrame:
    rng, n = np.random.default_rng(8), 24
    r = np.arange(n)
    x, y = rng.normal(size=n), 5 + rng.normal(size=n)
    out = pd.DataFrame({"r": r, "b": r, "g": r // 2, "a": r // 4, "s": r % 2, "t": r % 4})
    return out.assign(x=x, y=y).sample(frac=1.0, random_state=2)


def covariance(data: pd.DataFrame, levels: dict[str, str], sizes: list[float]) -> np.ndarray:
    """Of the random effects, level by level, each with its size times [[1, .3], [.3, .5]]."""
    psi, total = np.array([[1.0, 0.3], [0.3, 0.5]]), np.zeros((len(data), len(data)))
    for (group, formula), size in zip(levels.items(), sizes, strict=True):
        q = 1 + formula.endswith("x")
        z = np.column_stack([np.ones(len(data)), data["x"]])[:, :q]
        same = data[group].to_numpy()[:, None] == data[group].to_numpy()
        total += size**2 * same * (z @ psi[:q, :q] @ z.T)
    return total


def dense(data: pd.DataFrame, v: np.ndarray) -> float:
    """Restricted log-likelihood, the scale of v profiled out."""
    x, y = np.column_stack([np.ones(len(data)), data["t"]]), data["y"].to_numpy()
    n, p = x.shape
    inner = x.T @ np.linalg.solve(v, x)
    rest = y - x @ np.linalg.solve(inner, x.T @ np.linalg.solve(v, y))
    s2 = rest @ np.linalg.solve(v, rest) / (n - p)
    logdet = np.linalg.slogdet(v)[1] + np.linalg.slogdet(inner)[1]
    return float(-0.5 * ((n - p) * (np.log(2 * np.pi * s2) + 1) + logdet))


def at_sigma(data: pd.DataFrame, random: str, sizes: list[float], sigma: float) -> float:
    """The engine's value where the effects have the covariance above and the residuals sigma."""
    call = f"lme(y ~ t, random = {random})"
    problem = build_problem(build(bayeslme.translate(call), data))
    theta = np.empty(problem.size)
    psi = np.array([[1.0, 0.3], [0.3, 0.5]])
    for stage, size in zip(problem.stages[::-1], sizes, strict=True):
        own = psi[: stage.q, : stage.q] * (size / sigma) ** 2
        theta[stage.theta] = stage.structure.nearest(own, stage.basis)
    return float(Likelihood(problem, "REML")(theta[None])[0])


@pytest.mark.parametrize("sigma", [1.0, 1e-3, *FAR])
@pytest.mark.parametrize("model", MODELS)
def test_as_the_dense_matrix(model: str, sigma: float) -> None:
    data, (random, levels) = frame(), MODELS[model]
    sizes = [1.0, 0.7][: len(levels)]
    v = covariance(data, levels, sizes) + sigma**2 * np.eye(len(data))
    np.testing.assert_allclose(at_sigma(data, random, sizes, sigma), dense(data, v), atol=1e-7)


@pytest.mark.parametrize("sigma", FAR)
def test_an_outer_level_of_single_rows(sigma: float) -> None:
    """Its effects hold all of the variance, and both inner parts next to nothing."""
    data, (random, levels) = frame(), MODELS["twice"]
    v = covariance(data, levels, [1.0, 0.0])
    found = at_sigma(data, random, [1.0, sigma], sigma)
    np.testing.assert_allclose(found, dense(data, v), atol=1e-7)


def test_pieces_are_one_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data, (random, levels) = frame(), MODELS["nested"]
    monkeypatch.setattr(row_grams, "LIKELIHOOD", replace(LIKELIHOOD, piece_numbers=40))
    v = covariance(data, levels, [1.0, 0.7]) + 1e-16 * np.eye(len(data))
    np.testing.assert_allclose(at_sigma(data, random, [1.0, 0.7], 1e-8), dense(data, v), atol=1e-7)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("seed", range(3))
def test_profile_intervals_of_one_row_per_group(method: str, seed: int) -> None:
    """Only the sum of the variances is known: each reaches from 0 to the upper limit of gls."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"r": range(24), "t": np.tile(range(4), 6), "y": 5 + rng.normal(size=24)})
    whole = bayeslme.gls("y ~ t", data, method=method).intervals(method="profile", which="var-cov")
    for random in ("~ 1 | r", {"b": "~ 1", "r": "~ 1"}):
        fit = bayeslme.lme("y ~ t", data.assign(b=data["r"]), random, method=method)
        found = fit.intervals(method="profile", which="var-cov")
        assert "higher" not in str(found)
        for part in (*fit.varcorr(), "sigma"):
            assert found[part]["lower"].iloc[0] == 0.0
            np.testing.assert_allclose(
                found[part]["upper"].iloc[0], whole["sigma"]["upper"].iloc[0], rtol=1e-5
            )


def test_profile_intervals_of_one_row_per_group_with_strata() -> None:
    data = frame()
    fit = bayeslme.lme("y ~ t", data, "~ 1 | r", weights=VarIdent(form="~ 1 | s"))
    found = fit.intervals(method="profile", which="var-cov")
    assert "higher" not in str(found)
    assert found["sigma"]["lower"].iloc[0] == 0.0
