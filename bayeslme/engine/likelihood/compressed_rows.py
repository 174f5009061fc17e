"""Gram matrices as combinations of constants, where few numbers describe the whitening.

A cell is a small set of rows that whitening mixes: a row alone, a row and the one before it (a
Markov process), or a group of a few rows. Cells with the same positions and variance covariates are
one class, and whitening acts on all of them by the same small matrix W(theta). Hence

    Gram = sum over classes and pairs of places (i, j) of (W'W)_ij times a constant,

and a step of theta does not touch the rows. For AR(1) at equal steps this is (A - phi B + phi^2 C)
/ (1 - phi^2). W is found by whitening unit vectors in one cell of each class, so a structure needs
no word about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslme import triangular
from bayeslme.arrays import NUMPY
from bayeslme.engine.likelihood.gradient import GramAdjoint
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.engine.likelihood.whiten import Gram
from bayeslme.engine.problem import Problem, Stage, runs
from bayeslme.structures import Bound, CorrelationGroups, correlation_groups


@dataclass(frozen=True, slots=True)
class Class:
    """Cells that whitening treats alike.

    Attributes
    ----------
    rows : int array, shape (h, m)
        Sorted rows of every cell.
    first : int
        Place from which on whitened rows belong to the cell; those before are only its past.
    """

    rows: np.ndarray
    first: int

    @property
    def m(self) -> int:
        """Rows of a cell."""
        return int(self.rows.shape[1])


class _TooManyError(Exception):
    """More different values than classes would be worth."""


def find_classes(problem: Problem) -> list[Class]:
    """Classes of cells that cover the problem's rows; none where there are too many.

    Parameters
    ----------
    problem : Problem
    """
    try:
        kinds = _variance_kinds(problem)
        if problem.correlation is None:
            return _split(np.arange(problem.n)[:, None], 0, kinds)  # by strata, one row a cell
        bound = problem.correlation
        memory = bound.structure.memory(bound.coords)
        if memory is None:
            return _whole_groups(bound, kinds)
        if not bound.structure.stationary:
            kinds = _joined(kinds, bound.coords.position[:, 0])
        level = bound.coords.level_of_rows(np.arange(problem.n))
        kinds = kinds if level is None else _joined(kinds, level)
        return _recent(bound.coords, kinds, memory)
    except _TooManyError:
        return []


def _recent(lattice: CorrelationGroups, kinds: np.ndarray, memory: int) -> list[Class]:
    """The first ``memory`` rows of the groups, and every later row with those it remembers."""
    cells = [(np.flatnonzero(lattice.place >= memory)[:, None] + np.arange(-memory, 1), memory)]
    for size in range(1, memory + 1):  # a group that ends before has a shorter beginning
        fit = lattice.sizes == size if size < memory else lattice.sizes >= memory
        cells.append((lattice.starts[fit][:, None] + np.arange(size), 0))
    return [
        one
        for rows, first in cells
        if len(rows)
        for one in _split(rows, first, _looks(lattice, kinds, rows))
    ]


def _looks(lattice: CorrelationGroups, kinds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Code (h,) of cells with equal steps and variance coordinates."""
    code: np.ndarray = kinds[rows[:, 0]]
    for row in rows.T[1:]:
        code = _joined(_joined(code, kinds[row]), lattice.step[row])
    return code


def _whole_groups(bound: Bound, kinds: np.ndarray) -> list[Class]:
    """Groups of a few rows with equal positions and variances."""
    lattice: CorrelationGroups = bound.coords
    if lattice.sizes.max() > LIKELIHOOD.max_class_rows:
        return []
    classes = []
    padded = np.append(kinds, -1)
    for block in lattice.blocks(bound.structure.stationary):
        code = block.pattern
        for column in block.rows.T:
            code = _joined(code, padded[column])
        sizes = lattice.sizes[block.groups]
        for part in _split(np.arange(len(block.groups))[:, None], 0, code):
            own = part.rows[:, 0]
            classes.append(Class(block.rows[own, : int(sizes[own[0]])], 0))
    return classes


def _split(rows: np.ndarray, first: int, code: np.ndarray) -> list[Class]:
    """One class for each code."""
    order = np.argsort(code, kind="stable")
    edges = np.flatnonzero(np.diff(code[order])) + 1
    return [Class(rows[own], first) for own in np.split(order, edges)]


def _variance_kinds(problem: Problem) -> np.ndarray:
    """Code (n,) of rows with equal coordinates of the variance function."""
    kinds = np.zeros(problem.n, dtype=int)
    most = (
        LIKELIHOOD.max_row_classes if problem.correlation is None else LIKELIHOOD.max_group_classes
    )
    for one in () if problem.variance is None else problem.variance.parts:
        kinds = _joined(kinds, one.stratum, most)
        if one.covariate is not None:
            kinds = _joined(kinds, _few(one.covariate, LIKELIHOOD.max_group_classes), most)
    return kinds


def _joined(
    code: np.ndarray, values: np.ndarray, most: int = LIKELIHOOD.max_group_classes
) -> np.ndarray:
    """Code of equal pairs of a code and a value."""
    own = _few(values, most)
    return _few(code * (own.max(initial=0) + 1) + own, most)


def _few(values: np.ndarray, most: int) -> np.ndarray:
    """Code of equal values."""
    different = np.sort(np.unique_values(values))
    if len(different) > most:
        raise _TooManyError
    return np.searchsorted(different, values)


@dataclass(frozen=True, slots=True)
class Weights:
    """What whitening does to the cells at given parameters; leading axes (...) are batches.

    Attributes
    ----------
    pairs : array, shape (..., K)
        Entries of W'W, by class and pair of places.
    half_logdet : array, shape (...,)
    centre : array, shape (...,)
    steep : bool array, shape (...,)
        Where the sum would lose too many digits.
    """

    pairs: np.ndarray
    half_logdet: np.ndarray
    centre: np.ndarray
    steep: np.ndarray


class Cells:
    """A problem's rows as classes of cells.

    Parameters
    ----------
    problem : Problem
    classes : list of Class
    """

    def __init__(self, problem: Problem, classes: list[Class]) -> None:
        self.problem = problem
        sizes = np.array([c.m for c in classes])
        rows = np.concatenate([c.rows[0] for c in classes])
        self.starts = np.cumsum(sizes) - sizes
        self.lattice = _lattice(problem, self.starts, rows)
        self.coords = _coords(problem, rows)
        owner = np.repeat(np.arange(len(classes)), sizes)
        place = np.arange(len(rows)) - self.starts[owner]
        self.first = np.array([c.first for c in classes])
        self.kept = place >= self.first[owner]
        self.counts = np.array([len(c.rows) for c in classes])
        self.repeats = self.counts[owner] * self.kept
        self.unit = (place == np.arange(sizes.max())[:, None]).astype(float)
        self.column = np.minimum(
            self.starts[owner] + np.arange(sizes.max())[:, None], len(rows) - 1
        )
        pairs = tuple(
            (k, i, j) for k, c in enumerate(classes) for i in range(c.m) for j in range(i, c.m)
        )
        self.owner, *places = np.array(pairs).T
        (self.left, self.right), own = np.unique(places, axis=1, return_inverse=True)
        self.own = own.ravel()  # of all pairs: the same places are met in many classes
        self.levels, self.total = _constants(problem, classes, pairs)

    def weights(self, cor: np.ndarray | None, var: np.ndarray | None) -> Weights:
        """Whiten the unit vectors of one cell of each class.

        Parameters
        ----------
        cor, var : arrays (..., k), or None
            Natural parameters of the structures.
        """
        problem, white, logs = self.problem, self.unit, np.zeros(())
        centre = np.zeros(())
        if problem.correlation is not None:
            structure = problem.correlation.structure
            white, half = structure.whiten(self.unit, cor, self.lattice, NUMPY)
            logs = self._own(half, white) @ self.counts
        white = np.where(self.kept, white, 0.0)
        steep = ~(np.max(white**2, axis=(-2, -1)) <= LIKELIHOOD.max_whitening_entry)
        if problem.variance is not None:
            log_sd = problem.variance.structure.log_sd(var, self.coords, NUMPY)
            centre = log_sd @ self.repeats / problem.n
            log_sd = log_sd - centre[..., None]
            logs = logs + log_sd @ self.repeats
            white = white * np.exp(-log_sd)[..., self.column]
        squares = white[..., self.left, :] * white[..., self.right, :]
        sums = NUMPY.segment_sum(squares, self.starts)
        return Weights(sums[..., self.own, self.owner], logs, centre, steep)

    def _own(self, half: np.ndarray, white: np.ndarray) -> np.ndarray:
        """log|C| / 2 of the cells without that of their past, given which a last row is new."""
        last = -np.log(np.abs(white[..., self.first, self.starts + self.first]))
        return np.where(self.first > 0, last, half)

    def gram(self, pairs: np.ndarray) -> Gram:
        """Gram matrices at weights (..., K) of the pairs of places."""
        return Gram(
            tuple(_combine(pairs, level) for level in self.levels), _combine(pairs, self.total)
        )

    def contracted(self, adjoint: GramAdjoint) -> np.ndarray:
        """Weights (..., K) by which the pairs of places enter a sum of the Gram matrices' entries.

        Parameters
        ----------
        adjoint : GramAdjoint
            What each entry is multiplied by.
        """
        given = [*adjoint.levels, *([] if adjoint.total is None else [adjoint.total])]
        own = [*self.levels[: len(adjoint.levels)], self.total]
        parts = [
            _flat_rows(x, y.ndim - 1) @ y.reshape(len(y), -1).T
            for x, y in zip(given, own, strict=False)
        ]
        return np.asarray(sum(parts))


def _flat_rows(x: np.ndarray, n_axes: int) -> np.ndarray:
    """The last axes of an array as one."""
    return x.reshape(*x.shape[: x.ndim - n_axes], -1)


def _combine(weights: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Sum (..., K) times (K, ...) as products too small for threads that would be waited for."""
    flat = constants.reshape(len(constants), -1)
    out = np.empty((*weights.shape[:-1], flat.shape[1]))
    step = max(1, triangular.MAX_SINGLE_THREAD_PRODUCT // max(weights.size, 1))
    for first in range(0, flat.shape[1], step):
        some = slice(first, first + step)
        out[..., some] = weights @ flat[:, some]
    return out.reshape(*weights.shape[:-1], *constants.shape[1:])


def _constants(
    problem: Problem, classes: list[Class], pairs: tuple[tuple[int, int, int], ...]
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Cross products (K, ...) of every pair of places, by level and in all."""
    w, width = problem.columns, problem.p + 1
    tail = w[len(w) - width :]
    levels = [
        np.zeros((len(pairs), stage.q, columns, stage.n_groups))
        for stage, columns in _levels(problem)
    ]
    total = np.zeros((len(pairs), width, width))
    codes = row_codes(problem)
    for at, (k, i, j) in enumerate(pairs):
        a, b = classes[k].rows[:, i], classes[k].rows[:, j]
        product = tail[:, a] @ tail[:, b].T
        total[at] = product if i == j else product + product.T
        for level, code, (stage, columns) in zip(levels, codes, _levels(problem), strict=True):
            right = w[len(w) - columns :]
            for e in range(stage.q):
                terms = right[e, a] * right[:, b]
                if i != j:
                    terms += right[e, b] * right[:, a]
                starts = runs(code[a])
                level[at, e][:, code[a][starts]] = NUMPY.segment_sum(terms, starts)
    return tuple(levels), total


def _levels(problem: Problem) -> list[tuple[Stage, int]]:
    """Stages, innermost first, and how many columns are left at each."""
    q = [stage.q for stage in problem.stages]
    c = len(problem.columns)
    return [(stage, c - sum(q[:k])) for k, stage in enumerate(problem.stages)]


def row_codes(problem: Problem) -> list[np.ndarray]:
    """Group of every sorted row, by level, innermost first."""
    sizes = np.diff(np.append(problem.row_starts, problem.n))
    at = np.repeat(np.arange(len(sizes)), sizes)
    codes = []
    for stage in problem.stages:
        codes.append(at)
        at = stage.parent[at]
    return codes


def build_cells(problem: Problem) -> Cells | None:
    """Return the problem's cells, or None where the rows themselves are less work.

    Parameters
    ----------
    problem : Problem
        Some of whose row parameters are free.
    """
    each = sum(stage.q * c * stage.n_groups for stage, c in _levels(problem))
    most = (LIKELIHOOD.max_constants_ratio * problem.columns.size + LIKELIHOOD.small_constants) / (
        each + (problem.p + 1) ** 2
    )
    classes = find_classes(problem)
    if not classes or sum(c.m * (c.m + 1) // 2 for c in classes) > most:
        return None
    return Cells(problem, classes)


def _lattice(problem: Problem, starts: np.ndarray, rows: np.ndarray) -> CorrelationGroups:
    if problem.correlation is None:
        return correlation_groups(starts, len(rows), None)
    known = problem.correlation.coords
    level = known.level_of_rows(rows[starts])
    return correlation_groups(
        starts, len(rows), known.position[rows], known.unit, level, known.levels
    )


def _coords(problem: Problem, rows: np.ndarray) -> Any:
    """Coordinates of the variance function at some rows."""
    if problem.variance is None:
        return None
    bound = problem.variance
    return bound.structure.join([c.take(rows) for c in bound.parts])
