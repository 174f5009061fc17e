"""Residual correlation: matrices of groups to be shown, and noise that has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayeslme.engine import Estimate
from bayeslme.engine.colouring import colour_groups
from bayeslme.errors import FitError
from bayeslme.structures import Lattice

LONGEST = 10_000  # rows of a dense matrix, 0.8 GB

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Correlated:
    """Groups of similar size that share patterns of positions.

    Attributes
    ----------
    rows : (h, m) int array
        Row of the design at each place; n where a place is empty.
    pattern : (h,) int array
        Pattern of each group.
    matrices : (r, m, m) array
        Correlation matrix of each pattern, identity in empty places.
    """

    rows: IntArray
    pattern: IntArray
    matrices: FloatArray


def correlated(estimate: Estimate) -> Iterator[Correlated]:
    """Correlation matrices of all groups; nothing where residuals are independent.

    Raises
    ------
    FitError
        Where a group is too long for a dense matrix.
    """
    problem = estimate.problem
    if problem.correlation is None:
        return
    structure, lattice = problem.correlation.structure, problem.correlation.coords
    order = np.append(problem.order, problem.n)
    _require_short(lattice)
    for k, block in enumerate(lattice.blocks(structure.stationary)):
        matrices = np.asarray(structure.matrix(estimate.corstruct, lattice, k))
        yield Correlated(order[block.rows], block.pattern, matrices)


def correlation_matrix(estimate: Estimate, rows: IntArray) -> FloatArray:
    """Correlation of the residuals of some rows.

    Parameters
    ----------
    estimate : Estimate
    rows : (m,) int array
        Rows of the design.

    Returns
    -------
    (m, m) array
    """
    place = np.full(estimate.problem.n + 1, -1)
    place[rows] = np.arange(len(rows))
    matrix = np.eye(len(rows))
    for groups in correlated(estimate):
        at = place[groups.rows]
        for k in np.flatnonzero((at >= 0).any(axis=1)):
            here = np.flatnonzero(at[k] >= 0)
            values = groups.matrices[groups.pattern[k]][np.ix_(here, here)]
            matrix[np.ix_(at[k, here], at[k, here])] = values
    return matrix


def colour(estimate: Estimate, noise: FloatArray) -> FloatArray:
    """Give independent standard noise the correlation of the residuals.

    Parameters
    ----------
    estimate : Estimate
    noise : (s, n) array
        Draws by rows of the design.

    Returns
    -------
    (s, n) array

    Raises
    ------
    FitError
        Where only a dense matrix would do, and a group is too long for one.
    """
    problem = estimate.problem
    if problem.correlation is None or estimate.corstruct is None:
        return noise
    structure, lattice = problem.correlation.structure, problem.correlation.coords
    if structure.dense(lattice):
        _require_short(lattice)
    coloured = np.empty_like(noise)
    rows = noise[:, problem.order]
    coloured[:, problem.order] = colour_groups(structure, estimate.corstruct, lattice, rows)
    return coloured


def _require_short(lattice: Lattice) -> None:
    longest = int(lattice.sizes.max())
    if longest > LONGEST:
        raise FitError(
            f"a correlation group has {longest} rows; dense matrices are made up to {LONGEST} rows "
            "only (marginal_cov; simulate where positions are spatial)"
        )
