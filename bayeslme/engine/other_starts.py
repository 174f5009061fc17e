"""Starts on hills that no line through the top of another one shows.

Where several parameters have to move together, each line from one top to the next goes down only.
These few starts are climbed from whatever the search has seen.
"""

from __future__ import annotations

import numpy as np

from bayeslme.engine.problem import Problem
from bayeslme.engine.ridge import default_start
from bayeslme.engine.starts import several_hills
from bayeslme.structures import PdSymm

MANY_SIZES = 5  # parameters of random effects; two levels, one with a slope, have four
FAR = 10.0  # times the extent of the positions
SLOPES = 2  # parameters of random effects that may stand in for a long range


def unseen(problem: Problem, starts: np.ndarray) -> np.ndarray:
    """Starts (m, k) to climb from, whatever is seen from the top.

    Parameters
    ----------
    problem : Problem
    starts : array, shape (s, k)
        Candidates, best first.
    """
    return np.concatenate([_rows(problem, starts), _sizes(problem), _range(problem)])


def _rows(problem: Problem, starts: np.ndarray) -> np.ndarray:
    """The best start of every set of those row parameters that often have several hills."""
    columns = several_hills(problem)
    if not columns.any():
        return starts[:0]
    _, first = np.unique(starts[:, columns], axis=0, return_index=True)
    return np.asarray(starts[np.sort(first)])


def _sizes(problem: Problem) -> np.ndarray:
    """Nlme's start (1, k), where many sizes of effects are free.

    The candidates have equal sizes at each level, and lines move one size at a time.
    """
    one_matrix = len(problem.stages) == 1 and isinstance(problem.stages[0].structure, PdSymm)
    if problem.theta_correlation.start < MANY_SIZES or one_matrix:
        return np.zeros((0, problem.size))
    return default_start(problem)[None]


def _range(problem: Problem) -> np.ndarray:
    """A start (1, k) with a range far beyond the data, where random slopes may stand in for it."""
    bound, place = problem.correlation, problem.theta_correlation
    none = np.zeros((0, problem.size))
    if bound is None or 0 not in bound.free or place.start < SLOPES:
        return none
    if not bound.structure.spatial or bound.structure.compact:
        return none
    start = default_start(problem)
    natural = bound.natural(start[place])
    extent = float(np.linalg.norm(np.ptp(bound.coords.position, axis=0)))
    natural[0] = FAR * extent / bound.coords.unit
    start[place] = bound.to_free(natural)
    return start[None]
