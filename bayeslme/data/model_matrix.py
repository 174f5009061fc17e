"""Model matrices by R's rules: column names, their order, and the coding of factors.

A factor in a term is coded by contrasts where the rest of the term is already in the model, by
one dummy per level otherwise; without an intercept the first factor of the first term that has
one gets dummies (Chambers and Hastie, 1992, section 2.4). What was learned from the data (levels,
contrasts, the constants of ``poly`` and ``scale``) is kept, so that new data go through the same
door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pandas as pd

from bayeslme.data.columns import Columns
from bayeslme.data.contrasts import contrast_matrix
from bayeslme.data.evaluate import Memory, columns_of, evaluate_rows
from bayeslme.data.factors import Factor, Kind, drop_unused, from_numbers, relabel
from bayeslme.data.made import Made
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.values import Basis
from bayeslme.data.wording import listed
from bayeslme.errors import DataError
from bayeslme.spec.expr import Expr
from bayeslme.spec.terms import Term, Terms, deparse_variable

INTERCEPT = "(Intercept)"
MAX_ENTRIES = 2**28  # of one factor's dummy columns: 2 GB
Evaluated = Mapping[str, FloatArray | Factor | Basis]


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
    """

    levels: tuple[str, ...]
    contrasts: FloatArray
    names: tuple[str, ...]

    def columns(self, factor: Factor, label: str, *, full: bool) -> Basis:
        """Columns by contrasts, (n, c), or in full by one dummy per level, (n, m)."""
        table = np.eye(len(self.levels)) if full else self.contrasts
        code = relabel(factor, self.levels)
        values = table[code]
        if (code < 0).any():
            _check_known(factor, self.levels, label)
            values[code < 0] = np.nan
        return Basis(values, self.levels if full else self.names)


@dataclass(frozen=True, slots=True)
class MatrixSpec:
    """A model matrix learned from data.

    Attributes
    ----------
    terms : Terms
    codings : mapping of str to Coding
        By the text of the variable.
    by_contrasts : tuple of tuple of bool
        One tuple a term, aligned with its variables.
    memory : dict
        What stateful functions learned.
    names : tuple of str, length p
    assign : (p,) int array
        0 for the intercept, k for a column of the k-th term.
    """

    terms: Terms
    codings: Mapping[str, Coding]
    by_contrasts: tuple[tuple[bool, ...], ...]
    memory: Memory
    names: tuple[str, ...]
    assign: IntArray

    @property
    def columns_needed(self) -> tuple[str, ...]:
        """Names of the data columns that the matrix is made of."""
        return needed(self.terms)

    def apply(self, frame: pd.DataFrame | Columns) -> tuple[FloatArray, tuple[str, ...], IntArray]:
        """Make the matrix for other data with the levels, contrasts and constants learned.

        Parameters
        ----------
        frame : DataFrame or Columns

        Returns
        -------
        X : (m, p) float array
            Rows with a missing value are NaN.
        names : tuple of str, length p
        assign : (p,) int array

        Raises
        ------
        DataError
            For a missing column or a level that the model has not seen.
        """
        columns = frame if isinstance(frame, Columns) else Columns(frame)
        columns.require(self.columns_needed, "model formula")
        evaluated = _evaluate(self.terms, columns, self.memory)
        X = assemble(self.terms, evaluated, self.codings, self.by_contrasts, columns.n)[0]
        return X, self.names, self.assign


@dataclass(frozen=True, slots=True)
class JoinedMatrix:
    """The matrices of several blocks side by side.

    Attributes
    ----------
    parts : tuple of MatrixSpec
    """

    parts: tuple[MatrixSpec, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, block after block."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def codings(self) -> Mapping[str, Coding]:
        """Codings of the factors of all blocks."""
        return {label: coding for part in self.parts for label, coding in part.codings.items()}

    @property
    def columns_needed(self) -> tuple[str, ...]:
        """Names of the data columns that the matrices are made of."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.columns_needed))

    @property
    def assign(self) -> IntArray:
        """Term of each column within its block, (q,)."""
        return np.concatenate([part.assign for part in self.parts])

    def apply(self, frame: pd.DataFrame | Columns) -> tuple[FloatArray, tuple[str, ...], IntArray]:
        """Make the matrix for other data, as ``MatrixSpec.apply``."""
        columns = frame if isinstance(frame, Columns) else Columns(frame)
        values = [part.apply(columns)[0] for part in self.parts]
        return np.concatenate(values, axis=1), self.names, self.assign


def needed(terms: Terms) -> tuple[str, ...]:
    """Names of the variables in the terms."""
    return tuple(dict.fromkeys(name for v in terms.variables for name in columns_of(v)))


def learn(
    terms: Terms,
    columns: Columns,
    contrasts: Contrasts | None = None,
    made: Made | None = None,
) -> tuple[MatrixSpec, FloatArray]:
    """Learn a model matrix from data without missing values.

    Parameters
    ----------
    terms : Terms
    columns : Columns
    contrasts : Contrasts, optional
        R's defaults where left out.
    made : Made, optional
        The matrix is a view of these columns where they hold it.

    Returns
    -------
    spec : MatrixSpec
    X : (n, p) float array

    Raises
    ------
    DataError
        For a factor with a single level, a text column where numbers are needed, or a term that
        is not finite.
    """
    contrasts = Contrasts() if contrasts is None else contrasts
    memory: Memory = {}
    evaluated = _evaluate(terms, columns, memory)
    _check_finite(evaluated)
    for label, value in evaluated.items():
        if isinstance(value, Factor):
            _check_size(columns.n, len(value.levels), label)
    codings = {
        label: _coding(label, value, contrasts)
        for label, value in evaluated.items()
        if isinstance(value, Factor)
    }
    by_contrasts = _by_contrasts(terms, codings)
    X, names, assign = assemble(terms, evaluated, codings, by_contrasts, columns.n, made)
    return MatrixSpec(terms, codings, by_contrasts, memory, names, assign), X


def _evaluate(
    terms: Terms, columns: Columns, memory: Memory
) -> dict[str, FloatArray | Factor | Basis]:
    return {deparse_variable(v): _variable(v, columns, memory) for v in terms.variables}


def _variable(expr: Expr, columns: Columns, memory: Memory) -> FloatArray | Factor | Basis:
    value = evaluate_rows(expr, columns, memory)
    return drop_unused(value) if isinstance(value, Factor) else value


def _coding(label: str, factor: Factor, contrasts: Contrasts) -> Coding:
    if len(factor.levels) < 2:  # noqa: PLR2004
        only = f"the single level '{factor.levels[0]}'" if factor.levels else "no level"
        msg = f"factor '{label}' has {only} in the rows used; leave it out of the formula"
        raise DataError(msg)
    name = factor.contrasts or contrasts.of(label, factor.kind)
    matrix, names = contrast_matrix(name, factor.levels)
    return Coding(factor.levels, matrix, names)


def _by_contrasts(terms: Terms, codings: Mapping[str, Coding]) -> tuple[tuple[bool, ...], ...]:
    """R's coding rule, the case of no intercept included."""
    coded = terms.coding()
    if terms.intercept:
        return coded
    for k, term in enumerate(terms.terms):
        for j, variable in enumerate(term.variables):
            if deparse_variable(variable) in codings:
                changed = (*coded[k][:j], False, *coded[k][j + 1 :])
                return (*coded[:k], changed, *coded[k + 1 :])
    return coded


def assemble(
    terms: Terms,
    evaluated: Evaluated,
    codings: Mapping[str, Coding],
    by_contrasts: tuple[tuple[bool, ...], ...],
    n: int,
    made: Made | None = None,
) -> tuple[FloatArray, tuple[str, ...], IntArray]:
    """Put the columns of all terms side by side.

    Returns
    -------
    X : (n, p) float array
        Each column contiguous.
    names : tuple of str, length p
    assign : (p,) int array
    """
    bases = [Basis(np.broadcast_to(1.0, (n, 1)), (INTERCEPT,))] if terms.intercept else []
    assign = [0] if terms.intercept else []
    for k, term in enumerate(terms.terms):
        basis = _term_columns(term, evaluated, codings, by_contrasts[k])
        bases.append(basis)
        assign += [k + 1] * len(basis.names)
    names = tuple(name for b in bases for name in b.names)
    X = None if made is None else made.holding(bases, names)
    if X is None:
        X = np.empty((len(assign), n)).T
        if bases:
            np.concatenate([b.values for b in bases], axis=1, out=X)
    return X, names, np.array(assign, dtype=np.intp)


def _term_columns(
    term: Term, evaluated: Evaluated, codings: Mapping[str, Coding], by_contrasts: tuple[bool, ...]
) -> Basis:
    """Columns of one term: products over its variables, those of the first varying fastest."""
    labels = [deparse_variable(v) for v in term.variables]
    parts = [
        _variable_columns(label, evaluated[label], codings.get(label), full=not contrast)
        for label, contrast in zip(labels, by_contrasts, strict=True)
    ]
    return reduce(_product, parts)


def _variable_columns(
    label: str, value: FloatArray | Factor | Basis, coding: Coding | None, *, full: bool
) -> Basis:
    """Columns of one variable under R's names."""
    if isinstance(value, np.ndarray) and coding is not None:
        value = from_numbers(value, integer=bool((value == np.round(value)).all()))
    if isinstance(value, np.ndarray):
        return Basis(value[:, None], (label,))
    if isinstance(value, Basis):
        return _named(value, label, single=len(value.names) == 1)
    if coding is None:
        msg = f"'{label}' is a factor in the new data and was a number in the data of the fit"
        raise DataError(msg)
    return _named(coding.columns(value, label, full=full), label)


def _named(basis: Basis, label: str, *, single: bool = False) -> Basis:
    return Basis(basis.values, tuple(label if single else label + name for name in basis.names))


def _product(first: Basis, second: Basis) -> Basis:
    n, width = len(first.values), len(first.names) * len(second.names)
    _check_size(n, width, f"{first.names[0]}:{second.names[0]}")
    values = (second.values[:, :, None] * first.values[:, None, :]).reshape(n, width)
    return Basis(values, tuple(f"{a}:{b}" for b in second.names for a in first.names))


def _check_size(n: int, columns: int, what: str) -> None:
    """Refuse dummy columns that no memory holds, before they are made."""
    if n * columns > MAX_ENTRIES:
        msg = f"'{what}' would make {columns} columns of {n} rows; use random effects for so many"
        raise DataError(msg)


def _check_finite(evaluated: Evaluated) -> None:
    for label, value in evaluated.items():
        if isinstance(value, Factor):
            bad = int((value.code < 0).sum())
        else:
            array = value.values if isinstance(value, Basis) else value
            bad = (
                0
                if np.isfinite(array).all()
                else int((~np.isfinite(array.reshape(len(array), -1)).all(axis=1)).sum())
            )
        if bad:
            msg = (
                f"'{label}' is not a finite number in {bad} of the rows used; drop those rows "
                "(subset) or transform it otherwise"
            )
            raise DataError(msg)


def _check_known(factor: Factor, levels: tuple[str, ...], label: str) -> None:
    """Refuse levels that the model was not fitted to."""
    occurring = drop_unused(factor).levels
    new = [level for level in occurring if level not in levels]
    if new:
        msg = (
            f"'{label}' has the level '{new[0]}' that the model has not seen; it knows "
            f"{listed(levels)}"
        )
        raise DataError(msg)
