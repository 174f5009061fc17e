"""Data frames as JSON that give back every value and type, without running any code.

A column is its type's name and its values; categories and the labels of rows are columns again.
Numbers are written with all their digits. Values that JSON does not know carry the name of their
kind: ``{"decimal": "0.1"}``.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from bayeslme.errors import DataError

Record = dict[str, Any]

# Kinds of values beyond JSON's: the class, to text or numbers, and back.
_KINDS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "float": (float, float.hex, float.fromhex),
    "complex": (complex, lambda v: [v.real, v.imag], lambda v: complex(*v)),
    "decimal": (Decimal, str, Decimal),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "period": (pd.Period, lambda v: [v.ordinal, v.freqstr], lambda v: _period(*v)),
    "timestamp": (
        pd.Timestamp,
        lambda v: [v.asm8.view("i8").item(), v.unit, None if v.tz is None else str(v.tz)],
        lambda v: _timestamp(*v),
    ),
    "timedelta": (
        pd.Timedelta,
        lambda v: [v.asm8.view("i8").item(), v.unit],
        lambda v: pd.Timedelta(np.timedelta64(v[0], v[1])),
    ),
    "interval": (
        pd.Interval,
        lambda v: [_encoded(v.left), _encoded(v.right), v.closed],
        lambda v: pd.Interval(_decoded(v[0]), _decoded(v[1]), v[2]),
    ),
    "datetime": (
        datetime.datetime,
        datetime.datetime.isoformat,
        datetime.datetime.fromisoformat,
    ),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "tuple": (tuple, lambda v: [_encoded(one) for one in v], lambda v: tuple(map(_decoded, v))),
}


def frame_record(frame: pd.DataFrame) -> Record:
    """Record of a data frame with its index, and of the attributes that JSON can hold.

    Parameters
    ----------
    frame : DataFrame

    Raises
    ------
    DataError
        Naming the column, for values of a kind that cannot be stored.
    """
    columns = [column_record(frame.iloc[:, k], str(c)) for k, c in enumerate(frame.columns)]
    index = [
        column_record(frame.index.get_level_values(k), f"index level {k + 1}")
        for k in range(frame.index.nlevels)
    ]
    return {
        "names": [str(name) for name in frame.columns],
        "columns": columns,
        "index": index,
        "index_names": [None if n is None else str(n) for n in frame.index.names],
        "attrs": {k: v for k, v in frame.attrs.items() if isinstance(k, str) and _plain(v)},
    }


def frame_of(record: Record) -> pd.DataFrame:
    """Data frame of a record."""
    index = [column_of(one) for one in record["index"]]
    names = record["index_names"]
    if len(index) == 1:
        rows = pd.Index(index[0], name=names[0])
    else:
        rows = pd.MultiIndex.from_arrays(index, names=names)
    columns = [column_of(one).set_axis(rows) for one in record["columns"]]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=rows)
    frame.columns = pd.Index(record["names"])
    frame.attrs = dict(record["attrs"])
    return frame


def column_record(values: pd.Series[Any] | pd.Index[Any], name: str) -> Record:
    """Record of one column, or of one level of an index."""
    dtype = values.dtype
    if isinstance(dtype, pd.SparseDtype):
        dense = pd.Series(np.asarray(values), dtype=dtype.subtype)
        return column_record(dense, name)
    if isinstance(dtype, pd.CategoricalDtype):
        known = pd.Categorical(values)
        return {
            "categories": column_record(known.categories, name),
            "ordered": bool(known.ordered),
            "codes": known.codes.tolist(),
        }
    try:
        return {"dtype": _type_name(dtype), "values": [_encoded(v) for v in _listed(values)]}
    except TypeError as error:
        raise DataError(f"column '{name}' cannot be stored: {error}") from error


def column_of(record: Record) -> pd.Series[Any]:
    """Column of a record, under rows counted from 0."""
    if "categories" in record:
        categories = pd.Index(column_of(record["categories"]))
        return pd.Series(
            pd.Categorical.from_codes(record["codes"], categories, ordered=record["ordered"])
        )
    values = [_decoded(v) for v in record["values"]]
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    dtype = record["dtype"]
    if dtype.startswith(("interval", "period", "datetime64", "timedelta64")):
        return pd.Series(pd.array(objects, dtype=dtype))
    return pd.Series(objects, dtype=object).astype(dtype)


def _type_name(dtype: Any) -> str:
    """Name of a type where it says all of it, as those of some Arrow types do not."""
    try:
        known = pd.api.types.pandas_dtype(str(dtype)) == dtype
    except (TypeError, NotImplementedError):
        known = False
    return str(dtype) if known else "object"


def _listed(values: pd.Series[Any] | pd.Index[Any]) -> Sequence[Any]:
    """Python's own values; None where one is missing and the column is not of floats."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub":
        return values.tolist()
    missing = np.asarray(values.isna())
    return [
        None if gone and not isinstance(v, float) else v
        for v, gone in zip(values.tolist(), missing, strict=True)
    ]


def _encoded(value: Any) -> Any:
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    for kind, (cls, to, _) in _KINDS.items():
        if isinstance(value, cls):
            return {kind: to(value)}
    raise TypeError(f"values of type {type(value).__name__} have no form on disk")


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, held),) = value.items()
        return _KINDS[kind][2](held)
    return value


def _period(ordinal: int, freq: str) -> pd.Period:
    return pd.Period(ordinal=ordinal, freq=freq)


def _timestamp(count: int, unit: Any, tz: str | None) -> pd.Timestamp:
    stamp = pd.Timestamp(np.datetime64(count, unit))
    return stamp if tz is None else stamp.tz_localize("UTC").tz_convert(tz)


def _plain(value: Any) -> bool:
    """Whether JSON gives a value back as it is."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return value is None or type(value) in (bool, int, float, str)
