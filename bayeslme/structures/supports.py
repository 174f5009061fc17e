"""Where a parameter lives, and the map from the whole real line to that set.

The maps are those of nlme: the logarithm of a positive parameter, the scaled logit of one between
two bounds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from bayeslme.ops import NUMPY, Array, NumpyOps, PyTensorOps

Namespace = NumpyOps | PyTensorOps


class Support(ABC):
    """An open interval of the real line with a smooth map from the whole line onto it."""

    lower: float
    upper: float

    @abstractmethod
    def constrain(self, u: Array, xp: Namespace = NUMPY) -> Array:
        """Map unconstrained values to natural ones, elementwise."""

    @abstractmethod
    def unconstrain(self, x: Array) -> Array:
        """Inverse of ``constrain`` (NumPy only)."""

    @abstractmethod
    def log_jacobian(self, u: Array, xp: Namespace = NUMPY) -> Array:
        """Logarithm of the derivative of ``constrain``, elementwise."""

    def contains(self, x: Array) -> bool:
        """Tell whether every value lies strictly inside."""
        x = np.asarray(x, dtype=float)
        return bool(np.all(np.isfinite(x) & (x > self.lower) & (x < self.upper)))


@dataclass(frozen=True, slots=True)
class Real(Support):
    """The real line; the map is the identity."""

    lower: float = -np.inf
    upper: float = np.inf

    def constrain(self, u: Array, xp: Namespace = NUMPY) -> Array:
        return u

    def unconstrain(self, x: Array) -> Array:
        return np.asarray(x, dtype=float)

    def log_jacobian(self, u: Array, xp: Namespace = NUMPY) -> Array:
        return xp.zeros_like(u)


@dataclass(frozen=True, slots=True)
class Positive(Support):
    """The positive numbers, through the logarithm."""

    lower: float = 0.0
    upper: float = np.inf

    def constrain(self, u: Array, xp: Namespace = NUMPY) -> Array:
        return xp.exp(u)

    def unconstrain(self, x: Array) -> Array:
        return np.log(x)

    def log_jacobian(self, u: Array, xp: Namespace = NUMPY) -> Array:
        return u


@dataclass(frozen=True, slots=True)
class Above(Support):
    """The numbers above ``lower``, through log(x - lower)."""

    lower: float
    upper: float = np.inf

    def constrain(self, u: Array, xp: Namespace = NUMPY) -> Array:
        return self.lower + xp.exp(u)

    def unconstrain(self, x: Array) -> Array:
        return np.log(np.asarray(x, dtype=float) - self.lower)

    def log_jacobian(self, u: Array, xp: Namespace = NUMPY) -> Array:
        return u


@dataclass(frozen=True, slots=True)
class Interval(Support):
    """The interval from ``lower`` to ``upper``, through log((x - lower) / (upper - x)).

    Above 0 every digit counts, however small the number: a correlation over one unit of time is
    1e-50 where the unit is long.
    """

    lower: float
    upper: float

    def constrain(self, u: Array, xp: Namespace = NUMPY) -> Array:
        if self.lower == 0:
            return self.upper * xp.exp(-xp.logaddexp(0.0, -u))
        middle, half = (self.upper + self.lower) / 2, (self.upper - self.lower) / 2
        return middle + half * xp.tanh(u / 2)

    def unconstrain(self, x: Array) -> Array:
        x = np.asarray(x, dtype=float)
        return np.log(x - self.lower) - np.log(self.upper - x)

    def log_jacobian(self, u: Array, xp: Namespace = NUMPY) -> Array:
        size = xp.abs(u)  # e^u / (1 + e^u)^2 is even in u
        return np.log(self.upper - self.lower) - size - 2 * xp.log1p(xp.exp(-size))


REAL, POSITIVE = Real(), Positive()
CORRELATION = Interval(-1.0, 1.0)
UNIT = Interval(0.0, 1.0)
