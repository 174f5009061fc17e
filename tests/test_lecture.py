"""The numbers of the lecture (Madsen and Jonsdottir 2012), at the digits printed there.

The beech data are a stand-in whose sufficient statistics equal those of the published fits; where
its last digit differs, the stand-in's own is tested.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.structures import CorAR1, CorCompSymm, VarIdent, VarPower

SUM = ("contr.sum", "contr.poly")


def shown(values: object, digits: int) -> list[float]:
    return [round(float(v), digits) for v in np.ravel(np.asarray(values, float))]


@cache
def beech(fixed: str) -> bayeslme.LmeFit:
    data = bayeslme.load_data("beech")
    return bayeslme.lme(fixed, data, "~ 1 | plank", contrasts=SUM)


@cache
def piglets(random: str) -> bayeslme.LmeFit:
    data = bayeslme.load_data("piglets")
    return bayeslme.lme("loglact ~ reg + status + reg:status", data, random, na_action="omit")


@cache
def orthodont() -> tuple[bayeslme.LmeFit, bayeslme.LmeFit]:
    data = bayeslme.load_data("orthodont")
    first = bayeslme.lme("distance ~ I(age - 11)", data, "~ 1 | Subject")
    second = first.update(fixed="distance ~ Sex * I(age - 11)")
    return first, second


def test_beech_with_interaction() -> None:
    table = beech("humidity ~ depth + width + depth:width").anova()
    assert shown(table["F-value"], 4) == [593.6487, 78.2592, 29.6464, 1.0840]
    assert list(table["numDF"]) == [1, 4, 2, 8]
    assert list(table["denDF"]) == [266] * 4
    assert round(table["p-value"].iloc[-1], 4) == 0.3745


def test_beech_without_interaction() -> None:
    fit = beech("humidity ~ depth + width")
    assert shown(fit.anova()["F-value"], 4) == [593.6487, 78.0677, 29.5739]
    assert list(fit.anova()["denDF"]) == [274] * 3
    assert shown([fit.aic, fit.loglik], 2) == [687.24, -334.62]
    assert round(fit.bic, 4) == 720.3615
    assert round(fit.varcorr()["plank"].sd["(Intercept)"], 7) == 0.9897981
    assert round(fit.sigma, 7) == 0.6361904
    table = fit.summary().fixed
    value = [5.466333, -0.751333, 0.438667, 0.728667, 0.397000, 0.047667, 0.319667]
    assert shown(table["Value"], 6) == value
    error = [0.22435273, *[0.07346094] * 4, *[0.05194473] * 2]
    np.testing.assert_allclose(table["Std.Error"], error, atol=1.1e-8)
    assert shown(table["p-value"].iloc[[0, 5, 6]], 4) == [0.0, 0.3596, 0.0]


def test_piglets_in_litters() -> None:
    fit = piglets("~ 1 | litter/pig")
    assert shown([fit.aic, fit.loglik], 5) == [97.91436, -39.95718]
    assert round(fit.bic, 3) == 115.647
    assert fit.varcorr()["litter"].sd["(Intercept)"] == 0.0
    assert round(fit.varcorr()["pig"].sd["(Intercept)"], 6) == 0.334534
    assert round(fit.sigma, 7) == 0.3673081
    table = fit.summary().fixed
    value = [2.1292914, 0.0093629, -0.0086600, -0.1211776, 0.1098179, -0.6550188]
    assert shown(table["Value"], 7) == value
    error = [0.1877797, 0.1963344, 0.1963344, 0.2329121, 0.2435229, 0.2458415]
    np.testing.assert_allclose(table["Std.Error"], error, atol=1.5e-7)
    assert list(table["DF"]) == [35, 35, 35, 14, 35, 35]
    assert shown(table["p-value"], 4) == [0.0, 0.9622, 0.9651, 0.6110, 0.6548, 0.0116]
    tests = fit.anova()
    assert shown(tests["F-value"], 4) == [478.7082, 10.2922, 2.5496, 5.6265]
    assert list(tests["denDF"]) == [35, 35, 14, 35]
    assert shown(tests["p-value"], 4) == [0.0, 0.0003, 0.1326, 0.0076]


def test_piglets_litter_is_not_needed() -> None:
    table = bayeslme.anova(piglets("~ 1 | litter/pig"), piglets("~ 1 | pig"))
    assert list(table["df"]) == [9, 8]
    assert shown(table["AIC"], 5) == [97.91436, 95.91436]
    assert shown(table["BIC"], 4) == [115.6470, 111.6767]
    assert round(table["L.Ratio"].iloc[1], 7) == 0.0
    assert round(table["p-value"].iloc[1], 3) == 1.0


def test_piglets_pig_is_needed() -> None:
    mixed = piglets("~ 1 | pig")
    plain = bayeslme.lm("loglact ~ reg + status + reg:status", mixed.data, na_action="omit")
    table = bayeslme.anova(mixed, plain)
    assert list(table["df"]) == [8, 7]
    assert shown(table["AIC"], 5) == [95.91436, 103.46331]
    assert shown(table["BIC"], 4) == [111.6767, 117.2554]
    assert shown(table["logLik"], 5) == [-39.95718, -44.73165]
    assert round(table["L.Ratio"].iloc[1], 6) == 9.548944
    assert round(table["p-value"].iloc[1], 3) == 0.002


def test_orthodont_growth_differs_by_sex() -> None:
    table = orthodont()[1].anova()
    assert shown(table["F-value"], 3) == [4123.156, 9.292, 122.450, 6.303]
    assert list(table["denDF"]) == [79, 25, 79, 79]
    assert shown(table["p-value"], 4) == [0.0, 0.0054, 0.0, 0.0141]


def test_orthodont_girls_vary_less() -> None:
    second = orthodont()[1]
    third = second.update(weights=VarIdent(form="~ 1 | Sex"))
    table = bayeslme.anova(second, third)
    assert list(table["df"]) == [6, 7]
    assert shown(table["AIC"], 4) == [445.7572, 429.2205]
    assert shown(table["BIC"], 4) == [461.6236, 447.7312]
    assert shown(table["logLik"], 4) == [-216.8786, -207.6102]
    assert round(table["L.Ratio"].iloc[1], 5) == 18.53677
    assert list(table["Test"]) == ["", "1 vs 2"]
    assert table["p-value"].iloc[1] < 1e-4
    # The optimum is 0.46789432; nlme stops at 0.46789442.
    np.testing.assert_allclose(third.weights_coef, [0.4678944], atol=1.2e-7)


def test_random_intercept_is_compound_symmetry() -> None:
    mixed = orthodont()[0]
    marginal = bayeslme.gls(
        "distance ~ I(age - 11)", mixed.data, correlation=CorCompSymm(form="~ 1 | Subject")
    )
    assert round(mixed.loglik, 4) == round(marginal.loglik, 4) == -223.5013
    variance = float(mixed.varcorr()["Subject"].cov.iloc[0, 0])
    rho = variance / (variance + mixed.sigma**2)
    assert float(marginal.correlation_coef.iloc[0]) == pytest.approx(rho, rel=1e-4)


def lecture_matrix(cup: str, cow: str, farm: str, elsewhere: str) -> pd.DataFrame:
    """Covariance of eight cups, two of each of two cows of each of two farms."""
    cell = {0: elsewhere, 1: farm, 2: cow, 3: cup}
    cup_of = range(8)
    same = [[(i == j) + (i // 2 == j // 2) + (i // 4 == j // 4) for j in cup_of] for i in cup_of]
    return pd.DataFrame([[cell[s] for s in row] for row in same])


def test_cows_by_cow_alone() -> None:
    fit = bayeslme.lme("fat ~ 1", bayeslme.load_data("cows"), "~ 1 | cow")
    wanted = lecture_matrix("σ₁² + σ²", "σ₁²", "0", "0")
    pd.testing.assert_frame_equal(fit.marginal_cov(symbolic=True), wanted)
    one = float(fit.varcorr()["cow"].cov.iloc[0, 0])
    numbers = lecture_matrix(*(str(v) for v in (one + fit.sigma**2, one, 0.0, 0.0)))
    np.testing.assert_allclose(fit.marginal_cov(), numbers.astype(float), rtol=1e-12)


def test_cows_within_farms() -> None:
    fit = bayeslme.lme("fat ~ 1", bayeslme.load_data("cows"), "~ 1 | farm/cow")
    wanted = lecture_matrix("σ₂² + σ₁² + σ²", "σ₂² + σ₁²", "σ₂²", "0")
    pd.testing.assert_frame_equal(fit.marginal_cov(symbolic=True), wanted)
    two, one = (float(fit.varcorr()[g].cov.iloc[0, 0]) for g in ("farm", "cow"))
    cells = (two + one + fit.sigma**2, two + one, two, 0.0)
    numbers = lecture_matrix(*map(str, cells)).astype(float)
    np.testing.assert_allclose(fit.marginal_cov(), numbers, rtol=1e-12)
    first = fit.marginal_cov(group=fit.ranef("farm").index[0])
    np.testing.assert_allclose(first, numbers.iloc[:4, :4], rtol=1e-12)


def test_trees_sequence_of_models() -> None:
    """``m.0``, ``m.AR1``, ``m.0d`` and the REML refit, on the simulated trees."""
    data = bayeslme.load_data("trees")
    plain = bayeslme.lme(
        "dds.log ~ dbh.log + dbh + BAL + BA + SITES", data, "~ 1 | PLot/MP", method="ML"
    )
    serial = plain.update(correlation=CorAR1())
    weighted = serial.update(weights=VarPower(form="~ dbh"))
    restricted = weighted.update(method="REML")
    ratios = bayeslme.anova(plain, serial, weighted)["L.Ratio"].iloc[1:]
    assert (ratios > 20).all()
    assert restricted.method == "REML"
    assert restricted.converged
