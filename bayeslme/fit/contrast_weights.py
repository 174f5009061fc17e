"""Which means are compared with which, and in which families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.errors import FitError, SpecError
from bayeslme.fit.arguments import check_choice
from bayeslme.fit.combinations import Labels, index_of, joined, tuples_of

FloatArray = npt.NDArray[np.float64]
Kind = Literal["pairwise", "reference"]


@dataclass(frozen=True, slots=True)
class ContrastRows:
    """Contrasts of means, family after family.

    Attributes
    ----------
    rows : array, shape (m, p)
        As combinations of the coefficients.
    index : Index, length m
    families : list of slice
        The contrasts of each family.
    sizes : list of int
        Its means.
    """

    rows: FloatArray
    index: pd.Index[Any]
    families: list[slice]
    sizes: list[int]


def contrast_rows(
    rows: FloatArray,
    index: pd.Index[Any],
    kind: Kind | Mapping[str, Sequence[float]],
    by: str | Sequence[str] | None,
) -> ContrastRows:
    """Contrasts of the means ``rows @ beta`` within each combination of some predictors' levels."""
    inside, groups = families(index, by)
    labels: Labels = []
    parts: list[FloatArray] = []
    slices: list[slice] = []
    for family, members in groups:
        weights, called = weights_of(kind, [joined(inside[k]) for k in members])
        slices.append(slice(len(labels), len(labels) + len(called)))
        labels += [(name, *family) for name in called]
        parts.append(weights @ rows[members])
    whole = index_of(labels, ["contrast", *names_of(by)])
    return ContrastRows(np.concatenate(parts), whole, slices, [len(m) for _, m in groups])


def weights_of(
    kind: Kind | Mapping[str, Sequence[float]], names: list[str]
) -> tuple[FloatArray, list[str]]:
    """Weights (m, k) of k means in their contrasts, and what these are called."""
    k = len(names)
    if isinstance(kind, Mapping):
        rows = [np.asarray(row, float) for row in kind.values()]
        if not rows or any(row.shape != (k,) for row in rows):
            raise FitError(f"kind: {k} weights are needed, one for each of {', '.join(names)}")
        return np.array(rows), [str(name) for name in kind]
    check_choice(kind, get_args(Kind), "kind")
    if k < 2:  # noqa: PLR2004 - a difference has two sides
        raise FitError(f"contrasts: {', '.join(names)} stands alone; there is nothing to compare")
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    if kind == "reference":
        pairs = [(i, 0) for i in range(1, k)]
    one = np.eye(k)
    return np.array([one[i] - one[j] for i, j in pairs]), [
        f"{names[i]} - {names[j]}" for i, j in pairs
    ]


def families(
    index: pd.Index[Any], by: str | Sequence[str] | None
) -> tuple[Labels, list[tuple[tuple[Any, ...], list[int]]]]:
    """Labels of the means without those of `by`, and the means at each combination of these."""
    names, outer = list(index.names), names_of(by)
    for name in outer:
        if name not in names or len(outer) == len(names):
            among = ", ".join(map(str, names))
            raise SpecError(f"by: {name!r} is not one of several predictors of the means, {among}")
    whole = tuples_of(index)
    places = [names.index(name) for name in outer]
    inside = [tuple(v for k, v in enumerate(one) if k not in places) for one in whole]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for k, one in enumerate(whole):
        groups.setdefault(tuple(one[p] for p in places), []).append(k)
    return inside, list(groups.items())


def names_of(by: str | Sequence[str] | None) -> list[str]:
    """One name, several or none as a list."""
    return [] if by is None else [by] if isinstance(by, str) else list(by)
