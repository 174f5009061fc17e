"""Where several values of the parameters stand for one model, one of them is the answer."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Estimate, estimate


def fitted(call: str, data: str, factor: float = 1.0) -> Estimate:
    frame = bayeslme.load_data(data)
    response = call.split("(")[1].split(" ~", maxsplit=1)[0]
    frame[response] = factor * frame[response].astype(float)
    return estimate(build(bayeslme.translate(call), frame))


def mean_square(found: Estimate, par: np.ndarray) -> float:
    return float(np.mean(np.exp(2 * found.problem.log_sd(par))))


@pytest.mark.parametrize(
    ("call", "data"),
    [
        # nlme's and every other search leave sigma and const where they met the ridge
        (
            "lme(distance ~ age, random = ~ 1 | Subject, weights = varConstProp(form = ~ age))",
            "Orthodont",
        ),
        (
            "lme(Reaction ~ Days, random = ~ 1 | Subject, weights = varConstProp(form = ~ Days))",
            "sleepstudy",
        ),
        ("gls(distance ~ age, weights = varConstProp(form = ~ age | Sex))", "Orthodont"),
        (
            "gls(distance ~ age, weights = varComb(varIdent(form = ~ 1 | Sex), "
            "varConstProp(form = ~ age)))",
            "Orthodont",
        ),
    ],
)
def test_the_size_of_constant_and_proportion_is_that_of_their_start(call: str, data: str) -> None:
    found = fitted(call, data)
    bound = found.problem.variance
    assert bound is not None and found.varfunc is not None
    pairs = []
    for par in (found.varfunc, bound.natural(bound.start)):
        other = len(par) - 2 if "varComb" in call else 0  # the first function of a product
        pairs.append(mean_square(found, np.append(np.ones(other), par[other:])))
    np.testing.assert_allclose(*pairs, rtol=1e-6)
    assert np.all(found.varfunc >= 0)
    larger = fitted(call, data, factor=1000.0)
    np.testing.assert_allclose(larger.varfunc, found.varfunc, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(larger.sigma, 1000.0 * found.sigma, rtol=1e-3)


def test_held_parameters_keep_the_scale_they_have() -> None:
    call = (
        "gls(Reaction ~ Days, weights = varConstProp(form = ~ Days, fixed = list(const = 1)), "
        "method = 'ML')"
    )
    found = fitted(call, "sleepstudy")
    assert found.varfunc is not None and found.varfunc[0] == 1.0
    free = fitted(
        "gls(Reaction ~ Days, weights = varConstProp(form = ~ Days), method = 'ML')", "sleepstudy"
    )
    assert free.varfunc is not None
    np.testing.assert_allclose(found.loglik, free.loglik, atol=1e-6)
    np.testing.assert_allclose(found.sigma, free.sigma * free.varfunc[0], rtol=1e-4)
