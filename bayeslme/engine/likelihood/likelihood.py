"""The marginal likelihood: whiten, eliminate, profile.

ML and REML differ in ``profile`` and nowhere else. Leading axes of theta are batches: a gradient by
differences, a grid of starting values or four thousand posterior densities are one call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.engine.likelihood.eliminate import Eliminated, eliminate
from bayeslme.engine.likelihood.gradient import GramAdjoint, block_adjoint
from bayeslme.engine.likelihood.one_level import one_level_adjoint
from bayeslme.engine.likelihood.row_grams import RowGram, RowGrams
from bayeslme.engine.likelihood.settings import LIKELIHOOD
from bayeslme.engine.problem import Problem

if TYPE_CHECKING:
    from bayeslme.engine.crossed.grams import CrossedGrams

Method = Literal["REML", "ML", "OLS", "MAP"]


@dataclass(frozen=True, slots=True)
class Profile:
    """Maximum over beta (and sigma) at given theta.

    Attributes
    ----------
    loglik : array, shape (...,)
    sigma : array, shape (...,)
    factor : array, shape (..., p + 1, p + 1)
        Lower Cholesky factor of the block: its leading part is that of X'V^-1X, its last row holds
        the solution.
    """

    loglik: Array
    sigma: Array
    factor: np.ndarray


def profile(
    problem: Problem,
    e: Eliminated,
    half_logdet: Array,
    method: Method,
    sigma: Array | None = None,
    n: np.ndarray | None = None,
) -> Profile:
    """Profile beta, and sigma where it is not given, out of the last block.

    Parameters
    ----------
    half_logdet : array, shape (...,)
        log|R| / 2 over all rows.
    sigma : array, shape (...,), optional
        Residual standard deviation, where it is held or a parameter of its own.
    n : int array, shape (...,), optional
        Number of rows, where they are not those of the problem.
    """
    p = problem.p
    rows = problem.n if n is None else n
    factor = NUMPY.cholesky(e.block)
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rss = diagonal[..., p] ** 2
        df = rows - p if method == "REML" else rows
        found = np.sqrt(rss / df) if sigma is None else np.asarray(sigma)
        loglik = (
            -0.5 * df * np.log(2 * np.pi)
            - df * np.log(found)
            - 0.5 * rss / found**2
            - e.half_logdet
            - half_logdet
        )
        if method == "REML":
            loglik = (
                loglik
                - np.log(diagonal[..., :p]).sum(axis=-1)
                - np.log(np.abs(np.diagonal(problem.x_basis))).sum()
            )
        if method == "OLS":
            found = np.sqrt(rss / (rows - p)) if sigma is None else found
    return Profile(np.where(np.isfinite(loglik), loglik, -np.inf), found, factor)


@dataclass(frozen=True, slots=True)
class NaturalPoint:
    """Natural parameters; leading axes (...) are batches.

    Attributes
    ----------
    sigma : array, shape (...,)
    random : tuple of arrays (..., size), outermost level first
        Natural parameters of every level's covariance (standard deviations, correlations),
        absolute.
    corstruct, varfunc : arrays (..., k), or None
        Held parameters included.
    """

    sigma: np.ndarray
    random: tuple[np.ndarray, ...]
    corstruct: np.ndarray | None
    varfunc: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Derivatives:
    """The log-likelihood at a batch of theta, and how it moves.

    Attributes
    ----------
    values : array, shape (b,)
    slopes : array, shape (b, k)
    row_curvatures : array, shape (b, m)
        Rough second derivatives by the parameters of the rows.
    profile : Profile
    block : array, shape (b, p + 1, p + 1)
        The [X | y] block that elimination leaves.
    """

    values: np.ndarray
    slopes: np.ndarray
    row_curvatures: np.ndarray
    profile: Profile
    block: np.ndarray


@dataclass
class Likelihood:
    """The profiled log-likelihood of a problem as a function of theta (and log sigma).

    Parameters
    ----------
    problem : Problem
    method : {"REML", "ML", "OLS"}
    sigma : float, optional
        Residual standard deviation held fixed.
    """

    problem: Problem
    method: Method
    sigma: float | None = None
    evaluations: int = 0
    grams: RowGrams | CrossedGrams = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._maps = [stage.structure.factor_map(stage.basis) for stage in self.problem.stages]
        crossed = self.problem.crossed
        if crossed is None:
            self.grams = RowGrams(self.problem)
            return
        from bayeslme.engine.crossed.grams import CrossedGrams

        self.grams = CrossedGrams(self.problem, crossed)

    @property
    def nested_grams(self) -> RowGrams:
        """Cross products of a model whose random effects nest, from which derivatives are exact."""
        if not isinstance(self.grams, RowGrams):
            raise TypeError("crossed random effects have derivatives of their own")
        return self.grams

    @property
    def crossed_grams(self) -> CrossedGrams:
        """Cross products of a model whose random effects cross."""
        if isinstance(self.grams, RowGrams):
            raise TypeError("a crossed problem is needed")
        return self.grams

    @property
    def climbs_by(self) -> str:
        """What a climb asks for: values, gradients or Hessians (`search.optimise`).

        A gradient takes several calls where a batch of values is one: for small data that are not
        of one known level, the batch is faster.
        """
        size = self.problem.size
        if self.problem.crossed is not None:
            return "values"  # the climb of crossed effects has a gradient of its own
        if self.nested_grams.one_level is not None:
            return "hessians" if size <= LIKELIHOOD.max_newton_parameters else "gradients"
        many = size > LIKELIHOOD.max_difference_parameters and self.problem.correlation is None
        return (
            "gradients"
            if many or self.n_numbers * size > LIKELIHOOD.min_gradient_work
            else "values"
        )

    def thinned(self) -> Likelihood | None:
        """The likelihood of some of very many groups, each standing for several; else None.

        It is of the same size as that of all, and has its maximum nearby: a search begins with it.
        """
        level = None if self.problem.crossed is not None else self.nested_grams.one_level
        if level is None or level.n_groups < 2 * LIKELIHOOD.thinned_groups:
            return None
        few = Likelihood.__new__(Likelihood)
        few.problem, few.method, few.sigma, few.evaluations = (
            self.problem,
            self.method,
            self.sigma,
            0,
        )
        few.grams, few._maps = (
            self.nested_grams.thinned(level.n_groups // LIKELIHOOD.thinned_groups),
            self._maps,
        )
        return few

    def factors(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """Standard relative factors of theta (..., k), innermost first."""
        return tuple(
            stage.structure.factor(theta[..., stage.theta], stage.basis)
            if each is None
            else (theta[..., stage.theta] @ each).reshape(*theta.shape[:-1], stage.q, stage.q)
            for stage, each in zip(self.problem.stages, self._maps, strict=True)
        )

    def row_parameters(self, theta: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Natural parameters of the correlation structure and of the variance function."""
        pr = self.problem
        cor = (
            None
            if pr.correlation is None
            else pr.correlation.natural(theta[..., pr.theta_correlation])
        )
        var = None if pr.variance is None else pr.variance.natural(theta[..., pr.theta_variance])
        return cor, var

    def reduced(self, theta: np.ndarray) -> tuple[Eliminated, RowGram]:
        """The [X | y] block and log|H| / 2 at theta (..., k), and the Gram matrices behind them."""
        rows = self.grams.at(*self.row_parameters(theta))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.grams.reduce(rows, self.factors(theta)), rows

    def centre(self, theta: np.ndarray) -> np.ndarray:
        """Mean log relative standard deviation (...,) of the rows at theta (..., k)."""
        return self.grams.at(*self.row_parameters(theta)).centre

    def profile(self, theta: np.ndarray) -> Profile:
        """Profile at theta (..., k); its sigma is that of a typical row, sigma exp(centre)."""
        return self.profiled(*self.reduced(theta))

    def profiled(self, e: Eliminated, rows: RowGram, typical: np.ndarray | None = None) -> Profile:
        """Profile what `reduced` has left; ``typical`` holds sigma of a typical row."""
        sigma = typical
        if sigma is None and self.sigma is not None:
            sigma = self.sigma * np.exp(rows.centre)
        return profile(self.problem, e, rows.half_logdet, self.method, sigma)

    def natural(
        self, point: NaturalPoint, *, whole: bool = False
    ) -> tuple[Eliminated, np.ndarray, np.ndarray]:
        """Eliminate at natural parameters.

        Also log|R| / 2, and the sigma (...,) of a typical row they refer to.

        Parameters
        ----------
        point : NaturalPoint
        whole : bool
            Keep what modes of the random effects are read off from.
        """
        rows = self.grams.at(point.corstruct, point.varfunc)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            typical = np.asarray(point.sigma) * np.exp(rows.centre)
            scale = typical[..., None, None]
            factors = tuple(
                stage.basis @ stage.structure.natural_factor(par, stage.q) / scale
                for stage, par in zip(self.problem.stages, point.random[::-1], strict=True)
            )
            if whole and self.problem.crossed is None:
                e = eliminate(self.problem, rows.gram, factors)
            else:
                e = self.grams.reduce(rows, factors)
        return e, rows.half_logdet, typical

    def at_natural(self, point: NaturalPoint) -> np.ndarray:
        """Log-likelihood (...,) at natural parameters, beta profiled (ML) or integrated (REML)."""
        e, half, typical = self.natural(point)
        return np.asarray(profile(self.problem, e, half, self.method, typical).loglik)

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Log-likelihood (b,) of theta (b, k).

        Minus infinity where it does not exist. Large batches are cut into pieces of bounded memory.
        """
        self.evaluations += len(theta)
        pieces = self.pieces(theta)
        values = [self.profile(piece).loglik for piece in pieces]
        if len(values) == 1 and np.shape(values[0]) == (len(theta),):
            return np.asarray(values[0])
        return np.concatenate(
            [np.broadcast_to(v, (len(p),)) for v, p in zip(values, pieces, strict=True)]
        )

    def value_and_gradient(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood (b,) and its exact derivatives (b, k) at theta (b, k).

        Parameters of the rows are differentiated by differences of the Gram matrices only.
        """
        self.evaluations += len(theta)
        pieces = self.pieces(theta, LIKELIHOOD.gradient_memory)
        found = [self._derivatives(piece) for piece in pieces]
        if len(found) == 1:
            return found[0].values, found[0].slopes
        return np.concatenate([f.values for f in found]), np.concatenate([f.slopes for f in found])

    def given_sigma(
        self, theta: np.ndarray, sigma: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Slopes (b, k + 1) by theta and log sigma, values (b,), and blocks (b, p + 1, p + 1).

        Parameters
        ----------
        theta : array, shape (b, k)
        sigma : array, shape (b,)
            Residual standard deviation of a typical row.
        """
        found = self._derivatives(theta, sigma)
        n, p = self.problem.n, self.problem.p
        df = n - p if self.method == "REML" else n
        by_log_sigma = np.square(found.profile.factor[..., p, p] / sigma) - df
        return np.column_stack([found.slopes, by_log_sigma]), found.values, found.block

    def _derivatives(self, theta: np.ndarray, typical: np.ndarray | None = None) -> Derivatives:
        """Derivatives at theta (b, k); ``typical`` (b,) holds sigma of a typical row."""
        rows = self.grams.at(*self.row_parameters(theta))
        factors = self.factors(theta)
        slope, curve = np.zeros(theta.shape), np.zeros((len(theta), 0))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if self.nested_grams.one_level is not None:
                e, sums = self.nested_grams.one_level_slopes(factors[0])
                pr = self.profiled(e, rows, typical)
                block = self._block_adjoint(pr, rows, typical)
                by_factor, by_rows = [one_level_adjoint(sums, block) @ factors[0]], None
            else:
                e, traces = self.nested_grams.traced(rows, factors)
                pr = self.profiled(e, rows, typical)
                block = self._block_adjoint(pr, rows, typical)
                by_factor, by_rows = self.nested_grams.adjoint(traces, factors, block)
            for stage, each, own in zip(self.problem.stages, self._maps, by_factor, strict=True):
                if each is None:
                    turned = stage.structure.factor_slopes(theta[:, stage.theta], stage.basis)
                    slope[:, stage.theta] = (turned * own[:, None]).sum(axis=(-2, -1))
                else:
                    slope[:, stage.theta] = own.reshape(len(theta), -1) @ each.T
            if by_rows is not None and not self.problem.constant_rows:
                found = self._row_differences(theta, by_rows, self._by_centre(pr, typical))
                slope[:, self.problem.theta_correlation.start :], curve = found
        values = np.broadcast_to(pr.loglik, (len(theta),))
        if not np.isfinite(slope).all():
            slope = np.where(np.isfinite(slope), slope, 0.0)
        return Derivatives(values, slope, curve, pr, e.block)

    def scored(self, theta: np.ndarray) -> np.ndarray:
        """A better start (k,) than theta (k,), where the model has one known level.

        By steps of Fisher scoring for the covariance M of the effects as if groups were alike: with
        the slope S and the mean C of T' K^-1 T, M moves by 2 C^-1 S C^-1 / G. Balanced groups are
        done after one such step, given sigma. Newton's method needs some four for the same way.
        """
        if self.problem.crossed is not None or self.nested_grams.one_level is None:
            return theta
        stage = self.problem.stages[0]
        inverse = np.linalg.inv(stage.basis)
        for _ in range(LIKELIHOOD.scoring_steps):
            factor = self.factors(theta[None])[0]
            e, sums = self.nested_grams.one_level_slopes(factor)
            rows = self.grams.at(*self.row_parameters(theta[None]))
            twice = one_level_adjoint(sums, self._block_adjoint(self.profiled(e, rows), rows))[0]
            curve = np.asarray(sums.curvature)[0]
            if not (np.isfinite(twice).all() and np.linalg.cond(curve) < LIKELIHOOD.max_condition):
                return theta
            back = np.linalg.inv(curve)
            moved = factor[0] @ factor[0].T + stage.n_groups * (back @ twice @ back)
            values, vectors = np.linalg.eigh(moved)
            kept = np.maximum(
                values, LIKELIHOOD.min_start_share * max(values[-1], LIKELIHOOD.min_start_share)
            )
            root = inverse @ (vectors * np.sqrt(kept))
            theta = stage.structure.nearest(root @ root.T, stage.basis)
        return theta

    def _block_adjoint(
        self, pr: Profile, rows: RowGram, typical: np.ndarray | None = None
    ) -> np.ndarray:
        reml = self.method == "REML"
        df = self.problem.n - (self.problem.p if reml else 0)
        sigma = typical
        if sigma is None and self.sigma is not None:
            sigma = self.sigma * np.exp(rows.centre)
        return block_adjoint(pr.factor, df, sigma, reml=reml)

    def _row_differences(
        self, theta: np.ndarray, adjoint: GramAdjoint, by_centre: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives (b, m) by the parameters of the rows.

        By differences of the Gram matrices; what follows them is held at its derivative.
        """
        if self.problem.correlation is None:
            return self._variance_slopes(theta, adjoint, by_centre)
        first, size = self.problem.theta_correlation.start, self.problem.size
        slope, curve = np.zeros((2, len(theta), size - first))

        def at(points: np.ndarray) -> np.ndarray:
            value, near = self.nested_grams.contracted(*self.row_parameters(points), adjoint)
            value = value - near.half_logdet + by_centre * near.centre
            return np.broadcast_to(value, points.shape[:2])

        here = at(theta[None])[0]
        at_once = max(1, min(LIKELIHOOD.max_row_points, self._room(1.0)) // (2 * len(theta)))
        for start in range(first, size, at_once):
            some = np.arange(start, min(start + at_once, size))
            h = LIKELIHOOD.row_step * np.maximum(
                self.row_scale[some - first], np.abs(theta[:, some])
            )
            points = np.tile(theta, (2 * len(some), 1, 1))
            both = np.arange(len(some))
            points[both, :, some] += h.T
            points[len(some) + both, :, some] -= h.T
            up, down = np.split(at(points), 2)
            slope[:, some - first] = ((up - down) / (2.0 * h.T)).T
            curve[:, some - first] = ((up - 2.0 * here + down) / h.T**2).T
        return slope, curve

    def _variance_slopes(
        self, theta: np.ndarray, adjoint: GramAdjoint, by_centre: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """As ``_row_differences`` where rows are independent: through each row's log deviation."""
        problem = self.problem
        bound = problem.variance
        if bound is None:
            return np.zeros((len(theta), 0)), np.zeros((len(theta), 0))
        u = theta[:, problem.theta_variance]
        squares, counts, coords = self.nested_grams.row_sums(bound.natural(u), adjoint)
        own = -2.0 * squares  # the mean log deviation is taken out, and sigma follows it
        mean = (by_centre - own.sum(axis=-1)) / problem.n
        weights = np.stack([own + np.multiply.outer(mean, counts), 4.0 * squares])
        first, second = bound.structure.log_sd_sums(u, bound, coords, weights)
        return first, second

    def curvatures(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives (k,) at theta (k,), roughly: what a search begins with.

        Those of row parameters are taken of their Gram matrices alone, the rest of the model held.
        """
        first, size = self.problem.theta_correlation.start, self.problem.size
        h = LIKELIHOOD.row_step * np.maximum(1.0, np.abs(theta[:first]))
        moved = theta + h[:, None] * np.eye(size)[:first]
        here = self._derivatives(theta[None])
        if not first:
            return np.asarray(here.row_curvatures[0])
        ends = self.value_and_gradient(moved)[1]
        effects = (np.diagonal(ends[:, :first]) - here.slopes[0, :first]) / h
        return np.asarray(np.concatenate([effects, here.row_curvatures[0]]))

    def _by_centre(self, pr: Profile, typical: np.ndarray | None) -> np.ndarray:
        """Derivative (...,) by the mean log standard deviation, where sigma is held."""
        if self.sigma is None or typical is not None:
            return np.zeros(())
        n, p = self.problem.n, self.problem.p
        df = n - p if self.method == "REML" else n
        return np.asarray(np.square(pr.factor[..., p, p] / pr.sigma) - df)

    @cached_property
    def row_scale(self) -> np.ndarray:
        """Step scale of the parameters of the rows."""
        bounds = (self.problem.correlation, self.problem.variance)
        return np.concatenate([np.zeros(0), *(b.scale for b in bounds if b is not None)])

    @property
    def n_numbers(self) -> int:
        """Numbers an evaluation reads: Gram matrices, and the rows where they depend on theta."""
        c, n = self.problem.source.shape
        if not isinstance(self.grams, RowGrams):
            return self.grams.numbers + (0 if self.grams.row_free else c * n)
        level = self.nested_grams.one_level
        if level is not None:
            return int(level.q * c * level.n_groups + c * c)
        grams = sum(stage.q * c * stage.n_groups for stage in self.problem.stages) + c * c
        return grams + (0 if self.grams.row_free else c * n)

    @cached_property
    def n_dense_numbers(self) -> int:
        """Numbers in the correlation matrices of all patterns, where whitening needs them."""
        bound = self.problem.correlation
        if bound is None or not bound.structure.dense(bound.coords):
            return 0
        return int(bound.coords.n_numbers(bound.structure.stationary))

    def _room(self, share: float) -> int:
        """Points whose temporary arrays stay bounded, ``share`` times as large as of a value."""
        each = self.n_numbers / (len(self.grams.pieces) if self.problem.constant_rows else 1)
        if self.problem.crossed is not None and self.grams.row_free and self.crossed_grams.form:
            each = self.problem.source.shape[0] ** 2  # batches are cut where they are eliminated
        return int(max(1, LIKELIHOOD.batch_bytes // (24.0 * share * (each + self.n_dense_numbers))))

    def pieces(self, theta: np.ndarray, share: float = 1.0) -> list[np.ndarray]:
        """Cut a batch (b, k) into consecutive pieces whose temporary arrays stay bounded."""
        step = self._room(share)
        return [theta[i : i + step] for i in range(0, len(theta), step)]
