"""The highest local maximum, wherever a search begins."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Likelihood, build_problem, estimate
from bayeslme.engine.search import search as module
from bayeslme.engine.search.optimise import Optimum
from bayeslme.engine.search.search import search
from bayeslme.engine.search.starts import candidates
from bayeslme.errors import FitError
from reference.corpus import by_id, load_frame

MAX_ITER = 200


def likelihood_of(name: str) -> Likelihood:
    case = by_id()[name]
    spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
    return Likelihood(build_problem(build(spec, load_frame(case["data"]))), spec.method)


def test_from_the_top_of_the_lower_hill() -> None:
    likelihood = likelihood_of("c_pdIdent_ML")
    lower = search(likelihood, max_iter=MAX_ITER, start=np.array([1.25]), around=False)
    higher = search(likelihood, max_iter=MAX_ITER, start=np.array([1.25]))
    assert higher.value > lower.value + 0.5
    assert higher.theta == 0.0


def test_rounding_beside_a_singular_matrix_is_no_hill() -> None:
    """Random slopes and a negative compound symmetry: at -1 / (m - 1) values are noise."""
    likelihood = likelihood_of("d_BW_cs_lme_REML")
    edge = np.array([7.6, 0.75, -1.8, -30.6])  # the last on the unconstrained scale
    grid = np.concatenate([edge[None], candidates(likelihood.problem)])
    ordinary = search(likelihood, max_iter=MAX_ITER)
    found = search(likelihood, max_iter=MAX_ITER, grid=grid)
    np.testing.assert_allclose(found.value, ordinary.value, atol=1e-3)


@pytest.mark.parametrize("rows", [8, 224])
def test_a_correlation_of_which_only_rounding_is_left_has_no_likelihood(rows: int) -> None:
    """Range to infinity and nugget to zero: values go up and down by rounding there."""
    call = "gls(yield ~ 1, correlation = corSpher(form = ~ latitude + longitude, nugget = TRUE))"
    frame = load_frame("Wheat2").head(rows)
    likelihood = Likelihood(build_problem(build(bayeslme.translate(call), frame)), "REML")
    limit = np.array([[12.0, -10.5], [14.0, -12.5]])
    known = likelihood(limit)
    assert np.isfinite(known).all()
    np.testing.assert_allclose(known[0], known[1], atol=1e-3)
    assert likelihood(np.array([[34.0, -32.5]])) == -np.inf


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("sound", [(), (0,), (1,)], ids=str)
def test_of_ends_the_best_is_kept_in_whatever_order(
    order: tuple[int, ...], sound: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound one, else the highest: an undefined one never takes its place."""
    values = np.array([-5.0, -3.0, -np.inf])

    def end(theta: np.ndarray) -> Optimum:
        k = int(np.ravel(theta)[0])
        return Optimum(np.array([float(k)]), float(values[k]), np.zeros(1), False, "", 1)

    monkeypatch.setattr(module, "climb", lambda _, start, *__: end(start))
    monkeypatch.setattr(module, "_sound", lambda _, one: int(one.theta[0]) in sound)
    monkeypatch.setattr(module, "_inside", lambda _, theta: theta)
    monkeypatch.setattr(module, "_same_maximum", lambda *_: False)
    monkeypatch.setattr(module, "unseen", lambda _, starts: starts)
    monkeypatch.setattr(module, "other_maxima", lambda *_: np.zeros((0, 1)))
    starts = np.array(order, float)[:, None]
    likelihood: Any = SimpleNamespace(problem=None)
    found = module._look_around(likelihood, end(starts[0]), starts[1:], MAX_ITER)
    assert found.value == values[sound[0] if sound else 1]


def test_undefined_candidates_are_drawn_towards_zero() -> None:
    likelihood = likelihood_of("c_varPower_val_ML")
    far = np.array([[40.0, -60.0]])
    assert not np.isfinite(likelihood(far)[0])
    ordinary = search(likelihood, max_iter=MAX_ITER)
    found = search(likelihood, max_iter=MAX_ITER, grid=far)
    np.testing.assert_allclose(found.value, ordinary.value, atol=1e-6)


def test_an_undefined_start_is_named() -> None:
    case = by_id()["c_varPower_val_ML"]
    design = build(bayeslme.translate(case["call"]), load_frame(case["data"]))
    with pytest.raises(FitError, match="start") as caught:
        estimate(design, start=np.array([40.0, -60.0]))
    assert len(str(caught.value)) <= 300


def test_a_parameter_that_counts_by_its_size_has_its_starts_sign() -> None:
    """The proportion of varConstProp enters squared; sigma is held, or only products count."""
    call = (
        "gls(distance ~ Sex * I(age - 11), data = Orthodont,"
        " weights = varConstProp(form = ~ age), control = list(sigma = 1))"
    )
    design = build(bayeslme.translate(call), bayeslme.load_data("Orthodont"))
    found = estimate(design)
    turned = estimate(design, start=found.theta * [1.0, -1.0])
    assert found.theta[1] > 0
    np.testing.assert_allclose(turned.theta, found.theta, rtol=1e-5)


@pytest.mark.parametrize("value", ["", "0.8, 0.64, 0.51, 0.41, 0.8, 0.64, 0.51, 0.8, 0.64, 0.8"])
@pytest.mark.parametrize(("method", "highest"), [("ML", 145.12951049), ("REML", 129.68242822)])
def test_unstructured_correlations_have_several_hills(
    value: str, method: str, highest: float
) -> None:
    """gls(log(height) ~ ns(age, 3), Loblolly, corSymm(form = ~ 1 | Seed), subset = age > 3) in R.

    nlme comes there from zeros and from 0.8^|i - j|; lower local maxima are at 142.32 and 127.17.
    """
    fit = bayeslme.gls(
        "log(height) ~ ns(age, 3)",
        bayeslme.load_data("Loblolly"),
        correlation=f"corSymm(c({value}), form = ~ 1 | Seed)" if value else "corSymm(form=~1|Seed)",
        subset="age > 3",
        method=method,
    )
    assert fit.loglik == pytest.approx(highest, abs=1e-6)


@pytest.mark.parametrize(("method", "highest"), [("ML", -423.918520404), ("REML", -423.479597822)])
def test_a_constant_and_a_power_by_stratum_have_several_hills(method: str, highest: float) -> None:
    """nlme's answer to the same call."""
    fit = bayeslme.gls(
        "rate ~ pressure + I(pressure^2)",
        bayeslme.load_data("Dialyzer"),
        weights="varConstPower(form = ~ pressure | QB)",
        method=method,
    )
    assert fit.loglik == pytest.approx(highest, abs=1e-6)


def test_a_range_stays_where_it_is_when_a_nugget_is_at_its_end() -> None:
    """An end with the nugget at zero is judged a little inside; at another range is another
    local maximum.

    The value is that of nlme's own optimisers or above.
    """
    call = (
        "lme(log(weight) ~ poly(Time, 2) * Diet, random = list(Chick = pdBlocked(list(pdDiag(~ 1), "
        "pdDiag(~ Time - 1), pdIdent(~ I(Time^2) - 1)))), weights = varFixed(~ I(Time + 1)), "
        "correlation = corLin(form = ~ Time | Chick, nugget = TRUE), method = 'ML')"
    )
    found = estimate(build(bayeslme.translate(call), load_frame("ChickWeight")))
    likelihood = found.likelihood()
    near = search(likelihood, max_iter=MAX_ITER, start=found.theta, around=False)
    others = np.repeat(found.theta[None], 40, axis=0)
    others[:, found.problem.theta_correlation.start] = np.linspace(0.5, 3.0, 40)
    tops = [search(likelihood, max_iter=MAX_ITER, start=t, around=False) for t in others[::8]]
    assert found.loglik > max(top.value for top in tops) - 1e-4
    np.testing.assert_allclose(near.value, found.loglik, atol=1e-6)
