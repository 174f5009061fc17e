"""Random effects of every draw: kept with the posterior, or drawn again when asked for.

They are Gaussian given the parameters, so draws that were not kept are made again, the same ones,
from the seed that the posterior carries; means are summed up without holding them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.bayes.estimates import flat_effects
from bayeslme.bayes.layout import Layout
from bayeslme.bayes.recover import Effects, drawn_pieces
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior

MOST_BYTES = 4e9  # of all random effects, or log likelihoods, of a posterior
SEED = "effects_seed"  # attribute of sample_stats


def effects_bytes(layout: Layout, draws: int) -> float:
    """Memory of the random effects of all draws."""
    return 8.0 * draws * sum(len(level.level.labels) * level.q for level in layout.levels)


def kept(posterior: Posterior) -> bool:
    """Whether the posterior holds its random effects."""
    drawn = posterior.data["posterior"]
    return all(f"ranef_{level.key}" in drawn for level in posterior.layout.levels)


def all_effects(posterior: Posterior) -> Effects:
    """Every draw, group key to array (s, G, q).

    Raises
    ------
    FitError
        Where they were not kept and would not fit into memory.
    """
    if kept(posterior):
        return flat_effects(posterior)
    count, layout = len(posterior.values["fixef"]), posterior.layout
    size = effects_bytes(layout, count)
    if size > MOST_BYTES:
        raise FitError(
            f"ranef: all random effects of {count} draws take {size / 1e9:.1f} GB and were not "
            "kept; ask for means (ranef(), fitted()) or predictions of some groups, or sample "
            f"{int(count * MOST_BYTES / size)} draws"
        )
    out = {lv.key: np.empty((count, len(lv.level.labels), lv.q)) for lv in posterior.layout.levels}
    for piece, some in effect_pieces(posterior):
        for key, b in some.items():
            out[key][piece] = b
    return out


def effect_pieces(posterior: Posterior) -> Iterator[tuple[slice, Effects]]:
    """The draws piece by piece: which, and group key to array (b, G, q)."""
    count = len(posterior.values["fixef"])
    if kept(posterior):
        yield slice(0, count), posterior.effects
        return
    rng = np.random.default_rng(int(posterior.data["sample_stats"].attrs[SEED]))
    for piece, some, _ in drawn_pieces(posterior.layout, posterior.values, rng):
        yield piece, some


def mean_effects(posterior: Posterior) -> Effects:
    """Posterior means, group key to array (G, q)."""
    count = len(posterior.values["fixef"])
    total = {lv.key: np.zeros((len(lv.level.labels), lv.q)) for lv in posterior.layout.levels}
    for _, some in effect_pieces(posterior):
        for key, b in some.items():
            total[key] += b.sum(axis=0) / count
    return total


def effects_of(posterior: Posterior, key: str, code: np.ndarray) -> np.ndarray:
    """Draws of some groups of a level, (s, m, q)."""
    if kept(posterior):
        return np.asarray(posterior.effects[key][:, code])
    (level,) = (lv for lv in posterior.layout.levels if lv.key == key)
    out = np.empty((len(posterior.values["fixef"]), len(code), level.q))
    for piece, some in effect_pieces(posterior):
        out[piece] = some[key][:, code]
    return out
