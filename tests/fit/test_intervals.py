"""Intervals where a variance is on its boundary: one-sided, said, and never an exception."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.structures import PdCompSymm, PdDiag, PdIdent
from reference.fitting import fitted


@pytest.fixture(scope="module")
def flat_groups() -> pd.DataFrame:
    """Rows whose groups differ by less than chance: intercepts and slopes of zero variance."""
    rng = np.random.default_rng(1)
    x = np.arange(6.0) - 2.5
    noise = rng.normal(size=(12, 6))
    noise -= noise.mean(axis=1, keepdims=True) + 0.9 * np.outer(noise @ x / (x @ x), x)
    return pd.DataFrame(
        {
            "g": np.repeat(range(12), 6),
            "x": np.tile(np.arange(6.0), 12),
            "y": 1 + np.tile(x, 12) + noise.ravel(),
        }
    )


@pytest.mark.parametrize("method", ["wald", "profile"])
@pytest.mark.parametrize(
    "random", ["~ 1 | g", "~ x | g", PdDiag("~ x | g"), PdIdent("~ x | g"), PdCompSymm("~ x | g")]
)
def test_intervals_on_the_boundary_are_one_sided(
    flat_groups: pd.DataFrame, random: Any, method: Any
) -> None:
    fit = bayeslme.lme("y ~ x", flat_groups, random)
    found = fit.intervals(method=method)
    table = found["g"]
    sd = table[~table.index.str.startswith("cor")]
    assert (sd["est."] == 0.0).all() and (sd["lower"] == 0.0).all()
    assert ((sd["upper"] > 0.0) & (sd["upper"] < 1.0)).all()
    assert any("one-sided" in note for note in found.notes)
    correlations = table[table.index.str.startswith("cor")]
    assert correlations.isna().all(axis=None)
    assert any("not defined beside" in note for note in found.notes) == (len(correlations) > 0)
    assert np.isfinite(found["sigma"]).all(axis=None)


def test_one_sided_limits_are_where_the_likelihood_has_dropped(flat_groups: pd.DataFrame) -> None:
    """The profile limit of a zero deviation, against fits with it held by the data's likelihood."""
    fit = bayeslme.lme("y ~ x", flat_groups, "~ 1 | g", method="ML")
    limit = float(fit.intervals(method="profile")["g"]["upper"].iloc[0])
    x, y = fit.design.X, fit.design.y
    same = np.equal.outer(fit.design.levels[0].code, fit.design.levels[0].code)

    def loglik(sigma: float) -> float:
        v = sigma**2 * np.eye(len(y)) + limit**2 * same
        inverse = np.linalg.inv(v)
        rest = y - x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
        logdet = np.linalg.slogdet(v)[1]
        return float(-0.5 * (len(y) * np.log(2 * np.pi) + logdet + rest @ inverse @ rest))

    best = max(loglik(s) for s in np.linspace(0.9 * fit.sigma, 1.1 * fit.sigma, 401))
    assert 2 * (fit.loglik - best) == pytest.approx(1.959964**2, rel=1e-4)


def test_limits_beside_their_estimate_are_noted() -> None:
    """nlme moves all of an ARMA's parameters at once; profiles enclose their estimates."""
    fit = fitted("d_Huron_arma21_REML")
    found = fit.intervals(which="var-cov")
    phi = found["corstruct"].loc["Phi1"]
    assert not phi["lower"] <= phi["est."] <= phi["upper"]
    (note,) = found.notes
    assert note.startswith("limits of Phi1 in corstruct do not enclose the estimate")
    table = fit.intervals(which="var-cov", method="profile")["corstruct"]
    assert ((table["lower"] < table["est."]) & (table["est."] < table["upper"])).all()
