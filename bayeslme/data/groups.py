"""Grouping factors: nested levels, inner labels read within the outer ones, and strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayeslme.data.columns import Columns
from bayeslme.data.evaluate import evaluate_rows
from bayeslme.data.factors import Factor, cross, drop_unused, from_numbers
from bayeslme.data.types import IntArray
from bayeslme.data.values import Basis
from bayeslme.errors import SpecError
from bayeslme.spec.expr import Binary, Expr, Name, bare, variables
from bayeslme.spec.grammar import parse_expression


@dataclass(frozen=True, slots=True)
class Grouping:
    """One level of nested groups.

    Attributes
    ----------
    name : str
        The grouping column.
    code : (n,) int array
        Group of each row, 0 to G - 1.
    labels : tuple of str, length G
        ``"outer/inner"``, by outer level order, then inner level order.
    parent : (G,) int array
        Group one level out; zeros at the outermost level.
    """

    name: str
    code: IntArray
    labels: tuple[str, ...]
    parent: IntArray


def group_columns(name: str, columns: Columns) -> tuple[str, ...]:
    """A group is a column, an expression such as factor(x), or a combination a:b of these."""
    if name in columns or not ("(" in name or ":" in name or "`" in name):
        return (name,)
    return variables(parse_expression(name))


def group_values(columns: Columns, name: str) -> Factor:
    """A grouping column, or an expression such as factor(x) or a:b, with all its levels."""
    if name in columns:
        return columns.factor(name)
    return _values(bare(parse_expression(name)), name, columns)


def _values(node: Expr, name: str, columns: Columns) -> Factor:
    if isinstance(node, Binary) and node.op == ":":
        left, right = (_values(bare(part), name, columns) for part in (node.left, node.right))
        return cross(left, right, ":")[0]
    if isinstance(node, Name) and node.name in columns:
        return columns.factor(node.name)
    value = evaluate_rows(node, columns)
    if isinstance(value, Basis):
        msg = f"'{name}' has several columns and cannot be a group"
        raise SpecError(msg)
    return value if isinstance(value, Factor) else from_numbers(value, integer=False)


def group_factor(columns: Columns, name: str) -> Factor:
    """A grouping column as a factor without unused levels: numbers and text are sorted."""
    return drop_unused(replace(group_values(columns, name), kind="factor"))


def nest(columns: Columns, names: Sequence[str], separator: str = "/") -> tuple[Grouping, ...]:
    """Nested groups, outermost first.

    Parameters
    ----------
    columns : Columns
        Without missing values in the grouping columns.
    names : sequence of str
    separator : str
        Between outer and inner labels.

    Returns
    -------
    tuple of Grouping, one for each name
    """
    levels: list[Grouping] = []
    outer: Factor | None = None
    for name in names:
        inner = group_factor(columns, name)
        if outer is None:
            outer, parent = inner, np.zeros(len(inner.levels), dtype=np.intp)
        else:
            outer, parent, _ = cross(outer, inner, separator)
        levels.append(Grouping(name, outer.code, outer.levels, parent))
    return tuple(levels)


def first_met(
    code: IntArray, labels: tuple[str, ...], sort_by: IntArray | None
) -> tuple[IntArray, tuple[str, ...]]:
    """Renumber strata in the order in which they are met.

    Parameters
    ----------
    code : (n,) int array
    labels : tuple of str
    sort_by : (n,) int array or None
        Groups by which the rows are thought sorted; None for the order of the rows.

    Returns
    -------
    code : (n,) int array
    labels : tuple of str
    """
    if len(labels) == 1:
        return code, labels
    walked = code if sort_by is None else code[np.argsort(sort_by, kind="stable")]
    reversed_first = np.empty(len(labels), dtype=np.intp)
    reversed_first[walked[::-1]] = np.arange(len(walked))
    order = np.argsort(-reversed_first)
    rank = np.empty(len(labels), dtype=np.intp)
    rank[order] = np.arange(len(labels))
    return rank[code], tuple(labels[k] for k in order)


def strata(
    columns: Columns, names: Sequence[str], sort_by: IntArray | None
) -> tuple[IntArray, tuple[str, ...]]:
    """Strata of a variance function, first met first, several factors joined by ``*``.

    Without grouping there is one stratum with an empty name.
    """
    if not names:
        return np.zeros(columns.n, dtype=np.intp), ("",)
    innermost = nest(columns, names, separator="*")[-1]
    return first_met(innermost.code, innermost.labels, sort_by)
