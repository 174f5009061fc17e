"""True hypotheses are rejected as often as they should be, in a few hundred data sets.

``python -m benchmarks.type_one`` does it with 5,000 of each model; its table is in the repository.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.structures import CorSymm, VarIdent
from benchmarks.type_one import (
    METHODS,
    NOMINAL,
    SCENARIOS,
    STORED,
    TRIAL_METHODS,
    markdown,
    simulated,
    summarised,
)

SETS = 200
SDS = 3.0  # of a share of SETS, or of the stored number


def within(share: float, sets: int) -> bool:
    return abs(share - NOMINAL) <= SDS * np.sqrt(NOMINAL * (1 - NOMINAL) / sets)


@cache
def share(name: str) -> pd.Series:
    """Share of rejections by test and rule."""
    tests = simulated(SCENARIOS[name], SETS)
    return tests["p-value"].lt(NOMINAL).groupby([tests["test"], tests["df"]]).mean()


@pytest.mark.slow
@pytest.mark.parametrize("term", ["arm", "visit", "arm:visit"])
def test_profiles(term: str) -> None:
    found = share("profiles-12")[term]
    assert within(found["kenward-roger"], SETS)
    if term != "arm":  # 12 subjects do not leave 40 degrees of freedom, nor 10 for three contrasts
        assert found["kenward-roger"] < found["satterthwaite"] < found["inner-outer"]
        assert not within(found["inner-outer"], SETS)


@pytest.mark.slow
@pytest.mark.parametrize("term", ["arm", "time", "arm:time"])
def test_random_intercepts_and_a_series(term: str) -> None:
    found = share("serial-10")[term]
    assert within(found["kenward-roger"], SETS)
    assert within(found["satterthwaite"], SETS)
    assert found["kenward-roger"] <= found["inner-outer"]


def test_ratio_of_growth_curves_does_not_depend_on_the_covariance() -> None:
    # A change of the visits' coordinates that keeps constants and straight lines what they are
    # turns every covariance into every other one: a simulated ratio is an exact test.
    frame, rng = SCENARIOS["growth-12"].frame(), np.random.default_rng(1)
    visits = np.arange(4.0)
    basis = np.linalg.qr(np.column_stack([visits**k for k in range(4)]))[0]
    change = basis @ (np.triu(rng.standard_normal((4, 4))) + 3 * np.eye(4)) @ basis.T
    y = rng.standard_normal((12, 4))
    structures: dict[str, Any] = {
        "correlation": CorSymm(form="~ 1 | subject"),
        "weights": VarIdent(form="~ 1 | visit"),
        "method": "ML",
    }
    ratios = [
        bayeslme.gls("y ~ arm * time", data, **structures).loglik
        - bayeslme.gls("y ~ arm + time", data, **structures).loglik
        for data in (frame.assign(y=y.ravel()), frame.assign(y=(y @ change.T).ravel()))
    ]
    assert ratios[1] == pytest.approx(ratios[0], abs=1e-6)
    assert ratios[0] > 1e-3


def test_few_data_sets_of_every_model() -> None:
    for scenario in SCENARIOS.values():
        table = summarised(simulated(scenario, 2)).set_index("df")
        assert set(table.index) == set(scenario.methods)
        assert table["sets"].eq(2).all()
        assert table["denDF"].gt(0).all()


@pytest.mark.parametrize("kind", ["profiles", "dropout", "serial"])
def test_stored_table(kind: str) -> None:
    stored = pd.read_csv(STORED)
    own = stored[stored["model"].str.startswith(kind) & stored["df"].eq("kenward-roger")]
    assert len(own) and own["sets"].ge(5000).all()
    for _, row in own.iterrows():
        assert within(row["rejected"] / 100, row["sets"]), row.to_dict()


def test_stored_table_of_trials() -> None:
    """Adjusted tests keep their level; under a wrong covariance only robust ones do."""
    stored = pd.read_csv(STORED).set_index(["model", "df"])
    for method in ("kenward-roger", "kenward-roger-linear"):
        own = stored.loc[("trial-24", method)]
        assert own["sets"].ge(5000).all()
        assert all(within(share / 100, 5000) for share in own["rejected"])
    wrong = stored.loc[("trial-24, AR(1)", "kenward-roger-linear")].set_index("test")["rejected"]
    robust = stored.loc[("trial-24, AR(1)", "CR2")]
    assert not any(within(wrong[term] / 100, 5000) for term in ("visit", "arm:visit"))
    assert all(within(share / 100, 5000) for share in robust["rejected"])


def test_documentation_has_the_stored_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "degrees.md").read_text()
    for methods in (METHODS, TRIAL_METHODS):
        assert markdown(pd.read_csv(STORED), methods) in text
