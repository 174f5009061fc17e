"""Dates, times and durations of a data frame as numbers of days.

Dates and times are counted in days since the first of their column, in the data of the fit and in
new data alike; periods by their first instant; durations are days. Times with a zone count elapsed
time, whatever clocks did in between; ``as.Date()`` gives their calendar days. ``as.numeric()`` and
``as.Date()`` count from 1970-01-01, as R's dates do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayeslme.errors import DataError

DAY = 86_400_000_000  # microseconds
FORMATS = ("%Y-%m-%d", "%Y/%m/%d")  # those R's as.Date tries
_OBJECTS = {
    **dict.fromkeys(("datetime64", "datetime", "date"), "date"),
    **dict.fromkeys(("timedelta64", "timedelta"), "span"),
    "period": "period",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """From when a column's days are counted.

    Attributes
    ----------
    name : str
        Of the column.
    first : numpy.datetime64 or None
        The first of its times, in UTC where they have a zone; None for durations.
    zone : tzinfo or None
    """

    name: str
    first: np.datetime64 | None = None
    zone: Any = None

    @property
    def start(self) -> float:
        """Days from 1970-01-01 to the first time; 0 for durations."""
        if self.first is None:
            return 0.0
        return float(_days(np.asarray(self.first - np.datetime64(0, "s"))))

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.name} counts in days"
        day = pd.Timestamp(self.first)
        if self.zone is not None:
            day = day.tz_localize("UTC").tz_convert(self.zone)
        return f"{self.name} counts days since {_text(day)}"

    def to_record(self) -> list[str | None]:
        """Text from which ``from_record`` makes it again."""
        first = None if self.first is None else str(self.first)
        return [self.name, first, None if self.zone is None else str(self.zone)]

    @classmethod
    def from_record(cls, record: list[str | None]) -> Origin:
        """Inverse of ``to_record``."""
        name, first, zone = record
        known = pd.Timestamp(0, tz=zone).tz if zone else None
        return cls(str(name), None if first is None else np.datetime64(first), known)


EPOCH = Origin("", np.datetime64(0, "D"))


class Dates(np.ndarray):
    """Days (n,) since an origin; arithmetic gives plain numbers."""

    origin: Origin

    @classmethod
    def of(cls, days: Any, origin: Origin) -> Dates:
        """Days with their origin."""
        out = np.asarray(days, dtype=float).view(cls)
        out.origin = origin
        return out

    def __array_finalize__(self, made_from: Any) -> None:
        """Keep the origin of a view or a selection."""
        self.origin = getattr(made_from, "origin", EPOCH)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Compute with the bare numbers."""
        bare = (np.asarray(x) if isinstance(x, Dates) else x for x in inputs)
        return getattr(ufunc, method)(*bare, **kwargs)

    @property
    def absolute(self) -> np.ndarray:
        """Days since 1970-01-01."""
        return np.asarray(np.asarray(self) + self.origin.start)

    def stamps(self) -> pd.DatetimeIndex:
        """The times themselves, by the clock of their zone."""
        micro = np.where(np.isnan(self), 0, np.rint(self.absolute * DAY)).astype("int64")
        times = pd.DatetimeIndex(micro.astype("datetime64[us]"))
        if self.origin.zone is not None:
            times = times.tz_localize("UTC").tz_convert(self.origin.zone).tz_localize(None)
        return pd.DatetimeIndex(times.where(~np.isnan(np.asarray(self))))

    def calendar_days(self) -> Dates:
        """Whole days since 1970-01-01 of the calendar dates."""
        floor = self.stamps().floor("D")
        return Dates.of(_days(floor.to_numpy() - np.datetime64(0, "s")), EPOCH)

    def labels(self) -> list[str]:
        """As text: dates, with their time where any is not midnight."""
        if self.origin.first is None:
            return [f"{v:.15g}" for v in np.asarray(self)]
        stamps = self.stamps()
        whole = bool((stamps.floor("D") == stamps)[~np.isnan(np.asarray(self))].all())
        return list(stamps.strftime("%Y-%m-%d" if whole else "%Y-%m-%d %H:%M:%S"))


class Day(float):
    """One date, in days since 1970-01-01."""


def kind_of(series: pd.Series[Any]) -> str | None:
    """``"date"``, ``"span"`` or ``"period"``; None for a column of something else."""
    dtype = series.dtype
    if isinstance(dtype, pd.PeriodDtype):
        return "period"
    arrow = str(getattr(dtype, "pyarrow_dtype", ""))
    if pd.api.types.is_datetime64_any_dtype(dtype) or arrow.startswith(("timestamp", "date")):
        return "date"
    if pd.api.types.is_timedelta64_dtype(dtype) or arrow.startswith("duration"):
        return "span"
    if not pd.api.types.is_object_dtype(dtype):
        return None
    return _OBJECTS.get(pd.api.types.infer_dtype(series, skipna=True))


def read_dates(series: pd.Series[Any], kind: str, known: Origin | None) -> Dates:
    """A column as days.

    Parameters
    ----------
    series : pandas.Series
    kind : {"date", "span", "period"}
    known : Origin or None
        That of the data of the fit; by default the column's first time is its own.

    Returns
    -------
    Dates
        NaN where missing.

    Raises
    ------
    DataError
        For times with a zone where those of the fit have none, and the other way round.
    """
    name = str(series.name)
    if kind == "span":
        if known is not None and known.first is not None:
            raise DataError(f"column '{name}' holds durations, and in the data of the fit times")
        return Dates.of(_days(_plain(pd.to_timedelta, series)), Origin(name))
    zone, values = _instants(series, kind)
    if known is None:
        own = values[~np.isnat(values)]
        known = Origin(name, own.min() if len(own) else np.datetime64(0, "s"), zone)
    elif known.first is None:
        raise DataError(f"column '{name}' holds times, and in the data of the fit durations")
    elif (known.zone is None) != (zone is None):
        has, had = ("a", "none") if zone is not None else ("no", "one")
        msg = (
            f"column '{name}': its times have {has} time zone, those of the fit {had}; use "
            "dt.tz_localize or dt.tz_convert"
        )
        raise DataError(msg)
    return Dates.of(_days(values - known.first), known)


def parse_days(text: list[str], form: str | None, where: str) -> np.ndarray:
    """Days since 1970-01-01 of dates written as text; `where` names them in the error."""
    missing = np.array([t == "NA" for t in text], dtype=bool)
    for one in (form,) if form else FORMATS:
        try:
            read = pd.to_datetime(pd.Series(text, dtype=object), format=one, errors="coerce")
        except ValueError as error:
            raise DataError(f"as.Date: the format '{one}' in '{where}' cannot be read") from error
        if not (read.isna().to_numpy() & ~missing).any():
            return _days(read.to_numpy() - np.datetime64(0, "s"))
    bad = next(t for t, no in zip(text, read.isna() & ~missing, strict=True) if no)
    msg = f"as.Date: '{bad}' in '{where}' is no date such as 2024-03-01; give its format"
    raise DataError(msg)


def _instants(series: pd.Series[Any], kind: str) -> tuple[Any, np.ndarray]:
    """The zone of times, and the times in UTC."""
    if kind == "period":
        whole = series if isinstance(series.dtype, pd.PeriodDtype) else series.infer_objects()
        return None, pd.PeriodIndex(whole).start_time.to_numpy()
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return series.dtype.tz, series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        return None, series.to_numpy()
    try:
        made = pd.to_datetime(series.astype(object))
    except (ValueError, TypeError) as error:
        msg = f"column '{series.name}' holds times of several kinds or zones; use pd.to_datetime"
        raise DataError(msg) from error
    if made.dtype == object:
        raise DataError(f"column '{series.name}' holds times of several zones; use dt.tz_convert")
    return _instants(made, kind)


def _plain(convert: Any, series: pd.Series[Any]) -> np.ndarray:
    """Values as NumPy's own type of time."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "m":
        return series.to_numpy()
    return np.asarray(convert(series.astype(object)).to_numpy())


def _days(spans: np.ndarray) -> np.ndarray:
    """Durations in days; NaN where missing."""
    per_day = np.timedelta64(1, "D") / np.ones(1, dtype="int64").astype(spans.dtype)[0]
    whole = spans.astype("int64")
    return np.where(np.isnat(spans), np.nan, whole / per_day)


def _text(day: pd.Timestamp) -> str:
    midnight = day == day.normalize()
    zone = "" if day.tz is None else f" {day.tz}"
    return day.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M:%S") + zone
