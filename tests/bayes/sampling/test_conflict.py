"""Priors far from the data, against grids over all parameters in plain dense NumPy."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayeslme
from bayeslme.bayes import settings

SD = {"sd_g": "HalfStudentT(nu=4, sigma=2)", "sigma": "HalfStudentT(nu=4, sigma=2)"}


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    g = np.repeat([f"g{i:02d}" for i in range(8)], 5)
    y = 10 + np.repeat(rng.standard_normal(8), 5) + rng.standard_normal(40)
    x = np.tile(np.arange(5.0) - 2.0, 8)
    return pd.DataFrame({"g": g, "y": y, "x": x, "z": y + 0.5 * x})


MODELS: dict[str, tuple[str, str | None, float | None]] = {
    "mean": ("y ~ 1", None, None),
    "mean of groups": ("y ~ 1", "~ 1 | g", None),
    "slope": ("z ~ x", None, None),
    "slope, groups, sigma held": ("z ~ x", "~ 1 | g", 1.0),
}


def density(text: str) -> Any:
    """scipy's distribution of a prior's text."""
    name, inside = text[:-1].split("(")
    a = [float(v.split("=")[-1]) for v in inside.split(",")]
    return {
        "Normal": lambda: stats.norm(a[0], a[1]),
        "StudentT": lambda: stats.t(a[0], a[1], a[2]),
        "Cauchy": lambda: stats.cauchy(a[0], a[1]),
        "Laplace": lambda: stats.laplace(a[0], a[1]),
        "Uniform": lambda: stats.uniform(a[0], a[1] - a[0]),
    }[name]()


def b_grid(text: str, estimate: float, error: float) -> np.ndarray:
    """Points that resolve the likelihood and the prior, whatever their scales."""
    prior = density(text)
    wide = np.concatenate([np.geomspace(1e-4, 3e3, 110), [0.0]])
    about = prior.median() + np.concatenate([wide, -wide]) * (prior.ppf(0.75) - prior.ppf(0.25))
    data = estimate + error * np.linspace(-14, 14, 281)
    low, high = prior.support()
    ends = [v for v in (low, high) if np.isfinite(v)]
    inward = np.geomspace(1e-6, 0.5, 120) * (high - low if ends else 0.0)
    ends += [v for e in ends for v in (e + inward if e == low else e - inward)]
    between = np.linspace(prior.median(), estimate, 60)
    every = np.unique(np.concatenate([about, data, between, ends]))
    return every[(every >= low) & (every <= high)]


def trapezoid(grid: np.ndarray) -> np.ndarray:
    width = np.diff(grid)
    return 0.5 * np.concatenate([[width[0]], width[1:] + width[:-1], [width[-1]]])


def by_grid(model: str, texts: list[str]) -> dict[str, float]:
    """Posterior means and sds of coefficients and log sds, by brute force.

    For compound symmetry the eigenvalues are known: sigma^2 within groups of five, and
    sigma^2 + 5 sd^2 for their means.
    """
    formula, random, held = MODELS[model]
    d = frame()
    y, x = d[formula[0]].to_numpy(), d["x"].to_numpy()
    size = float(np.abs(y).max()) * 1000
    scale = np.geomspace(0.2, size, 170)
    sigmas = np.array([held]) if held else scale
    sds = np.concatenate([[0.0], np.geomspace(0.01, size, 170)]) if random else np.array([0.0])
    p = 2 if "x" in formula else 1
    inner = np.linalg.inv(np.c_[np.ones(40), x][:, :p].T @ np.c_[np.ones(40), x][:, :p])
    error = np.sqrt(np.diag(inner) * np.array([5.0 if random else 1.0, 1.0])[:p])
    found = np.linalg.lstsq(np.c_[np.ones(40), x][:, :p], y, rcond=None)[0]
    grids = [b_grid(t, f, e) for t, f, e in zip(texts, found, error, strict=True)]
    mean_y = y.reshape(8, 5).mean(axis=1)
    within = np.sum((y - np.repeat(mean_y, 5)) ** 2)
    # x has the same mean, 0, in every group: the slope is within groups, the mean between them
    sxx, sxy = np.sum(x**2), np.sum(x * (y - y.mean()))
    b0 = grids[0]
    between = 5 * np.sum((mean_y[:, None] - b0) ** 2, axis=0)
    rest = within - 2 * grids[1] * sxy + grids[1] ** 2 * sxx if p == 2 else np.array([within])
    prior_sd = stats.t(4, 0, 2)
    w_sigma = [0.0] if held else prior_sd.logpdf(sigmas) + np.log(2 * trapezoid(sigmas))
    w_sd = prior_sd.logpdf(sds) + np.log(2 * trapezoid(sds)) if random else [0.0]
    s2 = sigmas[:, None] ** 2
    l2 = s2 + 5 * sds[None, :] ** 2
    weights = [
        density(t).logpdf(b) + np.log(trapezoid(b)) for t, b in zip(texts, grids, strict=True)
    ]
    log0 = weights[0] - 4 * np.log(l2)[..., None] - 0.5 * between / l2[..., None]  # (s, t, b0)
    log1 = -16 * np.log(s2) - 0.5 * rest / s2 + (weights[1] if p == 2 else 0.0)  # (s, b1)
    joint = np.logaddexp.reduce(log0, axis=2) + np.logaddexp.reduce(log1, axis=1)[:, None]
    joint = joint + np.asarray(w_sigma)[:, None] + np.asarray(w_sd)[None, :]
    total = np.logaddexp.reduce(joint.ravel())
    out = {"log evidence": float(total - 20 * np.log(2 * np.pi))}
    mass = np.exp(joint - total)
    q0 = np.einsum("st,stb->b", mass, np.exp(log0 - np.logaddexp.reduce(log0, axis=2)[..., None]))
    q1 = mass.sum(axis=1) @ np.exp(log1 - np.logaddexp.reduce(log1, axis=1)[:, None])
    columns = {"b0": (b0, q0)}
    if p == 2:
        columns["b1"] = (grids[1], q1)
    if not held:
        columns["sigma"] = (np.log(sigmas), mass.sum(axis=1))
    if random:
        columns["sd_g"] = (np.log(np.maximum(sds, 0.01)), mass.sum(axis=0))
    for name, (at, q) in columns.items():
        out[name] = float(q @ at)
        out[f"{name} sd"] = float(np.sqrt(q @ (at - q @ at) ** 2))
    return out


def random_prior(rng: np.random.Generator, estimate: float, error: float) -> str:
    """A prior 0 to 15 standard errors away, of any width."""
    centre = estimate + rng.choice([-1, 1]) * rng.uniform(0, 15) * error
    scale = error * 10 ** rng.uniform(-2, 0.5)
    family = rng.choice(["Normal", "StudentT", "Cauchy", "Laplace", "Uniform"])
    if family == "StudentT":
        return f"StudentT({rng.choice([2, 3, 7])}, {centre:.6g}, {scale:.6g})"
    if family == "Uniform":
        return f"Uniform({centre - scale:.6g}, {centre + scale:.6g})"
    return f"{family}({centre:.6g}, {scale:.6g})"


def compared(model: str, seed: int) -> tuple[list[str], list[str]]:
    """Disagreements above four Monte Carlo standard errors, and what was announced."""
    formula, random, held = MODELS[model]
    rng = np.random.default_rng((seed, 7))
    at = (10.4, 0.5) if "x" in formula else (10.4,)
    errors = (0.4 if random else 0.2, 0.12)
    texts = [random_prior(rng, a, e) for a, e in zip(at, errors, strict=False)]
    coefs = ["(Intercept)", "x"][: len(at)]
    control = {"sigma": held} if held else {}
    fit: Any = (
        bayeslme.lme(formula, frame(), random, control=control)
        if random
        else bayeslme.lm(formula, frame())
    )
    sds = {k: v for k, v in SD.items() if (k == "sigma" and not held) or (k == "sd_g" and random)}
    priors = {"fixef": dict(zip(coefs, texts, strict=True)), **sds}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        posterior = fit.sample(priors=priors, seed=seed, progress=False)
    raised = [str(w.message) for w in caught if w.category is UserWarning]
    listed = posterior.data["sample_stats"].attrs["warnings"]
    assert set(listed) <= set(raised)
    assert all(text in str(posterior.summary()) for text in listed)
    want = by_grid(model, texts)
    drawn = {"b0": posterior.values["fixef"][:, 0]}
    if len(at) == 2:
        drawn["b1"] = posterior.values["fixef"][:, 1]
    if not held:
        drawn["sigma"] = np.log(posterior.values["sigma"])
    if random:
        drawn["sd_g"] = np.log(np.maximum(posterior.values["sd_g"][:, 0], 0.01))
    size = min(posterior.data["sample_stats"].attrs.get("weights_ess", 1000.0), 4000.0)
    apart = []
    for name, values in drawn.items():
        error = max(want[f"{name} sd"], 1e-12) / np.sqrt(size)
        z = (values.mean() - want[name]) / error
        if abs(z) > 4:
            apart.append(
                f"{model} {seed} {texts}: {name} {values.mean():.5g} {want[name]:.5g} z={z:.1f}"
            )
    evidence = posterior.data["sample_stats"].attrs.get("log_evidence", np.nan)
    if np.isfinite(evidence) and abs(evidence - want["log evidence"]) > 0.1:
        apart.append(f"{model} {seed} {texts}: evidence {evidence:.3f} {want['log evidence']:.3f}")
    return apart, listed


@pytest.mark.parametrize(("model", "seed"), [(m, s) for m in MODELS for s in (1, 2)], ids=str)
def test_random_conflicting_priors_agree_with_a_grid(model: str, seed: int) -> None:
    apart, announced = compared(model, seed)
    assert not apart or announced


@pytest.mark.slow
@pytest.mark.parametrize("model", list(MODELS))
def test_fifty_sets_of_conflicting_priors(model: str) -> None:
    """Every disagreement is announced; by chance about one in three thousand may not be."""
    silent = []
    for seed in range(50):
        apart, announced = compared(model, 100 + seed)
        silent += [] if announced else apart
    assert not silent


@pytest.mark.parametrize("sd", [1.0, 0.001])
def test_a_tight_prior_far_away_has_its_mode_and_evidence_by_a_grid(sd: float) -> None:
    """The groups take the difference of a thousand, not the residuals."""
    text = f"Normal(1000, {sd})"
    want = by_grid("mean of groups", [text])
    priors = {"fixef": text, **SD}
    posterior = bayeslme.lme("y ~ 1", frame(), "~ 1 | g").sample(priors=priors, seed=1)
    attrs = posterior.data["sample_stats"].attrs
    assert attrs["log_evidence"] == pytest.approx(want["log evidence"], abs=0.03)
    assert np.log(posterior.values["sigma"]).mean() == pytest.approx(want["sigma"], abs=0.03)
    mode = bayeslme.lme("y ~ 1", frame(), "~ 1 | g", priors=priors)
    assert mode.varcorr()["g"].sd.iloc[0] > 500
    y = frame()["y"].to_numpy().reshape(8, 5)
    pooled = np.sqrt(np.sum((y - y.mean(axis=1, keepdims=True)) ** 2) / 32)
    assert mode.sigma == pytest.approx(pooled, rel=0.03)  # its prior counts for little


@pytest.mark.parametrize(
    ("scale", "near", "mean", "evidence"),
    [(0.01, 0.99636, 13.985, -80.973), (0.1, 0.22617, 10.895, -79.429)],
)
def test_a_heavy_tailed_prior_far_away_keeps_its_share(
    scale: float, near: float, mean: float, evidence: float
) -> None:
    """Probabilities by integration over a grid of three parameters, in the issue."""
    priors = {"fixef": f"StudentT(3, 14, {scale})", **SD}
    posterior = bayeslme.lme("y ~ 1", frame(), "~ 1 | g").sample(priors=priors, seed=1)
    drawn, attrs = posterior.values["fixef"][:, 0], posterior.data["sample_stats"].attrs
    assert (np.abs(drawn - 14) < 1).mean() == pytest.approx(near, abs=0.03)
    assert drawn.mean() == pytest.approx(mean, abs=0.1)
    assert attrs["log_evidence"] == pytest.approx(evidence, abs=0.03)
    assert "never visited 0.0%" in str(posterior.summary())


def test_many_heavy_tailed_priors_by_chains_and_by_weights() -> None:
    """Two samplers of one posterior that share no proposal of the scales."""
    rng = np.random.default_rng(3)
    x = np.sqrt(0.5) * rng.standard_normal((30, 8)) + np.sqrt(0.5) * rng.standard_normal((30, 1))
    names = [f"x{i}" for i in range(8)]
    data = pd.DataFrame(x, columns=names).assign(y=x[:, 0] * 2 + rng.standard_normal(30))
    fit: Any = bayeslme.lm(f"y ~ {' + '.join(names)}", data)
    priors = {"fixef": dict.fromkeys(names, "Cauchy(0, 0.1)")}
    found = {}
    for least in (0.0, 1.1):
        with pytest.MonkeyPatch.context() as patch:
            own = replace(settings.GIBBS, min_efficiency=least)
            patch.setattr(settings, "GIBBS", own)
            posterior = fit.sample(draws=1000, priors=priors, seed=2, method="collapsed")
        found[posterior.data["sample_stats"].attrs["method"]] = posterior.values["fixef"]
    weights, chains = found["importance"], found["gibbs"]
    error = np.hypot(weights.std(axis=0), chains.std(axis=0)) / np.sqrt(1000)
    assert np.all(np.abs(weights.mean(axis=0) - chains.mean(axis=0)) < 4 * error)
    assert chains.std(axis=0) == pytest.approx(weights.std(axis=0), rel=0.1)


@pytest.mark.parametrize("name", ["sigma", "sd_g"])
def test_a_prior_as_tight_as_a_number_stays_collapsed(name: str) -> None:
    """The posterior of the parameter is its prior; far from the estimate of about 1."""
    fit: Any = bayeslme.lme("y ~ 1", frame(), "~ 1 | g")
    priors = {**SD, name: "Normal(2.3, 0.0001)"}
    posterior = fit.sample(priors=priors, seed=1, method="collapsed")
    drawn = posterior.values[name].ravel()
    assert drawn.mean() == pytest.approx(2.3, abs=2e-5)
    assert drawn.std() == pytest.approx(1e-4, rel=0.1)


@pytest.mark.parametrize("texts", [[], ["one"], ["one", "two"]])
@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_lists_of_warnings_are_saved(texts: list[str], ending: str, tmp_path: Any) -> None:
    posterior = bayeslme.lm("y ~ 1", frame()).sample(draws=100, seed=1)
    posterior.data["sample_stats"].attrs["warnings"] = texts
    posterior.save(tmp_path / f"p.{ending}")
    again = bayeslme.load_posterior(tmp_path / f"p.{ending}")
    assert again.data["sample_stats"].attrs["warnings"] == texts
    assert all(f"Note: {text}" in str(again.summary()) for text in texts)
