"""Normalized residuals, and rows that get the correlation of their groups."""

from __future__ import annotations

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.structures import CorrelationGroups, CorStruct


def colour_groups(
    structure: CorStruct, par: np.ndarray, groups: CorrelationGroups, white: np.ndarray
) -> np.ndarray:
    """Give independent rows their groups' correlations.

    Parameters
    ----------
    structure : CorStruct
    par : array, shape (..., k)
        Natural parameters.
    groups : CorrelationGroups
    white : array, shape (..., n), sorted

    Returns
    -------
    array, shape (..., n)
        With covariance C within each group.
    """
    batch = np.broadcast_shapes(par.shape[:-1], white.shape[:-1])
    own = np.broadcast_to(par, (*batch, par.shape[-1])).reshape(-1, par.shape[-1])
    z = np.ascontiguousarray(np.broadcast_to(white, (*batch, groups.n)).reshape(-1, groups.n).T)
    out = structure.colour(z, own, groups)
    return np.asarray(out.T.reshape(*batch, groups.n))


def n_numbers(structure: CorStruct, groups: CorrelationGroups) -> int:
    """Numbers that a draw needs beside its rows."""
    if structure.dense(groups):
        return 2 * groups.n_numbers(structure.stationary)
    return (2 + (structure.memory(groups) or 2)) * groups.n


def normalise(found: Estimate, residuals: np.ndarray) -> np.ndarray:
    """Multiply residuals by the inverse Cholesky factor of their covariance, groups in time order.

    Parameters
    ----------
    found : Estimate
    residuals : array, shape (n,)
        Response residuals in the design's row order.

    Returns
    -------
    array, shape (n,)
        Independent with unit variance under the model; in the design's row order.
    """
    problem = found.problem
    white = whiten(
        problem, found.corstruct, found.varfunc, columns=residuals[problem.order][None, :]
    )
    out = np.empty(problem.n)
    out[problem.order] = np.broadcast_to(white.columns, (1, problem.n))[0] / found.sigma
    return out
