"""Covariance of random effects: cov(b) = sigma^2 Lambda Lambda', by relative factors.

Estimation runs over the entries of the relative factor Lambda itself, signs free, so that a zero
variance or a perfect correlation is an ordinary point (Bates, Maechler, Bolker and Walker 2015, JSS
67(1), section 2). The natural parameters (standard deviations, correlations) are what is printed,
what intervals and priors speak of.

Random-effects columns are handled on a standard scale: Z = Q T with a ``basis`` T chosen by the
class, so that A = T Lambda is of order one and a covariate's units or origin do not change the path
of the optimiser.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bayeslme.errors import DataError, SpecError
from bayeslme.ops import NUMPY, Array
from bayeslme.structures.base import Parameter
from bayeslme.structures.supports import Namespace

PERFECT = 1e-14  # of one: the square that is left beside a perfect correlation
# A search takes the square of the number of parameters, and each step the cube: some minutes here.
MOST_PARAMETERS = 300


class PdMat(ABC):
    """Abstract positive semidefinite covariance of q random effects.

    Parameters
    ----------
    value : array, shape (q, q), optional
        Starting covariance relative to sigma^2.
    form : str
        One-sided formula of the effects, ``"~ age"``. A text given as the first argument is taken
        for it, as in nlme.
    """

    r_name: ClassVar[str]
    description: ClassVar[str | None] = None
    value: Any
    form: Any

    def __post_init__(self) -> None:
        if self.form is None and (isinstance(self.value, str) or hasattr(self.value, "rhs")):
            object.__setattr__(self, "form", self.value)
            object.__setattr__(self, "value", None)
        if self.value is not None:
            value = np.atleast_2d(np.asarray(self.value, dtype=float))
            if (
                value.shape[0] != value.shape[1]
                or not np.allclose(value, value.T)
                or np.linalg.eigvalsh(value).min() < 0
            ):
                msg = f"{self.r_name}: the value must be a symmetric, positive semidefinite matrix"
                raise SpecError(msg)
            object.__setattr__(self, "value", tuple(map(tuple, value.tolist())))

    def basis(self, z: np.ndarray) -> np.ndarray:
        """Standard scale T (q, q) of the columns z (n, q).

        Here the root mean squares of the columns.
        """
        size = np.sqrt(np.mean(np.square(z), axis=0))
        return np.diag(np.where(size > 0, size, 1.0))

    @abstractmethod
    def size(self, q: int) -> int:
        """Number of parameters for q effects."""

    def require_data(self, q: int, largest: int, n: int, group: str) -> None:
        """Refuse what the data can tell nothing about, or what no search ends on.

        A covariance with a parameter or more for each effect needs, as in nlme, as many rows as
        effects in one group at least.

        Parameters
        ----------
        q : int
            Number of effects.
        largest : int
            Rows of the largest group.
        n : int
            Number of rows.
        group : str
            Name of the level, for the message.

        Raises
        ------
        DataError
        """
        count = self.size(q)
        if q <= 1 or count < q:
            return
        who = f"random: {self.r_name} of {q} effects for group '{group}'"
        if q > largest:
            msg = (
                f"{who}: no group has more than {largest} rows, and that many effects at most can "
                "vary; leave effects out, or let them share a variance, as PdIdent does"
            )
            raise DataError(msg)
        most = min(n, MOST_PARAMETERS)
        if count > most:
            msg = (
                f"{who} has {count} variance parameters, and at most {most} can be estimated from "
                f"{n} rows; use PdDiag or PdIdent, or fewer effects"
            )
            raise DataError(msg)

    @abstractmethod
    def factor(self, u: Array, basis: np.ndarray, xp: Namespace = NUMPY) -> Array:
        """Standard relative factor A = T Lambda.

        Shape (..., q, q), from unconstrained u (..., size).
        """

    def independent(self, q: int) -> np.ndarray:
        """Tell the pairs (q, q) of effects that have no covariance whatever the parameters are."""
        root = self.factor(np.random.default_rng(0).standard_normal(self.size(q)), np.eye(q))
        return np.asarray(root @ root.T == 0.0)

    @abstractmethod
    def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Unconstrained u (size,) whose relative covariance is ``cov``, or near it."""

    @abstractmethod
    def natural_parameters(self, effects: Sequence[str], label: str) -> tuple[Parameter, ...]:
        """Names and supports of the natural parameters.

        Parameters
        ----------
        effects : sequence of q names
        label : str
            Right-hand side of the formula, which names parameters shared by all effects.
        """

    @abstractmethod
    def to_natural(self, cov: np.ndarray) -> np.ndarray:
        """Natural parameters (..., size) of covariances (..., q, q).

        Correlations of a zero variance are 0.
        """

    @abstractmethod
    def natural_factor(self, par: Array, q: int, xp: Namespace = NUMPY) -> Array:
        """A factor F (..., q, q) with F F' = covariance, from natural parameters (..., size)."""


def deviations_and_correlations(cov: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (..., q) and correlations (..., q, q), 0 beside a zero variance.

    A perfect correlation is exactly 1 or -1: the quotient can be larger by rounding, and there the
    covariance of the natural parameters would not exist.
    """
    sd = np.sqrt(np.maximum(np.diagonal(cov, axis1=-2, axis2=-1), 0.0))
    scale = np.where(sd > 0, sd, 1.0)
    return sd, np.clip(cov / scale[..., :, None] / scale[..., None, :], -1.0, 1.0)


def not_negative(rest: np.ndarray) -> np.ndarray:
    """NaN below zero; what rounding leaves of a perfect correlation is zero."""
    return np.where(rest > PERFECT, rest, np.where(rest >= -PERFECT, 0.0, np.nan))


def sd_names(effects: Sequence[str]) -> list[str]:
    """Names of the standard deviations as nlme prints them."""
    return [f"sd({e})" for e in effects]
