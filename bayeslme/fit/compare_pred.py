"""Predicted curves of several fits over the observed responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayeslme.engine import depth_of
from bayeslme.errors import FitError
from bayeslme.fit.arguments import names_of_fits
from bayeslme.fit.comparison import check_responses
from bayeslme.fit.curves import aug_pred, grouped_by
from bayeslme.fit.primary import primary_of

if TYPE_CHECKING:
    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.residuals import LevelName
    from bayeslme.fit.result import Fit


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
    if function in ("gls", "lm") and "groups" not in options:
        number = max(depth_of(first.design, level), 1)
        of_levels = tuple(one.group for one in first.design.levels[:number])
        own = of_levels or first.spec.fixed.groups
        return aug_pred(fit, name, groups=grouped_by(own) or None, **options)
    return aug_pred(fit, name, level if function == "lme" else None, **options)
