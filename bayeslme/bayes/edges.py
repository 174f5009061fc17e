"""Components of a proposal where a posterior meets the zero of a standard deviation.

There a density ends abruptly, far out in the tail of the component at the mode, and the other
parameters are elsewhere. The component is that of Laplace given the zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bayeslme.bayes.proposal import Proposal, single
from bayeslme.engine.information import second_differences
from bayeslme.engine.optimise import maximise

LogDensity = Callable[[np.ndarray], np.ndarray]

AT = 1e-3  # coordinate that stands for zero, which is outside of a prior's open interval
STEP = 1e-3  # of second differences, in scales
NEGLIGIBLE = 12.0  # log density below the mode's at which an edge does not matter
FAR = 30.0  # the same while the other parameters stay where they are at the mode
LEAST = 0.1  # of the distance from zero that a component covers, in coordinates
APART = 1.0  # standard deviations from zero within which the mode's own component covers it


def edges(target: LogDensity, first: Proposal, scale: np.ndarray) -> list[Proposal]:
    """One component for each even coordinate whose zero the posterior reaches.

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
    spread = np.sqrt(np.diagonal(cov))
    top = float(target(mode[None])[0])
    reached = np.flatnonzero(first.even & (np.abs(mode) > APART * spread))
    faces = np.tile(mode, (len(reached), 1))
    faces[np.arange(len(reached)), reached] = AT
    heights = target(faces) if len(reached) else np.zeros(0)
    out = []
    for j in reached[heights > top - FAR]:
        rest = np.delete(np.arange(len(mode)), j)
        found, height, block = _given_zero(target, mode, cov, scale, rest)
        if not height > top - NEGLIGIBLE:
            continue
        centre, full = np.zeros(len(mode)), np.zeros_like(cov)
        centre[rest], full[np.ix_(rest, rest)] = found, block
        full[j, j] = max(LEAST, 0.5 * (abs(mode[j]) - spread[j])) ** 2
        out.append(single(np.where(first.even, np.abs(centre), centre), full, first.even))
    return out


def _given_zero(
    target: LogDensity, mode: np.ndarray, cov: np.ndarray, scale: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Mode of the other coordinates, the log density there, and the covariance of Laplace."""

    def given(v: np.ndarray) -> np.ndarray:
        u = np.full((len(v), len(mode)), AT)
        u[:, rest] = v
        return target(u)

    own = scale[rest]
    found = maximise(given, mode[rest], own)
    hessian = second_differences(lambda v: given(found.theta + v * own), len(rest), STEP)
    return (
        found.theta,
        found.value,
        _inverse(-hessian / np.outer(own, own), cov[np.ix_(rest, rest)]),
    )


def _inverse(curvature: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Covariance where the curvature is positive definite; the mode's elsewhere."""
    if not len(curvature) or not np.all(np.isfinite(curvature)):
        return fallback
    value, vector = np.linalg.eigh(0.5 * (curvature + curvature.T))
    widest = 4.0 * float(np.linalg.eigvalsh(fallback).max())
    return np.asarray((vector / np.maximum(value, 1.0 / widest)) @ vector.T)
