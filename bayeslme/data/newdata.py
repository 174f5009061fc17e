"""What prediction needs of a new data frame: matrices, groups and coordinates of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.columns import Columns
from bayeslme.data.coordinates import components, covariate_source, is_constant, position_values
from bayeslme.data.evaluate import columns_of, evaluate_number
from bayeslme.data.factors import Factor, cross, relabel
from bayeslme.data.groups import group_columns, group_values
from bayeslme.data.offset import offset_values
from bayeslme.data.types import (
    CorrelationCoords,
    Design,
    FloatArray,
    IntArray,
    Level,
    VarianceCoords,
)
from bayeslme.spec.formula import parse_formula
from bayeslme.spec.offset import offsets
from bayeslme.structures import VarFunc


@dataclass(frozen=True, slots=True)
class NewRows:
    """New rows seen through a fitted model's design.

    Attributes
    ----------
    X : (m, p) float array
        NaN in rows with a missing value.
    Z : tuple of (m, q) float arrays
        One for each level asked for, outermost first.
    code : tuple of (m,) int arrays
        Group of each row at each of those levels, as in the design's level; -1 where the group is
        unknown or missing.
    group : tuple of Factor
        The joined labels of the new rows' own groups at each level ("outer/inner"), known to the
        model or not.
    complete : (m,) bool array
        Rows whose fixed-effects row has no missing value.
    index : pandas.Index, length m
    columns : Columns
        The new frame, for further coordinates.
    offset : (m,) float array, or 0
    """

    X: FloatArray
    Z: tuple[FloatArray, ...]
    code: tuple[IntArray, ...]
    group: tuple[Factor, ...]
    complete: npt.NDArray[np.bool_]
    index: pd.Index[Any]
    columns: Columns
    offset: FloatArray | float = 0.0


def new_rows(
    design: Design, frame: pd.DataFrame, depth: int | Sequence[int] | None = None
) -> NewRows:
    """Read a new data frame.

    Parameters
    ----------
    design : Design
        Of the fitted model.
    frame : pandas.DataFrame
        Needs no response; groups that the model has not met are allowed and get code -1.
    depth : int or sequence of int, optional
        How many levels are needed, or the places of these among the design's: 0 for the fixed part
        alone (no grouping column is then needed), default all.

    Returns
    -------
    NewRows

    Raises
    ------
    DataError
        For a missing column, or a factor level that the model has not seen.
    """
    columns = Columns(frame)
    X = design.matrix.apply(columns)
    chosen = range(len(design.levels))[:depth] if depth is None or isinstance(depth, int) else depth
    levels = [design.levels[k] for k in chosen]
    for level in levels:
        columns.require(list(group_columns(level.column, columns)), "random groups")
    Z = tuple(design.random_matrices[k].apply(columns) for k in chosen)
    factors = [group_values(columns, level.column) for level in levels]
    codes = _codes(levels, factors)
    complete = ~np.isnan(X).any(axis=1)
    labels = nested_labels(factors, alone=[level.alone for level in levels])
    terms = offsets(design.spec.fixed)
    columns.require([name for one in terms for name in columns_of(one)], "offset")
    added = offset_values(terms, columns)
    return NewRows(X, Z, codes, labels, complete, frame.index, columns, added)


def _codes(levels: Sequence[Level], factors: Sequence[Factor]) -> tuple[IntArray, ...]:
    """Known group of each new row at each level; inner labels are read within outer groups."""
    codes: list[IntArray] = []
    for k, (level, factor) in enumerate(zip(levels, factors, strict=True)):
        if k == 0 or level.alone:
            codes.append(relabel(factor, level.labels))
            continue
        skip = [len(levels[k - 1].labels[p]) + 1 for p in level.parent.tolist()]
        own = [label[s:] for label, s in zip(level.labels, skip, strict=True)]
        codes.append(_look_up(factor, own, level.parent, codes[-1]))
    return tuple(codes)


def _look_up(factor: Factor, own: list[str], parent: IntArray, outer: IntArray) -> IntArray:
    """Code of the group with this label within this outer group; -1 where there is none."""
    labels = tuple(dict.fromkeys(own))
    place = {label: k for k, label in enumerate(labels)}
    width = max(1, len(labels))
    keys = parent * width + np.array([place[label] for label in own], dtype=np.intp)
    wanted = relabel(factor, labels)
    known = (wanted >= 0) & (outer >= 0)
    found = pd.Index(keys).get_indexer(pd.Index(np.where(known, outer * width + wanted, -1)))
    return np.where(known, found, -1).astype(np.intp)


def nested_labels(
    factors: Sequence[Factor], separator: str = "/", alone: Sequence[bool] = ()
) -> tuple[Factor, ...]:
    """Joined labels of nested groups, missing ones allowed.

    Parameters
    ----------
    factors : sequence of Factor
        Each grouping column's own labels, outermost first.
    separator : str
    alone : sequence of bool, optional
        Factors that keep their own labels.

    Returns
    -------
    tuple of Factor, one for each level
        Code -1 where any of the labels is missing.
    """
    out: list[Factor] = []
    for k, factor in enumerate(factors):
        own = not out or (k < len(alone) and alone[k])
        out.append(factor if own else cross(out[-1], factor, separator)[0])
    return tuple(out)


def _code_of_labels(
    columns: Columns, names: Sequence[str], separator: str, labels: tuple[str, ...]
) -> IntArray:
    """Position of each row's joined label among those of the model; -1 where it is unknown."""
    factors = [group_values(columns, name) for name in names]
    return relabel(nested_labels(factors, separator)[-1], labels)


def new_variance(
    design: Design, rows: NewRows
) -> VarianceCoords | tuple[VarianceCoords, ...] | None:
    """Coordinates of the variance function at new rows; code -1 for unknown strata.

    Parameters
    ----------
    design : Design
    rows : NewRows

    Returns
    -------
    VarianceCoords, a tuple of them for a VarComb, or None
    """
    weights = design.spec.weights
    known = design.variance if isinstance(design.variance, tuple) else (design.variance,)
    made = tuple(
        _variance(part, old, rows.columns)
        for part, old in zip(components(weights), known, strict=False)
        if old is not None
    )
    return made if isinstance(design.variance, tuple) else next(iter(made), None)


def _variance(part: VarFunc, old: VarianceCoords, columns: Columns) -> VarianceCoords:
    form = parse_formula(part.form)
    source, level = covariate_source(form.rhs)
    columns.require(form.variables, "weights")
    covariate = None
    if source == "data" and not is_constant(form.rhs):
        covariate = evaluate_number(form.rhs, columns)
    stratum = np.zeros(columns.n, dtype=np.intp)
    if form.groups:
        stratum = _code_of_labels(columns, form.groups, "*", old.strata)
    return VarianceCoords(covariate, source, level, stratum, old.strata)


def new_correlation(design: Design, rows: NewRows) -> CorrelationCoords | None:
    """Coordinates of the correlation structure at new rows; code -1 for unknown groups.

    Parameters
    ----------
    design : Design
    rows : NewRows

    Returns
    -------
    CorrelationCoords or None
        `position` is None where it is the order of the rows within the group.
    """
    old, correlation = design.correlation, design.spec.correlation
    if old is None or correlation is None:
        return None
    form = parse_formula(correlation.form)
    rows.columns.require([g for g in old.groups if "(" not in g], "correlation")
    rows.columns.require(form.variables, "correlation")
    code = np.zeros(rows.columns.n, dtype=np.intp)
    if old.groups:
        code = _code_of_labels(rows.columns, old.groups, "/", old.labels)
    position = position_values(correlation, form, rows.columns)
    return CorrelationCoords(code, old.labels, position, old.groups)
