"""The optimum does not depend on luck: one search from each of twenty perturbed starts.

``python -m benchmarks.starts`` does the same for the whole reference corpus.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import estimate
from bayeslme.engine.starts import generic_start, scales
from reference.corpus import FIT_FAMILIES, family, load_frame, nlme_is_wrong, weights_follow_the_fit
from reference.fitting import identifier

SEEDS = 20
EVERY = 6  # of the corpus's cases in the slow test

# More than one hill: a single search from a perturbed start may end on another one, and it is the
# built-in starts together that find the highest (the reference tests see to that).
SEVERAL_HILLS = (
    *("corLin", "corSpher", "corGaus", "corCAR1", "corARMA", "nugget"),
    *("varConst", "varExp", "pdIdent"),
)
LONG = ("Wheat2", "mmrm")  # 20 fits of 224 rows in one group, or of 55 parameters

QUICK = (
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


def one_hill(case: dict[str, Any]) -> bool:
    simple = not any(name in case["call"] for name in SEVERAL_HILLS)
    return simple and not any(name in case["id"] for name in LONG)


def sound(case: dict[str, Any]) -> bool:
    return not (case["nlme_failed"] or nlme_is_wrong(case) or weights_follow_the_fit(case))


CASES = [case for name in FIT_FAMILIES for case in family(name) if case["function"] != "lm"]
SOME = [case for case in CASES if sound(case) and one_hill(case)][::EVERY]


def compare_with_perturbed(case: dict[str, Any]) -> None:
    spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
    design = build(spec, load_frame(case["data"]))
    best = estimate(design)
    # a unit step at most: the scale of a power of a covariate may be several
    first, scale = generic_start(best.problem, 1.0), np.minimum(scales(best.problem), 1.0)
    draws = np.random.default_rng(1).normal(size=(SEEDS, len(first)))
    ends = [estimate(design, start=first + draw * scale).loglik for draw in draws]
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
