"""Three kinds of leave-one-out, and models ranked by them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

import bayeslme
from bayes.support import GROWTH_PRIORS
from bayeslme.bayes.density import by_group
from bayeslme.errors import FitError

COMMON = "lme(distance ~ Sex * I(age - 11), data = Orthodont, random = ~ 1 | Subject)"
PRIORS = {k: v for k, v in GROWTH_PRIORS.items() if k not in ("varfunc", "corstruct")}
LEFT_OUT = ("M05", "F03")


@pytest.fixture(scope="module")
def one_variance(orthodont: pd.DataFrame) -> Any:
    return (
        bayeslme.translate(COMMON)
        .fit(orthodont)
        .sample(draws=2500, chains=4, method="collapsed", priors=PRIORS, seed=2, progress=False)
    )


def noted(posterior: Any, kind: str) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = posterior.loo(kind)
    return found, [str(w.message) for w in caught]


def test_conditional_and_marginal_estimate_the_same(collapsed: Any) -> None:
    conditional, _ = noted(collapsed, "conditional")
    marginal, _ = noted(collapsed, "marginal")
    assert (marginal.pareto_k > 0.5).sum() < (conditional.pareto_k > 0.5).sum() / 2
    assert marginal.p < conditional.p / 2
    assert abs(conditional.elpd - marginal.elpd) < 0.1 * marginal.se
    assert marginal.elpd_i.dims == ("row",)
    assert marginal.n_data_points == 108


def test_high_pareto_k_is_noted(collapsed: Any) -> None:
    found, notes = noted(collapsed, "conditional")
    bad = int((found.pareto_k > 0.7).sum())
    assert bad > 0
    assert notes[0].startswith(f"loo, conditional: Pareto k is above 0.70 for {bad} of 108 rows")
    assert "kind='marginal'" in notes[0]


def test_group_is_what_refits_without_the_group_give(
    one_variance: Any, orthodont: pd.DataFrame
) -> None:
    found, _ = noted(one_variance, "group")
    for group in LEFT_OUT:
        refit = (
            bayeslme.translate(COMMON)
            .fit(orthodont[orthodont["Subject"] != group])
            .sample(draws=2500, chains=4, method="collapsed", priors=PRIORS, seed=4, progress=False)
        )
        labels = one_variance.parameters.levels[0].level.labels
        terms = by_group(one_variance.parameters, refit.values)[:, labels.index(group)]
        exact = logsumexp(terms) - np.log(len(terms))
        ratio = np.exp(terms - exact)
        error = float(ratio.std() / np.sqrt(len(ratio)))
        estimate = float(found.elpd_i.sel(Subject=group))
        assert abs(estimate - exact) < 4 * np.hypot(error, error)


@pytest.mark.filterwarnings("ignore:loo, marginal")
def test_models_are_ranked_and_stacked(collapsed: Any, one_variance: Any) -> None:
    table = bayeslme.compare_models(
        {"one variance": one_variance, "by sex": collapsed}, kind="marginal"
    )
    assert list(table.index) == ["by sex", "one variance"]
    assert table["weight"].sum() == pytest.approx(1.0)
    assert table.loc["by sex", "weight"] > 0.7
    assert table.loc["one variance", "elpd_diff"] < -2.0


def test_without_random_effects_rows_are_independent(orthodont: pd.DataFrame) -> None:
    posterior = (
        bayeslme.translate("lm(distance ~ age)").fit(orthodont).sample(seed=3, progress=False)
    )
    marginal, conditional = posterior.loo("marginal"), posterior.loo("conditional")
    assert marginal.elpd == pytest.approx(conditional.elpd)
    assert posterior.loo("group").elpd == pytest.approx(marginal.elpd)


def test_what_cannot_be_asked_is_refused(collapsed: Any, orthodont: pd.DataFrame) -> None:
    with pytest.raises(bayeslme.FitError, match="kind: 'row' is none of"):
        collapsed.loo("row")
    with pytest.raises(bayeslme.SpecError, match="at least two"):
        bayeslme.compare_models({"a": collapsed})
    with pytest.raises(bayeslme.SpecError, match="'b' is a LmeFit"):
        bayeslme.compare_models({"a": collapsed, "b": collapsed.fit})
    other = (
        bayeslme.translate(COMMON)
        .fit(orthodont[orthodont["age"] < 14])
        .sample(seed=1, priors=PRIORS, progress=False)
    )
    with pytest.raises(bayeslme.SpecError, match="other responses or rows"):
        bayeslme.compare_models({"a": collapsed, "b": other})


def test_what_decides_is_named_and_what_cannot_be_done_refused(growth_fit: Any) -> None:
    few = growth_fit.sample(draws=20, chains=2, seed=1)
    for verb in ("loo", "pit", "sensitivity"):
        with pytest.raises(FitError, match=f"{verb}: importance weights need 100 draws"):
            getattr(few, verb)()
    with pytest.warns(
        UserWarning, match=r"of 108 rows \(\d+(, \d+)*(, \.\.\.)?\); kind='marginal'"
    ):
        growth_fit.sample(draws=500, seed=1).loo("conditional")
    alone = bayeslme.gls(
        "distance ~ age", growth_fit.data.iloc[:40], correlation=bayeslme.CorCompSymm()
    )
    with pytest.raises(FitError, match="there is one only; use kind='marginal'"):
        alone.sample(draws=100, seed=1).loo("group")
