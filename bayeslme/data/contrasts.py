"""Contrast matrices with R's numbers and names, and how factors enter a model matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bayeslme.data import settings
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.variables.factors import Basis, Factor, Keys, Kind, relabel
from bayeslme.errors import DataError, SpecError, listed
from bayeslme.formula.terms import Terms, deparse_variable

CodedLevels = tuple[FloatArray, tuple[str, ...]]


def contrast_matrix(name: str, levels: tuple[str, ...]) -> CodedLevels:
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


def treatment(levels: tuple[str, ...]) -> CodedLevels:
    """Differences from the first level."""
    return np.eye(len(levels))[:, 1:], levels[1:]


def sas(levels: tuple[str, ...]) -> CodedLevels:
    """Differences from the last level."""
    return np.eye(len(levels))[:, :-1], levels[:-1]


def sum_to_zero(levels: tuple[str, ...]) -> CodedLevels:
    """Deviations that sum to zero over the levels."""
    m = len(levels)
    return np.vstack([np.eye(m - 1), -np.ones((1, m - 1))]), _numbered(m - 1)


def helmert(levels: tuple[str, ...]) -> CodedLevels:
    """Each level against the mean of those before it."""
    m = len(levels)
    column = np.arange(1, m)
    below = np.arange(m)[:, None]
    matrix = np.where(below < column, -1.0, np.where(below == column, column, 0.0))
    return matrix, _numbered(m - 1)


def polynomial(levels: tuple[str, ...]) -> CodedLevels:
    """Orthonormal polynomials of the level numbers: .L, .Q, .C, ^4, ..."""
    m = len(levels)
    most = settings.DATA.max_polynomial_levels
    if m > most:
        msg = (
            f"contr.poly: {m} levels are more than the {most} whose powers can be told "
            "apart; use contr.treatment or a number"
        )
        raise SpecError(msg)
    scores = np.arange(m) - (m - 1) / 2
    q, r = np.linalg.qr(np.vander(scores, m, increasing=True))
    matrix = (q * np.sign(np.diag(r)))[:, 1:]
    return matrix, tuple([".L", ".Q", ".C"][: m - 1]) + tuple(f"^{k}" for k in range(4, m))


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(k + 1) for k in range(count))


CONTRASTS: dict[str, Callable[[tuple[str, ...]], CodedLevels]] = {
    "treatment": treatment,
    "sum": sum_to_zero,
    "helmert": helmert,
    "poly": polynomial,
    "SAS": sas,
}


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Which contrasts are used.

    Attributes
    ----------
    unordered, ordered : str
        R's option pair.
    by_factor : mapping of str to str
        Exceptions by column name.
    """

    unordered: str = "contr.treatment"
    ordered: str = "contr.poly"
    by_factor: Mapping[str, str] = field(default_factory=dict)

    def of(self, label: str, kind: Kind) -> str:
        """Name of the contrasts of a factor."""
        default = self.ordered if kind == "ordered" else self.unordered
        return self.by_factor.get(label, default)


@dataclass(frozen=True, slots=True)
class Coding:
    """How one factor enters the matrix.

    Attributes
    ----------
    levels : tuple of str, length m
    contrasts : (m, c) float array
    names : tuple of str, length c
    keys : tuple, length m, or None
        The values of the levels where these are not the labels.
    """

    levels: tuple[str, ...]
    contrasts: FloatArray
    names: tuple[str, ...]
    keys: Keys | None = None

    def columns(self, factor: Factor, label: str, *, full: bool) -> Basis:
        """Columns by contrasts, (n, c), or in full by one dummy per level, (n, m)."""
        table = np.eye(len(self.levels)) if full else self.contrasts
        code = relabel(factor, self.levels, self.keys)
        values = table[code]
        if (code < 0).any():
            _check_known(factor, code, self.levels, label)
            values[code < 0] = np.nan
        return Basis(values, self.levels if full else self.names)


def coding_of(label: str, factor: Factor, contrasts: Contrasts) -> Coding:
    """Coding of a factor of the data of the fit, which needs two levels at least."""
    if len(factor.levels) < 2:  # noqa: PLR2004
        only = f"the single level '{factor.levels[0]}'" if factor.levels else "no level"
        msg = f"factor '{label}' has {only} in the rows used; leave it out of the formula"
        raise DataError(msg)
    name = factor.contrasts or contrasts.of(label, factor.kind)
    matrix, names = contrast_matrix(name, factor.levels)
    return Coding(factor.levels, matrix, names, factor.keys)


def coded_by_contrasts(terms: Terms, codings: Mapping[str, Coding]) -> tuple[tuple[bool, ...], ...]:
    """Whether each variable of each term is coded by contrasts: R's rule for factors."""
    coded = terms.coding()
    if terms.intercept:
        return coded
    for k, term in enumerate(terms.terms):
        for j, variable in enumerate(term.variables):
            if deparse_variable(variable) in codings:
                changed = (*coded[k][:j], False, *coded[k][j + 1 :])
                return (*coded[:k], changed, *coded[k + 1 :])
    return coded


def _check_known(factor: Factor, code: IntArray, levels: tuple[str, ...], label: str) -> None:
    """Refuse levels that the model was not fitted to; `code` is -1 where it does not know one."""
    new = np.flatnonzero((code < 0) & (factor.code >= 0))
    if len(new):
        first = factor.levels[factor.code[new].min()]
        msg = (
            f"'{label}' has the level '{first}' that the model has not seen; it knows "
            f"{listed(levels)}"
        )
        raise DataError(msg)
