"""Posteriors of random effects with a known covariance among groups, against dense matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme as b
from bayeslme.bayes.density import by_group
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.posterior.rows.random_effects import effects_and_terms
from bayeslme.errors import DataError
from tests.known import clones, pedigree, records

RNG = np.random.default_rng(12)
MATRIX = pedigree(20, 6, RNG)
DATA = records(MATRIX, 14, RNG)
UNSEEN = [name for name in MATRIX.index if name not in set(DATA["animal"])]
MODELS: dict[str, Any] = {
    "alone": {"animal": b.PdKnown(MATRIX)},
    "crossed": [{"animal": b.PdKnown(MATRIX, "~ t")}, "~ 1 | pen"],
}
DRAWS = 6000


def at_one_point(fit: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Parameters, and draws that are all the same."""
    posterior = fit.sample(draws=125, chains=4, seed=1)
    values = {k: np.repeat(v[:1], DRAWS, axis=0) for k, v in posterior.values.items()}
    return build_parameters(fit.design), values


def covariances(parameters: Any, values: dict[str, np.ndarray]) -> tuple[Any, np.ndarray]:
    """Covariance of the animals' effects with the response, and that of the response."""
    design, first = parameters.design, {k: v[:1] for k, v in values.items()}
    v = float(first["sigma"][0]) ** 2 * np.eye(len(design.y))
    cross = None
    for one in parameters.levels:
        level, f = one.level, np.asarray(one.factor(first))[0]
        rows = [level.labels[code] for code in level.code]
        labels = list(MATRIX.index) if one.key == "animal" else list(level.labels)
        among = MATRIX.loc[labels, rows] if one.key == "animal" else np.equal.outer(labels, rows)
        own = np.einsum("gn,nj,ij->gin", np.asarray(among, float), level.Z, f @ f.T)
        at = [labels.index(row) for row in rows]
        v = v + np.einsum("nim,ni->nm", own[at], level.Z)
        cross = own if one.key == "animal" else cross
    return cross, v


@pytest.mark.parametrize("name", MODELS)
def test_densities_and_effects_are_the_dense_ones(name: str) -> None:
    fit = b.lme("y ~ x", DATA, MODELS[name])
    parameters, values = at_one_point(fit)
    cross, v = covariances(parameters, values)
    rest = fit.design.y - fit.design.X @ values["fixef"][0]
    density = -0.5 * (
        np.linalg.slogdet(v)[1] + rest @ np.linalg.solve(v, rest) + len(rest) * np.log(2.0 * np.pi)
    )
    few = {k: x[:2] for k, x in values.items()}
    np.testing.assert_allclose(by_group(parameters, few), density, rtol=1e-10)
    effects, terms = effects_and_terms(parameters, values, np.random.default_rng(3))
    np.testing.assert_allclose(terms[0], density, rtol=1e-10)
    places = [list(MATRIX.index).index(label) for label in parameters.levels[0].level.labels]
    drawn = effects["animal"]
    one = parameters.levels[0]
    f = np.asarray(one.factor({k: x[:1] for k, x in values.items()}))[0]
    prior = np.kron(MATRIX.iloc[places, places], f @ f.T)
    flat = cross[places].reshape(len(prior), -1)
    mean, cov = flat @ np.linalg.solve(v, rest), prior - flat @ np.linalg.solve(v, flat.T)
    got = drawn.reshape(DRAWS, -1)
    error = np.sqrt(np.diagonal(cov) / DRAWS)
    assert np.all(np.abs(got.mean(axis=0) - mean) < 4.5 * error)
    np.testing.assert_allclose(np.cov(got.T), cov, atol=6.0 * np.diagonal(cov).max() / DRAWS**0.5)


def test_predicts_levels_without_rows() -> None:
    """Draws of two of them together have the covariance that the matrix says."""
    posterior = b.lme("y ~ 1", DATA, MODELS["alone"]).sample(draws=1500, chains=4, seed=2)
    labels = UNSEEN[:2]
    new = pd.DataFrame({"animal": [labels[0], labels[1], labels[0]]})
    drawn = posterior.predict(new, draws=True).stack(s=("chain", "draw")).to_numpy()
    assert np.array_equal(drawn[0], drawn[2])  # one animal has one effect in a draw
    effects = posterior.effects["animal"]
    a = MATRIX.loc[list(posterior.fit.design.levels[0].labels)]
    own = a.loc[:, a.index].to_numpy()
    weights = np.linalg.solve(own, a[labels].to_numpy()).T
    expected = posterior.values["fixef"] + effects[:, :, 0] @ weights.T
    left = MATRIX.loc[labels, labels].to_numpy() - weights @ a[labels].to_numpy()
    sd = posterior.values["sd_animal"][:, 0]
    scaled = (drawn[:2].T - expected) / sd[:, None]
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=0.08)
    np.testing.assert_allclose(np.cov(scaled.T), left, atol=0.06)
    assert list(posterior.ranef().index[-len(UNSEEN) :]) == list(
        posterior.fit.ranef().index[-len(UNSEEN) :]
    )
    stranger = pd.DataFrame({"animal": ["stranger"]})
    assert np.isnan(posterior.predict(stranger)).all()
    with pytest.raises(DataError, match="matrix"):
        posterior.predict(stranger, draws=True, new_groups="draw")


def test_singular_matrices_and_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    a = clones(16, rng)
    data = records(a, 14, rng)
    for formula in ("y ~ (1 | gr(animal, cov = A))", "y ~ (1 | gr(animal, cov = A)) + (1 | pen)"):
        posterior = b.lmer(formula, data, data2={"A": a}).sample(draws=250, chains=2, seed=3)
        posterior.save(tmp_path / "p.nc")
        again = b.load_posterior(tmp_path / "p.nc")
        assert again.summary().fixed.equals(posterior.summary().fixed)
        assert str(again.fit.spec) == str(posterior.fit.spec).replace(
            "data=...", 'data=..., na_action="fail"'
        )
        assert again.fit.loglik == pytest.approx(posterior.fit.loglik, abs=1e-9)


def test_default_prior_does_not_depend_on_the_unit_of_the_matrix() -> None:
    one, other = (
        b.lme("y ~ 1", DATA, {"animal": b.PdKnown(c * MATRIX)}).sample(draws=50, chains=1, seed=1)
        for c in (1.0, 100.0)
    )
    scale = [p.priors["sd_animal"].priors[0].numbers()["sigma"] for p in (one, other)]
    assert scale[0] == pytest.approx(10.0 * scale[1])


@pytest.mark.pymc
def test_hierarchical_effects() -> None:
    """The PyMC model's effects, of which a singular matrix has fewer than groups."""
    import pymc as pm

    rng = np.random.default_rng(4)
    a = clones(8, rng)
    data = records(a, 8, rng)
    fit = b.lme("y ~ 1", data, {"animal": b.PdKnown(a)})
    model = fit.spec.to_pymc(data, form="hierarchical")
    root = fit.design.levels[0].related.root
    assert root.shape == (8, 4)
    found = pm.draw(
        [model["ranef_animal"], model["z_animal"], model["sd_animal"]],
        random_seed=1,
        mode="FAST_COMPILE",
    )
    np.testing.assert_allclose(found[0], found[2] * (root @ found[1]), rtol=1e-10)
