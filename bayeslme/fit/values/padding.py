"""Values of the rows that ``na_action="exclude"`` leaves out of a fit."""

from __future__ import annotations

from typing import overload

import numpy as np
import pandas as pd

from bayeslme.data.plan import subset_mask
from bayeslme.data.types import Design, IntArray
from bayeslme.data.variables.columns import Columns


@overload
def padded(design: Design, values: pd.Series) -> pd.Series: ...


@overload
def padded(design: Design, values: pd.DataFrame) -> pd.DataFrame: ...


@overload
def padded(design: Design, values: pd.Series | pd.DataFrame) -> pd.Series | pd.DataFrame: ...


def padded(design: Design, values: pd.Series | pd.DataFrame) -> pd.Series | pd.DataFrame:
    """Give the rows left out for missing values a value each, NaN, as R's ``na.exclude`` does.

    Parameters
    ----------
    design : Design
    values : Series or DataFrame
        One value, or row, for each row of the fit.

    Returns
    -------
    Series or DataFrame
        One for each row of the data frame that the subset keeps, where `na_action` is
        ``"exclude"``; else `values` as they are.
    """
    kept = shown_rows(design)
    if design.picked is None or len(kept) == len(design.picked):
        return values
    place = np.full(len(kept), -1)
    place[np.searchsorted(kept, design.picked)] = np.arange(len(design.picked))
    found = values.reset_index(drop=True).reindex(place)  # no row is numbered -1, so it is NaN
    found.index = design.source.index[kept]
    return found


def shown_rows(design: Design) -> IntArray:
    """Positions in the data frame of the rows that fitted values are given for, ascending.

    These are the rows of the fit, and under ``na_action="exclude"`` also those that were left out
    for missing values.
    """
    spec = design.spec
    if spec.na_action != "exclude" or design.picked is None:
        return design.rows
    subset = spec.subset if spec.mask is None else spec.mask
    if subset is None:
        return np.arange(design.n_frame)
    return np.flatnonzero(subset_mask(subset, Columns(design.source, design.origins)))
