"""Small sets of rows that whitening treats alike: which rows of a problem are such cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.engine.problem import Problem
from bayeslme.structures import Bound, Lattice

LONGEST = 12  # rows of a group that is a cell
CLASSES = 64
ROW_CLASSES = 4096  # where rows are independent, each class costs one cross product


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
        return _recent(bound.coords, kinds, memory)
    except _TooManyError:
        return []


def _recent(lattice: Lattice, kinds: np.ndarray, memory: int) -> list[Class]:
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


def _looks(lattice: Lattice, kinds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Code (h,) of cells with equal steps and variance coordinates."""
    code: np.ndarray = kinds[rows[:, 0]]
    for row in rows.T[1:]:
        code = _joined(_joined(code, kinds[row]), lattice.step[row])
    return code


def _whole_groups(bound: Bound, kinds: np.ndarray) -> list[Class]:
    """Groups of a few rows with equal positions and variances."""
    lattice: Lattice = bound.coords
    if lattice.sizes.max() > LONGEST:
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
    most = ROW_CLASSES if problem.correlation is None else CLASSES
    coords = () if problem.variance is None else problem.variance.coords
    for one in coords if isinstance(coords, tuple) else (coords,):
        kinds = _joined(kinds, one.stratum, most)
        if one.covariate is not None:
            kinds = _joined(kinds, _few(one.covariate, CLASSES), most)
    return kinds


def _joined(code: np.ndarray, values: np.ndarray, most: int = CLASSES) -> np.ndarray:
    """Code of equal pairs of a code and a value."""
    own = _few(values, most)
    return _few(code * (own.max(initial=0) + 1) + own, most)


def _few(values: np.ndarray, most: int) -> np.ndarray:
    """Code of equal values."""
    different = np.sort(np.unique_values(values))
    if len(different) > most:
        raise _TooManyError
    return np.searchsorted(different, values)
