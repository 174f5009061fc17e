"""Model matrices by R's rules: names and order of columns, coding, rank.

A factor in a term is coded by contrasts where the rest of the term is already in the model, by
one dummy per level otherwise; without an intercept the first factor of the first term that has
one gets dummies (Chambers and Hastie, 1992, section 2.4). What was learned from the data (levels,
contrasts, the constants of ``poly`` and ``scale``) is kept, so that new data are transformed in
the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pandas as pd

from bayeslme.data import settings
from bayeslme.data.contrasts import Coding, Contrasts, coded_by_contrasts, coding_of
from bayeslme.data.evaluation.evaluate import Memory, columns_of, evaluate_rows
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.variables.columns import Columns, check_size
from bayeslme.data.variables.dates import Origin
from bayeslme.data.variables.factors import (
    Basis,
    Factor,
    drop_unused,
    from_numbers,
    rows_not_finite,
)
from bayeslme.data.variables.labels import numbered
from bayeslme.errors import DataError
from bayeslme.formula.expressions import Expr, Name
from bayeslme.formula.terms import Term, Terms, deparse_variable


def aliased(X: FloatArray) -> list[int]:
    """Columns that depend linearly on the columns before them.

    Parameters
    ----------
    X : (n, p) float array

    Returns
    -------
    list of int
        Positions of the aliased columns; empty for full rank.
    """
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    scaled = np.where(norms > 0, norms, 1.0)
    gram = (X.T @ X) / np.outer(scaled, scaled)
    if X.shape[0] >= X.shape[1] and norms.all() and _independent(gram):
        return []
    return _gram_schmidt(X / scaled)


def _independent(gram: FloatArray) -> bool:
    """Whether every pivot of the Cholesky factor is far from zero."""
    try:
        pivots = np.diagonal(np.linalg.cholesky(gram))
    except np.linalg.LinAlgError:
        return False
    return bool((pivots**2 > settings.DATA.independent_pivot).all())


def _gram_schmidt(X: FloatArray) -> list[int]:
    """Orthogonalise twice, column by column, leaving out columns that become zero."""
    basis = np.empty((X.shape[0], 0))
    dependent = []
    for k in range(X.shape[1]):
        rest = X[:, k]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length < settings.DATA.alias_tolerance:
            dependent.append(k)
        else:
            basis = np.column_stack([basis, rest / length])
    return dependent


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


INTERCEPT = "(Intercept)"
Evaluated = Mapping[str, FloatArray | Factor | Basis]


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
    # level "bc" of factor "a" and level "c" of factor "ab" would make two columns "abc"
    names = numbered([name for b in bases for name in b.names])
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
    check_size(n, width, f"{first.names[0]}:{second.names[0]}")
    values = (second.values[:, :, None] * first.values[:, None, :]).reshape(n, width)
    return Basis(values, tuple(f"{a}:{b}" for b in second.names for a in first.names))


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
    origins : mapping of str to Origin
        From when the days of columns of times are counted.
    """

    terms: Terms
    codings: Mapping[str, Coding]
    by_contrasts: tuple[tuple[bool, ...], ...]
    memory: Memory
    names: tuple[str, ...]
    assign: IntArray
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def columns_needed(self) -> tuple[str, ...]:
        """Names of the data columns that the matrix is made of."""
        names = (name for variable in self.terms.variables for name in columns_of(variable))
        return tuple(dict.fromkeys(names))

    def apply(self, frame: pd.DataFrame | Columns) -> FloatArray:
        """Make the matrix for other data with the levels, contrasts and constants learned.

        Parameters
        ----------
        frame : DataFrame or Columns

        Returns
        -------
        (m, p) float array
            Rows with a missing value are NaN.

        Raises
        ------
        DataError
            For a missing column or a level that the model has not seen.
        """
        columns = frame if isinstance(frame, Columns) else Columns(frame, self.origins)
        columns.require(self.columns_needed, "model formula")
        evaluated = _evaluate(self.terms, columns, self.memory)
        for variable in self.terms.variables:
            label = deparse_variable(variable)
            number = isinstance(evaluated[label], np.ndarray)
            if number and label in self.codings and isinstance(variable, Name):
                evaluated[label] = columns.factor(variable.name)  # numbers as they are, not floats
        return assemble(self.terms, evaluated, self.codings, self.by_contrasts, columns.n)[0]


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

    def apply(self, frame: pd.DataFrame | Columns) -> FloatArray:
        """Make the matrix for other data, (m, q); see `MatrixSpec.apply`."""
        columns = frame if isinstance(frame, Columns) else Columns(frame, self.parts[0].origins)
        return np.concatenate([part.apply(columns) for part in self.parts], axis=1)


def learn(
    terms: Terms,
    columns: Columns,
    contrasts: Contrasts | None = None,
    made: Made | None = None,
    memory: Memory | None = None,
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
    memory : dict, optional
        What stateful functions have learned already, from other rows.

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
    memory = {} if memory is None else memory
    evaluated = _evaluate(terms, columns, memory)
    _check_finite(evaluated)
    factors = {label: value for label, value in evaluated.items() if isinstance(value, Factor)}
    for label, factor in factors.items():
        check_size(columns.n, len(factor.levels), label)
    codings = {label: coding_of(label, factor, contrasts) for label, factor in factors.items()}
    by_contrasts = coded_by_contrasts(terms, codings)
    X, names, assign = assemble(terms, evaluated, codings, by_contrasts, columns.n, made)
    return MatrixSpec(terms, codings, by_contrasts, memory, names, assign, columns.origins), X


def _evaluate(
    terms: Terms, columns: Columns, memory: Memory
) -> dict[str, FloatArray | Factor | Basis]:
    return {deparse_variable(v): _variable(v, columns, memory) for v in terms.variables}


def _variable(expr: Expr, columns: Columns, memory: Memory) -> FloatArray | Factor | Basis:
    value = evaluate_rows(expr, columns, memory)
    return drop_unused(value) if isinstance(value, Factor) else value


def _check_finite(evaluated: Evaluated) -> None:
    for label, value in evaluated.items():
        if isinstance(value, Factor):
            bad = int((value.code < 0).sum())
        else:
            bad = rows_not_finite(value.values if isinstance(value, Basis) else value)
        if bad:
            msg = (
                f"'{label}' is not a finite number in {bad} of the rows used; drop those rows "
                "(subset) or transform it otherwise"
            )
            raise DataError(msg)
