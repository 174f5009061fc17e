"""Autocorrelations and semivariograms against nlme's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import FitError
from bayeslme.fit.output.report import _counts
from bayeslme.fit.values.dependence import lag_scale
from bayeslme.fit.values.positions import positions
from reference.corpus import family, numbers
from reference.fitting import fitted

TABLES = {case["id"]: case for case in family("tables")}
LAGS: dict[str, dict[str, Any]] = {
    "b_ACF_DialG_fm2": {"form": "~ 1 | Subject"},
    "c_ACF_Ovary_full": {"max_lag": 10},
    "c_ACF_Ovary_lme1": {"max_lag": 11},
    "d_ACF_Chick_gls": {"form": "~ 1 | Chick", "max_lag": 5},
    "d_ACF_Orth_raw": {"type": "response"},
}
DISTANCES: dict[str, dict[str, Any]] = {
    "b_Vario_BW_fm2": {"form": "~ Time"},
    "b_Vario_BW_fm2_max42": {"form": "~ Time", "max_distance": 42},
    "b_Vario_BW_fm3_rob": {
        "form": "~ Time",
        "max_distance": 42,
        "type": "normalized",
        "robust": True,
    },
    "c_Vario_BW_gls": {"form": "~ Time | Rat"},
    "c_Vario_BW_lme_rob": {"form": "~ Time | Rat", "bins": 10, "robust": True},
    "d_Vario_Glu2": {"form": "~ Time"},
    "d_Vario_Wheat2_man": {"form": "~ latitude + longitude", "metric": "manhattan", "bins": 10},
}


@pytest.mark.parametrize("name", LAGS)
def test_acf(name: str) -> None:
    case = TABLES[name]
    table = fitted(case["fit"]).acf(**LAGS[name])
    assert table["lag"].tolist() == case["result"]["lag"]
    assert table["n_used"].tolist() == case["result"]["n_used"]
    np.testing.assert_allclose(table["ACF"], numbers(case["result"]["ACF"]), atol=2e-4)


@pytest.mark.parametrize("name", DISTANCES)
def test_variogram(name: str) -> None:
    case = TABLES[name]
    table = fitted(case["fit"]).variogram(**DISTANCES[name])
    want = case["result"]
    np.testing.assert_allclose(table["dist"], numbers(want["dist"]), rtol=1e-6)
    # nlme's first bin lacks the pairs at the smallest distance where distances were collapsed
    assert table["n_pairs"].tolist()[1:] == want["n.pairs"][1:]
    np.testing.assert_allclose(table["variog"][1:], numbers(want["variog"])[1:], rtol=2e-3)


def test_autocorrelations_under_arma() -> None:
    """``ACF()`` of nlme's fit with corARMA(p = 1, q = 1), lags 0 to 5."""
    fit = bayeslme.lme(
        "follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time)",
        bayeslme.load_data("Ovary"),
        {"Mare": bayeslme.PdDiag("~ sin(2 * pi * Time)")},
        correlation=bayeslme.CorARMA(p=1, q=1),
    )
    want = [1.0, 0.5203951, 0.3614409, 0.2384660, 0.2353319, 0.1756181]
    assert fit.acf().shape == (15, 3)
    np.testing.assert_allclose(fit.acf()["ACF"].head(6), want, atol=1e-5)


def test_gaps_in_time_are_lags() -> None:
    data = pd.DataFrame({"t": [1, 2, 4, 1, 2, 4], "g": list("aaabbb"), "y": [1.0, 2, 0, 3, 1, 2]})
    fit = bayeslme.gls("y ~ 1", data)
    table = fit.acf(form="~ t | g", max_lag=3)
    assert table["n_used"].tolist() == [6, 2, 2, 2]


def test_lags_of_times_in_seconds_are_those_in_days() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"day": np.tile(np.arange(12), 5), "g": np.repeat(list("abcde"), 12)})
    data["s"], data["y"] = 1_700_000_000 + 86_400 * data["day"], rng.normal(size=60)
    data = data.sample(frac=0.8, random_state=1)
    fit = bayeslme.gls("y ~ 1", data)
    days, seconds = (fit.acf(form=f"~ {name} | g") for name in ("day", "s"))
    assert days["n_used"].iloc[1:].min() > 0
    pd.testing.assert_frame_equal(days.assign(lag=86_400 * days["lag"]), seconds)
    pd.testing.assert_frame_equal(seconds.head(3), fit.acf(2 * 86_400, form="~ s | g"))
    with pytest.raises(FitError, match="max_lag"):
        fit.acf(10**15, form="~ s | g")


def test_irregular_seconds_have_no_lag_that_is_near() -> None:
    data = pd.DataFrame({"s": [0, 86_401, 172_799] * 4, "g": np.repeat(list("abcd"), 3)})
    data["y"] = np.random.default_rng(3).normal(size=12)
    form = "~ s | g"
    fit = bayeslme.gls("y ~ 1", data, bayeslme.CorCAR1(form=form))
    with pytest.raises(FitError, match="at least 86398 apart"):
        fit.acf(form=form)
    assert fit.acf(86_401, form=form)["n_used"].iloc[-1] == 4
    assert not lag_scale(positions(fit, "~ 1 | g")).empty
    assert not _counts(fit)


def test_real_times_need_a_variogram() -> None:
    fit = fitted("c_Ovary_lme1_REML")
    with pytest.raises(FitError, match="whole-number times"):
        fit.acf(form="~ Time | Mare")
    with pytest.raises(FitError, match="metric"):
        fit.variogram(form="~ Time | Mare", metric="chebyshev")
    with pytest.raises(FitError, match="max_distance"):
        fit.variogram(form="~ Time | Mare", max_distance=0.0)


def test_plots_of_what_is_left() -> None:
    fit = fitted("c_Ovary_lme1_REML")
    assert fit.plot.acf(max_lag=5).get_xlabel() == "Lag"
    assert fit.plot.variogram("~ Time | Mare").get_ylim()[0] == 0.0
    assert len(fit.plot.qq()) == 1
    assert len(fit.plot.qq(group="Mare")) == 2


def test_real_times_are_taken_in_their_order() -> None:
    """R: ACF(gls(...), maxLag = 3) of Glucose2 under corCAR1, whose rows are in time order."""
    data = bayeslme.load_data("Glucose2")
    fit = bayeslme.gls("glucose ~ Time", data, "corCAR1(form = ~ Time | Subject/Date)")
    table = fit.acf(3)
    np.testing.assert_allclose(
        table["ACF"], [1, 0.7313458533, 0.2248703890, -0.1652882110], atol=2e-4
    )
    mixed = data.sample(frac=1, random_state=1)
    again = bayeslme.gls("glucose ~ Time", mixed, "corCAR1(form = ~ Time | Subject/Date)")
    np.testing.assert_allclose(again.acf(3)["ACF"], table["ACF"], atol=1e-6)
