from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import SpecError


def test_fits_are_aligned_by_part_and_name(orthodont: pd.DataFrame) -> None:
    small = bayeslme.lme("distance ~ age", orthodont, random="~ 1 | Subject")
    large = small.update(fixed="distance ~ age + Sex")
    table = bayeslme.compare(small, large=large)
    assert list(dict.fromkeys(table.frame.columns.get_level_values(0))) == ["REML", "large"]
    assert np.isnan(table.frame.loc[("fixed", "SexFemale"), ("REML", "Value")])
    value = table.frame.loc[("fixed", "age"), ("large", "SE")]
    assert value == pytest.approx(large.summary().fixed.loc["age", "Std.Error"])
    assert table.frame.loc[("sigma", "sigma"), ("REML", "Value")] == pytest.approx(small.sigma)


def test_tables_of_other_software_find_their_rows(orthodont: pd.DataFrame) -> None:
    fit = bayeslme.lme("distance ~ age", orthodont, random="~ 1 | Subject")
    other = pd.DataFrame({"Coef.": [16.8, 1.43], "Std.Err.": [0.8, 0.06]}, ["(Intercept)", "sigma"])
    table = bayeslme.compare(fit, statsmodels=other)
    assert table.frame.loc[("sigma", "sigma"), ("statsmodels", "Value")] == 1.43
    assert table.frame.loc[("fixed", "(Intercept)"), ("statsmodels", "SE")] == 0.8
    first, second = str(table).splitlines()[:2]
    assert "REML" in first
    assert "statsmodels" in first
    assert second.split()[:4] == ["Value", "SE", "lower", "upper"]


def test_equal_names_are_told_apart(orthodont: pd.DataFrame) -> None:
    fit = bayeslme.lme("distance ~ age", orthodont, random="~ 1 | Subject")
    names = bayeslme.compare(fit, fit).frame.columns.get_level_values(0)
    assert list(dict.fromkeys(names)) == ["REML", "REML (2)"]


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(SpecError, match="not int"):
        bayeslme.compare(3)
    with pytest.raises(SpecError, match="at least one"):
        bayeslme.compare()
    with pytest.raises(SpecError, match="it has a"):
        bayeslme.compare(pd.DataFrame({"a": [1]}))


@pytest.mark.pymc
def test_a_posterior_stands_beside_its_fit(growth_fit: Any, posterior: Any) -> None:
    frame = bayeslme.compare(growth_fit, posterior).frame
    assert not frame["posterior"].isna().any(axis=None)
    apart = (frame["REML"]["Value"] - frame["posterior"]["Value"]).abs() / frame["posterior"]["SE"]
    assert apart.max() < 0.5
