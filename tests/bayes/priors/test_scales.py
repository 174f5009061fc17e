"""Every scale of a prior: undoing it, its volume, its record."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bayeslme.bayes.centring import CentredEffects
from bayeslme.bayes.priors.scales import (
    NATURAL,
    Combinations,
    EffectsAtMeans,
    PriorScale,
    RelativeConstants,
    TypicalScale,
    stored_scale,
)

CENTRED = CentredEffects("sd_g", "cor_g", np.array([[1.0, 3.0], [0.0, 1.0]]))
COR = np.array([[1.0, 0.4], [0.4, 1.0]])
OTHERS = {"varfunc": np.array([0.3, 0.7]), "cor_g": COR, "sd_g": np.array([2.0, 0.5])}
SCALES: dict[str, tuple[PriorScale, np.ndarray]] = {
    "fixef": (Combinations(np.array([[1.0, 2.0], [0.0, 1.0]])), np.array([3.0, -1.0])),
    "sigma": (TypicalScale(np.array([0.0, 1.5]), 0.2), np.array(0.8)),
    "varfunc": (RelativeConstants(np.array([[0.0, 1.5], [0.0, 0.0]])), np.array([0.3, 0.7])),
    "sd_g": (EffectsAtMeans(CENTRED, matrix=False), np.array([2.0, 0.5])),
    "y": (NATURAL, np.array([1.0, 2.0])),
}


@pytest.mark.parametrize("name", SCALES)
def test_undo_is_the_inverse_of_apply(name: str) -> None:
    scale, x = SCALES[name]
    there: dict[str, Any] = {**OTHERS, name: scale.apply(x, OTHERS)}
    if name == "sd_g":
        there["cor_g"] = EffectsAtMeans(CENTRED, matrix=True).apply(COR, OTHERS)
    back = scale.undo(name, {k: np.asarray(v)[None] for k, v in there.items()})
    assert back[name][0] == pytest.approx(x)
    if name == "sd_g":
        assert back["cor_g"][0] == pytest.approx(COR)


@pytest.mark.parametrize("name", ["fixef", "sigma", "varfunc", "y"])
def test_the_volume_is_the_determinant_of_differences(name: str) -> None:
    scale, x = SCALES[name]
    flat, step = np.atleast_1d(x), 1e-6
    columns = []
    for unit in np.eye(len(flat)):
        high, low = ((flat + s * step * unit).reshape(x.shape) for s in (1, -1))
        change = scale.apply(high, OTHERS) - scale.apply(low, OTHERS)
        columns.append(np.atleast_1d(change) / (2 * step))
    assert scale.log_volume(x, OTHERS) == pytest.approx(np.linalg.slogdet(columns)[1], abs=1e-6)


def test_the_volume_of_effects_at_means_is_that_of_both_variables() -> None:
    scale, matrix = SCALES["sd_g"][0], EffectsAtMeans(CENTRED, matrix=True)

    def both(v: np.ndarray) -> np.ndarray:
        cor = np.array([[1.0, v[2]], [v[2], 1.0]])
        others = {"sd_g": v[:2], "cor_g": cor}
        return np.append(scale.apply(v[:2], others), matrix.apply(cor, others)[0, 1])

    at, step = np.array([2.0, 0.5, 0.4]), 1e-6
    columns = [(both(at + step * e) - both(at - step * e)) / (2 * step) for e in np.eye(3)]
    assert scale.log_volume(at[:2], OTHERS) == pytest.approx(
        np.linalg.slogdet(columns)[1], abs=1e-6
    )


@pytest.mark.parametrize("name", SCALES)
def test_a_record_gives_the_scale_back(name: str) -> None:
    scale, x = SCALES[name]
    record = json.loads(json.dumps({k: {name: v} for k, v in scale.to_dict().items()}))
    default = scale if name == "sd_g" else NATURAL  # the effects follow from the data
    again = stored_scale(name, record, default)
    assert type(again) is type(scale)
    assert again.apply(x, OTHERS) == pytest.approx(scale.apply(x, OTHERS))
    assert stored_scale("other", record, scale) is NATURAL
