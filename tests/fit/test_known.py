"""Random effects with a known covariance among groups, against dense matrices and invariances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import bayeslme as b
from bayeslme.errors import BayesLMEError, DataError, FitError, SpecError
from bayeslme.fit.result import LmeFit
from tests.known import clones, dense, labelled, pedigree, phylogeny, records

RNG = np.random.default_rng(11)
PEDIGREE = pedigree(36, 8, RNG)
DATA = records(PEDIGREE, 26, RNG)
MATRICES = {"animal": PEDIGREE, "copy": PEDIGREE}
UNSEEN = [name for name in PEDIGREE.index if name not in set(DATA["animal"])]
K = b.PdKnown
FIT = b.lme("y ~ x", DATA, {"animal": K(PEDIGREE)})
MODELS: dict[str, tuple[object, dict[str, object]]] = {
    "alone": ({"animal": K(PEDIGREE)}, {}),
    "slopes": ({"animal": K(PEDIGREE, "~ t")}, {}),
    "crossed": ([{"animal": K(PEDIGREE)}, "~ 1 | pen"], {}),
    "slopes crossed": ([{"animal": K(PEDIGREE, "~ t")}, "~ 1 | pen"], {}),
    "beside itself": ([{"animal": K(PEDIGREE)}, "~ 1 | copy"], {}),
    "two matrices": ([{"animal": K(PEDIGREE)}, {"copy": K(PEDIGREE, "~ 0 + t")}, "~ 1 | pen"], {}),
    "VarFixed": ({"animal": K(PEDIGREE)}, {"weights": b.VarFixed("~ v")}),
    "sigma": (
        {"animal": K(PEDIGREE)},
        {"weights": b.VarFixed("~ v"), "control": {"sigma": 1.0}},
    ),
    "VarPower": ({"animal": K(PEDIGREE)}, {"weights": b.VarPower(form="~ v")}),
    "VarIdent": (
        [{"animal": K(PEDIGREE)}, "~ 1 | pen"],
        {"weights": b.VarIdent(form="~ 1 | half")},
    ),
    "AR1": ({"animal": K(PEDIGREE)}, {"correlation": b.CorAR1(form="~ visit | animal")}),
    "exchangeable in pens": (
        {"animal": K(PEDIGREE, "~ t")},
        {"correlation": b.CorCompSymm(form="~ 1 | pen")},
    ),
    "AR1 crossed": (
        [{"animal": K(PEDIGREE)}, "~ 1 | pen"],
        {"correlation": b.CorAR1(form="~ 1 | pen")},
    ),
}


def check(fit: LmeFit, matrices: dict[str, pd.DataFrame], tol: float = 1e-8) -> None:
    found = dense(fit, matrices)
    assert fit.loglik == pytest.approx(found["loglik"], abs=1e-7)
    np.testing.assert_allclose(fit.fixef, found["beta"], atol=tol)
    np.testing.assert_allclose(fit.marginal_cov(), found["V"], atol=tol)
    for group, (labels, mean, error, given) in found["effects"].items():
        table = fit.ranef(group, se=True)
        assert list(table.index) == labels
        np.testing.assert_allclose(table["est."], mean, atol=tol)
        np.testing.assert_allclose(table["se"], error, atol=10 * tol)
        conditional = fit.ranef(group, se="conditional")
        np.testing.assert_allclose(conditional["se"], given, atol=10 * tol)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("name", MODELS)
def test_equals_dense_matrices(name: str, method: str) -> None:
    random, more = MODELS[name]
    fit = b.lme("y ~ x", DATA, random, method=method, **more)
    assert fit.converged
    check(fit, MATRICES)


@pytest.mark.parametrize("make", [phylogeny, clones], ids=lambda f: f.__name__)
@pytest.mark.parametrize("random", [lambda a: {"animal": K(a)},
                                    lambda a: [{"animal": K(a, "~ t")}, "~ 1 | pen"]])  # fmt: skip
def test_other_matrices(
    make: Callable[..., pd.DataFrame], random: Callable[[pd.DataFrame], object]
) -> None:
    rng = np.random.default_rng(5)
    a = make(24, rng)
    data = records(a, 18, rng)
    check(b.lme("y ~ x", data, random(a)), {"animal": a}, tol=1e-6)


def test_eigenvalues_near_zero() -> None:
    """Relatives that are nearly clones, down to rounding."""
    rng = np.random.default_rng(6)
    a = clones(24, rng)
    a += 1e-9 * pedigree(24, 6, rng).to_numpy()
    data = records(a, 20, rng)
    check(b.lme("y ~ x", data, {"animal": K(a)}), {"animal": a}, tol=1e-6)
    check(b.lme("y ~ x", data, [{"animal": K(a)}, "~ 1 | pen"]), {"animal": a}, tol=1e-6)


def test_is_a_maximum() -> None:
    """No other variances are better, by the dense likelihood of REML."""
    fit = FIT
    x, y = fit.design.X, fit.design.y
    among = PEDIGREE.loc[DATA["animal"], DATA["animal"]].to_numpy()

    def loglik(sd: float, sigma: float) -> float:
        v = sd**2 * among + sigma**2 * np.eye(len(y))
        inverse = np.linalg.inv(v)
        information = x.T @ inverse @ x
        rest = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
        return float(
            -0.5 * (np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1])
            - 0.5 * (rest @ inverse @ rest + (len(y) - x.shape[1]) * np.log(2 * np.pi))
        )

    sd = float(fit.varcorr()["animal"].sd.iloc[0])
    assert loglik(sd, fit.sigma) == pytest.approx(fit.loglik, abs=1e-8)
    for h in (1e-3, 1e-2, 0.3):
        for shift in ((h, 0), (-h, 0), (0, h), (0, -h), (h, -h), (-h, h)):
            assert loglik(sd + shift[0], fit.sigma + shift[1]) < fit.loglik


@pytest.fixture(scope="module")
def pair() -> tuple[LmeFit, LmeFit]:
    """Unrelated groups, as a known covariance and as usual."""
    names = sorted(set(DATA["animal"]))
    eye = labelled(np.eye(len(names)), names)
    return (
        b.lme("y ~ x + t", DATA, {"animal": K(eye)}),
        b.lme("y ~ x + t", DATA, "~ 1 | animal"),
    )


def test_unrelated_groups_are_usual_ones(pair: tuple[LmeFit, LmeFit]) -> None:
    known, usual = pair
    assert known.loglik == pytest.approx(usual.loglik, abs=1e-9)
    pd.testing.assert_frame_equal(known.ranef(se=True), usual.ranef(se=True), atol=1e-6)
    for df in ("satterthwaite", "kenward-roger", "kenward-roger-linear", "kenward-roger-observed"):
        one, other = (f.summary(df=df).fixed for f in pair)
        pd.testing.assert_frame_equal(one, other, rtol=1e-4)
        pd.testing.assert_frame_equal(known.anova(df=df), usual.anova(df=df), rtol=1e-4)
    for method in ("wald", "profile"):
        one, other = (f.intervals(method=method, which="var-cov") for f in pair)
        for part in ("animal", "sigma"):
            np.testing.assert_allclose(one[part], other[part], rtol=1e-3)
    new = pd.DataFrame({"x": [0.0, 1.0], "t": [1.0, 0.0], "animal": DATA["animal"][:2]})
    one, other = (f.predict(new, se=True, interval=0.9, df="residual") for f in pair)
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)


def test_scale_and_order_of_the_matrix_do_not_matter() -> None:
    fit = FIT
    order = np.random.default_rng(1).permutation(len(PEDIGREE))
    other = 1e4 * PEDIGREE.iloc[order, order[::-1]]
    again = b.lme("y ~ x", DATA, {"animal": K(other)})
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-9)
    np.testing.assert_allclose(
        100.0 * again.varcorr()["animal"].sd, fit.varcorr()["animal"].sd, rtol=1e-5
    )
    names = fit.ranef().index
    np.testing.assert_allclose(again.ranef().loc[names], fit.ranef(), atol=1e-5)


def test_predicts_levels_without_rows() -> None:
    """A descendant that was never measured, as from the equations of all animals."""
    fit = b.lme("y ~ x", DATA, [{"animal": K(PEDIGREE)}, "~ 1 | pen"])
    new = pd.DataFrame({"x": [0.5, 0.5], "animal": UNSEEN[:2], "pen": ["p", "q"]})
    effect = fit.ranef("animal").loc[UNSEEN[:2]].to_numpy()[:, 0]
    pens = fit.ranef("pen").loc[["p", "q"]].to_numpy()[:, 0]
    expected = fit.fixef.iloc[0] + 0.5 * fit.fixef.iloc[1] + effect
    animal = fit.predict(new, level="animal", se=True)
    np.testing.assert_allclose(animal["fit"], expected, rtol=1e-10)
    np.testing.assert_allclose(fit.predict(new), expected + pens, rtol=1e-10)
    found = dense(fit, MATRICES)
    labels = found["effects"]["animal"][0]
    a = PEDIGREE.loc[UNSEEN[:2], DATA["animal"]].to_numpy()
    g = float(fit.varcorr()["animal"].cov.iloc[0, 0])
    inverse, x = np.linalg.inv(found["V"]), fit.design.X
    row = np.array([[1.0, 0.5]] * 2) - g * a @ inverse @ x
    own = g * np.diagonal(PEDIGREE.loc[UNSEEN[:2], UNSEEN[:2]])
    variance = own - np.einsum("mn,nk,mk->m", g * a, inverse, g * a)
    variance += np.einsum("mp,pq,mq->m", row, np.linalg.inv(x.T @ inverse @ x), row)
    np.testing.assert_allclose(animal["se"], np.sqrt(variance), rtol=1e-8)
    assert labels[-len(UNSEEN) :] == [n for n in PEDIGREE.index if n in UNSEEN]
    assert list(fit.coef()["animal"].index) == labels


def test_levels_that_the_matrix_does_not_have() -> None:
    new = pd.DataFrame({"x": [0.5], "animal": ["stranger"]})
    fit = FIT
    assert np.isnan(fit.predict(new)).all()
    assert np.isnan(fit.predict(new, se=True)).all(axis=None)
    mixed = b.lmer("y ~ x + (1 | gr(animal, cov = A))", DATA, data2={"A": PEDIGREE})
    fixed = float(mixed.predict(new, level=0).iloc[0])
    table = mixed.predict(new, se=True)
    assert table["fit"].iloc[0] == pytest.approx(fixed)
    assert np.isnan(table["se"].iloc[0])  # nobody knows its variance


def test_nested_levels() -> None:
    """Groups within related ones, and related ones in a mapping with others outside."""
    data = DATA.assign(side=np.where(np.arange(len(DATA)) % 2, "l", "r"))
    data = pd.concat([data, data.assign(y=data["y"] + np.sin(np.arange(len(data))))])
    data.index = range(len(data))
    fit = b.lme("y ~ x", data, {"animal": K(PEDIGREE), "side": "~ 1"})
    check(fit, MATRICES)
    farm = data.assign(farm=data["animal"].map(lambda name: "f" + str(ord(name[-1]) % 3)))
    fit = b.lme("y ~ x", farm, {"farm": "~ 1", "animal": K(PEDIGREE)})
    listed = b.lme("y ~ x", farm, ["~ 1 | farm", {"animal": K(PEDIGREE)}])
    assert fit.loglik == pytest.approx(listed.loglik, abs=1e-9)
    with pytest.raises(DataError, match="several outer groups"):
        b.lme("y ~ x", farm, {"pen": "~ 1", "animal": K(PEDIGREE)})


def test_arrays_where_the_order_is_certain() -> None:
    names = sorted(set(DATA["animal"]))
    a = PEDIGREE.loc[names, names]
    expected = b.lme("y ~ x", DATA, {"animal": K(a)}).loglik
    factor = DATA.assign(animal=pd.Categorical(DATA["animal"], names))
    assert b.lme("y ~ x", factor, {"animal": K(a.to_numpy())}).loglik == pytest.approx(expected)
    ordered = DATA.sort_values("animal")
    assert b.lme("y ~ x", ordered, {"animal": K(a.to_numpy())}).loglik == pytest.approx(expected)
    for data in (DATA, factor[factor["animal"] != names[0]]):
        with pytest.raises(DataError, match="no labels"):
            b.lme("y ~ x", data, {"animal": K(a.to_numpy())})
    with pytest.raises(DataError, match="no labels"):  # pandas' own numbers are no labels of text
        b.lme("y ~ x", DATA, {"animal": K(pd.DataFrame(a.to_numpy()))})


def test_numbers_as_labels() -> None:
    numbers = {name: k for k, name in enumerate(PEDIGREE.index)}
    data = DATA.assign(animal=DATA["animal"].map(numbers))
    a = PEDIGREE.rename(index=numbers, columns=numbers)
    expected = b.lme("y ~ x", DATA, {"animal": K(PEDIGREE)}).loglik
    for kind in (int, float):
        fit = b.lme("y ~ x", data.astype({"animal": kind}), {"animal": K(a)})
        assert fit.loglik == pytest.approx(expected, abs=1e-9)


def test_bootstrap_and_simulation() -> None:
    fit = FIT
    draws = fit.simulate(4000, seed=2).to_numpy()
    error = np.cov(draws) - fit.marginal_cov().to_numpy()
    assert np.sqrt(np.mean(error**2)) < 3.0 * np.diagonal(fit.marginal_cov()).mean() / np.sqrt(4000)
    assert "(Intercept)" in str(fit.bootstrap(3, seed=1))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: b.lme("y ~ x", DATA, {"animal": K(PEDIGREE.iloc[:9, :9])}),
            DataError,
            "no levels",
        ),
        (
            lambda: FIT.vcov(type="CR2"),
            FitError,
            "related",
        ),
        (
            lambda: FIT.summary(df="inner-outer"),
            FitError,
            "related",
        ),
        (FIT.spec.to_r, SpecError, "to_r"),
        (lambda: FIT.spec.to_bambi(DATA), SpecError, "bambi"),
        (
            lambda: b.lmer("y ~ x + (1 | gr(animal, cov = B))", DATA, data2={"A": PEDIGREE}),
            SpecError,
            "'B'",
        ),
        (lambda: b.lmer("y ~ x + (1 | animal)", DATA, data2={"A": PEDIGREE}), SpecError, "data2"),
        (
            lambda: b.lmer("y ~ (1 | gr(animal, by = pen))", DATA, data2={"A": PEDIGREE}),
            SpecError,
            "gr()",
        ),
        (
            lambda: b.lmer(
                "y ~ (1 | gr(animal, cov = A)) + (1 | animal)", DATA, data2={"A": PEDIGREE}
            ),
            SpecError,
            "copy",
        ),
    ],
)
def test_errors(call: Callable[[], object], error: type[BayesLMEError], words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def test_calls_as_brms_writes_them() -> None:
    formula = "y ~ x + (1 | gr(animal, cov = A)) + (1 | pen)"
    data2 = {"A": PEDIGREE}
    fit = b.lmer(formula, DATA, data2=data2)
    own = b.lme("y ~ x", DATA, [{"animal": K(PEDIGREE)}, "~ 1 | pen"])
    assert fit.loglik == pytest.approx(own.loglik, abs=1e-9)
    for spec in (
        b.from_bambi(formula, data2=data2),
        b.translate(f"lmer({formula}, data = d)", data2=data2),
    ):
        assert spec.fit(DATA).loglik == pytest.approx(own.loglik, abs=1e-9)
    assert str(fit.spec) == f'lmer("{formula}", data=..., data2={{"A": A}})'
    assert str(own.spec) == 'lme("y ~ x", data=..., random=[{"animal": PdKnown(A)}, "~1 | pen"])'
    assert "x" not in fit.update(fixed=". ~ . - x").fixef
    alone = b.from_bambi("y ~ x + (1 | gr(animal, cov = A))", data2=data2)
    assert str(alone) == 'lme("y ~ x", data=..., random={"animal": PdKnown(A)})'
