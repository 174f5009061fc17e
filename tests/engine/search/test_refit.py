"""Many responses at once against one search for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import bayeslme
from bayeslme.engine import estimate
from bayeslme.engine.search.refit import Refitter, with_response
from bayeslme.engine.search.search import search
from bayeslme.errors import IdentificationWarning

CALLS = {
    "intercepts": "lme(distance ~ age * Sex, random = ~ 1 | Subject, data = Orthodont)",
    "slopes by ML": "lme(distance ~ age, random = ~ age | Subject, data = Orthodont, "
    "method = 'ML')",
    "singular": "lme(yield ~ nitro, random = list(Block = ~ nitro, Variety = ~ 1), data = Oats)",
    "one row a site": "lme(Thickness ~ 1, random = ~ 1 | Lot/Wafer, data = Oxide)",
    "factors": "lme(score ~ Machine, random = ~ Machine | Worker, data = Machines)",
    "diagonal": "lme(yield ~ nitro, random = list(Block = pdDiag(~ nitro), Variety = ~ 1), "
    "data = Oats)",
    "held sigma": "lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont, "
    "control = lmeControl(sigma = 1.4))",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_ends_are_those_of_single_searches(call: str) -> None:
    spec = bayeslme.translate(call)
    fit = spec.fit(bayeslme.load_data(str(spec.data)))
    refitter = Refitter(fit.design, fit.estimate)
    assert refitter.together > 1
    y = fit.simulate(25, seed=6).to_numpy().T
    together = refitter.optima(y)
    for one, end in zip(y, together, strict=True):
        problem = with_response(fit.estimate.problem, one)
        likelihood = refitter._likelihood(problem)
        alone = search(likelihood, max_iter=200)
        assert end.value == pytest.approx(alone.value, abs=1e-6)
        assert end.converged
        # the value is this response's own at this theta, and a zero is an exact zero
        assert float(likelihood(end.theta[None])[0]) == pytest.approx(end.value, abs=1e-7)
        zero, wanted = (
            [float(np.linalg.norm(a)) == 0.0 for a in likelihood.factors(one_end.theta)]
            for one_end in (end, alone)
        )
        assert zero == wanted
        found = refitter.estimate(one, end)
        apart = found.beta - refitter.estimate(one).beta
        assert np.all(np.abs(apart) < 2e-4 * np.sqrt(np.diagonal(found.vcov)))


def test_structures_on_rows_are_searched_one_by_one() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", correlation=bayeslme.CorAR1())
    refitter = Refitter(fit.design, fit.estimate)
    assert refitter.together == 1
    y = fit.simulate(2, seed=1).to_numpy().T
    assert [end.value for end in refitter.optima(y)] == refitter.logliks(y)


def test_on_a_ridge_each_response_is_searched_from_nlmes_start() -> None:
    """One row for each type within a subject: only the sum of two variances is known."""
    call = "lme(effort ~ Type, random = ~ 1 | Subject/Type)"
    with pytest.warns(IdentificationWarning):
        fit = bayeslme.translate(call).fit(bayeslme.load_data("ergoStool"))
    refitter = Refitter(fit.design, fit.estimate)
    assert refitter.on_a_ridge
    other = fit.design.y + np.random.default_rng(0).standard_normal(len(fit.design.y))
    ends = refitter.optima(np.stack([fit.design.y, 2 * fit.design.y, other]))
    responses = (fit.design.y, 2 * fit.design.y, other)
    sigmas = [refitter.estimate(y, end).sigma for y, end in zip(responses, ends, strict=True)]
    alone = estimate(replace(fit.design, y=other)).sigma
    np.testing.assert_allclose(sigmas, [fit.sigma, 2 * fit.sigma, alone], rtol=1e-6)
