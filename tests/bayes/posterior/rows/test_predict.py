from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.bayes.posterior.tree import build_tree
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.errors import FitError


@pytest.fixture(scope="module")
def later(orthodont: pd.DataFrame) -> pd.DataFrame:
    """Age 16 of a known boy, a known girl and two rows of an unknown girl."""
    return pd.DataFrame(
        {
            "Subject": ["M01", "F01", "new", "new"],
            "Sex": ["Male", "Female", "Female", "Female"],
            "age": [16.0, 16.0, 16.0, 17.0],
        }
    )


def test_draws_are_those_the_mean_is_of(collapsed: Any, later: pd.DataFrame) -> None:
    for options in ({}, {"newdata": later}, {"level": 0}):
        mean = collapsed.predict(**options)
        drawn = collapsed.predict(**options, draws=True)
        assert drawn.dims == ("chain", "draw", "row")
        assert drawn.mean(("chain", "draw")).to_numpy() == pytest.approx(
            mean.to_numpy(), nan_ok=True
        )


def test_new_groups_are_missing_or_drawn(collapsed: Any, later: pd.DataFrame) -> None:
    assert collapsed.predict(later).isna().tolist() == [False, False, True, True]
    drawn = collapsed.predict(later, new_groups="draw", draws=True, seed=1)
    values = drawn.to_numpy().reshape(-1, 4)
    fixed = collapsed.predict(later, level=0, draws=True).to_numpy().reshape(-1, 4)
    effect = values - fixed
    assert effect[:, 2] == pytest.approx(effect[:, 3])  # one girl, one intercept
    expected = np.sqrt(np.mean(collapsed.values["sd_Subject"][:, 0] ** 2))
    assert effect[:, 2].std() == pytest.approx(expected, rel=0.05)
    assert abs(effect[:, 2].mean()) < 4 * expected / 100
    known = collapsed.predict(later, draws=True).to_numpy().reshape(-1, 4)
    assert values[:, :2] == pytest.approx(known[:, :2])


def test_a_new_response_has_the_spread_of_its_stratum(collapsed: Any, later: pd.DataFrame) -> None:
    mean = collapsed.predict(later, draws=True).to_numpy().reshape(-1, 4)
    response = collapsed.predict(later, of="response", draws=True, seed=2)
    noise = (response.to_numpy().reshape(-1, 4) - mean)[:, :2]
    sigma, ratio = collapsed.values["sigma"], collapsed.values["varfunc"][:, 0]
    assert noise[:, 0].std() == pytest.approx(np.sqrt(np.mean(sigma**2)), rel=0.05)
    assert noise[:, 1].std() == pytest.approx(np.sqrt(np.mean((sigma * ratio) ** 2)), rel=0.05)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.05  # two children


def test_limits_of_a_response_hold_new_responses(collapsed: Any, orthodont: Any) -> None:
    table = collapsed.predict(interval=0.9, of="response", seed=3)
    y = orthodont["distance"]
    inside = ((table["lower"] <= y) & (y <= table["upper"])).mean()
    assert 0.85 < inside <= 1.0  # the rows themselves informed the fit
    narrow = collapsed.predict(interval=0.9)
    assert ((narrow["upper"] - narrow["lower"]) < (table["upper"] - table["lower"])).all()
    shortest = collapsed.predict(interval=0.9, kind="hdi")
    width = [t["upper"] - t["lower"] for t in (shortest, narrow)]
    assert (width[0] <= 1.001 * width[1]).all()


def test_own_rows_and_the_same_rows_as_new_data_agree(collapsed: Any, orthodont: Any) -> None:
    own, new = (
        collapsed.predict(d, interval=0.9, of="response", seed=4) for d in (None, orthodont)
    )
    pd.testing.assert_frame_equal(own, new)
    both = [collapsed.predict(d, of="response", draws=True, seed=4) for d in (None, orthodont)]
    mean = collapsed.predict(draws=True)
    noise = [(x - mean).to_numpy().reshape(-1, 27, 4) for x in both]
    for lag in (1, 2):
        of_each = [np.mean(e[:, :, lag:] * e[:, :, :-lag]) / np.mean(e**2) for e in noise]
        phi = collapsed.values["corstruct"][:, 0]
        scale = collapsed.values["sigma"] ** 2
        assert of_each == pytest.approx(
            np.full(2, np.mean(phi**lag * scale) / scale.mean()), abs=0.01
        )


def test_the_mean_of_a_response_has_no_noise(collapsed: Any, later: pd.DataFrame) -> None:
    plain = collapsed.predict(later)
    assert collapsed.predict(later, of="response", seed=1).to_numpy() == pytest.approx(
        plain.to_numpy(), nan_ok=True
    )


def test_residuals_of_every_draw_average_to_the_residuals(collapsed: Any) -> None:
    for kind in ("response", "pearson", "normalized"):
        drawn = collapsed.residuals(type=kind, draws=True)
        assert drawn.sizes == {"chain": 4, "draw": 2500, "row": 108}
        assert drawn.mean(("chain", "draw")).to_numpy() == pytest.approx(
            collapsed.residuals(type=kind).to_numpy()
        )
    fitted = collapsed.fitted(draws=True)
    raw = collapsed.residuals(draws=True)
    assert (fitted + raw).to_numpy()[0, 0] == pytest.approx(collapsed.parameters.design.y)


def test_normalized_residuals_of_every_draw_are_standard(collapsed: Any) -> None:
    """Given the draw, normalized residuals of the data look like independent standard normals."""
    drawn = collapsed.residuals(type="normalized", draws=True).to_numpy().reshape(-1, 108)
    assert np.mean(drawn**2) == pytest.approx(1.0, abs=0.1)


def test_variances_of_fitted_values_follow_the_draw(orthodont: Any) -> None:
    """A power of the fitted values: the spread at new rows is that of the mean at these."""
    fit: Any = bayeslme.translate(
        "gls(distance ~ age, weights = varPower(form = ~ fitted(.)))"
    ).fit(orthodont)
    parameters = build_parameters(fit.design)
    priors = resolve_priors(parameters)
    beta = np.tile(fit.fixef.to_numpy(), (1, 4000, 1))
    values = {
        "fixef": beta,
        "varfunc": np.full((1, 4000, 1), 1.5),
        "sigma": np.full((1, 4000), 0.02),
    }
    tree = build_tree(parameters, priors, values, {}, seeds=(1, 2), route="held", effects={})
    posterior = Posterior(tree, fit, parameters, priors)
    rows = pd.DataFrame({"age": [8.0, 14.0]})
    drawn = posterior.predict(rows, of="response", draws=True, seed=5).to_numpy()[0]
    mean = fit.predict(rows).to_numpy()
    assert drawn.std(axis=0) == pytest.approx(0.02 * mean**1.5, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of": "median"}, "of: 'median' is none of 'mean', 'response'"),
        ({"new_groups": "zero"}, "new_groups: 'zero' is none of"),
        (
            {"use_correlation": True, "level": 0},
            "residuals are those of the innermost level",
        ),
        ({"interval": 95}, "interval: a number between 0 and 1"),
        ({"interval": 0.9, "draws": True}, "leave one of the two out"),
        ({"interval": 0.9, "kind": "central"}, "kind: 'central'"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str, collapsed: Any) -> None:
    with pytest.raises(FitError, match=message):
        collapsed.predict(**options)
