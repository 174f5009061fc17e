"""Rows left out for missing values, under ``na_action="exclude"``."""

import numpy as np
import pandas as pd
import pytest

from bayeslme import gls, lm, lme, lmlist, load_data


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    frame = load_data("Orthodont")
    frame.loc[frame.index[[3, 50]], "age"] = np.nan
    return frame


FITS = {
    "lme": lambda d, **more: lme("distance ~ age", d, "~ 1 | Subject", **more),
    "gls": lambda d, **more: gls("distance ~ age", d, **more),
    "lm": lambda d, **more: lm("distance ~ age", d, **more),
    "lmlist": lambda d, **more: lmlist("distance ~ age | Subject", d, **more),
}


@pytest.mark.parametrize("function", FITS)
def test_values_of_excluded_rows_are_missing(function: str, data: pd.DataFrame) -> None:
    omitted = FITS[function](data, na_action="omit")
    excluded = FITS[function](data, na_action="exclude")
    for verb in ("fitted", "residuals", "predict"):
        short, long = getattr(omitted, verb)(), getattr(excluded, verb)()
        assert list(long.index) == list(data.index)
        assert list(np.flatnonzero(long.isna())) == [3, 50]
        pd.testing.assert_series_equal(long.dropna(), short)


def test_as_nlme(data: pd.DataFrame) -> None:
    # nlme 3.1-162, Orthodont with age[4] missing:
    # fitted(lme(distance ~ age, d, ~ 1 | Subject, na.action = na.exclude))[1:5]
    frame = load_data("Orthodont")
    frame.loc[frame.index[3], "age"] = np.nan
    fit = lme("distance ~ age", frame, "~ 1 | Subject", na_action="exclude")
    expected = [24.91972, 26.21573, 27.51174, np.nan, 21.49736]
    np.testing.assert_allclose(fit.fitted().iloc[:5], expected, atol=5e-6)


def test_rows_that_a_subset_drops_are_not_padded(data: pd.DataFrame) -> None:
    men = data["Sex"] == "Male"
    for subset in ("Sex == 'Male'", men.to_numpy()):
        fit = FITS["lme"](data, na_action="exclude", subset=subset)
        assert list(fit.residuals().index) == list(data.index[men])


def test_tables_are_padded(data: pd.DataFrame) -> None:
    fit = FITS["lme"](data, na_action="exclude")
    for table in (
        fit.fitted([0, 1]),
        fit.residuals([0, 1], type="pearson"),
        fit.predict(level=[0, 1]),
        fit.predict(se=True),
        fit.augment()[[".fitted", ".resid", ".fixed"]],
    ):
        assert len(table) == len(data)
        assert table.iloc[[3, 50]].isna().all(axis=None)
        assert table.drop(table.index[[3, 50]]).notna().all(axis=None)


def test_nothing_is_padded_where_nothing_is_missing() -> None:
    fit = lme("distance ~ age", load_data("Orthodont"), "~ 1 | Subject", na_action="exclude")
    assert fit.fitted().notna().all()
    assert len(fit.predict(load_data("Orthodont").head(3))) == 3


def test_plots_take_the_rows_of_the_fit(data: pd.DataFrame) -> None:
    fit = FITS["lme"](data, na_action="exclude")
    (ax,) = fit.plot.residuals()
    assert len(ax.collections[0].get_offsets()) == 106
    fit.plot.qq(id=0.05)
