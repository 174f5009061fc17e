"""Components of a proposal where one at the mode has the wrong shape.

At the zero of a standard deviation a density ends abruptly, far out in the tail of the component at
the mode. Towards the end of another range (a nugget of 0, a correlation of 1) it falls only as fast
as the coordinates stretch. In both places the other parameters are elsewhere than the mode and its
curvature say; the components added are Laplace's, given the one coordinate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bayeslme.bayes.proposal import Proposal, joined, single
from bayeslme.engine.differences import second_differences
from bayeslme.engine.optimise import maximise

LogDensity = Callable[[np.ndarray], np.ndarray]

AT = 1e-3  # coordinate that stands for zero, which is outside of a prior's open interval
STEP = 1e-3  # of second differences, in scales
NEGLIGIBLE = 12.0  # log density below the mode's at which an edge does not matter
FAR = 30.0  # the same while the other parameters stay where they are at the mode
LEAST = 0.1  # of the distance from zero that a component covers, in coordinates
APART = 1.0  # standard deviations from zero within which the mode's own component covers it
RADII = (4.0, 7.0)  # standard deviations from the mode at which tails are looked at
EXCESS = 1.0  # log density over a Student-t distribution's for which a tail gets a component
MOST = 4  # tails that get one, those with the largest excess
SPAN = 0.35  # of a radius: the scale of its component
WEIGHT, WIDTH = 0.1, 2.0  # of the wide component that tails are compared with


def edges(target: LogDensity, first: Proposal, scale: np.ndarray) -> list[Proposal]:
    """Components for zeros of even coordinates, and for tails that are too long.

    Parameters
    ----------
    target : callable
        Log density (b,) of coordinates (b, k).
    first : Proposal
        One component at the mode.
    scale : array, shape (k,)
        Size of a visible step.
    """
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    top = float(target(mode[None])[0])
    spread = np.sqrt(np.diagonal(cov))
    places = [(j, AT, 0.5 * (abs(mode[j]) - spread[j])) for j in _zeros(target, first, top)]
    places += _tails(target, first, top)
    out = []
    for j, at, width in places:
        rest = np.delete(np.arange(len(mode)), j)
        found, height, block = _given(target, first, scale, j, at)
        if not height > top - NEGLIGIBLE:
            continue
        centre, full = np.full(len(mode), 0.0 if at == AT else at), np.zeros_like(cov)
        centre[rest], full[np.ix_(rest, rest)] = found, block
        full[j, j] = max(LEAST, width) ** 2
        out.append(single(np.where(first.even, np.abs(centre), centre), full, first.even))
    return out


def _zeros(target: LogDensity, first: Proposal, top: float) -> list[int]:
    """Even coordinates away from zero whose zero is not out of reach.

    The others stay, or follow the component's regression on the one; the better of both counts.
    """
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    variance = np.diagonal(cov)
    reached = np.flatnonzero(first.even & (np.abs(mode) > APART * np.sqrt(variance)))
    if not len(reached):
        return []
    slopes = (cov / variance)[:, reached].T
    faces = np.concatenate([np.tile(mode, (len(reached), 1)), mode - slopes * mode[reached, None]])
    faces[np.arange(len(faces)), np.tile(reached, 2)] = AT
    heights = target(np.where(first.even, np.abs(faces), faces)).reshape(2, -1).max(axis=0)
    return [int(j) for j in reached[heights > top - FAR]]


def _tails(target: LogDensity, first: Proposal, top: float) -> list[tuple[int, float, float]]:
    """Coordinates, where on them, and the scale there, of tails that a component has not.

    They are looked for where the others have their means under the component.
    """
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    spread = np.sqrt(np.diagonal(cov))
    steps = np.array([sign * r for sign in (-1.0, 1.0) for r in RADII])
    u = mode + (cov / spread)[None].swapaxes(1, 2) * steps[:, None, None]  # (steps, k, k)
    flat = u.reshape(-1, len(mode))
    wide = Proposal(first.weight, first.mean, WIDTH * first.root, first.even)
    both = joined([(1 - WEIGHT, first), (WEIGHT, wide)])
    falls = both.log_density(flat) - both.log_density(mode[None])
    excess = (target(np.where(first.even, np.abs(flat), flat)) - top - falls).reshape(u.shape[:2])
    excess[np.any((u < 0) & first.even, axis=-1)] = -np.inf  # beyond zero lies the other half
    found: list[tuple[float, int, float, float]] = []
    for j in range(len(mode)):
        for side in (slice(0, len(RADII)), slice(len(RADII), None)):
            k = int(np.argmax(excess[side, j]))
            if (over := float(excess[side, j][k])) > EXCESS:
                found.append((over, j, float(u[side, j, j][k]), SPAN * RADII[k] * spread[j]))
    return [(j, at, width) for _, j, at, width in sorted(found, reverse=True)[:MOST]]


def _given(
    target: LogDensity, first: Proposal, scale: np.ndarray, j: int, at: float
) -> tuple[np.ndarray, float, np.ndarray]:
    """Mode of the other coordinates, the log density there, and the covariance of Laplace."""
    mode, cov = first.mean[0], first.root[0] @ first.root[0].T
    rest = np.delete(np.arange(len(mode)), j)

    def given(v: np.ndarray) -> np.ndarray:
        u = np.full((len(v), len(mode)), at)
        u[:, rest] = v
        return target(u)

    own = scale[rest]
    found = maximise(given, mode[rest], own)
    hessian = second_differences(lambda v: given(found.theta + v * own), len(rest), STEP)
    block = _inverse(-hessian / np.outer(own, own), cov[np.ix_(rest, rest)])
    return found.theta, found.value, block


def _inverse(curvature: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Covariance where the curvature is positive definite; the mode's elsewhere."""
    if not len(curvature) or not np.all(np.isfinite(curvature)):
        return fallback
    value, vector = np.linalg.eigh(0.5 * (curvature + curvature.T))
    widest = 4.0 * float(np.linalg.eigvalsh(fallback).max())
    return np.asarray((vector / np.maximum(value, 1.0 / widest)) @ vector.T)
