"""Columns that are made already: random effects are often among the fixed ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.data.types import FloatArray
from bayeslme.data.values import Basis


@dataclass(frozen=True, slots=True)
class Made:
    """Columns that exist already, so that a matrix which holds them too need not copy them.

    Attributes
    ----------
    values : (n, k) float array
    names : tuple of str, length k
    """

    values: FloatArray
    names: tuple[str, ...]

    def holding(self, bases: list[Basis], names: tuple[str, ...]) -> FloatArray | None:
        """Consecutive columns with these names and values, (n, p); None where there are none."""
        p = len(names)
        starts = (k for k in range(len(self.names) - p + 1) if self.names[k : k + p] == names)
        at = next(starts, None) if p else None
        if at is None:
            return None
        found, k = self.values[:, at : at + p], 0
        for basis in bases:
            width = len(basis.names)
            if not np.array_equal(found[:, k : k + width], basis.values):
                return None
            k += width
        return found
