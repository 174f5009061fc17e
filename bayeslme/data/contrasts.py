"""Contrast matrices with R's numbers and column names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bayeslme.data.types import FloatArray
from bayeslme.errors import SpecError

Coding = tuple[FloatArray, tuple[str, ...]]
_MAX_POLY = 95  # beyond it the powers of the scores are numerically dependent; R refuses too


def contrast_matrix(name: str, levels: tuple[str, ...]) -> Coding:
    """Contrast matrix of a factor.

    Parameters
    ----------
    name : str
        ``"contr.treatment"``, ``"contr.sum"``, ``"contr.helmert"``, ``"contr.poly"`` or
        ``"contr.SAS"``; the prefix may be left out.
    levels : tuple of str, length m
        At least two.

    Returns
    -------
    matrix : (m, m - 1) float array
    names : tuple of str, length m - 1
        What R appends to the factor's name.

    Raises
    ------
    SpecError
        For an unknown name.

    Examples
    --------
    >>> matrix, names = contrast_matrix("contr.treatment", ("Male", "Female"))
    >>> matrix.tolist(), names
    ([[0.0], [1.0]], ('Female',))
    """
    function = CONTRASTS.get(name.removeprefix("contr."))
    if function is None:
        allowed = ", ".join(f"contr.{key}" for key in CONTRASTS)
        msg = f"contrasts: '{name}' is unknown; allowed are {allowed}"
        raise SpecError(msg)
    return function(levels)


def treatment(levels: tuple[str, ...]) -> Coding:
    """Differences from the first level."""
    return np.eye(len(levels))[:, 1:], levels[1:]


def sas(levels: tuple[str, ...]) -> Coding:
    """Differences from the last level."""
    return np.eye(len(levels))[:, :-1], levels[:-1]


def sum_to_zero(levels: tuple[str, ...]) -> Coding:
    """Deviations that sum to zero over the levels."""
    m = len(levels)
    return np.vstack([np.eye(m - 1), -np.ones((1, m - 1))]), _numbered(m - 1)


def helmert(levels: tuple[str, ...]) -> Coding:
    """Each level against the mean of those before it."""
    m = len(levels)
    column = np.arange(1, m)
    below = np.arange(m)[:, None]
    matrix = np.where(below < column, -1.0, np.where(below == column, column, 0.0))
    return matrix, _numbered(m - 1)


def polynomial(levels: tuple[str, ...]) -> Coding:
    """Orthonormal polynomials of the level numbers: .L, .Q, .C, ^4, ..."""
    m = len(levels)
    if m > _MAX_POLY:
        msg = (
            f"contr.poly: {m} levels are more than the {_MAX_POLY} whose powers can be told "
            "apart; use contr.treatment or a number"
        )
        raise SpecError(msg)
    scores = np.arange(m) - (m - 1) / 2
    q, r = np.linalg.qr(np.vander(scores, m, increasing=True))
    matrix = (q * np.sign(np.diag(r)))[:, 1:]
    return matrix, tuple([".L", ".Q", ".C"][: m - 1]) + tuple(f"^{k}" for k in range(4, m))


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(k + 1) for k in range(count))


CONTRASTS: dict[str, Callable[[tuple[str, ...]], Coding]] = {
    "treatment": treatment,
    "sum": sum_to_zero,
    "helmert": helmert,
    "poly": polynomial,
    "SAS": sas,
}
