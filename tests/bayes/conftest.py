"""Models and draws that the whole floor shares: each is compiled and sampled once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

import bayeslme
from bayes.support import GROWTH, GROWTH_PRIORS


@pytest.fixture(scope="session")
def orthodont() -> pd.DataFrame:
    return bayeslme.load_data("orthodont")


@pytest.fixture(scope="session")
def growth_fit(orthodont: pd.DataFrame) -> Any:
    return bayeslme.translate(GROWTH).fit(orthodont)


@pytest.fixture(scope="session")
def posterior(growth_fit: Any) -> Any:
    """The marginal form of the growth model, sampled by NUTS."""
    return growth_fit.sample(
        draws=2500, chains=4, method="nuts", priors=GROWTH_PRIORS, seed=7, progress=False
    )


@pytest.fixture(scope="session")
def collapsed(growth_fit: Any) -> Any:
    """The same posterior by the collapsed sampler."""
    return growth_fit.sample(
        draws=2500, chains=4, method="collapsed", priors=GROWTH_PRIORS, seed=8, progress=False
    )


@pytest.fixture
def fast_compile() -> Iterator[None]:
    """Models are evaluated a few times only: no compilation to machine code."""
    import pytensor

    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        yield
