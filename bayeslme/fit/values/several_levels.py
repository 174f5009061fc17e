"""Values at several levels side by side, as nlme gives them for ``level = 0:1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayeslme.data.newdata import new_rows
from bayeslme.engine import depth_of
from bayeslme.errors import SpecError
from bayeslme.fit.values import predict as _predict
from bayeslme.fit.values import random_effects as _random_effects
from bayeslme.fit.values import residuals as _residuals
from bayeslme.report.tables import Tables

if TYPE_CHECKING:
    from bayeslme.fit.result import LmeFit
    from bayeslme.fit.row_verbs import RowVerbs
    from bayeslme.fit.values.random_effects import ErrorKind
    from bayeslme.fit.values.residuals import ResidualType

Several = list[Any] | tuple[Any, ...] | range


def fitted(fit: RowVerbs, levels: Several) -> pd.DataFrame:
    """Fitted values, a column for each level: ``fixed``, then the names of the groups."""
    return pd.DataFrame({name: _residuals.fitted(fit, k) for name, k in _named(fit, levels)})


def residuals(fit: RowVerbs, levels: Several, type: ResidualType) -> pd.DataFrame:
    """Residuals, a column for each level."""
    found = {name: _residuals.residuals(fit, k, type) for name, k in _named(fit, levels)}
    return pd.DataFrame(found)


def predict(fit: RowVerbs, newdata: pd.DataFrame | None, levels: Several) -> pd.DataFrame:
    """Predictions of each row at several levels.

    Parameters
    ----------
    fit : Fit
    newdata : DataFrame, optional
        The rows of the fit by default.
    levels : list, tuple or range
        Names or numbers.

    Returns
    -------
    DataFrame
        Columns of the groups, ``Subject``, down to the innermost level asked for, inner ones
        labelled outer/inner; then ``predict.fixed``, ``predict.Subject``, ...

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> predict(fit, fit.data.iloc[[0, 4]], [0, 1]).round(3)
      Subject  predict.fixed  predict.Subject
    0     M01         22.043           25.386
    4     M02         22.043           21.461
    """
    named = _named(fit, levels)
    table = _groups(fit, newdata, named)
    for name, k in named:
        table[f"predict.{name}"] = np.asarray(_predict.predict(fit, newdata, k), float)
    return table


def ranef(fit: LmeFit, levels: Several, se: ErrorKind, standard: bool) -> Tables:
    """Random effects of several levels, a table for each."""
    found = ((name, _random_effects.ranef(fit, k, se, standard)) for name, k in _named(fit, levels))
    return Tables(found)  # type: ignore[arg-type]


def _named(fit: RowVerbs, levels: Several) -> list[tuple[str, int]]:
    names = ["fixed", *(level.group for level in fit.design.levels)]
    depths = [depth_of(fit.design, level) for level in levels]
    if not depths or len(set(depths)) != len(depths):
        raise SpecError(f"level: different levels are needed, not {list(levels)}")
    return [(names[k], k) for k in depths]


def _groups(
    fit: RowVerbs, newdata: pd.DataFrame | None, named: list[tuple[str, int]]
) -> pd.DataFrame:
    """Labels of the groups of each row, a column for each level that is needed."""
    outer = (fit.design.included(k - 1) for _, k in named if k > 0)
    places = sorted({place for one in outer for place in one})
    own = [fit.design.levels[k] for k in places]
    if newdata is None:
        labels = {level.group: np.array(level.labels, dtype=object)[level.code] for level in own}
        return pd.DataFrame(labels, index=fit.design.index)
    rows = new_rows(fit.design, newdata, places)
    found = {}
    for level, code, factor in zip(own, rows.code, rows.group, strict=True):
        new = np.array([*factor.levels, None], dtype=object)[factor.code]
        known = np.array(level.labels, dtype=object)[code]
        found[level.group] = np.where(code < 0, new, known)
    return pd.DataFrame(found, index=newdata.index)
