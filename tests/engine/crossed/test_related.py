"""Related groups in the engine: turned columns, their gradient, and the diagonal form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bayeslme import CorAR1, PdKnown, VarPower
from bayeslme.data.design import build
from bayeslme.engine.build import build_problem
from bayeslme.engine.crossed.gradient import value_and_gradient
from bayeslme.engine.crossed.grams import CrossedGrams
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.search.starts import generic_start
from bayeslme.spec.make import make_lme
from tests.known import clones, pedigree, records

RNG = np.random.default_rng(21)
MATRIX, CLONES = pedigree(22, 6, RNG), clones(20, RNG)
DATA, COPIES = records(MATRIX, 16, RNG), records(CLONES, 15, RNG)
K = PdKnown
MODELS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "diagonal": (DATA, {"animal": K(MATRIX)}, {}),
    "singular": (COPIES, {"animal": K(CLONES)}, {}),
    "slopes": (DATA, {"animal": K(MATRIX, "~ t")}, {}),
    "crossed": (DATA, [{"animal": K(MATRIX, "~ t")}, "~ 1 | pen", "~ 1 | half"], {}),
    "singular crossed": (COPIES, [{"animal": K(CLONES)}, "~ t | pen"], {}),
    "rows": (DATA, {"animal": K(MATRIX)}, {"weights": VarPower(form="~ v")}),
    "serial": (DATA, [{"animal": K(MATRIX)}, "~ 1 | pen"],
               {"correlation": CorAR1(form="~ 1 | pen")}),
    "within": (DATA, {"animal": K(MATRIX), "half": "~ 1"}, {}),
}  # fmt: skip


def likelihood(name: str, method: str) -> Likelihood:
    data, random, more = MODELS[name]
    design = build(make_lme("y ~ x", random, method=method, **more), data)
    return Likelihood(build_problem(design), method)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("name", MODELS)
def test_gradient(name: str, method: str) -> None:
    of = likelihood(name, method)
    theta = generic_start(of.problem, 0.8) + 0.05 * np.cos(np.arange(of.problem.size))
    value, slope = value_and_gradient(of, theta)
    assert value == pytest.approx(float(of(theta[None])[0]), abs=1e-9)
    h = 1e-5
    moves = h * np.eye(len(theta))
    central = (of(theta + moves) - of(theta - moves)) / (2.0 * h)
    np.testing.assert_allclose(slope, central, rtol=1e-5, atol=1e-5)


def test_no_variance_is_an_ordinary_point() -> None:
    of = likelihood("diagonal", "REML")
    value, slope = value_and_gradient(of, np.zeros(1))
    assert np.isfinite(value)
    assert slope[0] == 0.0  # the likelihood does not tell signs


def test_a_batch_is_its_points_one_by_one() -> None:
    for name in ("diagonal", "crossed"):
        of = likelihood(name, "REML")
        theta = generic_start(of.problem, 0.8) * np.linspace(0.2, 3.0, 7)[:, None]
        single = [value_and_gradient(of, one)[0] for one in theta]
        np.testing.assert_allclose(of(theta), single, rtol=1e-12)


@pytest.mark.parametrize("name", ["crossed", "singular crossed", "within"])
def test_cross_products_of_turned_columns(name: str) -> None:
    """The block and what the chain meets of it, from the whole model matrix."""
    problem = likelihood(name, "ML").problem
    crossed = problem.crossed
    assert crossed is not None
    gram = CrossedGrams(problem, crossed).at(None, None).gram[0]
    places = np.cumsum([0, *(stage.q for stage in problem.stages)])

    def matrix(k: int) -> np.ndarray:
        stage, z = problem.stages[k], problem.columns[places[k] : places[k + 1]]
        member = np.eye(stage.n_groups)[crossed.code[k]]
        own = member if stage.related is None else member @ stage.related.root
        return (own[:, :, None] * z.T[:, None, :]).reshape(problem.n, -1)

    block = np.concatenate([matrix(k) for k in crossed.block], axis=1)
    np.testing.assert_allclose(gram.block, block.T @ block, atol=1e-10)
    for at, k in enumerate(crossed.chain):
        pattern, q = crossed.patterns[at], problem.stages[k].q
        dense = np.zeros((q, pattern.n_groups, pattern.n_columns))
        dense[:, pattern.group, pattern.column] = gram.meets[at]
        expected = (matrix(k).T @ block).reshape(-1, q, block.shape[1])
        np.testing.assert_allclose(dense, np.swapaxes(expected, 0, 1), atol=1e-10)
