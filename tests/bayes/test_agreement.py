"""The collapsed sampler agrees with NUTS over all structures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bayes.agreement import MEANS, MODELS, SDS, agreement, fitted

TABLE = Path(__file__).parents[2] / "benchmarks" / "agreement.csv"


@pytest.mark.pymc
def test_growth(collapsed: Any, posterior: Any) -> None:
    found = agreement(collapsed, posterior)
    assert found.parameters == 8
    assert abs(found.mean) < MEANS, found
    assert abs(found.sd) < SDS, found


@pytest.mark.slow
@pytest.mark.pymc
def test_nested_levels() -> None:
    fit = fitted(MODELS["two levels"])
    ours = fit.sample(draws=2500, chains=4, method="collapsed", seed=1, progress=False)
    nuts = fit.sample(draws=1500, chains=4, tune=1000, method="nuts", seed=2, progress=False)
    found = agreement(ours, nuts)
    assert abs(found.mean) < MEANS, found
    assert abs(found.sd) < SDS, found


def test_the_stored_table_covers_all_models() -> None:
    """Made by ``python -m benchmarks.agreement``."""
    table = pd.read_csv(TABLE).set_index("model")
    assert set(table.index) == set(MODELS)
    assert table["mean"].abs().max() < MEANS
    assert table["sd"].abs().max() < SDS
    assert table["least"].min() > 200
