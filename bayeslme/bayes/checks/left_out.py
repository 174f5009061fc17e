"""Every row given all the others: exact in a Gaussian model, without n x n matrices.

With precision V^-1 of the rows, g = V^-1 (y - mu) and c = diag V^-1,

    y_i - E(y_i | y_-i) = g_i / c_i,      var(y_i | y_-i) = 1 / c_i

(Sundararajan and Keerthi 2001, Neural Computation 13, 1103; Buerkner, Gabry and Vehtari 2021,
Computational Statistics 36, 1243). Rows are whitened by W, R^-1 = W'W, and levels of random effects
are eliminated as in the engine. A unit vector e_i is one more column of that scheme: it needs the
cross products of W e_i with the whitened Z and residuals only, and W e_i is not zero in the rows of
its correlation group alone, so that one pass over the rows serves one row of every group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.bayes import settings
from bayeslme.bayes.density import LOG_2PI, draw_pieces, engine_coefficients, problem_of_draws
from bayeslme.bayes.model_parameters import ModelParameters, Values
from bayeslme.bayes.posterior.rows.simulate import fitted
from bayeslme.engine import Eliminated, eliminate, gram, whiten
from bayeslme.engine.problem import Problem


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Conditional distribution of every row given all the others.

    Attributes
    ----------
    residual : array, shape (s, n)
        y_i - E(y_i | y_-i), design's row order.
    sd : array, shape (s, n)
        Standard deviation of y_i given the others.
    """

    residual: np.ndarray
    sd: np.ndarray

    @property
    def log_density(self) -> np.ndarray:
        """Log p(y_i | y_-i, parameters), shape (s, n)."""
        return np.asarray(-0.5 * LOG_2PI - np.log(self.sd) - 0.5 * (self.residual / self.sd) ** 2)


def marginal(parameters: ModelParameters, values: Values, chunk_bytes: float = 2e8) -> LeftOut:
    """Rows given the others with the random effects integrated out.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array (s, ...)
        Draws, ``fixef`` among them.
    chunk_bytes : float
        Bound of the temporary memory.

    Returns
    -------
    LeftOut
    """
    if parameters.problem.crossed is not None:
        from bayeslme.bayes.checks.crossed_left_out import crossed_marginal

        return crossed_marginal(parameters, values)
    some = [_take(parameters, values, piece) for piece in _pieces(parameters, values, chunk_bytes)]
    return _join([_marginal(parameters, v) for v in some])


def conditional(
    parameters: ModelParameters,
    values: Values,
    effects: Mapping[str, np.ndarray],
    chunk_bytes: float = 2e8,
) -> LeftOut:
    """Rows given the random effects and the other rows of their correlation group.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array (s, ...)
    effects : mapping of group key to array (s, G, q)
    chunk_bytes : float

    Returns
    -------
    LeftOut
    """
    found = []
    for piece in _pieces(parameters, values, chunk_bytes):
        some = _take(parameters, values, piece)
        own = {k: b[piece] for k, b in effects.items()}
        mean = fitted(parameters, some, own, len(parameters.levels))
        problem = problem_of_draws(parameters, some, own)
        residual = (parameters.design.y - mean)[:, None, problem.order]
        white = whiten(problem, *parameters.row_parameters(some), columns=residual).columns
        empty = np.zeros((1, 0, problem.n))
        found.append(finish(problem, some, *products(parameters, problem, some, empty, white)[:2]))
    return _join(found)


def _marginal(parameters: ModelParameters, values: Values) -> LeftOut:
    problem, p = parameters.problem, parameters.problem.p
    white = whiten(problem, *parameters.row_parameters(values)).columns
    factors = parameters.factors(values)
    e = eliminate(problem, gram(problem, white), factors)
    beta = engine_coefficients(problem, values["fixef"])
    direction = np.concatenate([-beta, np.ones((len(beta), 1))], axis=1)
    q = white.shape[-2] - p - 1
    residual = np.matmul(direction[:, None, :], white[..., q:, :])
    c, g, t = products(parameters, problem, values, white[..., :q, :], residual)
    return finish(problem, values, *_eliminate_units(problem, e, factors, direction, c, g, t))


def products(
    parameters: ModelParameters,
    problem: Problem,
    values: Values,
    z: np.ndarray,
    residual: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products of every whitened unit vector with itself, the residual and the columns of Z.

    Parameters
    ----------
    z : array, shape (s, q, n) or (q, n), whitened
    residual : array, shape (s, 1, n), whitened

    Returns
    -------
    arrays (s, n), (s, n), (s, q, n); leading axes may be 1
    """
    limits = settings.CHECKS
    draws, n = len(residual), problem.n
    z = np.broadcast_to(z, (draws, *z.shape[-2:]))
    c, g, t = np.empty((draws, n)), np.empty((draws, n)), np.empty((draws, z.shape[-2], n))
    starts, colour = _colours(problem)
    row_values = parameters.row_parameters(values)
    for first in range(0, int(colour.max()) + 1, limits.units_per_batch):
        wanted = np.arange(first, min(first + limits.units_per_batch, int(colour.max()) + 1))
        units = (colour == wanted[:, None]).astype(float)
        white = whiten(problem, *row_values, columns=units).columns
        for k, j in enumerate(wanted):
            unit = white[..., k, :]
            bounds = np.union1d(starts, np.flatnonzero(colour == j))
            own = colour[bounds] == j
            at = bounds[own]
            c[:, at] = NUMPY.segment_sum(unit**2, bounds)[..., own]
            g[:, at] = NUMPY.segment_sum(unit * residual[:, 0, :], bounds)[..., own]
            t[..., at] = NUMPY.segment_sum(unit[..., None, :] * z, bounds)[..., own]
    return c, g, t


def _colours(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """First rows of the correlation groups, and a colour for every row.

    Whitened unit vectors of one colour have no row in common.
    """
    if problem.correlation is None:
        return np.arange(problem.n), np.zeros(problem.n, dtype=int)
    groups, structure = problem.correlation.coords, problem.correlation.structure
    place = groups.place
    reach = int(groups.sizes.max()) - 1
    memory = structure.memory(groups)
    reach = reach if memory is None else min(reach, memory)
    return groups.starts, place % (reach + 1)


def _eliminate_units(
    problem: Problem,
    e: Eliminated,
    factors: tuple[np.ndarray, ...],
    direction: np.ndarray,
    c: np.ndarray,
    g: np.ndarray,
    t: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Take the random effects out of the products of unit vectors, level by level."""
    sizes = np.diff(np.append(problem.row_starts, problem.n))
    group = np.repeat(np.arange(len(sizes)), sizes)
    for k, stage in enumerate(problem.stages):
        upper, rest, q = e.upper[k], e.rest[k], stage.q
        p = direction.shape[-1]
        outer = rest.shape[-2] - p
        left = np.einsum("...qpg,...p->...qg", rest[..., outer:, :], direction)
        right = np.matmul(np.swapaxes(factors[k], -1, -2), t[:, :q])
        u: list[np.ndarray] = []
        t = t[:, q:]
        for i in range(q):
            x = right[:, i]
            for j in range(i):
                x = x - upper[..., j, i, :][..., group] * u[j]
            u.append(x / upper[..., i, i, :][..., group])
            c = c - u[i] ** 2
            g = g - u[i] * left[..., i, :][..., group]
            if outer:
                t = t - rest[..., i, :outer, :][..., group] * u[i][:, None, :]
        group = stage.parent[group]
    return c, g


def finish(problem: Problem, values: Values, c: np.ndarray, g: np.ndarray) -> LeftOut:
    """Residuals and standard deviations in the design's row order."""
    residual, sd = np.empty_like(g), np.empty_like(g)
    residual[:, problem.order] = g / c
    sd[:, problem.order] = values["sigma"][:, None] / np.sqrt(c)
    return LeftOut(residual, sd)


def _pieces(parameters: ModelParameters, values: Values, chunk_bytes: float) -> Iterator[slice]:
    columns = len(parameters.problem.columns)
    share = columns / (columns + settings.CHECKS.units_per_batch)
    return iter(draw_pieces(parameters, len(values["fixef"]), chunk_bytes * share))


def _take(parameters: ModelParameters, values: Values, piece: slice) -> dict[str, np.ndarray]:
    some = {k: v[piece] for k, v in values.items()}
    return {**some, "sigma": parameters.sigmas(some)}


def _join(found: list[LeftOut]) -> LeftOut:
    return LeftOut(
        np.concatenate([f.residual for f in found]), np.concatenate([f.sd for f in found])
    )
