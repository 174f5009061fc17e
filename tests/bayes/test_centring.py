"""Priors of correlated random effects do not depend on where a predictor has its zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayes.support import parameters_of
from bayeslme.bayes.centring import CentredEffects, flat, unflat
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.draws import draw_priors
from bayeslme.bayes.priors.scales import NATURAL

CALL = "lme(distance ~ Sex * {0}, random = ~ {0} | Subject)"
FAR = "I(age + 1990)"


def centred_effects_of(form: str, data: Any) -> CentredEffects:
    twice = pd.concat([data, data])  # as many rows as effects in each group at least
    found = (
        parameters_of(f"lme(distance ~ age, random = ~ {form} | Subject)", twice)
        .levels[0]
        .centred_effects
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    "form", ["age", "age + I(age^2)", "Sex * age", "0 + Sex + Sex:age", "poly(age, 2) + age:Sex"]
)
def test_effects_at_the_means_and_back(form: str, orthodont: Any) -> None:
    rng = np.random.default_rng(1)
    own = centred_effects_of(form, orthodont)
    q = len(own.basis)
    root = rng.normal(size=(5, q, q))
    cov = root @ np.swapaxes(root, -1, -2)
    sd = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    cor = cov / sd[:, :, None] / sd[:, None, :]
    there = own.centred(sd, cor)
    want = own.basis @ cov @ own.basis.T
    np.testing.assert_allclose(there[0][..., None] * there[1] * there[0][:, None], want, rtol=1e-9)
    back = own.natural(*there)
    np.testing.assert_allclose(back[0], sd, rtol=1e-9)
    np.testing.assert_allclose(back[1], cor, atol=1e-8)


def test_the_volume_is_that_of_the_change_of_variables(orthodont: Any) -> None:
    own = centred_effects_of("age + I(age^2)", orthodont)
    sd = np.array([3.0, 0.5, 0.02])
    cor = np.array([[1.0, -0.6, 0.3], [-0.6, 1.0, -0.4], [0.3, -0.4, 1.0]])
    at, step = flat(sd, cor), 1e-6
    sizes = np.concatenate([sd, np.ones(3)])
    columns = [
        (flat(*own.centred(*unflat(at + e, 3))) - flat(*own.centred(*unflat(at - e, 3)))) / 2
        for e in step * np.diag(sizes)
    ]
    want = np.linalg.slogdet(np.array(columns))[1] - np.log(step * sizes).sum()
    assert own.log_jacobian(sd, own.centred(sd, cor)[0]) == pytest.approx(want, rel=1e-6)


def test_predictors_at_their_mean_or_alone_are_not_centred(orthodont: Any) -> None:
    for form in ("I(age - 11)", "1", "0 + age", "Sex - 1"):
        call = f"lme(distance ~ age, random = ~ {form} | Subject)"
        assert parameters_of(call, orthodont).levels[0].centred_effects is None
    apart = "lme(distance ~ age, random = list(Subject = pdDiag(~ age)))"
    assert parameters_of(apart, orthodont).levels[0].centred_effects is None


def test_the_density_is_the_same_wherever_zero_is(orthodont: Any) -> None:
    """Of the covariance of the same lines, up to the volume of sds and correlations."""
    here, there = (parameters_of(CALL.format(x), orthodont) for x in ("I(age - 11)", FAR))
    near = {"sd_Subject": np.array([1.9, 0.3]), "cor_Subject": np.array([[1.0, 0.4], [0.4, 1.0]])}
    moved = there.levels[0].centred_effects
    assert moved is not None
    sd, cor = moved.natural(near["sd_Subject"], near["cor_Subject"])
    far = {"sd_Subject": sd, "cor_Subject": cor}
    total = []
    for parameters, values in ((here, near), (there, far)):
        priors = resolve_priors(parameters)
        total.append(sum(priors[name].log_density(v, values) for name, v in values.items()))
    volume = 2 * np.log(sd / near["sd_Subject"]).sum()  # q log sd of each effect
    assert total[0] == pytest.approx(total[1] - volume, rel=1e-6)


def test_posteriors_and_modes_are_the_same_wherever_zero_is(orthodont: Any) -> None:
    """A calendar year for an age made the slopes' standard deviation a hundred times smaller."""
    drawn = [
        bayeslme.translate(CALL.format(x)).fit(orthodont).sample(draws=1000, seed=4)
        for x in ("I(age - 11)", FAR)
    ]
    for name, place in (("sd_Subject", 1), ("fixef", 2), ("fixef", 3)):
        near, far = (np.quantile(p.values[name][:, place], (0.1, 0.5, 0.9)) for p in drawn)
        np.testing.assert_allclose(far, near, rtol=0.02)  # the same draws, but for ties
    assert drawn[1].data["sample_stats"].attrs["efficiency"] > 0.7
    modes = [
        bayeslme.lme(f"distance ~ Sex * {x}", orthodont, f"~ {x} | Subject", priors="default")
        for x in ("I(age - 11)", FAR)
    ]
    assert modes[0].loglik == pytest.approx(modes[1].loglik, abs=1e-5)
    slopes = [m.varcorr()["Subject"].sd.iloc[1] for m in modes]
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-4)


def test_prior_draws_are_of_the_effects_themselves(orthodont: Any) -> None:
    parameters = parameters_of(CALL.format(FAR), orthodont)
    drawn = draw_priors(parameters, resolve_priors(parameters), 4000, np.random.default_rng(2))
    effects = parameters.levels[0].centred_effects
    assert effects is not None
    sd, cor = effects.centred(drawn["sd_Subject"], drawn["cor_Subject"])
    scale = orthodont["distance"].std(ddof=0)
    assert np.median(sd[:, 0]) == pytest.approx(0.741 * scale, rel=0.06)  # of |t| with 4 df
    assert abs(cor[:, 0, 1].mean()) < 4 / np.sqrt(3 * 4000)


def test_what_the_user_names_speaks_of_the_effects_themselves(orthodont: Any) -> None:
    parameters = parameters_of(CALL.format("age"), orthodont)
    slope = resolve_priors(parameters, {"sd_Subject": {"age": "HalfNormal(sigma=1)"}})
    assert slope["sd_Subject"].scale.effects is not None
    assert [p.family for p in slope["sd_Subject"].priors] == ["HalfStudentT", "HalfNormal"]
    for named in (
        {"sd_Subject": "HalfNormal(sigma=5)"},
        {"sd_Subject": {"(Intercept)": "HalfNormal(sigma=5)"}},
        {"cor_Subject": "LKJ(eta=2)"},
    ):
        priors = resolve_priors(parameters, named)
        assert priors["sd_Subject"].scale is NATURAL
        assert priors["cor_Subject"].scale is NATURAL
    text = str(resolve_priors(parameters))
    assert text.count("at the predictors' means") == 5  # three coefficients, sd, correlation
    assert "LKJ(eta=1) at the predictors' means" in text


def test_it_survives_the_disk(orthodont: Any, tmp_path: Path) -> None:
    drawn = bayeslme.translate(CALL.format("age")).fit(orthodont).sample(draws=50, seed=1)
    drawn.save(tmp_path / "draws.nc")
    again = bayeslme.load_posterior(tmp_path / "draws.nc")
    assert str(again.priors) == str(drawn.priors)
    for name, found in again.priors.log_density(again.values).items():
        stored = drawn.data["log_prior"][name].to_numpy().ravel()
        np.testing.assert_allclose(found, stored, rtol=1e-9)


@pytest.mark.pymc
@pytest.mark.usefixtures("fast_compile")
def test_models_have_it_too(orthodont: Any) -> None:
    from bayeslme.bayes.pymc.variables import natural_draws

    spec = bayeslme.translate(CALL.format("age"))
    model, parameters = spec.to_pymc(orthodont), parameters_of(CALL.format("age"), orthodont)
    assert model.named_vars_to_dims["cor_Subject"] == ("Subject_effect", "Subject_effect_bis")
    sd, cor = np.array([2.0, 0.3]), np.array([[1.0, 0.5], [0.5, 1.0]])
    priors = resolve_priors(parameters)
    own = natural_draws(priors, {"sd_Subject_centred": sd, "cor_Subject_centred": cor})
    given = {model["sd_Subject_centred"]: sd, model["cor_Subject_centred"]: cor}
    for name in ("sd_Subject", "cor_Subject"):
        np.testing.assert_allclose(model[name].eval(given), own[name], rtol=1e-10)
    point = model.initial_point()
    point["sd_Subject_centred_log__"] = np.log(sd)
    point["cor_Subject_centred_partial__"] = np.arctanh([0.5])
    chosen = [model["sd_Subject_centred"], model["cor_Subject_centred"]]
    density = model.compile_logp(vars=chosen, jacobian=False)(point)
    effects = parameters.levels[0].centred_effects
    assert effects is not None
    ours = sum(priors[name].log_density(own[name], own) for name in ("sd_Subject", "cor_Subject"))
    volume = effects.log_jacobian(own["sd_Subject"], sd)
    assert float(density) == pytest.approx(float(ours - volume))
