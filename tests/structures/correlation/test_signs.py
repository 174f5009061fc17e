"""Signs and units that a likelihood does not know: one answer, whatever the starting value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorAR1, CorAR1AR1, CorARMA, CorToep

ROWS, COLUMNS = 5, 6


@pytest.fixture(scope="module")
def fields() -> pd.DataFrame:
    """Six fields of a separable process with Phi1 = 0.7 and Phi2 = 0.5."""
    rng = np.random.default_rng(3)
    along = [
        phi ** np.abs(np.subtract.outer(range(n), range(n)))
        for phi, n in ((0.7, ROWS), (0.5, COLUMNS))
    ]
    left, right = map(np.linalg.cholesky, along)
    y = np.stack([left @ rng.normal(size=(ROWS, COLUMNS)) @ right.T for _ in range(6)])
    trial, row, col = np.indices(y.shape)
    return pd.DataFrame(
        {"y": y.ravel(), "trial": trial.ravel(), "row": row.ravel(), "col": col.ravel()}
    ).assign(arm=lambda d: np.where(d["trial"] < 3, "a", "b"))


@pytest.fixture(scope="module")
def series() -> pd.DataFrame:
    """Thirty series of six steps."""
    rng = np.random.default_rng(5)
    e = np.zeros((30, 6))
    e[:, 0] = rng.normal(size=30)
    for j in range(1, 6):
        e[:, j] = 0.6 * e[:, j - 1] + 0.8 * rng.normal(size=30)
    group, k = np.indices(e.shape)
    return pd.DataFrame({"y": e.ravel(), "g": group.ravel(), "k": k.ravel()}).assign(
        arm=lambda d: np.where(d["g"] % 2, "a", "b")
    )


@pytest.mark.parametrize("nugget", [False, True])
@pytest.mark.parametrize(("across", "down"), [(1, 2), (2, 2), (86400, 1), (10**9, 10**6 + 1)])
def test_separable_process_in_any_unit(
    fields: pd.DataFrame, across: int, down: int, nugget: bool
) -> None:
    """Counted in units u the same likelihood has Phi^(1/u): positive for even u, for any start."""
    plain = bayeslme.gls("y ~ 1", fields, CorAR1AR1(form="~ row + col | trial", nugget=nugget))
    wide = fields.assign(row=fields["row"] * across, col=fields["col"] * down)
    for value in (None, {"Phi1": -0.5, "Phi2": -0.3}):
        structure = CorAR1AR1(value, form="~ row + col | trial", nugget=nugget)
        fit = bayeslme.gls("y ~ 1", wide, structure)
        assert fit.loglik == pytest.approx(plain.loglik, abs=1e-6)
        found = fit.correlation_coef.to_numpy()[:2] ** [across, down]
        np.testing.assert_allclose(found, plain.correlation_coef.to_numpy()[:2], atol=2e-4)
        assert (fit.correlation_coef.to_numpy()[:2] > 0).all()
    said = "does not tell the sign" in str(fit.summary())
    assert said == (across % 2 == 0 or down % 2 == 0)


def test_separable_forecasts_between_rows_have_the_right_sign(fields: pd.DataFrame) -> None:
    left_out = fields.query("not (trial == 0 and row == 2)")
    new = fields.query("trial == 0 and row == 2")
    wanted = bayeslme.gls("y ~ 1", left_out, CorAR1AR1(form="~ row + col | trial")).predict(
        new, use_correlation=True
    )
    wide = CorAR1AR1(form="~ I(row * 1000) + col | trial")
    found = bayeslme.gls("y ~ 1", left_out, wide).predict(new, use_correlation=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("structure", [CorAR1, CorARMA, CorAR1AR1])
def test_every_level_has_the_positive_sign(
    series: pd.DataFrame, fields: pd.DataFrame, structure: type
) -> None:
    if structure is CorAR1AR1:
        frame, where, more = fields, "~ I(2 * row) + I(2 * col) | trial", {"value": (-0.5, -0.5)}
    else:
        frame, where, more = series, "~ I(2 * k) | g", {}
    if structure is CorARMA:
        more = {"p": 1, "q": 1, "value": (-0.5, 0.1)}
    fit = bayeslme.gls("y ~ 1", frame, structure(form=where, by="arm", **more))
    coef = fit.correlation_coef
    assert (coef[[name for name in coef.index if name.startswith("Phi")]] > 0).all()


@pytest.mark.parametrize("unit", [2, 7, 86400])
def test_toeplitz_counts_lags_in_their_common_divisor(series: pd.DataFrame, unit: int) -> None:
    """No parameter for lags that no two rows can have: the same AIC in any unit."""
    plain = bayeslme.gls("y ~ 1", series, CorToep(form="~ k | g"))
    wide = series.assign(t=series["k"] * unit)
    fit = bayeslme.gls("y ~ 1", wide, CorToep(form="~ t | g"))
    assert fit.aic == pytest.approx(plain.aic, abs=1e-6)
    assert list(fit.correlation_coef.index) == [f"Rho{unit * lag}" for lag in range(1, 6)]
    new = wide.query("g == 0").head(2).assign(t=[unit * 1, unit * 1 + 1])
    predicted = fit.predict(new, use_correlation=True)
    assert predicted.isna().tolist() == [False, True]


@pytest.mark.parametrize("mean", [0.5, -0.5, 0.0])
def test_a_prior_that_is_asked_to_has_both_signs(series: pd.DataFrame, mean: float) -> None:
    """The share of draws on a side is that of the prior there, as the likelihood knows no sign."""
    frame = series.assign(t=2 * series["k"])
    fit = bayeslme.gls("y ~ 1", frame, CorARMA(form="~ t | g", p=1, q=1))
    priors = {"corstruct": {"Phi1": f"Normal({mean}, 0.8)"}}
    draws = fit.sample(draws=500, seed=1, priors=priors).data["posterior"]["corstruct"]
    phi = draws.to_numpy()[..., 0].ravel()
    size = np.abs(phi)
    ratio = np.exp((-0.5 * (size - mean) ** 2 + 0.5 * (size + mean) ** 2) / 0.64)
    expected = float(np.mean(ratio / (1.0 + ratio)))
    assert float((phi > 0).mean()) == pytest.approx(expected, abs=0.05)
