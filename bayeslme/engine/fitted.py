"""Fitted values by level, and the variance covariates that are functions of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.settings import PROBLEM
from bayeslme.errors import SpecError

if TYPE_CHECKING:
    from bayeslme.data.types import Design
    from bayeslme.engine.estimate import Estimate


def fitted_values(
    design: Design,
    beta: np.ndarray,
    modes: tuple[np.ndarray, ...],
    depth: int | Sequence[int] | None = None,
) -> np.ndarray:
    """X beta plus the random effects of some levels (all by default), shape (n,).

    ``depth`` is the number of these from the outermost in, or their places among the design's.
    """
    places = range(len(modes))
    chosen = places[:depth] if depth is None or isinstance(depth, int) else depth
    each = ((design.levels[k].Z, modes[k], design.levels[k].code) for k in chosen)
    return means_by_depth(design.X @ beta + design.offset, each)[-1]


def means_by_depth(
    fixed: np.ndarray, levels: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> list[np.ndarray]:
    """Means with the random effects of 0, 1, ... levels.

    Parameters
    ----------
    fixed : array, shape (..., n)
        X beta, and the offset.
    levels : iterable of triples of arrays (n, q), (..., G, q) and (n,), outermost first
        Z, the random effects, and the group of each row.

    Returns
    -------
    list of arrays, shape (..., n)
    """
    means = [np.asarray(fixed)]
    for z, effects, code in levels:
        means.append(_added(means[-1], z, effects, code))
    return means


def _added(mean: np.ndarray, z: np.ndarray, effects: np.ndarray, code: np.ndarray) -> np.ndarray:
    """A mean (..., n) and Z b, effect by effect: few enough draws at a time for the cache."""
    shape = (*np.broadcast_shapes(mean.shape[:-1], effects.shape[:-2]), len(z))
    out = np.broadcast_to(mean, shape).reshape(-1, len(z)).copy()
    flat = np.broadcast_to(effects, (*shape[:-1], *effects.shape[-2:]))
    flat = flat.reshape(-1, *effects.shape[-2:])
    step = max(1, PROBLEM.numbers_per_piece // max(len(z), 1))
    for first in range(0, len(out), step):
        own = slice(first, first + step)
        for j in range(z.shape[1]):
            part = np.take(flat[own, :, j], code, axis=-1)
            part *= z[:, j]
            out[own] += part
    return out.reshape(shape)


def places_of(design: Design, level: str | int | None) -> tuple[int, ...]:
    """Places of the levels that a level name or number includes.

    None for the fixed part, all by default; of crossed levels, the one and those it nests in.
    """
    depth = depth_of(design, level)
    if level is None or depth == 0:
        return tuple(range(depth))
    return design.included(depth - 1)


def depth_of(design: Design, level: str | int | None) -> int:
    """Number of grouping levels that a level name or number includes.

    0 for the fixed part, all by default.
    """
    groups = [lev.group for lev in design.levels]
    if level is None:
        return len(groups)
    if not isinstance(level, bool | np.bool):  # True would pass for the number 1
        if level in ("fixed", 0, "0"):
            return 0
        if isinstance(level, str) and level in groups:
            return groups.index(level) + 1
        if isinstance(level, int | np.integer) and 0 < level <= len(groups):
            return int(level)
    names = ", ".join(map(repr, ("fixed", *groups)))
    numbers = f"0 to {len(groups)}" if groups else "0"
    msg = f"level {level!r} is none of {names} or {numbers}"
    raise SpecError(msg)


def variance_covariates(design: Design, found: Estimate) -> tuple[np.ndarray | None, ...]:
    """Covariates of the variance components that depend on the fit; None for the others."""
    out: list[np.ndarray | None] = []
    for c in design.variance:
        if c.source == "data":
            out.append(None)
            continue
        fitted = fitted_values(design, found.beta, found.modes, places_of(design, c.level))
        out.append(fitted if c.source == "fitted" else design.y - fitted)
    return tuple(out)
