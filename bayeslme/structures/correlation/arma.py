"""The algebra of ARMA(p, q): partial autocorrelations, autocorrelations, linear-time whitening.

References: Jones (1980), Technometrics 22, 389 (stationary coefficients from partial
autocorrelations); Ansley (1979), Biometrika 66, 59 (the autoregressive polynomial turns the process
into a banded one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.structures import settings

if TYPE_CHECKING:
    from bayeslme.structures.correlation.positions import CorrelationGroups
    from bayeslme.structures.supports import Namespace


def partials_to_coefficients(r: Array, order: int) -> list[Array]:
    """Coefficients from partial autocorrelations (..., k), by the Durbin-Levinson recursion."""
    phi: list[Any] = []
    for k in range(order):
        last = r[..., k]
        phi = [phi[i] - last * phi[k - 1 - i] for i in range(k)] + [last]
    return phi


def coefficients_to_partials(phi: np.ndarray) -> np.ndarray:
    """Partial autocorrelations from coefficients (..., k).

    Outside (-1, 1) where they are not stationary.
    """
    current = np.array(phi, dtype=float)
    order = current.shape[-1]
    out = np.empty_like(current)
    for k in range(order - 1, -1, -1):
        last = current[..., k : k + 1]
        out[..., k : k + 1] = last
        with np.errstate(divide="ignore", invalid="ignore"):
            current = (current[..., :k] + last * current[..., :k][..., ::-1]) / (1.0 - last**2)
    return np.where(np.isnan(out), np.inf, out)


def autocovariances(phi: Array, theta: Array, p: int, q: int, xp: Namespace = NUMPY) -> list[Array]:
    """Autocovariances at lags 0..max(p, q) for unit innovations.

    Parameters
    ----------
    phi, theta : arrays, shapes (..., p) and (..., q)

    Returns
    -------
    list of max(p, q) + 1 arrays of shape (...)
    """
    psi = impulse_response(phi, theta, p, q)
    moving = [1.0] + [theta[..., j] for j in range(q)]
    right = [
        sum((moving[j] * psi[j - k] for j in range(k, q + 1)), start=0.0)
        for k in range(max(p, q) + 1)
    ]
    one = psi[0]
    if p == 0:
        return [value * one for value in right]
    eye = np.eye(p + 1)
    matrix = eye
    for i in range(p):
        shift = np.zeros((p + 1, p + 1))
        for k in range(p + 1):
            shift[k, abs(k - i - 1)] += 1.0
        matrix = matrix - phi[..., i][..., None, None] * shift
    known = xp.solve(matrix, xp.stack([value * one for value in right[: p + 1]], axis=-1))
    gamma = [known[..., k] for k in range(p + 1)]
    for k in range(p + 1, q + 1):
        gamma.append(right[k] + sum(phi[..., i] * gamma[k - 1 - i] for i in range(p)))
    return gamma


def impulse_response(phi: Array, theta: Array, p: int, q: int) -> list[Array]:
    """Weights psi_0..psi_q of the innovations; psi_0 is an array of ones of the batch's shape."""
    one = 1.0 + 0.0 * (phi[..., 0] if p else theta[..., 0])
    psi = [one]
    for j in range(1, q + 1):
        psi.append(
            theta[..., j - 1]
            + sum((phi[..., i] * psi[j - 1 - i] for i in range(min(j, p))), start=0.0)
        )
    return psi


def autocorrelations(
    phi: Array, theta: Array, p: int, q: int, last: int, xp: Namespace = NUMPY
) -> Array:
    """Autocorrelations at lags 0..last, shape (..., last + 1).

    Beyond lag max(p, q) they follow the autoregression; powers of its companion matrix are doubled,
    so the work is of order log(last) steps.
    """
    gamma = autocovariances(phi, theta, p, q, xp)
    rho = [g / gamma[0] for g in gamma]
    if p == 0:
        known = xp.stack(rho, axis=-1)
        more = max(0, last + 1 - len(rho))
        tail = xp.zeros_like(known[..., :1]) * np.zeros(more) if more else None
        return known[..., : last + 1] if tail is None else xp.concatenate([known, tail], axis=-1)
    companion = np.zeros((p, p))
    companion[1:, :-1] = np.eye(p - 1)
    first = np.zeros((p, 1))
    first[0, 0] = 1.0
    power = companion + xp.matmul(xp.constant(first), phi[..., None, :])
    state = xp.stack(rho[-p:][::-1], axis=-1)[..., :, None]  # newest first
    known = 1
    while known < last + 2 - len(rho):
        state = xp.concatenate([state, xp.matmul(power, state)], axis=-1)
        power = xp.matmul(power, power)
        known *= 2
    later = state[..., 0, 1:]
    return xp.concatenate([xp.stack(rho, axis=-1), later], axis=-1)[..., : last + 1]


def whiten_regular(
    w: np.ndarray, phi: np.ndarray, theta: np.ndarray, groups: CorrelationGroups
) -> tuple[np.ndarray, np.ndarray]:
    """Whiten series without gaps, linear in n.

    After the first m = max(p, q) rows of a group the autoregressive polynomial leaves a moving
    average, so the covariance of the filtered rows has m bands. A shorter series has the leading
    part of a longer one's factor: one banded factor serves all groups.

    Parameters
    ----------
    w : array, shape (..., c, n)
    phi, theta : arrays, shapes (..., p) and (..., q)
    groups : CorrelationGroups
        With ``regular`` true.
    """
    batch = np.broadcast_shapes(w.shape[:-2], phi.shape[:-1], theta.shape[:-1])
    count = int(np.prod(batch))
    w = np.broadcast_to(w, (*batch, *w.shape[-2:])).reshape(count, *w.shape[-2:])
    phi, theta = (
        np.broadcast_to(x, (*batch, x.shape[-1])).reshape(count, x.shape[-1]) for x in (phi, theta)
    )
    seen, group = _places(groups)
    late = np.flatnonzero(seen >= max(phi.shape[1], theta.shape[1]))
    filtered = w.copy()
    for i in range(phi.shape[1]):
        filtered[..., late] -= phi[:, i, None, None] * w[..., late - i - 1]
    longest = int(groups.sizes.max())
    bands = filtered_bands(phi, theta, longest)  # (m + 1, longest, b)
    grid = np.zeros((longest, count, w.shape[1], len(groups.starts)))
    grid[seen, :, :, group] = np.moveaxis(filtered, -1, 0)
    solve = (
        _through_time if settings.STRUCTURES.sets_for_time_steps * count > longest else _one_by_one
    )
    logs = solve(bands, grid)
    white = np.moveaxis(grid[seen, :, :, group], 0, -1)
    half = np.cumsum(logs, axis=0)[groups.sizes - 1].T
    return white.reshape(*batch, *white.shape[1:]), half.reshape(*batch, -1)


def _through_time(bands: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Factor and solve step by step, all parameters at once.

    Parameters
    ----------
    bands : array, shape (m + 1, t, b)
        Lower bands of the covariances.
    grid : array, shape (t, b, c, G)
        Right sides; overwritten by the solution.

    Returns
    -------
    array, shape (t, b)
        Logarithms of the factors' diagonals.
    """
    m, longest, count = len(bands) - 1, len(grid), grid.shape[1]
    rows: list[list[np.ndarray]] = []  # rows[t][k]: factor at (t, t - k)
    with np.errstate(invalid="ignore", divide="ignore"):
        for t in range(longest):
            reach = min(m, t)
            row = [np.zeros(0)] * (reach + 1)
            for k in range(reach, 0, -1):
                known = sum(
                    (row[k + s] * rows[t - k][s] for s in range(1, min(reach - k, t - k) + 1)),
                    start=np.zeros(count),
                )
                row[k] = (bands[k, t - k] - known) / rows[t - k][0]
            row[0] = np.sqrt(bands[0, t] - sum((x**2 for x in row[1:]), start=np.zeros(count)))
            for k in range(1, reach + 1):
                grid[t] -= row[k][:, None, None] * grid[t - k]
            grid[t] /= row[0][:, None, None]
            rows.append(row)
    return np.log([row[0] for row in rows])


def _one_by_one(bands: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """As ``_through_time``, by one banded factor for each of a few parameters."""
    from scipy.linalg.lapack import dpbtrf, dtbtrs

    logs = np.full(grid.shape[:2], np.nan)
    for k in range(grid.shape[1]):
        factor, failed = dpbtrf(bands[:, :, k], lower=1)
        if failed or not np.all(np.isfinite(factor)):
            grid[:, k] = np.nan
            continue
        solved, _ = dtbtrs(factor, grid[:, k].reshape(len(grid), -1), uplo="L")
        grid[:, k] = solved.reshape(grid[:, k].shape)
        logs[:, k] = np.log(factor[0])
    return logs


def _places(groups: CorrelationGroups) -> tuple[np.ndarray, np.ndarray]:
    """Place of every row within its group, and its group."""
    group = np.repeat(np.arange(len(groups.starts)), groups.sizes)
    return groups.place, group


def filtered_bands(phi: np.ndarray, theta: np.ndarray, length: int) -> np.ndarray:
    """Lower bands of the filtered rows' covariance over the process variance.

    Shape (m + 1, length), or (m + 1, length, b) for parameters with a batch axis in front.
    """
    p, q = phi.shape[-1], theta.shape[-1]
    m = max(p, q)
    gamma = np.array(autocovariances(phi, theta, p, q))
    psi = np.array(impulse_response(phi, theta, p, q))
    moving = np.array([np.ones(psi.shape[1:]), *np.moveaxis(theta, -1, 0)])
    bands = np.zeros((m + 1, length, *psi.shape[1:]))
    for k in range(min(m, length - 1) + 1):
        if k <= q:  # both rows filtered: a moving average
            bands[k, m : length - k] = (moving[: q + 1 - k] * moving[k:]).sum(axis=0)
        for j in range(min(m, length - k)):  # column j is unfiltered, row j + k perhaps filtered
            if j + k < m:
                bands[k, j] = gamma[k]
            else:  # cov(e_j, a_i + theta_1 a_(i-1) + ...): only innovations up to time j count
                bands[k, j] = sum(moving[s] * psi[s - k] for s in range(k, q + 1))
    return np.asarray(bands / gamma[0])
