"""The PyMC models as PyMC's own functions see them."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayes.support import GROWTH, GROWTH_PRIORS, KINDS
from bayeslme.errors import SpecError

pytestmark = [
    pytest.mark.pymc,
    # the response draws random effects and residuals in Python
    pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning"),
]


def mode_of(model: Any) -> dict[str, np.ndarray]:
    import pymc as pm

    if "jitter" not in signature(pm.find_MAP).parameters:  # before PyMC 6.4
        plain = pm.find_MAP(model=model, progressbar=False)
        return {name: np.asarray(value)[None, None] for name, value in plain.items()}
    found = pm.find_MAP(model=model, progressbar=False, return_inferencedata=True, jitter=False)
    return {str(k): v.to_numpy() for k, v in found["posterior"].data_vars.items()}


def flat_mode_is_the_estimate(found: dict[str, np.ndarray], fit: Any) -> None:
    estimates = {
        "fixef": fit.fixef.to_numpy(),
        "sigma": fit.sigma,
        "sd_Subject": fit.varcorr()["Subject"].sd.to_numpy(),
        "corstruct": fit.correlation_coef.to_numpy(),
        "varfunc": fit.weights_coef["Female"],
    }
    for name, value in estimates.items():
        if name in found:
            assert found[name].ravel() == pytest.approx(np.ravel(value), rel=1e-4, abs=1e-4), name


@pytest.mark.usefixtures("fast_compile")
def test_the_flat_mode_is_maximum_likelihood(growth_fit: Any, orthodont: pd.DataFrame) -> None:
    model = growth_fit.spec.to_pymc(orthodont, priors="flat")
    found = mode_of(model)
    assert "fixef" in found
    flat_mode_is_the_estimate(found, growth_fit.update(method="ML"))


@pytest.mark.usefixtures("fast_compile")
def test_the_flat_mode_with_beta_integrated_is_reml(
    growth_fit: Any, orthodont: pd.DataFrame
) -> None:
    model = growth_fit.spec.to_pymc(orthodont, priors="flat", beta="integrated")
    found = mode_of(model)
    assert "fixef" not in found
    flat_mode_is_the_estimate(found, growth_fit)


@pytest.mark.usefixtures("fast_compile")
def test_the_flat_mode_of_a_random_slope_has_the_estimated_correlation(
    orthodont: pd.DataFrame,
) -> None:
    call = "lme(distance ~ I(age - 11), random = ~ I(age - 11) | Subject, method = 'ML')"
    spec = bayeslme.translate(call)
    fit = spec.fit(orthodont)
    found = mode_of(spec.to_pymc(orthodont, priors="flat"))
    component = fit.varcorr()["Subject"]
    assert found["sd_Subject"].ravel() == pytest.approx(component.sd.to_numpy(), rel=1e-3)
    assert found["cor_Subject"][0, 0, 0, 1] == pytest.approx(component.corr.iloc[0, 1], abs=1e-3)
    assert found["fixef"].ravel() == pytest.approx(fit.fixef.to_numpy(), abs=1e-4)


def test_pymc_samples_it_itself(growth_fit: Any, orthodont: pd.DataFrame) -> None:
    import pymc as pm

    options = {"chains": 2, "cores": 1, "progressbar": False, "random_seed": 1}
    with growth_fit.spec.to_pymc(orthodont, priors=GROWTH_PRIORS):
        drawn = pm.sample(draws=100, tune=200, nuts_sampler="pymc", **options)
        new = pm.sample_posterior_predictive(drawn, random_seed=1, progressbar=False)
    y = new["posterior_predictive"]["y"]
    assert y.dims == ("chain", "draw", "row")
    assert float(y.mean()) == pytest.approx(orthodont["distance"].mean(), abs=0.5)
    assert drawn["posterior"]["fixef"].dims == ("chain", "draw", "term")


def test_names_dims_and_coords(growth_fit: Any, orthodont: pd.DataFrame) -> None:
    model = growth_fit.spec.to_pymc(orthodont)
    assert model.named_vars_to_dims["fixef"] == ("term",)
    assert model.named_vars_to_dims["sd_Subject"] == ("Subject_effect",)
    assert model.named_vars_to_dims["y"] == ("row",)
    assert list(model.coords["term"]) == list(growth_fit.fixef.index)
    assert list(model.coords["varfunc_coef"]) == ["Female"]
    assert list(model.coords["corstruct_coef"]) == ["Phi"]
    assert list(model.coords["Subject"]) == list(growth_fit.design.levels[0].labels)
    assert {v.name for v in model.free_RVs} == {
        "fixef", "sd_Subject", "corstruct", "varfunc", "sigma",
    }  # fmt: skip
    slope = bayeslme.translate(KINDS["slope"]).to_pymc(orthodont)
    assert slope.named_vars_to_dims["cor_Subject"] == ("Subject_effect", "Subject_effect_bis")


def test_dimensions_are_whole_names() -> None:
    """A dimension for each letter of "sd_Variety" would leave no name for the response."""
    call = "lme(yield ~ nitro, random = ~ 1 | Block/Variety)"
    model = bayeslme.translate(call).to_pymc(bayeslme.load_data("Oats"), form="hierarchical")
    assert min(len(name) for name in model.dim_lengths) > 1
    assert model.named_vars_to_dims["sd_Variety"] == ("Variety_effect",)


@pytest.mark.usefixtures("fast_compile")
@pytest.mark.parametrize("form", ["marginal", "hierarchical"])
def test_prior_predictive_draws_are_pymc_s_own(form: str, orthodont: pd.DataFrame) -> None:
    import pymc as pm

    priors = {
        "fixef": {"(Intercept)": "Normal(24, 0.1)", "age": "Normal(0, 0.01)"},
        "sigma": "Uniform(0.9, 1.1)",
        "sd_Subject": "Uniform(1.9, 2.1)",
        "corstruct": "Uniform(0.79, 0.81)",
    }
    call = "lme(distance ~ age, random = ~ 1 | Subject, correlation = corAR1())"
    model = bayeslme.translate(call).to_pymc(orthodont, form=form, priors=priors)
    drawn = pm.sample_prior_predictive(300, model=model, random_seed=3)
    y = drawn["prior_predictive"]["y"].to_numpy()[0].reshape(300, 27, 4)
    y = y[:, np.argsort(np.arange(27))]
    assert np.mean(y) == pytest.approx(24, abs=0.2)
    assert np.var(y - y.mean(axis=(1, 2), keepdims=True)) == pytest.approx(5.0, rel=0.1)
    lag = np.mean((y[..., 1:] - y[..., :-1]) ** 2) / 2
    assert lag == pytest.approx(0.2, rel=0.15)  # sigma^2 (1 - Phi)


def test_marginal_and_hierarchical_are_one_posterior(
    posterior: Any, growth_fit: Any, orthodont: pd.DataFrame
) -> None:
    import arviz as az

    from bayeslme.bayes.pymc.nuts import draw

    model = growth_fit.spec.to_pymc(orthodont, form="hierarchical", priors=GROWTH_PRIORS)
    drawn = draw(model, draws=1500, tune=500, chains=4, seed=9, progress=False).values
    for name in ("fixef", "sd_Subject", "corstruct", "varfunc", "sigma"):
        one = posterior.data["posterior"][name].to_numpy()
        one, two = one.reshape(*one.shape[:2], -1), drawn[name].reshape(4, 1500, -1)
        for j in range(one.shape[-1]):
            a, b = one[..., j], two[..., j]
            error = np.hypot(*(np.std(x) / np.sqrt(az.ess(x, method="mean")) for x in (a, b)))
            assert abs(np.mean(a) - np.mean(b)) < 4 * error
            assert np.std(b) == pytest.approx(np.std(a), rel=0.15)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"form": "joint"}, "neither 'marginal' nor 'hierarchical'"),
        ({"beta": "profiled"}, "neither 'variable' nor 'integrated'"),
        ({"form": "hierarchical", "beta": "integrated"}, "needs form='marginal'"),
        ({"beta": "integrated", "priors": {"fixef": "Cauchy(0, 1)"}}, "not Cauchy"),
    ],
)
def test_bad_options_are_named(
    options: dict[str, Any], complaint: str, orthodont: pd.DataFrame
) -> None:
    with pytest.raises(SpecError) as error:
        bayeslme.translate(GROWTH).to_pymc(orthodont, **options)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("weights", "form", "complaint"),
    [
        ("varPower()", "marginal", "use form='hierarchical'"),
        ("varPower(form = ~ resid(.))", "hierarchical", "no generative model"),
    ],
)
def test_variances_without_a_form_are_refused(
    weights: str, form: str, complaint: str, orthodont: pd.DataFrame
) -> None:
    spec = bayeslme.translate(f"lme(distance ~ age, random = ~ 1 | Subject, weights = {weights})")
    with pytest.raises(SpecError) as error:
        spec.to_pymc(orthodont, form=form)
    assert complaint in str(error.value)


@pytest.mark.parametrize("groups", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_ten_rows_in_each_of_many_groups(groups: int, fast_compile: None) -> None:
    import resource

    size = 10
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(groups), size)
    data = pd.DataFrame({"g": group.astype(str), "t": np.tile(np.arange(size), groups)})
    data["x"] = rng.standard_normal(len(data))
    data["s"] = np.where(group % 2, "a", "b")
    noise = rng.standard_normal(len(data))
    data["y"] = 1 + 0.5 * data["x"] + rng.standard_normal(groups)[group] + noise
    spec = bayeslme.translate(
        "lme(y ~ x, random = ~ 1 | g, weights = varIdent(form = ~ 1 | s), "
        "correlation = corAR1(form = ~ t | g))"
    )
    model = spec.to_pymc(data)
    density = model.logp_dlogp_function(ravel_inputs=True)
    density.set_extra_values({})
    value, gradient = density(np.concatenate([np.ravel(v) for v in model.initial_point().values()]))
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4e6  # kB
