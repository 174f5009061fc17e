"""Effects with their predictors at the mean: what does not depend on where a predictor has zero.

A column of a model matrix contains those before it whose variables are among its own: an
interaction its main effects, a square its linear term, everything the intercept. Freed of what it
contains a column is the same wherever its predictor has its zero, up to its own units, and so are
the coefficients that belong to such columns, ``basis @ b``: the intercept among them is the height
at the means of the predictors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bayeslme.spec.expr import variables
from bayeslme.spec.terms import Term

FloatArray = npt.NDArray[np.float64]

SAME = 1e-10  # of a column's size: below it what is contained makes no difference
LOST = 1e-15  # of the terms of a variance: what rounding leaves of their difference


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
class Margins:
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
    def of(cls, sd: str, cor: str, z: FloatArray, matrix: Any) -> Margins | None:
        """Of the columns z (n, q) of a learned matrix; None where they are freed already."""
        swept, basis = sweep(z, matrix.terms.terms, matrix.assign)
        size = np.sqrt(np.mean(z**2, axis=0))
        spread = np.sqrt(np.mean(swept**2, axis=0))
        moved = np.abs(basis - np.eye(len(basis))) * size[:, None]
        return None if np.all(moved <= SAME * np.maximum(spread, size)) else cls(sd, cor, basis)

    def centred(self, sd: npt.ArrayLike, cor: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Standard deviations (..., q) and correlations (..., q, q) of the effects at the mean."""
        return _moved(self.basis, np.asarray(sd, float), np.asarray(cor, float))

    def natural(self, sd: npt.ArrayLike, cor: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Those of the effects themselves, from those at the mean."""
        return _moved(np.linalg.inv(self.basis), np.asarray(sd, float), np.asarray(cor, float))

    def log_jacobian(self, sd: npt.ArrayLike, centred: npt.ArrayLike) -> FloatArray:
        """Log determinant (...) of ``centred``, from the standard deviations of both.

        A covariance has the volume 2^q prod sd^q in its standard deviations and correlations, and
        its transform by a unit triangular matrix the same.
        """
        here, there = np.asarray(sd, float), np.asarray(centred, float)
        with np.errstate(divide="ignore"):
            each = np.where(here == there, 0.0, np.log(here) - np.log(there))
        return np.asarray(len(self.basis) * each.sum(axis=-1))


def flat(sd: FloatArray, cor: FloatArray) -> FloatArray:
    """Standard deviations and the upper triangle of correlations side by side, (..., k)."""
    rows, columns = np.triu_indices(sd.shape[-1], 1)
    return np.concatenate([sd, cor[..., rows, columns]], axis=-1)


def unflat(par: npt.ArrayLike, q: int) -> tuple[FloatArray, FloatArray]:
    """Standard deviations (..., q) and correlation matrices (..., q, q)."""
    values = np.asarray(par, dtype=float)
    cor = np.broadcast_to(np.eye(q), (*values.shape[:-1], q, q)).copy()
    rows, columns = np.triu_indices(q, 1)
    cor[..., rows, columns] = cor[..., columns, rows] = values[..., q:]
    return values[..., :q], cor


def centred_of(margins: Margins | None, natural: FloatArray, q: int) -> FloatArray:
    """Flat parameters (..., k) of a level's effects with the predictors at their means."""
    return natural if margins is None else flat(*margins.centred(*unflat(natural, q)))


def natural_of(margins: Margins | None, centred: FloatArray, q: int) -> FloatArray:
    """Undo ``centred_of``."""
    return centred if margins is None else flat(*margins.natural(*unflat(centred, q)))


def _moved(change: FloatArray, sd: FloatArray, cor: FloatArray) -> tuple[FloatArray, FloatArray]:
    cov = sd[..., :, None] * sd[..., None, :] * cor
    new = change @ cov @ change.T
    terms = np.square(np.abs(change) @ sd[..., None])[..., 0]
    variance = np.diagonal(new, axis1=-2, axis2=-1)
    scale = np.sqrt(np.maximum(variance, LOST * terms))
    safe = np.where(scale > 0, scale, 1.0)
    out = np.clip(new / safe[..., :, None] / safe[..., None, :], -1.0, 1.0)
    diagonal = np.arange(len(change))
    out[..., diagonal, diagonal] = 1.0
    unmoved = np.count_nonzero(change, axis=1) == 1
    return np.where(unmoved, sd, scale), out
