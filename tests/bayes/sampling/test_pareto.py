"""Pareto smoothed weights: those of ArviZ, and known tails."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats

from bayeslme.bayes.sampling.pareto import pareto_fit, pareto_smoothed


@pytest.mark.parametrize("n", [30, 200, 1000, 6000])
@pytest.mark.parametrize("df", [1.2, 2.0, 5.0, 50.0])
def test_they_are_those_of_arviz(n: int, df: float) -> None:
    rng = np.random.default_rng(n)
    raw = np.abs(rng.standard_t(df, size=n)) * rng.uniform(0.5, 3.0)
    smoothed, k_hat = pareto_smoothed(raw)
    theirs, their_k_hat = array_stats.psislw(-raw)
    assert k_hat == pytest.approx(float(their_k_hat), rel=1e-9, abs=1e-9, nan_ok=True)
    np.testing.assert_allclose(smoothed, theirs, rtol=1e-9, atol=1e-9)


def test_bounded_weights_have_a_negative_shape() -> None:
    raw = np.log(np.random.default_rng(1).uniform(0.5, 1.0, size=5000))
    assert pareto_smoothed(raw)[1] < 0.0


@pytest.mark.parametrize("shape", [0.2, 0.7, 1.5])
def test_the_shape_is_found(shape: float) -> None:
    u = np.random.default_rng(3).uniform(size=20000)
    x = np.sort((u**-shape - 1.0) / shape)
    k, sigma = pareto_fit(x)
    assert k == pytest.approx(shape, abs=0.05)
    assert sigma == pytest.approx(1.0, rel=0.1)


def test_far_from_pareto_leaves_them_as_they_are() -> None:
    raw = np.r_[np.zeros(950), np.full(40, 5.0), np.linspace(5.5, 6.0, 10)]
    smoothed, k_hat = pareto_smoothed(raw)
    assert np.isnan(k_hat)
    assert np.ptp(smoothed - raw) == pytest.approx(0.0, abs=1e-12)


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        pareto_smoothed(np.arange(20.0))
