from __future__ import annotations

import numpy as np
import pytest

from bayeslme.bayes.checks.calibration import band, p_values, shares_below

LARGEST = 99


@pytest.fixture(scope="module")
def uniform() -> np.ndarray:
    return np.random.default_rng(1).integers(0, LARGEST + 1, (300, 2000))


def test_uniform_ranks_are_refused_as_often_as_the_level_says(uniform: np.ndarray) -> None:
    p = p_values(uniform, LARGEST)
    for level in (0.05, 0.2):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * np.sqrt(level / 2000))


def test_the_band_holds_whole_curves(uniform: np.ndarray) -> None:
    at, lower, upper = band(300, LARGEST, 0.9)
    shares = shares_below(uniform, LARGEST)
    inside = ((shares >= lower[:, None]) & (shares <= upper[:, None])).all(axis=0)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    assert np.all(lower <= at) and np.all(at <= upper)


@pytest.mark.parametrize("shape", [(1.25, 1.0), (0.75, 0.75), (1.7, 1.7)])
def test_shifted_wide_and_narrow_ranks_are_refused(shape: tuple[float, float]) -> None:
    drawn = np.random.default_rng(2).beta(*shape, 500)
    ranks = np.floor(drawn * (LARGEST + 1)).astype(int)
    assert p_values(ranks, LARGEST) < 0.01


def test_extreme_ranks_are_no_exception() -> None:
    everything = p_values(np.full((50, 2), [0, LARGEST]), LARGEST)
    assert np.all(everything == pytest.approx(1 / 10_001))
