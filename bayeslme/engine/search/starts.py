"""Starting values.

A small grid that covers the usual orders of magnitude, evaluated in one batch.
"""

from __future__ import annotations

import itertools

import numpy as np

from bayeslme.engine.problem import Problem, Stage
from bayeslme.structures import Bound, CorStruct, CorSymm, VarConstPower

RELATIVE = (0.3, 1.0, 4.0, 20.0)  # sd of a random effect (on its standard scale) relative to sigma
SHIFTS = (0.0, 1.5, -1.0)  # of the first correlation parameter, on the unconstrained scale
SHIFTED = (0.0, 1.5, -1.5)  # of both kinds of a constant plus power
DECAYS = (0.0, 0.4, 0.8)  # correlation of neighbours in an unstructured matrix
RANGES = (0.0, 1.0, 2.0, 3.0, 4.5)  # of the logarithm of a range: it starts at the least distance
# A correlation that ends at the range has a kink, and often a narrow local maximum, at every
# distance.
FINE_RANGES = tuple(np.linspace(0.0, 9.5, 381).tolist())
NEAR = np.array([0.0, 0.1, -0.1, 0.3, -0.3, 1.0, -1.0, 3.0, -3.0])
MOST = 400  # candidates
EQUAL = 9  # digits to which distances that are equal are


def scales(problem: Problem) -> np.ndarray:
    """Step scale of every entry of theta, shape (k,)."""
    out = np.ones(problem.size)
    for bound, place in (
        (problem.correlation, problem.theta_correlation),
        (problem.variance, problem.theta_variance),
    ):
        if bound is not None:
            out[place] = bound.scale
    return out


def candidates(problem: Problem) -> np.ndarray:
    """Starting values (s, k).

    Every level's relative size crossed with shifts of the correlation.
    """
    options = [_sizes(stage) for stage in _outermost_first(problem)]
    shifts = [_row_start(problem.correlation, s) for s in _shifts(problem.correlation)]
    shifts += decaying(problem.correlation)
    grid = itertools.islice(itertools.product(*options, shifts, _variances(problem.variance)), MOST)
    return np.stack([np.concatenate(parts) for parts in grid])


def starting_points(bound: Bound, i: int) -> np.ndarray:
    """Values of free parameter i near which a maximum may be: around its start and zero."""
    start, near = bound.start[i], NEAR * min(1.0, bound.scale[i])
    if i == 0 and isinstance(bound.structure, CorStruct) and bound.structure.spatial:
        bends = kinks(bound)
        if 0 < len(bends) <= MOST:
            return bends
        grid = np.asarray(start + np.array(FINE_RANGES if bound.structure.compact else RANGES))
        return grid if not len(bends) else bends[_nearest(bends, grid)]
    return np.concatenate([start + near, near])


def kinks(bound: Bound) -> np.ndarray:
    """Unconstrained ranges at which a correlation of that range reaches one more pair of rows."""
    if not bound.structure.kinked or 0 not in bound.free:
        return np.zeros(0)
    coords, support = bound.coords, bound.parameters[0].support
    blocks = range(len(coords.blocks(bound.structure.stationary)))
    pairs = [bound.structure.pairs(coords, k) for k in blocks]
    distances = np.concatenate([p.distance[p.apart] for p in pairs])
    _, first = np.unique(np.round(np.log(distances), EQUAL), return_index=True)
    own = distances[first]
    return np.asarray(support.unconstrain(own[own > support.lower * (1 + 0.1**EQUAL)]))


def _nearest(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Places of the sorted values (s,) that are nearest to the wanted ones, each once."""
    middle = (values[1:] + values[:-1]) / 2
    return np.unique(np.searchsorted(middle, wanted))


def generic_start(problem: Problem, relative: float) -> np.ndarray:
    """One starting value (k,) with random effects of this relative size at every level."""
    parts = [_stage_start(stage, relative) for stage in _outermost_first(problem)]
    return np.concatenate(
        [*parts, _row_start(problem.correlation, 0.0), _row_start(problem.variance, 0.0)]
    )


def _outermost_first(problem: Problem) -> list[Stage]:
    return list(problem.stages[::-1])


def _sizes(stage: Stage) -> list[np.ndarray]:
    """A level's entries at every relative size."""
    unit = _unit_start(stage)
    given = stage.structure.value is not None
    return [_stage_start(stage, r) if given and r == 1.0 else r * unit for r in RELATIVE]


def _stage_start(stage: Stage, relative: float) -> np.ndarray:
    if stage.structure.value is not None and relative == 1.0:
        return stage.structure.nearest(np.asarray(stage.structure.value), stage.basis)
    return relative * _unit_start(stage)


def _unit_start(stage: Stage) -> np.ndarray:
    """A level's entries for random effects of the residuals' size; they grow with the size."""
    inverse = np.linalg.inv(stage.basis)
    return stage.structure.nearest(inverse @ inverse.T / stage.q, stage.basis)


def _shifts(bound: Bound | None) -> tuple[float, ...]:
    if bound is None or not len(bound.free) or unstructured(bound):
        return (0.0,)
    return RANGES if bound.structure.spatial else SHIFTS


def several_maxima(problem: Problem) -> np.ndarray:
    """Row parameters (k,) that often have several maxima: each of their starts is climbed."""
    out = np.zeros(problem.size, bool)
    out[problem.theta_correlation] = unstructured(problem.correlation)
    out[problem.theta_variance] = len(_variances(problem.variance)) > 1
    return out


def _variances(bound: Bound | None) -> list[np.ndarray]:
    """Starts of a variance function; a constant and a power may rise, or fall, together."""
    start = _row_start(bound, 0.0)
    two_kinds = bound is not None and isinstance(bound.structure, VarConstPower) and len(start) > 1
    return [start + shift for shift in (SHIFTED if two_kinds else (0.0,))]


def unstructured(bound: Bound | None) -> bool:
    """Whether correlations are free one by one: the maximum near zeros may not be the highest."""
    return bound is not None and len(bound.free) > 1 and isinstance(bound.structure, CorSymm)


def decaying(bound: Bound | None) -> list[np.ndarray]:
    """Starts of an unstructured correlation that fall with the distance; else none."""
    if bound is None or not unstructured(bound):
        return []
    return [bound.to_free(bound.structure.decaying(len(bound.free), r)) for r in DECAYS]


def _row_start(bound: Bound | None, shift: float) -> np.ndarray:
    if bound is None:
        return np.zeros(0)
    start = bound.start
    if len(start) and shift:
        start = start.copy()
        start[0] += shift
    return start
