"""The marginal likelihood: whiten, eliminate, profile.

ML and REML differ in ``profile`` and nowhere else. Leading axes of theta are batches: a gradient by
differences, a grid of starting values or four thousand posterior densities are one call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bayeslme.engine.cells import Cells, build_cells
from bayeslme.engine.eliminate import Eliminated, eliminate
from bayeslme.engine.gram import Gram, gram, gram_in_blocks
from bayeslme.engine.problem import Problem
from bayeslme.ops import NUMPY, Array
from bayeslme.structures.supports import Namespace

Method = Literal["REML", "ML", "OLS", "MAP"]
BATCH_BYTES = 2e8  # temporary memory of one batch of theta values
MUCH = 1e5  # numbers of the rows read, from which on it pays to look for cells


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
    _cells: Cells | None = field(default=None, repr=False)
    _read: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        if self.problem.constant_rows:
            self._fixed = self._constant()

    def _constant(self) -> tuple[Gram, np.ndarray, np.ndarray]:
        """Gram matrices that do not depend on theta, in one pass where rows are independent."""
        problem = self.problem
        cor, var = self.row_parameters(np.zeros(problem.size))
        if problem.correlation is not None:
            return self._from_rows(cor, var)
        if problem.variance is None:
            return gram_in_blocks(problem, None), np.zeros(()), np.zeros(())
        log_sd = problem.variance.structure.log_sd(var, problem.variance.coords)
        centre = log_sd.mean(axis=-1)
        log_sd = np.broadcast_to(log_sd - centre, (problem.n,))
        return gram_in_blocks(problem, log_sd), log_sd.sum(axis=-1), centre

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
        self, cor: np.ndarray | None, var: np.ndarray | None
    ) -> tuple[Gram, np.ndarray, np.ndarray]:
        """Gram matrices of the whitened rows, log|R| / 2, and the centre."""
        if self._cells is None:
            self._cells = self._worth_cells(cor, var)
        if self._cells is None:
            return self._from_rows(cor, var)
        cells = self._cells
        weights = cells.weights(cor, var)
        if weights.steep.all():
            return self._from_rows(cor, var)
        found = cells.gram(weights.pairs), weights.half_logdet, weights.centre
        return self._steep(weights.steep, cor, var, found) if weights.steep.any() else found

    def _worth_cells(self, cor: np.ndarray | None, var: np.ndarray | None) -> Cells | None:
        """Count what is read of the rows; once it is much, look for cells."""
        if self._read > MUCH:
            return None
        batch = max(par[..., 0].size for par in (cor, var) if par is not None and par.size)
        self._read += float(batch * self._size)
        return build_cells(self.problem) if self._read > MUCH else None

    def _from_rows(
        self, cor: np.ndarray | None, var: np.ndarray | None
    ) -> tuple[Gram, np.ndarray, np.ndarray]:
        white = whiten(self.problem, cor, var, centred=True)
        return gram(self.problem, white.columns), white.half_logdet.sum(axis=-1), white.centre

    def _steep(
        self,
        steep: np.ndarray,
        cor: np.ndarray | None,
        var: np.ndarray | None,
        found: tuple[Gram, np.ndarray, np.ndarray],
    ) -> tuple[Gram, np.ndarray, np.ndarray]:
        """Put in place what the rows themselves give where sums over cells lose digits."""
        g, half, centre = found
        own = [None if par is None else par[steep] for par in (cor, var)]
        exact, half[steep], some = self._from_rows(*own)
        if np.ndim(centre):
            centre[steep] = some
        for level, right in zip((*g.levels, g.total), (*exact.levels, exact.total), strict=True):
            level[steep] = right
        return g, half, centre

    def rows(self, theta: np.ndarray) -> tuple[Gram, np.ndarray, np.ndarray]:
        """Gram matrices of the whitened rows, log|R| / 2, and the centre."""
        if self._fixed is not None:
            return self._fixed
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._rows(*self.row_parameters(theta))

    def eliminated(self, theta: np.ndarray) -> tuple[Eliminated, np.ndarray, np.ndarray]:
        """Eliminate at theta (..., k); also log|R| / 2 and the centre of the variance function."""
        g, half, centre = self.rows(theta)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            e = eliminate(self.problem, g, self.factors(theta))
        return e, half, centre

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

    def natural(self, point: NaturalPoint) -> tuple[Eliminated, np.ndarray, np.ndarray]:
        """Eliminate at natural parameters.

        Also log|R| / 2, and the sigma (...,) of a typical row they refer to.
        """
        pr = self.problem
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if self._fixed is not None:
                g, half, centre = self._fixed
            else:
                g, half, centre = self._rows(point.corstruct, point.varfunc)
            typical = np.asarray(point.sigma) * np.exp(centre)
            scale = typical[..., None, None]
            factors = tuple(
                stage.basis @ stage.structure.natural_factor(par, stage.q) / scale
                for stage, par in zip(pr.stages, point.random[::-1], strict=True)
            )
            e = eliminate(pr, g, factors)
        return e, half, typical

    def at_natural(self, point: NaturalPoint) -> np.ndarray:
        """Log-likelihood (...,) at natural parameters, beta profiled (ML) or integrated (REML)."""
        e, half, typical = self.natural(point)
        return np.asarray(profile(self.problem, e, half, self.method, typical).loglik)

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
        return self._gram_numbers + (0 if self._by_gram else self._size)

    @property
    def _size(self) -> int:
        """Numbers in the rows."""
        c, n = self.problem.source.shape
        return c * n

    @property
    def _by_gram(self) -> bool:
        """Whether a step of theta does not touch the rows."""
        return self._fixed is not None or self._cells is not None

    @property
    def _gram_numbers(self) -> int:
        c = self.problem.source.shape[0]
        return sum(stage.q * c * stage.n_groups for stage in self.problem.stages) + c * c

    def pieces(self, theta: np.ndarray) -> list[np.ndarray]:
        """Cut a batch (b, k) into consecutive pieces whose temporary arrays stay bounded."""
        rows = 0 if self._by_gram else self._size
        step = int(max(1, BATCH_BYTES // (24.0 * (self._gram_numbers + rows))))
        return [theta[i : i + step] for i in range(0, len(theta), step)]
