"""Every sampler that fit.sample and pm.sample offer draws from the same posterior."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import bayeslme

pytestmark = [
    pytest.mark.pymc,
    pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of JAX and what builds on it
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def needs(name: str) -> Any:
    missing = find_spec(name) is None
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: make test-samplers")


SAMPLERS = [
    "nutpie",
    "pymc",
    pytest.param("numpyro", marks=needs("numpyro")),
    pytest.param("blackjax", marks=needs("blackjax")),
]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_means_are_those_of_the_collapsed_sampler(sampler: Any) -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ I(age - 11)", data, "~ 1 | Subject")
    exact = fit.sample(draws=2000, chains=4, seed=1, method="collapsed")
    nuts = fit.sample(
        draws=500, chains=2, tune=300, seed=1, method="nuts", nuts_sampler=sampler, progress=False
    )
    assert sampler in nuts.data["sample_stats"].attrs["route"]
    for name in ("fixef", "sd_Subject", "sigma"):
        one, two = (p.data["posterior"][name].to_numpy() for p in (exact, nuts))
        one, two = (v.reshape(v.shape[0] * v.shape[1], -1) for v in (one, two))
        spread = one.std(axis=0)
        assert np.abs(one.mean(axis=0) - two.mean(axis=0)) == pytest.approx(
            0.0, abs=0.25 * spread.max()
        )
        assert two.std(axis=0) == pytest.approx(spread, rel=0.25)
