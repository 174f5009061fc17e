from __future__ import annotations

from typing import Any

import arviz as az
import pytest

from bayes.support import GROWTH_PRIORS
from bayeslme.errors import SpecError


def test_it_is_arviz_s_under_the_summary_s_names(collapsed: Any) -> None:
    table = collapsed.sensitivity()
    names = [(p, str(n)) for p, part in collapsed.intervals().items() for n in part.index]
    assert table.index.to_list() == names
    theirs = az.psense_summary(
        collapsed.data, var_names=["fixef", "sd_Subject", "corstruct", "varfunc", "sigma"],
        round_to=10,
    )  # fmt: skip
    assert table[["prior", "likelihood"]].to_numpy() == pytest.approx(
        theirs[["prior", "likelihood"]].to_numpy()
    )


def test_a_strong_prior_is_found_out(growth_fit: Any) -> None:
    priors = {**GROWTH_PRIORS, "sd_Subject": "HalfNormal(sigma=0.6)"}
    drawn = growth_fit.sample(draws=500, priors=priors, seed=1)
    table = drawn.sensitivity("sd_Subject")
    worst = table.loc[("Subject", "sd((Intercept))")]
    assert worst["prior"] > 0.05
    assert "conflict" in worst["diagnosis"] or "strong prior" in worst["diagnosis"]
    others = drawn.sensitivity(["fixef", "corstruct"])
    assert (others["prior"] < 0.05).all()
    with pytest.raises(SpecError, match="prior of corstruct is constant"):
        drawn.sensitivity("corstruct")


def test_unknown_variables_list_the_known_ones(collapsed: Any) -> None:
    with pytest.raises(SpecError, match="'sd' is not a variable; it is one of fixef, sd_Subject"):
        collapsed.sensitivity(["sd"])
