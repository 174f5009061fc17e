"""Separate fits by group: values, residuals, and how they show themselves."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme.errors import FitError
from bayeslme.fit.lmlist import LmList


@pytest.fixture(scope="module")
def fits() -> LmList:
    return bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("Orthodont"))


def test_values_are_those_of_each_group_alone(fits: LmList) -> None:
    own = fits.data[fits.data["Subject"] == "M13"]
    alone = bayeslme.lm("distance ~ age", own)
    np.testing.assert_allclose(fits.fitted()[own.index], alone.fitted())
    np.testing.assert_allclose(fits.residuals()[own.index], alone.residuals())
    squares = float((fits.residuals("pearson") ** 2).sum())
    assert squares == pytest.approx(fits.df)
    with pytest.raises(FitError, match="'normalized' is none of"):
        fits.residuals("normalized")  # type: ignore[arg-type]


def test_groups_without_coefficients_have_no_values() -> None:
    data = bayeslme.load_data("Orthodont")
    kept = data[(data["Subject"] != "M13") | (data["age"] == 8)]
    fits = bayeslme.lmlist("distance ~ age | Subject", kept)
    missing = fits.fitted().isna()
    assert kept.loc[missing, "Subject"].unique().tolist() == ["M13"]


def test_tables_show_themselves(fits: LmList) -> None:
    assert str(fits.summary()).startswith("(Intercept)\n    Value Std.Error")
    assert fits.intervals()._repr_html_().count("<table") == 2
    oats = bayeslme.lme("yield ~ nitro", bayeslme.load_data("Oats"), "~ 1 | Block/Variety")
    both = oats.ranef(se=True)
    assert set(both) == {"Block", "Variety"}
    assert "est. (Intercept) se (Intercept)" in str(both)
    assert "<th>se (Intercept)</th>" in both._repr_html_()  # type: ignore[union-attr]
