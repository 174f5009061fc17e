"""Linear combinations of the coefficients with their limits: how they are kept and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.report.html import frames_html
from bayeslme.report.tables import table_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
Labels = list[tuple[Any, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """Linear combinations of the coefficients with their limits.

    Attributes
    ----------
    table : DataFrame
        Value, Std.Error, DF, lower, upper; for contrasts also t-value and p-value.
    rows : array, shape (g, p)
        ``rows @ beta`` are the values.
    notes : tuple of str
        What was averaged over, which degrees of freedom, which adjustment.
    of : str
        What the values are, with the unit, as an axis says it.
    about_zero : bool
        Whether zero says that there is no effect: slopes and contrasts.
    """

    table: pd.DataFrame
    rows: FloatArray
    notes: tuple[str, ...]
    of: str
    about_zero: bool

    def _shown(self) -> pd.DataFrame:
        labels = [", ".join(map(text_of, one)) for one in tuples_of(self.table.index)]
        return self.table.set_axis(labels, axis=0)

    @property
    def _names(self) -> str:
        return ", ".join(str(name) for name in self.table.index.names if name)

    def __repr__(self) -> str:
        return table_text(self._shown(), self._names, self.notes)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return frames_html({self._names: self._shown()}, self.notes)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Plot the values with their limits, from the top.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.interval_panels import interval_panels

        table = self._shown().rename(columns={"Value": "est."})
        table.index.name = self._names
        return interval_panels({"": table}, ax, label=self.of, zero=self.about_zero)[0]

    def _contrasts(self, table: pd.DataFrame, rows: FloatArray, *notes: str) -> Estimates:
        return Estimates(table, rows, (*self.notes, *notes), f"contrast: {self.of}", True)


def tuples_of(index: pd.Index[Any]) -> Labels:
    """Entries of an index as tuples, of one level or several."""
    return [one if isinstance(one, tuple) else (one,) for one in index]


def index_of(labels: Labels, names: Sequence[str]) -> pd.Index[Any]:
    """Labels as an index, of several levels where there are several names."""
    if len(names) == 1:
        single: pd.Index[Any] = pd.Index([one[0] for one in labels], name=names[0])
        return single
    return pd.MultiIndex.from_tuples(labels, names=list(names))


def text_of(value: Any) -> str:
    """A level, or a number without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def joined(label: tuple[Any, ...]) -> str:
    """Several levels in a row."""
    return " ".join(map(text_of, label))
