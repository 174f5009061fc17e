"""Random effects of every draw: exact Gaussian draws, kept or drawn again.

Random effects of every draw: kept with the posterior, or drawn again when asked for. They are
Gaussian given the parameters, so draws that were not kept are made again, the same ones, from the
seed that the posterior carries; means are summed up without holding them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.density import (
    by_group,
    crossed_grams,
    crossed_rows,
    crossed_terms,
    draw_pieces,
    engine_coefficients,
    residual_squares,
    terms_of_groups,
)
from bayeslme.bayes.model_parameters import (
    LevelParameters,
    ModelParameters,
    Values,
    without_fixed,
)
from bayeslme.bayes.posterior.estimates import flat_effects
from bayeslme.engine import eliminate, gram, modes, whiten
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws


SEED, PIECES = "effects_seed", "effects_bytes"  # attributes of sample_stats
BYTES = 2e7  # temporary memory of a piece of the draws: twice as fast in the cache
EARLIER_BYTES = 2e8  # of posteriors without PIECES: other pieces would draw other effects
Effects = dict[str, np.ndarray]
Drawn = tuple[np.ndarray, ...]  # of every level, innermost first
Complete = Callable[[Values, np.random.Generator], tuple[Drawn, np.ndarray]]


def random_effects(
    parameters: ModelParameters,
    values: Values,
    rng: np.random.Generator,
    chunk_bytes: float = BYTES,
) -> Effects:
    """Draw b from p(b | y, beta, theta, sigma), one draw for each of the parameters.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array (s, ...)
        Draws, ``fixef`` among them.
    rng : Generator
    chunk_bytes : float
        Bound of the temporary memory.

    Returns
    -------
    dict of group key to array (s, G, q), outermost first
    """
    return effects_and_terms(parameters, values, rng, chunk_bytes)[0]


def effects_and_terms(
    parameters: ModelParameters,
    values: Values,
    rng: np.random.Generator,
    chunk_bytes: float = BYTES,
) -> tuple[Effects, np.ndarray]:
    """Draw b, and read log p(y_g | beta, theta, sigma) off the same elimination.

    Parameters
    ----------
    parameters, values, rng, chunk_bytes
        As in `random_effects`.

    Returns
    -------
    effects : dict of group key to array (s, G, q), outermost first
    terms : array, shape (s, pieces)
        Of the outermost groups; without random effects as `by_group` has them.
    """
    draws = len(values["fixef"])
    if not parameters.levels:
        return {}, by_group(parameters, values, chunk_bytes)
    effects = {lv.key: np.empty((draws, len(lv.level.labels), lv.q)) for lv in parameters.levels}
    terms = np.empty((draws, parameters.n_pieces))
    for piece, drawn, terms[piece] in drawn_pieces(parameters, values, rng, chunk_bytes):
        for key, b in drawn.items():
            effects[key][piece] = b
    return effects, terms


def drawn_pieces(
    parameters: ModelParameters,
    values: Values,
    rng: np.random.Generator,
    chunk_bytes: float = BYTES,
) -> Iterator[tuple[slice, Effects, np.ndarray]]:
    """As ``effects_and_terms`` of a model with random effects, piece by piece.

    Yields
    ------
    piece : slice
        Of the draws.
    effects : dict of group key to array (b, G, q)
    terms : array, shape (b, G)
    """
    draws = len(values["fixef"])
    if parameters.problem.crossed is not None:
        complete = _crossed(parameters)
    else:
        complete = (_constant if parameters.problem.constant_rows else _varying)(parameters)
    sigma = parameters.sigmas(values)
    for piece in draw_pieces(parameters, draws, chunk_bytes):
        some = {**{k: v[piece] for k, v in values.items()}, "sigma": sigma[piece]}
        drawn, terms = complete(some, rng)
        named = zip(reversed(parameters.levels), drawn, strict=True)
        yield piece, {level.key: b for level, b in named}, terms


def _constant(parameters: ModelParameters) -> Complete:
    """Rows without parameters: their cross products [Z | X | y] are formed once."""
    problem = parameters.problem
    white = whiten(problem, *parameters.row_parameters({}))
    g = gram(problem, white.columns, by_group=True)

    def complete(values: Values, rng: np.random.Generator) -> tuple[Drawn, np.ndarray]:
        sigma, factors = values["sigma"], parameters.factors(values)
        beta = engine_coefficients(problem, values["fixef"])
        e = eliminate(problem, g, factors, by_group=True)
        rss = residual_squares(problem, e.block, values)
        terms = terms_of_groups(problem, white.half_logdet, e.half_logdet, rss, sigma)
        return modes(problem, e, factors, beta, sigma, rng), terms

    return complete


def _varying(parameters: ModelParameters) -> Complete:
    """Rows with parameters: [Z | y - X beta], fewer columns, the last another for each draw."""
    problem, bare = parameters.problem, without_fixed(parameters.problem)
    z, y = bare.columns[:-1], bare.columns[-1]
    x = problem.columns[len(z) : -1]

    def complete(values: Values, rng: np.random.Generator) -> tuple[Drawn, np.ndarray]:
        sigma, factors = values["sigma"], parameters.factors(values)
        beta = engine_coefficients(problem, values["fixef"])
        columns = np.empty((len(beta), len(z) + 1, problem.n))
        columns[:, :-1], columns[:, -1] = z, y - beta @ x
        white = whiten(bare, *parameters.row_parameters(values), columns=columns)
        e = eliminate(bare, gram(bare, white.columns, by_group=True), factors, by_group=True)
        rss = e.block[:, 0, 0]
        terms = terms_of_groups(bare, white.half_logdet, e.half_logdet, rss, sigma)
        return modes(bare, e, factors, beta[:, :0], sigma, rng), terms

    return complete


def _crossed(parameters: ModelParameters) -> Complete:
    """Crossed random effects, eliminated for many draws at once where they are few."""
    problem, grams = parameters.problem, crossed_grams(parameters)

    def complete(values: Values, rng: np.random.Generator) -> tuple[Drawn, np.ndarray]:
        beta = engine_coefficients(problem, values["fixef"])
        own = crossed_rows(parameters, grams, values)
        drawn, block, half = grams.drawn(own.rows, own.factors, beta, own.typical, rng)
        return drawn, crossed_terms(problem, own, values, block, half)[:, None]

    return complete


def effects_bytes(parameters: ModelParameters, draws: int) -> float:
    """Memory of the random effects of all draws."""
    return 8.0 * draws * sum(len(level.level.labels) * level.q for level in parameters.levels)


def kept(posterior: Draws) -> bool:
    """Whether the posterior holds its random effects."""
    drawn = posterior.data["posterior"]
    return all(f"ranef_{level.key}" in drawn for level in posterior.parameters.levels)


def all_effects(posterior: Draws) -> Effects:
    """Every draw, group key to array (s, G, q).

    Raises
    ------
    FitError
        Where they were not kept and would not fit into memory.
    """
    limits = settings.POSTERIOR
    if kept(posterior):
        return flat_effects(posterior)
    count, parameters = len(posterior.values["fixef"]), posterior.parameters
    size = effects_bytes(parameters, count)
    if size > limits.max_bytes:
        raise FitError(
            f"ranef: all random effects of {count} draws take {size / 1e9:.1f} GB and were not "
            "kept; ask for means (ranef(), fitted()) or predictions of some groups, or sample "
            f"{int(count * limits.max_bytes / size)} draws"
        )
    out = {
        lv.key: np.empty((count, len(lv.level.labels), lv.q)) for lv in posterior.parameters.levels
    }
    for piece, some in effect_pieces(posterior):
        for key, b in some.items():
            out[key][piece] = b
    return out


def effect_pieces(posterior: Draws) -> Iterator[tuple[slice, Effects]]:
    """The draws piece by piece: which, and group key to array (b, G, q)."""
    count = len(posterior.values["fixef"])
    if kept(posterior):
        yield slice(0, count), posterior.effects
        return
    attrs = posterior.data["sample_stats"].attrs
    rng, size = np.random.default_rng(int(attrs[SEED])), float(attrs.get(PIECES, EARLIER_BYTES))
    for piece, some, _ in drawn_pieces(posterior.parameters, posterior.values, rng, size):
        yield piece, some


def mean_effects(posterior: Draws) -> Effects:
    """Posterior means, group key to array (G, q)."""
    count = len(posterior.values["fixef"])
    total = {lv.key: np.zeros((len(lv.level.labels), lv.q)) for lv in posterior.parameters.levels}
    for _, some in effect_pieces(posterior):
        for key, b in some.items():
            total[key] += b.sum(axis=0, dtype=float) / count
    return total


def effects_of(
    posterior: Draws, key: str, code: np.ndarray, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Draws of some groups of a level, (s, m, q).

    Parameters
    ----------
    code : int array, shape (m,)
        Those without rows, whose relation to the others is known, are counted on from these.
    rng : Generator, optional
        Draws what the others leave of them; by default they are as expected given the others.
    """
    (level,) = (lv for lv in posterior.parameters.levels if lv.key == key)
    groups = len(level.level.labels)
    if level.level.related is not None and np.any(code >= groups):
        return _with_relatives(posterior, level, code, rng)
    if kept(posterior):
        return np.asarray(posterior.effects[key][:, code])
    out = np.empty((len(posterior.values["fixef"]), len(code), level.q))
    for piece, some in effect_pieces(posterior):
        out[piece] = some[key][:, code]
    return out


def _with_relatives(
    posterior: Draws, level: LevelParameters, code: np.ndarray, rng: np.random.Generator | None
) -> np.ndarray:
    """As ``effects_of``, of groups without rows too."""
    related = level.level.related
    assert related is not None
    out = np.empty((len(posterior.values["fixef"]), len(code), level.q))
    for piece, some in effect_pieces(posterior):
        out[piece] = level.level.all_effects(some[level.key])[:, code]
    if rng is not None:
        further = code >= related.n_groups
        others, place = np.unique(code[further], return_inverse=True)
        spherical = rng.standard_normal((len(out), len(others), level.q))
        factor = np.swapaxes(np.asarray(level.factor(posterior.values)), -1, -2)
        out[:, further] += (related.unexplained(others) @ spherical @ factor)[:, place]
    return out
