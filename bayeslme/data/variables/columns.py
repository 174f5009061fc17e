"""The columns of a data frame that a model needs, each read once into plain arrays."""

from __future__ import annotations

import copy
import difflib
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data import settings
from bayeslme.data.types import FloatArray, IntArray
from bayeslme.data.variables.dates import Dates, Origin, kind_of, read_dates
from bayeslme.data.variables.factors import (
    Factor,
    drop_unused,
    from_logical,
    from_numbers,
    from_objects,
    from_text,
)
from bayeslme.data.variables.labels import number_labels, plain_keys, value_labels
from bayeslme.errors import DataError, listed

CONSTANTS = {"pi": np.pi, "TRUE": True, "FALSE": False, "T": True, "F": False, "NA": np.nan}
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")  # as pandas infers them
Column = FloatArray | Factor


class Columns:
    """A data frame seen as float arrays and factors.

    Columns are converted when first asked for; numeric ones without missing-value masks are not
    copied.

    Parameters
    ----------
    frame : pandas.DataFrame
    origins : mapping of column name to Origin, optional
        From when days are counted; by default from the first of each column of times.

    Attributes
    ----------
    origins : dict of str to Origin
        Of the columns of times and durations read so far.
    counted : set of str
        Those whose days entered a computation as numbers.

    Raises
    ------
    DataError
        If `frame` is not a data frame.
    """

    def __init__(self, frame: Any, origins: Mapping[str, Origin] | None = None) -> None:
        # The values are shared, without attrs, which pandas copies with every column taken.
        self.frame = pd.DataFrame(as_frame(frame))
        self.n = len(self.frame)
        self._read: dict[str, Column] = {}
        self._factors: dict[str, Factor] = {}
        self._integer: dict[str, bool] = {}
        self.origins: dict[str, Origin] = dict(origins or {})
        self.counted: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._read or name in self.frame.columns

    def require(self, names: Iterable[str], where: str) -> None:
        """Check that columns exist, and once; R's constants (``pi``) need none.

        Raises
        ------
        DataError
            Naming the column, where it is used, and what there is instead.
        """
        for name in names:
            if name in CONSTANTS and name not in self:
                continue
            found = self.frame.columns.get_loc(name) if name in self.frame.columns else None
            if found is None:
                raise DataError(_unknown(name, where, list(self.frame.columns)))
            if not isinstance(found, int):
                msg = (
                    f"column '{name}' ({where}) occurs more than once in the data; rename one of "
                    "them"
                )
                raise DataError(msg)

    def __getitem__(self, name: str) -> Column:
        column = self._read.get(name)
        if column is None:
            self.require([name], "formula")
            series = self.frame[name]
            self._integer[name] = pd.api.types.is_integer_dtype(series.dtype)
            column = self._read[name] = self._column(name, series)
        return column

    def _column(self, name: str, series: pd.Series[Any]) -> Column:
        kind, known = kind_of(series), self.origins.get(name)
        if kind is not None:
            days = read_dates(series, kind, known)
            self.origins[name] = days.origin
            return days
        column = read(series)
        if known is None or isinstance(column, Factor):
            return column
        return Dates.of(column, known)  # numbers in the place of times are their days

    def factor(self, name: str) -> Factor:
        """A column as a factor: numbers become sorted levels.

        Unlike the numbers of a model matrix, levels may be of any type, and are told apart by
        their values as they are, not as rounded to floats.
        """
        factor = self._factors.get(name)
        if factor is None:
            self.require([name], "formula")
            factor = self._factors[name] = self._read_factor(name)
        return factor

    def _read_factor(self, name: str) -> Factor:
        return read_factor(self.frame[name])

    def missing(self, name: str) -> npt.NDArray[np.bool_] | None:
        """Rows without a value, (n,) bool; None if no value is missing."""
        self.require([name], "formula")
        mask: npt.NDArray[np.bool_] = self.frame[name].isna().to_numpy(dtype=bool)
        return mask if mask.any() else None

    def holds_numbers(self, name: str) -> bool:
        """Whether a column is read as numbers."""
        if name in self._read:
            return isinstance(self._read[name], np.ndarray)
        dtype = self.frame[name].dtype
        if pd.api.types.is_object_dtype(dtype):
            return pd.api.types.infer_dtype(self.frame[name], skipna=True) in NUMBERS
        return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)

    def is_integer(self, name: str) -> bool:
        """Whether a column is of an integer type, whose labels R prints without exponent."""
        return self[name] is not None and self._integer[name]

    def take(self, rows: IntArray) -> Columns:
        """The columns read so far, and later ones, at these rows of the frame."""
        taken = _TakenColumns(self, rows)
        taken._integer = dict(self._integer)
        for name, column in self._read.items():
            taken._read[name] = _take(column, rows)
        return taken


class _TakenColumns(Columns):
    """Columns at some rows of a frame."""

    def __init__(self, source: Columns, rows: IntArray) -> None:
        super().__init__(source.frame)
        self.origins, self.counted = source.origins, source.counted
        self.n = len(rows)
        self._source = source
        self._rows = rows

    def __getitem__(self, name: str) -> Column:
        column = self._read.get(name)
        if column is None:
            column = self._read[name] = _take(self._source[name], self._rows)
            self._integer[name] = self._source._integer[name]
        return column

    def _read_factor(self, name: str) -> Factor:
        taken = self._source.factor(name).take(self._rows)
        own_levels = isinstance(self.frame[name].dtype, pd.CategoricalDtype)
        return taken if own_levels or taken.kind != "factor" else drop_unused(taken)

    def missing(self, name: str) -> npt.NDArray[np.bool_] | None:
        mask = self._source.missing(name)
        return None if mask is None else mask[self._rows]


def _take(column: Column, rows: IntArray) -> Column:
    return column.take(rows) if isinstance(column, Factor) else column[rows]


def read(series: pd.Series[Any]) -> Column:
    """Turn a column into a float array or a factor.

    Parameters
    ----------
    series : pandas.Series
        Numbers and booleans (nullable or not), Categoricals, and text.

    Returns
    -------
    (n,) float array or Factor
        NaN or code -1 where missing.

    Raises
    ------
    DataError
        For complex numbers, and other types that no model matrix can hold.
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_categories(series.array, dtype)
    if isinstance(dtype, np.dtype) and dtype.kind in "fiu":
        return series.to_numpy(dtype=np.float64)
    if pd.api.types.is_bool_dtype(dtype):
        missing = series.isna().to_numpy()
        return from_logical(
            series.fillna(value=False).to_numpy(dtype=bool), missing if missing.any() else None
        )
    if pd.api.types.is_complex_dtype(dtype):
        raise _unreadable(series, "complex numbers")
    if pd.api.types.is_numeric_dtype(dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return _read_objects(series)


def _read_objects(series: pd.Series[Any]) -> Column:
    """Read a column of Python objects by what they are."""
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "string":
        return from_text(series)
    if kind in NUMBERS:
        return pd.to_numeric(series.astype(object)).to_numpy(dtype=np.float64, na_value=np.nan)
    if kind == "boolean":
        missing = series.isna().to_numpy()
        flags = np.array([value is True or value is np.True_ for value in series], dtype=bool)
        return from_logical(flags, missing if missing.any() else None)
    if kind == "empty":
        return np.full(len(series), np.nan)
    raise _unreadable(series, f"values of type {kind}")


def _unreadable(series: pd.Series[Any], what: str) -> DataError:
    return DataError(
        f"column '{series.name}' holds {what}, and a model needs numbers, text or a Categorical; "
        "convert it first"
    )


def _from_categories(values: pd.Categorical, dtype: pd.CategoricalDtype) -> Factor:
    """A Categorical's levels in its order, under R's labels."""
    categories = dtype.categories
    keys = plain_keys(categories)
    if pd.api.types.is_numeric_dtype(categories.dtype) and not pd.api.types.is_bool_dtype(
        categories.dtype
    ):
        whole = pd.api.types.is_integer_dtype(categories.dtype)
        labels = number_labels(categories.to_numpy(), integer=whole)
    else:
        labels = value_labels(keys)
    kind: Any = "ordered" if dtype.ordered else "factor"
    return Factor(values.codes.astype(np.intp), labels, kind, keys=keys)


def read_factor(series: pd.Series[Any]) -> Factor:
    """Turn a column into a factor, its levels told apart by their values.

    Parameters
    ----------
    series : pandas.Series
        Of any type; objects must be hashable.

    Returns
    -------
    Factor
        Numbers in their order, text as R sorts it.

    Raises
    ------
    DataError
        For values that cannot be told apart (lists, say).
    """
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiu":
        return from_numbers(_widened(series.to_numpy()), integer=dtype.kind in "iu")
    if pd.api.types.is_integer_dtype(dtype):
        absent = series.isna().to_numpy(dtype=bool)
        kind = np.uint64 if pd.api.types.is_unsigned_integer_dtype(dtype) else np.int64
        values = series.to_numpy(dtype=kind, na_value=0)
        return from_numbers(values, integer=True, missing=absent if absent.any() else None)
    if pd.api.types.is_float_dtype(dtype):
        return from_numbers(series.to_numpy(dtype=np.float64, na_value=np.nan), integer=False)
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype):
        return read(series)  # type: ignore[return-value]
    objects = series.astype(object)
    kind_of_objects = pd.api.types.infer_dtype(objects, skipna=True)
    if kind_of_objects in ("string", "boolean", "empty"):
        column = read(objects)
        return column if isinstance(column, Factor) else from_numbers(column, integer=False)
    try:
        return from_objects(objects.to_numpy(), objects.isna().to_numpy(dtype=bool))
    except TypeError as error:
        raise _unreadable(series, f"values of type {kind_of_objects}") from error


def _widened(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers in a type in which the difference of two neighbours never overflows."""
    if values.dtype.kind == "f":
        return values.astype(np.float64, copy=False)
    return values if values.dtype == np.uint64 else values.astype(np.int64, copy=False)


def _unknown(name: str, where: str, columns: list[Any]) -> str:
    available = [str(column) for column in columns]
    if name in available:
        kind = type(columns[available.index(name)]).__name__
        return (
            f"column '{name}' ({where}) is named by a value of type {kind}, and a formula names "
            "columns by text; data.rename(columns=str) makes them so"
        )
    close = difflib.get_close_matches(name, available, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"column '{name}' ({where}) is not in the data{hint}; it has {listed(available, 12)}"


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
    others up to `max_unused_bytes`. Of a frame that is wider still, those whose memory something
    else than this frame holds are copied, the rest is shared: a fit of many rows does not double
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
        <= settings.DATA.max_unused_bytes
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


def check_size(n: int, columns: int, what: str) -> None:
    """Refuse columns too large for memory before they are made.

    Parameters
    ----------
    n, columns : int
        Rows and columns that would be made.
    what : str
        The term, for the message.

    Raises
    ------
    DataError
    """
    most = settings.DATA.max_term_numbers
    if n * columns > most:
        msg = (
            f"'{what}' would make {columns} columns of {n} rows, more than {most} numbers; "
            "use random effects for so many"
        )
        raise DataError(msg)
