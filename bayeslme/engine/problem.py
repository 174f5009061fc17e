"""The model as the engine sees it: sorted rows, standardised columns, bound structures.

The columns [Z_K ... Z_1 | X | y] that the engine works on: sorted, standardised, in blocks. Fits
whose whitening does not depend on theta need one pass over them only; then no copy of the model
matrices is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayeslme.arrays import upper_factor
from bayeslme.engine import settings
from bayeslme.structures import Bound, PdMat, Related

if TYPE_CHECKING:
    from bayeslme.engine.crossed.problem import Crossed


@dataclass(slots=True)
class Columns:
    """Columns that are made from the model matrices when they are read.

    Attributes
    ----------
    order : int array, shape (n,), or None
        Row of the matrices at each sorted place; None where they are sorted.
    parts : tuple of pairs of arrays (n, k) and (k, k)
        Matrices, and what each is multiplied by.
    response : array, shape (n,)
    shift : array, shape (p,)
        Coefficients of the last part's columns, on their standard scale, taken out of the response.
    """

    order: np.ndarray | None
    parts: tuple[tuple[np.ndarray, np.ndarray], ...]
    response: np.ndarray
    shift: np.ndarray
    _all: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def holding(cls, columns: np.ndarray) -> Columns:
        """Columns (c, n) that are given."""
        none = np.zeros(0)
        return cls(None, (), none, none, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows."""
        if self._all is not None:
            return self._all.shape[0], self._all.shape[1]
        return sum(m.shape[1] for m, _ in self.parts) + 1, len(self.response)

    def block(self, first: int, last: int) -> np.ndarray:
        """Sorted rows from ``first`` to ``last``, shape (c, last - first), not shared."""
        if self._all is not None:
            return self._all[:, first:last].copy()
        rows: slice | np.ndarray = slice(first, last)
        if self.order is not None:
            rows = self.order[first:last]
        out = np.empty((self.shape[0], last - first))
        at = 0
        for matrix, scale in self.parts:
            np.matmul(scale.T, matrix[rows].T, out=out[at : at + matrix.shape[1]])
            at += matrix.shape[1]
        out[at] = self.response[rows] - self.shift @ out[at - len(self.shift) : at]
        return out

    def rest(self) -> float:
        """Norm of the response that the last part's columns leave."""
        total = 0.0
        for first in range(0, self.shape[1], settings.PROBLEM.rows_per_block):
            total += float(
                np.sum(
                    self.block(first, min(first + settings.PROBLEM.rows_per_block, self.shape[1]))[
                        -1
                    ]
                    ** 2
                )
            )
        return float(np.sqrt(total))

    def all(self) -> np.ndarray:
        """All of them, shape (c, n), made once."""
        if self._all is None:
            out = np.empty(self.shape)
            for first in range(0, self.shape[1], settings.PROBLEM.rows_per_block):
                last = min(first + settings.PROBLEM.rows_per_block, self.shape[1])
                out[:, first:last] = self.block(first, last)
            self._all = out
        return self._all


def standardise(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What makes columns orthonormal, and the least-squares fit of the response to them.

    Parameters
    ----------
    x : array, shape (n, p), n >= p
    y : array, shape (n,)

    Returns
    -------
    basis : array, shape (p, p)
        Upper triangular R with X = Q R and Q'Q = n I.
    inverse : array, shape (p, p)
    coef : array, shape (p,)
        Coefficients of y on Q.
    """
    n = len(x)
    factor = upper_factor(x)
    basis = factor * np.where(np.diagonal(factor) < 0, -1.0, 1.0)[:, None] / np.sqrt(n)
    inverse = np.linalg.inv(basis)
    coef = np.zeros(x.shape[1])
    for first in range(0, n, settings.PROBLEM.rows_per_block):
        rows = slice(first, first + settings.PROBLEM.rows_per_block)
        coef += y[rows] @ (x[rows] @ inverse)
    return basis, inverse, coef / n


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of random effects, as elimination meets it (innermost first).

    Attributes
    ----------
    group : str
    structure : PdMat
    basis : array, shape (q, q)
        Standard scale of the effects: the engine's columns are Z basis^-1.
    n_groups : int
    parent_starts : int array
        First group of this level in each group of the next outer level; (0,) at the outermost.
    parent : int array, shape (n_groups,)
        Group of the next outer level; zeros at the outermost.
    theta : slice
        Place of this level's parameters in theta.
    filled : int array, shape (n_groups,), or None
        Rows of each group, where the effects of every group can reproduce all of its rows.
    related : Related or None
        How the effects of the groups hang together; None where they are independent.
    """

    group: str
    structure: PdMat
    basis: np.ndarray
    n_groups: int
    parent_starts: np.ndarray
    parent: np.ndarray
    theta: slice
    filled: np.ndarray | None = None
    related: Related | None = None

    @property
    def q(self) -> int:
        """Number of random effects."""
        return int(self.basis.shape[0])

    @property
    def n_independent(self) -> int:
        """Number of independent groups that the effects are made of: those of a known matrix."""
        return self.n_groups if self.related is None else self.related.rank


class BoundRows(NamedTuple):
    """A structure of the rows, its place in theta, and its name ("corstruct" or "varfunc")."""

    name: str
    bound: Bound
    theta: slice


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that does not depend on theta.

    Attributes
    ----------
    source : Columns
        Columns [Z_K ... Z_1 | X | y], innermost level first, rows sorted by group and time; Z and
        X standardised, y less its least-squares fit.
    permutation : int array, shape (n,), or None
        Row of the design at each sorted place; None where the design is sorted.
    stages : tuple of Stage
        Innermost first.
    row_starts : int array
        First sorted row of each innermost group; (0,) without groups.
    x_basis : array, shape (p, p)
        Upper triangular R with X = (engine's X) R.
    shift : array, shape (p,)
        Least-squares coefficients taken out of y, natural scale.
    variance, correlation : Bound or None
    theta_variance, theta_correlation : slice
    needs_fitted_values : bool
        True while a variance covariate (fitted values) is still to be supplied.
    crossed : Crossed or None
        How the levels are eliminated where they do not nest; the stages are then in the reverse
        order of the design's levels.
    """

    source: Columns
    permutation: np.ndarray | None
    stages: tuple[Stage, ...]
    row_starts: np.ndarray
    x_basis: np.ndarray
    shift: np.ndarray
    variance: Bound | None
    correlation: Bound | None
    theta_variance: slice
    theta_correlation: slice
    needs_fitted_values: bool
    crossed: Crossed | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.source.shape[1]

    @property
    def order(self) -> np.ndarray:
        """Row of the design at each sorted place, shape (n,)."""
        return np.arange(self.n) if self.permutation is None else self.permutation

    @property
    def columns(self) -> np.ndarray:
        """The columns themselves, shape (c, n)."""
        return self.source.all()

    @property
    def p(self) -> int:
        """Number of fixed-effects columns."""
        return int(self.shift.shape[0])

    @property
    def size(self) -> int:
        """Number of entries of theta."""
        return int(self.theta_variance.stop)

    @property
    def constant_rows(self) -> bool:
        """Whether the whitened rows do not depend on theta: one Gram matrix serves all."""
        return bool(self.theta_correlation.start == self.size)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the levels, outermost first, as a design has them."""
        return tuple(stage.group for stage in self.stages[::-1])

    @property
    def row_structures(self) -> tuple[BoundRows, ...]:
        """The correlation structure and the variance function, as far as there are any."""
        both = (
            ("corstruct", self.correlation, self.theta_correlation),
            ("varfunc", self.variance, self.theta_variance),
        )
        return tuple(BoundRows(name, b, theta) for name, b, theta in both if b is not None)

    def row_structure(self, part: str) -> Bound:
        """The correlation structure ("corstruct") or the variance function ("varfunc")."""
        return {one.name: one.bound for one in self.row_structures}[part]

    def natural_factors(
        self, factors: tuple[np.ndarray, ...], relative: float
    ) -> tuple[np.ndarray, ...]:
        """Relative factors Lambda of the levels, outermost first.

        Parameters
        ----------
        factors : tuple of arrays (q, q), innermost first
            Standard relative factors A = T Lambda, of a typical row.
        relative : float
            Residual standard deviation of a typical row over sigma.
        """
        pairs = zip(self.stages, factors, strict=True)
        return tuple(relative * np.linalg.solve(stage.basis, a) for stage, a in pairs)[::-1]

    def log_sd(self, varfunc: np.ndarray | None) -> np.ndarray:
        """Log relative standard deviation (n,) of the rows, in the design's order.

        Parameters
        ----------
        varfunc : array, shape (k,), or None
            All natural parameters of the variance function, where there is one.
        """
        out = np.zeros(self.n)
        if self.variance is not None:
            out[self.order] = self.variance.structure.log_sd(varfunc, self.variance.coords)
        return out

    def nested_starts(self, j: int, k: int) -> np.ndarray:
        """First group of level ``j`` in each group of level ``k`` outside it (innermost 0)."""
        starts = np.arange(self.stages[k].n_groups)
        for stage in self.stages[j:k][::-1]:
            starts = stage.parent_starts[starts]
        return starts

    def level_starts(self, k: int) -> np.ndarray:
        """First sorted row of each group of level ``k``; (0,) without groups."""
        if not self.stages:
            return self.row_starts
        return np.asarray(self.row_starts[self.nested_starts(0, k)])

    def group_sizes(self, k: int) -> np.ndarray:
        """Number of rows of each group of level ``k``."""
        if self.crossed is not None:
            return np.bincount(self.crossed.code[k], minlength=self.stages[k].n_groups)
        return np.diff(np.append(self.level_starts(k), self.n))

    def group_of(self, k: int, rows: np.ndarray) -> np.ndarray:
        """Group of level ``k`` of some sorted rows."""
        if self.crossed is not None:
            return np.asarray(self.crossed.code[k][rows])
        return np.searchsorted(self.level_starts(k), rows, side="right") - 1

    def root_of_group(self) -> np.ndarray:
        """Outermost group of each innermost group, shape (G_K,)."""
        if not self.stages:
            return np.zeros(1, dtype=int)
        at = np.arange(self.stages[0].n_groups)
        for stage in self.stages[:-1]:
            at = stage.parent[at]
        return at


def runs(code: np.ndarray) -> np.ndarray:
    """First place of each run of a sorted code."""
    return np.flatnonzero(np.append(True, code[1:] != code[:-1]))
