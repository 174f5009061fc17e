"""Penalised estimates: REML under flat priors, the known answer under conjugate ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme import CorAR1, PdDiag, VarIdent
from bayeslme.errors import BayesLMEError

SAME = 1e-5  # searches in different coordinates stop at gains of 1e-9: equal to its root


@pytest.fixture(scope="module")
def orthodont() -> object:
    return bayeslme.load_data("orthodont")


@pytest.mark.parametrize(
    "options",
    [
        {"random": "~ 1 | Subject"},
        {"random": "~ I(age - 11) | Subject"},
        {"random": {"Subject": PdDiag("~ I(age - 11)")}},
        {
            "random": "~ 1 | Subject",
            "weights": VarIdent(form="~ 1 | Sex"),
            "correlation": CorAR1(),
        },
    ],
)
def test_flat_priors_give_reml(orthodont: object, options: dict[str, object]) -> None:
    reml = bayeslme.lme("distance ~ Sex * I(age - 11)", orthodont, **options)
    mode = bayeslme.lme("distance ~ Sex * I(age - 11)", orthodont, **options, priors="flat")
    assert mode.method == "MAP"
    np.testing.assert_allclose(mode.fixef, reml.fixef, rtol=SAME)
    np.testing.assert_allclose(mode.sigma, reml.sigma, rtol=SAME)
    np.testing.assert_allclose(mode.vcov(), reml.vcov(), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(
        mode.varcorr()["Subject"].sd, reml.varcorr()["Subject"].sd, rtol=1e-4
    )
    np.testing.assert_allclose(mode.ranef(), reml.ranef(), atol=1e-4)


def test_a_gaussian_prior_of_the_coefficients_is_conjugate(orthodont: object) -> None:
    priors = {"fixef": "Normal(mu=1, sigma=0.5)", "sigma": "Flat()"}
    data = orthodont
    fit = bayeslme.gls("distance ~ I(age - 11)", data, priors=priors)
    x = fit.design.X
    precision = x.T @ x / fit.sigma**2 + np.eye(2) / 0.25
    want = np.linalg.solve(precision, x.T @ fit.design.y / fit.sigma**2 + 1.0 / 0.25)
    np.testing.assert_allclose(fit.fixef, want, rtol=1e-8)
    np.testing.assert_allclose(fit.vcov(), np.linalg.inv(precision), rtol=1e-8, atol=1e-12)


def test_a_boundary_avoiding_prior_lifts_a_zero_variance() -> None:
    piglets = bayeslme.load_data("piglets")
    call = ("loglact ~ reg * status", piglets, "~ 1 | litter/pig")
    flat = bayeslme.lme(*call, na_action="omit", priors="flat")
    assert float(flat.varcorr()["litter"].sd.iloc[0]) == 0.0
    lifted = bayeslme.lme(*call, na_action="omit", priors={"sd_litter": "Gamma(alpha=2, beta=0.1)"})
    assert float(lifted.varcorr()["litter"].sd.iloc[0]) > 0.1


def test_intervals_come_from_the_penalised_density(orthodont: object) -> None:
    call = ("distance ~ I(age - 11)", orthodont, "~ 1 | Subject")
    reml = bayeslme.lme(*call)
    tight = bayeslme.lme(*call, priors={"sd_Subject": "LogNormal(mu=0.7, sigma=0.02)"})
    width = [f.intervals()["Subject"].eval("upper - lower").iloc[0] for f in (reml, tight)]
    assert width[1] < 0.2 * width[0]


def test_what_has_no_penalised_mode_is_refused(orthodont: object) -> None:
    with pytest.raises(BayesLMEError, match="fitted values"):
        bayeslme.lme(
            "distance ~ age", orthodont, "~ 1 | Subject", weights=bayeslme.VarPower(), priors="flat"
        )
    with pytest.raises(BayesLMEError, match="Normal or Flat"):
        bayeslme.lme(
            "distance ~ age",
            orthodont,
            "~ 1 | Subject",
            priors={"fixef": "StudentT(nu=4, mu=0, sigma=1)"},
        )
    with pytest.raises(BayesLMEError, match="sd_Sub"):
        bayeslme.lme(
            "distance ~ age", orthodont, "~ 1 | Subject", priors={"sd_Sub": "HalfNormal(sigma=1)"}
        )


def test_a_prior_away_from_the_estimate_is_searched_inside(orthodont: Any) -> None:
    """The estimate of sigma, 2.2, has no prior mass."""
    spec = bayeslme.translate("lme(distance ~ 1, random = ~ 1 | Subject)")
    priors = {"sigma": "Normal(mu=30, sigma=0.01)", "sd_Subject": "Uniform(lower=9, upper=20)"}
    with pytest.warns(UserWarning, match="an end of a prior's interval"):
        mode = spec.update(priors=priors).fit(orthodont)
    assert np.isfinite(mode.loglik)
    assert 9 < float(mode.varcorr()["Subject"].sd.iloc[0]) < 20
    drawn = spec.fit(orthodont).sample(draws=250, seed=1, priors={"sigma": "Uniform(8, 9)"})
    assert np.all((drawn.values["sigma"] > 8) & (drawn.values["sigma"] < 9))
    assert np.quantile(drawn.values["sigma"], 0.5) < 8.2  # the likelihood pulls down


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("varPower(form = ~ age)", "varPower(form = ~ I(age / 11))"),
        ("varExp(form = ~ age)", "varExp(form = ~ I(age - 11))"),
        ("varConstPower(form = ~ age)", "varConstPower(form = ~ I(age / 11))"),
    ],
)
def test_modes_do_not_move_with_the_units_of_a_covariate(
    here: str, there: str, orthodont: Any
) -> None:
    call = "lme(distance ~ age, random = ~ 1 | Subject, weights = {})"
    modes = [
        bayeslme.translate(call.format(w)).update(priors="default").fit(orthodont)
        for w in (here, there)
    ]
    one, other = (float(m.weights_coef.iloc[-1]) for m in modes)
    assert one == pytest.approx(other, abs=1e-5)
    assert modes[0].loglik == pytest.approx(modes[1].loglik, abs=1e-6)
    reml = bayeslme.translate(call.format("varPower(form = ~ age)")).fit(orthodont)
    if "Power" in here:  # the data know the power to 0.6, its prior to 4.8
        assert one == pytest.approx(float(reml.weights_coef.iloc[0]), abs=0.02)
