"""Denominator degrees of freedom by the inner-outer rule.

A coefficient is estimated at the innermost level at which its column varies; a level with G groups
inside G' outer ones, at which p coefficients are estimated, leaves G - G' - p degrees of freedom
(Pinheiro and Bates 2000, section 2.4.2). A term is estimated where its innermost column is, and a
test of terms counts all its columns there. The intercept takes the largest of them. Where the model
has no intercept, nlme counts one degree of freedom more at every level; so does this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayeslme.data.types import Design

IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Degrees:
    """Denominator degrees of freedom.

    Attributes
    ----------
    columns : (p,) int array
        For each coefficient.
    terms : (t,) int array
        For each term, the intercept (where there is one) first.
    """

    columns: IntArray
    terms: IntArray


def constant_within(x: npt.NDArray[np.float64], code: IntArray) -> npt.NDArray[np.bool_]:
    """Tell which columns do not vary inside any group.

    Parameters
    ----------
    x : (n, p) array
    code : (n,) int array
        Group of each row; all of 0 to G - 1 occur.

    Returns
    -------
    (p,) bool array
    """
    _, first = np.unique(code, return_index=True)
    return np.asarray((x == x[first][code]).all(axis=0))


def column_levels(design: Design) -> IntArray:
    """Level at which each column is estimated: 1 the outermost grouping, K + 1 the observations.

    Returns
    -------
    (p,) int array
        0 for a constant column, the intercept.
    """
    inner = np.array([~constant_within(design.X, level.code) for level in design.levels])
    levels = 1 + inner.reshape(len(design.levels), -1).sum(axis=0)
    return np.where((design.X[0] == design.X).all(axis=0), 0, levels)


def inner_outer(design: Design) -> Degrees:
    """Denominator degrees of freedom of every coefficient and every term.

    Parameters
    ----------
    design : Design

    Returns
    -------
    Degrees
    """
    levels = column_levels(design)
    terms, size = np.unique(design.assign, return_counts=True)
    innermost = np.array([levels[design.assign == k].max() for k in terms], dtype=np.intp)
    return Degrees(_left(design, levels, np.ones(len(levels))), _left(design, innermost, size))


def _left(design: Design, levels: IntArray, size: npt.NDArray[np.float64 | np.intp]) -> IntArray:
    """Degrees of freedom (m,) for parts of so many columns, estimated at these levels (m,)."""
    counts = np.array([1, *(len(level.labels) for level in design.levels), len(design.y)])
    spent = np.bincount(levels, size, minlength=len(counts)).astype(int)
    left = np.diff(counts) - spent[1:] + (1 if spent[0] == 0 else 0)
    return np.asarray(np.where(levels > 0, left[levels - 1], left.max()))


def residual(design: Design) -> Degrees:
    """Degrees of freedom without groups: n - p for every coefficient and term."""
    left = len(design.y) - design.X.shape[1]
    return Degrees(np.full(len(design.assign), left), np.full(len(np.unique(design.assign)), left))
