"""The default prior of sigma is about a typical row, whatever the units of a variance covariate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.distributions import FAMILIES
from bayeslme.bayes.priors.draws import draw_priors
from bayeslme.bayes.priors.scales import NATURAL, TypicalScale
from bayeslme.data.design import build

CALL = "lme(distance ~ age, random = ~ 1 | Subject, weights = {})"


def priors_of(weights: str, data: Any, priors: Any = None) -> Any:
    return resolve_priors(
        build_parameters(build(bayeslme.translate(CALL.format(weights)), data)), priors
    )


def joint(priors: Any, sigma: Any, varfunc: Any) -> np.ndarray:
    values = {"sigma": sigma, "varfunc": varfunc}
    return sum(priors[name].log_density(values[name], values) for name in values)


@pytest.mark.parametrize(
    ("old", "new", "log_ratio"),
    [
        ("varPower(form = ~ age)", "varPower(form = ~ I(age / 12))", np.log(12.0)),
        ("varExp(form = ~ age)", "varExp(form = ~ I(age - 11))", 11.0),
    ],
)
def test_units_and_origins_of_the_covariate_do_not_matter(
    old: str, new: str, log_ratio: float, orthodont: Any
) -> None:
    """The same density after the change of variables sigma' = sigma exp(log_ratio * power)."""
    power = np.array([-1.5, 0.0, 0.4, 2.0])
    sigma = np.array([3.0, 0.5, 1.0, 0.01])
    change = log_ratio * power
    before = joint(priors_of(old, orthodont), sigma, power[:, None])
    after = joint(priors_of(new, orthodont), sigma * np.exp(change), power[:, None])
    assert before == pytest.approx(after + change)


@pytest.mark.parametrize(
    "weights",
    ["varPower(form = ~ age)", "varComb(varIdent(form = ~ 1 | Sex), varExp(form = ~ age))"],
)
def test_the_spread_of_a_typical_row_has_the_scale_of_the_response(
    weights: str, orthodont: Any
) -> None:
    spec = bayeslme.translate(CALL.format(weights))
    parameters = build_parameters(build(spec, orthodont))
    drawn = draw_priors(parameters, resolve_priors(parameters), 4000, np.random.default_rng(1))
    age, power = orthodont["age"].to_numpy(), drawn["varfunc"][:, -1]
    moved = np.log(age).mean() if "Power" in weights else age.mean()
    typical = drawn["sigma"] * np.exp(power * moved)
    cdf = FAMILIES["HalfStudentT"].cumulative
    assert cdf is not None
    u = cdf(typical, {"nu": 4.0, "sigma": orthodont["distance"].std(ddof=0)})
    assert u.mean() == pytest.approx(0.5, abs=0.02)
    assert u.var() == pytest.approx(1 / 12, rel=0.05)


def test_held_powers_count(orthodont: Any) -> None:
    held = priors_of("varComb(varPower(form = ~ age, fixed = 2), varExp(form = ~ age))", orthodont)
    typical = held["sigma"].scale
    assert isinstance(typical, TypicalScale)
    assert typical.constant == pytest.approx(2 * np.log(orthodont["age"]).mean())
    assert typical.weights == pytest.approx([orthodont["age"].mean()])


@pytest.mark.parametrize(
    "weights", ["varFixed(~ {})", "varPower(form = ~ {}, fixed = 0.5)"], ids=["varFixed", "held"]
)
def test_sizes_of_groups_are_no_units_of_sigma(weights: str, orthodont: Any) -> None:
    """Variances of means of a thousand: sigma is large, its prior as wide."""
    here, there = (
        priors_of(weights.format(v), orthodont)["sigma"] for v in ("I(age / 1e6)", "age")
    )
    scales = [p.priors[0].numbers()["sigma"] for p in (here, there)]
    assert scales[0] / scales[1] == pytest.approx(1000.0)
    mean_root = np.exp(0.5 * np.log(orthodont["age"]).mean())
    assert scales[1] * mean_root == pytest.approx(orthodont["distance"].std(ddof=0))


def test_it_is_printed_and_given_up_for_a_named_prior(orthodont: Any) -> None:
    own = priors_of("varPower(form = ~ age)", orthodont)
    scale = f"{np.std(orthodont['distance']):.6g}"
    said = f"HalfStudentT(nu=4, sigma={scale}) of a typical row"
    assert str(own).splitlines()[-1].endswith(said)
    named = priors_of("varPower(form = ~ age)", orthodont, {"sigma": "HalfNormal(sigma=2)"})
    assert named["sigma"].scale is NATURAL
    assert priors_of("varPower(form = ~ age)", orthodont, "flat")["sigma"].scale is NATURAL
    assert priors_of("varIdent(form = ~ 1 | Sex)", orthodont)["sigma"].scale is NATURAL


def test_posteriors_agree_over_units_and_survive_the_disk(orthodont: Any, tmp_path: Path) -> None:
    found = []
    for unit in (1, 12):
        spec = bayeslme.translate(CALL.format(f"varPower(form = ~ I(age / {unit}))"))
        drawn = spec.fit(orthodont).sample(draws=2500, seed=unit)
        found.append(drawn.values["varfunc"][:, 0])
    error = np.sqrt(sum(f.var() / 5000 for f in found))
    assert found[0].mean() == pytest.approx(found[1].mean(), abs=4 * error)
    drawn.save(tmp_path / "draws.nc")
    again = bayeslme.load_posterior(tmp_path / "draws.nc")
    assert str(again.priors) == str(drawn.priors)
    stored = drawn.data["log_prior"]["sigma"].to_numpy().ravel()
    assert again.priors.log_density(again.values)["sigma"] == pytest.approx(stored)


@pytest.mark.pymc
@pytest.mark.usefixtures("fast_compile")
def test_models_have_it_too(orthodont: Any) -> None:
    spec = bayeslme.translate(CALL.format("varPower(form = ~ age | Sex)"))
    model = spec.to_pymc(orthodont)
    point = model.initial_point()
    powers = np.array([0.7, -0.3])
    point["varfunc"], point["sigma_log__"] = powers, np.array(np.log(0.4))
    density = model.compile_logp(vars=[model["sigma"]], jacobian=False)(point)
    ours = priors_of("varPower(form = ~ age | Sex)", orthodont)["sigma"]
    assert float(density) == pytest.approx(float(ours.log_density(0.4, {"varfunc": powers})))
