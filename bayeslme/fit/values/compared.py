"""Coefficients of the groups by several fits side by side, nlme's ``compareFits``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bayeslme.errors import FitError
from bayeslme.fit.arguments import names_of_fits
from bayeslme.report.frames import Tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.result import LmeFit


class ComparedFits(Tables):
    """A table (G, fits) for each coefficient."""

    def plot(
        self, mark: Mapping[str, float] | pd.Series | None = None, *, ax: Axes | None = None
    ) -> list[Axes]:
        """Plot the coefficients of every group, a panel for each coefficient.

        Parameters
        ----------
        mark : Series or mapping, optional
            Values by coefficient for a vertical line, ``fit.fixef`` say.
        ax : Axes, optional
            Where there is one coefficient.

        Returns
        -------
        list of Axes, one for each coefficient
        """
        from bayeslme.report.plots.compared import compared_panels

        lines = {} if mark is None else {str(k): float(v) for k, v in mark.items()}
        unknown = [name for name in lines if name not in self]
        if unknown:
            raise FitError(f"mark: {unknown[0]!r} is no coefficient; these are {', '.join(self)}")
        return compared_panels(self, lines, ax)


def compare_fits(
    *fits: LmeFit | LmList | pd.DataFrame, names: Sequence[str] | None = None
) -> ComparedFits:
    """Set the coefficients of the groups by several fits side by side.

    Parameters
    ----------
    *fits : LmeFit, LmList or DataFrame
        Of the same groups; frames have a row for each group, as of ``fit.coef()``.
    names : sequence of str, optional
        ``fit1``, ``fit2``, ... by default.

    Returns
    -------
    ComparedFits
        Coefficients that a fit does not have are NaN.

    Raises
    ------
    FitError
        If groups differ.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> alone = bayeslme.lmlist("distance ~ age | Subject", data)
    >>> mixed = bayeslme.lme("distance ~ age", data, "~ age | Subject")
    >>> both = compare_fits(alone, mixed, names=["alone", "mixed"])
    >>> both["age"].loc[["M13", "F10"]].round(3)
             alone  mixed
    Subject
    M13       1.95  1.074
    F10       0.45  0.410
    """
    if len(fits) < 2:  # noqa: PLR2004 - a comparison has two sides
        raise FitError("compare_fits: give at least two fits")
    called = names_of_fits(len(fits), names)
    frames = [_coefficients(one, k) for k, one in enumerate(fits, start=1)]
    first = frames[0]
    for k, frame in enumerate(frames[1:], start=2):
        apart = first.index.symmetric_difference(frame.index)
        if len(apart):
            raise FitError(f"compare_fits: group {apart[0]!r} is not in both fit 1 and fit {k}")
    columns = dict.fromkeys(name for frame in frames for name in frame.columns)
    return ComparedFits(
        (
            str(name),
            pd.concat(
                [f.reindex(columns=[name]).loc[first.index, name] for f in frames], axis=1
            ).set_axis(called, axis=1),
        )
        for name in columns
    )


def _coefficients(fit: LmeFit | LmList | pd.DataFrame, k: int) -> pd.DataFrame:
    if isinstance(fit, pd.DataFrame):
        return fit
    found = getattr(fit, "coef", None)
    table = found() if callable(found) else found
    if not isinstance(table, pd.DataFrame):
        raise FitError(f"compare_fits: argument {k} has no coefficients by group")
    return table
