"""The design of some of the rows of another, its columns and codings kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayeslme.data.types import CorrelationCoords, Design, IntArray, Level
from bayeslme.errors import FitError


def part_of(design: Design, rows: IntArray) -> Design:
    """Some of the rows of a design.

    What was learned from all rows, such as the columns of ``poly(x, 2)`` and the contrasts of a
    factor, stays as it is; groups that have no rows any more are left out.

    Parameters
    ----------
    design : Design
    rows : int array
        Positions among the rows of the design, ascending.

    Returns
    -------
    Design

    Raises
    ------
    FitError
        Where a stratum of the variance function has no rows any more, so that one of its
        parameters has no meaning, and for groups whose relation is known.
    """
    if design.related:
        raise FitError(
            f"the groups of '{design.related[0]}' are related, so none of them can be left out; "
            "fit.update(data=...) fits other data"
        )
    for one in design.variance:
        gone = np.setdiff1d(one.stratum, one.stratum[rows])
        if len(gone):
            raise FitError(f"weights: no row of the stratum '{one.strata[int(gone[0])]}' is left")
    levels: list[Level] = []
    used: dict[int, IntArray] = {}
    for k, level in enumerate(design.levels):
        outer = design.outer(k)[:-1]
        left, code = np.unique(level.code[rows], return_inverse=True)
        parent = level.parent[left]
        if outer:
            parent = np.searchsorted(used[outer[-1]], parent)
        used[k] = left
        labels = tuple(level.labels[g] for g in left.tolist())
        known = None if level.known is None else level.known.take(left)
        levels.append(
            replace(level, Z=level.Z[rows], code=code, labels=labels, parent=parent, known=known)
        )
    return replace(
        design,
        y=design.y[rows],
        X=design.X[rows],
        levels=tuple(levels),
        variance=tuple(one.take(rows) for one in design.variance),
        correlation=_correlation(design.correlation, rows),
        picked=design.rows[rows],
        offset=design.offset if isinstance(design.offset, float) else design.offset[rows],
    )


def _correlation(coords: CorrelationCoords | None, rows: IntArray) -> CorrelationCoords | None:
    if coords is None:
        return None
    left, code = np.unique(coords.code[rows], return_inverse=True)
    return replace(
        coords,
        code=code,
        labels=tuple(coords.labels[g] for g in left.tolist()),
        position=None if coords.position is None else coords.position[rows],
        known=None if coords.known is None else coords.known.take(left),
        level=None if coords.level is None else coords.level[rows],
    )
