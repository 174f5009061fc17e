"""Hills that no line from another top shows are climbed, in the few kinds of fits that have them.

The likelihoods that nlme finds on them are in the reference corpus: p_coop_sizes and p_BW_interact.
"""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Likelihood, build_problem
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.local_maxima import unseen
from bayeslme.engine.search.search import climb, search
from bayeslme.engine.search.starts import candidates
from reference.corpus import load_frame

COOP = (
    "lme(Conc ~ 1, random = list(Lab = pdIdent(~ Spc), "
    "Bat = pdBlocked(list(pdIdent(~ 1), pdDiag(~ Spc - 1)))))"
)
WEIGHT = (
    "lme(weight ~ Time * Diet, random = list(Rat = pdDiag(~ 0 + Diet:Time)), "
    "correlation = corGaus(form = ~ Time, nugget = TRUE))"
)


def problem(call: str, data: str) -> Problem:
    return build_problem(build(bayeslme.translate(call), load_frame(data)))


@pytest.mark.parametrize(("call", "data"), [(COOP, "coop"), (WEIGHT, "BodyWeight")])
def test_the_search_ends_on_the_highest_of_all_candidates_hills(call: str, data: str) -> None:
    likelihood = Likelihood(problem(call, data), "REML")
    found = search(likelihood, max_iter=200)
    starts = candidates(likelihood.problem)
    with np.errstate(over="ignore", invalid="ignore"):  # far out the likelihood is not defined
        ends = [climb(likelihood, start, 200).value for start in starts[::2]]
    assert min(ends) < max(ends) - 1.0  # there are several
    assert found.value > max(ends) - 1e-6


@pytest.mark.parametrize(
    ("call", "data", "count"),
    [
        (COOP, "coop", 1),
        (WEIGHT, "BodyWeight", 1),
        ("lme(distance ~ age, random = ~ age | Subject)", "Orthodont", 0),
        ("lme(yield ~ nitro, random = ~ nitro | Block/Variety)", "Oats", 1),
        ("lme(yield ~ nitro, random = list(Block = ~ nitro, Variety = ~ 1))", "Oats", 0),
        (
            "lme(weight ~ Time, random = ~ 1 | Rat, correlation = corExp(form = ~ Time))",
            "BodyWeight",
            0,
        ),
    ],
)
def test_usual_fits_have_no_further_climbs(call: str, data: str, count: int) -> None:
    own = problem(call, data)
    found = unseen(own, candidates(own))
    assert found.shape == (count, own.size)
    assert np.isfinite(found).all()
