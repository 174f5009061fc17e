"""Where several values of the parameters stand for one model, one of them is the answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
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


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("p", "q"), [(0, 1), (1, 1)])
def test_a_moving_average_at_the_end_of_its_range_has_one_value(seed: int, p: int, q: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(5, 21))
    y = noise[:, 1:] + (1 if seed == 1 else -1) * noise[:, :-1]
    data = pd.DataFrame(
        {"y": y.ravel(), "g": np.repeat(np.arange(5), 20), "t": np.tile(np.arange(20), 5)}
    )
    correlation = bayeslme.CorARMA(form="~ t | g", p=p, q=q)
    flat = bayeslme.gls("y ~ 1", data, correlation)
    mixed = bayeslme.lme("y ~ 1", data, "~ 1 | g", correlation=correlation)  # its variance is zero
    assert mixed.varcorr()["g"].sd.item() == 0.0
    assert flat.loglik == pytest.approx(mixed.loglik, abs=1e-8)
    assert flat.correlation_coef["Theta1"] == mixed.correlation_coef["Theta1"]
    assert abs(flat.correlation_coef["Theta1"]) == pytest.approx(1.0, abs=2e-6)
    value = flat.correlation_coef.tolist()
    inner = [*value[:-1], 0.9999 * value[-1]]
    held = bayeslme.CorARMA(value=inner, form="~ t | g", p=p, q=q, fixed=True)
    assert bayeslme.gls("y ~ 1", data, held).loglik < flat.loglik
