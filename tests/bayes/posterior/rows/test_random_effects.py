"""Random effects that are not kept are drawn again, the same ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.bayes import settings
from bayeslme.bayes.posterior.rows import random_effects
from bayeslme.errors import FitError, SpecError
from bayeslme.report.tables import Tables

CALL = "lme(yield ~ nitro, data = Oats, random = ~ 1 | Block/Variety)"


@pytest.fixture(scope="module")
def both() -> tuple[Any, Any]:
    """The same draws, with the random effects kept and without."""
    fit: Any = bayeslme.translate(CALL).fit(bayeslme.load_data("Oats"))
    kept, lean = (fit.sample(draws=100, seed=1, ranef=keep) for keep in (True, False))
    return kept, lean


def test_they_are_the_same_draws(both: tuple[Any, Any]) -> None:
    kept, lean = both
    assert "ranef_Block" not in lean.data["posterior"]
    assert lean.data["log_likelihood"].to_dataset().equals(kept.data["log_likelihood"].to_dataset())
    for key, b in kept.effects.items():
        assert b.dtype == np.float32  # as they are stored
        np.testing.assert_allclose(lean.effects[key], b, rtol=1e-6)


def test_pieces_are_those_that_the_draws_were_made_in(both: tuple[Any, Any]) -> None:
    """A posterior of an earlier version does not say how large they were: they were larger."""
    _, lean = both
    attrs = lean.data["sample_stats"].attrs
    assert attrs[random_effects.PIECES] == random_effects.BYTES
    tree = lean.data.copy()
    tree["sample_stats"].attrs = {k: v for k, v in attrs.items() if k != random_effects.PIECES}
    earlier = type(lean)(tree, lean.fit, lean.parameters, lean.priors)
    rng = np.random.default_rng(int(attrs[random_effects.SEED]))
    expected = random_effects.random_effects(
        lean.parameters, lean.values, rng, random_effects.EARLIER_BYTES
    )
    np.testing.assert_array_equal(earlier.effects["Block"], expected["Block"])


def test_every_verb_has_them(both: tuple[Any, Any]) -> None:
    kept, lean = both
    assert isinstance(kept.ranef(), Tables)  # which show themselves as those of a fit
    for name, table in kept.ranef().items():
        pd.testing.assert_frame_equal(lean.ranef()[name], table)
    pd.testing.assert_series_equal(lean.fitted(), kept.fitted())
    rows = bayeslme.load_data("Oats").iloc[[3, 40]]
    pd.testing.assert_frame_equal(
        lean.predict(rows, interval=0.9), kept.predict(rows, interval=0.9)
    )
    assert str(lean.summary()) == str(kept.summary())
    y = lean.data["posterior_predictive"]["y"]
    other = kept.data["posterior_predictive"]["y"]
    assert float(y.std("draw").mean()) == pytest.approx(float(other.std("draw").mean()), rel=0.1)
    np.testing.assert_allclose(y.mean(("chain", "draw")), other.mean(("chain", "draw")), rtol=0.05)


def test_means_need_no_memory_of_all(
    both: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lean = both
    lean.save(tmp_path / "lean.nc")
    again = bayeslme.load_posterior(tmp_path / "lean.nc")
    monkeypatch.setattr(settings, "POSTERIOR", replace(settings.POSTERIOR, max_bytes=1e3))
    for name, table in again.ranef().items():
        pd.testing.assert_frame_equal(table, kept.ranef()[name])
    with pytest.raises(
        FitError, match=r"400 draws take .* and were not kept; ask for means"
    ) as error:
        again.residuals()
    assert len(str(error.value)) <= 300


def test_what_cannot_be_left_out_is_said(orthodont: Any) -> None:
    fit: Any = bayeslme.translate(
        "lme(distance ~ age, random = ~ 1 | Subject, weights = varPower())"
    ).fit(orthodont)
    with pytest.raises(SpecError, match="ranef=False: where the variance depends on fitted"):
        fit.sample(ranef=False)
    with pytest.raises(SpecError, match="ranef: True or False"):
        fit.sample(ranef="no")
