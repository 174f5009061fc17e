"""Values at several levels: nlme's tables of ``level = 0:2``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import DataError, FitError, SpecError


@pytest.fixture(scope="module")
def fit() -> bayeslme.LmeFit:
    pixel = bayeslme.load_data("Pixel")
    return bayeslme.lme("pixel ~ day + I(day^2)", pixel, {"Dog": "~ day", "Side": "~ 1"})


def test_tables_are_nlmes(fit: bayeslme.LmeFit) -> None:
    """``predict(fm, level = 0:2)``, ``fitted`` and ``resid`` of nlme, first rows."""
    want = [[1073.339, 1048.625, 1036.853], [1079.101, 1053.192, 1041.420]]
    table = fit.predict(level=range(3))
    assert list(table.columns) == ["Dog", "Side", "predict.fixed", "predict.Dog", "predict.Side"]
    assert table.iloc[0, :2].tolist() == ["1", "1/R"]
    np.testing.assert_allclose(table.iloc[:2, 2:].astype(float), want, atol=2e-3)
    new = fit.predict(fit.data.iloc[:2], level=[0, 1, 2])
    pd.testing.assert_frame_equal(new, table.iloc[:2])
    values = fit.fitted(level=[0, 1, 2])
    assert list(values.columns) == ["fixed", "Dog", "Side"]
    np.testing.assert_allclose(values.iloc[:2], want, atol=2e-3)
    left = fit.residuals(level=("fixed", "Dog"))
    np.testing.assert_allclose(left.iloc[0], [-27.53914, -2.824993], atol=2e-3)
    pearson = fit.residuals(level=[1], type="pearson")
    np.testing.assert_allclose(pearson["Dog"], fit.residuals(1, "pearson"))


def test_groups_go_down_to_the_innermost_level_asked_for(fit: bayeslme.LmeFit) -> None:
    new = pd.DataFrame({"day": [3, 3], "Dog": ["1", "new"], "Side": ["R", "R"]})
    table = fit.predict(new, level=["fixed", "Dog"])
    assert list(table.columns) == ["Dog", "predict.fixed", "predict.Dog"]
    assert table["predict.fixed"].nunique() == 1
    assert table["predict.Dog"].isna().tolist() == [False, True]
    assert list(fit.predict(new[["day"]], level=[0]).columns) == ["predict.fixed"]


def test_what_several_levels_cannot_have(fit: bayeslme.LmeFit) -> None:
    with pytest.raises(FitError, match="one level at a time"):
        fit.predict(level=[0, 1], se=True)
    with pytest.raises(SpecError, match=r"different levels are needed, not \[0, 'fixed'\]"):
        fit.fitted(level=[0, "fixed"])
    with pytest.raises(SpecError, match="different levels are needed"):
        fit.residuals(level=[])
    with pytest.raises(SpecError, match="level 'Cat' is none of"):
        fit.predict(level=["Cat"])
    with pytest.raises(DataError, match="'Side'"):
        fit.predict(fit.data[["day", "Dog"]], level=[0, 2])


def test_random_effects_of_several_levels() -> None:
    oxide = bayeslme.load_data("Oxide")
    fit = bayeslme.lme("Thickness ~ 1", oxide, "~ 1 | Lot/Wafer")
    both = fit.ranef(level=[1, 2])
    assert list(both) == ["Lot", "Wafer"]
    pd.testing.assert_frame_equal(both["Wafer"], fit.ranef("Wafer"))
    errors = fit.ranef(level=["Lot"], se=True)
    pd.testing.assert_frame_equal(errors["Lot"], fit.ranef("Lot", se=True))
