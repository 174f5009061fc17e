"""Covariances of the coefficients that stay right where the model of V is wrong.

With V_i the working covariance of cluster i, M = (X' V^-1 X)^-1 and e_i the residuals,

    M { sum_i X_i' V_i^-1 A_i e_i e_i' A_i' V_i^-1 X_i } M

where A_i = I (CR0), a constant (CR1, CR1S), (I - X_i M X_i' V_i^-1)^-1 (CR3), or the symmetric
solution of A_i (V_i - X_i M X_i') A_i' = V_i, for which the estimate has no bias where V is right
(CR2; Bell and McCaffrey 2002, Survey Methodology 28:169; Pustejovsky and Tipton 2018, J Bus Econ
Stat 36:672). Degrees of freedom are Satterthwaite's under the working model; for several contrasts
they are those of the approximate Hotelling statistic of Pustejovsky and Tipton.

All but CR2 need X_i' V_i^-1 [X_i | e_i] alone, which whitening and elimination leave of every
independent group: their cost is linear in the rows where the correlation's whitening is. A_i of CR2
is the root of a matrix of the cluster's rows, except where V is a multiple of the identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference import settings
from bayeslme.engine.inference.response_covariance import Covariance, group_starts
from bayeslme.engine.likelihood.eliminate import eliminate
from bayeslme.engine.likelihood.whiten import gram, products, whiten
from bayeslme.engine.problem import Problem
from bayeslme.errors import FitError

SandwichType = Literal["CR0", "CR1", "CR1S", "CR2", "CR3"]


@dataclass(frozen=True)
class Sandwich:
    """The pieces of a cluster-robust covariance.

    Attributes
    ----------
    to_natural : array, shape (p, p)
        From the standardised coefficients to the natural ones.
    bread : array, shape (p, p)
        M, for standardised columns, as are the following.
    scores : array, shape (g, p)
        X_i' V_i^-1 A_i e_i.
    spread : array, shape (g, p, p)
        X_i' V_i^-1 A_i V_i A_i' V_i^-1 X_i.
    reach : array, shape (g, p, p)
        X_i' A_i' V_i^-1 X_i.
    """

    to_natural: np.ndarray
    bread: np.ndarray
    scores: np.ndarray
    spread: np.ndarray
    reach: np.ndarray

    @property
    def vcov(self) -> np.ndarray:
        """The covariance (p, p) of the natural coefficients."""
        root = self.to_natural @ self.bread @ self.scores.T
        return np.asarray(root @ root.T)

    @cached_property
    def without_variance(self) -> np.ndarray:
        """The coefficients (p,) whose estimated variance is 0 whatever the data.

        So is that of the indicator of a single cluster under CR0.
        """
        sides, root = self.to_natural @ self.bread, NUMPY.cholesky(self.bread)
        own = np.einsum("rp,pq,rq->r", sides, self.spread.sum(axis=0), sides, optimize=True)
        pulled = np.einsum("gpq,rq,ps->grs", self.reach, sides, root, optimize=True)
        expected = own - np.square(pulled).sum(axis=(0, 2))
        model = np.einsum("rp,rp->r", sides, self.to_natural)
        return np.asarray(expected <= settings.INFERENCE.min_cluster_share * model)

    def degrees(self, rows: np.ndarray) -> float:
        """Degrees of freedom eta of the estimated covariance of contrasts (r, p).

        One contrast has t on eta degrees of freedom; for r of them the Wald statistic times
        (eta - r + 1) / (eta r) has F on r and eta - r + 1. NaN where the estimated covariance of a
        contrast is 0 whatever the data, as of the indicator of a single cluster under CR0.
        """
        sides = rows @ self.to_natural @ self.bread
        own = np.einsum("rp,gpq,sq->grs", sides, self.spread, sides, optimize=True)
        root = NUMPY.cholesky(self.bread)
        pulled = np.einsum("gpq,rq,ps->grs", self.reach, sides, root, optimize=True)
        centre = own.sum(axis=0) - np.einsum("gap,gbp->ab", pulled, pulled)
        model = NUMPY.cholesky(sides @ np.linalg.solve(self.bread, sides.T))
        share = np.linalg.eigvalsh(np.linalg.solve(model, np.linalg.solve(model, centre).T))
        if share[0] <= settings.INFERENCE.min_cluster_share:
            return np.nan
        turn = np.linalg.inv(NUMPY.cholesky(centre))
        own = turn @ own @ turn.T
        pulled = turn @ pulled
        variance = _variance_of_entries(own, pulled)
        r = len(rows)
        return r * (r + 1) / float(variance)


def _variance_of_entries(own: np.ndarray, pulled: np.ndarray) -> float:
    """Sum of the variances of the entries of sum_i (p_i' e) (p_i' e)' over its rows and columns.

    Contrasts a and b of clusters i and j have the covariance [i = j] own_i[a, b] less the scalar
    product of pulled_i[a] and pulled_j[b].
    """
    cross = np.einsum("gap,gbq->abpq", pulled, pulled)
    diagonal = np.einsum("gap,gbp->gab", pulled, pulled)
    total = float(np.sum(cross**2) + np.einsum("abpq,abqp->", cross, cross))
    trace_own, trace_all = np.trace(own, axis1=1, axis2=2), np.trace(diagonal, axis1=1, axis2=2)
    total += float(np.sum(trace_own**2 - 2.0 * trace_own * trace_all))
    total += float(np.sum(own**2 - 2.0 * own * diagonal))
    return total


@np.errstate(under="ignore")  # a vanishing correlation is 0
def sandwich(found: Estimate, kind: SandwichType, cluster: np.ndarray | None = None) -> Sandwich:
    """Sum the pieces over clusters.

    Parameters
    ----------
    found : Estimate
    kind : {"CR0", "CR1", "CR1S", "CR2", "CR3"}
    cluster : int array, shape (n,), optional
        Of the rows, in the design's order; the independent groups of the model by default, of which
        each has to lie in one cluster.
    """
    code = _codes(found, cluster)
    g, n, p = int(code.max()) + 1, found.problem.n, found.problem.p
    independent = _independent(found.problem)
    if kind == "CR2" and not independent:
        bread, scores, spread, reach = _from_rows(found, code)
    else:
        bread, scores, spread, reach = _from_pieces(found, kind, code)
    size = np.sqrt(_factor(kind, g, n, p))
    inverse = np.linalg.inv(found.problem.x_basis)
    return Sandwich(inverse, bread, size * scores, size**2 * spread, size * reach)


def _independent(problem: Problem) -> bool:
    """Whether the rows are independent and of one variance."""
    return not problem.stages and problem.correlation is None and problem.variance is None


def _columns(found: Estimate) -> np.ndarray:
    """The columns [X | e] (p + 1, n), with the residuals e of the fixed effects."""
    problem = found.problem
    columns = problem.columns[-1 - problem.p :]
    beta = problem.x_basis @ (found.beta - problem.shift)
    return np.concatenate([columns[:-1], columns[-1:] - beta @ columns[:-1]])


def _from_pieces(
    found: Estimate, kind: str, code: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bread, scores, spread and reach from [X | e]' V^-1 [X | e] of each cluster.

    With H = X_i' V_i^-1 X_i, the weights A_i' V_i^-1 X_i are V_i^-1 X_i P, where P is the identity,
    (I - M H)^-1 of CR3, and (I - M H)^-1/2 of CR2 where V_i is a multiple of the identity.
    """
    p, g = found.problem.p, int(code.max()) + 1
    blocks = _blocks(found)
    first = group_starts(found.problem)
    pieces = np.zeros((g, p + 1, p + 1))
    np.add.at(pieces, code[first], blocks)
    h, scores = pieces[:, :p, :p], pieces[:, :p, p]
    bread = np.linalg.inv(h.sum(axis=0))
    power = {"CR2": -0.5, "CR3": -1.0}.get(kind)
    if power is None:
        return bread, scores, h, h
    own = _power_of_rest(h, bread, power)
    side = np.swapaxes(own, -1, -2)
    return bread, np.einsum("gqp,gq->gp", own, scores), side @ h @ own, h @ own


def _power_of_rest(h: np.ndarray, bread: np.ndarray, power: float) -> np.ndarray:
    """A power of I - M H (g, p, p), on the space where it is not zero."""
    root = NUMPY.cholesky(bread)
    turned = root.T @ h @ root
    strength, vectors = np.linalg.eigh(np.eye(len(bread)) - turned)
    kept = strength > settings.INFERENCE.min_cluster_share
    scale = np.where(kept, np.where(kept, strength, 1.0) ** power, 0.0)
    own = (vectors * scale[:, None, :]) @ np.swapaxes(vectors, -1, -2)
    return np.asarray(root @ own @ np.linalg.inv(root))


@np.errstate(over="ignore", divide="ignore")
def _blocks(found: Estimate) -> np.ndarray:
    """[X | e]' V^-1 [X | e] (G, p + 1, p + 1) of the independent groups, by elimination."""
    problem = found.problem
    effects = problem.columns[: -1 - problem.p]
    columns = np.concatenate([effects, _columns(found)])
    white = whiten(problem, found.corstruct, found.varfunc, columns=columns).columns
    if problem.stages:
        factors = tuple(
            stage.basis @ found.factors[problem.groups.index(stage.group)]
            for stage in problem.stages
        )
        known = gram(problem, white, by_group=True)
        block = eliminate(problem, known, factors, by_group=True, modes=False).block
    else:
        block = products(white, 0, problem.p + 1, group_starts(problem), NUMPY)
    return np.asarray(np.moveaxis(block, -1, 0) / found.sigma**2)


def _from_rows(
    found: Estimate, code: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bread, scores, spread and reach of CR2 from dense blocks of the clusters' rows."""
    covariance = Covariance(found, "vcov: 'CR2'", instead="'CR3' or 'CR1'")
    p, columns = found.problem.p, _columns(found)
    white = []
    for members, rows in _same_size(code, covariance):
        root = NUMPY.cholesky(covariance.values(rows))
        x = NUMPY.lower_solve(root, np.moveaxis(columns[:p, rows], 0, -1))
        white.append((members, rows, root, x))
    bread = np.linalg.inv(sum(np.einsum("hrp,hrq->pq", x, x, optimize=True) for *_, x in white))
    g = int(code.max()) + 1
    scores, spread, reach = np.zeros((g, p)), np.zeros((g, p, p)), np.zeros((g, p, p))
    for members, rows, root, x in white:
        up, xt = np.swapaxes(root, -1, -2), np.swapaxes(x, -1, -2)
        inner = up @ root
        left = inner @ (np.eye(x.shape[1]) - x @ bread @ xt) @ inner
        weight = root @ (_inverse_root(left, inner) @ x)
        scores[members] = np.einsum("hrp,hr->hp", weight, columns[p, rows])
        spread[members] = np.swapaxes(up @ weight, -1, -2) @ (up @ weight)
        reach[members] = np.swapaxes(root @ x, -1, -2) @ weight
    return bread, scores, spread, reach


def _inverse_root(left: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Symmetric inverse root of matrices (h, r, r), on the space where they are not zero."""
    strength, vectors = np.linalg.eigh(left)
    most = np.trace(inner @ inner, axis1=-2, axis2=-1)[:, None]
    kept = strength > settings.INFERENCE.min_cluster_share * most
    power = np.where(kept, 1.0 / np.sqrt(np.where(kept, strength, 1.0)), 0.0)
    return np.asarray((vectors * power[:, None, :]) @ np.swapaxes(vectors, -1, -2))


def _factor(kind: str, g: int, n: int, p: int) -> float:
    if kind == "CR1":
        return g / (g - 1)
    return g * (n - 1) / ((g - 1) * (n - p)) if kind == "CR1S" else 1.0


def _codes(found: Estimate, cluster: np.ndarray | None) -> np.ndarray:
    """Cluster (n,) of each sorted row, numbered from 0."""
    problem = found.problem
    starts = group_starts(problem)
    if cluster is None:
        code = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, problem.n)))
    else:
        code = np.unique(cluster, return_inverse=True)[1].reshape(-1)[problem.order]
        same = np.repeat(code[starts], np.diff(np.append(starts, problem.n)))
        if not np.array_equal(same, code):
            raise FitError(
                "cluster: every independent group of the model (of the outermost random effects, "
                "or of the correlation) must lie in one cluster; some lie in several"
            )
    if code.max() < 1:
        raise FitError("vcov: all rows are in one cluster; robust covariances need two or more")
    return np.asarray(code)


def _same_size(code: np.ndarray, covariance: Covariance) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Clusters (h,) of one size and their rows (h, r), in stacks that fit in memory."""
    order = np.argsort(code, kind="stable")
    sizes = np.bincount(code)
    starts = np.cumsum(sizes) - sizes
    covariance.check(int(sizes.max()), "cluster")
    for r in np.unique(sizes):
        members = np.flatnonzero(sizes == r)
        step = covariance.at_once(int(r))
        for first in range(0, len(members), step):
            chosen = members[first : first + step]
            yield chosen, order[starts[chosen, None] + np.arange(r)]
