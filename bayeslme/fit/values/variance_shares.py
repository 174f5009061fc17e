"""Shares of the variance of a response: of its fixed part, of the groups, and within them.

References
----------
Nakagawa, S. and Schielzeth, H. (2013), Methods in Ecology and Evolution 4, 133-142; with random
slopes Johnson, P. C. D. (2014), Methods in Ecology and Evolution 5, 944-946: the variance of a
level is the mean of z' Sigma z over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import Design

if TYPE_CHECKING:
    from bayeslme.fit.numbers import Numbers

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variances:
    """Variances of the parts of a response; leading axes (...) are draws.

    Attributes
    ----------
    fixed : array, shape (...,)
        Of ``X beta`` over the rows, with the divisor n - 1 as R's var has it.
    levels : tuple of arrays (...,)
        Mean over the rows of the variance of each level's effects, outermost first.
    residual : array, shape (...,)
        Mean over the rows.
    groups : tuple of str
        Names of the levels.
    """

    fixed: FloatArray
    levels: tuple[FloatArray, ...]
    residual: FloatArray
    groups: tuple[str, ...]

    @property
    def random(self) -> FloatArray:
        """Variance of all random effects together."""
        return np.asarray(sum(self.levels, np.zeros(np.shape(self.residual))))

    @property
    def total(self) -> FloatArray:
        """Variance of the response."""
        return self.fixed + self.random + self.residual

    def r2(self) -> dict[str, FloatArray]:
        """Shares of the fixed part, and of it and the random effects."""
        return {
            "marginal": self.fixed / self.total,
            "conditional": (self.fixed + self.random) / self.total,
        }

    def icc(self) -> dict[str, FloatArray]:
        """Shares of each level, and of all, in the variance that the fixed part leaves."""
        rest = self.random + self.residual
        each = {name: own / rest for name, own in zip(self.groups, self.levels, strict=True)}
        return each if len(each) == 1 else {**each, "all levels": self.random / rest}


def variances(
    design: Design, beta: FloatArray, roots: Sequence[FloatArray], residual: FloatArray
) -> Variances:
    """Variances of the parts of a response.

    Parameters
    ----------
    design : Design
    beta : array, shape (..., p)
    roots : sequence of arrays (..., q, q), outermost level first
        Square roots of the absolute covariances of the levels' effects, L with Sigma = L L'.
    residual : array, shape (...,)
        Mean of the residual variances.
    """
    centred = design.X - design.X.mean(axis=0)
    cross = centred.T @ centred / max(1, len(centred) - 1)
    fixed = np.einsum("...p,pq,...q->...", beta, cross, beta)
    own = tuple(
        np.einsum("...ij,...kj,ik->...", root, root, _mean_products(design, k))
        for k, root in enumerate(roots)
    )
    return Variances(
        np.asarray(fixed), own, np.asarray(residual), tuple(one.group for one in design.levels)
    )


def _mean_products(design: Design, k: int) -> FloatArray:
    """Mean over the rows of z z', each times its group's own variance where groups are related."""
    level = design.levels[k]
    z = level.Z
    if level.related is not None:
        own = np.diagonal(level.related.matrix)[: len(level.labels)]
        z = z * np.sqrt(own)[level.code][:, None]
    return np.asarray(z.T @ z / len(z))


def of_fit(fit: Numbers) -> Variances:
    """Variances of the parts of a fit's response."""
    sigma = fit.sigma
    residual = np.mean(np.square(sigma * np.exp(fit.estimate.log_sd)))
    roots = [sigma * factor for factor in fit.estimate.factors]
    return variances(fit.design, fit.estimate.beta, roots, np.asarray(residual))


def r2(fit: Numbers) -> pd.Series:
    """Nakagawa's R squared; see `Fit.r2`."""
    return pd.Series({name: float(v) for name, v in of_fit(fit).r2().items()}, name="R2")


def icc(fit: Numbers) -> pd.Series:
    """Intraclass correlations; see `Fit.icc`."""
    return pd.Series({name: float(v) for name, v in of_fit(fit).icc().items()}, name="ICC")
