"""Predictions at any level, for the rows of the fit or for new data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.data.newdata import new_rows
from bayeslme.engine import depth_of
from bayeslme.errors import DataError
from bayeslme.fit.residuals import LevelName, fitted

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit


def predict(fit: Fit, newdata: pd.DataFrame | None = None, level: LevelName = None) -> pd.Series:
    """Predict the mean response.

    Parameters
    ----------
    fit : Fit
    newdata : DataFrame, optional
        The rows of the fit by default. Needs no response.
    level : str, int or None
        ``"fixed"`` or 0 for X beta alone, which a new group needs; a group or its number adds the
        random effects down to it; None is the innermost level.

    Returns
    -------
    Series
        NaN in rows whose group the fit has not seen (at a grouping level) or with a missing value.

    Raises
    ------
    DataError
        For a missing column or a factor level the fit has not seen.
    """
    if newdata is None:
        return fitted(fit, level).rename("predict")
    if not isinstance(newdata, pd.DataFrame):
        raise DataError(f"newdata: a pandas DataFrame is needed, not {type(newdata).__name__}")
    depth = depth_of(fit.design, level)
    new = new_rows(fit.design, newdata, depth)
    values = new.X @ fit.estimate.beta
    for modes, Z, code in zip(fit.estimate.modes, new.Z, new.code, strict=False):
        effects = np.where(code[:, None] < 0, np.nan, modes[code])
        values = values + np.einsum("nq,nq->n", Z, effects)
    return pd.Series(values, index=newdata.index, name="predict")
