"""Credible intervals from draws."""

from __future__ import annotations

from typing import Any, Literal, get_args

import arviz as az
import numpy as np
import numpy.typing as npt

from bayeslme.errors import FitError

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
    check_level(level)
    if kind not in get_args(IntervalKind):
        raise FitError(f"kind: {kind!r} is neither 'eti' (equal tails) nor 'hdi' (the shortest)")
    if kind == "eti" or not draws.shape[1]:
        return np.asarray(np.quantile(draws, (0.5 - level / 2, 0.5 + level / 2), axis=0))
    each = [az.hdi(np.ascontiguousarray(column), prob=level) for column in draws.T]
    return np.asarray(each, dtype=float).T


def check_level(level: Any, name: str = "level") -> None:
    """Refuse what is no probability between 0 and 1.

    Raises
    ------
    FitError
    """
    if not 0.0 < level < 1.0:
        raise FitError(f"{name}: a number between 0 and 1 is needed, not {level!r}")
