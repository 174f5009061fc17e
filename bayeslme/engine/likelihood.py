"""The marginal likelihood: whiten, eliminate, profile.

ML and REML differ in ``profile`` and nowhere else. Leading axes of theta are batches: a gradient by
differences, a grid of starting values or four thousand posterior densities are one call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bayeslme.engine.eliminate import Eliminated, Gram, eliminate, gram
from bayeslme.engine.problem import Problem
from bayeslme.ops import NUMPY, Array
from bayeslme.structures.supports import Namespace

Method = Literal["REML", "ML", "OLS", "MAP"]
BATCH_BYTES = 2e8  # temporary memory of one batch of theta values


@dataclass(frozen=True, slots=True)
class Whitened:
    """Rows after the residual structure is taken out.

    Attributes
    ----------
    columns : array, shape (..., c, n)
    half_logdet : array, shape (..., G) by innermost group
        log|R| / 2 of each innermost group's rows, R relative to sigma^2 exp(2 centre).
    centre : array, shape (...,), or 0
        Mean log relative standard deviation taken out of the variance function, if it was asked
        for.
    """

    columns: Array
    half_logdet: Array
    centre: Array


def whiten(
    problem: Problem,
    corstruct: Array | None,
    varfunc: Array | None,
    xp: Namespace = NUMPY,
    *,
    columns: Array | None = None,
    centred: bool = False,
) -> Whitened:
    """Divide rows by their relative standard deviation, then take out the correlation.

    Parameters
    ----------
    corstruct, varfunc : arrays (..., k), or None
        Natural parameters of the structures, held ones included.
    columns : array, shape (c, n), optional
        Rows to whiten in place of the problem's own.
    centred : bool
        Take the mean of the log standard deviations out, so that sigma and the relative factors
        refer to a typical row: a power of a covariate near 1000 would otherwise move sigma by
        orders of magnitude, and every relative factor with it.
    """
    w: Array = problem.columns if columns is None else columns
    starts = problem.row_starts
    half: Array = np.zeros(len(starts))
    centre: Array = np.zeros(())
    if problem.variance is not None:
        log_sd = problem.variance.structure.log_sd(varfunc, problem.variance.coords, xp)
        if centred:
            centre = log_sd.mean(axis=-1)
            log_sd = log_sd - centre[..., None]
        w = w * xp.exp(-log_sd)[..., None, :]
        half = xp.segment_sum(log_sd, starts) + half
    if problem.correlation is not None:
        lattice = problem.correlation.coords
        w, logs = problem.correlation.structure.whiten(w, corstruct, lattice, xp)
        inner = np.searchsorted(
            lattice.starts, starts
        )  # correlation groups are nested in the innermost groups
        half = half + xp.segment_sum(logs, inner)
    return Whitened(w, half, centre)


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
        logdet_x = (
            np.log(diagonal[..., :p]).sum(axis=-1)
            + np.log(np.abs(np.diagonal(problem.x_basis))).sum()
        )
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
            loglik = loglik - logdet_x
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
    _fixed: tuple[Gram, np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.problem.constant_rows:
            theta = np.zeros(self.problem.size)
            self._fixed = self._rows(*self.row_parameters(theta), by_group=True)

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

    def _rows(
        self, cor: np.ndarray | None, var: np.ndarray | None, *, by_group: bool = False
    ) -> tuple[Gram, np.ndarray, np.ndarray]:
        """Gram matrices of the whitened rows, log|R| / 2 by innermost group, and the centre."""
        white = whiten(self.problem, cor, var, centred=True)
        return (
            gram(self.problem, white.columns, by_group=by_group),
            white.half_logdet,
            white.centre,
        )

    def rows(self, theta: np.ndarray) -> tuple[Gram, np.ndarray, np.ndarray]:
        """Gram matrices of the whitened rows, log|R| / 2 by innermost group, and the centre."""
        if self._fixed is not None:
            return self._fixed
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._rows(*self.row_parameters(theta))

    def eliminated(self, theta: np.ndarray) -> tuple[Eliminated, np.ndarray, np.ndarray]:
        """Eliminate at theta (..., k); also log|R| / 2 and the centre of the variance function."""
        g, half, centre = self.rows(theta)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            e = eliminate(self.problem, g, self.factors(theta))
        return e, half.sum(axis=-1), centre

    def profile(self, theta: np.ndarray) -> Profile:
        """Profile at theta (..., k); its sigma is that of a typical row, sigma exp(centre)."""
        e, half, centre = self.eliminated(theta)
        return profile(
            self.problem,
            e,
            half,
            self.method,
            None if self.sigma is None else self.sigma * np.exp(centre),
        )

    def natural(
        self, point: NaturalPoint, *, by_group: bool = False
    ) -> tuple[Eliminated, np.ndarray, np.ndarray]:
        """Eliminate at natural parameters.

        Also log|R| / 2, in all or by outermost group, and the sigma (...,) of a typical row they
        refer to.
        """
        pr = self.problem
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if self._fixed is not None:
                g, half, centre = self._fixed
            else:
                g, half, centre = self._rows(point.corstruct, point.varfunc, by_group=by_group)
            typical = np.asarray(point.sigma) * np.exp(centre)
            scale = typical[..., None, None]
            factors = tuple(
                stage.basis @ stage.structure.natural_factor(par, stage.q) / scale
                for stage, par in zip(pr.stages, point.random[::-1], strict=True)
            )
            e = eliminate(pr, g, factors, by_group=by_group)
        return e, self._logdet_by_root(half) if by_group else half.sum(axis=-1), typical

    def at_natural(self, point: NaturalPoint) -> np.ndarray:
        """Log-likelihood (...,) at natural parameters, beta profiled (ML) or integrated (REML)."""
        e, half, typical = self.natural(point)
        return np.asarray(profile(self.problem, e, half, self.method, typical).loglik)

    def _logdet_by_root(self, half: np.ndarray) -> np.ndarray:
        root = self.problem.root_of_group()
        starts = np.flatnonzero(np.append(True, root[1:] != root[:-1]))
        return np.asarray(NUMPY.segment_sum(half, starts))

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Log-likelihood (b,) of theta (b, k).

        Minus infinity where it does not exist. Large batches are cut into pieces of bounded memory.
        """
        self.evaluations += len(theta)
        pieces = [
            np.broadcast_to(self.profile(piece).loglik, (len(piece),))
            for piece in self.pieces(theta)
        ]
        return np.concatenate(pieces)

    @property
    def cells(self) -> int:
        """Numbers an evaluation reads: Gram matrices, and the rows where they depend on theta."""
        c, n = self.problem.columns.shape
        rows = 0 if self._fixed is not None else c * n
        return int(c * c * len(self.problem.row_starts) + rows)

    def pieces(self, theta: np.ndarray) -> list[np.ndarray]:
        """Cut a batch (b, k) into consecutive pieces whose temporary arrays stay bounded."""
        c, n = self.problem.columns.shape
        groups = len(self.problem.row_starts)
        each = 8.0 * (3 * c * c * groups + (0 if self._fixed is not None else 3 * c * n))
        step = int(max(1, BATCH_BYTES // each))
        return [theta[i : i + step] for i in range(0, len(theta), step)]
