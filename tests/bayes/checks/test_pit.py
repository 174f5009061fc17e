from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import bayeslme
from bayeslme.bayes.checks import left_out
from bayeslme.errors import FitError


def test_it_is_what_refits_without_the_row_give(orthodont: pd.DataFrame) -> None:
    spec = bayeslme.translate("lm(distance ~ age)")
    values = spec.fit(orthodont).sample(draws=2500, seed=1).pit().values
    for row in (0, 57, 106):
        refit = spec.fit(orthodont.drop(index=row)).sample(draws=2500, seed=2)
        beta, sigma = refit.values["fixef"], refit.values["sigma"]
        one = orthodont.loc[row]
        each = ndtr((one["distance"] - beta @ [1.0, one["age"]]) / sigma)
        error = each.std() / np.sqrt(len(each))
        assert values[row] == pytest.approx(each.mean(), abs=5 * error + 1e-4)


def test_marginal_and_conditional_values_are_close(collapsed: Any) -> None:
    marginal, conditional = collapsed.pit(), collapsed.pit("conditional")
    usable = conditional.pareto_k < 0.5
    assert usable.sum() > 60
    assert np.abs(marginal.values - conditional.values)[usable].max() < 0.03
    assert marginal.pareto_k.median() < conditional.pareto_k.median()


def test_a_well_fitting_model_passes_and_prints(collapsed: Any) -> None:
    found = collapsed.pit()
    assert found.passed and found.p > 0.05
    assert str(found).startswith("PIT, marginal: uniform (p = 0.")
    counts = [int(v) for v in str(found).splitlines()[1].split(":")[1].split()]
    assert sum(counts) == 108
    assert found.values.index.equals(collapsed.parameters.design.index)


def test_a_standard_deviation_that_is_too_large_is_found(orthodont: pd.DataFrame) -> None:
    drawn = bayeslme.translate("lm(distance ~ age)").fit(orthodont).sample(
        draws=500, seed=1, priors={"sigma": "Normal(mu=9, sigma=0.1)"}
    )  # fmt: skip
    found = drawn.pit()
    assert not found.passed
    assert ((found.values > 0.2) & (found.values < 0.8)).mean() > 0.9


def test_residuals_of_a_correlated_row_are_those_given_its_neighbours(collapsed: Any) -> None:
    """Without weights the values are normal tails of the exact conditional residuals."""
    exact = left_out.marginal(collapsed.parameters, collapsed.values)
    plain = ndtr(exact.residual / exact.sd).mean(axis=0)
    assert collapsed.pit().values.to_numpy() == pytest.approx(plain, abs=0.06)


def test_it_is_drawn(collapsed: Any) -> None:
    import matplotlib.pyplot as plt

    found = collapsed.pit()
    ax = found.plot()
    y = np.asarray(ax.lines[-1].get_ydata())
    assert np.max(np.abs(y)) == pytest.approx(
        max(
            np.max(np.abs(np.sort(found.values) - k / 108))
            for k in (np.arange(108), np.arange(1, 109))
        )
    )
    assert ax.get_title(loc="left") == f"p = {found.p:.3g}"
    plt.close("all")


def test_what_cannot_be_asked_is_refused(collapsed: Any) -> None:
    with pytest.raises(FitError, match="kind: 'group' is neither"):
        collapsed.pit("group")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collapsed.pit("conditional")  # high Pareto k is in the verdict, no warning
    assert "Pareto k is above 0.7 for" in collapsed.pit("conditional").verdict
