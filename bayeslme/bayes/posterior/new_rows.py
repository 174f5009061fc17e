"""Residuals of new rows at every draw: jointly correlated, and given the observed ones if asked.

With C = L L' the correlation of a group's observed residuals and c that of the new ones with them,
k = L^-1 c: the new residuals have mean k' L^-1 e given the observed ones e, and covariance D - k'k.
Groups whose rows stand alike share the factors. Of an autoregression only the observed rows next to
a new one are read, which is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bayeslme.bayes.layout import Layout, Values
from bayeslme.bayes.rows import Place
from bayeslme.engine.kriging import LONGEST, ROUNDING, pairs_of
from bayeslme.errors import FitError
from bayeslme.structures import Bound, Lattice

CELLS = 1e7  # numbers of one batch of draws

Observed = Callable[[slice], np.ndarray]


@dataclass(frozen=True, slots=True)
class _Alike:
    """Groups whose new and observed rows stand alike.

    Attributes
    ----------
    old, new : arrays, shapes (o, d) and (m, d)
        Positions.
    rows, observed : int arrays, shapes (g, m) and (g, o)
        New rows, and sorted observed rows, of each group.
    """

    old: np.ndarray
    new: np.ndarray
    rows: np.ndarray
    observed: np.ndarray

    @property
    def size(self) -> int:
        """Numbers that a draw needs."""
        return 4 * (len(self.old) + len(self.new)) ** 2 + 4 * self.rows.size + self.observed.size


def residuals_at(
    layout: Layout,
    values: Values,
    place: Place,
    rng: np.random.Generator,
    *,
    observed: Observed | None = None,
    noise: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw residuals over their standard deviations.

    Parameters
    ----------
    layout : Layout
        With a correlation structure.
    values : mapping of variable name to array (s, ...)
    place : Place
        Of m rows.
    rng : Generator
    observed : callable, optional
        Gives the observed residuals over their standard deviations (b, n), sorted, of a slice of
        the draws, to condition on.
    noise : bool
        Draw, or give the means in the place of draws too.

    Returns
    -------
    mean, drawn : arrays, shape (s, m)
        NaN where a group or a position is missing.

    Raises
    ------
    FitError
        Where a group is too long for a dense matrix, or its correlation has no extension to the
        new rows.
    DataError
        For positions an unstructured correlation knows nothing of.
    """
    bound = layout.problem.correlation
    par, _ = layout.row_parameters(values)
    assert bound is not None
    assert par is not None
    count = len(values["fixef"])
    par = np.broadcast_to(par, (count, np.shape(par)[-1]))
    mean = np.full((count, len(place.own)), np.nan)
    drawn = mean.copy()
    patterns = list(_alike(bound, place, conditional=observed is not None))
    largest = max((alike.size for alike in patterns), default=1)
    step = max(1, int(CELLS // (largest + (0 if observed is None else layout.problem.n))))
    for first in range(0, count, step):
        at = slice(first, first + step)
        known = None if observed is None else observed(at)
        for alike in patterns:
            seen = None if known is None else known[:, alike.observed]
            mean[at, alike.rows], left = _one_pattern(bound, par[at], alike, seen)
            drawn[at, alike.rows] = mean[at, alike.rows]
            if noise:
                spherical = rng.standard_normal((len(left), *alike.rows.shape))
                drawn[at, alike.rows] += spherical @ np.swapaxes(_root(bound, left), -1, -2)
    return mean, drawn


def _alike(bound: Bound, place: Place, *, conditional: bool) -> Iterator[_Alike]:
    """Collect the groups of the new rows by how their rows stand."""
    lattice: Lattice = bound.coords
    sound = (place.own >= 0) & ~np.isnan(place.position).any(axis=1)
    order = np.flatnonzero(sound)[np.argsort(place.own[sound], kind="stable")]
    found: dict[bytes, list[tuple[np.ndarray, np.ndarray]]] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(place.own[order])) + 1):
        if not len(rows):
            continue
        new, h = place.position[rows], int(place.group[rows[0]])
        old = np.zeros(0, dtype=int)
        if conditional and h >= 0:
            old = _near(bound, lattice, h, new)
        joint = np.concatenate([lattice.position[old], new])
        shift = joint[:1] if bound.structure.stationary else 0.0
        key = np.append(joint - shift, [[len(old)] * joint.shape[1]], axis=0).tobytes()
        found.setdefault(key, []).append((old, rows))
    for groups in found.values():
        seen = np.array([one for one, _ in groups], dtype=int)
        asked = np.array([one for _, one in groups], dtype=int)
        size = len(groups[0][0]) + len(groups[0][1])
        if size > LONGEST:
            raise FitError(
                f"predict: a correlation group has {size} observed and new rows; dense matrices "
                f"are made up to {LONGEST} rows only"
            )
        yield _Alike(lattice.position[seen[0]], place.position[asked[0]], asked, seen)


def _near(bound: Bound, lattice: Lattice, h: int, new: np.ndarray) -> np.ndarray:
    """Sorted observed rows of a group that new ones depend on."""
    start, size = int(lattice.starts[h]), int(lattice.sizes[h])
    reach = bound.structure.memory(lattice)
    if reach is None:
        return start + np.arange(size)
    rank = np.searchsorted(lattice.position[start : start + size, 0], new[:, 0])
    around = np.unique(rank[:, None] + np.arange(-reach, reach + 1))
    return start + around[(around >= 0) & (around < size)]


def _one_pattern(
    bound: Bound, par: np.ndarray, alike: _Alike, seen: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Means (s, g, m) and covariances (s, m, m) of groups that stand alike."""
    structure, size = bound.structure, len(alike.old)
    pairs = pairs_of(bound, np.concatenate([alike.old, alike.new]))
    joint = np.array(structure.correlation(par, pairs))[..., 0, :, :]
    diagonal = np.arange(joint.shape[-1])
    joint[..., diagonal, diagonal] = 1.0
    left = joint[:, size:, size:]
    if not size or seen is None:
        return np.zeros((len(par), *alike.rows.shape)), left
    across = joint[:, :size, size:]
    if not getattr(structure, "nugget", False):
        same = np.all(alike.old[:, None, :] == alike.new[None, :, :], axis=-1)
        across = np.where(same, 1.0, across)  # a row at an observed position has its residual
    factor = np.linalg.cholesky(joint[:, :size, :size])
    k = np.linalg.solve(factor, across)
    white = np.linalg.solve(factor, np.swapaxes(seen, -1, -2))  # (s, o, g)
    return np.swapaxes(white, -1, -2) @ k, left - np.swapaxes(k, -1, -2) @ k


def _root(bound: Bound, matrices: np.ndarray) -> np.ndarray:
    """Factors of covariances that may be singular, but not indefinite."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrices)
    if float(values.min()) < -ROUNDING * matrices.shape[-1]:
        raise FitError(
            f"{bound.structure.r_name}: at some draws the correlation is none once the new rows "
            "are added (a negative Rho reaches only as far as the largest group); predict fewer "
            "rows, or single ones"
        )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])
