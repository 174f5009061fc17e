"""Cluster-robust covariances against their formulas with dense matrices."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

import bayeslme
from bayeslme.engine.inference.settings import INFERENCE
from bayeslme.errors import FitError
from bayeslme.structures import CorAR1, PdDiag, VarIdent


@cache
def nested() -> bayeslme.LmeFit:
    """Groups of unequal sizes, in no order, two levels and unequal variances."""
    data = bayeslme.load_data("Pixel").sample(frac=1.0, random_state=1).iloc[:90]
    return bayeslme.lme(
        "pixel ~ day + I(day^2)", data, "~ 1 | Dog/Side", weights=VarIdent(form="~ 1 | Side")
    )


@cache
def serial() -> bayeslme.GlsFit:
    data = bayeslme.load_data("Orthodont").iloc[3:]
    data = data.assign(visit=(data["age"] - 6) / 2, family=data["Subject"].cat.codes // 3)
    return bayeslme.gls(
        "distance ~ Sex * age", data, correlation=CorAR1(form="~ visit | Subject"), method="ML"
    )


class Dense:
    """The formulas of Bell and McCaffrey, cluster by cluster."""

    def __init__(self, fit: bayeslme.LmeFit | bayeslme.GlsFit, code: np.ndarray, kind: str) -> None:
        x, v = fit.design.X, fit.marginal_cov().to_numpy()
        w = np.linalg.inv(v)
        m = np.linalg.inv(x.T @ w @ x)
        e = fit.design.y - x @ fit.fixef.to_numpy()
        hat = np.eye(len(x)) - x @ m @ x.T @ w
        self.v, self.p, meat = v, [], np.zeros_like(m)
        n, p, g = len(x), x.shape[1], len(np.unique(code))
        factor = {"CR1": g / (g - 1), "CR1S": g * (n - 1) / ((g - 1) * (n - p))}.get(kind, 1.0)
        for c in np.unique(code):
            own = np.flatnonzero(code == c)
            vi, wi, xi = v[np.ix_(own, own)], w[np.ix_(own, own)], x[own]
            a = np.sqrt(factor) * np.eye(len(own))
            if kind == "CR3":
                a = np.linalg.inv(np.eye(len(own)) - xi @ m @ xi.T @ wi)
            if kind == "CR2":
                d = np.linalg.cholesky(vi).T
                s, u = np.linalg.eigh(d @ (vi - xi @ m @ xi.T) @ d.T)
                kept = s > 1e-10 * s.max()
                a = d.T @ (u[:, kept] / np.sqrt(s[kept])) @ u[:, kept].T @ d
            score = xi.T @ wi @ a
            meat += np.outer(score @ e[own], score @ e[own])
            self.p.append(m @ score @ hat[own])
        self.vcov = m @ meat @ m

    def degrees(self, c: np.ndarray) -> float:
        p = np.array([c @ one for one in self.p])
        cross = p @ self.v @ p.T
        return float(np.trace(cross) ** 2 / np.sum(cross**2))


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "CR3"])
@pytest.mark.parametrize("make", [nested, serial])
def test_formulas(make: Any, kind: Any) -> None:
    fit = make()
    group = "Dog" if make is nested else "Subject"
    dense = Dense(fit, fit.data[group].to_numpy(), kind)
    np.testing.assert_allclose(fit.vcov(kind), dense.vcov, rtol=1e-6, atol=1e-9)
    table = fit.summary(vcov=kind).fixed
    np.testing.assert_allclose(table["Std.Error"], np.sqrt(np.diag(dense.vcov)), rtol=1e-6)
    want = [dense.degrees(c) for c in np.eye(len(table))]
    np.testing.assert_allclose(table["DF"], want, rtol=1e-6)


@pytest.mark.parametrize("kind", ["CR0", "CR1S", "CR2", "CR3"])
def test_clusters_of_several_groups(kind: Any) -> None:
    fit = serial()
    dense = Dense(fit, fit.data["family"].to_numpy(), kind)
    np.testing.assert_allclose(fit.vcov(kind, cluster="family"), dense.vcov, rtol=1e-6)
    labels = fit.data["family"].map(lambda v: f"f{v}")
    np.testing.assert_allclose(fit.vcov(kind, cluster=labels), dense.vcov, rtol=1e-6)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2", "CR3"])
def test_clusters_of_independent_rows(kind: Any) -> None:
    """The adjustment of CR2 has a closed form there."""
    data = bayeslme.load_data("Orthodont").iloc[3:]
    fit = bayeslme.lm("distance ~ Sex * age", data)
    dense = Dense(fit, data["Subject"].to_numpy(), kind)
    np.testing.assert_allclose(fit.vcov(kind, cluster="Subject"), dense.vcov, rtol=1e-8)


@cache
def long_series() -> tuple[Any, Any]:
    """Four series, each longer than a dense matrix of its rows may be."""
    rng, m = np.random.default_rng(5), INFERENCE.max_group_rows + 500
    errors = lfilter([1.0], [1.0, -0.6], rng.normal(size=(5, m)), axis=1).ravel()
    time = np.tile(np.arange(m), 5)
    data = pd.DataFrame(
        {"g": np.repeat(list("abcde"), m), "time": time, "x": rng.normal(size=5 * m)}
    )
    data["y"] = 2.0 + 0.3 * data["x"] + errors
    held = CorAR1(0.6, form="~ time | g", fixed=True)
    return data, bayeslme.gls("y ~ x", data, correlation=held)


def test_long_groups_by_leaving_each_out() -> None:
    """CR3 is the spread of the estimates that leave one cluster out, at the same covariance."""
    data, fit = long_series()
    without = [fit.update(data=data[data["g"] != g]).fixef - fit.fixef for g in "abcde"]
    np.testing.assert_allclose(fit.vcov("CR3"), sum(np.outer(d, d) for d in without), rtol=1e-8)


def test_long_groups_have_no_cr2() -> None:
    with pytest.raises(FitError, match=r"'CR2' needs dense .* 3500 rows.* use 'CR3'"):
        long_series()[1].vcov("CR2")


def test_without_groups_it_is_that_of_single_rows() -> None:
    fit = bayeslme.lm("distance ~ Sex * age", bayeslme.load_data("Orthodont"))
    dense = Dense(fit, np.arange(108), "CR2")
    np.testing.assert_allclose(fit.vcov("CR2"), dense.vcov, rtol=1e-8)
    leverage = np.einsum(
        "np,pq,nq->n", fit.design.X, np.linalg.inv(fit.design.X.T @ fit.design.X), fit.design.X
    )
    bread = np.linalg.inv(fit.design.X.T @ fit.design.X) @ fit.design.X.T
    e2 = fit.residuals().to_numpy() ** 2
    np.testing.assert_allclose(fit.vcov("CR3"), (bread * (e2 / (1 - leverage) ** 2)) @ bread.T)


def test_a_coefficient_of_one_cluster_has_no_robust_test() -> None:
    """Under CR0 scores of a cluster's own indicator are 0; the other coefficients have tests."""
    growth = bayeslme.load_data("Orthodont")
    fit = bayeslme.gls("distance ~ age + Subject", growth, CorAR1(form="~ 1 | Subject"))
    summary = fit.summary(vcov="CR0")
    assert summary.fixed["DF"].notna().tolist() == [True, True] + [False] * 26
    assert summary.fixed["p-value"].isna().sum() == 26
    assert "is 0 whatever the data" in str(summary)
    table = fit.anova("marginal", vcov="CR0")
    assert np.isnan(table.loc["Subject", "p-value"]) and table.loc["age", "p-value"] < 1e-6
    assert fit.summary(vcov="CR2").fixed["DF"].notna().all()


def test_more_contrasts_than_clusters_have_no_joint_test() -> None:
    """Differences of visits in one arm rest on its three subjects, whose scores sum to zero."""
    growth = bayeslme.load_data("Orthodont")
    names = list(growth["Subject"].unique())
    few = growth[growth["Subject"].isin(names[:3] + names[-3:])]
    fit = bayeslme.gls("distance ~ factor(age) * Sex", few, CorAR1(form="~ 1 | Subject"))
    table = fit.anova("marginal", vcov="CR2")
    assert np.isnan(table.loc["factor(age)", "p-value"])
    assert 0 < table.loc["Sex", "p-value"] < 1


@pytest.mark.parametrize("kind", ["CR0", "CR3"])
def test_effects_that_reach_all_rows_of_a_group(kind: Any) -> None:
    """As many effects as rows, where elimination takes another way."""
    growth = bayeslme.load_data("Orthodont").query("age < 11")
    growth = growth.assign(y=growth["distance"] + np.cos(7.0 * np.arange(len(growth))))
    fit = bayeslme.lme("y ~ Sex", growth, {"Subject": PdDiag("~ I(age - 8)")})
    assert fit.estimate.problem.stages[0].filled is not None
    dense = Dense(fit, growth["Subject"].to_numpy(), kind)
    np.testing.assert_allclose(fit.vcov(kind), dense.vcov, rtol=1e-7)


def test_several_contrasts_in_a_balanced_design_are_hotelling() -> None:
    """With as many columns as visits the statistic is Hotelling's T squared of the profiles."""
    data = bayeslme.load_data("Orthodont").query("Sex == 'Male'").reset_index(drop=True)
    data = data.assign(visit=data["age"].astype(str))
    fit = bayeslme.lme("distance ~ visit", data, "~ 1 | Subject")
    table = fit.anova("marginal", vcov="CR2").loc["visit"]
    profiles = data.pivot(index="Subject", columns="visit", values="distance").to_numpy()
    differences = profiles[:, 1:] - profiles[:, :1]
    g, q = differences.shape
    mean = differences.mean(axis=0)
    t2 = g * mean @ np.linalg.solve(np.cov(differences.T), mean)
    assert table["denDF"] == pytest.approx(g - q, rel=1e-6)
    assert table["F-value"] == pytest.approx(t2 * (g - q) / ((g - 1) * q), rel=1e-6)


def test_means_and_their_differences() -> None:
    fit = serial()
    means = fit.means("Sex", at={"age": 11}, vcov="CR2")
    vcov = fit.vcov("CR2").to_numpy()
    np.testing.assert_allclose(
        means.table["Std.Error"], np.sqrt(np.diag(means.rows @ vcov @ means.rows.T)), rtol=1e-8
    )
    pair = means.contrasts()
    row = means.rows[0] - means.rows[1]
    assert pair.table["Std.Error"].iloc[0] == pytest.approx(np.sqrt(row @ vcov @ row))
    assert "CR2" in str(means)


def test_refusals() -> None:
    fit = serial()
    for call in (
        lambda: fit.vcov("HC3"),  # type: ignore[arg-type]
        lambda: fit.vcov("CR2", cluster=fit.data["age"].to_numpy()),
        lambda: fit.vcov("CR2", cluster="nobody"),
        lambda: fit.vcov("CR2", cluster=np.zeros(fit.nobs)),
        lambda: fit.vcov("model", cluster="family"),
        lambda: fit.summary(df="satterthwaite", vcov="CR2"),
    ):
        with pytest.raises(FitError):
            call()
