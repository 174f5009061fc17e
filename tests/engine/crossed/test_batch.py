"""Eliminations of many theta at once are those of one at a time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme import CorAR1, VarIdent, lmer
from bayeslme.engine.crossed.grams import CrossedGrams


def design(*, balanced: bool) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    data = pd.DataFrame(itertools.product(range(8), range(6), (-0.5, 0.5)), columns=["s", "i", "x"])
    data["school"], data["list"] = data["s"] // 2, data["i"] // 3
    data["kind"] = np.where(data["i"] % 2, "odd", "even")
    data["t"] = data.groupby("s").cumcount()
    data["y"] = rng.normal(size=8)[data["s"]] + rng.normal(size=6)[data["i"]]
    data["y"] += data["x"] * rng.normal(size=6)[data["i"]] + rng.normal(size=len(data))
    return data if balanced else data.sample(frac=0.7, random_state=1)


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "intercepts": ("y ~ x + (1 | s) + (1 | i)", {}),
    "slopes": ("y ~ x + (x | s) + (x | i)", {}),
    "chain": ("y ~ x + (1 | s) + (x | school) + (x || i) + (1 | list)", {}),
    "rows": (
        "y ~ x + (1 | s) + (x | i)",
        {"correlation": CorAR1(form="~ t | s"), "weights": VarIdent(form="~ 1 | kind")},
    ),
}


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_many_are_one_at_a_time(name: str, balanced: bool) -> None:
    formula, options = MODELS[name]
    found = lmer(formula, design(balanced=balanced), **options).estimate
    likelihood, problem = found.likelihood(), found.problem
    grams = likelihood.grams
    assert isinstance(grams, CrossedGrams)
    rng = np.random.default_rng(1)
    theta = found.theta + rng.normal(scale=0.3, size=(40, len(found.theta)))
    theta[0, : problem.theta_correlation.start] = 0.0  # no variance at all
    rows = grams.at(*likelihood.row_parameters(theta))
    many = grams.reduce(rows, likelihood.factors(theta))
    for k, one in enumerate(theta):
        own = grams.at(*likelihood.row_parameters(one))
        alone = grams.swept(own, likelihood.factors(one))
        scale = np.sqrt(np.diagonal(alone.block))
        np.testing.assert_allclose(
            many.block[k] / np.outer(scale, scale),
            alone.block / np.outer(scale, scale), rtol=0, atol=1e-11,
        )  # fmt: skip
        assert many.half_logdet[k] == pytest.approx(alone.half_logdet, abs=1e-10)
    np.testing.assert_allclose(
        likelihood(theta), [likelihood.profile(one).loglik for one in theta], rtol=1e-10
    )


def test_balance_makes_the_matrices_small() -> None:
    for balanced, width in ((True, 2 + 3), (False, 2 * 6 + 3)):
        found = lmer(MODELS["slopes"][0], design(balanced=balanced)).estimate
        likelihood = found.likelihood()
        grams = likelihood.grams
        assert isinstance(grams, CrossedGrams)
        rows = grams.at(*likelihood.row_parameters(found.theta))
        assert grams.prepared(rows).layout.width == width
