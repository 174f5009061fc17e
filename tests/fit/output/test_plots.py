"""Plots of fits: every plot of the lecture and of the methods, and what is drawn on its axes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import norm

import bayeslme
from bayeslme.errors import BayesLMEError, FitError, SpecError


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    for number in plt.get_fignums():
        if len(plt.figure(number).axes) <= 12:
            plt.figure(number).canvas.draw()  # layout and text are only tried when drawn
    plt.close("all")


@pytest.fixture(scope="module")
def fit2() -> bayeslme.LmeFit:
    return bayeslme.lme(
        "distance ~ Sex * I(age - 11)", bayeslme.load_data("Orthodont"), "~ age | Subject"
    )


def offsets(ax: plt.Axes) -> np.ndarray:
    return np.asarray(ax.collections[0].get_offsets())


def test_the_lectures_plots(fit2: bayeslme.LmeFit) -> None:
    (ax,) = fit2.plot()
    shown = offsets(ax)
    np.testing.assert_allclose(shown[:, 0], fit2.fitted())
    np.testing.assert_allclose(shown[:, 1], fit2.residuals(type="pearson"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Fitted values (mm)", "Standardized residuals")
    (by_age,) = fit2.plot("resid(., type='p') ~ age", abline=0)
    np.testing.assert_allclose(offsets(by_age)[:, 0], fit2.data["age"])
    assert by_age.get_xlabel() == "Age (yr)"
    panels = fit2.plot("resid(., type='p') ~ fitted(.) | Sex", abline=0)
    assert [ax.get_title() for ax in panels] == ["Male", "Female"]
    for ax, sex in zip(panels, ["Male", "Female"], strict=True):
        chosen = fit2.data["Sex"] == sex
        np.testing.assert_allclose(offsets(ax)[:, 0], fit2.fitted()[chosen])


def test_nlmes_other_formulas(fit2: bayeslme.LmeFit) -> None:
    (ax,) = fit2.plot("distance ~ fitted(.)", abline=(0, 1))
    np.testing.assert_allclose(offsets(ax)[:, 1], fit2.data["distance"])
    assert ax.lines[0].get_slope() == 1
    assert len(fit2.plot("distance ~ fitted(.)")[0].lines) == 0  # zero is no reference here
    (ax,) = fit2.plot("Subject ~ resid(.)")
    assert [t.get_text() for t in ax.get_yticklabels()] == list(fit2.ranef().index)
    (ax,) = fit2.plot("resid(., type='n', level=0) ~ Sex")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["Male", "Female"]
    assert len(fit2.plot("distance ~ fitted(.) | Subject", abline=(0, 1))) == 27
    with pytest.raises(SpecError, match="type is one of"):
        fit2.plot("resid(., type='z') ~ fitted(.)")
    with pytest.raises(SpecError, match=r"resid\(.\) takes level = and type ="):
        fit2.plot("resid(., kind='p') ~ fitted(.)")
    with pytest.raises(BayesLMEError, match="height"):
        fit2.plot("resid(.) ~ height")
    with pytest.raises(FitError, match="id: a number between 0 and 1"):
        fit2.plot(id=2)


def test_marked_rows_are_the_large_residuals(fit2: bayeslme.LmeFit) -> None:
    (ax,) = fit2.plot(id=0.01)
    standard = fit2.residuals(type="pearson").abs()
    beyond = standard.index[standard > norm.ppf(0.995)]
    assert {t.get_text() for t in ax.texts} == {str(i) for i in beyond} != set()


def test_caterpillar_of_the_random_effects(fit2: bayeslme.LmeFit) -> None:
    axes = fit2.plot.caterpillar(level=0.9)
    table = fit2.ranef(se=True)
    for ax, name in zip(axes, ["(Intercept)", "age"], strict=True):
        lower = np.array([s[0, 0] for s in ax.collections[0].get_segments()])
        want = (table["est."] - norm.ppf(0.95) * table["se"])[name]
        order = table["est."][name].argsort()
        np.testing.assert_allclose(lower, want.iloc[order])
    with pytest.raises(FitError, match="level: a number between 0 and 1"):
        fit2.plot.caterpillar(level=95)


def test_curves_of_the_groups(fit2: bayeslme.LmeFit) -> None:
    axes = fit2.plot.aug_pred(level=[0, 1])
    assert [ax.get_title() for ax in axes] == list(fit2.ranef().index)
    assert [line.get_label() for line in axes[3].lines[1:]] == ["predict.fixed", "predict.Subject"]
    axes[0].figure.canvas.draw()
    simpler = fit2.update(random="~ 1 | Subject")
    assert len(fit2.plot.compare_pred(simpler)) == 27


def test_pairs_of_coefficients(fit2: bayeslme.LmeFit) -> None:
    grid = fit2.plot.pairs("ranef", id=0.05)
    np.testing.assert_allclose(offsets(grid[1, 0]), fit2.ranef())
    assert "M13" in [t.get_text() for t in grid[1, 0].texts]
    single = fit2.update(random="~ 1 | Subject")
    with pytest.raises(BayesLMEError, match="at least two coefficients"):
        single.plot.pairs()
    with pytest.raises(FitError, match="of: 'blup'"):
        fit2.plot.pairs("blup")  # type: ignore[arg-type]


def test_quantiles_by_factor(fit2: bayeslme.LmeFit) -> None:
    axes = fit2.plot.qq(by="Sex")
    assert [ax.get_title() for ax in axes] == ["Male", "Female"]
    assert [len(offsets(ax)) for ax in axes] == [64, 44]
    with pytest.raises(FitError, match="leave group or by out"):
        fit2.plot.qq(group="Subject", by="Sex")


def test_quantiles_by_formula(fit2: bayeslme.LmeFit) -> None:
    axes = fit2.plot.qq("~ resid(., type = 'r', level = 0) | Sex")
    assert axes[0].get_xlabel() == "Residuals"
    girls = fit2.residuals(level=0)[fit2.data["Sex"] == "Female"]
    np.testing.assert_allclose(offsets(axes[1])[:, 0], np.sort(girls))
    axes = fit2.plot.qq("~ ranef(., level = 1)", id=0.05)
    slopes = fit2.ranef()["age"]
    assert (
        [t.get_text() for t in axes[1].texts]
        == list(slopes.index[slopes.abs() > norm.ppf(0.975) * slopes.std()])
        != []
    )
    (ax,) = fit2.plot.qq(id=0.01)
    standard = fit2.residuals(type="pearson").abs()
    beyond = standard.index[standard > norm.ppf(0.995)]
    assert {t.get_text() for t in ax.texts} == {str(i) for i in beyond}
    for form, words in (
        ("~ fitted(.)", "none of ~ resid"),
        ("~ ranef(., type = 'p')", "takes level ="),
        ("~ resid(., type = 'z')", "type is one of"),
        ("~ ranef(., level = 'School')", "level 'School' is none of"),
    ):
        with pytest.raises(SpecError, match=words):
            fit2.plot.qq(form)
    with pytest.raises(FitError, match="the formula says it all"):
        fit2.plot.qq("~ resid(.)", by="Sex")
    with pytest.raises(FitError, match="none by a factor"):
        fit2.plot.qq("~ ranef(.) | Sex")
    with pytest.raises(FitError, match="'raw' is none of"):
        fit2.plot.qq("raw")


def test_fits_without_random_effects_say_so() -> None:
    plain = bayeslme.lm("distance ~ age", bayeslme.load_data("Orthodont"))
    for draw in (plain.plot.caterpillar, plain.plot.pairs, lambda: plain.plot.qq(group="Subject")):
        with pytest.raises(FitError, match="a fit by lm has no random effects"):
            draw()


def test_separate_fits() -> None:
    fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("Orthodont"))
    axes = fits.plot()
    segments = axes[1].collections[0].get_segments()
    np.testing.assert_allclose([s[0, 0] for s in segments], fits.intervals()["age"]["lower"])
    grid = fits.plot.pairs(id=0.01)
    assert [t.get_text() for t in grid[1, 0].texts] == ["M13"]


def test_a_variance_of_zero_is_drawn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = bayeslme.lme(
            "loglact ~ reg * status",
            bayeslme.load_data("piglets"),
            "~ 1 | litter/pig",
            na_action="omit",
        )
    assert fit.varcorr()["litter"].sd.iloc[0] == 0.0
    (ax,) = fit.plot.caterpillar("litter")
    assert all(s[0, 0] == s[1, 0] == 0.0 for s in ax.collections[0].get_segments())
    fit.plot.qq(group="litter")
