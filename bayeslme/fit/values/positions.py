"""Where residuals stand within their groups, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.coordinates import check_finite
from bayeslme.data.evaluation.evaluate import evaluate_number
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.groups import complete_groups
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_count
from bayeslme.formula.expressions import Binary, Expr, Number, bare
from bayeslme.formula.formula import parse_formula

if TYPE_CHECKING:
    from bayeslme.fit.numbers import Numbers


FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Positions:
    """Where residuals stand.

    Attributes
    ----------
    code : (n,) int array
        Group of each row.
    place : (n, d) float array
        Times or coordinates; the order of the rows within the group where none are given.
    """

    code: IntArray
    place: FloatArray

    def groups(self) -> list[IntArray]:
        """Rows of each group."""
        order = np.argsort(self.code, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.code[order])) + 1)


def positions(fit: Numbers, form: str | None) -> Positions:
    """Read ``~ t | g``, or take what the fit says: its correlation structure, its innermost groups.

    Parameters
    ----------
    fit : Fit
    form : str or None

    Returns
    -------
    Positions

    Raises
    ------
    DataError
        For groups, times or places that are missing in rows of the fit.
    """
    design = fit.design
    inner = design.levels[-1].code if design.levels else np.zeros(fit.nobs, dtype=np.intp)
    if form is None:
        known = design.correlation
        code = inner if known is None else known.code
        return Positions(code, _placed(None if known is None else known.position, code))
    formula = parse_formula(form)
    columns = Columns(fit.data.iloc[design.rows], design.origins)
    code = complete_groups(columns, formula.groups, "form").code if formula.groups else inner
    parts = _coordinates(formula.rhs)
    place = np.column_stack([evaluate_number(p, columns) for p in parts]) if parts else None
    if place is not None:
        check_finite(place, formula.rhs, "form")
    return Positions(code, _placed(place, code))


def lag_positions(fit: Numbers, form: str | None, who: str) -> Positions:
    """Where residuals stand on a line of whole numbers, so that they have lags.

    Parameters
    ----------
    fit : Fit
    form : str or None
        None is the times of a structure that counts them, such as corAR1; otherwise the order of
        the rows, or that of their real times, as nlme's ACF has it.
    who : str
        Named in the error.

    Raises
    ------
    FitError
        For a formula whose times are not whole numbers on a line.
    """
    where = positions(fit, form)
    structure = fit.spec.correlation
    if form is None and not (structure is not None and structure.needs_integers):
        return Positions(where.code, _ranked(where))
    time = where.place[:, 0]
    if where.place.shape[1] != 1 or not np.array_equal(time, np.round(time)):
        raise FitError(f"{who}: lags need whole-number times; use variogram for distances")
    return where


def _ranked(where: Positions) -> FloatArray:
    """Ranks (n, 1) within groups by time; by row where positions are places."""
    if where.place.shape[1] != 1:
        return _placed(None, where.code)
    ranks = pd.Series(where.place[:, 0]).groupby(where.code).rank(method="first")
    return np.asarray(ranks, dtype=np.float64)[:, None] - 1.0


def _coordinates(node: Expr) -> list[Expr]:
    node = bare(node)
    if isinstance(node, Binary) and node.op == "+":
        return [*_coordinates(node.left), *_coordinates(node.right)]
    return [] if isinstance(node, Number) else [node]


def _placed(place: FloatArray | None, code: IntArray) -> FloatArray:
    if place is not None:
        return np.asarray(place, dtype=float)
    order = pd.Series(code).groupby(code).cumcount()
    return np.asarray(order, dtype=np.float64)[:, None]


Collapse = Literal["quantiles", "fixed", "none"]


def distance_bins(distance: FloatArray, bins: int) -> IntArray:
    """Bin of each pair: each distance its own, or quantiles where these are too many."""
    values, own = np.unique(_without_noise(distance), return_inverse=True)
    if len(values) <= bins:
        return np.asarray(own.ravel(), dtype=np.intp)
    return _between(distance, np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1))))


def check_bins(bins: int | None, breaks: Sequence[float] | None, collapse: str) -> None:
    """Refuse bins that are none, and arguments that would be left out.

    Raises
    ------
    FitError
    """
    check_choice(collapse, get_args(Collapse), "collapse")
    if bins is not None:
        check_count(bins, "bins")
    if bins is not None and (breaks is not None or collapse == "none"):
        raise FitError("bins: leave it out where breaks are given or nothing is collapsed")
    if breaks is None:
        return
    if collapse != "quantiles":
        raise FitError("collapse: leave it out where breaks are given")
    try:
        ends = np.asarray(breaks, dtype=float)
    except (TypeError, ValueError):
        ends = np.zeros(0)
    if ends.ndim != 1 or not ends.size or not np.all(np.isfinite(ends) & (ends >= 0)):
        raise FitError(f"breaks: a sequence of distances is needed, not {breaks!r:.60}")
    if np.any(np.diff(ends) <= 0):
        raise FitError("breaks: distances have to increase")


def bins_of(
    distance: FloatArray, bins: int, breaks: Sequence[float] | None, collapse: str
) -> IntArray:
    """Bin of each pair, -1 for those in none."""
    if breaks is None and collapse == "quantiles":
        return distance_bins(distance, bins)
    distance = _without_noise(distance)
    if breaks is not None:
        ends = np.asarray(breaks, dtype=float)
        ends = np.unique(np.append(ends, min(ends[0], float(distance.min()))))
        return np.where(distance <= ends[-1], _between(distance, ends), -1)
    if collapse == "none":
        return np.arange(len(distance))
    if len(np.unique(distance)) <= bins:
        return distance_bins(distance, bins)
    return _between(distance, np.linspace(distance.min(), distance.max(), bins + 1))


def _between(distance: FloatArray, ends: FloatArray) -> IntArray:
    """Number of the interval of each distance: the upper end belongs to it, as does the lowest."""
    return np.clip(np.searchsorted(ends, distance, side="left"), 1, None).astype(np.intp)


def _without_noise(distance: FloatArray) -> FloatArray:
    """Distances equal to twelve digits of the largest made one: 1.2 - 0.8 and 0.8 - 0.4."""
    largest = float(np.max(distance))
    key = np.round(distance / largest * 1e12) if largest > 0 else distance
    _, one, which = np.unique(key, return_index=True, return_inverse=True)
    return np.asarray(distance[one][which.ravel()])
