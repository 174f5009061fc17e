"""Offsets: the fit of the response less the offset, which every prediction adds again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorAR1, gls, lm, lme, lmer, load_data

DATA = load_data("Orthodont").assign(z=lambda d: np.sqrt(d["age"]))
LESS = DATA.assign(distance=DATA["distance"] - 2 * DATA["z"])
SERIAL = CorAR1(form="~ 1 | Subject")
FITS: dict[str, Callable[[str, pd.DataFrame], Any]] = {
    "lm": lambda right, data: lm(f"distance ~ {right}", data),
    "gls": lambda right, data: gls(f"distance ~ {right}", data, correlation=SERIAL),
    "lme": lambda right, data: lme(f"distance ~ {right}", data, "~ age | Subject"),
    "lmer": lambda right, data: lmer(f"distance ~ {right} + (1 | Subject) + (1 | age)", data),
}


@pytest.mark.parametrize("kind", list(FITS))
def test_it_is_taken_off_and_added_again(kind: str) -> None:
    fit, less = FITS[kind]("age + offset(2 * z)", DATA), FITS[kind]("age", LESS)
    assert fit.loglik == pytest.approx(less.loglik, abs=1e-9)
    np.testing.assert_allclose(fit.fixef, less.fixef)
    offset = 2 * DATA["z"]
    np.testing.assert_allclose(fit.fitted(), less.fitted() + offset)
    np.testing.assert_allclose(fit.residuals(), less.residuals(), atol=1e-9)
    new = DATA.head(3).assign(z=[1.0, 10.0, np.nan])
    own, other = (one.predict(new, interval=0.9, se=True) for one in (fit, less))
    shift = pd.DataFrame({c: 2 * new["z"] for c in ("fit", "lower", "upper")})
    np.testing.assert_allclose(own[["fit", "lower", "upper"]], other[list(shift)] + shift)
    np.testing.assert_allclose(own["se"], other["se"])
    np.testing.assert_allclose(
        fit.simulate(2, seed=1).sub(offset, axis=0), less.simulate(2, seed=1)
    )


@pytest.mark.parametrize("kind", ["gls", "lme", "lmer"])
def test_updates_and_refits_keep_it(kind: str) -> None:
    fit, less = FITS[kind]("age + offset(2 * z)", DATA), FITS[kind]("age", LESS)
    changed, other = (one.update(fixed=". ~ . + Sex") for one in (fit, less))
    assert changed.loglik == pytest.approx(other.loglik, abs=1e-8)
    assert fit.refit(DATA["distance"]).loglik == pytest.approx(fit.loglik, abs=1e-7)
    boot, same = (one.bootstrap(3, lambda f: f.fixef, 1, progress=False) for one in (fit, less))
    np.testing.assert_allclose(boot.replicates, same.replicates, rtol=1e-5)


def test_means_stand_at_the_offset_of_the_grid() -> None:
    fit, less = FITS["lme"]("Sex * age + offset(2 * z)", DATA), FITS["lme"]("Sex * age", LESS)
    own, other = (one.means("Sex").table for one in (fit, less))
    np.testing.assert_allclose(own["Value"], other["Value"] + 2 * DATA["z"].mean())
    np.testing.assert_allclose(own["Std.Error"], other["Std.Error"])
    both = fit.means("z", at={"z": [1.0, 3.0]})
    np.testing.assert_allclose(np.diff(both.table["Value"]), [4.0])
    assert both.contrasts().table["Value"].iloc[0] == pytest.approx(-4.0)
    assert fit.means("Sex", slope="z").table["Value"].tolist() == pytest.approx([2.0, 2.0])


def test_the_posterior_has_it_too() -> None:
    fit, less = FITS["lme"]("age + offset(2 * z)", DATA), FITS["lme"]("age", LESS)
    own, other = (one.sample(draws=50, chains=2, seed=1) for one in (fit, less))
    offset = 2 * DATA["z"]
    np.testing.assert_allclose(own.fixef, other.fixef, rtol=1e-6)
    np.testing.assert_allclose(own.fitted(), other.fitted() + offset, rtol=1e-6)
    np.testing.assert_allclose(own.residuals(), other.residuals(), atol=1e-6)
    new = DATA.head(2).assign(z=[1.0, 10.0])
    np.testing.assert_allclose(own.predict(new), other.predict(new) + 2 * new["z"], rtol=1e-6)
    drawn = own.data["posterior_predictive"]["y"] - other.data["posterior_predictive"]["y"]
    np.testing.assert_allclose(drawn.mean(("chain", "draw")), offset, rtol=1e-6)
    means = (one.means("age", at={"age": [9]}).table["Value"].iloc[0] for one in (own, other))
    assert next(means) - next(means) == pytest.approx(2 * DATA["z"].mean())


@pytest.mark.parametrize("form", ["marginal", "hierarchical"])
def test_pymc_models_have_it_as_data(form: str) -> None:
    spec = bayeslme.translate("lme(distance ~ age + offset(2 * z), random = ~ 1 | Subject)")
    model = spec.to_pymc(DATA, form=form)
    np.testing.assert_allclose(model["offset"].get_value(), 2 * DATA["z"])


def test_anova_and_summary_do_not_mind() -> None:
    fit, less = FITS["lme"]("age + offset(2 * z)", DATA), FITS["lme"]("age", LESS)
    np.testing.assert_allclose(fit.anova(), less.anova())
    assert "offset(2 * z)" in str(fit.summary())
    assert fit.spec.to_r().startswith("lme(distance ~ age + offset(2 * z)")
