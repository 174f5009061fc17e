"""What every structure has: named parameters, and the unconstrained scale.

A structure (``VarPower``, ``CorAR1``, ...) is what the user writes: a frozen record of arguments.
Bound to coordinates (covariates, strata, positions; always NumPy) it becomes a ``Bound``, which
knows its parameters by name and turns free unconstrained values into all natural ones. A new
structure supplies its parameters and one formula; everything else has a default here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import SpecError, known_names
from bayeslme.structures import settings
from bayeslme.structures.complete import check_row_structure
from bayeslme.structures.supports import AS_IT_IS, Namespace, Shown, Support

Values = float | Sequence[float] | Mapping[str, float] | None


class DefaultPrior(NamedTuple):
    """A prior as plain data: the name of a family, and its arguments by name."""

    family: str
    arguments: tuple[tuple[str, float], ...]


def log_normal(mu: float, sigma: float = 1.0) -> DefaultPrior:
    """A log-normal prior, the default of a positive parameter."""
    return DefaultPrior("LogNormal", (("mu", float(mu)), ("sigma", float(sigma))))


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
    edge: float = settings.STRUCTURES.boundary_distance
    shown: Shown = AS_IT_IS

    def at_edge(self, value: float) -> bool:
        """Whether a value counts as being at an end of its range."""
        low, high = self.support.lower, self.support.upper
        return bool(value - low < self.edge or high - value < settings.STRUCTURES.boundary_distance)

    def has_no_digits(self, value: float) -> bool:
        """Whether a value on its way to 0 is below the smallest normal floating-point number."""
        printed = float(self.shown.printed(np.asarray(value)))
        below = self.support.lower == 0 and 0 <= printed < float(np.finfo(float).tiny)
        return below and not self.at_edge(value)

    @property
    def printed_support(self) -> Support:
        """Support of the printed number."""
        return self.shown.support(self.support)

    def default_prior(self) -> DefaultPrior:
        """The usual prior of a parameter of this support, of the printed number.

        Uniform on an interval, log-normal about the start for a positive parameter, normal about
        the start for an unbounded one. A correlation over several units is uniform over these.
        """
        low, high = float(self.support.lower), float(self.support.upper)
        if self.shown.steps != 1.0:
            if low < 0:
                return DefaultPrior("StepCorrelation", (("steps", self.shown.steps),))
            return DefaultPrior("Beta", (("alpha", self.shown.steps), ("beta", 1.0)))
        if np.isfinite(high):
            return DefaultPrior("Uniform", (("lower", low), ("upper", high)))
        if np.isfinite(low):
            return log_normal(np.log(self.start))
        return DefaultPrior("Normal", (("mu", float(self.start)), ("sigma", float(self.scale))))


def _common_support(parameters: tuple[Parameter, ...]) -> Support | None:
    """The support of all parameters, where it is one object: a single map then does for all."""
    first = parameters[0].support if parameters else None
    return first if all(p.support is first for p in parameters) else None


class RowStructure(ABC):
    """A structure that acts on rows: a variance function or a correlation structure.

    Attributes
    ----------
    r_name : str
        Name of the R function.
    description : str or None
        What nlme prints in the place of that name.
    spatial : bool
        Whether the first parameter is a range, in units of distance.
    unstructured : bool
        Whether the parameters are all entries of a correlation matrix, free one by one.
    several_maxima : bool
        Whether the likelihood often has several local maxima, so that each start is climbed.
    composed : bool
        Whether it is made of other structures, whose parameters have prefixes.
    first_argument : str
        The argument that calls may write first, without its name: the formula in ``varFixed(~ x)``.
    """

    r_name: ClassVar[str]
    description: ClassVar[str | None] = None
    spatial: bool = False
    unstructured: ClassVar[bool] = False
    several_maxima: ClassVar[bool] = False
    composed: ClassVar[bool] = False
    first_argument: ClassVar[str] = "value"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_row_structure(cls, RowStructure)

    @property
    def label(self) -> str:
        """Name on printed pages."""
        return self.description or self.r_name

    @abstractmethod
    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        """All parameters, held ones too, in nlme's order, for these coordinates."""

    def constrain(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        """Map unconstrained (..., k) to natural (..., k).

        Joint families (ARMA, unstructured) override it, and with it ``unconstrain``,
        ``log_jacobian``, ``to_interval_scale`` and ``from_interval_scale``.
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
        """Log determinant (...) of the derivative of ``constrain``."""
        terms = [p.support.log_jacobian(u[..., j], xp) for j, p in enumerate(parameters)]
        return sum(terms[1:], terms[0])

    def admissible(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        """Whether natural parameters (..., k), each in its own range, have a likelihood, (...).

        A joint family overrides it whose formula would give numbers outside of its region too.
        """
        return np.ones(par.shape[:-1], dtype=bool)

    def in_region(self, par: np.ndarray, bound: Bound) -> np.ndarray:
        """Whether natural parameters (n, k) can be reached by ``constrain``, shape (n,).

        Here they are mapped to the unconstrained scale and back; a joint family whose
        ``unconstrain`` fails outside of its region overrides it.
        """
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            free = bound.to_free(par)
            same = np.isclose(bound.natural(free), par, rtol=1e-6, atol=1e-9).all(axis=-1)
        return np.asarray(np.isfinite(free).all(axis=-1) & same)

    def default_priors(self, coords: Any) -> tuple[DefaultPrior, ...]:
        """Weakly informative priors of all parameters, held ones too.

        Parameters
        ----------
        coords
            As of ``parameters``.
        """
        return tuple(p.default_prior() for p in self.parameters(coords))

    def starts(self, bound: Bound) -> list[np.ndarray]:
        """Starting values (f,) of the free unconstrained parameters, the usual one first."""
        return [bound.start]

    def mirrored(self, coords: Any) -> np.ndarray:
        """Which parameters (k,) may change their signs together without any change of R."""
        return np.zeros(len(self.parameters(coords)), dtype=bool)

    def turned_together(self, coords: Any) -> list[np.ndarray]:
        """The sets (k,) of these that change their signs without the others: one, or none."""
        turns = self.mirrored(coords)
        return [turns] if turns.any() else []

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
        """Raise a SpecError where these coordinates do not identify the free parameters."""

    def twins(self, par: np.ndarray) -> list[np.ndarray]:
        """Very different parameters (k,) that may fit as well: none."""
        return []

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        """Notes that a reader of the estimates (k,) needs.

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
    def parts(self) -> tuple[Any, ...]:
        """Coordinates of each component of a variance function."""
        return tuple(self.structure.split(self.coords))

    def with_parts(self, parts: Sequence[Any]) -> Bound:
        """The same with other coordinates of the components of a variance function."""
        return replace(self, coords=self.structure.join(parts))

    @property
    def starts(self) -> list[np.ndarray]:
        """Starting values (f,) from which a search may begin, the usual one first."""
        return list(self.structure.starts(self))

    @property
    def several_maxima(self) -> bool:
        """Whether the likelihood often has several local maxima in these parameters."""
        return bool(self.structure.several_maxima) and len(self.free) > 1

    @property
    def default_priors(self) -> tuple[DefaultPrior, ...]:
        """Default priors of the free parameters."""
        every = self.structure.default_priors(self.coords)
        return tuple(every[j] for j in self.free)

    @property
    def scale(self) -> np.ndarray:
        """Step scale of the free parameters, shape (f,)."""
        return np.array([self.parameters[j].scale for j in self.free])

    @property
    def as_printed(self) -> bool:
        """Whether all parameters are computed with as they are printed."""
        return all(p.shown == AS_IT_IS for p in self.parameters)

    @property
    def restricted_jointly(self) -> bool:
        """Whether the free parameters share one region, which is not a product of intervals."""
        return len(self.free) > 1 and type(self.structure).constrain is not RowStructure.constrain

    def printed(self, par: Array, xp: Namespace = NUMPY) -> Array:
        """All natural values (..., k) as they are printed, in the user's units."""
        if self.as_printed:
            return par
        columns = [p.shown.printed(par[..., j], xp) for j, p in enumerate(self.parameters)]
        return xp.stack(columns, axis=-1)

    def printed_free(self, par: Array, xp: Namespace = NUMPY) -> Array:
        """The free ones (..., f) of all natural values (..., k), as they are printed."""
        return self.printed(par, xp)[..., self.free]

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

    def log_jacobian(self, u: Array, xp: Namespace = NUMPY) -> Array:
        """Log determinant (...) of the printed free parameters by the unconstrained ones."""
        own = self.structure.log_jacobian(u, tuple(self.parameters[j] for j in self.free), xp)
        return own if self.as_printed else own + self.log_slope(self.natural(u, xp), xp)

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
        """Of printed values (..., k) and their images those whose first turning one is positive."""
        sets = self.structure.turned_together(self.coords) if self.two_signs else []
        for turns in sets:
            own = printed[..., turns]
            first = np.take_along_axis(own, np.argmax(own != 0, axis=-1)[..., None], axis=-1)
            printed = np.where((first < 0) & turns, -printed, printed)
        return printed

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
        chosen = tuple(self.parameters[j] for j in free)
        return self.with_held(self.structure.constrain(u, chosen, xp), start, xp)

    def with_held(self, values: Array, held: np.ndarray, xp: Namespace = NUMPY) -> Array:
        """All values (..., k): the free ones (..., f), and of `held` (k,) the others."""
        free = self.free
        if len(free) == len(held):
            return values
        if not xp.symbolic:
            out = np.empty((*values.shape[:-1], len(held)))
            out[...], out[..., free] = held, values
            return out
        place = {int(j): i for i, j in enumerate(free)}
        zero = 0.0 * values[..., 0]
        return xp.stack(
            [values[..., place[j]] if j in place else zero + held[j] for j in range(len(held))],
            axis=-1,
        )

    @property
    def printed_start(self) -> np.ndarray:
        """Starting values (k,) of all parameters, as they are printed."""
        return np.asarray(self.printed(np.array([p.start for p in self.parameters])))


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
            msg = f"{what}: no parameter is named '{unknown[0]}'; {known_names(names)}"
            raise SpecError(msg)
        items = dict(values)
    elif repeat and isinstance(values, (int, float, np.integer, np.floating)):
        items = dict.fromkeys(names, values)
    else:
        given = np.atleast_1d(np.asarray(values, dtype=object)).tolist()
        if len(given) != len(names):
            listed = ", ".join(map(str, names[: settings.STRUCTURES.names_in_errors])) + (
                ", ..." if len(names) > settings.STRUCTURES.names_in_errors else ""
            )
            msg = f"{what}: {len(given)} values for {len(names)} parameters ({listed})"
            raise SpecError(msg)
        items = dict(zip(names, given, strict=True))
    try:
        return {str(k): float(v) for k, v in items.items()}
    except (TypeError, ValueError) as error:
        msg = f"{what}: numbers are needed, not {items!r}"
        raise SpecError(msg) from error
