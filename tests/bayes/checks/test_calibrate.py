from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.bayes.checks.calibration import Calibration
from bayeslme.bayes.checks.replication import Task, replicate
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.draws import draw_priors
from bayeslme.data.design import build
from bayeslme.errors import SpecError

RAIL = "lme(travel ~ 1, random = ~ 1 | Rail)"


@pytest.fixture(scope="module")
def rail() -> Any:
    return bayeslme.load_data("Rail")


@pytest.fixture(scope="module")
def found(rail: Any) -> Calibration:
    spec = bayeslme.translate(RAIL)
    return bayeslme.calibrate(
        spec, rail, 100, intervals=["posterior"], seed=1, workers=1, progress=False
    )


def test_ranks_of_the_truth_are_uniform(found: Calibration) -> None:
    assert found.uniform
    assert found.ranks.shape == (100, 5)
    assert found.ranks.to_numpy().min() >= 0 and found.ranks.to_numpy().max() <= found.draws
    assert ("ranef", "Rail 2 (Intercept)") in found.ranks.columns
    assert found.draws_by["trusted"].all() and found.uncertified == 0
    assert set(found.draws_by["route"]) <= {"exact", "importance", "refined mixture", "annealed"}
    assert "uniform" in str(found) and "Coverage of 95 % intervals" in str(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        "lme(distance ~ I(age - 11), random = ~ I(age - 11) | Subject)",
        "gls(distance ~ I(age - 11), correlation = corAR1(form = ~ 1 | Subject), "
        "weights = varIdent(form = ~ 1 | Sex))",
    ],
)
def test_ranks_of_structures_are_uniform(call: str, orthodont: Any) -> None:
    spec = bayeslme.translate(call)
    found = bayeslme.calibrate(
        spec, orthodont, 40, seed=2, intervals=["posterior"], workers=1, progress=False
    )
    assert found.uniform, str(found)


def test_posterior_intervals_hold_the_prior_s_truth(found: Calibration) -> None:
    table = found.coverage.loc["posterior"]
    assert (np.abs(table["coverage"] - 0.95) < 4 * table["mcse"]).all()
    assert (table["given"] == 1.0).all() and (table["width"] > 0).all()


def test_a_wrong_posterior_is_found(rail: Any) -> None:
    """Parameters from one prior, posteriors under another."""
    design = build(bayeslme.translate(RAIL), rail)
    parameters = build_parameters(design)
    true, wrong = (resolve_priors(parameters, p) for p in (None, {"sigma": "HalfNormal(sigma=5)"}))
    values = draw_priors(parameters, true, 40, np.random.default_rng(3))
    task = Task(design, wrong, 199, 0.95, ("posterior",))
    seeds = np.random.SeedSequence(4).spawn(40)
    made = [
        replicate(task, {k: v[i : i + 1] for k, v in values.items()}, s)
        for i, s in enumerate(seeds)
    ]
    result = Calibration.of(made, design.spec, wrong, draws=199, level=0.95, truth="prior")
    assert not result.uniform
    assert result.verdict.startswith("not uniform: ") and " sigma" in result.verdict
    assert result.uniformity.loc[("sigma", "sigma"), "mean_rank"] > 0.6


def test_intervals_of_least_squares_are_exact() -> None:
    data = bayeslme.load_data("orthodont")
    spec = bayeslme.translate("lm(distance ~ Sex + age)")
    found = bayeslme.calibrate(
        spec, data, 250, truth="estimate", intervals=["wald"], level=0.8, seed=5, workers=1,
        progress=False,
    )  # fmt: skip
    table = found.coverage
    assert (np.abs(table["coverage"] - 0.8) < 4 * table["mcse"]).all()
    assert found.uniformity.empty and found.uniform
    truth = data.pipe(lambda d: bayeslme.lm("distance ~ Sex + age", d)).fixef
    assert found.truth["fixed"].iloc[7].to_numpy() == pytest.approx(truth.to_numpy())


def test_profile_and_wald_intervals_are_of_the_same_parameters(rail: Any) -> None:
    spec = bayeslme.translate(RAIL)
    found = bayeslme.calibrate(
        spec, rail, 10, truth="estimate", intervals=["wald", "profile", "posterior"], seed=6,
        workers=1, progress=False,
    )  # fmt: skip
    names = {kind: list(found.coverage.loc[kind].index) for kind in ("wald", "profile")}
    assert names["wald"] == names["profile"] == list(found.coverage.loc["posterior"].index)


@pytest.mark.parametrize("replications", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_the_number_of_workers_changes_nothing(replications: int, rail: Any) -> None:
    spec = bayeslme.translate(RAIL)
    one, two = (
        bayeslme.calibrate(spec, rail, replications, draws=99, seed=7, workers=w, progress=w == 2)
        for w in (1, 2)
    )
    assert one.ranks.equals(two.ranks)
    assert one.limits.equals(two.limits)


def test_plots_are_drawn(found: Calibration, rail: Any) -> None:
    import matplotlib.pyplot as plt

    axes = found.plot()
    assert [ax.get_title() for ax in axes][:2] == ["(Intercept)", "Rail sd((Intercept))"]
    held = bayeslme.calibrate(
        bayeslme.translate(RAIL), rail, 5, truth="estimate", intervals=["wald"], seed=1,
        workers=1, progress=False,
    )  # fmt: skip
    (ax,) = held.plot()
    assert ax.get_xlabel() == "coverage of 95 % intervals"
    plt.close("all")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replications": 0}, "replications: a whole number of at least 1"),
        ({"draws": 3}, "draws: a whole number of at least 19"),
        ({"workers": 0}, "workers: a whole number of at least 1"),
        ({"truth": "data"}, "truth: 'data' is neither"),
        ({"intervals": ["exact"]}, "intervals: .* not 'exact'"),
        ({"intervals": []}, "intervals: a list"),
        ({"level": 95}, "level: a number between 0 and 1"),
        ({"priors": "flat"}, "improper and cannot be drawn from"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str, rail: Any) -> None:
    given = {"replications": 2, "progress": False, **options}
    with pytest.raises(SpecError, match=message):
        bayeslme.calibrate(bayeslme.translate(RAIL), rail, **given)


def test_a_fit_is_no_specification(rail: Any) -> None:
    fit: Any = bayeslme.translate(RAIL).fit(rail)
    with pytest.raises(SpecError, match=r"fit\.spec"):
        bayeslme.calibrate(fit, rail)


def test_variances_of_fitted_values_are_drawn_with_their_effects(orthodont: Any) -> None:
    spec = bayeslme.translate(
        "lme(distance ~ age, random = ~ 1 | Subject, weights = varPower(form = ~ fitted(.)))"
    )
    priors = {"varfunc": "Normal(0.5, 0.5)"}
    found = bayeslme.calibrate(
        spec, orthodont, 4, draws=200, seed=1, priors=priors, workers=1, progress=False
    )
    assert list(found.draws_by["route"]) == ["laplace"] * 4
    assert ("likelihood", "log p(y | parameters, effects)") in found.ranks.columns
    assert ("ranef", "Subject M16 (Intercept)") in found.ranks.columns


def test_crossed_variances_of_fitted_values_need_nuts() -> None:
    data = bayeslme.load_data("Machines").copy()
    crossed = bayeslme.lmer("score ~ 1 + (1 | Worker) + (1 | Machine)", data).spec
    weighted = dataclasses.replace(crossed, weights=bayeslme.VarPower())
    with pytest.raises(SpecError, match="needs NUTS each time"):
        bayeslme.calibrate(weighted, data, 5)
