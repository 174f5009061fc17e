"""Weights that follow the fitted values: the answer is a fixed point, whatever the start."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Estimate, Likelihood, estimate, fitted_values
from bayeslme.engine.build import bind_variance
from bayeslme.engine.search import fixed_point
from bayeslme.engine.search.optimise import gradient
from bayeslme.engine.search.search import search
from bayeslme.engine.search.settings import ALTERNATION
from bayeslme.engine.search.starts import scales
from bayeslme.errors import FitError
from reference.corpus import FIT_FAMILIES, by_id, family, load_frame, weights_follow_the_fit
from reference.fitting import identifier

SAME = 1e-6  # of theta
FOLLOWING = [c for name in FIT_FAMILIES for c in family(name) if weights_follow_the_fit(c)]
# varConstProp multiplies a free sigma: only products are identified, not theta
IDENTIFIED = [case for case in FOLLOWING if "varConstProp" not in case["call"]]
QUICK = (
    *("b_BW_fm2_REML", "c_Ovary_gls2_ML", "d_Chick_vpg_REML", "d_Nitren_REML"),
    *("d_Pixel_varpow_ML", "d_Soy_vpf_REML", "d_sleep_vp_ML"),
)
SEVERAL = "d_Glu2_car1_vp_ML"  # fixed points


@functools.cache
def plain(name: str) -> tuple[Any, Estimate]:
    case = by_id()[name]
    spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
    design = build(spec, load_frame(case["data"]))
    return design, estimate(design)


def compare_with_moved(name: str) -> None:
    design, found = plain(name)
    share = 1 + 0.2 * (-1.0) ** np.arange(len(found.theta))
    again = estimate(design, start=found.theta * share)
    np.testing.assert_allclose(again.loglik, found.loglik, rtol=SAME)
    np.testing.assert_allclose(np.abs(again.theta), np.abs(found.theta), rtol=SAME, atol=SAME)


@pytest.mark.parametrize("name", QUICK)
def test_a_start_changed_by_a_fifth_ends_at_the_same_point(name: str) -> None:
    compare_with_moved(name)


@pytest.mark.slow
@pytest.mark.parametrize("case", IDENTIFIED, ids=identifier)
def test_a_start_changed_by_a_fifth_ends_there_in_every_case(case: dict[str, Any]) -> None:
    compare_with_moved(case["id"])


@pytest.mark.parametrize("name", QUICK)
def test_weights_and_fit_agree(name: str) -> None:
    design, found = plain(name)
    fitted = fitted_values(design, found.beta, found.modes)
    problem = bind_variance(found.problem, design, (fitted,))
    likelihood = Likelihood(problem, design.spec.method)
    np.testing.assert_allclose(likelihood(found.theta[None]), found.loglik, rtol=1e-9)
    slope = gradient(likelihood, found.theta, scales(problem))[1]
    np.testing.assert_allclose(slope, 0.0, atol=1e-4)
    best = search(likelihood, max_iter=200).value
    np.testing.assert_allclose(best, found.loglik, atol=1e-5)


def test_of_several_fixed_points_the_highest(monkeypatch: pytest.MonkeyPatch) -> None:
    design, found = plain(SEVERAL)
    alone = replace(ALTERNATION, other_start_factors=())
    monkeypatch.setattr(fixed_point, "ALTERNATION", alone)
    alone = estimate(design)  # from the fit without weights only
    assert alone.loglik < found.loglik - 1


def test_an_end_that_the_new_covariates_rule_out_is_left() -> None:
    # fitted values of young plants come near zero on the way, where the last power is not defined
    spec = bayeslme.translate(
        "lme(weight ~ Time * Variety, data = Soybean, random = list(Plot = pdDiag(~ I(Time - 50))),"
        ' weights = varPower(form = ~ fitted(.) | Year), subset = Year != "1990")'
    )
    found = estimate(build(spec, load_frame("Soybean")))
    assert found.converged
    slope = gradient(found.likelihood(), found.theta, scales(found.problem))[1]
    # Where the likelihood bends by 50 and more, this slope leaves less than 1e-5 to be gained.
    np.testing.assert_allclose(slope, 0.0, atol=2e-2)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_way_without_a_likelihood_leaves_the_others(
    lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All ways of this fit lead to one point, so any of them may be lost."""
    design, found = plain("b_BW_fm2_REML")
    alternate, ways = fixed_point._alternate, iter(range(10))

    def some(*args: Any) -> fixed_point.Agreement:
        if next(ways) == lost:
            raise FitError("no likelihood on this way")
        return alternate(*args)

    monkeypatch.setattr(fixed_point, "_alternate", some)
    assert estimate(design).loglik == pytest.approx(found.loglik, rel=SAME)
    assert next(ways) > 1


def test_without_any_way_the_first_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    design, _ = plain("b_BW_fm2_REML")
    reasons = iter(["fitted values near zero", "second", "third"])

    def none(*_: Any) -> None:
        raise FitError(next(reasons))

    monkeypatch.setattr(fixed_point, "_alternate", none)
    with pytest.raises(FitError, match="near zero"):
        estimate(design)


def test_a_higher_hill_may_have_no_likelihood_with_the_weights_it_leads_to() -> None:
    frame = load_frame("ergoStool").drop(index=[1, 3, 5, 9, 10, 18, 22, 27, 28, 35])
    frame["occ"] = load_frame("ergoStool").groupby("Subject", observed=True).cumcount() + 1
    call = (
        "lme(effort ~ Type, random = ~ 1 | Subject, correlation = corAR1(0.3, form = ~ occ | "
        "Subject), weights = varPower(form = ~ fitted(.) | Type), method = 'ML')"
    )
    assert np.isfinite(estimate(build(bayeslme.translate(call), frame)).loglik)
