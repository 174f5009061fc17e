"""Rows freed of the residual structure: standard deviation, then correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.engine.problem import Problem
from bayeslme.ops import NUMPY, Array
from bayeslme.structures.supports import Namespace


@dataclass(frozen=True, slots=True)
class Whitened:
    """Rows after the residual structure is taken out.

    Attributes
    ----------
    columns : array, shape (..., c, n)
    half_logdet : array, shape (..., G) by innermost group
        log|R| / 2 of each innermost group's rows, R relative to sigma^2 exp(2 centre).
    centre : array, shape (...,), or 0
        Mean log relative standard deviation taken out of the variance function, if it was asked
        for.
    """

    columns: Array
    half_logdet: Array
    centre: Array


def whiten(
    problem: Problem,
    corstruct: Array | None,
    varfunc: Array | None,
    xp: Namespace = NUMPY,
    *,
    columns: Array | None = None,
    centred: bool = False,
) -> Whitened:
    """Divide rows by their relative standard deviation, then take out the correlation.

    Parameters
    ----------
    corstruct, varfunc : arrays (..., k), or None
        Natural parameters of the structures, held ones included.
    columns : array, shape (c, n), optional
        Rows to whiten in place of the problem's own.
    centred : bool
        Take the mean of the log standard deviations out, so that sigma and the relative factors
        refer to a typical row: a power of a covariate near 1000 would otherwise move sigma by
        orders of magnitude, and every relative factor with it.
    """
    w: Array = problem.columns if columns is None else columns
    starts = problem.row_starts
    half: Array = np.zeros(len(starts))
    centre: Array = np.zeros(())
    if problem.variance is not None:
        log_sd = problem.variance.structure.log_sd(varfunc, problem.variance.coords, xp)
        if centred:
            centre = log_sd.mean(axis=-1)
            log_sd = log_sd - centre[..., None]
        w = w * xp.exp(-log_sd)[..., None, :]
        half = xp.segment_sum(log_sd, starts) + half
    if problem.correlation is not None:
        lattice = problem.correlation.coords
        w, logs = problem.correlation.structure.whiten(w, corstruct, lattice, xp)
        inner = np.searchsorted(
            lattice.starts, starts
        )  # correlation groups are nested in the innermost groups
        half = half + xp.segment_sum(logs, inner)
    return Whitened(w, half, centre)
