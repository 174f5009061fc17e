"""Normalized residuals: standardised, then freed of their estimated correlation."""

from __future__ import annotations

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.whitening import whiten


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
