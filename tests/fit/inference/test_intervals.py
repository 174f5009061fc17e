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


def test_limits_where_sigma_and_a_power_are_all_but_exchangeable() -> None:
    """Fitted values from 24.4 to 26.7: the restricted likelihood written down for this model.

    It is differentiated in the power at a held standard deviation of a typical row.
    """
    data = bayeslme.load_data("Phenobarb")
    fit = bayeslme.gls(
        "conc ~ as.numeric(Apgar) + Wt", data, weights="varPower()", na_action="omit"
    )
    X, y, log_v = fit.design.X, fit.design.y, np.log(fit.fitted().to_numpy())
    power, typical = float(fit.weights_coef["power"]), log_v.mean()

    def loglik(move: np.ndarray) -> float:
        log_sd = np.log(fit.sigma) + move[1] + (power + move[0]) * log_v - move[0] * typical
        w = np.exp(-log_sd)
        q, r = np.linalg.qr(X * w[:, None])
        e = y * w - q @ (q.T @ (y * w))
        return float(-log_sd.sum() - np.log(np.abs(np.diag(r))).sum() - e @ e / 2)

    h, unit = 1e-2, np.eye(2)
    a, b = h * unit
    second = [
        [loglik(s + t) - loglik(s - t) - loglik(t - s) + loglik(-s - t) for s in (a, b)]
        for t in (a, b)
    ]
    se = np.sqrt(np.linalg.inv(-np.array(second) / (4 * h**2))[0, 0])
    want = power + 1.959964 * se * np.array([-1, 0, 1])
    np.testing.assert_allclose(fit.intervals()["varfunc"].loc["power"], want, rtol=1e-3)
