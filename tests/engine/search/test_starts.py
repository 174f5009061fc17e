"""The optimum does not depend on luck: twenty perturbed grids, and twenty perturbed starts.

``python -m benchmarks.starts`` does the same for the whole reference corpus.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import estimate
from bayeslme.engine.search.search import search
from bayeslme.engine.search.starts import candidates, generic_start, scales
from reference.corpus import FIT_FAMILIES, family, load_frame, nlme_is_wrong, weights_follow_the_fit
from reference.fitting import identifier

SEEDS, MAX_ITER = 20, 200
EVERY = 6  # of the corpus's cases in the slow test

QUICK = (
    *("c_pdIdent_ML", "d_Huron_arma21_REML", "c_varConstPower_fixed_ML"),  # several local maxima
    "a_orth_fit2_REML",
    "a_orth_fit3_ML",
    "a_piglets_fit1_REML",
    "b_Machine_fm3_REML",
    "b_Oats_fm1_ML",
    "b_Ovar_fm2_REML",
    "d_Huron_ar2_REML",
    "d_Orth_ar1_REML",
    "d_Orth_2level_ML",
    "d_sleep_diag_REML",
)


def sound(case: dict[str, Any]) -> bool:
    return not (case["nlme_failed"] or nlme_is_wrong(case) or weights_follow_the_fit(case))


CASES = [case for name in FIT_FAMILIES for case in family(name) if case["function"] != "lm"]
LONG = ("Wheat2", "mmrm")  # 224 rows in one group, or 55 parameters, twenty times
SOME = [c for c in CASES if sound(c) and not any(n in c["id"] for n in LONG)][::EVERY]


def compare_with_perturbed(case: dict[str, Any]) -> None:
    spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
    best = estimate(build(spec, load_frame(case["data"])))
    if not best.problem.size:
        return
    likelihood, scale = best.likelihood(), scales(best.problem)
    grid, first = candidates(best.problem), generic_start(best.problem, 1.0)
    ends = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        moved = grid + rng.standard_normal(grid.shape) * scale
        ends.append(search(likelihood, max_iter=MAX_ITER, grid=moved).value)
        start = first + rng.standard_normal(len(first)) * np.minimum(scale, 1.0)
        ends.append(search(likelihood, max_iter=MAX_ITER, start=start).value)
    np.testing.assert_allclose(ends, best.loglik, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if c["id"] in QUICK], ids=identifier)
def test_search_ends_at_the_same_top(case: dict[str, Any]) -> None:
    compare_with_perturbed(case)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", SOME, ids=identifier)
def test_search_ends_at_the_same_top_over_the_corpus(case: dict[str, Any]) -> None:
    compare_with_perturbed(case)


def test_quick_cases_exist() -> None:
    assert set(QUICK) <= {case["id"] for case in CASES}
