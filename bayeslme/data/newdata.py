"""What prediction needs of a new data frame: matrices, groups and coordinates of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.coordinates import components, covariate_source, is_constant, position_values
from bayeslme.data.evaluation.evaluate import columns_of, evaluate_number
from bayeslme.data.offset import offset_values
from bayeslme.data.types import (
    CorrelationCoords,
    Design,
    FloatArray,
    IntArray,
    Level,
    VarianceCoords,
)
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Factor, cross
from bayeslme.data.variables.groups import KnownGroups, group_columns, group_values
from bayeslme.formula.formula import offsets, parse_formula
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
    columns = Columns(frame, design.origins)
    X = design.matrix.apply(columns)
    chosen = range(len(design.levels))[:depth] if depth is None or isinstance(depth, int) else depth
    levels = [design.levels[k] for k in chosen]
    for level in levels:
        columns.require(list(group_columns(level.column, columns)), "random groups")
    Z = tuple(design.random_matrices[k].apply(columns) for k in chosen)
    factors = [group_values(columns, level.column) for level in levels]
    codes = level_codes(levels, factors)
    complete = ~np.isnan(X).any(axis=1)
    labels = nested_labels(factors, alone=[level.alone for level in levels])
    terms = offsets(design.spec.fixed)
    columns.require([name for one in terms for name in columns_of(one)], "offset")
    added = offset_values(terms, columns)
    return NewRows(X, Z, codes, labels, complete, frame.index, columns, added)


def level_codes(levels: Sequence[Level], factors: Sequence[Factor]) -> tuple[IntArray, ...]:
    """Known group of each new row at each level; inner groups are read within outer ones.

    Groups without rows, whose relation to the others is known, are counted on from these. Related
    groups are those of their own column, whatever they lie in.
    """
    codes, first = [], 0
    for k, level in enumerate(levels):
        first = k if level.alone else first
        code = _found(level.known, factors[first : k + 1], len(factors[k].code))
        codes.append(code if level.related is None else _with_relatives(level, factors[k], code))
    return tuple(codes)


def _with_relatives(level: Level, factor: Factor, code: IntArray) -> IntArray:
    """Codes (m,) with those of groups that are found by their own label alone."""
    own = level.own_labels
    place = {label: k for k, label in enumerate(own)}
    of_level = np.array([place.get(str(label), -1) for label in factor.levels] + [-1])
    return np.where(code < 0, of_level[factor.code], code).astype(np.intp)


def _found(known: KnownGroups | None, factors: Sequence[Factor], m: int) -> IntArray:
    """Group of each of m rows; all are one group where there are no columns to tell them apart."""
    return np.zeros(m, dtype=np.intp) if known is None else known.find(factors)


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


def new_variance(design: Design, rows: NewRows) -> tuple[VarianceCoords, ...]:
    """Coordinates of the components of the variance function at new rows.

    Unknown strata have code -1.

    Parameters
    ----------
    design : Design
    rows : NewRows

    Returns
    -------
    tuple of VarianceCoords
        Empty without a variance function.
    """
    each = zip(components(design.spec.weights), design.variance, strict=True)
    return tuple(_variance(part, old, rows.columns) for part, old in each)


def _variance(part: VarFunc, old: VarianceCoords, columns: Columns) -> VarianceCoords:
    form = parse_formula(part.form)
    source, level = covariate_source(form.rhs)
    columns.require(form.variables, "weights")
    covariate = None
    if source == "data" and not is_constant(form.rhs):
        covariate = evaluate_number(form.rhs, columns)
    factors = [group_values(columns, name) for name in form.groups]
    stratum = _found(old.known, factors, columns.n)
    return VarianceCoords(covariate, source, level, stratum, old.strata, old.known)


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
    factors = [group_values(rows.columns, name) for name in old.groups]
    code = _found(old.known, factors, rows.columns.n)
    position, _ = position_values(correlation, form, rows.columns, old.visits)
    level = None
    if correlation.by is not None and old.level is not None:
        of_group = np.empty(len(old.labels), dtype=np.intp)
        of_group[old.code] = old.level
        level = np.where(code >= 0, of_group[code], -1)
        if np.any(level < 0):
            rows.columns.require([correlation.by] if "(" not in correlation.by else [], "by")
            factor = group_values(rows.columns, correlation.by)
            names = {name: k for k, name in enumerate(old.levels)}
            own = np.array([names.get(str(v), -1) for v in factor.levels] + [-1], dtype=np.intp)
            level = np.where(level < 0, own[factor.code], level)
    return CorrelationCoords(
        code, old.labels, position, old.groups, old.known, level, old.levels, old.visits
    )
