"""Fitted values and residuals of every type and level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme import engine
from bayeslme.fit.arguments import check_choice

if TYPE_CHECKING:
    from bayeslme.fit.row_verbs import RowVerbs

FloatArray = npt.NDArray[np.float64]
LevelName = str | int | None
ResidualType = Literal["response", "pearson", "normalized"]


def fitted(fit: RowVerbs, level: LevelName = None) -> pd.Series:
    """Fitted values at one level, indexed as the data frame's used rows; see `Fit.fitted`."""
    places = engine.places_of(fit.design, level)
    values = engine.fitted_values(fit.design, fit.estimate.beta, fit.estimate.modes, places)
    return pd.Series(values, index=fit.design.index, name="fitted")


def residuals(fit: RowVerbs, level: LevelName = None, type: ResidualType = "response") -> pd.Series:
    """Residuals at one level; see `Fit.residuals`."""
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


def quantiles(fit: RowVerbs) -> pd.Series:
    """Minimum, quartiles and maximum of the pearson residuals at the innermost level."""
    values = residuals(fit, type="pearson")
    names = ["Min", "Q1", "Med", "Q3", "Max"]
    return pd.Series(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]), index=names)
