"""Parameters by level: sums of separate fits, printed, predicted, sampled."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.arrays import pytensor_ops
from bayeslme.errors import BayesLMEError, DataError, SpecError
from bayeslme.structures import (
    CorAnte,
    CorAR1,
    CorARMA,
    CorCompSymm,
    CorExp,
    CorrelationGroups,
    CorSymm,
    CorToep,
    VarIdent,
    correlation_groups,
)

STRUCTURES = [CorAR1, CorAnte, CorCompSymm, CorSymm, CorToep, CorExp]


@cache
def data() -> pd.DataFrame:
    frame = bayeslme.load_data("Orthodont").assign(visit=lambda d: (d["age"] - 6) / 2)
    return frame.drop(index=[1, 30, 70, 90, 91]).sample(frac=1.0, random_state=2)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_all_by_level_is_the_sum_of_separate_fits(structure: Any) -> None:
    fit = bayeslme.gls(
        "distance ~ Sex * age",
        data(),
        correlation=structure(form="~ visit | Subject", by="Sex"),
        weights=VarIdent(form="~ 1 | Sex"),
        method="ML",
    )
    apart = {
        level: bayeslme.gls(
            "distance ~ age", own, correlation=structure(form="~ visit | Subject"), method="ML"
        )
        for level, own in data().groupby("Sex", observed=True)
    }
    assert fit.loglik == pytest.approx(sum(one.loglik for one in apart.values()), abs=1e-6)
    for level, one in apart.items():
        own = fit.correlation_coef.filter(like=f".{level}")
        assert list(own.index) == [f"{n}.{level}" for n in one.correlation_coef.index]
        np.testing.assert_allclose(own, one.correlation_coef, atol=2e-4)
    table = fit.intervals()["corstruct"]
    assert list(table.index) == list(fit.correlation_coef.index)
    assert ((table["lower"] < table["est."]) & (table["est."] < table["upper"])).all()
    assert all(name in str(fit.summary()) for name in fit.correlation_coef.index)


def test_forecasts_are_those_of_the_level() -> None:
    structure = CorAR1(form="~ visit | Subject", by="Sex")
    fit = bayeslme.gls(
        "distance ~ Sex * age", data(), correlation=structure, weights=VarIdent(form="~ 1 | Sex")
    )
    girls = data()[data()["Sex"] == "Female"]
    new = girls.groupby("Subject", observed=True).head(1).assign(age=16, visit=5.0)
    got = fit.predict(new, use_correlation=True)
    last = girls.sort_values("visit").groupby("Subject", observed=True).tail(1)
    rest = (last["distance"] - fit.predict(last)).set_axis(last["Subject"])
    phi = fit.correlation_coef["Phi.Female"] ** (5 - last["visit"].to_numpy())
    want = fit.predict(new).to_numpy() + (phi * rest).loc[new["Subject"]].to_numpy()
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_random_effects_and_one_level_only() -> None:
    one = data()[data()["Sex"] == "Male"]
    plain = bayeslme.lme("distance ~ age", one, "~ 1 | Subject", correlation=CorAR1(form="~ visit"))
    by = bayeslme.lme(
        "distance ~ age", one, "~ 1 | Subject", correlation=CorAR1(form="~ visit", by="Sex")
    )
    assert by.loglik == pytest.approx(plain.loglik, abs=1e-8)


def groups() -> CorrelationGroups:
    sizes = np.array([4, 3, 5, 4])
    starts = np.cumsum(sizes) - sizes
    position = np.concatenate([np.arange(n, dtype=float) for n in sizes])[:, None]
    return correlation_groups(
        starts, int(sizes.sum()), position, 1.0, np.array([1, 0, 1, 0]), ("a", "b")
    )


@pytest.mark.pymc
@pytest.mark.parametrize("structure", [CorAR1, CorAnte, CorToep, CorSymm])
def test_pytensor_equals_numpy_and_the_dense_route(structure: Any) -> None:
    import pytensor
    import pytensor.tensor as pt

    xp, places = pytensor_ops(), groups()
    bound = structure(by="arm").bind(places)
    w = np.random.default_rng(1).normal(size=(2, places.n))
    u = pt.vector("u", shape=(len(bound.start),))
    white, half = bound.structure.whiten(xp.constant(w), bound.natural(u, xp), places, xp)
    value = (white**2).sum() + half.sum()
    f = pytensor.function([u], [white, half, pt.grad(value, u)], mode="FAST_COMPILE")
    at = bound.start + np.linspace(-0.4, 0.5, len(bound.start))
    got, got_half, slope = f(at)
    for method in (bound.structure.whiten, bound.structure.whiten_dense):
        want, want_half = method(w, bound.natural(at), places)
        np.testing.assert_allclose(got, want, atol=1e-10)
        np.testing.assert_allclose(got_half, want_half, atol=1e-10)
    assert np.all(np.isfinite(slope))


def test_posterior_and_priors_by_level(tmp_path: Path) -> None:
    fit = bayeslme.gls(
        "distance ~ Sex * age", data(), correlation=CorAR1(form="~ visit | Subject", by="Sex")
    )
    priors = {"corstruct": {"Phi.Male": "Uniform(lower=-0.2, upper=0.1)"}}
    posterior = fit.sample(draws=250, chains=2, seed=1, priors=priors, progress=False)
    draws = posterior.data["posterior"]["corstruct"]
    assert list(draws["corstruct_coef"].values) == ["Phi.Male", "Phi.Female"]
    boys, girls = (draws.sel(corstruct_coef=f"Phi.{s}").to_numpy() for s in ("Male", "Female"))
    assert boys.min() >= -0.2 and boys.max() <= 0.1 < girls.mean()
    newdata = data().head(3).assign(Subject="new")
    assert posterior.predict(newdata).notna().all(axis=None)
    posterior.save(tmp_path / "by.nc")
    again = bayeslme.load_posterior(tmp_path / "by.nc")
    assert again.summary().fixed.equals(posterior.summary().fixed)
    assert "nlme cannot express" in fit.report(tmp_path / "by.html").read_text()


def test_refusals() -> None:
    with pytest.raises(DataError, match="'visit' must be constant within correlation groups"):
        bayeslme.gls(
            "distance ~ age", data(), correlation=CorAR1(form="~ visit | Subject", by="visit")
        )
    with pytest.raises(BayesLMEError, match="nobody"):
        bayeslme.gls("distance ~ age", data(), correlation=CorAR1(form="~ 1|Subject", by="nobody"))
    with pytest.raises(SpecError, match="by"):
        bayeslme.translate('gls(y ~ x, correlation = corAR1(form = ~ 1 | g, by = "arm"))')
    with pytest.raises(TypeError):
        CorARMA(None, "~ 1", 1, 0, False, "arm")  # type: ignore[misc]
    fit = bayeslme.gls(
        "distance ~ age", data(), correlation=CorCompSymm(form="~ 1 | Subject", by="Sex")
    )
    assert 'by="Sex"' in str(fit.spec)
    with pytest.raises(SpecError, match="nlme cannot express by = 'Sex'"):
        fit.spec.to_r()
