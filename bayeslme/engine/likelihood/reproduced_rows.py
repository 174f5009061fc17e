"""Levels whose effects can reproduce every row: one row for each intercept, two for each line.

Nothing lies within such groups, so what elimination leaves of m rows with cross products Z'Z and
Z'R is R' (I + Z A A' Z')^-1 R, a sum of squares. As the difference R'R - U'U of the general formula
it would lose a digit for every digit by which the effects exceed the residuals, and the likelihood
of such a model stays the same, or nearly, however small the residuals become.
"""

from __future__ import annotations

import numpy as np

from bayeslme.engine.gram import Split

RANK = 1e-5  # smallest singular value of a group's rows over the largest, above which they differ
MOST = 20  # effects of a group, up to which its eigenvectors cost little


def filled_rows(
    z: np.ndarray, inverse: np.ndarray, code: np.ndarray, order: np.ndarray | slice
) -> np.ndarray | None:
    """Rows (G,) of each group, where in all of them the effects can reproduce any response.

    Parameters
    ----------
    z : array, shape (n, q)
        The level's columns.
    inverse : array, shape (q, q)
        Of their standard scale.
    code : int array, shape (n,)
        Group of each row.
    order : int array, shape (n,), or slice
        Sorts the rows by group.
    """
    counts, q = np.bincount(code), z.shape[1]
    if q > MOST or counts.max() > q:
        return None
    starts = np.cumsum(counts) - counts
    own = z[order] @ inverse
    for m in np.unique(counts):
        sizes = np.linalg.svd(own[starts[counts == m][:, None] + np.arange(m)], compute_uv=False)
        if not np.all((sizes[:, -1] > RANK * sizes[:, 0]) & (sizes[:, 0] > 0.0)):
            return None
    return counts


def rows_of(s: np.ndarray, counts: np.ndarray) -> Split:
    """The rows behind cross products of filled groups, up to a rotation.

    Parameters
    ----------
    s : array, shape (..., q, c, G)
        Cross products of the level's columns with themselves and with those that are left.
    counts : int array, shape (G,)
        Rows of each group, at most q; rows of zeros are added up to q.

    Returns
    -------
    Split
    """
    q = s.shape[-3]
    if q == 1:
        size = np.sqrt(s[..., :1, :])
        return Split(size, s[..., 1:, :] / size)
    by_group = np.moveaxis(s, -1, -3)
    square = by_group[..., :q]
    sound = np.isfinite(square).all(axis=(-2, -1))[..., None]
    values, vectors = np.linalg.eigh(np.where(sound[..., None], square, np.eye(q)))
    present = np.arange(q) >= q - counts[:, None]  # the others are zero but for rounding
    size = np.sqrt(np.where(present, np.where(sound, values, np.nan), 0.0))
    turned = np.swapaxes(vectors, -1, -2)
    inverse = np.where(present, 1.0 / np.where(present, size, 1.0), 0.0)
    rows = inverse[..., None] * (turned @ by_group[..., q:])
    return Split(*(np.moveaxis(m, -3, -1) for m in (size[..., None] * turned, rows)))
