"""Rows given the others, against the conditional densities of the joint Gaussian."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayeslme
from bayes.support import KINDS, parameters_of, random_covariance, residual_covariance
from bayeslme.bayes.checks import left_out
from bayeslme.bayes.checks.loo import pointwise
from bayeslme.bayes.density import at_fitted, by_group
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.data.design import build

RTOL = 1e-9
NESTED = {
    "nested": "lme(yield ~ nitro, random = ~ nitro | Block/Variety)",
    "nested, varIdent and corAR1": "lme(yield ~ nitro, random = list(Block = ~ 1, "
    "Variety = ~ nitro), correlation = corAR1(), weights = varIdent(form = ~ 1 | Variety))",
}
SERIAL = {
    "corARMA, p = 2": "lme(follicles ~ sin(2 * pi * Time), random = ~ 1 | Mare, "
    "correlation = corARMA(p = 2), subset = Time < 0.4)",
}


def some_values(
    parameters: ModelParameters, rng: np.random.Generator, draws: int
) -> dict[str, np.ndarray]:
    """Parameters inside their ranges, without any relation to the data."""
    values = {}
    for block in parameters.blocks:
        k = len(block.coefs)
        if block.kind == "fixef":
            values[block.name] = rng.normal(0, 1, (draws, k))
        elif block.matrix:
            off = 0.2 * rng.uniform(-1, 1, (draws, 1, 1)) * (1 - np.eye(k))
            values[block.name] = np.eye(k) + off
        else:
            shape = (draws,) if block.dim is None else (draws, k)
            values[block.name] = rng.uniform(0.2, 0.4, shape)
            if block.kind == "sd":
                values[block.name] = rng.uniform(0.5, 2.0, shape)
    return values


def by_definition(mean: np.ndarray, V: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Log density of every entry given the others, one regression for each."""
    out = np.empty(len(y))
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        slope = np.linalg.solve(V[np.ix_(rest, rest)], V[rest, i])
        centre = mean[i] + slope @ (y - mean)[rest]
        out[i] = norm.logpdf(y[i], centre, np.sqrt(V[i, i] - slope @ V[rest, i]))
    return out


def cases() -> list[Any]:
    orthodont = bayeslme.load_data("orthodont")
    few = orthodont[orthodont["Subject"].isin(["M16", "M05", "F01", "F10", "F09"])]
    few = few.sample(frac=1.0, random_state=1)  # not in the engine's order
    out = [pytest.param(call, few, id=name) for name, call in KINDS.items()]
    oats = bayeslme.load_data("oats")
    out += [pytest.param(call, oats, id=name) for name, call in NESTED.items()]
    ovary = bayeslme.load_data("ovary")
    ovary = ovary[ovary["Mare"].isin(["1", "2", "3"])]
    return out + [pytest.param(call, ovary, id=name) for name, call in SERIAL.items()]


@pytest.mark.parametrize(("call", "data"), cases())
def test_marginal_is_the_conditional_density_of_the_joint_gaussian(
    call: str, data: pd.DataFrame
) -> None:
    parameters = parameters_of(call, data)
    values = some_values(parameters, np.random.default_rng(5), 3)
    found = left_out.marginal(parameters, values, chunk_bytes=1.0).log_density
    for s in range(3):
        one = {k: v[s] for k, v in values.items()}
        V = residual_covariance(parameters, one) + random_covariance(parameters, one)
        expected = by_definition(parameters.design.X @ one["fixef"], V, parameters.design.y)
        np.testing.assert_allclose(found[s], expected, rtol=RTOL)


@pytest.mark.parametrize(("call", "data"), cases())
def test_conditional_holds_the_random_effects(call: str, data: pd.DataFrame) -> None:
    parameters = parameters_of(call, data)
    rng = np.random.default_rng(6)
    values = some_values(parameters, rng, 2)
    effects = {lv.key: rng.normal(size=(2, len(lv.level.labels), lv.q)) for lv in parameters.levels}
    found = left_out.conditional(parameters, values, effects).log_density
    for s in range(2):
        one = {k: v[s] for k, v in values.items()}
        mean = parameters.design.X @ one["fixef"]
        for lv in parameters.levels:
            mean = mean + (lv.level.Z * effects[lv.key][s][lv.level.code]).sum(axis=1)
        expected = by_definition(mean, residual_covariance(parameters, one), parameters.design.y)
        np.testing.assert_allclose(found[s], expected, rtol=RTOL)


def test_variance_of_the_fitted_values_is_that_of_each_draw(orthodont: pd.DataFrame) -> None:
    call = (
        "lme(distance ~ age, random = ~ 1 | Subject, weights = varPower(), correlation = corAR1())"
    )
    parameters = parameters_of(call, orthodont[orthodont["Sex"] == "Female"])
    rng = np.random.default_rng(7)
    values = {**some_values(parameters, rng, 2), "fixef": np.array([[16.0, 0.7], [17.0, 0.6]])}
    b = rng.normal(size=(2, 11, 1))
    found = left_out.conditional(parameters, values, {"Subject": b}).log_density
    for s in range(2):
        one = {k: v[s] for k, v in values.items()}
        fixed = parameters.design.X @ one["fixef"]
        mean = fixed + b[s][parameters.levels[0].level.code, 0]
        V = residual_covariance(parameters, one, at_fitted(parameters, [fixed, mean]))
        np.testing.assert_allclose(
            found[s], by_definition(mean, V, parameters.design.y), rtol=RTOL, atol=RTOL
        )
    with pytest.raises(bayeslme.FitError, match="use kind='conditional'"):
        pointwise(SimpleNamespace(parameters=parameters), "marginal")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        "lme(distance ~ Sex * age, random = ~ 1 | Subject, "
        "correlation = corCAR1(form = ~ age | Subject), weights = varIdent(form = ~ 1 | Sex))",
        "lme(distance ~ age, random = ~ age | Subject)",
    ],
)
def test_marginal_is_what_models_of_the_other_rows_give(call: str, orthodont: pd.DataFrame) -> None:
    """Log p(y_i | y_-i) = log p(y) - log p(y_-i), the latter by a model without the row."""
    some = orthodont[orthodont["Subject"].isin(["M01", "M02", "F01", "F02", "F03"])]
    parameters = build_parameters(build(bayeslme.translate(call), some))
    values = some_values(parameters, np.random.default_rng(3), 2)
    values["fixef"][:] = values["fixef"] * 0.1 + np.array(
        [18.0, 0.6, 0.0, 0.0][: parameters.problem.p]
    )
    found = left_out.marginal(parameters, values).log_density
    whole = by_group(parameters, values).sum(axis=1)
    for i in range(len(some)):
        rest = build_parameters(build(bayeslme.translate(call), some.drop(index=some.index[i])))
        expected = whole - by_group(rest, values).sum(axis=1)
        assert found[:, i] == pytest.approx(expected, abs=1e-6)
