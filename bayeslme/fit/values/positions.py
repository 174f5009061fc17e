"""Where residuals stand: their groups, and times or places within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.columns import Columns
from bayeslme.data.coordinates import check_finite
from bayeslme.data.evaluate import evaluate_number
from bayeslme.data.groups import complete_groups
from bayeslme.errors import FitError
from bayeslme.spec.expr import Binary, Expr, Number, bare
from bayeslme.spec.formula import parse_formula

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

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


def positions(fit: Fit, form: str | None) -> Positions:
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


def lag_positions(fit: Fit, form: str | None, who: str) -> Positions:
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
