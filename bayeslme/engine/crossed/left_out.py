"""Crossed data without some of their rows: each group of a factor left out, and single rows.

Without group g of a factor the cross products are sums over its other groups. That factor is the
level that is kept by group (`dense`), so that one elimination serves all groups, but for a Cholesky
factor of the dense matrix for each. Single rows need the covariance of the effects given the data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.engine.crossed.batch import eliminate_dense
from bayeslme.engine.crossed.dense import DenseForm, DenseGram
from bayeslme.engine.crossed.problem import Crossed, by_itself
from bayeslme.engine.crossed.symbolic import entries, with_local
from bayeslme.engine.likelihood.eliminate import _factor_level
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.engine.problem import Problem

Parameters = np.ndarray | None


@dataclass(frozen=True, slots=True)
class GroupRows:
    """Whitened rows of every group of a factor.

    Attributes
    ----------
    own : array, shape (q, q, G)
        Cross products of the factor's columns.
    rows : array, shape (q, G, w)
        Of these with all other columns.
    base : array, shape (G, w, w)
        Of the other columns.
    half_logdet : array, shape (G,)
        Sum of log|R| / 2 of a group's rows.
    """

    own: np.ndarray
    rows: np.ndarray
    base: np.ndarray
    half_logdet: np.ndarray


class GroupsLeftOut:
    """The likelihood of the data without one group of a factor, for all groups.

    Parameters
    ----------
    problem : Problem
        Crossed.
    k : int
        Stage of the factor; its groups hold the correlation groups.
    """

    def __init__(self, problem: Problem, k: int) -> None:
        if problem.crossed is None:
            raise TypeError("a crossed problem is needed")
        stages = problem.stages
        alone: Crossed = by_itself(
            problem.crossed, k, [s.q for s in stages], [s.n_groups for s in stages]
        )
        self.problem, self.k = problem, k
        bound = problem.correlation
        starts = np.arange(problem.n) if bound is None else bound.coords.starts
        self._fine = replace(problem, row_starts=starts)  # log determinants by what is whitened
        self.form = DenseForm(problem, alone)
        self.code = alone.code[k]
        self.sizes = np.bincount(self.code, minlength=stages[k].n_groups)
        order = np.argsort(self.code, kind="stable")
        first = np.cumsum(self.sizes) - self.sizes
        place = np.arange(problem.n) - first[self.code[order]]
        self._slot = np.empty(problem.n, dtype=np.intp)
        self._slot[order] = self.code[order] * self.sizes.max() + place

    def rows(self, cor: Parameters, var: Parameters) -> GroupRows:
        """Cross products by group at natural parameters of the rows."""
        problem, form = self.problem, self.form
        columns = with_local(problem, form.crossed, problem.columns, NUMPY)
        white = whiten(self._fine, cor, var, columns=columns)
        values, row, column = entries(form, np.asarray(white.columns))
        groups, w = len(self.sizes), form.layout.width
        flat = np.zeros((groups * int(self.sizes.max()), w))
        np.add.at(flat, (self._slot[row], column), values)
        dense = flat.reshape(groups, -1, w)
        stage = problem.stages[self.k]
        at = sum(s.q for s in problem.stages[: self.k])
        each = np.zeros((stage.q, len(flat)))
        each[:, self._slot] = white.columns[at : at + stage.q]
        z = each.reshape(stage.q, groups, -1)
        return GroupRows(
            np.einsum("agn,bgn->abg", z, z),
            np.einsum("agn,gnw->agw", z, dense),
            np.swapaxes(dense, -1, -2) @ dense,
            np.bincount(self.code[self._fine.row_starts], np.asarray(white.half_logdet), groups),
        )

    def blocks(
        self, rows: GroupRows, factors: tuple[np.ndarray, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """[X | y] blocks (G, p + 1, p + 1) and log|H| / 2 (G,) without each of the groups.

        Parameters
        ----------
        rows : GroupRows
        factors : tuple of arrays (q, q)
            Relative to sigma.
        """
        a = factors[self.k]
        whole = np.concatenate([rows.own, np.moveaxis(rows.rows, -1, 1)], axis=1)
        _, u, logs = _factor_level(whole, a, len(a), NUMPY)
        by_group = np.moveaxis(u, -1, 0)  # (G, q, w)
        own = rows.base - np.swapaxes(by_group, -1, -2) @ by_group
        work = own.sum(axis=0) - own
        _, block, half = eliminate_dense(work, tuple(f[None] for f in factors), self.form.layout)
        return block, half + logs.sum() - logs


def effect_covariance(
    form: DenseForm, gram: DenseGram, factors: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (m, m) of all standard effects given the data, over sigma^2; and pulled [X | y].

    The second, (m, p + 1), is that covariance times the effects' products with X and y: effects
    are expected at it times (-beta, 1). The columns of the innermost level come first, by effect,
    then by group, then those of F.

    Parameters
    ----------
    form : DenseForm
    gram : DenseGram
    factors : tuple of arrays (q, q)
        Relative to a typical row.
    """
    layout, c = form.layout, form.layout.c
    q, _, groups = gram.own.shape
    first = q * groups
    m = np.zeros((first + c, first + c))
    every = np.arange(groups)
    for i in range(q):
        for j in range(q):
            m[i * groups + every, j * groups + every] = gram.own[i, j]
    rows = gram.rows.reshape(first, layout.width)
    m[:first, first:], m[first:, :first] = rows[:, :c], rows[:, :c].T
    m[first:, first:] = gram.base[:c, :c]
    scale = np.zeros_like(m)
    scale[:first, :first] = np.kron(factors[form.first], np.eye(groups))
    for stage, size, place in zip(layout.stages, layout.sizes, layout.places, strict=True):
        at = slice(first + place.start, first + place.stop)
        scale[at, at] = np.kron(factors[stage], np.eye((place.stop - place.start) // size))
    h = scale.T @ m @ scale
    h[np.diag_indices(len(h))] += 1.0
    root = np.linalg.solve(NUMPY.cholesky(h), scale.T)
    covariance = root.T @ root
    side = np.concatenate([rows[:, c:], gram.base[:c, c:]])
    return covariance, covariance @ side
