from __future__ import annotations

from typing import Any

import arviz as az
import numpy as np
import pytest

import bayeslme
from bayes.support import GROWTH, GROWTH_PRIORS
from bayeslme.errors import SpecError


@pytest.fixture(scope="module")
def tree(orthodont: Any) -> Any:
    spec = bayeslme.translate(GROWTH)
    return spec.prior_predictive(orthodont, priors=GROWTH_PRIORS, draws=3000, seed=1)


def test_it_has_the_variables_and_names_of_a_posterior(tree: Any, collapsed: Any) -> None:
    prior, posterior = tree["prior"].to_dataset(), collapsed.data["posterior"].to_dataset()
    assert set(prior.data_vars) == set(posterior.data_vars)
    for name, variable in prior.items():
        assert variable.dims == posterior[name].dims
        for dim in variable.dims[2:]:
            assert np.array_equal(prior[dim], posterior[dim])
    assert tree["prior_predictive"]["y"].dims == ("chain", "draw", "row")


def test_draws_are_from_the_priors(tree: Any) -> None:
    prior = tree["prior"]
    assert prior["sigma"].mean() == pytest.approx(3 * np.sqrt(2 / np.pi), rel=0.05)
    assert prior["fixef"].std(("chain", "draw")).to_numpy() == pytest.approx(
        [10, 10, 5, 5], rel=0.05
    )
    assert abs(prior["corstruct"]).max() < 1
    spread = prior["ranef_Subject"].std()
    assert spread == pytest.approx(5.0, rel=0.1)  # a scale mixture: sqrt(E sd^2)


def test_responses_have_the_variance_the_parameters_say(tree: Any, orthodont: Any) -> None:
    """Var(y) = x' V x + E sd^2 + E (sigma g)^2 of a boy and of a girl."""
    y = tree["prior_predictive"]["y"].to_numpy()[0]
    design = bayeslme.translate(GROWTH).fit(orthodont).design.X
    for row, ratio in ((0, 1.0), (107, np.exp(2.0))):
        expected = design[row] ** 2 @ np.array([10, 10, 5, 5.0]) ** 2 + 5.0**2 + 3.0**2 * ratio
        assert y[:, row].var() == pytest.approx(expected, rel=0.25)


def test_arviz_draws_it(tree: Any) -> None:
    import matplotlib.pyplot as plt

    drawn = az.plot_ppc_dist(tree, group="prior_predictive", num_samples=10)
    assert drawn.viz["predictive_dist"].sizes["sample"] == 10
    plt.close("all")


def test_a_posterior_has_the_same_from_its_own_priors(collapsed: Any, tree: Any) -> None:
    own = collapsed.prior_predictive(draws=3000, seed=1)
    assert np.array_equal(own["prior"]["fixef"], tree["prior"]["fixef"])


def test_variances_of_fitted_values_are_generative(orthodont: Any) -> None:
    spec = bayeslme.translate(
        "lme(distance ~ age, random = ~ 1 | Subject, weights = varPower(form = ~ fitted(.)))"
    )
    priors = {
        "fixef": "Normal(mu=[20, 0.5], sigma=[0.001, 0.001])", "varfunc": "Normal(2, 0.0001)",
        "sigma": "Uniform(0.0099, 0.0101)", "sd_Subject": "HalfNormal(0.001)",
    }  # fmt: skip
    drawn = spec.prior_predictive(orthodont, priors=priors, draws=2000, seed=2)
    y = drawn["prior_predictive"]["y"].to_numpy()[0]
    mean = 20 + 0.5 * orthodont["age"].to_numpy()
    assert y.std(axis=0) == pytest.approx(0.01 * mean**2, rel=0.12)


def test_bad_arguments_are_named(orthodont: Any) -> None:
    spec = bayeslme.translate(GROWTH)
    with pytest.raises(SpecError, match="draws: a whole number of at least 1"):
        spec.prior_predictive(orthodont, draws=0)
    with pytest.raises(SpecError, match="improper and cannot be drawn from"):
        spec.prior_predictive(orthodont, priors="flat")
    with pytest.raises(SpecError, match="'sd_subject' is not a parameter of this model; it has"):
        spec.prior_predictive(orthodont, priors={"sd_subject": "HalfNormal(1)"})
