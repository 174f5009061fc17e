"""Random effects given draws of everything else: exact Gaussian draws, in batches."""

from __future__ import annotations

import numpy as np

from bayeslme.bayes.density import draw_pieces, engine_coefficients
from bayeslme.bayes.layout import Layout, Values
from bayeslme.engine import eliminate, gram, modes, whiten


def random_effects(
    layout: Layout, values: Values, rng: np.random.Generator, chunk_bytes: float = 2e8
) -> dict[str, np.ndarray]:
    """Draw b from p(b | y, beta, theta, sigma), one draw for each of the parameters.

    Parameters
    ----------
    layout : Layout
    values : mapping of variable name to array (s, ...)
        Draws, ``fixef`` among them.
    rng : Generator
    chunk_bytes : float
        Bound of the temporary memory.

    Returns
    -------
    dict of group key to array (s, G, q), outermost first
    """
    draws = len(values["fixef"])
    out = {lv.key: np.empty((draws, len(lv.level.labels), lv.q)) for lv in layout.levels}
    if not layout.levels:
        return out
    sigma = np.broadcast_to(np.asarray(layout.sigma_of(values), dtype=float), (draws,))
    for piece in draw_pieces(layout, draws, chunk_bytes):
        some = {**{k: v[piece] for k, v in values.items()}, "sigma": sigma[piece]}
        white = whiten(layout.problem, *layout.row_parameters(some))
        factors = layout.factors(some)
        e = eliminate(layout.problem, gram(layout.problem, white.columns), factors)
        beta = engine_coefficients(layout.problem, some["fixef"])
        drawn = modes(layout.problem, e, factors, beta, some["sigma"], rng)
        for level, b in zip(reversed(layout.levels), drawn, strict=True):
            out[level.key][piece] = b
    return out
