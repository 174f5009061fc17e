"""Posterior predictive checks tell right structures from wrong ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.bayes import settings
from bayeslme.bayes.checks.predictive_checks import (
    NORMS,
    autocorrelation,
    envelope,
    replicates,
    semivariance,
    spread,
)
from bayeslme.bayes.posterior.rows.simulate import fitted
from bayeslme.fit.values.positions import Positions, positions

OVARY = (
    "lme(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time), data = Ovary, "
    "random = pdDiag(~ sin(2 * pi * Time)){})"
)
GROWTH = "lme(distance ~ Sex * I(age - 11), data = Orthodont, random = ~ 1 | Subject{})"
AR1, BY_SEX = ", correlation = corAR1()", ", weights = varIdent(form = ~ 1 | Sex)"


@pytest.fixture(scope="module")
def sampled() -> dict[str, Any]:
    ovary, orthodont = bayeslme.load_data("ovary"), bayeslme.load_data("orthodont")
    calls = {
        "independent": (OVARY.format(""), ovary),
        "serial": (OVARY.format(AR1), ovary),
        "one variance": (GROWTH.format(""), orthodont),
        "by sex": (GROWTH.format(BY_SEX), orthodont),
    }
    return {
        name: bayeslme.translate(call).fit(data).sample(seed=3, progress=False)
        for name, (call, data) in calls.items()
    }


def test_acf_flags_the_model_without_serial_correlation(sampled: dict[str, Any]) -> None:
    found = sampled["independent"].check("acf")
    assert not found.passed
    assert found.table.loc[1, "outside"]
    assert found.table.loc[1, "observed"] > 0.35
    assert "at lag 1" in str(found)


def test_acf_passes_the_model_with_it(sampled: dict[str, Any]) -> None:
    found = sampled["serial"].check("acf")
    assert found.passed
    assert found.verdict == "inside the 95 % envelope of 1000 replicates"
    assert abs(found.table.loc[1, "observed"]) < 0.15


def test_variogram_tells_them_apart_too(sampled: dict[str, Any]) -> None:
    assert sampled["independent"].check("variogram").table["outside"].iloc[0]
    assert sampled["serial"].check("variogram").passed


def test_sd_by_sex_flags_the_model_with_one_variance(sampled: dict[str, Any]) -> None:
    found = sampled["one variance"].check("sd_by_stratum", by="Sex")
    assert found.table.loc["Female", "outside"]
    assert found.table.loc["Female", "observed"] < 0.8


def test_sd_by_sex_passes_the_model_with_two(sampled: dict[str, Any]) -> None:
    named = sampled["by sex"].check("sd_by_stratum", by="Sex")
    assert named.passed
    np.testing.assert_allclose(named.table["observed"], 1.0, atol=0.1)
    own = sampled["by sex"].check("sd_by_stratum").table
    np.testing.assert_allclose(own["observed"].sort_index(), named.table["observed"].sort_index())


def test_sd_by_fitted_value_has_as_many_classes_as_asked(sampled: dict[str, Any]) -> None:
    found = sampled["by sex"].check("sd_by_fitted", bins=4, draws=500, level=0.9)
    assert found.draws == 500
    assert len(found.table) == 4
    assert found.table.index.is_monotonic_increasing


def test_replicates_are_those_of_their_draws(
    sampled: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = 150 * 108.0  # fewer than there are draws: every so many has a replicate
    monkeypatch.setattr(
        settings, "POSTERIOR", replace(settings.POSTERIOR, max_stored_replicates=cells)
    )
    thinned = sampled["by sex"].fit.sample(seed=3, progress=False)
    stored = thinned.data["posterior_predictive"]["y"]
    few, kept = replicates(thinned, 140)
    assert len(few) == len(kept) == 140
    rows = stored.to_numpy().reshape(-1, 108)
    assert all((row == rows).all(axis=1).any() for row in kept)
    chosen, y = replicates(thinned, 1000)  # more than are stored are drawn again
    assert len(chosen) == len(y) == 1000 > len(rows)
    mean = fitted(
        thinned.parameters,
        {k: v[chosen] for k, v in thinned.values.items()},
        {k: b[chosen] for k, b in thinned.effects.items()},
        1,
    )
    ratio = (y - mean).std(axis=1) / thinned.values["sigma"][chosen]
    girls = thinned.fit.data["Sex"].to_numpy() == "Female"
    other = (y - mean)[:, girls].std(axis=1) / thinned.values["sigma"][chosen]
    assert np.corrcoef(other / ratio, thinned.values["varfunc"][chosen, 0])[0, 1] > 0.5


def test_envelope_holds_its_share_as_a_whole() -> None:
    rng = np.random.default_rng(1)
    sample, fresh = rng.normal(size=(4000, 12)), rng.normal(size=(4000, 12))
    lower, upper = envelope(sample, 0.9)
    inside = ((fresh >= lower) & (fresh <= upper)).all(axis=1).mean()
    assert inside == pytest.approx(0.9, abs=0.025)


def test_numbers_are_those_of_the_fit(sampled: dict[str, Any]) -> None:
    fit = sampled["serial"].fit
    residual = fit.residuals(type="normalized").to_numpy()[None, :]
    where = positions(fit, None)
    acf = autocorrelation(where, 8)
    expected = fit.acf(8, "normalized").iloc[1:]
    np.testing.assert_allclose(acf.values(residual)[0], expected["ACF"], rtol=1e-10)
    variogram = semivariance(where, "euclidean", 20, None)
    expected = fit.variogram(type="normalized")
    np.testing.assert_allclose(variogram.values(residual)[0], expected["variog"], rtol=1e-10)
    np.testing.assert_allclose(variogram.index, expected["dist"])
    code = fit.design.levels[0].code
    sd = spread(code, pd.Index(fit.design.levels[0].labels, name="Mare"))
    np.testing.assert_allclose(
        sd.values(residual)[0] ** 2, pd.Series(residual[0] ** 2).groupby(code).mean()
    )


def test_plot_shows_what_is_outside(sampled: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    ax = sampled["independent"].check("acf").plot()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["replicated", "observed", "observed, outside"]
    assert ax.get_xlabel() == "lag"
    bars = sampled["by sex"].check("sd_by_stratum", by="Sex").plot()
    assert [t.get_text() for t in bars.get_xticklabels()] == ["Male", "Female"]
    plt.close("all")


def test_html_gives_table_and_verdict(sampled: dict[str, Any]) -> None:
    page = sampled["by sex"].check("sd_by_stratum")._repr_html_()
    assert "inside the 95 %" in page
    assert "<table" in page


@pytest.mark.parametrize(
    ("structure", "options", "error", "text"),
    [
        ("pacf", {}, "FitError", "'pacf' is none of"),
        ("sd_by_stratum", {}, "FitError", "no strata of its own"),
        ("sd_by_stratum", {"by": "mare"}, "DataError", "'mare' is not a column"),
        ("acf", {"level": 95}, "FitError", "level: a number between 0 and 1"),
        ("acf", {"draws": 10}, "FitError", "100 draws or more, not 10"),
        ("acf", {"form": "~ Time | Mare"}, "FitError", "whole-number times"),
        ("variogram", {"max_distance": 0.0}, "FitError", "nothing to look at"),
        ("sd_by_fitted", {"by": "Mare"}, "FitError", "'by' is not an option .* it has bins"),
    ],
)
def test_errors_name_the_argument(
    sampled: dict[str, Any], structure: str, options: dict[str, Any], error: str, text: str
) -> None:
    with pytest.raises(getattr(bayeslme, error), match=text):
        sampled["independent"].check(structure, **options)


@pytest.mark.parametrize("metric", ["euclidean", "maximum", "manhattan"])
def test_near_pairs_are_those_of_all_pairs(metric: str) -> None:
    rng = np.random.default_rng(2)
    where = Positions(rng.integers(3, size=60), rng.uniform(size=(60, 2)))
    residual = rng.normal(size=(1, 60))
    near = semivariance(where, metric, 4, 0.3)
    rows = [
        (i, j)
        for i in range(60)
        for j in range(i)
        if where.code[i] == where.code[j]
        and np.linalg.norm(where.place[i] - where.place[j], ord=NORMS[metric]) <= 0.3
    ]
    gaps = [0.5 * (residual[0, i] - residual[0, j]) ** 2 for i, j in rows]
    assert len(near.index) == 4
    assert near.values(residual)[0].mean() == pytest.approx(np.mean(gaps), rel=0.1)
    one_bin = semivariance(where, metric, 1, 0.3)
    assert one_bin.values(residual)[0] == pytest.approx([np.mean(gaps)])


@pytest.mark.parametrize("max_distance", [None, 0.9])
def test_of_too_many_pairs_some_are_drawn(
    max_distance: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of drawn pairs is that of all of them but for what is not drawn."""
    rng = np.random.default_rng(3)
    where = Positions(np.repeat([0, 1], [200, 50]), rng.uniform(size=(250, 2)))
    residual = np.repeat([[1.0], [3.0]], [200, 50], axis=0).T * rng.normal(size=(1, 250))
    whole = semivariance(where, "euclidean", 1, max_distance).values(residual)[0]
    monkeypatch.setattr(settings, "CHECKS", replace(settings.CHECKS, max_pairs=6000))
    some = semivariance(where, "euclidean", 1, max_distance).values(residual)[0]
    assert some != whole
    assert some == pytest.approx(whole, rel=0.1)
