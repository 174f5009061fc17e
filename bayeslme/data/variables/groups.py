"""Grouping factors: nested levels, inner labels read within the outer ones, and strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayeslme.data.evaluation.evaluate import evaluate, evaluate_rows
from bayeslme.data.types import IntArray
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.dates import Dates
from bayeslme.data.variables.factors import (
    Basis,
    Factor,
    Keys,
    cross,
    drop_unused,
    from_numbers,
    relabel,
)
from bayeslme.data.variables.labels import joined_labels
from bayeslme.errors import DataError, SpecError, rows_of
from bayeslme.formula.expressions import Binary, Expr, Name, bare, variables
from bayeslme.formula.grammar import parse_expression

# What tells an expression from the name of a column.
_EXPRESSION_SIGNS = ("(", ":", "`", "<", ">", "==", "!", "%in%", "&")


@dataclass(frozen=True, slots=True, eq=False)
class KnownGroups:
    """Groups by the values of their columns, to find those of other rows among them.

    Attributes
    ----------
    levels : tuple of tuple of str
        Labels of each column, outermost first.
    keys : tuple of tuple or None
        Values of each column where they are not the labels.
    members : (G, k) int array
        Level of each group in each column.
    """

    levels: tuple[tuple[str, ...], ...]
    keys: tuple[Keys | None, ...]
    members: IntArray

    def find(self, factors: Sequence[Factor]) -> IntArray:
        """Group of each row, (m,).

        Parameters
        ----------
        factors : sequence of Factor
            The rows' values in each column.

        Returns
        -------
        (m,) int array
            -1 where a value is missing, or no group has these values.
        """
        old = np.zeros(len(self.members), dtype=np.intp)
        new = np.zeros(len(factors[0].code), dtype=np.intp)
        for j, factor in enumerate(factors):
            code = relabel(factor, self.levels[j], self.keys[j])
            width = max(1, len(self.levels[j]))
            met = pd.Index(np.unique(old * width + self.members[:, j]))
            wanted = np.where((code >= 0) & (new >= 0), new * width + code, -1)
            old = met.get_indexer(pd.Index(old * width + self.members[:, j]))
            new = met.get_indexer(pd.Index(wanted))
        place = np.empty(len(old) + 1, dtype=np.intp)
        place[old], place[-1] = np.arange(len(old)), -1
        return place[new]

    def take(self, order: IntArray) -> KnownGroups:
        """The groups in another order."""
        return replace(self, members=self.members[order])


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
    known : KnownGroups or None
        The groups' values; None for rows that are one group.
    """

    name: str
    code: IntArray
    labels: tuple[str, ...]
    parent: IntArray
    known: KnownGroups | None = None


def group_columns(name: str, columns: Columns) -> tuple[str, ...]:
    """A group is a column, an expression such as x > 2, or a combination a:b of these."""
    if name in columns or not any(sign in name for sign in _EXPRESSION_SIGNS):
        return (name,)
    return variables(parse_expression(name))


def group_parts(name: str) -> list[Expr]:
    """The expressions that a combination a:b of groups is made of; the group itself without one."""
    waiting: list[Expr] = [parse_expression(name)]
    found: list[Expr] = []
    while waiting:
        node = bare(waiting.pop())
        if isinstance(node, Binary) and node.op == ":":
            waiting += [node.right, node.left]
        else:
            found.append(node)
    return found


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
    value = evaluate(node, columns)
    if not isinstance(value, Dates):
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
    factors = [group_factor(columns, name) for name in names]
    levels: list[Grouping] = []
    outer, members = None, np.empty((0, 0), dtype=np.intp)
    for k, inner in enumerate(factors):
        if outer is None:
            outer, parent = inner, np.zeros(len(inner.levels), dtype=np.intp)
            members = np.arange(len(inner.levels))[:, None]
        else:
            outer, parent, own = cross(outer, inner, separator)
            members = np.column_stack([members[parent], own])
            outer = replace(outer, levels=_labels(factors[: k + 1], members, separator))
        known = KnownGroups(
            tuple(f.levels for f in factors[: k + 1]),
            tuple(f.keys for f in factors[: k + 1]),
            members,
        )
        levels.append(Grouping(names[k], outer.code, outer.levels, parent, known))
    return tuple(levels)


def complete_groups(columns: Columns, names: Sequence[str], where: str) -> Grouping:
    """Innermost of nested groups that every row must have.

    Raises
    ------
    DataError
        Naming `where` they are asked for, and the column that has missing values.
    """
    for name in names:
        absent = int((group_values(columns, name).code < 0).sum())
        if absent:
            msg = f"{where}: '{name}' is missing in {rows_of(absent)} of the fit; use other groups"
            raise DataError(msg)
    return nest(columns, names)[-1]


def _labels(factors: Sequence[Factor], members: IntArray, separator: str) -> tuple[str, ...]:
    parts = [
        np.array(factor.levels, dtype=np.str_)[members[:, j]] for j, factor in enumerate(factors)
    ]
    return joined_labels(parts, separator)


def first_met(code: IntArray, size: int, sort_by: IntArray | None) -> IntArray:
    """Order in which groups are met.

    Parameters
    ----------
    code : (n,) int array
    size : int
        Number of groups, each of which occurs.
    sort_by : (n,) int array or None
        Groups by which the rows are thought sorted; None for the order of the rows.

    Returns
    -------
    (size,) int array of groups, the first met first
    """
    walked = code if sort_by is None else code[np.argsort(sort_by, kind="stable")]
    reversed_first = np.empty(size, dtype=np.intp)
    reversed_first[walked[::-1]] = np.arange(len(walked))
    return np.argsort(-reversed_first)


def renumbered(code: IntArray, order: IntArray) -> IntArray:
    """Codes (n,) of groups that are put into another order."""
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return rank[code]


def strata(columns: Columns, names: Sequence[str], sort_by: IntArray | None) -> Grouping:
    """Strata of a variance function, first met first, several factors joined by ``*``.

    Without grouping there is one stratum with an empty name.
    """
    if not names:
        nothing = np.zeros(1, dtype=np.intp)
        return Grouping("", np.zeros(columns.n, dtype=np.intp), ("",), nothing)
    found = nest(columns, names, separator="*")[-1]
    order = first_met(found.code, len(found.labels), sort_by)
    return replace(
        found,
        code=renumbered(found.code, order),
        labels=tuple(found.labels[k] for k in order.tolist()),
        parent=found.parent[order],
        known=None if found.known is None else found.known.take(order),
    )
