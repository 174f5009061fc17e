from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import SpecError


def test_fits_are_aligned_by_part_and_name(orthodont: pd.DataFrame) -> None:
    small = bayeslme.lme("distance ~ age", orthodont, random="~ 1 | Subject")
    large = small.update(fixed="distance ~ age + Sex")
    table = bayeslme.compare(small, large=large)
    assert list(dict.fromkeys(table.frame.columns.get_level_values(0))) == ["REML", "large"]
    assert np.isnan(table.frame.loc[("fixed", "SexFemale"), ("REML", "Value")])
    value = table.frame.loc[("fixed", "age"), ("large", "SE")]
    assert value == pytest.approx(large.summary().fixed.loc["age", "Std.Error"])
    assert table.frame.loc[("sigma", "sigma"), ("REML", "Value")] == pytest.approx(small.sigma)


def test_tables_of_other_software_find_their_rows(orthodont: pd.DataFrame) -> None:
    fit = bayeslme.lme("distance ~ age", orthodont, random="~ 1 | Subject")
    other = pd.DataFrame({"Coef.": [16.8, 1.43], "Std.Err.": [0.8, 0.06]}, ["(Intercept)", "sigma"])
    table = bayeslme.compare(fit, statsmodels=other)
    assert table.frame.loc[("sigma", "sigma"), ("statsmodels", "Value")] == 1.43
    assert table.frame.loc[("fixed", "(Intercept)"), ("statsmodels", "SE")] == 0.8
    first, second = str(table).splitlines()[:2]
    assert "REML" in first
    assert "statsmodels" in first
    assert second.split()[:4] == ["Value", "SE", "lower", "upper"]


def test_equal_names_are_told_apart(orthodont: pd.DataFrame) -> None:
    fit = bayeslme.lme("distance ~ age", orthodont, random="~ 1 | Subject")
    names = bayeslme.compare(fit, fit).frame.columns.get_level_values(0)
    assert list(dict.fromkeys(names)) == ["REML", "REML (2)"]


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(SpecError, match="not int"):
        bayeslme.compare(3)
    with pytest.raises(SpecError, match="at least one"):
        bayeslme.compare()
    with pytest.raises(SpecError, match="it has a"):
        bayeslme.compare(pd.DataFrame({"a": [1]}))


@pytest.mark.pymc
def test_a_posterior_stands_beside_its_fit(growth_fit: Any, posterior: Any) -> None:
    frame = bayeslme.compare(growth_fit, posterior).frame
    assert not frame["posterior"].isna().any(axis=None)
    apart = (frame["REML"]["Value"] - frame["posterior"]["Value"]).abs() / frame["posterior"]["SE"]
    assert apart.max() < 0.5


NESTED = "lme(yield ~ nitro, random = list(Block = ~ 1, Variety = ~ nitro))"


@pytest.fixture(scope="module")
def four() -> dict[str, Any]:
    fit: Any = bayeslme.translate(NESTED).fit(bayeslme.load_data("Oats"))
    return {
        "REML": fit,
        "ML": fit.update(method="ML"),
        "MAP": fit.update(priors="boundary-avoiding"),
        "posterior": fit.sample(draws=250, seed=1),
    }


def test_random_effects_of_all_kinds_of_results_are_aligned(four: dict[str, Any]) -> None:
    frame = bayeslme.compare(**four, ranef=True, level=0.9).frame
    parts = list(dict.fromkeys(frame.index.get_level_values("part")))
    assert parts == ["fixed", "Block", "Variety", "sigma", "ranef Block", "ranef Variety"]
    assert frame.loc["ranef Variety"].shape == (36, 16)
    row = frame.loc[("ranef Variety", "I/Victory nitro")]
    for name in ("REML", "ML", "MAP"):
        table = four[name].ranef("Variety", se=True).loc["I/Victory"]
        value, error = table[("est.", "nitro")], table[("se", "nitro")]
        assert row[name].to_numpy() == pytest.approx(
            [value, error, value - 1.6448536 * error, value + 1.6448536 * error], rel=1e-6
        )
    drawn = four["posterior"].data["posterior"]["ranef_Block"].sel(Block="IV").to_numpy().ravel()
    assert frame.loc[("ranef Block", "IV"), "posterior"].to_numpy() == pytest.approx(
        [drawn.mean(), drawn.std(ddof=1), *np.quantile(drawn, [0.05, 0.95])]
    )


def test_models_without_random_effects_have_none(orthodont: pd.DataFrame) -> None:
    fit = bayeslme.gls("distance ~ age", orthodont)
    drawn = fit.sample(draws=100, seed=1)
    assert bayeslme.compare(fit, drawn, ranef=True).frame.equals(bayeslme.compare(fit, drawn).frame)


def test_forests_show_every_result_of_a_parameter(four: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    table = bayeslme.compare(**four, ranef=True)
    axes = table.plot()
    shown = ~table.frame.index.get_level_values("part").str.startswith("ranef ")
    assert len(axes) == shown.sum()
    assert [t.get_text() for t in axes[0].get_yticklabels()] == list(four)
    points = [float(line.get_xdata()[0]) for line in axes[1].lines]
    assert points == pytest.approx(
        [table.frame.loc[("fixed", "nitro"), (name, "Value")] for name in four]
    )
    (ax,) = table.plot("ranef Block")
    assert [t.get_text() for t in ax.get_yticklabels()] == list(four["REML"].ranef("Block").index)
    with pytest.raises(SpecError, match="part: 'ranef' is not one of 'fixed'"):
        table.plot("ranef")
    plt.close("all")


def test_each_random_effect_has_a_panel_of_its_own(orthodont: Any) -> None:
    """Slopes were drawn on the axis of the intercepts, where they were points at zero."""
    import matplotlib.pyplot as plt

    fit = bayeslme.lme("distance ~ age", orthodont, "~ I(age - 11) | Subject")
    axes = bayeslme.compare(fit, ML=fit.update(method="ML"), ranef=True).plot("ranef Subject")
    assert [ax.get_xlabel() for ax in axes] == ["(Intercept)", "I(age - 11)"]
    slopes = [float(x) for x in axes[1].lines[0].get_xdata()]
    assert slopes == pytest.approx(fit.ranef()["I(age - 11)"])
    assert axes[1].get_xlim()[1] < 1.0 < axes[0].get_xlim()[1]
    plt.close("all")
