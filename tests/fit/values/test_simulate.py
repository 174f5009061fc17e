"""New responses of long series, and of those that only dense matrices could draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.engine.prediction import settings
from bayeslme.errors import FitError

ROWS = 12_000  # more than a dense matrix is made for


def test_a_long_series_is_drawn_in_its_own_order() -> None:
    """The correlation of neighbours in time is Phi, wherever their rows stand."""
    rng = np.random.default_rng(1)
    time = rng.permutation(ROWS)
    noise = rng.standard_normal(ROWS)
    y = np.empty(ROWS)
    y[0] = noise[0]
    for t in range(1, ROWS):
        y[t] = 0.6 * y[t - 1] + noise[t]
    data = pd.DataFrame({"y": y[time], "time": time})
    fit = bayeslme.gls("y ~ 1", data, correlation="corAR1(form = ~ time)")
    drawn = fit.simulate(1, seed=2)["sim_1"].to_numpy()[np.argsort(time)]
    phi = float(fit.correlation_coef.iloc[0])
    monte_carlo = np.sqrt((1 - phi**2) / ROWS)
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1] - phi) < 4 * monte_carlo
    assert drawn.std() == pytest.approx(fit.sigma, rel=0.06)  # 4 times its Monte Carlo error


def test_a_long_dense_group_is_refused_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.gls("distance ~ age", data, correlation="corGaus(form = ~ age | Subject)")
    monkeypatch.setattr(settings, "PREDICTION", settings.PredictionSettings(max_dense_rows=3))
    with pytest.raises(FitError, match="a correlation group has 4 rows"):
        fit.simulate(1, seed=1)
