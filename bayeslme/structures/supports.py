"""Supports of parameters, and the maps between the unconstrained, natural and printed scales.

The maps are those of nlme: the logarithm of a positive parameter, the scaled logit of one between
two bounds.

A parameter that depends on the unit of time or distance is computed with in another unit than the
one printed, one near the distances between rows. So a search does not depend on the user's unit:
Phi inside is the correlation of residuals one such unit apart, a range is in these units. Printed
numbers are in the user's unit, as in nlme. If that is nanoseconds, Phi is 1 up to rounding, while
the number inside keeps its digits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from bayeslme.arrays import NUMPY, Array, NumpyOps, PyTensorOps
from bayeslme.structures import settings

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


@dataclass(frozen=True, slots=True)
class Shown:
    """A parameter that is printed as it is computed with."""

    @property
    def steps(self) -> float:
        """Over how many of the user's units a correlation inside is."""
        return 1.0

    def printed(self, x: Array, xp: Namespace = NUMPY) -> Array:
        """The number printed, elementwise."""
        return x

    def inside(self, x: Array, xp: Namespace = NUMPY) -> Array:
        """Inverse of ``printed``."""
        return x

    def log_slope(self, x: Array, xp: Namespace = NUMPY) -> Array:
        """Logarithm of the derivative of ``printed``, elementwise."""
        return xp.zeros_like(x)

    def support(self, inside: Support) -> Support:
        """Support of the printed number."""
        return inside

    def to_scale(self, x: np.ndarray, support: Support) -> np.ndarray:
        """From inside to nlme's unconstrained scale of the printed number."""
        return np.asarray(support.unconstrain(x))

    def from_scale(self, u: np.ndarray, support: Support) -> np.ndarray:
        """Inverse of ``to_scale``."""
        return np.asarray(support.constrain(u))


@dataclass(frozen=True, slots=True)
class Times(Shown):
    """Printed in another unit: inside times ``factor``.

    Parameters
    ----------
    factor : float
    """

    factor: float

    def printed(self, x: Array, xp: Namespace = NUMPY) -> Array:
        return x * self.factor

    def inside(self, x: Array, xp: Namespace = NUMPY) -> Array:
        return x / self.factor

    def log_slope(self, x: Array, xp: Namespace = NUMPY) -> Array:
        return xp.zeros_like(x) + np.log(self.factor)

    def support(self, inside: Support) -> Support:
        return Above(inside.lower * self.factor) if isinstance(inside, Above) else Positive()

    def to_scale(self, x: np.ndarray, support: Support) -> np.ndarray:
        return np.asarray(support.unconstrain(x) + np.log(self.factor))

    def from_scale(self, u: np.ndarray, support: Support) -> np.ndarray:
        return np.asarray(support.constrain(u - np.log(self.factor)))


@dataclass(frozen=True, slots=True)
class Root(Shown):
    """A correlation over ``power`` units, printed as that over one: its root, the sign kept.

    Parameters
    ----------
    power : float
    """

    power: float

    @property
    def steps(self) -> float:
        return self.power

    def printed(self, x: Array, xp: Namespace = NUMPY) -> Array:
        return xp.sign(x) * xp.abs(x) ** (1.0 / self.power)

    def inside(self, x: Array, xp: Namespace = NUMPY) -> Array:
        return xp.sign(x) * xp.abs(x) ** self.power

    def log_slope(self, x: Array, xp: Namespace = NUMPY) -> Array:
        with np.errstate(divide="ignore"):
            return (1 / self.power - 1) * xp.log(xp.abs(x)) - np.log(self.power)

    def to_scale(self, x: np.ndarray, support: Support) -> np.ndarray:
        with np.errstate(divide="ignore"):
            log_size = np.log(np.abs(x)) / self.power
            to_one = np.log(-np.expm1(log_size))
        if support.lower == 0:
            return np.asarray(log_size - to_one)
        return np.asarray(np.sign(x) * (np.log1p(np.exp(log_size)) - to_one))

    def from_scale(self, u: np.ndarray, support: Support) -> np.ndarray:
        if support.lower == 0:
            return np.asarray(np.exp(-self.power * np.logaddexp(0.0, -u)))
        near = np.exp(-np.abs(u))
        with np.errstate(divide="ignore"):
            log_size = np.log(-np.expm1(-np.abs(u))) - np.log1p(near)
        return np.asarray(np.sign(u) * np.exp(self.power * log_size))


AS_IT_IS = Shown()


def correlation_of(power: float) -> Shown:
    """How a correlation over some units of time is printed as that over one."""
    return AS_IT_IS if power == 1.0 else Root(power)


def length_in(unit: float) -> Shown:
    """How a length in another unit is printed in the user's."""
    return AS_IT_IS if unit == 1.0 else Times(unit)


def start_inside(shown: Shown, given: float, support: Support, usual: float) -> float:
    """A starting correlation inside, from what is given in the user's unit.

    Parameters
    ----------
    shown : Shown
    given : float
        Outside (-1, 1) it is returned as it is, for an error to show.
    support : Support
        Of the number inside.
    usual : float
        Nlme's own start, which is not the user's: it counts inside, whatever the unit.
    """
    if shown == AS_IT_IS or not -1.0 < given < 1.0:
        return given
    positive = support.lower == 0
    if given == usual:
        return usual or settings.STRUCTURES.start_for_zero
    inside = float(shown.inside(np.asarray(abs(given) if positive else given)))
    largest = settings.STRUCTURES.max_start
    smallest = settings.STRUCTURES.min_start if positive else -largest
    return float(np.clip(inside, smallest, largest))
