"""Second differences from one batch of values, and their extrapolation from two steps."""

from __future__ import annotations

import numpy as np

from bayeslme.engine.optimise import Objective

FEW = 60  # moves whose points are made at once; those of more would fill the memory
PIECE = 2000  # points then made at a time


def second_differences(f: Objective, m: int, step: float) -> np.ndarray:
    """Second derivatives (m, m) of f at 0, by steps of one length."""
    moves = step * np.eye(m)
    if len(moves) <= FEW:
        return curvature(f(stencil(moves)), m) / step**2
    i, j = np.triu_indices(m, 1)
    single = f(np.concatenate([np.zeros((1, m)), moves, -moves]))
    pieces = np.array_split(np.arange(len(i)), -(-len(i) // PIECE))
    double = [
        [f(sign * (moves[i[piece]] + moves[j[piece]])) for piece in pieces] for sign in (1.0, -1.0)
    ]
    values = np.concatenate([single, *double[0], *double[1]])
    return curvature(values, m) / step**2


def stencil(moves: np.ndarray) -> np.ndarray:
    """Points (1 + 2 m + m (m - 1), k): here, moves (m, k) and their pairs, each to both sides."""
    i, j = np.triu_indices(len(moves), 1)
    both = moves[i] + moves[j]
    return np.concatenate([np.zeros((1, moves.shape[1])), moves, -moves, both, -both])


def curvature(values: np.ndarray, m: int) -> np.ndarray:
    """Second differences (m, m) along m moves from the values at their stencil.

    NaN where a step has left the region in which the values exist.
    """
    i, j = np.triu_indices(m, 1)
    values = np.where(np.isfinite(values), values, np.nan)
    base, single = values[0], values[1 : m + 1] + values[m + 1 : 2 * m + 1]
    double = values[2 * m + 1 :].reshape(2, -1).sum(axis=0)
    out = np.diag(single - 2 * base)
    out[i, j] = out[j, i] = (double - single[i] - single[j] + 2 * base) / 2
    return out


def extrapolated(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Richardson's extrapolation from steps of one and two lengths, where the longer has a value.

    The error of central differences is then of fourth order in the step.
    """
    return np.where(np.isfinite(far), (4.0 * near - far) / 3.0, near)
