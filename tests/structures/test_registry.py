"""Properties every row structure has, over the registry: a new class is tested by being there."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslme import structures as s
from bayeslme.arrays import MIN_SQUARED_PIVOT, NUMPY, pytensor_ops
from bayeslme.errors import BayesLMEError
from bayeslme.structures.correlation.positions import CorrelationGroups, correlation_groups

ROUNDING = 1e-10  # both sides are exact algebra; the factors here have condition numbers below 1e4

CORRELATIONS = [
    s.CorAR1(),
    s.CorAR1(-0.4),
    s.CorCAR1(0.3),
    s.CorCompSymm(0.2),
    s.CorARMA([0.5, 0.3], p=1, q=1),
    s.CorARMA([0.5, 0.3, -0.2], p=2, q=1),
    s.CorARMA([0.2, 0.3, -0.1], p=1, q=2),
    s.CorARMA([0.4, 0.2], q=2),
    s.CorARMA([0.3, 0.2, 0.1], p=3),
    s.CorSymm(),
    s.CorNatural(),
    s.CorExp([2.0]),
    s.CorExp([2.0, 0.2], nugget=True),
    s.CorGaus([1.5]),
    s.CorLin([2.5]),
    s.CorRatio([1.5, 0.3], nugget=True),
    s.CorSpher([3.0]),
    s.CorMatern([2.0], nu=0.5),
    s.CorMatern([2.0]),
    s.CorMatern([1.5, 0.2], nu=2.5, nugget=True),
    s.CorToep(),
    s.CorToep(bands=2),
    s.CorToep([0.3, 0.1], bands=3),
    s.CorAnte(),
    s.CorAR1AR1(),
    s.CorAR1AR1([0.4, -0.3, 0.2], nugget=True),
]
VARIANCES = [
    s.VarFixed("~ x"),
    s.VarIdent(form="~ 1 | g"),
    s.VarPower(form="~ x | g"),
    s.VarExp(form="~ x"),
    s.VarConstPower(form="~ x"),
    s.VarConstProp(form="~ x | g"),
]
NEAR_BOUND = 6.0  # on the unconstrained scale
SIZES = np.array([5, 3, 7, 5, 1, 7])
SHAPE = "{0.r_name}"


def concrete(base: type) -> set[type]:
    """Every public subclass of the package that can be made."""
    found = set()
    for sub in base.__subclasses__():
        found |= concrete(sub)
        if sub.__module__.startswith("bayeslme.") and not sub.__name__.startswith("_"):
            found.add(sub)
    return found


def grid(*, gaps: bool) -> CorrelationGroups:
    """Full grids of three sizes, or the same with holes."""
    parts = [np.indices(shape).reshape(2, -1).T.astype(float) for shape in ((3, 2), (2, 4), (1, 5))]
    parts = [part[1:-1] if gaps and len(part) > 5 else part for part in parts]
    sizes = [len(part) for part in parts]
    starts = np.cumsum([0, *sizes[:-1]])
    return correlation_groups(starts, sum(sizes), np.concatenate(parts) * np.array([1.0, 2.0]))


def lattice(structure: s.CorStruct | None = None, *, gaps: bool) -> CorrelationGroups:
    if structure is not None and structure.by_coordinate:
        return grid(gaps=gaps)
    rng = np.random.default_rng(3)
    starts = np.r_[0, np.cumsum(SIZES)[:-1]]
    if not gaps:
        return correlation_groups(starts, SIZES.sum(), None)
    times = [np.sort(rng.choice(12, size, replace=False)) for size in SIZES]
    return correlation_groups(starts, SIZES.sum(), np.concatenate(times).astype(float)[:, None])


def singular(structure: s.CorStruct, par: np.ndarray, places: CorrelationGroups) -> bool:
    """Whether a correlation matrix is singular in double precision (Gaussian, very long range)."""
    blocks = range(len(places.blocks(structure.stationary)))
    return any(
        np.linalg.eigvalsh(structure.matrix(par, places, k)).min() < np.finfo(float).eps * 10
        for k in blocks
    )


def coords() -> SimpleNamespace:
    rng = np.random.default_rng(4)
    stratum = np.arange(20) % 3
    return SimpleNamespace(
        covariate=rng.uniform(0.5, 3.0, 20), stratum=stratum, strata=("a", "b", "c")
    )


def test_the_lists_name_every_class() -> None:
    assert {type(c) for c in CORRELATIONS} == concrete(s.CorStruct)
    assert {type(v) for v in VARIANCES} | {s.VarComb} == concrete(s.VarFunc)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
def test_whitening_equals_the_dense_one(structure: s.CorStruct, gaps: bool) -> None:
    places = lattice(structure, gaps=gaps)
    bound = structure.bind(places)
    rng = np.random.default_rng(5)
    w = rng.normal(size=(3, places.n))
    u = bound.start + rng.normal(scale=0.3, size=(4, len(bound.start)))
    par = bound.natural(u)
    fast, half = structure.whiten(w, par, places)
    dense, dense_half = structure.whiten_dense(w, par, places)
    np.testing.assert_allclose(fast, dense, atol=ROUNDING)
    np.testing.assert_allclose(half, dense_half, atol=ROUNDING)


@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
def test_whitened_covariance_is_identity(structure: s.CorStruct) -> None:
    places = lattice(structure, gaps=True)
    bound = structure.bind(places)
    inverse, _ = structure.whiten(np.eye(places.n), bound.natural(bound.start), places)
    for k, block in enumerate(places.blocks(structure.stationary)):
        matrices = structure.matrix(bound.natural(bound.start), places, k)
        for rows, pattern in zip(block.rows, block.pattern, strict=True):
            own = rows[rows < places.n]
            c = matrices[pattern][: len(own), : len(own)]
            left = inverse[np.ix_(own, own)].T
            np.testing.assert_allclose(left @ c @ left.T, np.eye(len(own)), atol=ROUNDING)


@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_unconstrained_scale_goes_there_and_back(
    structure: s.CorStruct, data: st.DataObject
) -> None:
    bound = structure.bind(lattice(structure, gaps=False))
    size = len(bound.start)
    u = np.array(data.draw(st.lists(st.floats(-2.5, 2.5), min_size=size, max_size=size)))
    np.testing.assert_allclose(bound.to_free(bound.natural(u)), u, atol=1e-7)


@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
def test_jacobian_is_that_of_the_map(structure: s.CorStruct) -> None:
    bound, step = structure.bind(lattice(structure, gaps=False)), 1e-5
    free = tuple(bound.parameters[j] for j in bound.free)
    k = len(free)
    for u in np.random.default_rng(1).normal(size=(4, k)):
        moves = step * np.eye(k)
        up, down = (bound.natural(u + sign * moves)[:, bound.free] for sign in (1.0, -1.0))
        want = np.linalg.slogdet((up - down) / (2 * step))[1]
        assert structure.log_jacobian(u, free) == pytest.approx(want, abs=1e-7)


@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
def test_the_whole_scale_is_admissible(structure: s.CorStruct) -> None:
    bound = structure.bind(lattice(structure, gaps=False))
    natural = bound.natural(np.random.default_rng(2).normal(size=(20, len(bound.start))))
    assert structure.admissible(natural, bound.parameters).all()


@pytest.mark.parametrize(
    ("p", "q", "par"),
    [(2, 0, [0.6, 0.6]), (0, 2, [0.0, 1.5]), (1, 1, [1.2, 0.0])],  # a root inside the unit circle
)
def test_what_is_not_stationary_or_invertible_is_not_admissible(
    p: int, q: int, par: list[float]
) -> None:
    bound = s.CorARMA(p=p, q=q).bind(lattice(gaps=False))
    both = np.array([par, [0.1, 0.1]])
    assert bound.structure.admissible(both, bound.parameters).tolist() == [False, True]


@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_positive_definite_on_the_whole_scale(structure: s.CorStruct, data: st.DataObject) -> None:
    places = lattice(structure, gaps=False)
    bound = structure.bind(places)
    size = len(bound.start)
    u = np.array(data.draw(st.lists(st.floats(-3.0, 3.0), min_size=size, max_size=size)))
    white, half = structure.whiten(np.ones((1, places.n)), bound.natural(u), places)
    assert np.all(np.isfinite(white))
    known = ~np.isnan(half)  # NaN: only rounding is left of a row
    assert np.all(half[known] <= ROUNDING)  # a correlation matrix has determinant at most one
    if not known.all():
        blocks = range(len(places.blocks(structure.stationary)))
        matrices = [structure.matrix(bound.natural(u), places, k) for k in blocks]
        assert min(np.linalg.eigvalsh(each).min() for each in matrices) < MIN_SQUARED_PIVOT


@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_matrices_are_positive_definite_with_gaps(
    structure: s.CorStruct, data: st.DataObject
) -> None:
    places = lattice(structure, gaps=True)
    bound = structure.bind(places)
    size = len(bound.start)
    u = np.array(data.draw(st.lists(st.floats(-2.0, 2.0), min_size=size, max_size=size)))
    for k, _ in enumerate(places.blocks(structure.stationary)):
        matrices = structure.matrix(bound.natural(u), places, k)
        assert np.linalg.eigvalsh(matrices).min() > -1e-12
        np.testing.assert_allclose(np.diagonal(matrices, axis1=-2, axis2=-1), 1.0)


@pytest.mark.pymc
@pytest.mark.parametrize("structure", CORRELATIONS, ids=repr)
def test_pytensor_equals_numpy_and_has_gradients(structure: s.CorStruct) -> None:
    import pytensor
    import pytensor.tensor as pt

    xp = pytensor_ops()
    places = lattice(
        structure, gaps=structure.stationary
    )  # with gaps the unstructured ones have 55 parameters
    bound = structure.bind(places)
    w = np.random.default_rng(6).normal(size=(2, places.n))
    u = pt.vector("u", shape=(len(bound.start),))
    white, half = structure.whiten(xp.constant(w), bound.natural(u, xp), places, xp)
    value = (white**2).sum() + half.sum()
    f = pytensor.function([u], [white, half, pt.grad(value, u)], mode="FAST_COMPILE")
    for shift in (0.0, 0.3, 2.0):
        got, got_half, slope = f(bound.start + shift)
        want, want_half = structure.whiten(w, bound.natural(bound.start + shift), places)
        np.testing.assert_allclose(got, want, rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(got_half, want_half, rtol=ROUNDING, atol=ROUNDING)
        assert np.all(np.isfinite(slope))
    for j in range(len(bound.start)):  # 0.995 of the way to a bound, one parameter at a time
        for shift in (-NEAR_BOUND, NEAR_BOUND):
            near = bound.start + shift * (np.arange(len(bound.start)) == j)
            finite = np.all(np.isfinite(f(near)[2]))
            assert finite or singular(structure, bound.natural(near), places), (j, shift)


@pytest.mark.pymc
@pytest.mark.parametrize("structure", VARIANCES, ids=repr)
def test_variance_pytensor_equals_numpy(structure: s.VarFunc) -> None:
    import pytensor
    import pytensor.tensor as pt

    xp = pytensor_ops()
    where = coords()
    bound = structure.bind(where)
    if not len(bound.free):
        np.testing.assert_allclose(
            structure.log_sd(np.zeros(0), where), 0.5 * np.log(where.covariate)
        )
        return
    u = pt.vector("u", shape=(len(bound.start),))
    values = structure.log_sd(bound.natural(u, xp), where, xp)
    f = pytensor.function([u], [values, pt.grad(values.sum(), u)], mode="FAST_COMPILE")
    for shift in (0.0, -0.7, -NEAR_BOUND, NEAR_BOUND):
        got, slope = f(bound.start + shift)
        want = structure.log_sd(bound.natural(bound.start + shift), where)
        np.testing.assert_allclose(got, want, rtol=ROUNDING, atol=ROUNDING)
        assert np.all(np.isfinite(slope))


def test_varcomb_is_the_product_of_its_parts() -> None:
    where = coords()
    parts = (s.VarIdent(form="~ 1 | g"), s.VarExp(form="~ x"))
    plain = SimpleNamespace(covariate=where.covariate, stratum=np.zeros(20, int), strata=("",))
    bound = s.VarComb(*parts).bind((where, plain))
    assert bound.names == ("A.a", "A.b", "A.c", "B.expon")
    par = np.array([1.0, 0.7, 1.4, 0.2])
    want = parts[0].log_sd(par[:3], where) + parts[1].log_sd(par[3:], plain)
    np.testing.assert_allclose(bound.structure.log_sd(par, (where, plain)), want)


@pytest.mark.pymc
def test_varcomb_in_pytensor_equals_numpy() -> None:
    import pytensor
    import pytensor.tensor as pt

    xp = pytensor_ops()
    bound = s.VarComb(*(v for v in VARIANCES if v.r_name != "varFixed")).bind(
        tuple(coords() for v in VARIANCES if v.r_name != "varFixed")
    )
    u = pt.vector("u", shape=(len(bound.start),))
    values = bound.structure.log_sd(bound.natural(u, xp), bound.coords, xp)
    f = pytensor.function([u], [values, pt.grad(values.sum(), u)], mode="FAST_COMPILE")
    for shift in (0.0, -0.7, -NEAR_BOUND, NEAR_BOUND):
        got, slope = f(bound.start + shift)
        want = bound.structure.log_sd(bound.natural(bound.start + shift), bound.coords)
        np.testing.assert_allclose(got, want, rtol=ROUNDING, atol=ROUNDING)
        assert np.all(np.isfinite(slope))


def test_held_parameters_stay_and_are_not_free() -> None:
    bound = s.VarPower(form="~ x | g", fixed={"b": 0.5}).bind(coords())
    assert [p.name for p in bound.parameters if p.held] == ["b"]
    natural = bound.natural(np.array([[0.1, 0.2]]), NUMPY)
    np.testing.assert_allclose(natural, [[0.1, 0.5, 0.2]])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: s.CorAR1(1.5).bind(lattice(gaps=False)), "corAR1"),
        (lambda: s.CorCompSymm(-0.9).bind(lattice(gaps=False)), "Rho"),
        (lambda: s.CorARMA(p=0, q=0), "p and q"),
        (lambda: s.CorARMA([1.2], p=1).bind(lattice(gaps=False)), "stationary"),
        (lambda: s.CorARMA([0.1], p=1, q=1).bind(lattice(gaps=False)), "1 values|corARMA"),
        (lambda: s.CorExp([1.0, 1.5], nugget=True).bind(lattice(gaps=True)), "nugget"),
        (lambda: s.CorExp(metric="cityblock"), "metric"),
        (lambda: s.CorSymm([0.9, -0.9]).bind(lattice(gaps=False)), "corSymm value"),
        (lambda: s.VarIdent(form="~ 1 | g", fixed={"z": 2.0}).bind(coords()), "'z'"),
        (lambda: s.VarIdent([1.0, 2.0, 3.0], form="~ 1 | g").bind(coords()), "varIdent value"),
        (
            lambda: s.VarPower(form="~ x").bind(
                SimpleNamespace(
                    covariate=np.array([0.0, 1.0]), stratum=np.zeros(2, int), strata=("",)
                )
            ),
            "varConstPower",
        ),
        (s.VarComb, "varComb"),
        (lambda: s.PdSymm(np.array([[1.0, 2.0], [2.0, 1.0]])), "pdSymm"),
        (lambda: s.PdBlocked([]), "pdBlocked"),
    ],
)
def test_bad_arguments_are_named(make: object, says: str) -> None:
    with pytest.raises(BayesLMEError, match=says) as caught:
        make()  # type: ignore[operator]
    assert len(str(caught.value)) <= 300
