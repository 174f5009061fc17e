"""The curve of a correlation structure against nlme's, and when it is drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.errors import FitError
from bayeslme.fit.settings import SETTINGS
from bayeslme.fit.values.dependence import correlation_at, model_variogram
from bayeslme.structures import CorAR1, CorExp, correlation_groups

STORED = json.loads((Path(__file__).parents[1] / "result_layer.json").read_text(encoding="utf-8"))
TIMES = np.array([1.0, 8.0, 15.0, 22.0])[:, None]


@pytest.mark.parametrize(
    "case", STORED["variograms"], ids=lambda c: f"{c['kind']}{'-nugget' * c['nugget']}"
)
def test_curve_is_nlmes(case: dict[str, Any]) -> None:
    kind = getattr(bayeslme, f"C{case['kind'][1:]}")
    bound = kind(form="~ Time", nugget=case["nugget"]).bind(
        correlation_groups(np.zeros(1, int), 4, TIMES)
    )
    values = 1.0 - correlation_at(
        bound, np.atleast_1d(case["coef"]), np.array(case["curve"]["dist"])
    )
    np.testing.assert_allclose(values, case["curve"]["variog"], rtol=1e-7)


@pytest.fixture(scope="module")
def weights() -> bayeslme.LmeFit:
    return bayeslme.lme(
        "weight ~ Time * Diet",
        bayeslme.load_data("BodyWeight"),
        "~ Time | Rat",
        weights=bayeslme.VarPower(),
        correlation=CorExp(form="~ Time"),
    )


def test_curve_goes_with_the_points(weights: bayeslme.LmeFit) -> None:
    case = next(c for c in STORED["variograms"] if c["kind"] == "corExp" and not c["nugget"])
    table = weights.variogram()
    np.testing.assert_allclose(table["variog"], case["table"]["variog"], rtol=2e-3)
    model = table.attrs["model"]
    assert (model["dist"][0], model["dist"][-1]) == (1.0, 63.0)
    rate = float(weights.correlation_coef["range"])
    np.testing.assert_allclose(model["variog"], 1 - np.exp(-np.array(model["dist"]) / rate))
    assert len(weights.plot.variogram().lines) == 1
    assert len(weights.plot.variogram(curve=False).lines) == 0


def test_curve_is_left_out_where_it_has_no_meaning(weights: bayeslme.LmeFit) -> None:
    assert "model" not in weights.variogram(type="normalized").attrs
    assert "model" not in weights.variogram("~ I(Time^2)").attrs
    assert "model" in weights.variogram("~ Time").attrs
    assert "model" not in weights.variogram(type="response").attrs
    with pytest.raises(FitError, match="variance function"):
        model_variogram(weights, [1.0], "response")
    with pytest.raises(FitError, match="normalized residuals"):
        model_variogram(weights, [1.0], "normalized")
    with pytest.raises(FitError, match="no correlation"):
        model_variogram(weights.update(correlation=None), [1.0])


def test_curve_of_whole_lags() -> None:
    fit = bayeslme.gls(
        "follicles ~ sin(2 * pi * Time)",
        bayeslme.load_data("Ovary"),
        correlation=CorAR1(form="~ 1 | Mare"),
    )
    table = fit.variogram(type="response")
    phi = float(fit.correlation_coef["Phi"])
    model = table.attrs["model"]
    lags = np.arange(1, len(model["dist"]) + 1)
    np.testing.assert_array_equal(model["dist"], lags)
    np.testing.assert_allclose(model["variog"], fit.sigma**2 * (1 - phi**lags))


def test_too_many_pairs_are_refused(
    weights: bayeslme.LmeFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bayeslme.fit.values import dependence

    assert dependence.n_pairs(dependence.positions(weights, None)) == 16 * 55  # 11 rows a rat
    monkeypatch.setattr(dependence, "SETTINGS", replace(SETTINGS, max_pairs=879))
    with pytest.raises(FitError, match=r"880 pairs of residuals .* more than the 879"):
        weights.variogram()


def test_distances_are_the_structures_own() -> None:
    wheat = bayeslme.load_data("Wheat2")
    fit = bayeslme.gls(
        "yield ~ 1",
        wheat[wheat["Block"] == "1"],
        correlation=CorExp(
            form="~ latitude + longitude", metric="manhattan", value=[20.0], fixed=True
        ),
    )
    own = fit.variogram()
    given = fit.variogram("~ latitude + longitude | Block", metric="manhattan")
    np.testing.assert_allclose(own["dist"], given["dist"])
    np.testing.assert_allclose(own["variog"], given["variog"])
    assert "model" not in fit.variogram(metric="euclidean").attrs
