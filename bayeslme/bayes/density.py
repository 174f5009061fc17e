"""The density of the responses with the random effects integrated out.

With beta given only [Z | y - X beta] is whitened and eliminated; with beta integrated [Z | X | y].
Draws (NumPy, batched) and models (PyTensor) share the functions.

Variance functions of the fitted values: their covariate is another one at every draw. Only given
the random effects is such a model Gaussian, so it has a hierarchical form alone. The model's
problem is then ``needs_fitted_values``: its variance function names its parameters, but
its covariate is that of least squares until it is replaced here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.bayes.model_parameters import ModelParameters, Values
from bayeslme.bayes.priors.priors import ParameterPrior
from bayeslme.engine import depth_of
from bayeslme.engine.fitted import means_by_depth
from bayeslme.engine.likelihood.eliminate import eliminate
from bayeslme.engine.likelihood.whiten import gram, whiten
from bayeslme.engine.problem import Problem, runs
from bayeslme.errors import SpecError
from bayeslme.structures.supports import Namespace

if TYPE_CHECKING:
    from bayeslme.engine.crossed.grams import CrossedGrams
    from bayeslme.engine.likelihood.row_grams import RowGram

LOG_2PI = float(np.log(2 * np.pi))
GAUSSIAN = ("Normal", "Flat")  # priors of coefficients that are integrated out


@dataclass(frozen=True, slots=True)
class GaussianBeta:
    """A Gaussian prior of the coefficients on the natural scale, flat in some directions.

    Attributes
    ----------
    mean : array, shape (p,)
    precision : array, shape (p, p)
        Of the rank ``proper``.
    proper : int
        Number of combinations of coefficients with a Gaussian prior; the others' is 1.
    half_logdet : float
        Half the log determinant of their precision.
    """

    mean: np.ndarray
    precision: np.ndarray
    proper: int
    half_logdet: float


def gaussian_beta(prior: ParameterPrior) -> GaussianBeta | None:
    """Mean and precision of a Gaussian prior of the coefficients; None where all are flat.

    Raises
    ------
    SpecError
        If a coefficient's is neither.
    """
    strange = sorted({p.family for p in prior.priors} - set(GAUSSIAN))
    if strange:
        found = ", ".join(strange)
        msg = f"integrating beta out needs Normal or Flat priors of all of fixef, not {found}"
        raise SpecError(msg)
    return gaussian_part(prior)


def gaussian_part(
    prior: ParameterPrior, others: Mapping[int, tuple[float, float]] | None = None
) -> GaussianBeta | None:
    """As ``gaussian_beta``, with every prior that is not Gaussian taken for a flat one.

    Parameters
    ----------
    prior : ParameterPrior
    others : mapping of int to (mean, standard deviation), optional
        Normal densities that stand for some of those.
    """
    own = {
        j: (p.numbers()["mu"], p.numbers()["sigma"])
        for j, p in enumerate(prior.priors)
        if p.family == "Normal"
    } | dict(others or {})
    if not own:
        return None
    k = len(prior.priors)
    basis = prior.scale.combinations(k)
    weights = np.array([own[j][1] ** -2 if j in own else 0.0 for j in range(k)])
    return GaussianBeta(
        np.linalg.solve(basis, [own[j][0] if j in own else 0.0 for j in range(k)]),
        basis.T @ (weights[:, None] * basis),
        len(own),
        0.5 * float(np.log(weights[list(own)]).sum()),
    )


def conditional(
    parameters: ModelParameters, problem: Problem, columns: Array, values: Values, xp: Namespace
) -> Array:
    """Log p(y | beta, ...) from residual columns.

    Parameters
    ----------
    problem : Problem
        The problem without its fixed effects.
    columns : array, shape (c, n)
        Sorted, standardised columns [Z | y - X beta].
    values : mapping of variable name to array

    Returns
    -------
    scalar
    """
    half, block = _left(parameters, problem, columns, values, xp)
    sigma = parameters.sigma_of(values)
    constant = problem.n * (0.5 * LOG_2PI + xp.log(sigma)) + half
    return -constant - 0.5 * block[0, 0] / sigma**2


def _left(
    parameters: ModelParameters, problem: Problem, columns: Array, values: Values, xp: Namespace
) -> tuple[Array, Array]:
    """Log determinants of rows and effects, and the [X | y] block, relative to sigma."""
    factors = parameters.factors(values, xp)
    rows = parameters.row_parameters(values, xp)
    if problem.crossed is None:
        white = whiten(problem, *rows, xp=xp, columns=columns)
        e = eliminate(problem, gram(problem, white.columns, xp), factors, xp)
        return white.half_logdet.sum() + e.half_logdet, e.block
    from bayeslme.engine.crossed.symbolic import eliminate_rows, with_local

    white = whiten(problem, *rows, xp=xp, columns=with_local(problem, problem.crossed, columns, xp))
    block, half = eliminate_rows(problem, problem.crossed, white.columns, factors, xp)
    return white.half_logdet.sum() + half, block


def integrated(
    parameters: ModelParameters,
    columns: Array,
    values: Values,
    prior: GaussianBeta | None,
    xp: Namespace,
) -> Array:
    """Log p(y | ...) with beta integrated over its prior; REML under a flat one.

    Parameters
    ----------
    columns : array, shape (c, n)
        Sorted, standardised columns [Z | X | y], as the engine has them.
    prior : GaussianBeta or None

    Returns
    -------
    scalar
    """
    problem = parameters.problem
    half, block = _left(parameters, problem, columns, values, xp)
    return integrated_block(problem, problem.n, block, half, parameters.sigma_of(values), prior, xp)


def integrated_block(
    problem: Problem,
    n: Array,
    block: Array,
    half_logdet: Array,
    sigma: Array,
    prior: GaussianBeta | None,
    xp: Namespace,
) -> Array:
    """Log p(y | ...) with beta integrated, from what elimination left.

    Parameters
    ----------
    problem : Problem
        Which has the scale of the columns.
    n : int, or symbolic
        Number of rows.
    block : array, shape (p + 1, p + 1)
        [X | y]' V^-1 [X | y], V relative to sigma^2.
    half_logdet : scalar
        log|V| / 2.
    sigma : scalar
    prior : GaussianBeta or None

    Returns
    -------
    scalar
    """
    p = problem.p
    block = block / sigma**2
    logdet_x = float(np.log(np.abs(np.diagonal(problem.x_basis))).sum())
    df = n - p
    if prior is not None:
        mean, precision = engine_scale(problem, prior)
        block = block + bordered(mean, precision)
        logdet_x = logdet_x - prior.half_logdet
        df = n - p + prior.proper
    half_beta, rest = _profiled(block, p, xp, by_entry=problem.crossed is None)
    scale = n * xp.log(sigma) + half_logdet
    return -0.5 * df * LOG_2PI - scale - half_beta - logdet_x - 0.5 * rest


def engine_scale(problem: Problem, prior: GaussianBeta) -> tuple[np.ndarray, np.ndarray]:
    """Mean and precision of the engine's coefficients, gamma = R (beta - shift)."""
    inverse = np.linalg.inv(problem.x_basis)
    return problem.x_basis @ (prior.mean - problem.shift), inverse.T @ prior.precision @ inverse


def bordered(mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """[X | y] block of a Gaussian prior: (P, P m; m'P, m'P m)."""
    pulled = precision @ mean
    return np.block([[precision, pulled[:, None]], [pulled[None, :], np.array([[mean @ pulled]])]])


def _profiled(block: Array, p: int, xp: Namespace, *, by_entry: bool) -> tuple[Array, Array]:
    """Half the log determinant of X'V^-1X, and the Schur complement of y, from their block.

    Pivots of Gaussian elimination entry by entry, where the block is a sum of elementwise
    operations: all of it compiles into one loop. Where matrix products stand between, a factor.
    """
    if not by_entry:
        root = xp.cholesky(block)
        diagonal = root[np.arange(p + 1), np.arange(p + 1)]
        return xp.log(diagonal[:p]).sum(), diagonal[p] ** 2
    rows = [[block[i, j] for j in range(p + 1)] for i in range(p + 1)]
    pivots = []
    while rows:
        head, *rest = rows
        pivots.append(head[0])
        rows = [[row[j] - row[0] * head[j] / head[0] for j in range(1, len(row))] for row in rest]
    return sum((0.5 * xp.log(d) for d in pivots[:p]), 0.0), pivots[p]


def by_group(parameters: ModelParameters, values: Values, chunk_bytes: float = 2e8) -> np.ndarray:
    """Log p(y_g | ...) of every independent piece of the data, for many draws.

    The pieces are the outermost groups; without random effects the correlation groups, and without
    these the rows. Crossed random effects leave the data in one piece.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array, shapes (s, ...)
        Draws, ``fixef`` among them.
    chunk_bytes : float
        Bound of the temporary memory; draws are worked off in pieces.

    Returns
    -------
    array, shape (s, pieces)
    """
    problem, draws = parameters.problem, len(values["fixef"])
    out = np.empty((draws, 0))
    for piece in draw_pieces(parameters, draws, chunk_bytes):
        some = {k: v[piece] for k, v in values.items()}
        full = {**some, "sigma": parameters.sigmas(some)}
        if problem.crossed is not None:
            terms = _crossed(parameters, full)
        elif problem.stages:
            terms = _by_group(parameters, full)
        else:
            terms = _without_groups(parameters, full)
        out = out if out.size else np.empty((draws, terms.shape[-1]))
        out[piece] = terms
    return out


def draw_pieces(parameters: ModelParameters, draws: int, chunk_bytes: float = 2e8) -> list[slice]:
    """Consecutive slices of the draws whose temporary arrays stay below a size."""
    c, n = parameters.problem.source.shape
    numbers = 3 * c * c * len(parameters.problem.row_starts) + 3 * c * n
    correlation = parameters.problem.correlation
    if correlation is not None and correlation.structure.dense(correlation.coords):
        numbers += 3 * correlation.coords.n_numbers(correlation.structure.stationary)
    step = int(max(1, chunk_bytes // (8.0 * numbers)))
    return [slice(i, min(i + step, draws)) for i in range(0, draws, step)]


def _by_group(parameters: ModelParameters, values: Values) -> np.ndarray:
    problem = parameters.problem
    white = whiten(problem, *parameters.row_parameters(values))
    g = gram(problem, white.columns, by_group=True)
    e = eliminate(problem, g, parameters.factors(values), by_group=True)
    rss = residual_squares(problem, e.block, values)
    return terms_of_groups(problem, white.half_logdet, e.half_logdet, rss, values["sigma"])


def block_width(problem: Problem) -> int:
    """Columns of the dense matrix that one level of crossed random effects leaves; 0 if nested."""
    if problem.crossed is None:
        return 0
    chain = problem.crossed.chain[1:]
    outer = sum(problem.stages[k].q * problem.stages[k].n_groups for k in chain)
    return problem.crossed.n_columns + outer


def without_chain(problem: Problem) -> bool:
    """Whether crossed effects have no level that is eliminated group by group: all are one block.

    So it is where all groups are related, and where no level holds the groups of the correlation.
    """
    return problem.crossed is not None and not problem.crossed.chain


def crossed_grams(parameters: ModelParameters) -> CrossedGrams:
    """Cross products of the rows of a crossed model."""
    from bayeslme.engine.crossed.grams import CrossedGrams

    problem = parameters.problem
    if problem.crossed is None:
        raise TypeError("a crossed problem is needed")
    return CrossedGrams(problem, problem.crossed)


@dataclass(frozen=True, slots=True)
class CrossedRows:
    """Crossed random effects of some draws, relative to a typical row.

    Attributes
    ----------
    rows : RowGram
        Cross products at the draws' row parameters, or those of all.
    factors : tuple of arrays (s, q, q)
    typical : array, shape (s,)
        Residual standard deviation of a typical row.
    """

    rows: RowGram
    factors: tuple[np.ndarray, ...]
    typical: np.ndarray


def crossed_rows(parameters: ModelParameters, grams: CrossedGrams, values: Values) -> CrossedRows:
    """What elimination begins with at some draws, ``sigma`` among their values."""
    sigma = np.asarray(values["sigma"])
    rows = grams.at(*parameters.row_parameters(values))
    relative = np.broadcast_to(np.exp(rows.centre), sigma.shape)
    factors = tuple(
        np.broadcast_to(f, (len(sigma), *f.shape[-2:])) / relative[:, None, None]
        for f in parameters.factors(values)
    )
    return CrossedRows(rows, factors, sigma * relative)


def crossed_terms(
    problem: Problem, own: CrossedRows, values: Values, block: np.ndarray, half: np.ndarray
) -> np.ndarray:
    """Log p(y | beta, ...) (s,) from the blocks (s, p + 1, p + 1) of [X | y] and log|H| / 2."""
    direction = residual_direction(problem, values)
    rss = np.einsum("si,sij,sj->s", direction, block, direction)
    constant = problem.n * (0.5 * LOG_2PI + np.log(own.typical))
    return np.asarray(-constant - own.rows.half_logdet - half - 0.5 * rss / own.typical**2)


def _crossed(parameters: ModelParameters, values: Values) -> np.ndarray:
    grams = crossed_grams(parameters)
    own = crossed_rows(parameters, grams, values)
    e = grams.reduce(own.rows, own.factors)
    terms = crossed_terms(
        parameters.problem, own, values, np.asarray(e.block), np.asarray(e.half_logdet)
    )
    return terms[:, None]


def residual_squares(problem: Problem, block: Array, values: Values) -> np.ndarray:
    """Quadratic forms (s, G) of y - X beta from blocks (..., p + 1, p + 1, G) of [X | y]."""
    direction = residual_direction(problem, values)
    block = np.broadcast_to(block, (len(direction), *block.shape[-3:]))
    return np.asarray(np.einsum("si,sijg,sj->sg", direction, block, direction, optimize=True))


def terms_of_groups(
    problem: Problem, half_rows: Array, half_effects: Array, rss: Array, sigma: Array
) -> np.ndarray:
    """Log p(y_g | ...) (s, G) of outermost groups from what whitening and elimination left.

    Parameters
    ----------
    half_rows : array, shape (..., innermost groups)
    half_effects, rss : arrays, shape (..., G)
    sigma : array, shape (s,)
    """
    root = problem.root_of_group()
    starts = runs(root)
    sizes = np.diff(np.append(problem.row_starts[starts], problem.n))
    half = NUMPY.segment_sum(
        np.broadcast_to(half_rows, (len(sigma), np.shape(half_rows)[-1])), starts
    )
    scale = sizes * (0.5 * LOG_2PI + np.log(sigma)[:, None])
    return np.asarray(-scale - half - half_effects - 0.5 * rss / sigma[:, None] ** 2)


def _without_groups(parameters: ModelParameters, values: Values) -> np.ndarray:
    """Correlation groups or rows of a model without random effects, in the engine's order."""
    problem, sigma = parameters.problem, values["sigma"]
    starts = (
        np.arange(problem.n) if problem.correlation is None else problem.correlation.coords.starts
    )
    fine = replace(problem, row_starts=starts)
    white = whiten(fine, *parameters.row_parameters(values))
    direction = residual_direction(problem, values)
    residual = np.matmul(direction[:, None, :], white.columns)[:, 0, :]
    rss = NUMPY.segment_sum(residual**2, starts)
    sizes = np.diff(np.append(starts, problem.n))
    scale = sizes * (0.5 * LOG_2PI + np.log(sigma)[:, None])
    return np.asarray(-scale - white.half_logdet - 0.5 * rss / sigma[:, None] ** 2)


def residual_direction(problem: Problem, values: Values) -> np.ndarray:
    """Weights (s, p + 1) that turn the columns [X | y] into residuals."""
    beta = engine_coefficients(problem, values["fixef"])
    return np.concatenate([-beta, np.ones((len(beta), 1))], axis=1)


def engine_coefficients(problem: Problem, fixef: np.ndarray) -> np.ndarray:
    """Coefficients (..., p) on the scale of the engine's X and shifted y."""
    return np.asarray((fixef - problem.shift) @ problem.x_basis.T)


def at_fitted(parameters: ModelParameters, means: Sequence[Array]) -> Problem:
    """Return the problem with its variance covariates at these fitted values.

    Parameters
    ----------
    parameters : ModelParameters
    means : sequence of arrays (..., n)
        Fitted values with 0, 1, ... levels of random effects, design's row order.
    """
    if not parameters.problem.needs_fitted_values:
        return parameters.problem
    return at_sorted_fitted(parameters, [mean[..., parameters.problem.order] for mean in means])


def at_sorted_fitted(parameters: ModelParameters, means: Sequence[Array]) -> Problem:
    """As ``at_fitted``, with the means (..., n) in the problem's row order."""
    problem = parameters.problem
    if not problem.needs_fitted_values or problem.variance is None:
        return problem
    made = []
    for c, b in zip(parameters.design.variance, problem.variance.parts, strict=True):
        mean = means[depth_of(parameters.design, c.level)] if c.source == "fitted" else None
        made.append(b if mean is None else replace(b, covariate=mean))
    return replace(problem, variance=problem.variance.with_parts(made))


def fitted_by_depth(
    parameters: ModelParameters, values: Values, effects: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """Fitted values (s, n) with 0, 1, ... levels of random effects."""
    each = ((one.level.Z, effects[one.key], one.level.code) for one in parameters.levels)
    return means_by_depth(values["fixef"] @ parameters.design.X.T + parameters.design.offset, each)


def problem_of_draws(
    parameters: ModelParameters, values: Values, effects: Mapping[str, np.ndarray]
) -> Problem:
    """The problem at some draws: the model's own, unless its covariates depend on them."""
    if not parameters.problem.needs_fitted_values:
        return parameters.problem
    return at_fitted(parameters, fitted_by_depth(parameters, values, effects))


def given_effects_by_group(
    parameters: ModelParameters, values: Values, effects: Mapping[str, np.ndarray], step: int = 200
) -> np.ndarray:
    """Log p(y_g | b, ...) of every independent piece of the data, for many draws.

    The pieces are the outermost groups; without random effects the correlation groups, and without
    these the rows.

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array (s, ...)
    effects : mapping of group key to array (s, G, q)
    step : int
        Draws worked off at a time.

    Returns
    -------
    array, shape (s, pieces)
    """
    draws = len(values["fixef"])
    out = []
    for at in range(0, draws, step):
        some = {k: v[at : at + step] for k, v in values.items()}
        own = {k: b[at : at + step] for k, b in effects.items()}
        out.append(_some_by_group(parameters, some, own))
    return np.concatenate(out)


def _some_by_group(
    parameters: ModelParameters, values: Values, effects: Mapping[str, np.ndarray]
) -> np.ndarray:
    means = fitted_by_depth(parameters, values, effects)
    problem = at_fitted(parameters, means)
    if not problem.stages:
        own = problem.correlation
        starts = np.arange(problem.n) if own is None else own.coords.starts
        problem = replace(problem, row_starts=starts)
    residual = (parameters.design.y - means[-1])[:, problem.order]
    white = whiten(problem, *parameters.row_parameters(values), columns=residual[:, None, :])
    root = problem.root_of_group() if problem.stages else np.arange(len(problem.row_starts))
    inner = runs(root)
    rows = problem.row_starts[inner]
    sizes = np.diff(np.append(rows, problem.n))
    sigma = parameters.sigmas(values)[:, None]
    rss = NUMPY.segment_sum(white.columns[:, 0, :] ** 2, rows)
    half = NUMPY.segment_sum(np.broadcast_to(white.half_logdet, (len(residual), len(root))), inner)
    return np.asarray(-sizes * (0.5 * LOG_2PI + np.log(sigma)) - half - 0.5 * rss / sigma**2)
