"""Data frames of other libraries, as pandas' own."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayeslme.errors import DataError


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


def _whole_name(data: Any) -> str:
    return f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}"
