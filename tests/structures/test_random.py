"""Covariances of random effects: factors, natural parameters, standard scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslme import structures as s
from bayeslme.arrays import pytensor_ops

EFFECTS = ("(Intercept)", "x", "z")
PDMATS = [
    s.PdSymm(),
    s.PdLogChol(),
    s.PdNatural(),
    s.PdDiag(),
    s.PdIdent(),
    s.PdCompSymm(),
    s.PdKnown(np.eye(2)),
    s.PdBlocked([s.PdDiag(form="~ 1"), s.PdSymm(form="~ x + z - 1")], (1, 2)),
]


@pytest.fixture(scope="module")
def z() -> np.ndarray:
    rng = np.random.default_rng(1)
    x = rng.normal(1000.0, 5.0, 50)  # far from its origin: the standard scale must take it
    return np.stack([np.ones(50), x, rng.normal(size=50)], axis=1)


@pytest.mark.parametrize("pd", PDMATS, ids=lambda p: p.r_name)
def test_natural_parameters_give_the_covariance_back(pd: s.PdMat) -> None:
    rng = np.random.default_rng(2)
    q = len(EFFECTS)
    names = pd.natural_parameters(EFFECTS, "x + z")
    par = np.array([p.support.constrain(rng.normal(scale=0.4)) for p in names])
    factor = pd.natural_factor(par, q)
    np.testing.assert_allclose(pd.to_natural(factor @ factor.T), par, rtol=1e-10)
    assert len(names) == pd.size(q)


@pytest.mark.parametrize("pd", PDMATS, ids=lambda p: p.r_name)
def test_nearest_is_the_inverse_of_factor(pd: s.PdMat, z: np.ndarray) -> None:
    basis = pd.basis(z)
    rng = np.random.default_rng(3)
    u = np.abs(rng.normal(size=pd.size(3))) + 0.2
    lam = np.linalg.solve(basis, pd.factor(u, basis))
    again = pd.factor(pd.nearest(lam @ lam.T, basis), basis)
    np.testing.assert_allclose(
        again @ again.T, pd.factor(u, basis) @ pd.factor(u, basis).T, rtol=1e-6
    )


@pytest.mark.parametrize("pd", PDMATS, ids=lambda p: p.r_name)
def test_zero_is_an_ordinary_point(pd: s.PdMat, z: np.ndarray) -> None:
    basis = pd.basis(z)
    assert np.all(pd.factor(np.zeros(pd.size(3)), basis) == 0)
    natural = pd.to_natural(np.zeros((3, 3)))
    assert np.all(np.isfinite(natural))


@pytest.mark.parametrize("pd", PDMATS, ids=lambda p: p.r_name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_covariances_are_positive_semidefinite(pd: s.PdMat, data: st.DataObject) -> None:
    names = pd.natural_parameters(EFFECTS, "x + z")
    u = data.draw(st.lists(st.floats(-6.0, 6.0), min_size=len(names), max_size=len(names)))
    par = np.array([p.support.constrain(np.array(x)) for p, x in zip(names, u, strict=True)])
    factor = pd.natural_factor(par, len(EFFECTS))
    if not np.all(np.isfinite(factor)):  # correlations that do not go together
        assert sum(p.support.lower < 0 for p in names) > 1
        return
    covariance = factor @ factor.T
    least = np.linalg.eigvalsh(covariance).min()
    assert least >= -1e-12 * np.trace(covariance)
    np.testing.assert_allclose(pd.to_natural(covariance), par, rtol=1e-6, atol=1e-9)


def test_the_list_names_every_class() -> None:
    def public(base: type) -> set[type]:
        own = base.__module__.startswith("bayeslme.") and "r_name" in vars(base)
        return ({base} if own else set()).union(*map(public, base.__subclasses__()))

    assert {type(pd) for pd in PDMATS} == public(s.PdMat)


def test_batches_broadcast(z: np.ndarray) -> None:
    for pd in PDMATS:
        basis = pd.basis(z)
        u = np.random.default_rng(4).normal(size=(5, pd.size(3)))
        many = pd.factor(u, basis)
        np.testing.assert_allclose(many[2], pd.factor(u[2], basis))


@pytest.mark.pymc
@pytest.mark.parametrize("pd", PDMATS, ids=lambda p: p.r_name)
def test_pytensor_equals_numpy(pd: s.PdMat) -> None:
    import pytensor
    import pytensor.tensor as pt

    xp = pytensor_ops()
    names = pd.natural_parameters(EFFECTS, "x + z")
    par = np.array([0.7 if p.support.lower == 0 else 0.2 for p in names])
    v = pt.vector("v", shape=(len(par),))
    factor = pd.natural_factor(v, 3, xp)
    f = pytensor.function([v], [factor, pt.grad(factor.sum(), v)], mode="FAST_COMPILE")
    got, slope = f(par)
    np.testing.assert_allclose(got, pd.natural_factor(par, 3), rtol=1e-12, atol=1e-12)
    assert np.all(np.isfinite(slope))
    for j, p in enumerate(names):
        for u in (-8.0, 8.0):  # near the bounds
            near = par.copy()
            near[j] = p.support.constrain(np.array(u))
            slope = f(near)[1]
            feasible = np.all(np.isfinite(pd.natural_factor(near, 3)))
            assert not feasible or np.all(np.isfinite(slope)), (p.name, u)


@pytest.mark.pymc
@pytest.mark.parametrize("pd", PDMATS, ids=lambda p: p.r_name)
def test_factor_in_pytensor_equals_numpy(pd: s.PdMat, z: np.ndarray) -> None:
    import pytensor
    import pytensor.tensor as pt

    basis = pd.basis(z)
    u = pt.vector("u", shape=(pd.size(3),))
    f = pytensor.function([u], pd.factor(u, basis, pytensor_ops()), mode="FAST_COMPILE")
    for value in (np.zeros(pd.size(3)), np.linspace(-1.0, 2.0, pd.size(3))):
        np.testing.assert_allclose(f(value), pd.factor(value, basis), rtol=1e-12, atol=1e-12)


def test_pairs_without_covariance() -> None:
    assert not s.PdLogChol("~ x").independent(3).any()
    assert not s.PdCompSymm("~ x").independent(3).any()
    for pd in (s.PdDiag("~ x"), s.PdIdent("~ x")):
        np.testing.assert_array_equal(pd.independent(3), ~np.eye(3, dtype=bool))
    blocks = s.PdBlocked([s.PdSymm("~ x"), s.PdIdent("~ g - 1")], (2, 2))
    apart = ~np.eye(4, dtype=bool)
    apart[:2, :2] = False
    np.testing.assert_array_equal(blocks.independent(4), apart)


def test_blocks_given_by_formulas_are_nlmes_general_ones() -> None:
    """R: pdBlocked(list(~ 1, pdIdent(~ a - 1))) prints as pdSymm(1), pdIdent(a - 1)."""
    made = s.PdBlocked(["~ 1", s.PdIdent("~ a - 1")])
    assert [type(block) for block in made.blocks] == [s.PdSymm, s.PdIdent]


@pytest.mark.parametrize("pd", [s.PdSymm(), s.PdCompSymm()], ids=lambda p: p.r_name)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_perfect_correlation_is_one_whatever_rounding_makes_of_it(
    pd: s.PdMat, sign: float
) -> None:
    """A covariance that has been divided by its own deviations can be above 1 by an ulp or two."""
    rng = np.random.default_rng(4)
    sd = rng.uniform(0.01, 100.0, 500)
    deviations = np.stack([sd, sd], axis=-1)
    cov = deviations[:, :, None] * deviations[:, None, :] * np.array([[1.0, sign], [sign, 1.0]])
    cov[:, 0, 1] *= 1 + 2e-16 * rng.integers(-2, 3, 500)
    cov[:, 1, 0] = cov[:, 0, 1]
    natural = pd.to_natural(cov)
    assert np.max(np.abs(natural[:, -1])) == 1.0
    assert np.all(np.isfinite(pd.natural_factor(natural, 2)))


def test_the_lowest_correlation_of_compound_symmetry_is_not_passed_by_rounding() -> None:
    lowest = -0.5
    for step in (-3e-16, 0.0, 3e-16):
        cov = np.full((3, 3), lowest + step) + (1 - lowest - step) * np.eye(3)
        natural = s.PdCompSymm().to_natural(cov)
        assert natural[1] >= lowest
        factor = s.PdCompSymm().natural_factor(natural, 3)
        np.testing.assert_allclose(factor @ factor.T, cov, atol=1e-14)
