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
from bayeslme.fit.combinations import Labels, index_of, joined, text_of, tuples_of

FloatArray = npt.NDArray[np.float64]
Kind = Literal["pairwise", "reference"]
NAMED = (Mapping, pd.Series)
Weighting = Sequence[float] | Mapping[Any, float] | pd.Series


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
    kind: Kind | Mapping[str, Weighting],
    by: str | Sequence[str] | None,
) -> ContrastRows:
    """Contrasts of the means ``rows @ beta`` within each combination of some predictors' levels."""
    inside, groups = families(index, by)
    labels: Labels = []
    parts: list[FloatArray] = []
    slices: list[slice] = []
    for family, members in groups:
        weights, called = weights_of(kind, [inside[k] for k in members])
        slices.append(slice(len(labels), len(labels) + len(called)))
        labels += [(name, *family) for name in called]
        parts.append(weights @ rows[members])
    whole = index_of(labels, ["contrast", *names_of(by)])
    return ContrastRows(np.concatenate(parts), whole, slices, [len(m) for _, m in groups])


def weights_of(kind: Kind | Mapping[str, Weighting], means: Labels) -> tuple[FloatArray, list[str]]:
    """Weights (m, k) of k means in their contrasts, and what these are called."""
    k, names = len(means), [joined(one) for one in means]
    if isinstance(kind, Mapping):
        if not kind:
            raise FitError("kind: the mapping names no contrast; {'k - l': {'k': 1, 'l': -1}} does")
        rows = [_weights(str(name), row, means) for name, row in kind.items()]
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


def _weights(contrast: str, row: Any, means: Labels) -> FloatArray:
    """Weights (k,) of one contrast, given one by one or by the names of means."""
    if isinstance(row, NAMED):
        places = [_place(contrast, name, means) for name in row.keys()]  # noqa: SIM118
        if len(set(places)) < len(places):
            raise FitError(f"kind: {contrast!r} names a mean twice")
        weights = np.zeros(len(means))
        weights[places] = _numbers(
            contrast, list(row.values() if isinstance(row, Mapping) else row)
        )
    else:
        weights = _numbers(contrast, row)
        if weights.shape != (len(means),):
            names = ", ".join(map(joined, means))
            raise FitError(
                f"kind: {len(means)} weights are needed in {contrast!r}, one for each of {names}; "
                "or weights by name, {mean: weight}"
            )
    if not np.all(np.isfinite(weights)):
        raise FitError(f"kind: a weight in {contrast!r} is missing or infinite")
    if not weights.any():
        raise FitError(f"kind: all weights in {contrast!r} are zero; there is nothing to test")
    return weights


def _numbers(contrast: str, values: Any) -> FloatArray:
    try:
        if isinstance(values, str) or any(isinstance(v, str) for v in np.ravel(values)):
            raise TypeError
        return np.asarray(values, float)
    except (TypeError, ValueError):
        raise FitError(
            f"kind: {str(values)[:60]!r} in {contrast!r} is not made of numbers; a contrast is "
            "weights in the order of the means or {mean: weight}"
        ) from None


def _place(contrast: str, name: Any, means: Labels) -> int:
    """Which mean a name stands for: its level, the levels as a tuple, or as they are printed."""
    own = name if isinstance(name, tuple) else (name,)
    found = [k for k, one in enumerate(means) if one == own]
    text = ", ".join(str(v).upper() if isinstance(v, bool) else text_of(v) for v in own)
    found = found or [
        k for k, one in enumerate(means) if text in (joined(one), ", ".join(map(text_of, one)))
    ]
    if len(found) == 1:
        return found[0]
    what = "stands for several means" if found else "is none of the means"
    shown = ", ".join(repr(one[0] if len(one) == 1 else one) for one in means)
    raise FitError(f"kind: {text!r} in {contrast!r} {what}; they are {shown}")


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
