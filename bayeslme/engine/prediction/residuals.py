"""Correlated residuals from independent ones, and normalized residuals.

Where a whitened row reads few rows before it (autoregressions, one-dimensional exponentials),
the factor's inverse has bands; they are read off whitened impulses and solved step by step, for all
draws and groups at once. ARMA series without gaps have banded factors of their own, compound
symmetry two eigenvalues. Everything else is factored densely, once per pattern of positions.
"""

from __future__ import annotations

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.whiten import whiten
from bayeslme.structures import CorARMA, CorCompSymm, CorrelationGroups, CorStruct
from bayeslme.structures.correlation.arma import filtered_bands


def colour_groups(
    structure: CorStruct, par: np.ndarray, lattice: CorrelationGroups, white: np.ndarray
) -> np.ndarray:
    """Give independent rows their groups' correlations.

    Parameters
    ----------
    structure : CorStruct
    par : array, shape (..., k)
        Natural parameters.
    lattice : CorrelationGroups
    white : array, shape (..., n), sorted

    Returns
    -------
    array, shape (..., n)
        With covariance C within each group.
    """
    batch = np.broadcast_shapes(par.shape[:-1], white.shape[:-1])
    own = np.broadcast_to(par, (*batch, par.shape[-1])).reshape(-1, par.shape[-1])
    z = np.ascontiguousarray(np.broadcast_to(white, (*batch, lattice.n)).reshape(-1, lattice.n).T)
    reach = structure.memory(lattice)
    if reach is not None:
        out = _solved(z, _bands(structure, own, lattice, reach), lattice)
    elif isinstance(structure, CorCompSymm):
        out = _exchangeable(z, own[:, 0], lattice)
    elif isinstance(structure, CorARMA) and lattice.regular:
        out = _moving_average(z, own[:, : structure.p], own[:, structure.p :], lattice)
    else:
        out = _dense(structure, own, lattice, z)
    return np.asarray(out.T.reshape(*batch, lattice.n))


def n_numbers(structure: CorStruct, lattice: CorrelationGroups) -> int:
    """Numbers that a draw needs beside its rows."""
    if structure.dense(lattice):
        return 2 * lattice.n_numbers(structure.stationary)
    return (2 + (structure.memory(lattice) or 2)) * lattice.n


def _steps(lattice: CorrelationGroups) -> list[np.ndarray]:
    """Rows (of all groups that are as long) that are first, second, ... of their group."""
    longest = int(lattice.sizes.max())
    return [lattice.starts[lattice.sizes > t] + t for t in range(longest)]


def _bands(
    structure: CorStruct, par: np.ndarray, lattice: CorrelationGroups, reach: int
) -> np.ndarray:
    """Whitening's weights (reach + 1, n, s) of a row and of those before it."""
    n, period = lattice.n, reach + 1
    impulses = (np.arange(n) % period == np.arange(period)[:, None]).astype(float)
    impulses = np.broadcast_to(impulses, (len(par), *impulses.shape))
    answer = np.moveaxis(np.asarray(structure.whiten(impulses, par, lattice)[0]), 0, -1)
    row = np.arange(n)
    return np.stack([answer[(row - j) % period, row] for j in range(period)])


def _solved(z: np.ndarray, bands: np.ndarray, lattice: CorrelationGroups) -> np.ndarray:
    out = np.empty_like(z)
    for t, rows in enumerate(_steps(lattice)):
        rest = z[rows]
        for j in range(1, min(len(bands) - 1, t) + 1):
            rest = rest - bands[j, rows] * out[rows - j]
        out[rows] = rest / bands[0, rows]
    return out


def _exchangeable(z: np.ndarray, rho: np.ndarray, lattice: CorrelationGroups) -> np.ndarray:
    """Scale the mean of a group by one eigenvalue's root, what is left by the other's."""
    size = lattice.sizes[:, None]
    mean = np.repeat(np.add.reduceat(z, lattice.starts, axis=0) / size, lattice.sizes, axis=0)
    common = np.repeat(np.sqrt(np.maximum(1.0 + (size - 1) * rho, 0.0)), lattice.sizes, axis=0)
    return np.asarray(np.sqrt(1.0 - rho) * (z - mean) + common * mean)


def _moving_average(
    z: np.ndarray, phi: np.ndarray, theta: np.ndarray, lattice: CorrelationGroups
) -> np.ndarray:
    """Factor of the filtered rows' covariance times z, then the filter undone.

    After the first max(p, q) rows the autoregressive polynomial leaves a moving average (Ansley
    1979, Biometrika 66, 59).
    """
    steps = _steps(lattice)
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


def _dense(
    structure: CorStruct, par: np.ndarray, lattice: CorrelationGroups, z: np.ndarray
) -> np.ndarray:
    white = z.T
    out = np.empty_like(white)
    padded = np.concatenate([white, np.zeros_like(white[:, :1])], axis=-1)
    for k, block in enumerate(lattice.blocks(structure.stationary)):
        factors = root(np.asarray(structure.matrix(par, lattice, k)))
        rows = padded[..., block.rows]
        for j in range(factors.shape[-3]):
            own = block.pattern == j
            turned = np.swapaxes(factors[..., j, :, :], -1, -2)
            rows[..., own, :] = np.matmul(rows[..., own, :], turned)
        inside = block.rows < lattice.n
        out[..., block.rows[inside]] = rows[..., inside]
    return out.T


def root(matrices: np.ndarray) -> np.ndarray:
    """Factors F with F F' equal to each matrix; symmetric ones where rounding made one singular."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrices)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


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
