"""Data frames of other libraries, as pandas' own."""

from __future__ import annotations

import copy
import sys
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayeslme.errors import DataError

MOST_BYTES = 2**26  # of columns that the model does not use and that are copied all the same


def as_frame(data: Any, argument: str = "data") -> pd.DataFrame:
    """Return a pandas frame as it is, and the copy that another library's frame makes of itself.

    Parameters
    ----------
    data : DataFrame
        Of pandas, or an object with ``to_pandas()``: of Polars, a table of Arrow.
    argument : str
        Its name in errors.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        For anything else, or where the library cannot make the copy.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": [1]})
    >>> as_frame(frame) is frame
    True
    """
    if isinstance(data, pd.DataFrame):
        return data
    convert = getattr(data, "to_pandas", None)
    if not callable(convert) or isinstance(data, type):
        raise DataError(f"{argument}: a data frame is needed, not {type(data).__name__}")
    try:
        made = convert()
    except ImportError as error:  # of pyarrow, which Polars needs for it
        raise DataError(
            f"{argument}: {_whole_name(data)} cannot become pandas': {error}"
        ) from error
    if not isinstance(made, pd.DataFrame):
        raise DataError(f"{argument}: {_whole_name(data)} is no table of rows and columns")
    return made


def owned(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """Return a frame of the same values that later changes of the one given do not reach.

    Copy-on-write keeps what pandas does to the one frame away from the other, at no cost. What
    writes past pandas would come through: into an array that the frame was made of without a copy,
    or into a column's ``.array``. The columns of the model are therefore copied, and so are the
    others up to `MOST_BYTES`. Of a frame that is wider still, those whose memory something else
    than this frame holds are copied, and the rest is shared: a fit of many rows does not double
    the memory of columns it never reads.

    Parameters
    ----------
    frame : DataFrame
    names : collection of str
        Columns that are copied whatever holds them.

    Returns
    -------
    DataFrame
        Without attrs.
    """
    shared = frame.copy(deep=False)
    shared.attrs = {}
    shared.index = frame.index.copy(deep=True)
    chosen = set(names)
    others = [k for k, name in enumerate(shared.columns) if name not in chosen]
    small = (
        sum(getattr(shared.dtypes.iloc[k], "itemsize", 8) for k in others) * len(shared)
        <= MOST_BYTES
    )
    limit = 0 if small else _holders_of_own()
    # all are looked at before the first is replaced, which cuts its block into several views
    copied = [
        k for k, name in enumerate(shared.columns) if name in chosen or _holders(shared, k) > limit
    ]
    for k in copied:
        shared.isetitem(k, shared.iloc[:, k].copy(deep=True))  # type: ignore[arg-type]
    return shared


def with_attrs(frame: pd.DataFrame, attrs: Mapping[Any, Any]) -> pd.DataFrame:
    """Return a frame of the same values with attributes of its own, copied deeply."""
    labelled = frame.copy(deep=False)
    labelled.attrs = copy.deepcopy(dict(attrs))
    return labelled


def _holders(frame: pd.DataFrame, k: int) -> float:
    """Number of references to the memory of a column; infinite where they cannot be counted."""
    dtype = frame.dtypes.iloc[k]
    if isinstance(dtype, pd.ArrowDtype) or getattr(dtype, "storage", "") == "pyarrow":
        return 0  # Arrow's arrays never change
    if not isinstance(dtype, np.dtype) or not hasattr(sys, "getrefcount"):
        return np.inf
    owner: Any = frame.iloc[:, k].to_numpy()
    if isinstance(owner.base, np.ndarray):  # NumPy's views all refer to the array that they view
        owner = owner.base
    return np.inf if owner.base is not None else sys.getrefcount(owner)


def _holders_of_own() -> float:
    """As `_holders` counts them where the caller's frame alone holds its memory."""
    frame = pd.DataFrame({"x": np.zeros(1)})
    return _holders(frame.copy(deep=False), 0)


def _whole_name(data: Any) -> str:
    return f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}"
