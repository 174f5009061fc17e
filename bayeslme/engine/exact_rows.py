"""Rows that coefficients reproduce exactly, and whose standard deviation can go to zero alone.

The density of such rows has no bound, whatever hill a search ends on: responses that are all equal
in one stratum of varIdent, or where the covariate of varConstPower is zero. Rows of which there are
no more than coefficients are not meant: under ML these can always be reproduced, REML integrates
them out, and a search comes to a top of its own or it does not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayeslme.engine.problem import Problem
from bayeslme.structures import Bound

FAR = 40.0  # scales of a parameter, from where twice as far shows what changes for ever
EQUAL = 1e-6  # difference of rates of change that is none
EXACT = 1e-8  # residual over those of least squares
FIRST = 32  # rows looked at first, then twice as many
LARGE = 1e6  # numbers of a matrix of coefficients that is still asked
BATCH = 1e6  # logarithms of standard deviations at once


def exact_rows(problem: Problem) -> np.ndarray | None:
    """Sorted places (m,) of rows that make the likelihood grow without bound; None without them.

    Parameters
    ----------
    problem : Problem
    """
    bound = problem.variance
    if bound is None or not len(bound.free):
        return None
    limit = EXACT * problem.source.rest() / np.sqrt(problem.n)
    kinds = (False, True) if problem.stages else (False,)
    for low in vanishing(bound, problem.n):
        rows = np.flatnonzero(low)
        if any(_reproduced(problem, rows, limit, effects) for effects in kinds):
            return rows
    return None


def vanishing(bound: Bound, n: int) -> Iterator[np.ndarray]:
    """Sets (n,) of rows whose standard deviation over that of all others can go to zero."""
    k = len(bound.free)
    moves = np.concatenate([-np.eye(k), np.eye(k), np.ones((int(k > 1), k))]) * bound.scale * FAR
    step = max(1, int(BATCH // n))
    for first in range(0, len(moves), step):
        some = moves[first : first + step]
        with np.errstate(all="ignore"):  # a power may overflow: that is no set
            near, far = (
                bound.structure.log_sd(bound.natural(bound.start + m * some), bound.coords)
                for m in (1.0, 2.0)
            )
            rates = (far - near) / FAR
        for rate in rates[np.isfinite(rates).all(axis=1)]:
            low = np.abs(rate - rate.min()) < EQUAL
            if not low.all() and np.all(low | (np.abs(rate - rate.max()) < EQUAL)):
                yield low


def _reproduced(problem: Problem, rows: np.ndarray, limit: float, effects: bool) -> bool:
    """Whether coefficients, fewer than there are rows, reproduce them; some of the rows first.

    With or without ``effects`` that are random: their variance can be zero, too.
    """
    count = min(FIRST, len(rows))
    while True:
        some = rows[:count]
        columns = _coefficients(problem, some, effects)
        if columns is None:
            return False
        y = problem.columns[-1, some]
        coef, _, rank, _ = np.linalg.lstsq(columns, y, rcond=None)
        if not np.max(np.abs(y - columns @ coef)) < limit:
            return False
        if count == len(rows):
            return bool(count > rank)
        count = min(2 * count, len(rows))


def _coefficients(problem: Problem, rows: np.ndarray, effects: bool) -> np.ndarray | None:
    """Columns (m, c) of fixed, and random, effects of these rows; None where they are many."""
    known, at = problem.columns, 0
    blocks = [known[-1 - problem.p : -1, rows].T]
    for k, stage in enumerate(problem.stages if effects else ()):
        group = problem.group_of(k, rows)
        own, place = np.unique(group, return_inverse=True)
        if len(rows) * len(own) * stage.q > LARGE:
            return None
        z = known[at : at + stage.q, rows].T
        member = np.eye(len(own))[place]
        blocks.append((member[:, :, None] * z[:, None, :]).reshape(len(rows), -1))
        at += stage.q
    return np.concatenate(blocks, axis=1)
