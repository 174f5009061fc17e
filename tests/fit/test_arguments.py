"""Arguments of the verbs that are of another kind than they have to be."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme.errors import BayesLMEError


@pytest.fixture(scope="module")
def fit():
    return bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("acf", {"max_lag": True}, "max_lag: a whole number"),
        ("acf", {"max_lag": 2.5}, "max_lag: a whole number"),
        ("variogram", {"form": "~ age | Subject", "max_distance": True}, "max_distance: a number"),
        ("variogram", {"form": "~ age | Subject", "max_distance": np.nan}, "max_distance: a num"),
        ("aug_pred", {"length": True}, "length: a whole number"),
        ("aug_pred", {"minimum": "a"}, "minimum: a number"),
        ("aug_pred", {"maximum": np.nan}, "maximum: a number"),
        ("simulate", {"seed": "a"}, "seed: None or a whole number"),
        ("simulate", {"seed": True}, "seed: None or a whole number"),
        ("simulate", {"nsim": True}, "nsim: a whole number"),
        ("bootstrap", {"nsim": 2, "seed": "a"}, "seed: None or a whole number"),
        ("refit", {"response": ["a"] * 108}, "response: numbers are needed"),
    ],
)
def test_a_wrong_kind_is_named(fit, verb, options, message):
    with pytest.raises(BayesLMEError, match=message):
        getattr(fit, verb)(**options)


def test_a_generator_is_a_seed(fit):
    one, other = (fit.simulate(2, np.random.default_rng(7)) for _ in range(2))
    assert one.equals(other)
