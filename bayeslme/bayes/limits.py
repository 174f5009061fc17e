"""Credible intervals from draws."""

from __future__ import annotations

from typing import Literal, get_args

import arviz_stats as azs
import numpy as np
import numpy.typing as npt

from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_probability

FloatArray = npt.NDArray[np.float64]
IntervalKind = Literal["eti", "hdi"]


def limits(draws: FloatArray, level: float, kind: IntervalKind = "eti") -> FloatArray:
    """Limits of an interval of every column.

    Parameters
    ----------
    draws : array, shape (s, k)
    level : float
        Probability inside.
    kind : {"eti", "hdi"}
        Equal tails, or the shortest interval.

    Returns
    -------
    array, shape (2, k)
        Lower and upper; NaN where draws are.

    Raises
    ------
    FitError
    """
    check_probability(level)
    if kind not in get_args(IntervalKind):
        raise FitError(f"kind: {kind!r} is neither 'eti' (equal tails) nor 'hdi' (the shortest)")
    if kind == "eti" or not draws.shape[1]:
        return np.asarray(np.quantile(draws, (0.5 - level / 2, 0.5 + level / 2), axis=0))
    each = [azs.hdi(np.ascontiguousarray(column), prob=level) for column in draws.T]
    return np.asarray(each, dtype=float).T
