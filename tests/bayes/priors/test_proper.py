"""Responses that effects reproduce have no posterior, unless sigma is kept away from zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.proper import check_response
from bayeslme.data.design import build
from bayeslme.errors import FitError

G, ROWS = 8, 4
X = np.tile(np.arange(ROWS, dtype=float), G)
LEVEL = np.repeat(np.random.default_rng(1).normal(size=G), ROWS)
DATA = pd.DataFrame({"g": np.repeat(np.arange(G), ROWS), "x": X, "line": 1 + 2 * X})
DATA["shifted"] = DATA["line"] + LEVEL
DATA["noisy"] = DATA["shifted"] + np.random.default_rng(2).normal(size=G * ROWS)
CALLS = {
    "fixed": "gls(line ~ x)",
    "random": "lme(shifted ~ x, random = ~ 1 | g)",
    "correlated": "gls(shifted ~ x, correlation = corCompSymm(form = ~ 1 | g))",
}


def checked(call: str, priors: Any = None) -> None:
    parameters = build_parameters(build(bayeslme.translate(call), DATA))
    check_response(parameters, resolve_priors(parameters, priors))


@pytest.mark.parametrize("kind", CALLS)
def test_they_are_refused_in_the_words_of_the_fit(kind: str) -> None:
    spec = bayeslme.translate(CALLS[kind])
    with pytest.raises(FitError) as of_fit:
        spec.fit(DATA)
    with pytest.raises(FitError) as found:
        checked(CALLS[kind])
    assert str(found.value) == str(of_fit.value)
    checked(CALLS[kind].replace("line", "noisy").replace("shifted", "noisy"))


@pytest.mark.pymc
@pytest.mark.parametrize("form", ["marginal", "hierarchical"])
def test_models_are_refused_too(form: Any) -> None:
    spec = bayeslme.translate(CALLS["random"])
    with pytest.raises(FitError, match="random: the likelihood has no maximum"):
        spec.to_pymc(DATA, form=form)
    with pytest.raises(FitError, match="random: the likelihood has no maximum"):
        spec.to_bambi(DATA)


@pytest.mark.parametrize(
    ("prior", "proper"),
    [
        ("LogNormal(0, 1)", True),
        ("InverseGamma(2, 1)", True),
        ("Uniform(0.5, 2)", True),
        ("HalfNormal(1)", False),
        ("Gamma(3, 1)", False),
        ("Uniform(0, 2)", False),
    ],
)
def test_a_prior_that_vanishes_at_zero_makes_the_posterior_proper(prior: str, proper: bool) -> None:
    if proper:
        checked(CALLS["random"], {"sigma": prior})
    else:
        with pytest.raises(FitError, match="random: the likelihood has no maximum"):
            checked(CALLS["random"], {"sigma": prior})
    for kind, reason in (("correlated", "correlations go to one"), ("fixed", "fixed effects")):
        with pytest.raises(FitError, match=reason):  # whatever sigma is
            checked(CALLS[kind], {"sigma": prior})


def test_a_held_sigma_leaves_them_proper() -> None:
    checked("lme(shifted ~ x, random = ~ 1 | g, control = lmeControl(sigma = 1))")
