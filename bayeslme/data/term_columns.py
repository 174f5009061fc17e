"""The columns of a model matrix, term by term, under R's names and in R's order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from bayeslme.data.coding import Coding
from bayeslme.data.factors import Factor, from_numbers
from bayeslme.data.labels import numbered
from bayeslme.data.made import Made
from bayeslme.data.sizes import check_size
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.values import Basis
from bayeslme.errors import DataError
from bayeslme.spec.terms import Term, Terms, deparse_variable

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
