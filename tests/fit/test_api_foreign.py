"""What people who know other packages write first."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest

import bayeslme
from bayeslme.errors import DataError, SpecError

DATA = bayeslme.load_data("Orthodont")


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"groups": DATA["Subject"]}, 'random="~ x | group"'),
        ({"re_formula": "~ age"}, 'random="~ x | group"'),
        ({"REML": False}, 'method="REML" or method="ML"'),
        ({"family": "gaussian"}, "no other families"),
        ({"missing": "drop"}, 'na_action="omit"'),
        ({"chains": 4}, "fit.sample"),
        ({"corr": "ar1"}, "correlation=CorAR1"),
        ({"model": "y ~ x"}, "the formula is the argument 'fixed'"),
    ],
)
def test_arguments_of_other_packages_are_answered(given: dict[str, Any], answer: str) -> None:
    with pytest.raises(SpecError) as caught:
        bayeslme.lme("distance ~ age", DATA, **given)
    assert answer in str(caught.value)
    assert next(iter(given)) in str(caught.value) or "formula" in str(caught.value)


@pytest.mark.parametrize("function", [bayeslme.lme, bayeslme.gls, bayeslme.lm, bayeslme.lmlist])
def test_an_argument_nobody_knows_stays_pythons_error(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        function("distance ~ age", DATA, colour="red")
    assert "data" in signature(function).parameters


def test_bars_point_to_both_ways() -> None:
    with pytest.raises(SpecError, match=r"(?s)random = ~ x \| g.*from_bambi\(\)"):
        bayeslme.lme("distance ~ age + (1 | Subject)", DATA)


def test_random_effects_left_out_are_those_of_grouped_data() -> None:
    named = bayeslme.lme("distance ~ age", DATA, "~ age | Subject")
    assert bayeslme.lme("distance ~ age", DATA).loglik == named.loglik
    assert bayeslme.lme("distance ~ age", DATA, "~ age").loglik == named.loglik
    plain = DATA.copy()
    plain.attrs = {}
    with pytest.raises(DataError, match=r'no group is named; write it as "~ 1 \| g"'):
        bayeslme.lme("distance ~ age", plain)


def test_separate_fits_know_the_groups_of_grouped_data() -> None:
    named = bayeslme.lmlist("distance ~ age | Subject", DATA)
    fits = bayeslme.lmlist("distance ~ age", DATA)
    assert fits.spec == named.spec
    plain = DATA.copy()
    plain.attrs = {"formula": "distance ~ age"}
    with pytest.raises(SpecError, match="needs its groups"):
        bayeslme.lmlist("distance ~ age", plain)


def test_separate_fits_are_updated() -> None:
    fits = bayeslme.lmlist("distance ~ age | Subject", DATA)
    centred = fits.update(fixed="distance ~ I(age - 11)")
    assert centred.spec.fixed.groups == ("Subject",)
    assert centred.sigma == pytest.approx(fits.sigma, rel=1e-12)
    girls = fits.update(subset="Sex == 'Female'")
    assert len(girls.coef()) == 11
    with pytest.raises(SpecError, match="cannot change 'weights'"):
        fits.update(weights=None)
