"""Where residuals stand, and their autocorrelation by lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.columns import Columns
from bayeslme.data.evaluate import evaluate_number
from bayeslme.data.groups import nest
from bayeslme.errors import FitError
from bayeslme.fit.residuals import LevelName, ResidualType, residuals
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
    """
    design = fit.design
    inner = design.levels[-1].code if design.levels else np.zeros(fit.nobs, dtype=np.intp)
    if form is None:
        known = design.correlation
        code = inner if known is None else known.code
        return Positions(code, _placed(None if known is None else known.position, code))
    formula = parse_formula(form)
    columns = Columns(fit.data.iloc[design.rows])
    code = nest(columns, formula.groups)[-1].code if formula.groups else inner
    parts = _coordinates(formula.rhs)
    place = np.column_stack([evaluate_number(p, columns) for p in parts]) if parts else None
    return Positions(code, _placed(place, code))


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


def acf(
    fit: Fit,
    max_lag: int | None = None,
    type: ResidualType = "pearson",
    form: str | None = None,
    level: LevelName = None,
) -> pd.DataFrame:
    """Autocorrelation of the residuals within groups.

    Parameters
    ----------
    fit : Fit
    max_lag : int, optional
        By default 10 log10(m), at most m - 1, for largest groups of m rows.
    type : {"response", "pearson", "normalized"}
        Of the residuals; normalized ones should be uncorrelated.
    form : str, optional
        ``"~ time | g"`` with whole-number times, or ``"~ 1 | g"`` for the order of the rows.
    level : str, int or None
        Of the residuals.

    Returns
    -------
    DataFrame
        Columns lag, ACF, n_used (pairs); indexed 1, 2, ... as nlme prints it.
    """
    if max_lag is not None and not (isinstance(max_lag, int | np.integer) and max_lag >= 0):
        raise FitError(f"max_lag: a whole number of lags, 0 or more, is needed, not {max_lag!r}")
    where = positions(fit, form)
    time = where.place[:, 0]
    if where.place.shape[1] != 1 or not np.array_equal(time, np.round(time)):
        raise FitError("acf: lags need whole-number times; use variogram() for distances")
    r = residuals(fit, level, type).to_numpy()
    groups = where.groups()
    largest = max(map(len, groups))
    wanted = min(largest - 1, int(10 * np.log10(largest))) if max_lag is None else max_lag
    sums, counts = np.zeros(wanted + 1), np.zeros(wanted + 1, dtype=int)
    for rows in groups:
        grid = _on_grid(r[rows], time[rows])
        for lag in range(min(wanted + 1, len(grid))):
            products = grid[: len(grid) - lag] * grid[lag:]
            sums[lag] += np.nansum(products)
            counts[lag] += int(np.isfinite(products).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (sums / counts) / (sums[0] / counts[0])
    table = pd.DataFrame({"lag": np.arange(wanted + 1), "ACF": values, "n_used": counts})
    return table.set_index(pd.RangeIndex(1, wanted + 2))


def _on_grid(values: FloatArray, time: FloatArray) -> FloatArray:
    """Values of a group by whole-number time, NaN in gaps."""
    at = (time - time.min()).astype(int)
    grid = np.full(int(at.max()) + 1, np.nan)
    grid[at] = values
    return grid


def distance_bins(distance: FloatArray, bins: int) -> IntArray:
    """Bin of each pair: each distance its own, or quantiles where these are too many."""
    values, own = np.unique(distance, return_inverse=True)
    if len(values) <= bins:
        return np.asarray(own.ravel(), dtype=np.intp)
    edges = np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1)))
    return np.clip(np.searchsorted(edges, distance, side="left"), 1, None).astype(np.intp)
