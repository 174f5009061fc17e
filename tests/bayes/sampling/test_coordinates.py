"""Coordinates of the variance parameters: their inverse, their Jacobian, zero as a point."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme import engine
from bayeslme.bayes.centring import TypicalRows
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.sampling.coordinates import Coordinates, Correlations, Deviations
from bayeslme.bayes.sampling.starting import starting_points

MODELS = {
    "nested": "lme(yield ~ nitro, data = Oats, random = ~ 1 | Block/Variety)",
    "far from zero": "lme(distance ~ age, data = Orthodont, random = ~ age + I(age^2) | Subject)",
    "general": "lme(score ~ Machine, data = Machines, random = ~ Machine - 1 | Worker)",
    "blocked": "lme(score ~ Machine, data = Machines, random = list(Worker ="
    " pdBlocked(list(pdSymm(~ Machine - 1), pdIdent(~ 1)))))",
    "rows": "lme(follicles ~ sin(2 * pi * Time), data = Ovary, random = ~ 1 | Mare,"
    " correlation = corARMA(p = 2, q = 1), weights = varExp(form = ~ Time))",
}


def coordinates_of(call: str) -> Coordinates:
    data = bayeslme.load_data(call.partition("data = ")[2].partition(",")[0])
    design = bayeslme.translate(call).fit(data).design
    parameters = build_parameters(design)
    priors = resolve_priors(parameters)
    return Coordinates(
        parameters, starting_points(parameters, engine.estimate(design), design, priors)[0]
    )


def flat(point: engine.likelihood.NaturalPoint) -> np.ndarray:
    """All natural parameters (b, k) of a batch."""
    rows = [r for r in (point.corstruct, point.varfunc) if r is not None]
    return np.concatenate([*point.random, *rows, np.asarray(point.sigma)[:, None]], axis=-1)


@pytest.mark.parametrize("call", MODELS.values(), ids=MODELS)
def test_decoding_is_undone_and_its_jacobian_is_right(call: str) -> None:
    coordinates = coordinates_of(call)
    k, step = coordinates.size, 1e-5
    u = coordinates.encode(coordinates.start) + np.random.default_rng(1).normal(size=(3, k))
    u = np.where(coordinates.even, np.abs(u) + 0.1, u)
    moves = step * np.eye(k)
    for one in u:
        up, down = (flat(coordinates.decode(one + s * moves)) for s in (1.0, -1.0))
        want = np.linalg.slogdet((up - down) / (2 * step))[1]
        assert coordinates.decode_with_jacobian(one[None])[1][0] == pytest.approx(want, rel=1e-6)
    point = coordinates.decode(u)
    first = type(point)(
        point.sigma[0],
        tuple(r[0] for r in point.random),
        *(None if r is None else r[0] for r in (point.corstruct, point.varfunc)),
    )
    np.testing.assert_allclose(coordinates.encode(first), u[0], rtol=1e-7)


def test_a_standard_deviation_is_even_and_zero_is_inside() -> None:
    part = Deviations(np.array([0.5, 2.0]))
    u = np.array([[0.3, -1.0], [-0.3, 1.0], [0.0, 0.0]])
    natural = part.decode(u)
    np.testing.assert_array_equal(natural[0], natural[1])
    np.testing.assert_array_equal(natural[2], [0.0, 0.0])
    np.testing.assert_array_equal(part.encode(natural[2]), [0.0, 0.0])


def test_every_point_is_a_correlation_matrix() -> None:
    part = Correlations(4)
    u = 3 * np.random.default_rng(2).normal(size=(200, 6))
    matrix = np.broadcast_to(np.eye(4), (200, 4, 4)).copy()
    i, j = np.triu_indices(4, 1)
    matrix[:, i, j] = matrix[:, j, i] = part.decode(u)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12


def test_a_singular_matrix_is_a_place_to_start_from() -> None:
    part = Correlations(3)
    assert np.all(np.isfinite(part.encode(np.array([1.0, 1.0, 1.0]))))


def test_the_scale_of_a_typical_row_is_that_of_its_innovations() -> None:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.gls(
        "distance ~ age",
        data,
        correlation=bayeslme.CorAR1(form="~ 1 | Subject"),
        weights=bayeslme.VarIdent(form="~ 1 | Sex"),
    )
    problem = build_parameters(fit.design).problem
    phi, ratio = np.array([[0.0], [0.6], [-0.9]]), np.array([[1.0, 1.0], [1.0, 1.5], [1.0, 0.5]])
    found = TypicalRows.of(problem).log_scale(phi, ratio)
    share = (data["Sex"] == "Female").mean()  # of the rows with a ratio of their own
    share = share if fit.weights_coef.index[0] == "Female" else 1 - share
    want = 0.75 * 0.5 * np.log(1 - phi[:, 0] ** 2) + share * np.log(ratio[:, 1])
    np.testing.assert_allclose(found, want, atol=1e-12)
