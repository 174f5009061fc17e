"""The scale of a typical row, in units of sigma: what the data tell however R is made up.

Its square is the geometric mean of the variances that rows have given those before them, in a few
rows of a group: log|V C V| over their number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayeslme.engine.problem import Problem
from bayeslme.structures import Bound, Lattice, build_lattice

ROWS = 200  # of the variance function, evenly spread
NEIGHBOURS = 6  # rows of a group
CERTAIN = -200.0  # log determinant where a correlation is perfect in all digits


@dataclass(frozen=True)
class Typical:
    """A few rows of a problem.

    Attributes
    ----------
    correlation, variance : Bound or None
    """

    correlation: Bound | None
    variance: Bound | None

    @classmethod
    def of(cls, problem: Problem) -> Typical:
        """Choose rows of the largest correlation group, and of all for the variance function."""
        correlation, variance = problem.correlation, problem.variance
        if correlation is not None:
            correlation = replace(correlation, coords=_neighbours(correlation))
        if variance is not None:
            rows = np.unique(np.linspace(0, problem.n - 1, ROWS).astype(int))
            variance = replace(variance, coords=_chosen(variance.coords, rows))
        return cls(correlation, variance)

    def log_scale(self, corstruct: np.ndarray | None, varfunc: np.ndarray | None) -> np.ndarray:
        """Logarithm (...) of the scale at natural parameters (..., k)."""
        total = np.zeros(())
        if self.variance is not None and varfunc is not None:
            log_sd = self.variance.structure.log_sd(varfunc, self.variance.coords)
            total = total + log_sd.mean(axis=-1)
        if self.correlation is not None and corstruct is not None:
            matrix = self.correlation.structure.matrix(corstruct, self.correlation.coords, 0)
            sign, log_det = np.linalg.slogdet(matrix[..., 0, :, :])
            certain = np.where(sign > 0, np.maximum(log_det, CERTAIN), CERTAIN)
            total = total + 0.5 * certain / matrix.shape[-1]
        return np.asarray(total)


def _neighbours(bound: Bound) -> Lattice:
    """The first rows of the largest group; all of it where positions have numbers of their own."""
    lattice: Lattice = bound.coords
    largest = int(np.argmax(lattice.sizes))
    start, size = int(lattice.starts[largest]), int(lattice.sizes[largest])
    count = min(size, NEIGHBOURS) if bound.structure.stationary else size
    position = lattice.position[start : start + count]
    return build_lattice(np.array([0]), count, position, lattice.unit)


def _chosen(coords: Any, rows: np.ndarray) -> Any:
    if isinstance(coords, tuple):
        return tuple(_chosen(c, rows) for c in coords)
    covariate = None if coords.covariate is None else coords.covariate[rows]
    return replace(coords, covariate=covariate, stratum=coords.stratum[rows])
