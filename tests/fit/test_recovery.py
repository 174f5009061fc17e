"""Simulate and recover, for every structure: from its definition, and from ``fit.simulate``.

Likelihood ratios of the truth are chi-squared; ``NEVER`` is their quantile in one of 10,000 fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import bayeslme
from bayeslme import structures as s
from bayeslme.engine import NaturalPoint

NEVER = 0.9999
GROUPS, SIZE, SIGMA = 60, 6, 1.5
EFFECTS = ("(Intercept)", "x", "z")

CORRELATIONS: list[tuple[s.CorStruct, list[float]]] = [
    (s.CorAR1(form="~ day | g"), [0.6]),
    (s.CorCAR1(form="~ time | g"), [0.4]),
    (s.CorCompSymm(form="~ 1 | g"), [0.35]),
    (s.CorARMA(form="~ day | g", p=1, q=1), [0.7, -0.4]),
    (s.CorARMA(form="~ day | g", p=2), [0.5, 0.3]),
    (s.CorARMA(form="~ day | g", p=1, q=2), [0.4, 0.4, 0.3]),
    (s.CorSymm(form="~ day | g"), list(0.8 - 0.04 * np.arange(15))),
    (s.CorNatural(form="~ day | g"), list(0.8 - 0.04 * np.arange(15))),
    (s.CorExp(form="~ time | g"), [1.5]),
    (s.CorExp(form="~ time | g", nugget=True), [2.0, 0.3]),
    (s.CorGaus(form="~ time | g"), [1.5]),
    (s.CorLin(form="~ time | g"), [3.0]),
    (s.CorRatio(form="~ time | g", nugget=True), [1.5, 0.2]),
    (s.CorSpher(form="~ time | g"), [3.0]),
    (s.CorMatern(form="~ time | g"), [1.0]),
    (s.CorToep(form="~ day | g"), [0.6, 0.2, 0.1, 0.1, 0.0]),
    (s.CorToep(form="~ day | g", bands=3), [0.5, 0.2]),
    (s.CorAnte(form="~ day | g"), [0.8, 0.2, -0.3, 0.5, 0.7]),
    (s.CorAR1AR1(form="~ row + col | g"), [0.6, -0.3]),
    (s.CorAR1AR1(form="~ row + col | g", nugget=True), [0.7, 0.8, 0.2]),
]
VARIANCES: list[tuple[s.VarFunc, list[float]]] = [
    (s.VarFixed("~ v"), []),
    (s.VarIdent(form="~ 1 | sex"), [1.0, 2.0]),
    (s.VarPower(form="~ v"), [0.8]),
    (s.VarPower(form="~ v | sex"), [0.8, -0.4]),
    (s.VarExp(form="~ v"), [0.5]),
    (s.VarConstPower(form="~ v"), [0.5, 1.5]),
    (s.VarConstProp(form="~ v"), [1.0, 0.8]),
    (s.VarComb(s.VarIdent(form="~ 1 | sex"), s.VarExp(form="~ v")), [1.0, 0.5, -0.4]),
]
PDMATS: list[tuple[s.PdMat, list[float]]] = [
    (s.PdSymm(form="~ x + z"), [1.2, 0.8, 0.6, 0.5, -0.3, 0.2]),
    (s.PdLogChol(form="~ x + z"), [1.2, 0.8, 0.6, 0.5, -0.3, 0.2]),
    (s.PdNatural(form="~ x + z"), [1.2, 0.8, 0.6, 0.5, -0.3, 0.2]),
    (s.PdDiag(form="~ x + z"), [1.2, 0.8, 0.6]),
    (s.PdIdent(form="~ x + z"), [0.9]),
    (s.PdCompSymm(form="~ x + z"), [0.9, 0.4]),
    (s.PdBlocked([s.PdDiag(form="~ 1"), s.PdSymm(form="~ x + z - 1")]), [1.2, 0.8, 0.6, 0.4]),
]
HELD = "varConstProp"  # multiplies a free sigma: identified only where sigma is held


@dataclass(frozen=True)
class Truth:
    """Natural parameters of a simulation; empty lists where there is no such structure."""

    random: tuple[np.ndarray, ...] = ()
    corstruct: np.ndarray | None = None
    varfunc: np.ndarray | None = None

    def size(self, fit: bayeslme.LmeFit) -> int:
        return len(fit.estimate.theta) + (not fit.estimate.sigma_held)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = GROUPS * SIZE
    gaps = rng.uniform(0.3, 1.7, (GROUPS, SIZE))
    return pd.DataFrame(
        {
            "g": np.repeat(np.arange(GROUPS), SIZE).astype(str),
            "day": np.tile(np.arange(SIZE), GROUPS),
            "time": np.cumsum(gaps, axis=1).ravel(),
            "row": np.tile(np.arange(SIZE) // 2, GROUPS),
            "col": np.tile(np.arange(SIZE) % 2, GROUPS),
            "x": rng.standard_normal(n),
            "z": rng.standard_normal(n),
            "v": rng.uniform(0.5, 3.0, n),
            "sex": pd.Categorical(rng.choice(["a", "b"], n)),
        }
    )


def ratio(fit: bayeslme.LmeFit, truth: Truth) -> float:
    """Twice the log-likelihood of the fit less that of the truth, coefficients profiled."""
    point = NaturalPoint(np.array(SIGMA), truth.random, truth.corstruct, truth.varfunc)
    return 2 * (fit.loglik - float(fit.estimate.likelihood().at_natural(point)))


def check(fit: bayeslme.LmeFit, truth: Truth) -> None:
    got, degrees = ratio(fit, truth), truth.size(fit)
    assert -1e-6 <= got < chi2.ppf(NEVER, degrees)
    again = fit.update(data=fit.data.assign(y=fit.simulate(1, seed=5)["sim_1"].to_numpy()))
    own = Truth(*natural_of(fit))
    point = NaturalPoint(np.array(fit.sigma), own.random, own.corstruct, own.varfunc)
    back = 2 * (again.loglik - float(again.estimate.likelihood().at_natural(point)))
    assert -1e-6 <= back < chi2.ppf(NEVER, degrees)


def natural_of(fit: bayeslme.LmeFit) -> tuple[Any, ...]:
    estimate = fit.estimate
    random = tuple(
        level.structure.to_natural(fit.sigma**2 * factor @ factor.T)
        for level, factor in zip(fit.design.levels, estimate.factors, strict=True)
    )
    return random, estimate.corstruct, estimate.varfunc


def response(frame: pd.DataFrame, rest: np.ndarray) -> pd.DataFrame:
    return frame.assign(y=2.0 + 0.5 * frame["x"].to_numpy() + rest)


def test_the_lists_name_every_class() -> None:
    elsewhere = {s.PdKnown}  # its matrix names the groups of one data set: test_known.py
    for base, used in ((s.CorStruct, CORRELATIONS), (s.VarFunc, VARIANCES), (s.PdMat, PDMATS)):
        assert {type(one) for one, _ in used} == public(base) - elsewhere


def public(base: type) -> set[type]:
    """The package's own structures below a base class."""
    own = base.__module__.startswith("bayeslme.") and "r_name" in vars(base)
    return ({base} if own else set()).union(*map(public, base.__subclasses__()))


@pytest.mark.parametrize(("structure", "value"), CORRELATIONS, ids=lambda v: repr(v)[:60])
def test_correlation(structure: s.CorStruct, value: list[float], frame: pd.DataFrame) -> None:
    par = np.array(value)
    rng = np.random.default_rng(12)
    probe = bayeslme.gls("y ~ x", response(frame, rng.standard_normal(len(frame))), structure)
    problem = probe.estimate.problem
    lattice = problem.correlation.coords
    white, _ = structure.whiten_dense(np.eye(lattice.n), par, lattice)  # rows times L^-T
    rest = np.empty(lattice.n)
    rest[problem.order] = SIGMA * np.linalg.solve(white.T, rng.standard_normal(lattice.n))
    fit = bayeslme.gls("y ~ x", response(frame, rest), structure, method="ML")
    check(fit, Truth(corstruct=par))


@pytest.mark.parametrize(("structure", "value"), VARIANCES, ids=lambda v: repr(v)[:60])
def test_variance(structure: s.VarFunc, value: list[float], frame: pd.DataFrame) -> None:
    rng, par = np.random.default_rng(13), np.array(value)
    control = {"sigma": SIGMA} if structure.r_name == HELD else None
    noise = rng.standard_normal(len(frame))
    call = {"weights": structure, "method": "ML", "control": control}
    probe = bayeslme.gls("y ~ x", response(frame, noise), **call)
    problem, log_sd = probe.estimate.problem, np.empty(len(frame))
    log_sd[problem.order] = problem.variance.structure.log_sd(par, problem.variance.coords)
    fit = bayeslme.gls("y ~ x", response(frame, SIGMA * np.exp(log_sd) * noise), **call)
    check(fit, Truth(varfunc=par))


@pytest.mark.parametrize(("structure", "value"), PDMATS, ids=lambda v: repr(v)[:60])
def test_random_effects(structure: s.PdMat, value: list[float], frame: pd.DataFrame) -> None:
    rng, par = np.random.default_rng(14), np.array(value)
    random = {"g": structure}
    probe = bayeslme.lme("y ~ x", response(frame, rng.standard_normal(len(frame))), random)
    level = probe.design.levels[0]
    effects = rng.standard_normal((GROUPS, 3)) @ level.structure.natural_factor(par, 3).T
    rest = np.sum(level.Z * effects[level.code], axis=1)
    noise = SIGMA * rng.standard_normal(len(frame))
    fit = bayeslme.lme("y ~ x", response(frame, rest + noise), random, method="ML")
    check(fit, Truth(random=(par,)))
