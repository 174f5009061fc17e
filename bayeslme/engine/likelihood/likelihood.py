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
from bayeslme.engine.likelihood.row_grams import RowGram, RowGrams
from bayeslme.engine.problem import Problem

if TYPE_CHECKING:
    from bayeslme.engine.crossed.grams import CrossedGrams

Method = Literal["REML", "ML", "OLS", "MAP"]
BATCH_BYTES = 1e8  # temporary memory of one batch of theta values


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
    grams: RowGrams | CrossedGrams = field(init=False, repr=False)

    def __post_init__(self) -> None:
        crossed = self.problem.crossed
        if crossed is None:
            self.grams = RowGrams(self.problem)
            return
        from bayeslme.engine.crossed.grams import CrossedGrams

        self.grams = CrossedGrams(self.problem, crossed)

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

    @property
    def n_numbers(self) -> int:
        """Numbers an evaluation reads: Gram matrices, and the rows where they depend on theta."""
        c, n = self.problem.source.shape
        if self.problem.crossed is not None:
            return self.problem.crossed.numbers + (0 if self.grams.row_free else c * n)
        grams = sum(stage.q * c * stage.n_groups for stage in self.problem.stages) + c * c
        return grams + (0 if self.grams.row_free else c * n)

    @cached_property
    def n_dense_numbers(self) -> int:
        """Numbers in the correlation matrices of all patterns, where whitening needs them."""
        bound = self.problem.correlation
        if bound is None or not bound.structure.dense(bound.coords):
            return 0
        return int(bound.coords.n_numbers(bound.structure.stationary))

    def pieces(self, theta: np.ndarray) -> list[np.ndarray]:
        """Cut a batch (b, k) into consecutive pieces whose temporary arrays stay bounded."""
        each = self.n_numbers / (len(self.grams.pieces) if self.problem.constant_rows else 1)
        step = int(max(1, BATCH_BYTES // (24.0 * (each + self.n_dense_numbers))))
        return [theta[i : i + step] for i in range(0, len(theta), step)]
