"""Coordinates of a few variance parameters each, and the maps to what they stand for.

A standard deviation is ``floor sinh|s|``: even in s, so that zero is an ordinary point; linear
below the floor, where the data cannot tell it from zero and nothing else depends on it any more;
logarithmic above. Correlation matrices go through their partial correlations (Lewandowski,
Kurowicka and Joe 2009, Journal of Multivariate Analysis 100, 1989), whose cube holds positive
definite matrices only. Every other parameter has the unconstrained scale of its own support or
structure.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import override

import numpy as np

from bayeslme.structures import Bound, Parameter
from bayeslme.structures.supports import POSITIVE, REAL

INSIDE = 1e-3  # least eigenvalue of a correlation matrix a search starts from


class Part(ABC):
    """Coordinates of a few parameters.

    Attributes
    ----------
    scale : array, shape (k,)
        Size of a visible step.
    even : bool
        Whether the map does not tell u from -u, one coordinate at a time.
    """

    scale: np.ndarray
    even: bool = False

    @abstractmethod
    def decode(self, u: np.ndarray) -> np.ndarray:
        """Natural parameters (b, m) of coordinates (b, k)."""

    @abstractmethod
    def encode(self, natural: np.ndarray) -> np.ndarray:
        """Coordinates (k,) of natural parameters (m,)."""

    @abstractmethod
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        """Log determinant (b,) of ``decode``."""


class Deviations(Part):
    """Standard deviations of random effects.

    Parameters
    ----------
    floor : array, shape (k,)
    """

    even = True

    def __init__(self, floor: np.ndarray) -> None:
        self.floor = floor
        self.scale = np.ones(len(floor))

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.floor * np.sinh(np.abs(u)))

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        return np.asarray(np.arcsinh(natural / self.floor))

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(self.floor * np.cosh(u)).sum(axis=-1))


class Correlations(Part):
    """The upper triangle of a correlation matrix, row by row.

    Parameters
    ----------
    q : int
        Side of the matrix.
    """

    def __init__(self, q: int) -> None:
        self.q = q
        self.scale = np.ones(q * (q - 1) // 2)

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        partial, at = np.tanh(u / 2), 0
        factor = np.zeros((*u.shape[:-1], self.q, self.q))
        factor[..., 0, 0] = 1.0
        for i in range(1, self.q):
            rest = np.ones(u.shape[:-1])
            for j in range(i):
                factor[..., i, j] = partial[..., at] * np.sqrt(rest)
                rest = rest * (1.0 - partial[..., at] ** 2)
                at += 1
            factor[..., i, i] = np.sqrt(rest)
        full = factor @ np.swapaxes(factor, -1, -2)
        rows, columns = np.triu_indices(self.q, 1)
        return np.asarray(full[..., rows, columns])

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        matrix = np.eye(self.q)
        matrix[np.triu_indices(self.q, 1)] = natural
        matrix = matrix + np.triu(matrix, 1).T
        least = float(np.linalg.eigvalsh(matrix).min())
        if least < INSIDE:
            matrix += (INSIDE - least) * np.eye(self.q)
            matrix /= matrix[0, 0]
        factor = np.linalg.cholesky(matrix)
        left = np.sqrt(np.cumsum(factor[:, ::-1] ** 2, axis=1))[:, ::-1]
        i, j = np.tril_indices(self.q, -1)
        return np.asarray(2 * np.arctanh(factor[i, j] / left[i, j]))

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        order = np.tril_indices(self.q, -1)[1]
        power = 1.0 + (self.q - order - 2) / 2
        size = np.abs(u)  # 1 - tanh^2(u / 2) is even in u
        log_rest = 2 * np.log(2.0) - size - 2 * np.log1p(np.exp(-size))
        return np.asarray((power * log_rest - np.log(2.0)).sum(axis=-1))


class Supported(Part):
    """Parameters each on the unconstrained scale of its own support.

    Parameters
    ----------
    parameters : tuple of Parameter
    """

    def __init__(self, parameters: tuple[Parameter, ...]) -> None:
        self.parameters = parameters
        self.scale = np.array([p.scale for p in parameters])

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        columns = [p.support.constrain(u[..., j]) for j, p in enumerate(self.parameters)]
        return np.stack(columns, axis=-1)

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        pairs = zip(self.parameters, natural, strict=True)
        return np.array([float(p.support.unconstrain(v)) for p, v in pairs])

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        terms = [p.support.log_jacobian(u[..., j]) for j, p in enumerate(self.parameters)]
        return np.asarray(sum(terms, np.zeros(u.shape[:-1])))


class Rows(Part):
    """Parameters of a row structure, held ones among the natural ones.

    The density is that of the printed parameters, to which the Jacobian belongs.

    Parameters
    ----------
    bound : Bound
    lower : array, shape (f,), optional
        Where the priors begin; a real parameter whose prior begins at 0 is positive.
    """

    def __init__(self, bound: Bound, lower: np.ndarray | None = None) -> None:
        if lower is not None:
            bound = replace(bound, parameters=_positive(bound, lower))
        self.bound = bound
        self.scale = bound.scale
        self.free = tuple(bound.parameters[j] for j in bound.free)

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.bound.natural(u))

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        return self.bound.to_free(natural)

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        if not len(self.scale):
            return np.zeros(len(u))
        own = np.asarray(self.bound.structure.log_jacobian(u, self.free))
        if self.bound.as_printed:
            return own
        return np.asarray(own + self.bound.log_slope(self.bound.natural(u)))


def _positive(bound: Bound, lower: np.ndarray) -> tuple[Parameter, ...]:
    out = list(bound.parameters)
    for j, low in zip(bound.free, lower, strict=True):
        if out[j].support == REAL and low == 0.0:
            out[j] = replace(out[j], support=POSITIVE, start=abs(out[j].start), scale=1.0)
    return tuple(out)
