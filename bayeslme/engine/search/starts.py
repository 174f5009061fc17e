"""Starting values: a small grid over the usual orders of magnitude, evaluated in one batch."""

from __future__ import annotations

import itertools

import numpy as np

from bayeslme.engine.problem import Problem, Stage
from bayeslme.engine.search.settings import SEARCH
from bayeslme.structures import Bound, settings


def scales(problem: Problem) -> np.ndarray:
    """Step scale of every entry of theta, shape (k,)."""
    out = np.ones(problem.size)
    for _, bound, place in problem.row_structures:
        out[place] = bound.scale
    return out


def candidates(problem: Problem) -> np.ndarray:
    """Starting values (s, k).

    Every level's relative size crossed with shifts of the correlation.
    """
    options = [_sizes(stage) for stage in _outermost_first(problem)]
    rows = [bound.starts for _, bound, _ in problem.row_structures]
    grid = itertools.islice(itertools.product(*options, *rows), SEARCH.max_candidates)
    return np.stack([np.concatenate([*parts, np.zeros(0)]) for parts in grid])


def starting_points(bound: Bound, i: int) -> np.ndarray:
    """Return values of free parameter i near which a maximum may lie: its start and zero."""
    start, near = bound.start[i], np.array(SEARCH.start_shifts) * min(1.0, bound.scale[i])
    if i == 0 and bound.structure.spatial:
        bends = kinks(bound)
        if 0 < len(bends) <= SEARCH.max_candidates:
            return bends
        usual = settings.STRUCTURES.range_start_shifts
        shifts = SEARCH.fine_range_shifts if bound.structure.compact else usual
        grid = np.asarray(start + np.array(shifts))
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
    _, first = np.unique(
        np.round(np.log(distances), SEARCH.equal_distance_digits), return_index=True
    )
    own = distances[first]
    return np.asarray(
        support.unconstrain(own[own > support.lower * (1 + 0.1**SEARCH.equal_distance_digits)])
    )


def _nearest(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Places of the sorted values (s,) that are nearest to the wanted ones, each once."""
    middle = (values[1:] + values[:-1]) / 2
    return np.unique(np.searchsorted(middle, wanted))


def generic_start(problem: Problem, relative: float) -> np.ndarray:
    """One starting value (k,) with random effects of this relative size at every level."""
    parts = [_stage_start(stage, relative) for stage in _outermost_first(problem)]
    rows = (bound.start for _, bound, _ in problem.row_structures)
    return np.concatenate([*parts, *rows, np.zeros(0)])


def _outermost_first(problem: Problem) -> list[Stage]:
    return list(problem.stages[::-1])


def _sizes(stage: Stage) -> list[np.ndarray]:
    """A level's entries at every relative size."""
    unit = _unit_start(stage)
    given = stage.structure.value is not None
    return [_stage_start(stage, r) if given and r == 1.0 else r * unit for r in SEARCH.relative_sds]


def _stage_start(stage: Stage, relative: float) -> np.ndarray:
    if stage.structure.value is not None and relative == 1.0:
        return stage.structure.nearest(np.asarray(stage.structure.value), stage.basis)
    return relative * _unit_start(stage)


def _unit_start(stage: Stage) -> np.ndarray:
    """A level's entries for random effects of the residuals' size; they grow with the size."""
    inverse = np.linalg.inv(stage.basis)
    return stage.structure.nearest(inverse @ inverse.T / stage.q, stage.basis)


def several_maxima(problem: Problem) -> np.ndarray:
    """Row parameters (k,) that often have several maxima, from whose starts all are climbed."""
    out = np.zeros(problem.size, bool)
    for _, bound, place in problem.row_structures:
        out[place] = bound.several_maxima
    return out
