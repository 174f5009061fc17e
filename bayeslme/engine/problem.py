"""The model as the engine sees it.

Sorted rows, standardised columns, bound structures. Built once per design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.engine.columns import Columns, standardise
from bayeslme.errors import DataError, FitError
from bayeslme.structures import Bound, Lattice, PdMat, build_lattice

if TYPE_CHECKING:
    from bayeslme.data.types import Design, VarianceCoords


EXACT = 1e-12  # residual norm over the response's, below which it is rounding


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
    """

    group: str
    structure: PdMat
    basis: np.ndarray
    n_groups: int
    parent_starts: np.ndarray
    parent: np.ndarray
    theta: slice

    @property
    def q(self) -> int:
        """Number of random effects."""
        return int(self.basis.shape[0])


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
    waiting : bool
        True while a variance covariate (fitted values) is still to be supplied.
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
    waiting: bool

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
        """Whether the whitened rows do not depend on theta.

        So that their Gram matrix is formed once.
        """
        return bool(self.theta_correlation.start == self.size)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the levels, outermost first, as a design has them."""
        return tuple(stage.group for stage in self.stages[::-1])

    def row_structure(self, part: str) -> Bound:
        """The correlation structure ("corstruct") or the variance function ("varfunc")."""
        bound = {"corstruct": self.correlation, "varfunc": self.variance}[part]
        if bound is None:
            raise KeyError(part)
        return bound

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

    def root_of_group(self) -> np.ndarray:
        """Outermost group of each innermost group, shape (G_K,)."""
        if not self.stages:
            return np.zeros(1, dtype=int)
        at = np.arange(self.stages[0].n_groups)
        for stage in self.stages[:-1]:
            at = stage.parent[at]
        return at


def build_problem(
    design: Design, covariates: tuple[np.ndarray | None, ...] | None = None
) -> Problem:
    """Sort, standardise and bind a design.

    Parameters
    ----------
    design : Design
    covariates : tuple of arrays (n,), optional
        Variance covariates that are functions of the fit (``fitted(.)``), one per variance
        component, in the design's row order.
    """
    levels = design.levels[::-1]
    permutation = _permutation(design)
    order: Any = slice(None) if permutation is None else permutation
    stages, parts = [], []
    sizes = [level.structure.size(level.Z.shape[1]) for level in design.levels]
    places = dict(
        zip((level.group for level in design.levels), np.cumsum([0, *sizes]), strict=False)
    )
    for k, level in enumerate(levels):
        structure = level.structure
        basis = structure.basis(level.Z)
        parts.append((level.Z, np.linalg.inv(basis)))
        at = int(places[level.group])
        parent = level.parent if k + 1 < len(levels) else np.zeros(len(level.labels), dtype=int)
        stages.append(
            Stage(
                level.group,
                structure,
                basis,
                len(level.labels),
                runs(parent),
                parent,
                slice(at, at + structure.size(len(basis))),
            )
        )
    if design.X.shape[0] < design.X.shape[1]:
        rows, columns = design.X.shape
        raise DataError(f"{rows} rows cannot identify {columns} fixed-effects coefficients")
    x_basis, inverse, coef = standardise(design.X, design.y)
    source = Columns(permutation, (*parts, (design.X, inverse)), design.y, coef)
    if source.rest() <= EXACT * np.linalg.norm(design.y):
        msg = (
            f"the fixed effects reproduce '{design.response_label}' exactly: nothing is left from "
            "which variances could be estimated"
        )
        raise FitError(msg)
    row_starts = runs(levels[0].code[order]) if levels else np.zeros(1, dtype=int)
    correlation = _bind_correlation(design, order)
    total = sum(sizes)
    theta_correlation = slice(total, total + (len(correlation.free) if correlation else 0))
    problem = Problem(
        source=source,
        permutation=permutation,
        stages=tuple(stages),
        row_starts=row_starts,
        x_basis=x_basis,
        shift=inverse @ coef,
        variance=None,
        correlation=correlation,
        theta_variance=slice(theta_correlation.stop, theta_correlation.stop),
        theta_correlation=theta_correlation,
        waiting=False,
    )
    return bind_variance(problem, design, covariates)


def bind_variance(
    problem: Problem, design: Design, covariates: tuple[np.ndarray | None, ...] | None
) -> Problem:
    """Return the problem with its variance function bound to these covariates of the fit."""
    structure = design.spec.weights
    if structure is None:
        return problem
    coords = variance_coords(design)
    if covariates is None and any(c.source != "data" for c in coords):
        return replace(problem, waiting=True)
    given = covariates or (None,) * len(coords)
    bound_coords = tuple(
        replace(
            c,
            covariate=_take(c.covariate if c.source == "data" else v, problem.order),
            stratum=c.stratum[problem.order],
        )
        for c, v in zip(coords, given, strict=True)
    )
    single = not isinstance(design.variance, tuple)
    bound = structure.bind(bound_coords[0] if single else bound_coords)
    start = problem.theta_correlation.stop
    return replace(
        problem, variance=bound, theta_variance=slice(start, start + len(bound.free)), waiting=False
    )


def variance_coords(design: Design) -> tuple[VarianceCoords, ...]:
    """Coordinates of the components of the variance function; empty without one."""
    if design.variance is None:
        return ()
    return design.variance if isinstance(design.variance, tuple) else (design.variance,)


def _take(values: np.ndarray | None, order: np.ndarray) -> np.ndarray | None:
    return None if values is None else np.asarray(values, float)[order]


def _permutation(design: Design) -> np.ndarray | None:
    """Rows sorted by group and time, or None where they are."""
    keys: list[np.ndarray] = []
    if design.correlation is not None:
        position = design.correlation.position
        if position is not None and position.shape[1] == 1:
            keys.append(position[:, 0])
        keys.append(design.correlation.code)
    if design.levels:
        keys.append(design.levels[-1].code)
    if not keys or (len(keys) == 1 and np.all(keys[0][1:] >= keys[0][:-1])):
        return None
    order = np.lexsort(keys)
    return None if np.array_equal(order, np.arange(len(order))) else order


def runs(code: np.ndarray) -> np.ndarray:
    """First place of each run of a sorted code."""
    return np.flatnonzero(np.append(True, code[1:] != code[:-1]))


def _bind_correlation(design: Design, order: np.ndarray | slice) -> Bound | None:
    structure, coords = design.spec.correlation, design.correlation
    if structure is None or coords is None:
        return None
    position: Any = None if coords.position is None else coords.position[order]
    code = coords.code[order]
    lattice: Lattice = build_lattice(_starts_pair(design, code, order), len(code), position)
    bound: Bound = structure.bind(lattice)
    return bound


def _starts_pair(design: Design, code: np.ndarray, order: np.ndarray | slice) -> np.ndarray:
    starts = runs(code)
    if not design.levels:
        return starts
    return np.union1d(starts, runs(design.levels[-1].code[order]))
