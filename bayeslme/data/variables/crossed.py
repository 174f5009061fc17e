"""Grouping factors that come in several branches: which of them nest, and which cross.

Where every factor nests in another one, the model is a nested one under the factors' own names and
labels, and everything that is known of nested models holds for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayeslme.data.plan import RandomPart
from bayeslme.data.types import IntArray
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.groups import Grouping, nest, renumbered
from bayeslme.errors import DataError


@dataclass(frozen=True, slots=True)
class Placed:
    """A level and where it stands.

    Attributes
    ----------
    part : RandomPart
    grouping : Grouping
    branch : int
    alone : bool
        As in `bayeslme.data.types.Level`.
    """

    part: RandomPart
    grouping: Grouping
    branch: int
    alone: bool


def placed(
    columns: Columns,
    parts: Sequence[RandomPart],
    *,
    own_labels: bool,
    correlated: Sequence[str] = (),
) -> list[Placed]:
    """Groups of all levels, outermost first, branch by branch.

    Parameters
    ----------
    columns : Columns
        At the rows used.
    parts : sequence of RandomPart
    own_labels : bool
        Whether each branch is one factor with its own labels, as in lme4.
    correlated : sequence of str
        Columns of the groups within which residuals are correlated. Factors that nest are crossed
        all the same where these groups span several of the innermost, which the algebra of nested
        levels does not have.

    Raises
    ------
    DataError
        For crossed factors of one level, and for two names of one factor.
    """
    branches = list(dict.fromkeys(part.branch for part in parts))
    if len(branches) < 2 and not own_labels:  # noqa: PLR2004 - one branch nests
        groupings = nest(columns, [part.group for part in parts])
        pairs = zip(parts, groupings, strict=True)
        return [Placed(part, one, 0, alone=k == 0) for k, (part, one) in enumerate(pairs)]
    found: list[Placed] = []
    for number, branch in enumerate(branches):
        own = [part for part in parts if part.branch == branch]
        groupings = nest(columns, [part.group for part in own])
        found += [
            Placed(part, _named(one, own, found, k), number, alone=k == 0)
            for k, (part, one) in enumerate(zip(own, groupings, strict=True))
        ]
    if len(found) > 1:
        _check_constant(found)
        _check_same(found)
    if any(part.structure.relates_groups for part in parts):
        return found  # related groups nest in nothing
    nested = _as_nested(found)
    if nested is not None and correlated:
        within = nest(columns, correlated)[-1].code
        nested = nested if lies_within(within, nested[-1].grouping.code) else None
    return nested or found


def _named(grouping: Grouping, own: list[RandomPart], found: list[Placed], k: int) -> Grouping:
    """A name that no level of another branch has."""
    names = [one.grouping.name for one in found]
    if grouping.name not in names:
        return grouping
    longer = "/".join(part.group for part in own[: k + 1])
    return replace(grouping, name=longer)


def _check_constant(found: list[Placed]) -> None:
    for one in found:
        if len(one.grouping.labels) == 1:
            msg = (
                f"random: the factor '{one.grouping.name}' has one level in the data, "
                f"'{one.grouping.labels[0]}': its variance is not identified; leave the term out"
            )
            raise DataError(msg)


def _check_same(found: list[Placed]) -> None:
    """Two names of one factor: the same groups of rows, and the same effects."""
    for i, one in enumerate(found):
        for other in found[:i]:
            same_effects = {str(f) for f in one.part.formulas} & {
                str(f) for f in other.part.formulas
            }
            apart = one.part.structure.relates_groups or other.part.structure.relates_groups
            if same_effects and not apart and _same(one.grouping.code, other.grouping.code):
                msg = (
                    f"random: '{other.grouping.name}' and '{one.grouping.name}' are two names of "
                    "one factor, they group the rows alike: leave one of the terms out"
                )
                raise DataError(msg)


def _same(one: IntArray, other: IntArray) -> bool:
    return lies_within(one, other) and lies_within(other, one)


def lies_within(inner: IntArray, outer: IntArray) -> bool:
    """Whether each group of a code lies in one group of another."""
    owner = np.zeros(int(inner.max()) + 1, dtype=np.intp)
    owner[inner] = outer
    return bool(np.array_equal(owner[inner], outer))


def _as_nested(found: list[Placed]) -> list[Placed] | None:
    """The same levels as one branch, outermost first, where the data nest them all."""
    ordered = sorted(found, key=lambda one: len(one.grouping.labels))
    if not _branches_whole(ordered):
        return None
    out: list[Placed] = []
    for one in ordered:
        parent = np.zeros(len(one.grouping.labels), dtype=np.intp)
        if out:
            outer = out[-1].grouping
            if not lies_within(one.grouping.code, outer.code):
                return None
            parent[one.grouping.code] = outer.code
        grouping = _sorted(one.grouping, parent)
        out.append(Placed(one.part, grouping, 0, alone=one.alone))
    return out


def _branches_whole(ordered: list[Placed]) -> bool:
    """Whether no level of another branch comes between the levels of one."""
    return all(
        one.alone or (k > 0 and ordered[k - 1].branch == one.branch)
        for k, one in enumerate(ordered)
    )


def _sorted(grouping: Grouping, parent: IntArray) -> Grouping:
    """Groups ordered by the outer group, then as they were, which elimination relies on."""
    order = np.argsort(parent, kind="stable")
    return replace(
        grouping,
        code=renumbered(grouping.code, order),
        labels=tuple(grouping.labels[k] for k in order.tolist()),
        parent=parent[order],
        known=None if grouping.known is None else grouping.known.take(order),
    )
