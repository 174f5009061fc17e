"""The same fit, at every verb, whatever the order of rows, the names, the units."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.structures import CorAR1, VarIdent

CLOSE = 2e-6  # of a standard error or of a parameter: two searches end at the same place


def orthodont(data: pd.DataFrame, names: dict[str, str] | None = None) -> bayeslme.LmeFit:
    """Random intercept, AR(1) in age order, a variance by sex; columns under any names."""
    n = {c: c for c in ("distance", "age", "Subject", "Sex", "visit")} | (names or {})
    return bayeslme.lme(
        f"{n['distance']} ~ {n['Sex']} * {n['age']}",
        data,
        f"~ 1 | {n['Subject']}",
        correlation=CorAR1(form=f"~ {n['visit']} | {n['Subject']}"),
        weights=VarIdent(form=f"~ 1 | {n['Sex']}"),
    )


@cache
def visits() -> pd.DataFrame:
    data = bayeslme.load_data("orthodont")
    data["visit"] = (data["age"] - 6) / 2
    return data


@cache
def reference() -> bayeslme.LmeFit:
    return orthodont(visits())


def close(got: object, want: object, scale: object = 1.0) -> None:
    one, other = np.asarray(got, float), np.asarray(want, float)
    room = CLOSE * np.maximum(np.abs(other), np.broadcast_to(np.asarray(scale, float), other.shape))
    assert (np.abs(one - other) <= 20 * room).all(), f"{one} for {other}"


def same(fit: bayeslme.LmeFit, want: bayeslme.LmeFit, rows: pd.Index | None = None) -> None:
    """All verbs agree; `rows` are the labels of the reference's rows in the order of this fit."""
    error = np.sqrt(np.diag(want.vcov()))
    close([fit.loglik, fit.aic, fit.bic], [want.loglik, want.aic, want.bic])
    close(fit.fixef, want.fixef, error)
    close(fit.vcov(), want.vcov())
    close(fit.sigma, want.sigma)
    close(fit.weights_coef, want.weights_coef)
    close(fit.correlation_coef, want.correlation_coef)
    close(fit.summary().fixed.to_numpy(), want.summary().fixed.to_numpy(), 1.0)
    for kind in ("sequential", "marginal"):
        close(fit.anova(type=kind).to_numpy(), want.anova(type=kind).to_numpy())
    for part, table in want.intervals().items():
        mine = dict(zip(want.intervals(), fit.intervals().values(), strict=True))[part]
        close(mine, table, np.abs(table.to_numpy()).max(axis=1, keepdims=True))
    order = want.design.index if rows is None else rows
    for verb in (
        lambda f: f.fitted(),
        lambda f: f.fitted(level=0),
        lambda f: f.residuals(),
        lambda f: f.residuals(type="pearson"),
        lambda f: f.residuals(type="normalized"),
    ):
        close(verb(fit), verb(want).loc[order], want.sigma)


def test_rows_in_any_order() -> None:
    shuffled = visits().sample(frac=1.0, random_state=3)
    fit = orthodont(shuffled)
    same(fit, reference(), shuffled.index)
    pd.testing.assert_index_equal(fit.fitted().index, shuffled.index)
    close(fit.ranef().loc[reference().ranef().index], reference().ranef(), 1.0)
    newdata = shuffled.head(9)
    close(fit.predict(newdata), reference().predict(newdata), 1.0)


def test_columns_under_other_names() -> None:
    names = {"distance": "y", "age": "x1", "Subject": "who", "Sex": "sex.of", "visit": "k"}
    fit = orthodont(visits().rename(columns=names), names)
    same(fit, reference())
    assert list(fit.fixef.index) == ["(Intercept)", "sex.ofFemale", "x1", "sex.ofFemale:x1"]
    assert list(fit.varcorr()) == ["who"]


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_response_in_other_units(factor: float) -> None:
    data = visits().assign(distance=visits()["distance"] * factor)
    fit, want = orthodont(data), reference()
    error = factor * np.sqrt(np.diag(want.vcov()))
    close(fit.fixef, factor * want.fixef, error)
    close(fit.sigma, factor * want.sigma)
    close(fit.loglik, want.loglik - (108 - 4) * np.log(factor))
    close(fit.correlation_coef, want.correlation_coef)
    close(fit.anova().to_numpy(), want.anova().to_numpy())
    close(fit.residuals(type="normalized"), want.residuals(type="normalized"), 1.0)
    close(fit.ranef(), factor * want.ranef(), factor)


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_covariate_in_other_units(factor: float) -> None:
    data = visits().assign(age=visits()["age"] * factor)
    fit, want = orthodont(data), reference()
    scale = np.array([1.0, 1.0, 1.0 / factor, 1.0 / factor])
    close(fit.fixef, scale * want.fixef, scale * np.sqrt(np.diag(want.vcov())))
    close(fit.summary().fixed["t-value"], want.summary().fixed["t-value"], 1.0)
    close(fit.anova().to_numpy(), want.anova().to_numpy())
    close(fit.fitted(), want.fitted())


def test_random_slope_in_other_units() -> None:
    def slopes(data: pd.DataFrame) -> bayeslme.LmeFit:
        return bayeslme.lme("distance ~ age", data, "~ age | Subject")

    want, factor = slopes(visits()), 1e3
    fit = slopes(visits().assign(age=visits()["age"] * factor))
    close(fit.fitted(), want.fitted(), 1.0)
    close(fit.varcorr()["Subject"].sd, want.varcorr()["Subject"].sd / [1.0, factor])
    close(fit.varcorr()["Subject"].corr, want.varcorr()["Subject"].corr)


def piglets(relabel: Callable[[pd.DataFrame], pd.DataFrame]) -> bayeslme.LmeFit:
    data = relabel(bayeslme.load_data("piglets"))
    return bayeslme.lme("loglact ~ reg * status", data, "~ 1 | litter/pig", na_action="omit")


def test_inner_labels_are_read_within_outer_groups() -> None:
    """Pigs 1 to 4 of each litter are other pigs in the next litter."""

    def within(data: pd.DataFrame) -> pd.DataFrame:
        pig = data["pig"].astype(int)
        first = pig.groupby(data["litter"], observed=True).transform("min")
        return data.assign(pig=pd.Categorical((pig - first + 1).astype(str)))

    fit, want = piglets(within), piglets(lambda data: data)
    close(fit.loglik, want.loglik)
    close(fit.summary().fixed.to_numpy(), want.summary().fixed.to_numpy(), 1.0)
    close(fit.anova().to_numpy(), want.anova().to_numpy())
    close(np.sort(fit.ranef("pig")["(Intercept)"]), np.sort(want.ranef("pig")["(Intercept)"]), 1.0)
    close(fit.fitted(), want.fitted(), 1.0)
    assert fit.ranef("pig").index[0] == "1/1"
    assert len(fit.ranef("pig")) == 20
