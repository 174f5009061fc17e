"""What every structure has: named parameters, and the unconstrained scale.

A structure (``VarPower``, ``CorAR1``, ...) is what the user writes: a frozen record of arguments.
Bound to coordinates (covariates, strata, positions; always NumPy) it becomes a ``Bound``, which
knows its parameters by name and turns free unconstrained values into all natural ones. A new
structure supplies its parameters and one formula; nothing else is asked of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import SpecError
from bayeslme.structures.supports import AS_IT_IS, Namespace, Shown, Support

MOST_NAMES = 6  # listed in an error
EDGE = 1e-6  # relative distance from a bound below which a parameter is said to be on it
Values = float | Sequence[float] | Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a structure on its natural scale.

    Attributes
    ----------
    name : str
        As nlme prints it.
    support : Support
        Where it lives; its map is also nlme's scale for intervals.
    start : float
        Natural starting value (the user's, or nlme's default).
    scale : float
        Size of a small but visible step on the unconstrained scale; 1 unless the parameter has the
        units of a covariate.
    held : bool
        True where the value is fixed by the user or by the definition (a reference stratum).
    edge : float
        Distance from a lower bound below which it is said to be on it.
    shown : Shown
        From the number computed with, in whose terms all of the above are, to the one printed.
    """

    name: str
    support: Support
    start: float
    scale: float = 1.0
    held: bool = False
    edge: float = EDGE
    shown: Shown = AS_IT_IS

    def at_edge(self, value: float) -> bool:
        """Whether a value is so near an end of the range that it is said to be there."""
        low, high = self.support.lower, self.support.upper
        return bool(value - low < self.edge or high - value < EDGE)

    def has_no_digits(self, value: float) -> bool:
        """Whether a value is stopped on the way to 0 by the smallest number, not by the data."""
        printed = float(self.shown.printed(np.asarray(value)))
        below = self.support.lower == 0 and 0 <= printed < float(np.finfo(float).tiny)
        return below and not self.at_edge(value)

    @property
    def printed_support(self) -> Support:
        """Where the printed number lives."""
        return self.shown.support(self.support)


def _common_support(parameters: tuple[Parameter, ...]) -> Support | None:
    """The support of all parameters, where it is one object: a single map then does for all."""
    first = parameters[0].support if parameters else None
    return first if all(p.support is first for p in parameters) else None


class RowStructure(ABC):
    """A structure that acts on rows: a variance function or a correlation structure."""

    r_name: ClassVar[str]

    @abstractmethod
    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        """All parameters, held ones too, in nlme's order, for these coordinates."""

    def constrain(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        """Map unconstrained (..., k) to natural (..., k).

        Joint families (ARMA, unstructured) override it.
        """
        common = _common_support(parameters)
        if common is not None and not xp.symbolic:
            return common.constrain(u, xp)
        columns = [p.support.constrain(u[..., j], xp) for j, p in enumerate(parameters)]
        return xp.stack(columns, axis=-1)

    def unconstrain(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        """Inverse of ``constrain``."""
        common = _common_support(parameters)
        if common is not None:
            return np.asarray(common.unconstrain(par))
        columns = [p.support.unconstrain(par[..., j]) for j, p in enumerate(parameters)]
        return np.stack(columns, axis=-1)

    def log_jacobian(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        """Log determinant (...) of ``constrain``; joint families override it with it."""
        terms = [p.support.log_jacobian(u[..., j], xp) for j, p in enumerate(parameters)]
        return sum(terms[1:], terms[0])

    def admissible(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        """Whether natural parameters (..., k), each in its own range, have a likelihood, (...).

        A joint family overrides it whose formula would give numbers outside of its region too.
        """
        return np.ones(par.shape[:-1], dtype=bool)

    def mirrored(self, coords: Any) -> np.ndarray:
        """Which parameters (k,) may change their signs together without any change of R."""
        return np.zeros(len(self.parameters(coords)), dtype=bool)

    def to_interval_scale(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        """Scale (..., k) on which Wald intervals are formed.

        Nlme's choice is the unconstrained scale.
        """
        if all(p.shown == AS_IT_IS for p in parameters):
            return self.unconstrain(par, parameters)
        columns = [p.shown.to_scale(par[..., j], p.support) for j, p in enumerate(parameters)]
        return np.stack(columns, axis=-1)

    def from_interval_scale(self, u: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        """Inverse of ``to_interval_scale``."""
        if all(p.shown == AS_IT_IS for p in parameters):
            return np.asarray(self.constrain(u, parameters))
        columns = [p.shown.from_scale(u[..., j], p.support) for j, p in enumerate(parameters)]
        return np.stack(columns, axis=-1)

    def require(self, coords: Any) -> None:  # noqa: B027 - most need nothing
        """Raise a SpecError where these coordinates cannot tell the free parameters."""

    def twin(self, par: np.ndarray) -> np.ndarray:
        """Parameters (k,) that differ much and give, with another sigma, nearly the same.

        The parameters themselves where there are none.
        """
        return par

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        """What a reader of estimates (k,) must know of them.

        Parameters
        ----------
        par : array, shape (k,)
        error : array, shape (k,)
            Standard errors on the scale of ``to_interval_scale``; NaN where there are none.
        coords
            As of ``parameters``.
        """
        return ()

    def bind(self, coords: Any) -> Bound:
        """Join the structure to its coordinates and check its starting values."""
        parameters = self.parameters(coords)
        for p in parameters:
            if not p.held and not p.support.contains(p.start):
                own = p.printed_support
                value = p.start if p.shown == AS_IT_IS else float(p.shown.printed(p.start))
                msg = (
                    f"{self.r_name}: the value {value:g} of '{p.name}' is outside its range "
                    f"({own.lower:g}, {own.upper:g})"
                )
                raise SpecError(msg)
        return Bound(self, coords, parameters)


@dataclass(frozen=True)
class Bound:
    """A row structure with its coordinates.

    Attributes
    ----------
    structure : RowStructure
    coords : object
        Strata and covariate of a variance function, or the ``CorrelationGroups`` of a correlation
        structure.
    parameters : tuple of Parameter, length k
        Held ones included.
    """

    structure: Any
    coords: Any
    parameters: tuple[Parameter, ...]

    @property
    def free(self) -> np.ndarray:
        """Positions of the parameters that are estimated, shape (f,)."""
        return np.flatnonzero([not p.held for p in self.parameters])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, held ones too."""
        return tuple(p.name for p in self.parameters)

    @property
    def start(self) -> np.ndarray:
        """Unconstrained starting values of the free parameters, shape (f,)."""
        return self.to_free(np.array([p.start for p in self.parameters]))

    @property
    def scale(self) -> np.ndarray:
        """Step scale of the free parameters, shape (f,)."""
        return np.array([self.parameters[j].scale for j in self.free])

    @property
    def as_printed(self) -> bool:
        """Whether all parameters are computed with as they are printed."""
        return all(p.shown == AS_IT_IS for p in self.parameters)

    def printed(self, par: Array, xp: Namespace = NUMPY) -> Array:
        """All natural values (..., k) as they are printed, in the user's units."""
        if self.as_printed:
            return par
        columns = [p.shown.printed(par[..., j], xp) for j, p in enumerate(self.parameters)]
        return xp.stack(columns, axis=-1)

    def inside(self, printed: Array, xp: Namespace = NUMPY) -> Array:
        """Inverse of ``printed``."""
        if self.as_printed:
            return printed
        columns = [p.shown.inside(printed[..., j], xp) for j, p in enumerate(self.parameters)]
        return xp.stack(columns, axis=-1)

    def log_slope(self, par: Array, xp: Namespace = NUMPY) -> Array:
        """Log determinant (...) of ``printed`` by the free parameters."""
        terms = [self.parameters[j].shown.log_slope(par[..., j], xp) for j in self.free]
        return sum(terms[1:], terms[0]) if terms else xp.zeros_like(par[..., 0])

    @property
    def mirrored(self) -> np.ndarray:
        """Which parameters (k,) may change their signs together without any change of R."""
        return np.asarray(self.structure.mirrored(self.coords))

    @property
    def two_signs(self) -> bool:
        """Whether the likelihood does not tell parameters from their mirror image."""
        alone = len(self.free) == len(self.parameters)
        return alone and bool(self.mirrored.any())

    def mirror(self, printed: np.ndarray) -> np.ndarray:
        """The other printed values (..., k) of the same likelihood."""
        return np.where(self.mirrored, -printed, printed)

    def represented(self, printed: np.ndarray) -> np.ndarray:
        """Of printed values (..., k) and their image those whose first turning one is positive."""
        turns = self.mirrored if self.two_signs else np.zeros(0, bool)
        if not turns.any():
            return printed
        own = printed[..., turns]
        first = np.take_along_axis(own, np.argmax(own != 0, axis=-1)[..., None], axis=-1)
        return np.where((first < 0) & turns, -printed, printed)

    def to_free(self, natural: np.ndarray) -> np.ndarray:
        """All natural values (..., k) to free unconstrained ones (..., f)."""
        free = self.free
        if not len(free):
            return np.zeros((*np.shape(natural)[:-1], 0))
        with np.errstate(divide="ignore", invalid="ignore"):  # held values may sit on a bound
            all_of_them = self.structure.unconstrain(np.asarray(natural, float), self.parameters)
        return np.asarray(all_of_them[..., free])

    def natural(self, u: Array, xp: Namespace = NUMPY) -> Array:
        """Free unconstrained values (..., f) to all natural ones (..., k)."""
        free = self.free
        start = np.array([p.start for p in self.parameters])
        if not len(free):
            return (
                xp.constant(np.broadcast_to(start, (*np.shape(u)[:-1], len(start))))
                if not xp.symbolic
                else xp.constant(start)
            )
        if len(free) == len(start):
            return self.structure.constrain(u, self.parameters, xp)
        chosen = tuple(self.parameters[j] for j in free)
        values = self.structure.constrain(u, chosen, xp)
        if not xp.symbolic:
            out = np.empty((*values.shape[:-1], len(start)))
            out[...], out[..., free] = start, values
            return out
        place = {int(j): i for i, j in enumerate(free)}
        zero = 0.0 * values[..., 0]
        return xp.stack(
            [values[..., place[j]] if j in place else zero + start[j] for j in range(len(start))],
            axis=-1,
        )


def refuse_text(values: object, what: str) -> None:
    """Refuse text in the place of numbers, which is most often a formula without ``form=``."""
    if isinstance(values, str):
        told = f"; a formula is the argument form='{values}'" if "~" in values else ""
        raise SpecError(f"{what}: numbers are needed, not {values!r}{told}")


def as_named(
    values: Values, names: Sequence[str], what: str, *, repeat: bool = True
) -> dict[str, float]:
    """Read a scalar, sequence or mapping of numbers as name -> number.

    Parameters
    ----------
    values : None, number, sequence or mapping
    names : sequence of str
        Names the values may have; a sequence must have their number, a scalar is repeated.
    what : str
        Named in errors, e.g. ``"varIdent value"``.
    repeat : bool
        Whether one number may stand for all.

    Raises
    ------
    SpecError
        For an unknown name, a wrong length or something that is no number.
    """
    if values is None:
        return {}
    refuse_text(values, what)
    if isinstance(values, Mapping):
        unknown = [k for k in values if k not in names]
        if unknown:
            msg = f"{what}: '{unknown[0]}' is none of {', '.join(map(str, names))}"
            raise SpecError(msg)
        items = dict(values)
    elif repeat and isinstance(values, (int, float, np.integer, np.floating)):
        items = dict.fromkeys(names, values)
    else:
        given = np.atleast_1d(np.asarray(values, dtype=object)).tolist()
        if len(given) != len(names):
            listed = ", ".join(map(str, names[:MOST_NAMES])) + (
                ", ..." if len(names) > MOST_NAMES else ""
            )
            msg = f"{what}: {len(given)} values for {len(names)} parameters ({listed})"
            raise SpecError(msg)
        items = dict(zip(names, given, strict=True))
    try:
        return {str(k): float(v) for k, v in items.items()}
    except (TypeError, ValueError) as error:
        msg = f"{what}: numbers are needed, not {items!r}"
        raise SpecError(msg) from error
