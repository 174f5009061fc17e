"""Random effects in the variances, integrated out: against quadrature over a dense grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayeslme
from bayeslme.bayes import settings
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.sampling.linearised import GroupIntegrals
from bayeslme.data.design import build

LogSd = Callable[[list[np.ndarray], pd.DataFrame], np.ndarray]
RHO = 0.4


@dataclass(frozen=True)
class Case:
    """A model, the parameters of its variance function, and log sd written out by hand."""

    call: str
    varfunc: tuple[float, ...]
    log_sd: LogSd
    rho: float | None = None


ONE, TWO = "random = ~ 1 | g", "random = ~ 1 | g/h"
CASES = {
    "power": Case(
        f"lme(y ~ x, {ONE}, weights = varPower())", (0.9,), lambda m, _: 0.9 * np.log(np.abs(m[-1]))
    ),
    "power, nested, AR(1)": Case(
        f"lme(y ~ x, {TWO}, weights = varPower(), correlation = corAR1())",
        (0.9,),
        lambda m, _: 0.9 * np.log(np.abs(m[-1])),
        RHO,
    ),
    "power of the outer level": Case(
        f"lme(y ~ x, {TWO}, weights = varPower(form = ~ fitted(., level = 1)))",
        (0.9,),
        lambda m, _: 0.9 * np.log(np.abs(m[1])),
    ),
    "two levels in two functions": Case(
        f"lme(y ~ x, {TWO}, weights = varComb(varPower(form = ~ fitted(., level = 1)), varExp()))",
        (0.4, 0.08),
        lambda m, _: 0.4 * np.log(np.abs(m[1])) + 0.08 * m[2],
    ),
    "slopes, by strata": Case(
        "lme(y ~ x, random = ~ x | g, weights = varExp(form = ~ fitted(.) | s))",
        (0.13, 0.15),
        lambda m, d: np.where(d["s"] == "a", 0.13, 0.15) * m[-1],
    ),
    "constant and power": Case(
        f"lme(y ~ x, {ONE}, weights = varConstPower())",
        (2.0, 0.8),
        lambda m, _: np.log(2.0 + np.abs(m[-1]) ** 0.8),
    ),
    "combined, AR(1)": Case(
        f"lme(y ~ x, {ONE}, weights = varComb(varIdent(form = ~ 1 | s), varPower()), "
        "correlation = corAR1(form = ~ 1 | g))",
        (1.5, 0.7),
        lambda m, d: np.where(d["s"] == "b", np.log(1.5), 0.0) + 0.7 * np.log(np.abs(m[-1])),
        RHO,
    ),
}


def data() -> pd.DataFrame:
    """Five groups of two groups of three rows, about a mean of 20, the rows out of order."""
    rng = np.random.default_rng(3)
    outer, inner = np.repeat(np.arange(5), 6), np.repeat(np.arange(10), 3)
    x = np.tile([-1.0, 0.0, 1.0], 10)
    mean = 20.0 + 2.0 * x + 3.0 * rng.normal(size=5)[outer] + 2.0 * rng.normal(size=10)[inner]
    frame = pd.DataFrame(
        {
            "y": mean * (1.0 + 0.25 * rng.normal(size=30)),
            "x": x,
            "g": [f"g{k}" for k in outer],
            "h": [f"h{k}" for k in inner],
            "s": np.tile(["a", "b"], 15),
        }
    )
    return frame.iloc[rng.permutation(30)].reset_index(drop=True)


def parameters_of(case: Case) -> ModelParameters:
    return build_parameters(build(bayeslme.translate(case.call), data()))


def values_of(parameters: ModelParameters, case: Case, count: int) -> dict[str, Any]:
    """The same parameters ``count`` times."""
    at = {"fixef": [20.5, 1.8], "sigma": 0.3, "varfunc": list(case.varfunc)}
    for level in parameters.levels:
        at[level.sd.name] = [3.0, 1.5][: level.q]
        if level.q == 2:
            at[f"cor_{level.key}"] = [[1.0, 0.3], [0.3, 1.0]]
    if case.rho is not None:
        at["corstruct"] = [case.rho]
    return {k: np.broadcast_to(v, (count, *np.shape(v))) for k, v in at.items()}


def quadrature(parameters: ModelParameters, case: Case) -> tuple[float, np.ndarray]:
    """Log likelihood, and the mean of the effects of the outermost groups, by a dense grid."""
    frame, q = data(), parameters.levels[0].q
    total, means = 0.0, []
    for label in parameters.levels[0].level.labels:
        rows = frame[frame["g"] == label]
        log_value, mean = _of_group(rows, case, q, nested=len(parameters.levels) == 2)
        total += log_value
        means.append(mean[:q])
    return total, np.array(means)


def _of_group(rows: pd.DataFrame, case: Case, q: int, *, nested: bool) -> tuple[float, np.ndarray]:
    inner = sorted(rows["h"].unique()) if nested else []
    z = np.stack([np.ones(len(rows)), rows["x"]][:q])
    own = np.array([rows["h"] == h for h in inner], dtype=float).reshape(len(inner), len(rows))
    sd = np.array([3.0, 1.5][:q])
    top = np.outer(sd, sd) * np.array([[1.0, 0.3], [0.3, 1.0]])[:q, :q]
    prior = np.diag([9.0] * (q + len(inner)))
    prior[:q, :q] = top
    fixed = 20.5 + 1.8 * rows["x"].to_numpy()
    block = rows["h" if nested else "g"].to_numpy()
    place = rows.groupby("h" if nested else "g").cumcount().to_numpy()
    same = block[:, None] == block[None, :]
    apart = np.abs(np.subtract.outer(place, place))
    rho = 0.0 if case.rho is None else case.rho
    root = np.linalg.cholesky(np.where(same, np.where(apart == 0, 1.0, rho**apart), 0.0))

    def log_joint(b: np.ndarray) -> np.ndarray:
        outer = fixed + b[..., :q] @ z
        mean = [np.broadcast_to(fixed, outer.shape), outer]
        mean += [outer + b[..., q:] @ own] if nested else []
        log_sd = case.log_sd(mean, rows) + np.log(0.3)
        e = (rows["y"].to_numpy() - mean[-1]) / np.exp(log_sd)
        white = np.linalg.solve(root, e.reshape(-1, len(rows)).T).T.reshape(e.shape)
        half = log_sd.sum(axis=-1) + np.log(np.diag(root)).sum() + 0.5 * (white**2).sum(axis=-1)
        like = -half - 0.5 * len(rows) * np.log(2 * np.pi)
        return np.asarray(like + multivariate_normal(np.zeros(len(prior)), prior).logpdf(b))

    mode = optimize.minimize(lambda b: -float(log_joint(b)), np.zeros(len(prior)))
    spread = np.sqrt(np.diag(mode.hess_inv))
    points = {1: 4001, 2: 161, 3: 71}[len(prior)]
    steps = np.linspace(-9.0, 9.0, points)
    axes = np.meshgrid(*[m + s * steps for m, s in zip(mode.x, spread, strict=True)], indexing="ij")
    grid = np.stack([a.ravel() for a in axes], axis=-1)
    log_cell = float(np.log(spread * (steps[1] - steps[0])).sum())
    log_value = log_joint(grid) + log_cell
    log_total = float(logsumexp(log_value))
    return log_total, np.exp(log_value - log_total) @ grid


@pytest.mark.parametrize("name", CASES)
def test_integrals_are_those_of_a_grid(name: str) -> None:
    case, count = CASES[name], 2000
    parameters = parameters_of(case)
    start = tuple(np.zeros((len(lv.level.labels), lv.q)) for lv in parameters.levels)
    integrals = GroupIntegrals(parameters, start)
    expected, means = quadrature(parameters, case)
    near = float(integrals.laplace(values_of(parameters, case, 1))[0])
    assert near == pytest.approx(expected, abs=1.2)  # few rows a group, with errors of 25 %
    values = values_of(parameters, case, count)
    total, effects, variance = integrals.drawn(values, 2, np.random.default_rng(5))
    weight = np.exp(total - expected)
    error = weight.std() / np.sqrt(count)
    assert abs(weight.mean() - 1.0) < 4.0 * error
    assert error < 0.04
    assert variance.mean() > 0.1 * weight.var()  # from two pairs, whose tail is rarely seen
    drawn, own = effects[0], weight[:, None, None]
    centre = (own * drawn).sum(axis=0) / weight.sum()
    spread = np.sqrt((own**2 * (drawn - centre) ** 2).sum(axis=0)) / weight.sum()
    assert np.all(np.abs(centre - means) < 4.0 * spread)


def test_starting_points_do_not_matter() -> None:
    case = CASES["power, nested, AR(1)"]
    parameters = parameters_of(case)
    shapes = [(len(lv.level.labels), lv.q) for lv in parameters.levels]
    found = []
    for size in (0.0, 3.0):
        start = tuple(np.full(shape, size) for shape in shapes)
        integrals = GroupIntegrals(parameters, start)
        values = values_of(parameters, case, 1)
        modes = integrals.modes(values)
        found.append(float(integrals.laplace(values, modes)[0]))
    assert found[0] == pytest.approx(found[1], abs=0.05)


def test_only_fixed_effects_in_the_variance_leave_it_exact(monkeypatch: Any) -> None:
    call = "lme(y ~ x, random = ~ 1 | g/h, weights = varPower(form = ~ fitted(., level = 0)))"
    case = Case(call, (0.9,), lambda m, _: 0.9 * np.log(np.abs(m[0])))
    parameters = parameters_of(case)
    start = tuple(np.ones((len(lv.level.labels), lv.q)) for lv in parameters.levels)
    integrals = GroupIntegrals(parameters, start)
    monkeypatch.setattr(settings, "EFFECTS", replace(settings.EFFECTS, newton_steps=1))
    values = values_of(parameters, case, 1)
    frame = data()
    mean = 20.5 + 1.8 * frame["x"].to_numpy()
    cov = np.diag((0.3 * mean**0.9) ** 2)
    for column in "gh":
        cov += 9.0 * (frame[column].to_numpy()[:, None] == frame[column].to_numpy()[None, :])
    expected = multivariate_normal(mean, cov).logpdf(frame["y"])
    assert integrals.exact
    assert integrals.laplace(values)[0] == pytest.approx(expected, rel=1e-9)
    total, _, variance = integrals.drawn(values, 2, np.random.default_rng(1))
    assert total[0] == pytest.approx(expected, rel=1e-9)
    assert variance[0] == 0.0


@pytest.mark.parametrize("rho", [None, RHO])
def test_without_random_effects_it_is_the_density(rho: float | None) -> None:
    more = "" if rho is None else ", correlation = corAR1(form = ~ 1 | g)"
    case = Case(f"gls(y ~ x, weights = varPower(){more})", (0.9,), lambda m, _: m[-1], rho)
    parameters = parameters_of(case)
    frame = data()
    mean = 20.5 + 1.8 * frame["x"].to_numpy()
    sd = 0.3 * mean**0.9
    group, place = frame["g"].to_numpy(), frame.groupby("g").cumcount().to_numpy()
    apart = np.abs(np.subtract.outer(place, place))
    same = group[:, None] == group[None, :]
    correlation = np.where(apart == 0, 1.0, (rho or 0.0) ** apart)
    cov = np.outer(sd, sd) * np.where(same, correlation, 0.0)
    expected = multivariate_normal(mean, cov).logpdf(frame["y"])
    integrals = GroupIntegrals(parameters, ())
    values = values_of(parameters, case, 2)
    assert integrals.laplace(values) == pytest.approx([expected] * 2, rel=1e-9)
    total, effects, _ = integrals.drawn(values, 1, np.random.default_rng(1))
    assert total == pytest.approx([expected] * 2, rel=1e-9)
    assert effects == ()
