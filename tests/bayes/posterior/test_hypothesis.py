from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bayeslme
from bayeslme.bayes.posterior.hypothesis import contrast
from bayeslme.errors import BayesLMEError, FitError


def test_a_probability_is_the_share_of_the_draws(collapsed: Any) -> None:
    table = collapsed.hypothesis("SexFemale < 0", "SexFemale >= 0")
    female = collapsed.values["fixef"][:, 1]
    assert table["probability"].to_list() == [np.mean(female < 0), np.mean(female >= 0)]
    assert table["Value"].to_list() == pytest.approx([female.mean()] * 2)
    assert table["SD"].iloc[0] == pytest.approx(female.std(ddof=1))
    assert [table["lower"].iloc[0], table["upper"].iloc[0]] == pytest.approx(
        np.quantile(female, [0.025, 0.975])
    )
    share = table["probability"].iloc[0]
    at_most = collapsed.data["sample_stats"].attrs["weights_ess"]
    assert table["mcse"].iloc[0] >= np.sqrt(share * (1 - share) / at_most) * 0.999


@pytest.mark.parametrize(
    ("statement", "truth"),
    [
        ("I(age - 11) + SexFemale:I(age - 11) < 0.5", lambda v: v[:, 2] + v[:, 3] < 0.5),
        ("-SexFemale > 2 * `I(age - 11)`", lambda v: -v[:, 1] > 2 * v[:, 2]),
        ("(Intercept) > 24 & SexFemale < -1", lambda v: (v[:, 0] > 24) & (v[:, 1] < -1)),
        ("!(SexFemale < -2)", lambda v: ~(v[:, 1] < -2)),
        ("abs(`SexFemale:I(age - 11)`) <= 0.3", lambda v: np.abs(v[:, 3]) <= 0.3),
        ("exp(SexFemale) < 0.1", lambda v: np.exp(v[:, 1]) < 0.1),
    ],
)
def test_statements_are_r_expressions(statement: str, truth: Any, collapsed: Any) -> None:
    found = collapsed.hypothesis(statement)
    assert found["probability"].iloc[0] == np.mean(truth(collapsed.values["fixef"]))
    several = "&" in statement or statement.startswith("!")
    assert np.isnan(found["Value"].iloc[0]) == several


def test_variance_parameters_are_named_as_in_the_summary(collapsed: Any) -> None:
    values = collapsed.values
    table = collapsed.hypothesis(
        "`Subject sd((Intercept))` > sigma", "sd((Intercept)) > sigma", "Phi < 0", "Female < 1"
    )
    expected = np.mean(values["sd_Subject"][:, 0] > values["sigma"])
    assert table["probability"].iloc[:2].to_list() == [expected, expected]
    assert table["probability"].iloc[2] == np.mean(values["corstruct"][:, 0] < 0)
    assert table["probability"].iloc[3] == np.mean(values["varfunc"][:, 0] < 1)


def test_a_name_of_two_parts_needs_its_part() -> None:
    fit: Any = bayeslme.translate("lme(yield ~ nitro, random = ~ 1 | Block/Variety)").fit(
        bayeslme.load_data("Oats")
    )
    drawn = fit.sample(draws=100, seed=1)
    with pytest.raises(FitError, match=r"'sd\(\(Intercept\)\)' .* several parts; .*`Block sd"):
        drawn.hypothesis("sd((Intercept)) > 1")
    found = drawn.hypothesis("`Block sd((Intercept))` > `Variety sd((Intercept))`")
    values = drawn.values
    assert found["probability"].iloc[0] == np.mean(
        values["sd_Block"][:, 0] > values["sd_Variety"][:, 0]
    )


def test_correlations_are_named_with_and_without_spaces(orthodont: Any) -> None:
    fit: Any = bayeslme.translate("lme(distance ~ age, random = ~ age | Subject)").fit(orthodont)
    drawn = fit.sample(draws=100, seed=1)
    expected = np.mean(drawn.values["cor_Subject"][:, 0, 1] < 0)
    for text in ("cor((Intercept),age) < 0", "`Subject cor((Intercept),age)` < 0"):
        assert drawn.hypothesis(text)["probability"].iloc[0] == expected


def test_certain_statements_have_no_error(collapsed: Any) -> None:
    table = collapsed.hypothesis("sigma > 0", kind="hdi")
    assert table[["probability", "mcse"]].to_numpy().tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("Height < 0", r"'Height' in 'Height < 0' is not a parameter; there are \(Intercept\)"),
        ("SexFemale == 0", "a single point has probability 0"),
        ("SexFemale = 0", "a single point has probability 0"),
        ("SexFemale", "is not a comparison"),
        ("1 < 2", "names no parameter"),
        ("SexFemale <", "SexFemale <"),
        ("__import__('os') < 1", "."),
        ("system(SexFemale) < 1", "system"),
        ("mean(SexFemale) < 0", r"mean\(\) is not a function of a single draw"),
    ],
)
def test_what_cannot_be_asked_is_refused(statement: str, message: str, collapsed: Any) -> None:
    with pytest.raises(BayesLMEError, match=message):
        collapsed.hypothesis(statement)


def test_nothing_asked_is_refused(collapsed: Any) -> None:
    with pytest.raises(FitError, match="at least one statement"):
        collapsed.hypothesis()
    with pytest.raises(FitError, match="neither 'eti'"):
        collapsed.hypothesis("sigma > 1", kind="central")


def test_contrasts_are_those_of_anova(collapsed: Any, growth_fit: Any) -> None:
    rows = {"girls": {"I(age - 11)": 1, "SexFemale:I(age - 11)": 1}, "boys": {"I(age - 11)": 1}}
    table = collapsed.contrast(rows)
    beta = collapsed.values["fixef"]
    both = np.column_stack([beta[:, 2] + beta[:, 3], beta[:, 2]])
    assert list(table.index) == ["girls", "boys"]
    assert table["Value"].to_numpy() == pytest.approx(both.mean(axis=0))
    assert table["SD"].to_numpy() == pytest.approx(both.std(axis=0, ddof=1))
    assert table["P(> 0)"].to_numpy() == pytest.approx((both > 0).mean(axis=0))
    # the classical contrast is close: the priors are weak
    classical = [growth_fit.fixef.to_numpy() @ [0, 0, 1, 1], growth_fit.fixef["I(age - 11)"]]
    assert table["Value"].to_numpy() == pytest.approx(classical, abs=0.05)
    assert list(contrast(collapsed, [0, 1, 0, 0]).index) == [1]
    with pytest.raises(FitError, match="'Time' is no coefficient"):
        collapsed.contrast({"Time": 1})


def test_the_shortest_interval_is_no_longer_than_equal_tails(collapsed: Any) -> None:
    equal, shortest = collapsed.intervals(0.9), collapsed.intervals(0.9, kind="hdi")
    for part in equal:
        width = [(t[part]["upper"] - t[part]["lower"]).to_numpy() for t in (equal, shortest)]
        assert np.all(width[1] <= width[0] + 1e-12)
    sd = collapsed.values["sd_Subject"][:, 0]
    low, high = shortest["Subject"].loc["sd((Intercept))", ["lower", "upper"]]
    assert np.mean((sd >= low) & (sd <= high)) == pytest.approx(0.9, abs=0.001)
    assert low < equal["Subject"]["lower"].iloc[0]  # skewed to the right


def test_quantities_are_functions_of_the_draws(collapsed: Any) -> None:
    text = "sd((Intercept))^2 / (sd((Intercept))^2 + sigma^2)"
    table = collapsed.quantities({"ICC": text, "log sigma": "log(sigma)"}, level=0.9)
    sd, sigma = collapsed.values["sd_Subject"][:, 0], collapsed.values["sigma"]
    icc = sd**2 / (sd**2 + sigma**2)
    assert table.loc["ICC", "Value"] == pytest.approx(icc.mean())
    assert table.loc["ICC", ["lower", "upper"]].to_list() == pytest.approx(
        np.quantile(icc, [0.05, 0.95])
    )
    assert table.loc["ICC", "mcse"] == pytest.approx(icc.std() / np.sqrt(len(icc)), rel=0.6)
    drawn = collapsed.quantities("log(sigma)", draws=True)
    assert drawn.iloc[:, 0].to_numpy() == pytest.approx(np.log(sigma))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sigma > 1", "quantities: 'sigma > 1' is true or false"),
        ("tau^2", "'tau' in .* is not a parameter"),
        ("1 + 1", "names no parameter"),
        ({}, "quantities: give at least one expression"),
    ],
)
def test_what_is_no_quantity_is_refused(text: Any, message: str, collapsed: Any) -> None:
    with pytest.raises(FitError, match=message):
        collapsed.quantities(text)
