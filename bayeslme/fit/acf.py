"""Autocorrelation of the residuals by lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.fit.arguments import check_lag
from bayeslme.fit.positions import lag_positions
from bayeslme.fit.residuals import LevelName, ResidualType, residuals

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

FloatArray = npt.NDArray[np.float64]


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
        ``"~ time | g"`` with whole-number times, or ``"~ 1 | g"`` for the order of the rows. By
        default the times of a structure that counts them, such as corAR1; otherwise the order of
        the rows, or that of their real times.
    level : str, int or None
        Of the residuals.

    Returns
    -------
    DataFrame
        Columns lag, ACF, n_used (pairs); indexed 1, 2, ... as nlme prints it.

    Raises
    ------
    FitError
        For `max_lag` that is no count, and times that are not whole numbers.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> acf(fit)["ACF"].round(3).tolist()
    [1.0, -0.272, -0.147, -0.632]
    """
    if max_lag is not None:
        check_lag(max_lag, "max_lag")
    where = lag_positions(fit, form, "acf")
    time = where.place[:, 0]
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
