"""Empty directions of the random effects against lme4's rePCA, and the simpler models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.fit.values.varcorr import combination_text

STORED = json.loads((Path(__file__).parents[1] / "result_layer.json").read_text(encoding="utf-8"))
RANDOM: dict[str, Any] = {
    "Pixel": {"Dog": "~ day", "Side": "~ 1"},
    "Orthodont": "~ age | Subject",
    "Oats": {"Block": "~ nitro", "Variety": "~ 1"},
    "Machines": "~ Machine | Worker",
}
LEVELS = {"Dog:Side": "Side", "Block:Variety": "Variety"}


def oats(**changes: Any) -> bayeslme.LmeFit:
    fit = bayeslme.lme("yield ~ nitro", bayeslme.load_data("Oats"), RANDOM["Oats"])
    return fit.update(**changes) if changes else fit


@pytest.mark.parametrize(
    "case", [c for c in STORED["pca"] if c["data"] in RANDOM], ids=lambda c: c["data"]
)
def test_principal_components_are_lme4s(case: dict[str, Any]) -> None:
    data = bayeslme.load_data(case["data"])
    report = bayeslme.lme(case["fixed"], data, RANDOM[case["data"]]).singular(prior=None)
    assert report.is_singular == case["is_singular"]
    for name, want in case["levels"].items():
        got = report[LEVELS.get(name, name)]
        np.testing.assert_allclose(got.sd, np.atleast_1d(want["sdev"]), rtol=5e-3, atol=1e-4)
        wanted = np.atleast_1d(want["importance"])
        np.testing.assert_allclose(got.proportion, wanted, atol=5e-5)
        axes = np.atleast_2d(want["rotation"])
        overlap = np.abs(np.diagonal(axes.T @ got.rotation.to_numpy()))
        np.testing.assert_allclose(overlap, 1.0, atol=1e-3)


def test_a_perfect_correlation_is_named_and_dropped() -> None:
    fit = oats()
    report = fit.singular(prior=None)
    assert report.notes == ("Block: (Intercept) and nitro are perfectly correlated (1)",)
    (empty,) = report["Block"].empty
    cov = fit.varcorr()["Block"].cov
    assert empty @ cov @ empty < 1e-9 * np.trace(cov)
    table = report.alternatives
    assert table is not None
    assert list(table.index) == [
        "as fitted",
        "Block: effects uncorrelated",
        "Block: without (Intercept)",
        "Block: without nitro",
        "without Block",
    ]
    simpler = oats(random={"Block": "~ 1", "Variety": "~ 1"})
    row = table.loc["Block: without nitro"]
    assert (row["df"], row["logLik"]) == (simpler.df, pytest.approx(simpler.loglik))
    assert "see fit.singular()" in str(fit.summary())
    assert "PC2" in str(report) and "PC2" in report._repr_html_()


def test_units_and_origin_do_not_matter() -> None:
    data = bayeslme.load_data("Oats")
    data["far"] = 1e3 + 0.1 * data["nitro"]
    fit = bayeslme.lme("yield ~ far", data, {"Block": "~ far", "Variety": "~ 1"})
    assert len(fit.singular(prior=None)["Block"].empty) == 1


def test_a_level_without_variance() -> None:
    fit = bayeslme.lme(
        "loglact ~ reg * status",
        bayeslme.load_data("piglets"),
        "~ 1 | litter/pig",
        na_action="omit",
    )
    report = fit.singular(prior=None)
    assert report["litter"].zero == ("(Intercept)",)
    assert report["pig"].empty == ()
    assert report.notes == ("litter: its random effects have no variance at all",)
    table = report.alternatives
    assert table is not None
    assert list(table.index) == ["as fitted", "without litter"]
    assert table["logLik"].iloc[1] == pytest.approx(table["logLik"].iloc[0], abs=1e-6)
    assert "the variance of (Intercept) in litter is estimated as zero" in str(fit)


def test_boundary_avoiding_priors_are_set_beside() -> None:
    report = oats().singular()
    table = report.under_prior
    assert table is not None
    assert list(table.columns) == ["REML", "MAP"]
    assert table.loc["Block cor((Intercept),nitro)", "REML"] == pytest.approx(1.0)
    assert abs(table.loc["Block cor((Intercept),nitro)", "MAP"]) < 0.999
    assert "posterior mode under boundary-avoiding priors" in str(report)


def test_more_effects_than_the_data_can_tell() -> None:
    """One row for each subject and type: slopes, intercepts and residuals are confounded."""
    fit = bayeslme.lme("effort ~ Type", bayeslme.load_data("ergoStool"), "~ Type | Subject")
    report = fit.singular(prior=None)
    assert not report.is_singular and report.doubtful
    assert report.flat_groups == {"Subject"}
    assert "sigma" in report.flat
    assert re.search(
        r"flat in a direction of 11 variance parameters \(Subject, sigma\)", str(report)
    )
    assert report.alternatives is not None
    assert "Subject: without Type" in report.alternatives.index


def test_one_row_for_each_group() -> None:
    data = bayeslme.load_data("Orthodont").assign(row=range(108))
    with pytest.warns(UserWarning, match="one row per level"):
        fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject/row")
    assert "every group of row has one row" in str(fit)
    assert fit.singular(prior=None).flat == ("sd((Intercept)) in row", "sigma")


def test_nothing_to_say() -> None:
    data = bayeslme.load_data("Orthodont")
    report = bayeslme.lme("distance ~ age", data, "~ 1 | Subject").singular()
    assert not report.doubtful
    assert report.notes == ()
    assert report.alternatives is None
    assert report.under_prior is not None  # on request, not printed
    assert "posterior mode" not in str(report)
    assert "No direction of the random effects is empty." in str(report)
    assert str(bayeslme.lm("distance ~ age", data).singular()) == "No random effects."


def test_blocks_and_structures() -> None:
    """A blocked level is left as it is or dropped; a diagonal one only loses terms."""
    data = bayeslme.load_data("Oats")
    diagonal = bayeslme.lme(
        "yield ~ nitro", data, {"Block": bayeslme.PdDiag("~ nitro"), "Variety": "~ 1"}
    )
    assert diagonal.singular(prior=None)["Block"].zero == ("nitro",)
    table = diagonal.singular(prior=None).alternatives
    assert table is not None
    assert list(table.index) == ["as fitted", "Block: without nitro", "without Block"]


def test_combinations_read_as_sums() -> None:
    assert combination_text(pd.Series({"a": -2.0, "b": 1.0, "c": 0.5})) == "- 2 a + b + 0.5 c"


def test_blocks_beside_the_singular_level() -> None:
    """A level of blocks stays as it is while another one is simplified."""
    data = bayeslme.load_data("Wafer")
    data["wave"] = 4.5679 * data["voltage"]
    outer = "list(pdDiag(~ voltage), pdDiag(~ sin(wave) + cos(wave) - 1))"
    call = (
        "lme(current ~ voltage + I(voltage^2) + cos(wave) + sin(wave), data = Wafer, "
        f"random = list(Wafer = pdBlocked({outer}), Site = pdBlocked({outer})))"
    )
    fit = bayeslme.translate(call).fit(data)
    report = fit.singular(prior=None)
    assert report.is_singular
    assert report.alternatives is not None
    assert any(label.startswith("without ") for label in report.alternatives.index)
