"""Correlated rows from independent ones: multiplication by the Cholesky factor of each group.

Where a whitened row depends on few rows before it (autoregressions, exponentials on a line), the
inverse of the factor has bands. They are read off whitened impulses and solved step by step, for
all draws and groups at once. ARMA series without gaps have banded factors of their own, compound
symmetry two eigenvalues. Everything else is factored densely, once for each pattern of positions.

Rows are (n, s) here, sorted rows by draws; parameters (s, k).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayeslme.structures.correlation.arma import filtered_bands

if TYPE_CHECKING:
    from bayeslme.structures.correlation.base import CorStruct
    from bayeslme.structures.correlation.positions import CorrelationGroups


def colour_banded(
    structure: CorStruct, z: np.ndarray, par: np.ndarray, groups: CorrelationGroups, reach: int
) -> np.ndarray:
    """Where a whitened row depends on ``reach`` rows before it."""
    bands = _bands(structure, par, groups, reach)
    out = np.empty_like(z)
    for t, rows in enumerate(_steps(groups)):
        rest = z[rows]
        for j in range(1, min(reach, t) + 1):
            rest = rest - bands[j, rows] * out[rows - j]
        out[rows] = rest / bands[0, rows]
    return out


def _steps(groups: CorrelationGroups) -> list[np.ndarray]:
    """Rows (of all groups that are as long) that are first, second, ... of their group."""
    longest = int(groups.sizes.max())
    return [groups.starts[groups.sizes > t] + t for t in range(longest)]


def _bands(
    structure: CorStruct, par: np.ndarray, groups: CorrelationGroups, reach: int
) -> np.ndarray:
    """Whitening's weights (reach + 1, n, s) of a row and of those before it."""
    n, period = groups.n, reach + 1
    impulses = (np.arange(n) % period == np.arange(period)[:, None]).astype(float)
    impulses = np.broadcast_to(impulses, (len(par), *impulses.shape))
    answer = np.moveaxis(np.asarray(structure.whiten(impulses, par, groups)[0]), 0, -1)
    row = np.arange(n)
    return np.stack([answer[(row - j) % period, row] for j in range(period)])


def colour_exchangeable(z: np.ndarray, rho: np.ndarray, groups: CorrelationGroups) -> np.ndarray:
    """Scale the mean of a group by the root of one eigenvalue, the rest by that of the other."""
    size = groups.sizes[:, None]
    mean = np.repeat(np.add.reduceat(z, groups.starts, axis=0) / size, groups.sizes, axis=0)
    common = np.repeat(np.sqrt(np.maximum(1.0 + (size - 1) * rho, 0.0)), groups.sizes, axis=0)
    return np.asarray(np.sqrt(1.0 - rho) * (z - mean) + common * mean)


def colour_arma(
    z: np.ndarray, phi: np.ndarray, theta: np.ndarray, groups: CorrelationGroups
) -> np.ndarray:
    """Factor of the filtered rows' covariance times z, then the filter undone.

    After the first max(p, q) rows the autoregressive polynomial leaves a moving average (Ansley
    1979, Biometrika 66, 59).
    """
    steps = _steps(groups)
    bands = filtered_bands(phi, theta, len(steps))  # (m + 1, longest, s)
    m, factor = len(bands) - 1, np.zeros_like(bands)  # factor[k, t] is at (t, t - k)
    out = np.empty_like(z)
    for t, rows in enumerate(steps):
        for k in range(min(m, t), -1, -1):
            known = sum(factor[k + s, t] * factor[s, t - k] for s in range(1, min(m, t) - k + 1))
            rest = bands[k, t - k] - known
            factor[k, t] = rest / factor[0, t - k] if k else np.sqrt(rest)
        own = sum(factor[k, t] * z[rows - k] for k in range(min(m, t) + 1))
        before = sum(phi[:, i] * out[rows - i - 1] for i in range(phi.shape[1] if t >= m else 0))
        out[rows] = own + before
    return out


def colour_dense(
    structure: CorStruct, z: np.ndarray, par: np.ndarray, groups: CorrelationGroups
) -> np.ndarray:
    """Through a factor of the correlation matrix of every pattern of positions."""
    white = z.T
    out = np.empty_like(white)
    padded = np.concatenate([white, np.zeros_like(white[:, :1])], axis=-1)
    for k, block in enumerate(groups.blocks(structure.stationary)):
        factors = root(np.asarray(structure.matrix(par, groups, k)))
        rows = padded[..., block.rows]
        for j in range(factors.shape[-3]):
            own = block.pattern == j
            turned = np.swapaxes(factors[..., j, :, :], -1, -2)
            rows[..., own, :] = np.matmul(rows[..., own, :], turned)
        inside = block.rows < groups.n
        out[..., block.rows[inside]] = rows[..., inside]
    return out.T


def root(matrices: np.ndarray) -> np.ndarray:
    """Factors F with F F' equal to each matrix; symmetric ones where rounding made one singular."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrices)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])
