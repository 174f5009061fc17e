"""Posteriors of crossed random effects: exact effects, and the same model written as nested."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import bayeslme
from bayeslme import (
    BayesLMEError,
    CorAR1,
    CorAR1AR1,
    FitError,
    PdBlocked,
    PdIdent,
    VarIdent,
    lme,
    lmer,
)
from bayeslme.bayes.checks.crossed_left_out import crossed_groups
from bayeslme.bayes.checks.left_out import marginal
from bayeslme.bayes.density import by_group
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.bayes.posterior.rows.random_effects import effects_and_terms
from bayeslme.engine.crossed.settings import CROSSED

PRIORS = {"sd_a": "Exponential(1)", "sd_b": "Exponential(1)", "sigma": "Exponential(1)"}


def frame(n: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    a, b = rng.integers(9, size=n), rng.integers(5, size=n)
    return pd.DataFrame(
        {
            "y": rng.normal(size=9)[a] + rng.normal(size=5)[b] + rng.normal(size=n),
            "x": rng.normal(size=n),
            "a": [f"a{k}" for k in a],
            "b": [f"b{k}" for k in b],
            "site": a // 3,
            "t": np.arange(n),
            "kind": rng.choice(["u", "v"], size=n),
        }
    )


def complete() -> pd.DataFrame:
    """All pairs of six subjects and five items, twice: items can change places, and subjects."""
    rng = np.random.default_rng(3)
    a, b, x = (k.ravel() for k in np.meshgrid(range(6), range(5), [-0.5, 0.5], indexing="ij"))
    y = (1 + x) * rng.normal(size=6)[a] + rng.normal(size=5)[b] + rng.normal(size=60)
    return pd.DataFrame({"y": y, "x": x, "a": [f"a{k}" for k in a], "b": [f"b{k}" for k in b]})


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "intercepts": ("y ~ x + (1 | a) + (1 | b)", {}),
    "balanced": ("y ~ x + (x | a) + (x | b)", {}),
    "slopes, chain": ("y ~ x + (x | a) + (1 | site) + (x || b)", {}),
    "rows": (
        "y ~ x + (1 | a) + (x | b)",
        {"correlation": CorAR1(form="~ t | a"), "weights": VarIdent(form="~ 1 | kind")},
    ),
}


@cache
def made(name: str) -> tuple[ModelParameters, dict[str, np.ndarray]]:
    """Parameters of a model, and draws that are all its estimate."""
    formula, options = MODELS[name]
    data = complete() if name == "balanced" else frame()
    posterior = lmer(formula, data, **options).sample(draws=125, chains=4, seed=1)
    values = {k: np.repeat(v[:1], 1500, axis=0) for k, v in posterior.values.items()}
    return build_parameters(posterior.fit.design), values


def dense(parameters: ModelParameters, values: dict[str, np.ndarray]) -> tuple[Any, ...]:
    """Z and the covariance of b of all levels, R, and y - X beta, at the first draw."""
    design, problem = parameters.design, parameters.problem
    n, first = problem.n, {k: v[:1] for k, v in values.items()}
    z, g = [], []
    for level in parameters.levels:
        code, groups = level.level.code, len(level.level.labels)
        wide = np.zeros((n, groups, level.q))
        wide[np.arange(n), code] = level.level.Z
        z.append(wide.reshape(n, -1))
        factor = np.broadcast_to(level.factor(first), (1, level.q, level.q))[0]
        g.append(np.kron(np.eye(groups), factor @ factor.T))
    total = np.zeros((sum(len(m) for m in g),) * 2)
    at = 0
    for m in g:
        total[at : at + len(m), at : at + len(m)] = m
        at += len(m)
    sd, corr = np.full(n, values["sigma"][0]), np.eye(n)
    data = frame()
    if problem.variance is not None:
        reference = design.variance[0].strata[0]
        sd = sd * np.where(data["kind"] == reference, 1.0, values["varfunc"][0, 0])
    if problem.correlation is not None:
        same = np.equal.outer(data["a"].to_numpy(), data["a"].to_numpy())
        lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        corr = np.where(same, values["corstruct"][0, 0] ** lag, 0.0)
    r = sd[:, None] * corr * sd
    return np.concatenate(z, axis=1), total, r, design.y - design.X @ values["fixef"][0]


@pytest.mark.parametrize("name", MODELS)
def test_effects_are_drawn_from_their_exact_distribution(name: str) -> None:
    parameters, values = made(name)
    z, g, r, rest = dense(parameters, values)
    v = z @ g @ z.T + r
    expected = 0.5 * (-np.linalg.slogdet(v)[1] - rest @ np.linalg.solve(v, rest))
    expected -= 0.5 * len(rest) * np.log(2 * np.pi)
    effects, terms = effects_and_terms(parameters, values, np.random.default_rng(3))
    np.testing.assert_allclose(terms, expected, rtol=1e-9)
    some = {k: one[:3] for k, one in values.items()}
    np.testing.assert_allclose(by_group(parameters, some), expected, rtol=1e-9)
    pull = np.linalg.solve(v, z @ g).T
    mean, cov = pull @ rest, g - pull @ z @ g
    drawn = np.concatenate([b.reshape(len(b), -1) for b in effects.values()], axis=1)
    error = np.sqrt(np.diagonal(cov) / len(drawn))
    assert np.abs((drawn.mean(axis=0) - mean) / error).max() < 4.5
    # The spread of a sample covariance of normal draws is known.
    scaled = (drawn - mean) / np.sqrt(np.diagonal(cov))
    known = cov / np.sqrt(np.outer(np.diagonal(cov), np.diagonal(cov)))
    spread = np.sqrt((1.0 + known**2) / len(drawn))
    assert np.abs((scaled.T @ scaled / len(drawn) - known) / spread).max() < 5.5


@pytest.fixture(scope="module")
def crossed() -> Posterior:
    fit = lmer("y ~ x + (1 | a) + (1 | b)", frame())
    return fit.sample(draws=500, chains=4, seed=4, priors=PRIORS)


def test_it_is_the_posterior_of_the_same_model_written_as_nested(crossed: Posterior) -> None:
    blocks = PdBlocked([PdIdent("~ a - 1"), PdIdent("~ b - 1")])
    fit = lme("y ~ x", frame().assign(all="all"), random={"all": blocks})
    names = [block.name for block in build_parameters(fit.design).blocks]
    sds = [name for name in names if name.startswith("sd_")]
    priors = {**dict.fromkeys(sds, "Exponential(1)"), "sigma": "Exponential(1)"}
    nested = fit.sample(draws=500, chains=4, seed=5, priors=priors)
    own = np.column_stack([crossed.values[k].reshape(2000, -1) for k in ("sd_a", "sd_b", "sigma")])
    same = np.column_stack([nested.values[k].reshape(2000, -1) for k in (*sds, "sigma")])
    same = same[:, [0, -2, -1]]
    ess = 1000.0  # the weights of either are worth more
    for one, other in zip(own.T, same.T, strict=True):
        error = np.sqrt((one.var() + other.var()) / ess)
        assert abs(one.mean() - other.mean()) < 4 * error
        assert abs(np.log(one.std() / other.std())) < 4 / np.sqrt(ess)
    evidence = [p.data["sample_stats"].attrs["log_evidence"] for p in (crossed, nested)]
    assert abs(evidence[0] - evidence[1]) < 0.1


def test_every_verb_of_a_crossed_posterior(crossed: Posterior, tmp_path: Path) -> None:
    data = frame()
    assert list(crossed.ranef()) == ["a", "b"]
    assert crossed.ranef("b").shape == (5, 1)
    total = crossed.fitted(draws=True)
    assert total.sizes["row"] == len(data)
    new = data.head(2).assign(a=["a0", "unseen"])
    drawn = crossed.predict(new, of="response", new_groups="draw", draws=True, seed=1)
    sd = drawn.std(("chain", "draw")).to_numpy()
    assert sd[1] > sd[0]
    zero = crossed.predict(new, seed=1)
    b = crossed.effects["b"][:, [list(crossed.ranef("b").index).index(k) for k in new["b"]], 0]
    plain = crossed.values["fixef"] @ np.column_stack([np.ones(2), new["x"]]).T + b
    assert zero.iloc[1] == pytest.approx(plain[:, 1].mean())  # an unseen level counts as 0
    crossed.save(tmp_path / "crossed.nc")
    again = bayeslme.load_posterior(tmp_path / "crossed.nc")
    pd.testing.assert_frame_equal(again.ranef("a"), crossed.ranef("a"))
    assert "crossed" not in str(crossed.summary())
    assert crossed.ppc(seed=1)["posterior_predictive"]["y"].sizes["row"] == len(data)


def test_rows_left_out_given_the_effects(crossed: Posterior) -> None:
    design = crossed.parameters.design
    mean = crossed.values["fixef"] @ design.X.T
    for level in crossed.parameters.levels:
        mean = mean + crossed.effects[level.key][:, level.level.code, 0]
    sigma = crossed.values["sigma"].reshape(-1, 1)
    density = -0.5 * np.log(2 * np.pi) - np.log(sigma) - 0.5 * ((design.y - mean) / sigma) ** 2
    lppd = np.log(np.exp(density).mean(axis=0)).sum()
    found = crossed.loo("conditional")
    assert found.elpd < lppd
    assert found.elpd + found.p == pytest.approx(lppd, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: p.loo("group"), "needs the factor of the groups: group='a' or 'b'"),
        (lambda p: p.loo("marginal", group="a"), "leaves groups out, and kind='marginal' rows"),
        (lambda p: p.loo(group="c"), "'c' is not 'a' or 'b'"),
        (lambda p: p.fitted("b"), "those of 'b' alone"),
        (lambda p: p.predict(use_correlation=True), "nested models only"),
    ],
)
def test_what_is_refused_by_name(crossed: Posterior, call: Any, words: str) -> None:
    with pytest.raises(FitError, match=words):
        call(crossed)


def parts_left_out(
    parameters: ModelParameters, values: dict[str, np.ndarray], code: np.ndarray
) -> np.ndarray:
    """Log p(y_g | the other rows) of groups of rows, by the dense covariance at the first draw."""
    z, g, r, rest = dense(parameters, values)
    v = z @ g @ z.T + r
    out = []
    for k in range(int(code.max()) + 1):
        own, others = np.flatnonzero(code == k), np.flatnonzero(code != k)
        pull = np.linalg.solve(v[np.ix_(others, others)], v[np.ix_(others, own)]).T
        mean, cov = pull @ rest[others], v[np.ix_(own, own)] - pull @ v[np.ix_(others, own)]
        error = rest[own] - mean
        quadratic = np.linalg.slogdet(2 * np.pi * cov)[1] + error @ np.linalg.solve(cov, error)
        out.append(-0.5 * quadratic)
    return np.array(out)


@pytest.mark.parametrize("name", MODELS)
def test_rows_and_groups_left_out_are_the_dense_ones(name: str) -> None:
    parameters, values = made(name)
    some = {k: one[:2] for k, one in values.items()}
    found = marginal(parameters, some).log_density
    rows = parts_left_out(parameters, values, np.arange(parameters.problem.n))
    np.testing.assert_allclose(found, np.stack([rows, rows]), rtol=1e-7)
    for place, level in enumerate(parameters.levels):
        if name == "rows" and level.level.group != "a":
            with pytest.raises(FitError, match="cuts the correlation groups"):
                crossed_groups(parameters, some, place)
            continue
        expected = parts_left_out(parameters, values, level.level.code)
        groups = crossed_groups(parameters, some, place)
        np.testing.assert_allclose(groups, np.stack([expected, expected]), rtol=1e-7)


SPEC = bayeslme.translate("lmer(y ~ x + (1 | a) + (1 | b))")
BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "constant": (frame().assign(b="one"), {}, "'b' has one level in the data, 'one'"),
    "two names": (
        frame().assign(b=lambda d: d["a"].str.upper()),
        {},
        "'a' and 'b' are two names of one factor",
    ),
    "memory": (frame(), {}, r"crossed factors \(b\) have 5 effects, whose dense matrices need"),
}


@pytest.mark.parametrize("form", ["lmer", "marginal", "hierarchical"])
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_by_fits_and_models(
    name: str, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, options, words = BAD[name]
    text = "y ~ x + (1 | a) + (1 | b)"
    if name == "memory":
        few = replace(CROSSED, max_columns=4)
        monkeypatch.setattr("bayeslme.engine.crossed.problem.CROSSED", few)
    with pytest.raises(BayesLMEError, match=words) as caught:
        if form == "lmer":
            lmer(text, data, **options)
        else:
            spec = replace(SPEC, **options)
            spec.to_pymc(data, form=form)
    assert len(str(caught.value)) < 300


def test_a_correlation_across_both_factors() -> None:
    """Rows and columns of one field: the same model as one level of blocks, with its posterior."""
    row, col = np.divmod(np.arange(30), 6)
    rng = np.random.default_rng(2)
    y = rng.normal(size=30) + rng.normal(size=5)[row] + rng.normal(size=6)[col]
    field = pd.DataFrame({"y": y, "row": row, "col": col, "one": "a"})
    field = field.assign(r=field["row"].astype(str), c=field["col"].astype(str))
    along = CorAR1AR1(form="~ row + col | one")
    fit = bayeslme.lme("y ~ 1", field, ["~ 1 | r", "~ 1 | c"], correlation=along)
    blocks = {"one": PdBlocked([PdIdent("~ r - 1"), PdIdent("~ c - 1")])}
    same = bayeslme.lme("y ~ 1", field, blocks, correlation=along)
    assert fit.loglik == pytest.approx(same.loglik, rel=1e-9)
    posterior = fit.sample(draws=100, seed=1, progress=False)
    for call in (
        lambda: fit.spec.to_pymc(field, form="marginal"),
        lambda: posterior.loo("marginal"),
        posterior.pit,
    ):
        with pytest.raises(BayesLMEError, match="lie within no factor of the crossed"):
            call()
    values = {k: v[:5] for k, v in posterior.values.items()}
    got = by_group(posterior.parameters, values).sum(axis=1)
    sigma = posterior.parameters.sigmas(values)
    gap = [np.abs(np.subtract.outer(v, v)) for v in (row, col)]
    equal = [np.equal.outer(v, v) for v in (row, col)]
    for s in range(5):
        phi = values["corstruct"][s]
        v = sigma[s] ** 2 * phi[0] ** gap[0] * phi[1] ** gap[1]
        v = v + values["sd_r"][s, 0] ** 2 * equal[0] + values["sd_c"][s, 0] ** 2 * equal[1]
        mean = np.full(30, values["fixef"][s, 0])
        assert got[s] == pytest.approx(multivariate_normal(mean, v).logpdf(y), rel=1e-8)


@pytest.mark.filterwarnings("ignore:loo, group")  # one of nine groups is far out
def test_posteriors_of_crossed_fits_stand_side_by_side(crossed: Posterior) -> None:
    table = bayeslme.compare(crossed.fit, crossed)
    text = str(table)
    for name in ("a sd((Intercept))", "b sd((Intercept))"):
        assert name in text
    formulas = {"x": "y ~ x + (1 | a) + (1 | b)", "none": "y ~ 1 + (1 | a) + (1 | b)"}
    some = {k: lmer(f, frame()).sample(draws=100, seed=2) for k, f in formulas.items()}
    for how in ({"kind": "marginal"}, {"group": "a"}):
        ranked = bayeslme.compare_models(some, **how)
        assert set(ranked.index) == {"x", "none"}
