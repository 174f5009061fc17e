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

import numpy as np
import pandas as pd

from bayeslme.data.coding import Coding, Contrasts, coded_by_contrasts, coding_of
from bayeslme.data.columns import Columns
from bayeslme.data.dates import Origin
from bayeslme.data.evaluate import Memory, columns_of, evaluate_rows
from bayeslme.data.factors import Factor, drop_unused
from bayeslme.data.made import Made
from bayeslme.data.sizes import check_size
from bayeslme.data.term_columns import Evaluated, assemble
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.values import Basis, rows_not_finite
from bayeslme.errors import DataError
from bayeslme.spec.expr import Expr, Name
from bayeslme.spec.terms import Terms, deparse_variable


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
