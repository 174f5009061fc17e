"""Dates, times, periods and durations as positions and covariates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorAR1, CorCAR1, VarExp, gls, lme
from bayeslme.errors import DataError

FIRST = pd.Timestamp("2024-03-30")
EPOCH_DAYS = (FIRST - pd.Timestamp("1970-01-01")).days
KINDS = ["ns", "s", "zoned", "period", "span", "object", "arrow", "arrow_date"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    g, k = np.repeat(np.arange(15), 5), np.tile(np.arange(5), 15)
    noise = rng.normal(size=(15, 5))
    for j in range(1, 5):
        noise[:, j] = 0.7 * noise[:, j - 1] + 0.7 * noise[:, j]
    frame = pd.DataFrame({"g": g, "t": 2.0 * k, "y": 2 + 0.2 * k + noise.ravel()})
    ns = (FIRST + pd.to_timedelta(frame.t, unit="D")).astype("datetime64[ns]")
    return frame.assign(
        ns=ns,
        s=ns.astype("datetime64[s]"),
        zoned=ns.dt.tz_localize("UTC").dt.tz_convert("America/New_York"),
        local=ns.dt.tz_localize("Europe/Berlin"),  # clocks change on 31 March
        period=ns.dt.to_period("D"),
        span=pd.to_timedelta(frame.t, unit="D"),
        object=ns.dt.date,
        arrow=ns.astype("timestamp[us][pyarrow]"),
        arrow_date=ns.dt.date.astype("date32[day][pyarrow]"),
        text=ns.dt.strftime("%Y-%m-%d"),
    ).sample(frac=1, random_state=1)


@pytest.mark.parametrize("kind", KINDS)
def test_times_are_days_since_the_first(data: pd.DataFrame, kind: str) -> None:
    def both(name: str) -> tuple:
        marginal = gls(f"y ~ {name}", data, CorAR1(form=f"~ {name} | g"), VarExp(form=f"~ {name}"))
        mixed = lme(f"y ~ {name}", data, f"~ {name} | g", correlation=CorCAR1(form=f"~ {name} | g"))
        return marginal, mixed

    later = data.iloc[:6].copy()
    step = 1 if kind == "period" else pd.Timedelta(1, "D")
    if kind == "object":
        later["object"] = later["ns"] + step
    elif kind.startswith("arrow"):
        later[kind] = (later["ns"] + step).astype(data[kind].dtype)
    else:
        later[kind] = later[kind] + step
    numbers = later.assign(t=later.t + 1)
    for fit, plain in zip(both(kind), both("t"), strict=True):
        assert fit.loglik == pytest.approx(plain.loglik, abs=1e-8)
        np.testing.assert_allclose(fit.fixef, plain.fixef, rtol=1e-6)
        np.testing.assert_allclose(fit.predict(later), plain.predict(numbers), rtol=1e-6)
        said = "counts in days" if kind == "span" else "counts days since 2024-03-"
        assert f"{kind} {said}" in str(fit.summary())
        fit.acf(), fit.variogram(), fit.simulate(1, seed=1)
    used = [f.predict(n, use_correlation=True) for f, n in ((both(kind)[0], later),)]
    np.testing.assert_allclose(
        used[0], both("t")[0].predict(numbers, use_correlation=True), rtol=1e-6
    )


@pytest.mark.parametrize(
    "term", ["as.Date(ns)", "as.numeric(ns)", "as.Date(text)", "as.Date(local)", "as.Date(object)"]
)
def test_r_s_functions_count_from_1970(data: pd.DataFrame, term: str) -> None:
    """R: as.numeric(as.Date("2024-03-30")) is 19812."""
    assert EPOCH_DAYS == 19_812
    plain = gls("y ~ t", data, CorAR1(form="~ t | g"))
    fit = bayeslme.translate(f"gls(y ~ {term}, correlation = corAR1(form = ~ {term} | g))").fit(
        data
    )
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-8)
    assert fit.fixef.iloc[1] == pytest.approx(plain.fixef["t"], rel=1e-8)
    moved = plain.fixef.iloc[0] - EPOCH_DAYS * plain.fixef["t"]
    assert fit.fixef.iloc[0] == pytest.approx(moved, rel=1e-8)


def test_differences_and_comparisons_know_dates(data: pd.DataFrame) -> None:
    plain = bayeslme.lm("y ~ t", data)
    fit = bayeslme.lm("y ~ I(ns - as.Date('2024-03-30'))", data)
    np.testing.assert_allclose(fit.fixef, plain.fixef)
    for subset in ("ns >= '2024-04-03'", "ns >= as.Date('2024-04-03')", "as.Date(text) >= ns"):
        wanted = len(data) if "text" in subset else int((data.ns >= "2024-04-03").sum())
        assert bayeslme.lm("y ~ 1", data, subset=subset).nobs == wanted


def test_the_origin_is_the_frame_s_whatever_is_left_out(data: pd.DataFrame) -> None:
    fit = bayeslme.lm("y ~ ns", data, subset="t > 0")
    np.testing.assert_allclose(fit.fixef, bayeslme.lm("y ~ t", data, subset="t > 0").fixef)
    np.testing.assert_allclose(
        fit.update(subset="t > 2").predict(data.iloc[:3]),
        bayeslme.lm("y ~ t", data, subset="t > 2").predict(data.iloc[:3]),
    )


def test_missing_times_are_missing_values(data: pd.DataFrame) -> None:
    gaps = data.copy()
    gaps.loc[[3, 7], "ns"] = pd.NaT
    with pytest.raises(DataError, match=r"missing values in ns \(2 rows\)"):
        gls("y ~ 1", gaps, CorAR1(form="~ ns | g"))
    fit = gls("y ~ ns", gaps, CorAR1(form="~ ns | g"), na_action="omit")
    plain = gls("y ~ t", data.drop(index=[3, 7]), CorAR1(form="~ t | g"))
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-8)


def test_zones(data: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"as.Date\(local\) for calendar days"):
        gls("y ~ 1", data, CorAR1(form="~ local | g"))
    elapsed = (data.local - data.local.min()).dt.total_seconds() / 86_400
    fit = gls("y ~ local", data, CorCAR1(form="~ local | g"))
    plain = gls("y ~ e", data.assign(e=elapsed), CorCAR1(form="~ e | g"))
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-8)
    np.testing.assert_allclose(fit.fixef, plain.fixef)
    with pytest.raises(DataError, match="time zone"):
        fit.predict(data.assign(local=data.ns))


def test_dates_as_groups_and_levels(data: pd.DataFrame) -> None:
    fit = lme("y ~ 1", data, "~ 1 | ns")
    assert fit.ranef().index[1] == "2024-04-01"
    plain = lme("y ~ 1", data, "~ 1 | t")
    assert fit.loglik == pytest.approx(plain.loglik)
    assert "days since" not in str(fit.summary())
    names = list(bayeslme.lm("y ~ factor(ns)", data).fixef.index)
    assert names[1] == "factor(ns)2024-04-01"


def test_posteriors_with_dates_are_saved(data: pd.DataFrame, tmp_path) -> None:
    fit = gls("y ~ zoned", data, CorAR1(form="~ zoned | g"), subset="t > 0")
    posterior = fit.sample(draws=100, seed=1)
    posterior.save(tmp_path / "a.nc")
    again = bayeslme.load_posterior(tmp_path / "a.nc")
    np.testing.assert_allclose(again.fit.fixef, fit.fixef)
    pd.testing.assert_series_equal(again.predict(data.iloc[:4]), posterior.predict(data.iloc[:4]))
