"""Predictions at any level, for the rows of the fit or for new data, and their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri, stdtrit

from bayeslme.data.newdata import NewRows, new_correlation, new_rows
from bayeslme.engine import depth_of
from bayeslme.engine.blup import Targets, blup, whitened_columns
from bayeslme.engine.kriging import NewResiduals, krige, lattice_groups, observed_positions
from bayeslme.errors import DataError, FitError
from bayeslme.fit.newrows import mean_values, new_log_sd
from bayeslme.fit.residuals import LevelName, fitted

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

FloatArray = npt.NDArray[np.float64]


@overload
def predict(
    fit: Fit,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: Literal[False] = False,
    use_correlation: bool = False,
    interval: None = None,
) -> pd.Series: ...


@overload
def predict(
    fit: Fit,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: bool = False,
    use_correlation: bool = False,
    interval: float | None = None,
) -> pd.Series | pd.DataFrame: ...


def predict(
    fit: Fit,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: bool = False,
    use_correlation: bool = False,
    interval: float | None = None,
) -> pd.Series | pd.DataFrame:
    """Predict the mean response, or with `use_correlation` the new response itself.

    Parameters
    ----------
    fit : Fit
    newdata : DataFrame, optional
        The rows of the fit by default. Needs no response.
    level : str, int or None
        ``"fixed"`` or 0 for X beta alone, which a new group needs; a group or its number adds the
        random effects down to it; None is the innermost level.
    se : bool
        Also the standard error: of the mean at that level, with the errors of the coefficients and
        of the predicted random effects; under `use_correlation` of the new response.
    use_correlation : bool
        Add what the observed residuals of a row's correlation group say of its own residual:
        forecasts, interpolation (universal kriging). At the innermost level only. Rows at an
        observed position have that observation's residual (with a nugget, all but the nugget's
        share); where the structure goes by the order of the rows, new rows follow the observed
        ones of their group. In a correlation group without observed rows the residual is 0.
    interval : float, optional
        Also the limits of this interval for a new response, such as 0.95: its own residual is added
        to the error, with the variance function at the new rows, and the random effects of levels
        further in, as of groups not yet seen.

    Returns
    -------
    Series, or DataFrame with columns fit, se, lower, upper (those asked for)
        NaN in rows whose group the fit has not seen (at a grouping level), whose variance stratum
        it has not seen (limits), or with a missing value.

    Raises
    ------
    DataError
        For a missing column or a factor level the fit has not seen.
    FitError
        For `use_correlation` without a correlation structure, or at an outer level.

    Notes
    -----
    Variance parameters are taken as known. Limits are by t on n - p degrees of freedom, normal
    where sigma was held; for `lm` they are exact. Variance covariates that are fitted values
    are taken at the level of the prediction where that is further out than their own.

    References
    ----------
    Robinson (1991), Statistical Science 6, 15; Pinheiro and Bates (2000), sections 2.2 and 5.3.
    """
    if newdata is not None and not isinstance(newdata, pd.DataFrame):
        raise DataError(f"newdata: a pandas DataFrame is needed, not {type(newdata).__name__}")
    if interval is not None and not 0.0 < interval < 1.0:
        raise FitError(f"interval: a number between 0 and 1 is needed, not {interval!r}")
    depth = depth_of(fit.design, level)
    if not (se or use_correlation or interval is not None):
        if newdata is None:
            return fitted(fit, level).rename("predict")
        plain = mean_values(fit, new_rows(fit.design, newdata, depth), depth)
        return pd.Series(plain, index=newdata.index, name="predict")
    if use_correlation and depth < len(fit.design.levels):
        msg = "use_correlation: residuals are those of the innermost level; leave level out"
        raise FitError(msg)
    frame = fit.design.frame if newdata is None else newdata
    new = new_rows(fit.design, frame, depth)
    columns, residuals = whitened_columns(fit.estimate), None
    log_sd = np.zeros(len(frame))
    if use_correlation or interval is not None:
        log_sd = new_log_sd(fit, new, depth)
    if use_correlation:
        place = _residuals(fit, new, log_sd, observed=newdata is None)
        residuals = krige(fit.estimate, place, columns)
    found = blup(fit.estimate, _targets(fit, new, depth), columns, residuals)
    table = pd.DataFrame({"fit": found.mean}, index=new.index)
    if se:
        table["se"] = np.sqrt(found.variance)
    if interval is not None:
        own = 0.0 if use_correlation else _own_variance(fit, new, log_sd, depth)
        width = _quantile(fit, interval) * np.sqrt(found.variance + own)
        table["lower"], table["upper"] = found.mean - width, found.mean + width
    return table if se or interval is not None else table["fit"].rename("predict")


def _quantile(fit: Fit, interval: float) -> float:
    tail = 0.5 + interval / 2
    if fit.estimate.sigma_held:
        return float(ndtri(tail))
    return float(stdtrit(fit.nobs - len(fit.fixef), tail))


def _targets(fit: Fit, new: NewRows, depth: int) -> Targets:
    """The mean at a level; the levels further in have no part in it."""
    m = len(new.X)
    inner = fit.design.levels[depth:]
    zeros = tuple(np.zeros((m, level.Z.shape[1])) for level in inner)
    return Targets(
        new.X, (*new.Z, *zeros), (*new.code, *(np.zeros(m, dtype=np.intp) for _ in inner))
    )


def _residuals(fit: Fit, new: NewRows, log_sd: FloatArray, *, observed: bool) -> NewResiduals:
    """Correlation group and position of the new rows; `observed` where they are the fit's own."""
    coords = new_correlation(fit.design, new)
    if coords is None or fit.design.correlation is None:
        msg = "use_correlation: this fit has no correlation structure to condition on"
        raise FitError(msg)
    levels = fit.design.levels
    old_code = [fit.design.correlation.code, *(level.code for level in levels[-1:])]
    new_code = [coords.code, *new.code[-1:]]
    group = lattice_groups(fit.estimate, np.column_stack(old_code), np.column_stack(new_code))
    position = observed_positions(fit.estimate.problem) if observed else coords.position
    return NewResiduals(group, position, log_sd)


def _own_variance(fit: Fit, new: NewRows, log_sd: FloatArray, depth: int) -> FloatArray:
    """Variance (m,) of a new response about its mean at a level."""
    total = np.square(fit.sigma * np.exp(log_sd))
    inner = fit.estimate.factors[depth:]
    for matrix, factor in zip(fit.design.random_matrices[depth:], inner, strict=True):
        Z = matrix.apply(new.columns)[0]
        total = total + np.square(fit.sigma * Z @ factor).sum(axis=1)
    return np.asarray(total)
