"""Whether ranks are uniform: a simultaneous test of their distribution function.

With N ranks out of 0 to L, the number of ranks up to r is Binomial(N, (r + 1) / (L + 1)) at every
r. The statistic is twice the smallest tail probability over all r; its distribution under
uniformity is simulated, ranks being discrete.

References
----------
Sailynoja, Buerkner and Vehtari (2022), Statistics and Computing 32, 32; sections 2 and 3. Modrak,
Moon, Kim, Buerkner, Huurre, Faltejskova, Gelman and Vehtari (2023), Bayesian Analysis 20, 461.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

FloatArray = npt.NDArray[np.float64]

SIMULATIONS = 10_000
POINTS = 100  # ranks at which the distribution function is looked at
_SEED = 20_220_401


def p_values(ranks: npt.ArrayLike, largest: int) -> FloatArray:
    """P-values of uniformity.

    Parameters
    ----------
    ranks : int array, shape (N,) or (N, k)
        Every column is tested for itself.
    largest : int
        L, the largest rank possible.

    Returns
    -------
    array, shape () or (k,)
        The share of simulated statistics that are as small; at least 1 / 10001.
    """
    given = np.asarray(ranks)
    columns = given.reshape(len(given), -1)
    reference = _reference(len(given), largest)
    found = _statistics(columns, largest)
    below = np.searchsorted(reference, found * (1.0 + 1e-9), side="right")
    return np.asarray((1.0 + below) / (1.0 + len(reference))).reshape(given.shape[1:])


def band(
    count: int, largest: int, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Simultaneous band of the distribution function of uniform ranks.

    Parameters
    ----------
    count : int
        Number of ranks, N.
    largest : int
        L.
    level : float

    Returns
    -------
    at, lower, upper : arrays, shape (m,)
        Probabilities, and the limits of the share of ranks up to them.
    """
    z = np.asarray((_places(largest) + 1.0) / (largest + 1.0), dtype=float)
    gamma = np.quantile(_reference(count, largest), 1.0 - level)
    support = np.arange(count + 1)[:, None]
    cdf = special.bdtr(support, count, z[None, :])
    lower = (cdf < gamma / 2).sum(axis=0) / count
    upper = np.minimum((cdf < 1.0 - gamma / 2).sum(axis=0), count) / count
    return z, np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)


def shares_below(ranks: npt.ArrayLike, largest: int) -> FloatArray:
    """Share of the ranks (N, k) up to each probability of ``band``, shape (m, k)."""
    columns = np.asarray(ranks)
    return _counts(columns, largest).T / len(columns)


def _places(largest: int) -> npt.NDArray[np.int64]:
    """Ranks below the largest at which the distribution function is compared."""
    return np.unique(np.linspace(0, largest - 1, min(POINTS, largest)).astype(int))


def _statistics(columns: np.ndarray, largest: int) -> FloatArray:
    """Twice the smallest tail probability of each column (N, k), shape (k,)."""
    count, below = len(columns), _counts(columns, largest)
    z = (_places(largest) + 1.0) / (largest + 1.0)
    lower = special.bdtr(below, count, z)
    upper = np.where(below > 0, special.bdtrc(np.maximum(below, 1) - 1, count, z), 1.0)
    return np.asarray(2.0 * np.minimum(lower, upper).min(axis=1))


def _counts(columns: np.ndarray, largest: int) -> npt.NDArray[np.int64]:
    """How many ranks of each column (N, k) lie up to each place, shape (k, m)."""
    sorted_, places = np.sort(columns, axis=0), _places(largest)
    return np.stack([np.searchsorted(one, places, side="right") for one in sorted_.T])


@lru_cache(maxsize=16)
def _reference(count: int, largest: int) -> FloatArray:
    """Sorted statistics of simulated uniform ranks."""
    rng = np.random.default_rng(_SEED)
    step = max(1, int(2e7) // count)
    made = [
        _statistics(rng.integers(0, largest + 1, (count, min(step, SIMULATIONS - at))), largest)
        for at in range(0, SIMULATIONS, step)
    ]
    return np.sort(np.concatenate(made))
