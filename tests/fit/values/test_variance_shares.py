"""R squared and intraclass correlations."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayeslme import CorAR1, PdKnown, VarIdent, gls, lm, lme, lmer, load_data


def test_as_the_performance_package() -> None:
    # performance (tests/testthat/test-r2_nakagawa.R): r2_nakagawa(lmer(Sepal.Length ~
    # Petal.Length + (1 | Species), iris)); the data are Anderson's irises (Fisher 1936).
    iris = pd.read_csv(Path(__file__).with_name("iris.csv"))
    fit = lmer("Sepal.Length ~ Petal.Length + (1 | Species)", iris)
    found = fit.r2()
    assert found["marginal"] == pytest.approx(0.65846169440315, abs=1e-5)
    assert found["conditional"] == pytest.approx(0.969409477972726, abs=1e-5)
    sd = fit.varcorr()["Species"].sd.iloc[0]
    assert fit.icc()["Species"] == pytest.approx(sd**2 / (sd**2 + fit.sigma**2))


def test_random_slopes_and_several_variances_count_on_average() -> None:
    data = load_data("Orthodont")
    weights = VarIdent(form="~ 1 | Sex")
    fit = lme("distance ~ age * Sex", data, "~ age | Subject", weights=weights)
    row = fit.design.levels[0].Z
    root = fit.sigma * fit.estimate.factors[0]
    covariance = root @ root.T
    random = np.mean([z @ covariance @ z for z in row])
    ratio = data["Sex"].map({"Male": 1.0, "Female": fit.weights_coef["Female"]}).astype(float)
    residual = np.mean((fit.sigma * ratio) ** 2)
    fixed = np.var(fit.fitted(level=0), ddof=1)
    total = fixed + random + residual
    assert fit.r2()["marginal"] == pytest.approx(fixed / total)
    assert fit.r2()["conditional"] == pytest.approx((fixed + random) / total)
    assert fit.icc()["Subject"] == pytest.approx(random / (random + residual))


def test_without_random_effects() -> None:
    data = load_data("Orthodont")
    fit = lm("distance ~ age", data)
    assert fit.r2()["marginal"] == fit.r2()["conditional"]
    correlated = gls("distance ~ age", data, correlation=CorAR1(form="~ 1 | Subject"))
    assert correlated.icc().to_dict() == {"all levels": 0.0}


def test_levels_add_up() -> None:
    fit = lme("yield ~ nitro", load_data("Oats"), "~ 1 | Block/Variety")
    shares = fit.icc()
    assert shares["all levels"] == pytest.approx(shares["Block"] + shares["Variety"])


def test_related_groups_count_with_their_own_variance() -> None:
    rng = np.random.default_rng(1)
    labels = list("abcdefgh")
    data = pd.DataFrame({"g": np.repeat(labels, 4), "y": rng.normal(size=32)})
    data["y"] += np.repeat(rng.normal(size=8), 4)
    A = pd.DataFrame(np.diag([1.0, 2.0] * 4), labels, labels)
    fit = lme("y ~ 1", data, {"g": PdKnown(A)})
    sd = fit.varcorr()["g"].sd.iloc[0]
    own = 1.5 * sd**2  # the average of A's diagonal over the rows
    assert fit.icc()["g"] == pytest.approx(own / (own + fit.sigma**2))


@pytest.mark.pymc
def test_posterior_shares_are_those_of_each_draw() -> None:
    data = load_data("Orthodont")
    fit = lme("distance ~ age", data, "~ 1 | Subject")
    posterior = fit.sample(draws=200, seed=1)
    sd, sigma = posterior.values["sd_Subject"][:, 0], posterior.values["sigma"]
    share = sd**2 / (sd**2 + sigma**2)
    table = posterior.icc()
    assert table.loc["Subject", "Value"] == pytest.approx(share.mean())
    assert table.loc["Subject", "lower"] == pytest.approx(np.quantile(share, 0.025))
    assert abs(posterior.r2()["Value"] - fit.r2()).max() < 0.03
