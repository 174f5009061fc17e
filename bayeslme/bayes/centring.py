"""Effects with their predictors at the mean, and the scale of a typical row.

A column of a model matrix contains those before it whose variables are among its own: an
interaction its main effects, a square its linear term, everything the intercept. Freed of what it
contains a column is the same wherever its predictor has its zero, up to its own units, and so are
the coefficients that belong to such columns, ``basis @ b``: the intercept among them is the height
at the means of the predictors.

The scale of a typical row, in units of sigma: what the data tell however R is made up. Its square
is the geometric mean of the variances that rows have given those before them, in a few rows of a
group: log|V C V| over their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bayeslme.bayes import settings
from bayeslme.engine.problem import Problem
from bayeslme.formula.expressions import variables
from bayeslme.formula.terms import Term
from bayeslme.structures import Bound, CorrelationGroups, correlation_groups

FloatArray = npt.NDArray[np.float64]
SdsAndCorrelations = tuple[FloatArray, FloatArray]  # shapes (..., q) and (..., q, q)


def sweep(
    columns: FloatArray, terms: Sequence[Term], assign: npt.NDArray[np.int_]
) -> tuple[FloatArray, FloatArray]:
    """Columns of a model matrix freed of those they contain, and the coefficients of these.

    Parameters
    ----------
    columns : array, shape (n, p)
    terms : sequence of Term
    assign : int array, shape (p,)
        0 for the intercept, k for a column of the k-th term.

    Returns
    -------
    swept : array, shape (n, p)
    basis : array, shape (p, p)
        Unit upper triangular: ``columns @ beta == swept @ (basis @ beta)``.
    """
    p = columns.shape[1]
    used: list[set[str]] = [set()] + [
        {name for part in term.variables for name in variables(part)} for term in terms
    ]
    change = np.eye(p)
    for k in range(p):
        own = assign[k]
        inside = [j for j in range(k) if assign[j] != own and used[assign[j]] <= used[own]]
        if inside:
            found = np.linalg.lstsq(columns[:, inside], columns[:, k], rcond=None)[0]
            change[inside, k] = -found
    return columns @ change, np.linalg.inv(change)


@dataclass(frozen=True, slots=True, eq=False)
class CentredEffects:
    """Correlated random effects of a level with their predictors at the mean.

    Attributes
    ----------
    sd, cor : str
        Names of the variables of the effects themselves.
    basis : array, shape (q, q)
        Unit upper triangular, from the effects to those at the mean.
    """

    sd: str
    cor: str
    basis: FloatArray

    @classmethod
    def of(cls, sd: str, cor: str, z: FloatArray, matrix: Any) -> CentredEffects | None:
        """Of the columns z (n, q) of a learned matrix; None where they are freed already."""
        swept, basis = sweep(z, matrix.terms.terms, matrix.assign)
        size = np.sqrt(np.mean(z**2, axis=0))
        spread = np.sqrt(np.mean(swept**2, axis=0))
        moved = np.abs(basis - np.eye(len(basis))) * size[:, None]
        return (
            None
            if np.all(moved <= settings.CENTRING.negligible_overlap * np.maximum(spread, size))
            else cls(sd, cor, basis)
        )

    def centred(self, sd: npt.ArrayLike, correlation: npt.ArrayLike) -> SdsAndCorrelations:
        """Standard deviations (..., q) and correlations (..., q, q) of the effects at the mean."""
        return _moved(self.basis, np.asarray(sd, float), np.asarray(correlation, float))

    def natural(self, sd: npt.ArrayLike, correlation: npt.ArrayLike) -> SdsAndCorrelations:
        """Those of the effects themselves, from those at the mean."""
        inverse = np.linalg.inv(self.basis)
        return _moved(inverse, np.asarray(sd, float), np.asarray(correlation, float))

    def log_jacobian(self, sd: npt.ArrayLike, centred: npt.ArrayLike) -> FloatArray:
        """Log determinant (...) of ``centred``, from the standard deviations of both.

        A covariance has the volume 2^q prod sd^q in its standard deviations and correlations, and
        its transform by a unit triangular matrix the same.
        """
        here, there = np.asarray(sd, float), np.asarray(centred, float)
        with np.errstate(divide="ignore"):
            each = np.where(here == there, 0.0, np.log(here) - np.log(there))
        return np.asarray(len(self.basis) * each.sum(axis=-1))


def flat(sd: FloatArray, correlation: FloatArray) -> FloatArray:
    """Standard deviations and the upper triangle of correlations side by side, (..., k)."""
    rows, columns = np.triu_indices(sd.shape[-1], 1)
    return np.concatenate([sd, correlation[..., rows, columns]], axis=-1)


def unflat(par: npt.ArrayLike, q: int) -> SdsAndCorrelations:
    """Standard deviations (..., q) and correlation matrices (..., q, q)."""
    values = np.asarray(par, dtype=float)
    correlation = np.broadcast_to(np.eye(q), (*values.shape[:-1], q, q)).copy()
    rows, columns = np.triu_indices(q, 1)
    correlation[..., rows, columns] = correlation[..., columns, rows] = values[..., q:]
    return values[..., :q], correlation


def centred_of(effects: CentredEffects | None, natural: FloatArray, q: int) -> FloatArray:
    """Flat parameters (..., k) of a level's effects with the predictors at their means."""
    return natural if effects is None else flat(*effects.centred(*unflat(natural, q)))


def natural_of(effects: CentredEffects | None, centred: FloatArray, q: int) -> FloatArray:
    """Undo ``centred_of``."""
    return centred if effects is None else flat(*effects.natural(*unflat(centred, q)))


def _moved(change: FloatArray, sd: FloatArray, correlation: FloatArray) -> SdsAndCorrelations:
    covariance = sd[..., :, None] * sd[..., None, :] * correlation
    new = change @ covariance @ change.T
    terms = np.square(np.abs(change) @ sd[..., None])[..., 0]
    variance = np.diagonal(new, axis1=-2, axis2=-1)
    scale = np.sqrt(np.maximum(variance, settings.CENTRING.lost_digits * terms))
    safe = np.where(scale > 0, scale, 1.0)
    out = np.clip(new / safe[..., :, None] / safe[..., None, :], -1.0, 1.0)
    diagonal = np.arange(len(change))
    out[..., diagonal, diagonal] = 1.0
    unmoved = np.count_nonzero(change, axis=1) == 1
    return np.where(unmoved, sd, scale), out


@dataclass(frozen=True)
class TypicalRows:
    """A few rows of a problem.

    Attributes
    ----------
    correlation, variance : Bound or None
    """

    correlation: Bound | None
    variance: Bound | None

    @classmethod
    def of(cls, problem: Problem) -> TypicalRows:
        """Choose rows of the largest correlation group, and of all for the variance function."""
        correlation, variance = problem.correlation, problem.variance
        if correlation is not None:
            correlation = replace(correlation, coords=_neighbours(correlation))
        if variance is not None:
            count = settings.CENTRING.variance_rows
            rows = np.unique(np.linspace(0, problem.n - 1, count).astype(int))
            variance = variance.with_parts([part.take(rows) for part in variance.parts])
        return cls(correlation, variance)

    def log_scale(self, corstruct: np.ndarray | None, varfunc: np.ndarray | None) -> np.ndarray:
        """Logarithm (...) of the scale at natural parameters (..., k)."""
        limits = settings.CENTRING
        total = np.zeros(())
        if self.variance is not None and varfunc is not None:
            log_sd = self.variance.structure.log_sd(varfunc, self.variance.coords)
            total = total + log_sd.mean(axis=-1)
        if self.correlation is not None and corstruct is not None:
            matrix = self.correlation.structure.matrix(corstruct, self.correlation.coords, 0)
            sign, log_det = np.linalg.slogdet(matrix[..., 0, :, :])
            certain = np.where(
                sign > 0,
                np.maximum(log_det, limits.min_log_determinant),
                limits.min_log_determinant,
            )
            total = total + 0.5 * certain / matrix.shape[-1]
        return np.asarray(total)


def _neighbours(correlation: Bound) -> CorrelationGroups:
    """The first rows of the largest group; all of it where positions have numbers of their own."""
    groups: CorrelationGroups = correlation.coords
    largest = int(np.argmax(groups.sizes))
    start, size = int(groups.starts[largest]), int(groups.sizes[largest])
    count = (
        min(size, settings.CENTRING.correlation_rows) if correlation.structure.stationary else size
    )
    position = groups.position[start : start + count]
    level = groups.level_of_rows(np.array([start]))
    return correlation_groups(np.array([0]), count, position, groups.unit, level, groups.levels)
