"""Toeplitz and ante-dependence against closed forms; the separable field against Kronecker's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import toeplitz

import bayeslme
from bayeslme.errors import BayesLMEError
from bayeslme.spec.make import make_gls
from bayeslme.structures import (
    CorAnte,
    CorAR1,
    CorAR1AR1,
    CorMatern,
    CorSymm,
    CorToep,
    PdBlocked,
    PdIdent,
    VarIdent,
    correlation_groups,
)


def one_group(m: int) -> object:
    return correlation_groups(np.array([0]), m, np.arange(m, dtype=float)[:, None])


def test_two_bands_reach_as_far_as_the_matrix_is_positive_definite() -> None:
    """The correlation of neighbours alone goes up to 1 / (2 cos(pi / (m + 1))), above 1/2."""
    bound = CorToep(bands=2).bind(one_group(4))
    end = 1 / (2 * np.cos(np.pi / 5))
    rho = bound.natural(np.array([[-1e9], [0.3], [1e9]]))[:, 0]
    assert rho[[0, 2]] == pytest.approx([-end, end], rel=1e-6)
    assert bound.structure.admissible(np.array([[end - 1e-6]]), bound.parameters).all()
    assert not bound.structure.admissible(np.array([[end + 1e-6]]), bound.parameters).any()


@pytest.mark.parametrize("bands", [None, 3])
def test_matrix(bands: int | None) -> None:
    structure = CorToep([0.5, 0.2] if bands else [0.5, 0.2, 0.1], bands=bands)
    places = one_group(4)
    bound = structure.bind(places)
    got = structure.matrix(bound.natural(bound.start), places, 0)[0]
    np.testing.assert_allclose(got, toeplitz([1, 0.5, 0.2, 0.0 if bands else 0.1]), atol=1e-12)


def test_uniform_on_the_region_of_autocorrelations() -> None:
    """Its volume for two lags is 8/3: the integral of 2 (1 - r1^2) over r1."""
    bound = CorToep().bind(one_group(3))
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, size=(40_000, 2))
    inside = bound.structure.in_region(points, bound)
    direct = (np.abs(points[:, 0]) < 1) & (points[:, 1] > 2 * points[:, 0] ** 2 - 1)
    assert np.array_equal(inside, direct)


def test_ante_dependence_is_markov_and_autoregression_its_special_case() -> None:
    data = bayeslme.load_data("Orthodont").assign(visit=lambda d: (d["age"] - 8) / 2)
    data = data.drop(index=[2, 5, 41])
    fit = bayeslme.gls("distance ~ Sex * age", data, correlation=CorAnte(form="~ visit | Subject"))
    rho = fit.correlation_coef.to_numpy()
    cov = fit.marginal_cov("M02").to_numpy() / fit.sigma**2  # visits 0, 2, 3: one is dropped
    at = data[data["Subject"] == "M02"]["visit"].astype(int).tolist()
    want = [[np.prod(rho[min(i, j) : max(i, j)]) for j in at] for i in at]
    np.testing.assert_allclose(cov, want, rtol=1e-8)
    serial = fit.update(correlation=CorAR1(form="~ visit | Subject"))
    phi = float(serial.correlation_coef.iloc[0])
    held = fit.update(correlation=CorAnte([phi] * 3, form="~ visit | Subject", fixed=True))
    assert held.loglik == pytest.approx(serial.loglik, abs=1e-7)
    assert fit.loglik > serial.loglik


def test_numbers_of_r() -> None:
    """REML of the dense likelihood in R (optim), and nlme's corARMA(p = 3), which is Toeplitz."""
    data = bayeslme.load_data("Orthodont").assign(visit=lambda d: (d["age"] - 6) / 2)
    ante = bayeslme.gls("distance ~ age", data, correlation=CorAnte(form="~ visit | Subject"))
    np.testing.assert_allclose(ante.correlation_coef, [0.6805204, 0.6317581, 0.7663602], atol=1e-5)
    assert ante.loglik == pytest.approx(-227.8117, abs=1e-4)
    toeplitz_fit = ante.update(correlation=CorToep(form="~ visit | Subject"))
    serial = ante.update(correlation=bayeslme.CorARMA(p=3, form="~ visit | Subject"))
    assert toeplitz_fit.loglik == pytest.approx(serial.loglik, abs=1e-7)


def field(*, holes: bool, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows, columns = np.divmod(np.arange(42), 6)
    frame = pd.DataFrame({"row": rows + 1.0, "col": 2.0 * columns})
    frame["y"] = rng.normal(size=42) + np.cumsum(rng.normal(size=42)) / 3
    return frame.drop(index=[3, 17, 18] if holes else []).sample(frac=1.0, random_state=1)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("nugget", [False, True])
def test_separable_field_against_a_dense_likelihood(holes: bool, nugget: bool) -> None:
    frame = field(holes=holes)
    fit = bayeslme.gls(
        "y ~ 1", frame, correlation=CorAR1AR1(form="~ row + col", nugget=nugget), method="ML"
    )
    phi1, phi2, *rest = fit.correlation_coef
    apart = [np.abs(np.subtract.outer(v, v)) for v in frame[["row", "col"]].to_numpy().T]
    c = phi1 ** apart[0] * phi2 ** apart[1] * (1 - sum(rest))
    np.fill_diagonal(c, 1.0)
    r = frame["y"].to_numpy() - float(fit.fixef.iloc[0])
    n, s2 = len(r), fit.sigma**2
    dense = -0.5 * (
        n * np.log(2 * np.pi * s2) + np.linalg.slogdet(c)[1] + r @ np.linalg.solve(c, r) / s2
    )
    assert fit.loglik == pytest.approx(dense, abs=1e-8)
    np.testing.assert_allclose(fit.marginal_cov().to_numpy(), s2 * c, rtol=1e-8, atol=1e-10)


def test_a_field_with_random_rows_and_columns_against_asreml() -> None:
    """Model 4 of Gilmour, Cullis and Verbyla (1997), as ASReml prints it (help page of agridat).

    Rows and columns cross within the one field: blocks of one level.
    """
    field = bayeslme.load_data("slateHall")
    field = field.assign(one="a", r=field["row"].astype(str), c=field["col"].astype(str))
    fit = bayeslme.lme(
        "yield ~ gen + row",
        field,
        {"one": PdBlocked([PdIdent("~ r - 1"), PdIdent("~ c - 1")])},
        correlation=CorAR1AR1(form="~ row + col | one"),
    )
    assert fit.fixef["row"] == pytest.approx(31.72252, abs=5e-6)
    assert fit.correlation_coef.to_list() == pytest.approx([0.125, 0.439], abs=5e-4)
    variances = [*(fit.varcorr()["one"].sd.iloc[[0, -1]] ** 2), fit.sigma**2]
    assert variances == pytest.approx([20290, 2519, 23950], rel=5e-4)


def test_full_grids_need_no_dense_matrix() -> None:
    rows, columns = np.divmod(np.arange(60 * 50), 50)
    frame = pd.DataFrame({"row": rows, "col": columns})
    frame["y"] = np.random.default_rng(3).normal(size=3000)
    fit = bayeslme.gls("y ~ 1", frame, correlation=CorAR1AR1(form="~ row + col"))
    assert not fit.estimate.problem.correlation.structure.dense(
        fit.estimate.problem.correlation.coords
    )
    assert np.abs(fit.correlation_coef).max() < 0.1  # independent data


def test_matern_of_a_half_is_the_exponential() -> None:
    wheat = bayeslme.load_data("Wheat2")
    plain = bayeslme.gls(
        "yield ~ 1", wheat, correlation=bayeslme.CorExp(form="~ latitude + longitude")
    )
    matern = plain.update(correlation=CorMatern(form="~ latitude + longitude", nu=0.5))
    assert matern.loglik == pytest.approx(plain.loglik, abs=1e-8)


def test_predictions_at_new_places_of_a_field() -> None:
    frame = field(holes=True)
    fit = bayeslme.gls("y ~ 1", frame, correlation=CorAR1AR1(form="~ row + col"))
    whole = field(holes=False)
    gone = whole[~whole.index.isin(frame.index)]
    got = fit.predict(gone, use_correlation=True)
    phi1, phi2 = fit.correlation_coef
    both = pd.concat([frame, gone])
    apart = [
        np.abs(np.subtract.outer(both[c].to_numpy(), both[c].to_numpy())) for c in ("row", "col")
    ]
    c, n = phi1 ** apart[0] * phi2 ** apart[1], len(frame)
    mean = float(fit.fixef.iloc[0])
    want = mean + c[n:, :n] @ np.linalg.solve(c[:n, :n], frame["y"].to_numpy() - mean)
    np.testing.assert_allclose(got, want, rtol=1e-8)


def test_samples_of_bands_and_of_a_field() -> None:
    data = bayeslme.load_data("Orthodont").assign(visit=lambda d: (d["age"] - 8) / 2)
    for structure in (
        CorToep(form="~ visit | Subject", bands=3),
        CorAnte(form="~ visit | Subject"),
    ):
        fit = bayeslme.gls(
            "distance ~ age", data, correlation=structure, weights=VarIdent(form="~ 1 | Sex")
        )
        posterior = fit.sample(draws=200, chains=2, seed=1, progress=False)
        means = posterior.data["posterior"]["corstruct"].mean(("chain", "draw")).to_numpy()
        np.testing.assert_allclose(means, fit.correlation_coef, atol=0.15)


@pytest.mark.pymc
def test_slopes_in_pymc_where_all_eigenvalues_are_one() -> None:
    """PyMC rewrites the graph before it takes slopes; at zero correlations they exist."""
    import pytensor

    data = bayeslme.load_data("Orthodont").assign(visit=lambda d: (d["age"] - 8) / 2)
    structure = CorToep(form="~ visit | Subject", bands=3)
    spec = bayeslme.gls("distance ~ age", data, correlation=structure).spec
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        model = spec.to_pymc(data)
        slopes = model.compile_dlogp()(model.initial_point())
    assert np.all(np.isfinite(slopes))


@pytest.mark.parametrize(
    "make",
    [
        lambda: CorToep(bands=1),
        lambda: CorToep(bands=True),
        lambda: CorToep([0.9, -0.9, 0.0]).bind(one_group(4)),
        lambda: CorToep([0.9], bands=2).bind(one_group(4)),
        lambda: CorToep().bind(one_group(1)),
        lambda: CorToep().bind(one_group(500)),
        lambda: CorAnte().bind(one_group(1)),
        lambda: CorAnte([0.1]).bind(one_group(4)),
        lambda: CorAR1AR1().bind(one_group(4)),
        lambda: CorMatern(nu=1.0),
    ],
)
def test_refusals(make: object) -> None:
    with pytest.raises(BayesLMEError) as caught:
        make()  # type: ignore[operator]
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("structure", [CorToep(), CorSymm()], ids=["corToep", "corSymm"])
def test_uniform_draws_and_the_volume_of_the_region(structure: CorToep | CorSymm) -> None:
    """Against draws of the box that have a positive definite matrix."""
    bound = structure.bind(one_group(4))
    k, rng = len(bound.parameters), np.random.default_rng(3)
    box = rng.uniform(-1.0, 1.0, (60_000, k))
    inside = box[bound.structure.in_region(box, bound)]
    drawn = structure.uniform_draws(bound.parameters, 20_000, rng)
    assert bound.structure.in_region(drawn[:500], bound).all()
    share = len(inside) / len(box)
    volume = np.exp(structure.log_region(bound.parameters)) / 2.0**k
    assert volume == pytest.approx(share, abs=5 * np.sqrt(share / len(box)))
    for power in (1, 2, 4):
        error = np.sqrt(np.var(inside**power, axis=0) * (1 / len(inside) + 1 / len(drawn)))
        off = np.mean(drawn**power, axis=0) - np.mean(inside**power, axis=0)
        assert np.all(np.abs(off) < 5 * error)


@pytest.mark.parametrize("by", [None, "arm"])
@pytest.mark.parametrize(
    "structure", [CorToep(), CorToep(bands=2), CorSymm()], ids=["toep", "bands", "us"]
)
def test_priors_of_many_visits_can_be_drawn(structure: CorToep | CorSymm, by: str | None) -> None:
    """Twelve visits leave next to nothing of the box."""
    visit, subject = np.tile(np.arange(12), 6), np.repeat(np.arange(6), 12)
    frame = pd.DataFrame(
        {"visit": visit, "g": subject, "arm": subject % 2, "y": np.cos(visit**2.0)}
    )
    own = dataclasses.replace(structure, form="~ visit | g", by=by)
    spec = make_gls("y ~ 1", own)
    prior = spec.prior_predictive(frame, draws=50, seed=1)["prior"]["corstruct"]
    assert np.isfinite(prior.to_numpy()).all()
