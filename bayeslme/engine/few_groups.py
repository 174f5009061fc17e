"""Unstructured correlations of more positions than there are groups to estimate them from.

With m positions and g groups that have all of them there are vectors v in R^m orthogonal to the g
residuals. If a correlation matrix can have v in its null space, as some can where two dimensions
are left, the likelihood grows without bound on the way to it: log|C| falls, the squares do not
rise. REML integrates the coefficients out, which takes as much back as the X'v of the groups have
rank, unless v is orthogonal to X as well.
"""

from __future__ import annotations

import numpy as np

from bayeslme.engine.likelihood import Method
from bayeslme.engine.problem import Problem
from bayeslme.errors import FitError
from bayeslme.structures import CorSymm, Lattice

LEFT = 2  # dimensions in which some vector is in the null space of a correlation matrix


def require_groups(problem: Problem, method: Method) -> None:
    """Raise where an unstructured correlation has too few groups to have a maximum.

    Parameters
    ----------
    problem : Problem
    method : {"REML", "ML", "OLS"}

    Raises
    ------
    FitError
        Names the structure, its positions and their groups.
    """
    bound = problem.correlation
    if bound is None or not len(bound.free) or not isinstance(bound.structure, CorSymm):
        return
    rows = _complete_groups(bound.coords)
    g, m = rows.shape
    if g <= m - LEFT and _grows(problem, rows, method):
        msg = (
            f"{bound.structure.r_name}: {g} {'group has' if g == 1 else 'groups have'} all of {m} "
            f"positions, too few for {m * (m - 1) // 2} correlations: the likelihood has no "
            "maximum; use a structure of few parameters (corAR1, corCompSymm, corExp), or merge "
            "positions"
        )
        raise FitError(msg)


def _complete_groups(coords: Lattice) -> np.ndarray:
    """Sorted rows (g, m) of the groups that have all positions of the largest group."""
    largest = int(np.argmax(coords.sizes))
    m = coords.sizes[largest]
    of = [coords.starts[k] + np.arange(m) for k in np.flatnonzero(coords.sizes == m)]
    here = coords.position[coords.starts[largest] + np.arange(m), 0]
    return np.array([rows for rows in of if np.array_equal(coords.position[rows, 0], here)])


def _grows(problem: Problem, rows: np.ndarray, method: Method) -> bool:
    """Whether what REML takes back is less than the likelihood gains."""
    if method != "REML":
        return True
    g, m = rows.shape
    x = problem.columns[-1 - problem.p : -1][:, rows]  # (p, g, m)
    along = x @ np.random.default_rng(0).standard_normal(m)
    if np.linalg.matrix_rank(along) < g:
        return True
    return bool(np.linalg.matrix_rank(x.reshape(-1, m)) + g <= m - LEFT)
