"""Linear dependence of the columns of a model matrix."""

from __future__ import annotations

import numpy as np

from bayeslme.data.types import FloatArray

TOLERANCE = (
    1e-7  # as R's qr(): a column less than this part of its length outside the others is aliased
)
_SAFE = 1e-8  # squared; above it the Gram matrix alone, whose rounding is near 1e-16, decides


def aliased(X: FloatArray) -> list[int]:
    """Columns that depend linearly on the columns before them.

    Parameters
    ----------
    X : (n, p) float array

    Returns
    -------
    list of int
        Positions of the aliased columns; empty for full rank.
    """
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    scaled = np.where(norms > 0, norms, 1.0)
    gram = (X.T @ X) / np.outer(scaled, scaled)
    if X.shape[0] >= X.shape[1] and norms.all() and _independent(gram):
        return []
    return _gram_schmidt(X / scaled)


def _independent(gram: FloatArray) -> bool:
    """Whether every pivot of the Cholesky factor is far from zero."""
    try:
        pivots = np.diagonal(np.linalg.cholesky(gram))
    except np.linalg.LinAlgError:
        return False
    return bool((pivots**2 > _SAFE).all())


def _gram_schmidt(X: FloatArray) -> list[int]:
    """Orthogonalise twice, column by column, leaving out what vanishes."""
    basis = np.empty((X.shape[0], 0))
    dependent = []
    for k in range(X.shape[1]):
        rest = X[:, k]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length < TOLERANCE:
            dependent.append(k)
        else:
            basis = np.column_stack([basis, rest / length])
    return dependent
