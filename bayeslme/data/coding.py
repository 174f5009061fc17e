"""How factors enter a model matrix: which contrasts, and by contrasts or in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bayeslme.data.contrasts import contrast_matrix
from bayeslme.data.factors import Factor, Keys, Kind, relabel
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.values import Basis
from bayeslme.data.wording import listed
from bayeslme.errors import DataError
from bayeslme.spec.terms import Terms, deparse_variable


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
