"""Fitted values and residuals of every type and level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme import engine
from bayeslme.fit.arguments import check_choice

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

FloatArray = npt.NDArray[np.float64]
LevelName = str | int | None
ResidualType = Literal["response", "pearson", "normalized"]


def fitted(fit: Fit, level: LevelName = None) -> pd.Series:
    """Fitted values at one level, indexed as the data frame's used rows.

    Parameters
    ----------
    fit : Fit
    level : str, int or None
        ``"fixed"`` or 0, the name of a group, its number counted from the outermost, or None for
        the innermost. Of crossed random effects a name stands for those of that group alone (with
        the groups it is written to nest in), None for all.

    Returns
    -------
    Series, length n

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> fitted(fit, "fixed").head(2).round(3).tolist()
    [22.043, 23.363]
    """
    places = engine.places_of(fit.design, level)
    values = engine.fitted_values(fit.design, fit.estimate.beta, fit.estimate.modes, places)
    return pd.Series(values, index=fit.design.index, name="fitted")


def residuals(fit: Fit, level: LevelName = None, type: ResidualType = "response") -> pd.Series:
    """Residuals at one level.

    Parameters
    ----------
    fit : Fit
    level : str, int or None
        See `fitted`.
    type : {"response", "pearson", "normalized"}
        As they are, divided by their standard deviation, or also freed of their correlation
        (Cholesky factor in time order within the group).

    Returns
    -------
    Series, length n

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> residuals(fit, type="pearson").head(2).round(3).tolist()
    [0.429, -1.192]
    """
    check_choice(type, get_args(ResidualType), "type")
    response = fit.design.y - fitted(fit, level).to_numpy()
    match type:
        case "response":
            values = response
        case "pearson":
            values = response / (fit.sigma * np.exp(fit.estimate.log_sd))
        case "normalized":
            values = engine.normalise(fit.estimate, response)
    return pd.Series(values, index=fit.design.index, name="residuals")


def quantiles(fit: Fit) -> pd.Series:
    """Minimum, quartiles and maximum of the pearson residuals at the innermost level."""
    values = residuals(fit, type="pearson")
    names = ["Min", "Q1", "Med", "Q3", "Max"]
    return pd.Series(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]), index=names)
