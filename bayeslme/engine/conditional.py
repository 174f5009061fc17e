"""Random effects given everything else, read off the elimination from the outermost level in.

They are Gaussian. With v = (-outer effects, -beta, 1) on the columns to the right, L' u = U v
gives the mode of the spherical effects u, and b = A u on the standard scale (Pinheiro and Bates
2000, section 2.2.3); adding sigma z to U v gives an exact draw.
"""

from __future__ import annotations

import numpy as np

from bayeslme.engine.eliminate import Eliminated
from bayeslme.engine.problem import Problem


def modes(
    problem: Problem,
    e: Eliminated,
    factors: tuple[np.ndarray, ...],
    beta: np.ndarray,
    sigma: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, ...]:
    """Conditional modes, or exact conditional draws, of the random effects.

    Parameters
    ----------
    problem : Problem
    e : Eliminated
        At the same theta; leading axes (...) are draws.
    factors : tuple of arrays (..., q, q), innermost first
    beta : array, shape (..., p)
        Coefficients on the engine's scale, that is of the engine's X and its shifted y.
    sigma : array, shape (...,), optional
    rng : Generator, optional
        With ``sigma``: draw instead of taking the mode.

    Returns
    -------
    tuple of arrays (..., G, q), innermost first, on the natural scale of the effects
    """
    found: list[np.ndarray] = []
    for k in range(len(problem.stages) - 1, -1, -1):
        right = _right_side(problem, k, e.rest[k], found[::-1], beta)
        if rng is not None and sigma is not None:
            right = right + np.asarray(sigma)[..., None, None] * rng.standard_normal(right.shape)
        u = _back_substitute(e.upper[k], right)
        found.append(np.matmul(factors[k], u))
    return tuple(
        np.swapaxes(np.linalg.solve(stage.basis, b), -1, -2)
        for stage, b in zip(problem.stages, found[::-1], strict=True)
    )


def _right_side(
    problem: Problem, k: int, rest: np.ndarray, outer: list[np.ndarray], beta: np.ndarray
) -> np.ndarray:
    """U v of level k.

    Shape (..., q, G); ``outer`` holds the levels outside it, nearest first, shapes (..., q, G).
    """
    p = problem.p
    total = rest[..., -1, :] - np.einsum(
        "...qpg,...p->...qg", rest[..., rest.shape[-2] - p - 1 : -1, :], beta
    )
    at, owner = 0, np.arange(problem.stages[k].n_groups)
    for j, b in enumerate(outer):
        owner = problem.stages[k + j].parent[owner]
        width = problem.stages[k + j + 1].q
        total = total - np.einsum(
            "...qcg,...cg->...qg", rest[..., at : at + width, :], b[..., owner]
        )
        at += width
    return np.asarray(total)


def _back_substitute(upper: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve L' u = right for all groups, shapes (..., q, q, G) and (..., q, G)."""
    q = upper.shape[-2]
    u: list[np.ndarray] = [np.zeros(0)] * q
    for i in range(q - 1, -1, -1):
        rest = right[..., i, :]
        for j in range(i + 1, q):
            rest = rest - upper[..., i, j, :] * u[j]
        u[i] = rest / upper[..., i, i, :]
    return np.stack(u, axis=-2)
