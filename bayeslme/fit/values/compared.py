"""Coefficients of groups and predicted curves of several fits side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayeslme.engine import depth_of
from bayeslme.errors import FitError, known_names
from bayeslme.fit.arguments import names_of_fits
from bayeslme.fit.inference.comparison import check_responses
from bayeslme.fit.values.curves import aug_pred, grouped_by, primary_of
from bayeslme.report.tables import Tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.result import Fit, LmeFit
    from bayeslme.fit.values.residuals import LevelName


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
        from bayeslme.report.plots.estimates import compared_panels

        lines = {} if mark is None else {str(k): float(v) for k, v in mark.items()}
        unknown = [name for name in lines if name not in self]
        if unknown:
            raise FitError(f"mark: {unknown[0]!r} is no coefficient; {known_names(self)}")
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


def compare_pred(
    *fits: Fit | LmList,
    primary: str | None = None,
    level: LevelName = None,
    names: Sequence[str] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Observed responses and the predicted curves of several fits.

    Parameters
    ----------
    *fits : Fit or LmList
        Of the same response and data.
    primary, level, **options
        As for `aug_pred`, one level.
    names : sequence of str, optional
        Of the fits, in column ``.type``; ``fit1``, ``fit2``, ... by default.

    Returns
    -------
    DataFrame
        As `aug_pred`; ``.type`` has the names of the fits and ``"original"``.

    Raises
    ------
    FitError
        If responses or groups differ.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> one = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    >>> two = one.update(random="~ age | Subject")
    >>> table = compare_pred(one, two, length=2)
    >>> table[".type"].value_counts(sort=False).to_dict()
    {'fit1': 54, 'fit2': 54, 'original': 108}
    """
    if len(fits) < 2:  # noqa: PLR2004 - a comparison has two sides
        raise FitError("compare_pred: give at least two fits")
    if level is not None and not isinstance(level, str | int | np.integer):
        raise FitError("level: compare_pred takes one level, not several")
    called = names_of_fits(len(fits), names, "original")
    for k, fit in enumerate(fits, start=1):
        if not hasattr(fit, "design"):
            raise FitError(f"compare_pred: argument {k} is no fit but {type(fit).__name__}")
    check_responses(fits, "compare_pred")
    first = fits[0]
    name = primary_of(first, primary)
    tables = [_one_of_several(fit, first, name, level, options) for fit in fits]
    pieces = [tables[0][tables[0][".type"] == "original"].astype({".type": str})]
    for table, own in zip(tables, called, strict=True):
        if set(table[".groups"]) != set(tables[0][".groups"]):
            raise FitError(f"compare_pred: {own} has other groups than {called[0]}")
        pieces.append(table[table[".type"] != "original"].assign(**{".type": own}))
    joined = pd.concat(pieces, ignore_index=True)
    joined[".type"] = pd.Categorical(joined[".type"], [*called, "original"], ordered=True)
    joined[".groups"] = joined[".groups"].astype(tables[0][".groups"].dtype)
    joined.attrs = tables[0].attrs
    return joined


def _one_of_several(
    fit: Fit | LmList, first: Fit | LmList, name: str, level: LevelName, options: dict[str, Any]
) -> pd.DataFrame:
    """A fit without groups is drawn in the groups of the first one that has them."""
    function = fit.spec.function
    if function in ("gls", "lm", "mmrm") and "groups" not in options:
        number = max(depth_of(first.design, level), 1)
        of_levels = tuple(one.group for one in first.design.levels[:number])
        own = of_levels or first.spec.fixed.groups
        return aug_pred(fit, name, groups=grouped_by(own) or None, **options)
    return aug_pred(fit, name, level if function == "lme" else None, **options)
