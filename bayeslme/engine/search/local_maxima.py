"""Whether a likelihood has local maxima other than the one at which a search has ended.

The likelihood is evaluated, in one batch, along every coordinate axis through the end, along the
straight line from every other starting value to the end, and on the line to the row parameters of
opposite sign. A value that is higher than its neighbours on a line proves that there is another
local maximum, and a search is begun there.

A maximum that can only be reached by several parameters moving together is seen on none of these
lines. A few starting values that lead to such maxima are therefore climbed from in any case
(`unseen`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bayeslme.engine.problem import Problem
from bayeslme.engine.search.flat import default_start
from bayeslme.engine.search.settings import SEARCH
from bayeslme.engine.search.starts import several_maxima, starting_points


def other_maxima(
    f: Callable[[np.ndarray], np.ndarray], problem: Problem, end: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """Return points (h, k) near local maxima other than that at ``end`` (k,), highest first.

    Parameters
    ----------
    f : callable
        (b, k) -> (b,), minus infinity where undefined.
    starts : array, shape (m, k)
        From which a line of sight is drawn.
    """
    home = canonical(problem, end)
    even = by_size(problem, home)
    folded = np.where(even, np.copysign(starts, home), starts)
    lines = [
        *_coordinate_searches(problem, home, even),
        *_line_searches(home, folded),
        _mirror(problem, home, even),
    ]
    points = np.concatenate(lines)
    values = np.concatenate(
        [f(points[i : i + SEARCH.batch_size]) for i in range(0, len(points), SEARCH.batch_size)]
    )
    values = np.where(np.isfinite(values), values, -np.inf)
    pieces = np.split(values, np.cumsum([len(line) for line in lines])[:-1])
    found = [
        (v[i], line[i])
        for line, v in zip(lines, pieces, strict=True)
        for i in _local_maxima(v, int(np.argmin(np.abs(line - home).sum(axis=1))))
    ]
    found.sort(key=lambda one: -one[0])
    return np.array([point for _, point in found]).reshape(len(found), len(end))


def canonical(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """The same covariances by factors whose signs are those of starting values."""
    out = theta.copy()
    for stage in problem.stages:
        root = np.linalg.solve(stage.basis, stage.structure.factor(theta[stage.theta], stage.basis))
        out[stage.theta] = stage.structure.nearest(root @ root.T, stage.basis)
    return out


def by_size(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Row parameters (k,) of which only the absolute value counts, such as varConstProp's prop."""
    out, bound = np.zeros(problem.size, dtype=bool), problem.variance
    if bound is None:
        return out
    here = theta[problem.theta_variance]
    signed = [bound.parameters[j].support.lower < 0 for j in bound.free]
    for i in np.flatnonzero(signed):
        turned = np.stack([here, here])
        turned[1, i] *= -1
        log_sd = bound.structure.log_sd(bound.natural(turned), bound.coords)
        out[problem.theta_variance.start + i] = here[i] != 0 and np.array_equal(*log_sd)
    return out


def _coordinate_searches(
    problem: Problem, theta: np.ndarray, even: np.ndarray
) -> Iterator[np.ndarray]:
    """Return points (s, k) along each coordinate axis through theta, in order."""
    for j, others in enumerate([*_factor_values(problem, theta), *_row_values(problem, theta)]):
        there = np.copysign(others, theta[j]) if even[j] else others
        values = np.unique(np.append(there, theta[j]))
        points = np.tile(theta, (len(values), 1))
        points[:, j] = values
        yield points


def _factor_values(problem: Problem, theta: np.ndarray) -> Iterator[np.ndarray]:
    """Return other values of every entry of the random effects' relative factors."""
    signed = _signed(problem)
    for j in range(problem.theta_correlation.start):
        values = np.concatenate(
            [np.array(SEARCH.factor_values), theta[j] * np.array(SEARCH.factor_multiples)]
        )
        yield np.concatenate([values, -values]) if signed[j] else values


def _row_values(problem: Problem, theta: np.ndarray) -> Iterator[np.ndarray]:
    """Return other values of every parameter of the correlation and the variance function."""
    steps = np.array([*SEARCH.row_offsets, *(-step for step in SEARCH.row_offsets)])
    for _, bound, place in problem.row_structures:
        for i, here in enumerate(theta[place]):
            if problem.size > SEARCH.many_parameters:
                yield here + bound.scale[i] * np.array(SEARCH.few_row_offsets)
            else:
                yield np.concatenate([starting_points(bound, i), here + bound.scale[i] * steps])


def _signed(problem: Problem) -> np.ndarray:
    """Whether an entry of a factor (k,) lies off its diagonal, so that its sign matters."""
    out = np.ones(problem.size, dtype=bool)
    for stage in problem.stages:
        each = stage.structure.factor(np.eye(stage.theta.stop - stage.theta.start), stage.basis)
        out[stage.theta] = ~np.any(np.diagonal(each, axis1=-2, axis2=-1), axis=-1)
    return out


def _line_searches(theta: np.ndarray, starts: np.ndarray) -> Iterator[np.ndarray]:
    """Return points (s, k) on the straight lines from each starting value to theta."""
    for start in starts:
        yield start + np.array(SEARCH.line_fractions)[:, None] * (theta - start)


def _mirror(problem: Problem, theta: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Return points (s, k) on the line to the row parameters of opposite sign, and beyond."""
    rows = np.arange(problem.size) >= problem.theta_correlation.start
    opposite = np.where(rows & ~even, -theta, theta)
    return np.asarray(theta + np.array(SEARCH.mirror_fractions)[:, None] * (opposite - theta))


def _local_maxima(values: np.ndarray, home: int) -> list[int]:
    """Return places where the values (s,) have a local maximum apart from that at ``home``."""
    padded = np.concatenate([[-np.inf], values, [-np.inf]])
    tops = (values >= padded[:-2]) & (values >= padded[2:]) & np.isfinite(values)
    lowest = np.concatenate(  # between a place and home
        [np.minimum.accumulate(values[home::-1])[::-1], np.minimum.accumulate(values[home:])[1:]]
    )
    return [int(i) for i in np.flatnonzero(tops & (lowest < values - SEARCH.min_prominence))]


def unseen(problem: Problem, starts: np.ndarray) -> np.ndarray:
    """Return starting values (m, k) that are always climbed from.

    Parameters
    ----------
    problem : Problem
    starts : array, shape (s, k)
        Candidates, best first.
    """
    return np.concatenate([_rows(problem, starts), _sizes(problem), _range(problem)])


def _rows(problem: Problem, starts: np.ndarray) -> np.ndarray:
    """Return the best start of each set of row parameters that often have several maxima."""
    columns = several_maxima(problem)
    if not columns.any():
        return starts[:0]
    _, first = np.unique(starts[:, columns], axis=0, return_index=True)
    return np.asarray(starts[np.sort(first)])


def _sizes(problem: Problem) -> np.ndarray:
    """Return nlme's start (1, k), where many standard deviations of effects are free.

    The candidates have equal sizes at each level, and lines move one size at a time.
    """
    one_matrix = len(problem.stages) == 1 and problem.stages[0].structure.unstructured
    if problem.theta_correlation.start < SEARCH.min_parameters_for_default_start or one_matrix:
        return np.zeros((0, problem.size))
    return default_start(problem)[None]


def _range(problem: Problem) -> np.ndarray:
    """Return a start (1, k) with a range far beyond the data, which random slopes may imitate."""
    bound, place = problem.correlation, problem.theta_correlation
    none = np.zeros((0, problem.size))
    if bound is None or 0 not in bound.free or place.start < SEARCH.min_parameters_for_long_range:
        return none
    if not bound.structure.spatial or bound.structure.compact:
        return none
    start = default_start(problem)
    natural = bound.natural(start[place])
    extent = float(np.linalg.norm(np.ptp(bound.coords.position, axis=0)))
    natural[0] = SEARCH.long_range * extent / bound.coords.unit
    start[place] = bound.to_free(natural)
    return start[None]
