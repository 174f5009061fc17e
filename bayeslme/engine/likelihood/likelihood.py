"""The marginal likelihood: whiten, eliminate, profile.

ML and REML differ in ``profile`` and nowhere else. Leading axes of theta are batches: a gradient by
differences, a grid of starting values or four thousand posterior densities are one call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.engine.likelihood.eliminate import Eliminated, eliminate
from bayeslme.engine.likelihood.gradient import block_adjoint
from bayeslme.engine.likelihood.one_level import one_level_adjoint
from bayeslme.engine.likelihood.row_grams import RowGram, RowGrams
from bayeslme.engine.problem import Problem

Method = Literal["REML", "ML", "OLS", "MAP"]
BATCH_BYTES = 1e8  # temporary memory of one batch of theta values
ADJOINT = 4.0  # numbers that derivatives hold at once, relative to those of a value
ROW_STEP = 1e-4  # of a row parameter's scale: truncation of differences ~ 1e-8, rounding ~ 1e-12
ROW_POINTS = 256  # points whose rows are whitened at once, where memory allows it


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
    problem: Problem, e: Eliminated, half_logdet: Array, method: Method, sigma: Array | None = None
) -> Profile:
    """Profile beta, and sigma where it is not given, out of the last block.

    Parameters
    ----------
    half_logdet : array, shape (...,)
        log|R| / 2 over all rows.
    sigma : array, shape (...,), optional
        Residual standard deviation, where it is held or a parameter of its own.
    """
    n, p = problem.n, problem.p
    factor = NUMPY.cholesky(e.block)
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rss = diagonal[..., p] ** 2
        df = n - p if method == "REML" else n
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
            found = np.sqrt(rss / (n - p)) if sigma is None else found
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
    grams: RowGrams = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.grams = RowGrams(self.problem)

    def factors(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """Standard relative factors of theta (..., k), innermost first."""
        return tuple(s.structure.factor(theta[..., s.theta], s.basis) for s in self.problem.stages)

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

    def profiled(self, e: Eliminated, rows: RowGram) -> Profile:
        """Profile what `reduced` has left."""
        sigma = None if self.sigma is None else self.sigma * np.exp(rows.centre)
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
            if whole:
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
        found = [self._slopes(piece) for piece in self.pieces(theta, ADJOINT)]
        if len(found) == 1:
            return found[0]
        return np.concatenate([v for v, _ in found]), np.concatenate([g for _, g in found])

    def _slopes(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As ``value_and_gradient``, for a batch that fits into memory."""
        rows = self.grams.at(*self.row_parameters(theta))
        factors = self.factors(theta)
        slope = np.zeros(theta.shape)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if self.grams.one_level is not None:
                e, sums = self.grams.one_level_slopes(factors[0])
                pr = self.profiled(e, rows)
                block = self._block_adjoint(pr, rows)
                by_factor = [one_level_adjoint(sums, block) @ factors[0]]
                by_rows: list[np.ndarray] = []
            else:
                e, traces = self.grams.traced(rows, factors)
                pr = self.profiled(e, rows)
                block = self._block_adjoint(pr, rows)
                by_factor, by_rows = self.grams.adjoint(traces, factors, block)
            for stage, own in zip(self.problem.stages, by_factor, strict=True):
                slope[:, stage.theta] = stage.slopes(theta[:, stage.theta], own)
            if not self.problem.constant_rows:
                self._add_row_slopes(theta, slope, pr, rows, by_rows, block)
        values = np.broadcast_to(pr.loglik, (len(theta),))
        return values, np.where(np.isfinite(slope), slope, 0.0)

    def _block_adjoint(self, pr: Profile, rows: RowGram) -> np.ndarray:
        reml = self.method == "REML"
        df = self.problem.n - (self.problem.p if reml else 0)
        sigma = None if self.sigma is None else self.sigma * np.exp(rows.centre)
        return block_adjoint(pr.factor, df, sigma, reml=reml)

    def _add_row_slopes(
        self,
        theta: np.ndarray,
        slope: np.ndarray,
        pr: Profile,
        rows: RowGram,
        by_rows: list[np.ndarray],
        block: np.ndarray,
    ) -> None:
        """Derivatives by the parameters of the rows, by differences of their Gram matrices."""
        problem = self.problem
        first = problem.theta_correlation.start
        apart = any(stage.filled is not None for stage in problem.stages)
        total = None if apart else block
        by_centre = self._by_centre(pr)
        own = np.arange(first, problem.size)
        each = max(1, len(self.pieces(np.repeat(theta, 2, axis=0), ADJOINT)))
        at_once = max(1, ROW_POINTS // (2 * len(theta)) // each)
        for start in range(0, len(own), at_once):
            some = own[start : start + at_once]
            h = ROW_STEP * np.maximum(self.row_scale[some - first], np.abs(theta[:, some]))
            points = np.repeat(theta[None], 2 * len(some), axis=0)
            for i, j in enumerate(some):
                points[2 * i, :, j] += h[:, i]
                points[2 * i + 1, :, j] -= h[:, i]
            value, near = self.grams.contracted(
                *self.row_parameters(points), by_rows, total
            )
            value = value - near.half_logdet + by_centre * near.centre
            value = np.broadcast_to(value, points.shape[:2])
            slope[:, some] = ((value[::2] - value[1::2]) / (2.0 * h.T)).T

    def _by_centre(self, pr: Profile) -> np.ndarray:
        """Derivative (...,) by the mean log standard deviation, where sigma is held."""
        if self.sigma is None:
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
        grams = sum(stage.q * c * stage.n_groups for stage in self.problem.stages) + c * c
        return grams + (0 if self.grams.row_free else c * n)

    @cached_property
    def n_dense_numbers(self) -> int:
        """Numbers in the correlation matrices of all patterns, where whitening needs them."""
        bound = self.problem.correlation
        if bound is None or not bound.structure.dense(bound.coords):
            return 0
        return int(bound.coords.n_numbers(bound.structure.stationary))

    def pieces(self, theta: np.ndarray, share: float = 1.0) -> list[np.ndarray]:
        """Cut a batch (b, k) into consecutive pieces whose temporary arrays stay bounded.

        ``share`` times as many numbers are held as a value needs.
        """
        each = share * self.n_numbers / (len(self.grams.pieces) if self.problem.constant_rows else 1)
        step = int(max(1, BATCH_BYTES // (24.0 * (each + share * self.n_dense_numbers))))
        return [theta[i : i + step] for i in range(0, len(theta), step)]
