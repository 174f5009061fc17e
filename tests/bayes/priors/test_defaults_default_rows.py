"""Default priors of row parameters know the data's units, and what of them the data can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayes.support import parameters_of
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.distributions import FAMILIES
from bayeslme.bayes.priors.draws import draw_priors
from bayeslme.bayes.priors.scales import NATURAL

BY_AGE = "lme(distance ~ age, random = ~ 1 | Subject, weights = {})"
FREE = "varConstPower(form = ~ age | Sex)"


@pytest.fixture(scope="module")
def irregular() -> pd.DataFrame:
    """A Markov process with range 5 on [0, 100], seen at times some of which are very close."""
    rng = np.random.default_rng(5)
    t = np.sort(rng.uniform(0, 100, 120))
    y = np.linalg.cholesky(np.exp(-np.abs(np.subtract.outer(t, t)) / 5)) @ rng.normal(size=120)
    return pd.DataFrame({"t": t, "y": y, "u": rng.uniform(0, 10, 120)})


def own_prior(call: str, data: pd.DataFrame, name: str = "corstruct", priors: Any = None) -> Any:
    return resolve_priors(parameters_of(call, data), priors)[name]


def share_below(prior: Any, j: int, value: float) -> float:
    family = FAMILIES[prior.priors[j].family]
    return float(family.cumulative(np.float64(value), prior.priors[j].numbers()))


@pytest.mark.parametrize("form", ["~ t", "~ t + u"])
@pytest.mark.parametrize("structure", ["corExp", "corSpher"])
def test_ranges_lie_between_the_nearest_and_the_farthest_distance(
    structure: str, form: str, irregular: pd.DataFrame
) -> None:
    places = irregular[["t", "u"] if "u" in form else ["t"]].to_numpy()
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    near = np.median(np.where(apart > 0, apart, np.inf).min(axis=1))
    prior = own_prior(f"gls(y ~ 1, correlation = {structure}(form = {form}))", irregular)
    below, above = share_below(prior, 0, near), share_below(prior, 0, apart.max())
    assert 0.01 < below < 0.1
    assert below == pytest.approx(1 - above)


def test_close_rows_do_not_pull_the_range_to_zero(irregular: pd.DataFrame) -> None:
    fit = bayeslme.translate("gls(y ~ 1, correlation = corExp(form = ~ t))").fit(irregular)
    drawn = fit.sample(draws=500, seed=1).values["corstruct"][:, 0]
    assert np.quantile(drawn, 0.1) < fit.correlation_coef["range"] < np.quantile(drawn, 0.9)
    assert np.quantile(drawn, 0.025) < 5 < np.quantile(drawn, 0.975)


@pytest.mark.parametrize("unit", [0.01, 365.25])
@pytest.mark.parametrize(
    ("structure", "natural"),
    [("corExp", lambda x, unit: x * unit), ("corCAR1", lambda x, unit: x ** (1 / unit))],
)
def test_units_of_time_do_not_matter(
    structure: str, natural: Any, unit: float, irregular: pd.DataFrame
) -> None:
    """The same distribution function at the same correlation."""
    call = f"gls(y ~ 1, correlation = {structure}(form = ~ t))"
    here = own_prior(call, irregular)
    there = own_prior(call, irregular.assign(t=irregular["t"] * unit))
    for x in (0.2, 0.5, 0.9):
        same = share_below(there, 0, natural(x, unit))
        assert same == pytest.approx(share_below(here, 0, x), rel=1e-6)


def test_a_correlation_one_step_apart_is_uniform(orthodont: pd.DataFrame) -> None:
    prior = own_prior(
        "gls(distance ~ age, correlation = corCAR1(form = ~ age | Subject))", orthodont
    )
    assert str(prior.priors[0]) == "Beta(alpha=2, beta=1)"  # ages are two years apart
    assert share_below(prior, 0, 0.3**0.5) == pytest.approx(0.3)


@pytest.mark.parametrize("function", ["varConstPower", "varConstProp"])
def test_units_of_a_covariate_do_not_matter_beside_a_constant(
    function: str, orthodont: pd.DataFrame
) -> None:
    """The joint density is the same after the change of variables."""
    unit = 12.0
    here, there = (
        resolve_priors(
            parameters_of(BY_AGE.format(f"{function}(form = ~ I(age / {u}))"), orthodont)
        )
        for u in (1, unit)
    )
    sigma, const, second = np.array([0.5, 2.0]), np.array([0.3, 4.0]), np.array([0.4, 1.3])
    if function == "varConstPower":  # sigma (const + age^p) = sigma 12^p (const / 12^p + ...)
        moved = (sigma * unit**second, const / unit**second, second)
        log_volume = 0.0
    else:
        moved = (sigma, const, second * unit)
        log_volume = np.log(unit)
    densities = [
        sum(priors[name].log_density(values[name], values) for name in values)
        for priors, (s, c, x) in ((here, (sigma, const, second)), (there, moved))
        for values in [{"sigma": s, "varfunc": np.stack([c, x], axis=-1)}]
    ]
    assert densities[1] + log_volume == pytest.approx(densities[0])


def test_a_proportion_has_no_sign(orthodont: pd.DataFrame) -> None:
    fit = bayeslme.translate(BY_AGE.format("varConstProp(form = ~ age)")).fit(orthodont)
    drawn = fit.sample(draws=250, seed=1)
    assert drawn.values["varfunc"].min() > 0
    assert drawn.data["sample_stats"].attrs["k_hat"] < 0.5
    given = BY_AGE.format("varConstProp(form = ~ age, prop = 3)")
    assert own_prior(given, orthodont, "varfunc").priors[1].numbers()["mu"] == pytest.approx(
        np.log(3.0)
    )


@pytest.mark.parametrize("weights", ["varConstPower(form = ~ age)", FREE])
def test_a_constant_beside_a_power_is_drawn_by_weights(
    weights: str, orthodont: pd.DataFrame
) -> None:
    """REML runs off along a ridge; that is no place to search from."""
    fit = bayeslme.translate(BY_AGE.format(weights)).fit(orthodont)
    stats = fit.sample(draws=500, seed=1).data["sample_stats"].attrs
    assert stats["method"] == "importance"
    assert stats["k_hat"] < 0.5


def test_draws_of_constants_follow_their_density(orthodont: pd.DataFrame) -> None:
    """Over the power of a typical row a constant is LogNormal(log 0.1, 1)."""
    parameters = parameters_of(BY_AGE.format(FREE), orthodont)
    priors = resolve_priors(parameters)
    drawn = draw_priors(parameters, priors, 4000, np.random.default_rng(1))["varfunc"]
    for j, sex in enumerate(("Male", "Female")):
        logs = np.log(orthodont.loc[orthodont["Sex"] == sex, "age"]).mean()
        ratio = np.log(drawn[:, j]) - drawn[:, 2 + j] * logs
        assert ratio.mean() == pytest.approx(np.log(0.1), abs=0.07)
        assert ratio.std() == pytest.approx(1.0, abs=0.05)
    assert str(priors).count("times the power of a typical row") == 2


def test_a_named_constant_is_itself(orthodont: pd.DataFrame) -> None:
    call = BY_AGE.format(FREE)
    named = {"varfunc": {"const.Male": "LogNormal(0, 1)"}}
    own = own_prior(call, orthodont, "varfunc", named)
    units = own.scale.log_units(4)
    assert not units[0].any()
    assert units[1].any()
    whole = {"varfunc": "HalfNormal(1)"}
    assert own_prior(call, orthodont, "varfunc", whole).scale is NATURAL
    held = BY_AGE.format("varConstPower(form = ~ age, fixed = list(power = 1))")
    assert own_prior(held, orthodont, "varfunc").scale is NATURAL


def test_relative_priors_survive_the_disk(orthodont: pd.DataFrame, tmp_path: Path) -> None:
    fit = bayeslme.translate(BY_AGE.format("varConstPower(form = ~ age)")).fit(orthodont)
    drawn = fit.sample(draws=100, seed=1)
    drawn.save(tmp_path / "draws.nc")
    again = bayeslme.load_posterior(tmp_path / "draws.nc")
    assert str(again.priors) == str(drawn.priors)
    stored = drawn.data["log_prior"]["varfunc"].to_numpy().ravel()
    assert again.priors.log_density(again.values)["varfunc"] == pytest.approx(stored)


@pytest.mark.pymc
@pytest.mark.usefixtures("fast_compile")
def test_models_have_the_same_density_of_constants(orthodont: pd.DataFrame) -> None:
    import pymc as pm

    model = bayeslme.translate(BY_AGE.format(FREE)).to_pymc(orthodont)
    ours = own_prior(BY_AGE.format(FREE), orthodont, "varfunc")
    value = np.array([0.3, 2.0, 0.5, -1.0])
    theirs = float(pm.logp(model["varfunc"], value).sum().eval())
    assert theirs == pytest.approx(float(ours.log_density(value)))
    drawn = pm.draw(model["varfunc"], draws=2000, random_seed=1)
    logs = np.log(orthodont.loc[orthodont["Sex"] == "Male", "age"]).mean()
    ratio = np.log(drawn[:, 0]) - drawn[:, 2] * logs
    assert ratio.mean() == pytest.approx(np.log(0.1), abs=0.1)
