"""Fits of mmrm: models of gls under other names, their degrees of freedom, what fails."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import FitError


def data() -> pd.DataFrame:
    frame = bayeslme.load_data("Orthodont")
    frame["visit"] = ("v" + frame["age"].astype(int).astype(str).str.zfill(2)).astype("category")
    frame.loc[[3, 17, 50], "distance"] = np.nan
    return frame


def test_it_is_the_model_of_gls() -> None:
    fit = bayeslme.mmrm("distance ~ Sex * visit + ar1h(visit | Subject)", data())
    frame = data().dropna().assign(t=lambda d: d["visit"].cat.codes + 1)
    same = bayeslme.gls(
        "distance ~ Sex * visit",
        frame,
        correlation=bayeslme.CorAR1(form="~ t | Subject"),
        weights=bayeslme.VarIdent(form="~ 1 | visit"),
    )
    assert fit.loglik == pytest.approx(same.loglik, abs=1e-8)
    assert isinstance(fit, bayeslme.GlsFit) if hasattr(bayeslme, "GlsFit") else True
    want = same.summary(df="satterthwaite").fixed
    pd.testing.assert_frame_equal(fit.summary().fixed, want, rtol=1e-6)
    assert fit.anova()["denDF"].to_numpy() == pytest.approx(
        same.anova(df="satterthwaite")["denDF"].to_numpy(), rel=1e-6
    )


def test_degrees_of_the_call_reach_every_verb() -> None:
    fit = bayeslme.mmrm("distance ~ Sex + visit + cs(visit | Subject)", data(), df="kenward-roger")
    page = str(fit.summary())
    assert "kenward-roger-observed" in page
    own = fit.summary(df="kenward-roger-observed").fixed
    pd.testing.assert_frame_equal(fit.summary().fixed, own)
    assert not np.allclose(own["DF"], fit.summary(df="kenward-roger").fixed["DF"], rtol=1e-4)
    means = fit.means("Sex").table
    pd.testing.assert_frame_equal(means, fit.means("Sex", df="kenward-roger-observed").table)
    assert fit.intervals(which="fixed")["fixed"].iloc[1, 2] == pytest.approx(
        fit.intervals(which="fixed", df="kenward-roger-observed")["fixed"].iloc[1, 2]
    )


def test_maximum_likelihood_is_not_adjusted() -> None:
    fit = bayeslme.mmrm("distance ~ Sex + cs(visit | Subject)", data(), REML=False)
    v, x = fit.marginal_cov().to_numpy(), fit.design.X
    want = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    np.testing.assert_allclose(fit.vcov(), want, rtol=1e-8)
    np.testing.assert_allclose(fit.summary().fixed["Std.Error"], np.sqrt(np.diag(want)), rtol=1e-8)


def test_forecasts_find_the_visits_of_the_fit() -> None:
    """New rows of two visits only: positions are those of the fit."""
    fit = bayeslme.mmrm("distance ~ Sex + visit + adh(visit | Subject)", data())
    missing = data().iloc[[3, 17]]
    got = fit.predict(missing, use_correlation=True)
    everything = fit.predict(data(), use_correlation=True)
    np.testing.assert_allclose(got, everything.loc[missing.index], rtol=1e-9)


def test_what_to_take_where_unstructured_fails() -> None:
    frame = data().dropna()
    alone = frame["visit"].isin(["v08", "v10"]) == frame["Subject"].isin(["M01", "M02", "M03"])
    with pytest.raises(FitError, match=r"toeph.* no subject has both visits v08 and v12") as caught:
        bayeslme.mmrm(
            "distance ~ 1 + us(visit | Subject)",
            frame[alone & frame["Subject"].isin(["M01", "M04"])],
        )
    assert len(str(caught.value)) <= 300
