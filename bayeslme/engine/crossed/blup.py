"""Best linear unbiased prediction with crossed random effects, and its error.

As in `bayeslme.engine.prediction.blup`: a target joins the elimination as one more column, first
through the chain, then through the block, and what is left of it goes through the coefficients.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from bayeslme.arrays import NUMPY
from bayeslme.engine.crossed.eliminate import Swept, scaled_columns, solve_lower
from bayeslme.engine.crossed.grams import CrossedGrams
from bayeslme.engine.crossed.patterns import as_array
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.prediction.blup import Predicted, Targets, standard_rows


def crossed_blup(found: Estimate, targets: Targets, *, with_beta: bool = True) -> Predicted:
    """Predict targets, with the error variance of every one.

    Parameters
    ----------
    found : Estimate
        Of a crossed model.
    targets : Targets
    with_beta : bool
        Count the error of the coefficients; without it they are taken as known.
    """
    problem, p = found.problem, found.problem.p
    likelihood = found.likelihood()
    grams = likelihood.grams
    if problem.crossed is None or not isinstance(grams, CrossedGrams):
        raise TypeError("a crossed problem is needed")
    factors = likelihood.factors(found.theta)
    rows = grams.at(*likelihood.row_parameters(found.theta))
    done = grams.swept(rows, factors)
    relative = float(np.exp(rows.centre))
    known = targets.known
    unrelated = _unrelated(found, targets)
    targets, unseen = targets.unseen(tuple(f / relative for f in found.factors))
    unseen = np.where(unrelated, np.nan, unseen)
    root = NUMPY.cholesky(done.block)[:p, :p]
    beta = problem.x_basis @ (found.beta - problem.shift)
    step = max(1, CROSSED.chunk_numbers // problem.crossed.n_columns)
    mean, spread = np.empty(len(targets.X)), np.empty(len(targets.X))
    for first in range(0, len(mean), step):
        part = slice(first, first + step)
        some = Targets(
            targets.X[part], tuple(z[part] for z in targets.Z), tuple(c[part] for c in targets.code)
        )
        rest, own = _reduced(found, grams, done, factors, some)
        if with_beta and p:
            through = solve_triangular(root, rest[:, :p].T, lower=True)
            own = own + np.square(through).sum(axis=0)
        mean[part] = rest[:, :p] @ beta - rest[:, p]
        spread[part] = own
    mean = mean + targets.X @ problem.shift
    variance = (found.sigma * relative) ** 2 * (spread + unseen)
    return Predicted(np.where(known, mean, np.nan), np.where(known, variance, np.nan))


def _unrelated(found: Estimate, targets: Targets) -> np.ndarray:
    """Targets (m,) with effects of levels that a known matrix does not have: nobody knows them."""
    out = np.zeros(len(targets.X), dtype=bool)
    stages = found.problem.stages[::-1]
    for stage, z, code in zip(stages, targets.Z, targets.code, strict=True):
        if stage.related is not None:
            out |= (code < 0) & np.any(z != 0.0, axis=1)
    return out


def _merged(
    shares: list[tuple[np.ndarray, np.ndarray]],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shares in the groups of a level, those of one target in one group added up.

    A target's own group may be another than that which its inner group lies in.
    """
    out: list[tuple[np.ndarray, np.ndarray]] = []
    for group, values in shares:
        rest = values.copy()
        for known, total in out:
            same = known == group
            total[same] += rest[same]
            rest[same] = 0.0
        if not out or np.any(rest):
            out.append((group, rest))
    return out


def _reduced(
    found: Estimate,
    grams: CrossedGrams,
    done: Swept,
    factors: tuple[np.ndarray, ...],
    targets: Targets,
) -> tuple[np.ndarray, np.ndarray]:
    """What is left of the targets' [X | y] parts (m, p + 1), and |L^-1 a|^2 (m,)."""
    problem, crossed = found.problem, grams.crossed
    rows = standard_rows(found, targets)
    sizes = [stage.q for stage in problem.stages]
    places = np.cumsum([0, *sizes])
    z = [rows[:, places[k] : places[k + 1]].copy() for k in range(len(sizes))]
    fixed = rows[:, places[-1] :].copy()
    code = targets.code[::-1]
    m = len(rows)
    block = np.zeros((m, crossed.n_columns))
    spread = np.zeros(m)
    for k, place in zip(crossed.block, crossed.columns, strict=True):
        loadings, related = grams.loadings(k), problem.stages[k].related
        if loadings is not None and related is not None:
            own_columns = loadings[code[k]][:, :, None] * z[k][:, None, :]
            block[:, place] += own_columns.reshape(m, -1)
            spread += related.left[code[k]] * np.square(z[k] @ factors[k]).sum(axis=1)
            continue
        for j in range(sizes[k]):
            block[np.arange(m), place.start + code[k] * sizes[k] + j] += z[k][:, j]
    shares: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {
        k: [(code[k], z[k])] for k in crossed.chain
    }
    for at, k in enumerate(crossed.chain):
        link, pattern = done.links[at], crossed.patterns[at]
        meets = pattern.matrix(link.meets_rest)
        for group, own in _merged(shares[k]):
            lower = np.moveaxis(link.upper, -1, 0)[group].swapaxes(-1, -2)
            v = np.linalg.solve(lower, (own @ factors[k])[..., None])[..., 0]
            spread += np.square(v).sum(axis=1)
            left = np.einsum("mqd,mq->md", np.moveaxis(link.rest, -1, 0)[group], v)
            first = 0
            for j in crossed.chain[at + 1 :]:
                outer = -left[:, first : first + sizes[j]]
                shares[j].append((crossed.parents[k, j][group], outer))
                first += sizes[j]
            fixed -= left[:, first:]
            for j in range(sizes[k]):
                rows_of = meets[j * pattern.n_groups + group]
                block -= v[:, j, None] * as_array(rows_of)
    own_factors = [factors[k] for k in crossed.block]
    right = scaled_columns(block, own_factors, crossed).T
    v = solve_lower(done.lower, right)
    return fixed - v.T @ done.rest, spread + np.square(v).sum(axis=0)
