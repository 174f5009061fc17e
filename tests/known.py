"""Matrices of relatives, data with them, and what dense matrices say of their models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayeslme.fit.result import LmeFit


def labelled(values: np.ndarray, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(values, index=names, columns=names)


def pedigree(n: int, founders: int, rng: np.random.Generator) -> pd.DataFrame:
    """Additive relationship of random mating, by the tabular method (Henderson 1976)."""
    a = np.eye(n)
    for k in range(founders, n):
        sire, dam = rng.choice(k, 2, replace=False)
        a[k, :k] = a[:k, k] = 0.5 * (a[sire, :k] + a[dam, :k])
        a[k, k] = 1.0 + 0.5 * a[sire, dam]
    return labelled(a, [f"a{k:02d}" for k in rng.permutation(n)])


def phylogeny(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Time that tips of a coalescent tree share, of a depth far from 1."""
    shared, lineages, depth = np.zeros((n, n)), [[k] for k in range(n)], 0.0
    while len(lineages) > 1:
        depth += rng.exponential(60.0 / len(lineages) ** 2)
        i, j = sorted(rng.choice(len(lineages), 2, replace=False).tolist())
        one, other = lineages[i], lineages.pop(j)
        shared[np.ix_(one, other)] = shared[np.ix_(other, one)] = -depth
        lineages[i] = one + other
    return labelled(shared + depth, [f"sp{k}" for k in range(n)])


def clones(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Every two neighbours are one genotype: a matrix of rank n / 2."""
    half = pedigree(n // 2, 4, rng).to_numpy()
    return labelled(np.repeat(np.repeat(half, 2, axis=0), 2, axis=1), [f"c{k}" for k in range(n)])


def records(a: pd.DataFrame, groups: int, rng: np.random.Generator) -> pd.DataFrame:
    """Some records of some of the levels of a matrix."""
    chosen = rng.choice(a.index, groups, replace=False)
    rows = np.repeat(chosen, rng.integers(1, 4, groups))
    n, size = len(rows), float(np.sqrt(np.diagonal(a).mean()))
    root = np.linalg.cholesky(a.to_numpy() / size**2 + 1e-9 * np.eye(len(a)))
    u = pd.DataFrame(root @ rng.normal(size=(len(a), 2)), index=a.index).loc[rows].to_numpy()
    x, t = rng.normal(size=(2, n))
    data = pd.DataFrame({"animal": rows, "x": x, "t": t, "v": rng.uniform(0.5, 2.0, n)})
    data["pen"] = rng.choice(list("pqrs"), n)
    data["copy"] = data["animal"]
    data["half"] = np.where(np.arange(n) % 2, "l", "r")
    data["visit"] = data.groupby("animal").cumcount()
    pens = data["pen"].map({"p": 0.9, "q": -0.8, "r": 0.3, "s": -0.5}).to_numpy()
    data["y"] = 2.0 + x + 1.2 * u[:, 0] + 0.6 * u[:, 1] * t + pens + rng.normal(size=n)
    return data


def random_covariances(fit: LmeFit, matrices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Of each level: covariance (m, q, n) of its effects with the response, variances, labels."""
    out = {}
    for level, factor in zip(fit.design.levels, fit.estimate.factors, strict=True):
        g = fit.sigma**2 * factor @ factor.T
        rows = [level.labels[code] for code in level.code]
        a = None if level.related is None else matrices[level.column]
        labels = list(level.all_labels)
        if a is None:
            among, own = np.equal.outer(labels, rows).astype(float), np.ones(len(labels))
        else:
            among, own = a.loc[labels, rows].to_numpy(), np.diagonal(a.loc[labels, labels])
        cov = np.einsum("gn,nj,ij->gin", among, level.Z, g)
        out[level.group] = (cov, own[:, None] * np.diagonal(g), labels, level)
    return out


def dense(fit: LmeFit, matrices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Log-likelihood, coefficients, and the effects with their errors, by dense matrices."""
    y, x, reml = fit.design.y, fit.design.X, fit.method == "REML"
    parts = random_covariances(fit, matrices)
    v = fit.residual_cov().to_numpy()
    for cov, _, labels, level in parts.values():
        at = [labels.index(level.labels[code]) for code in level.code]
        v = v + np.einsum("nim,ni->nm", cov[at], level.Z)
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    rest = y - x @ beta
    n, p = x.shape
    loglik = -0.5 * (np.linalg.slogdet(v)[1] + rest @ inverse @ rest + n * np.log(2 * np.pi))
    if reml:
        loglik += 0.5 * (p * np.log(2 * np.pi) - np.linalg.slogdet(information)[1])
    projected = inverse - inverse @ x @ np.linalg.solve(information, x.T @ inverse)
    effects = {}
    for group, (cov, own, labels, _) in parts.items():
        mean = cov @ inverse @ rest
        errors = [
            np.sqrt(np.maximum(own - np.einsum("gin,nm,gim->gi", cov, w, cov), 0.0))
            for w in (projected, inverse)
        ]
        effects[group] = (labels, mean, *errors)
    return {"loglik": loglik, "beta": beta, "effects": effects, "V": v}
