"""Which rows of the data frame a model uses: subset first, then missing values, as in R."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayeslme.data.columns import Columns, missing
from bayeslme.data.evaluate import evaluate_mask
from bayeslme.data.types import IntArray
from bayeslme.data.wording import listed, rows_of
from bayeslme.errors import DataError
from bayeslme.spec.expr import variables


def used_rows(
    columns: Columns, names: Sequence[str], subset: Any, na_action: str
) -> IntArray | None:
    """Rows that enter the model.

    Parameters
    ----------
    columns : Columns
        Of the whole frame.
    names : sequence of str
        Columns that the model needs.
    subset : expression, boolean mask of the frame's length, or None
    na_action : {"fail", "omit", "exclude"}

    Returns
    -------
    (n,) int array of positions, ascending, or None where all rows are used

    Raises
    ------
    DataError
        For missing values under "fail", infinite values always, and where no row is left.
    """
    keep = None if subset is None else subset_mask(subset, columns)
    if keep is not None and not keep.any():
        msg = f"subset keeps none of the {columns.n} rows of the data"
        raise DataError(msg)
    if columns.n == 0:
        msg = "the data have no rows"
        raise DataError(msg)
    complete = _complete(columns, names, keep, na_action)
    if complete is not None:
        keep = complete if keep is None else keep & complete
    if keep is None or keep.all():
        return None
    if not keep.any():
        msg = f"every row has a missing value in one of {listed(names)}: no row is left"
        raise DataError(msg)
    return np.flatnonzero(keep)


def subset_mask(subset: Any, columns: Columns) -> np.ndarray:
    """Rows that a subset keeps, (n,) bool; NA is dropped."""
    if hasattr(subset, "position"):
        columns.require(variables(subset), "subset")
        return evaluate_mask(subset, columns)
    mask = np.asarray(subset)
    if mask.dtype == object and all(v is None or isinstance(v, bool | np.bool_) for v in mask):
        mask = np.array([v is not None and bool(v) for v in mask], dtype=bool)
    if mask.dtype != bool or mask.shape != (columns.n,):
        msg = (
            f"subset must be an expression or a boolean mask of {columns.n} values, one for each "
            "row of the data"
        )
        raise DataError(msg)
    return mask


def _complete(
    columns: Columns, names: Sequence[str], keep: np.ndarray | None, na_action: str
) -> np.ndarray | None:
    """Rows without missing values, (n,) bool; None where none is missing."""
    counts: dict[str, int] = {}
    complete = np.ones(columns.n, dtype=bool)
    for name in names:
        column = columns[name]
        if isinstance(column, np.ndarray) and np.isfinite(column).all():
            continue
        absent = missing(column)
        if absent is not None and keep is not None:
            absent = absent & keep
        if absent is not None and absent.any():
            counts[name] = int(absent.sum())
            complete &= ~absent
        if isinstance(column, np.ndarray):
            _refuse_infinite(column if keep is None else column[keep], name)
    if counts and na_action == "fail":
        what = listed([f"{name} ({rows_of(count)})" for name, count in counts.items()])
        msg = f"missing values in {what}; na_action='omit' (na.action = na.omit) drops these rows"
        raise DataError(msg)
    return complete if counts else None


def _refuse_infinite(column: np.ndarray, name: str) -> None:
    count = int(np.isinf(column).sum())
    if count:
        msg = f"column '{name}' is infinite in {rows_of(count)}; correct or drop them (subset)"
        raise DataError(msg)
