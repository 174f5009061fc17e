"""Variance functions: the standard deviation of a residual over sigma.

sd(eps_i) = sigma g(v_i, delta). Each class gives log g. Pinheiro and Bates (2000), section 5.2.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import DataError, SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import (
    Bound,
    DefaultPrior,
    Parameter,
    RowStructure,
    Values,
    as_named,
    log_normal,
)
from bayeslme.structures.supports import POSITIVE, REAL, Namespace


class VarianceCoordinates(Protocol):
    """What a variance function reads: a covariate and a stratum for every row."""

    @property
    def covariate(self) -> np.ndarray | None:
        """Covariate, shape (n,), or None."""

    @property
    def stratum(self) -> np.ndarray:
        """Stratum of every row, ints of shape (n,)."""

    @property
    def strata(self) -> tuple[str, ...]:
        """Names of the strata; one empty name where there is no grouping."""


class VarFunc(RowStructure):
    """Abstract variance function: parameters, and ``log_sd``."""

    form: str
    names_strata: ClassVar[bool] = False  # the label says that parameters differ by stratum
    two_parts: ClassVar[bool] = False  # a constant and another part, each by stratum
    composed: ClassVar[bool] = False  # a product, whose parameters have prefixes

    @property
    def components(self) -> tuple[VarFunc, ...]:
        """The variance functions whose product it is: only itself."""
        return (self,)

    def join(self, parts: Sequence[Any]) -> Any:
        """Coordinates as ``log_sd`` takes them, from those of each component."""
        (only,) = parts
        return only

    def split(self, coords: Any) -> tuple[Any, ...]:
        """Inverse of ``join``."""
        return (coords,)

    @abstractmethod
    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        """Logarithm of the relative standard deviation.

        Parameters
        ----------
        par : array, shape (..., k)
            All natural parameters.
        coords : VarianceCoordinates

        Returns
        -------
        array, shape (..., n)
        """

    def log_sd_sums(
        self, u: np.ndarray, bound: Bound, coords: Any, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums over rows of weights times slopes of ``log_sd``, and of weights times their squares.

        Here by central differences; a class of very many parameters overrides it.

        Parameters
        ----------
        u : array, shape (b, f)
            Free unconstrained parameters.
        bound : Bound
            Of this structure.
        coords : VarianceCoordinates
            Of the rows in question, which need not be those it is bound to.
        weights : array, shape (2, b, n)
            Those of the slopes and those of their squares.

        Returns
        -------
        tuple of two arrays, shape (b, f)
        """
        first, second = np.empty((2, *u.shape))
        h = settings.STRUCTURES.slope_step * np.maximum(bound.scale, np.abs(u))
        for j in range(u.shape[-1]):
            moved = np.stack([u, u])
            moved[0, :, j] += h[:, j]
            moved[1, :, j] -= h[:, j]
            up, down = self.log_sd(bound.natural(moved), coords)
            slope = (up - down) / (2.0 * h[:, j, None])
            first[:, j] = (weights[0] * slope).sum(axis=-1)
            second[:, j] = (weights[1] * slope**2).sum(axis=-1)
        return first, second

    def strata(self, coords: Any) -> np.ndarray | None:
        """Stratum (n,) of the rows where variances differ by it alone, None where they do not."""
        return None

    def to_variances(self, par: np.ndarray, log_sigma: float) -> np.ndarray:
        """Natural parameters (k,) and sigma as SAS has them: the former, then sigma^2."""
        return np.append(par, np.exp(2.0 * log_sigma))

    def from_variances(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inverse of ``to_variances`` for a batch: (b, k) and log sigma (b,)."""
        return values[:, :-1], 0.5 * np.log(values[:, -1])

    def normalised(self, par: np.ndarray, start: np.ndarray, coords: Any) -> np.ndarray:
        """Return parameters (k,) of the same weights but for a factor, which a free sigma takes.

        Parameters
        ----------
        par, start : arrays, shape (k,)
            All natural parameters where a search ended, and where it began.
        coords : VarianceCoordinates
        """
        return par

    def typical_log_sd(self, coords: Any) -> tuple[np.ndarray, float]:
        """How the parameters move the standard deviation of a typical row.

        Returns
        -------
        slopes : array, shape (k,)
            Of the mean of log sd over the rows, by each parameter that it is linear in; 0 for
            others.
        constant : float
            What weights without parameters add to that mean.
        """
        return np.zeros(len(self.parameters(coords))), 0.0

    def constant_units(self, coords: Any) -> np.ndarray:
        """In which units constants are measured when they get a prior.

        Returns
        -------
        array, shape (k, k)
            The row of a constant times the parameters is the log of its unit; other rows are 0.
        """
        return np.zeros((len(self.parameters(coords)),) * 2)

    def _mean_slopes(self, coords: Any) -> np.ndarray:
        """Mean (k,) of log sd over the rows by each parameter of a log-linear function."""
        unit = np.eye(len(self.parameters(coords)))
        return np.array([float(np.mean(self.log_sd(e, coords))) for e in unit])


def covariate_of(coords: VarianceCoordinates, who: str) -> np.ndarray:
    """The covariate of the rows, which the structure `who` needs."""
    if coords.covariate is None:
        msg = f"{who}: form needs a covariate, such as ~ x or ~ fitted(.)"
        raise SpecError(msg)
    return coords.covariate


@dataclass(frozen=True)
class VarFixed(VarFunc):
    """Variance proportional to a covariate: g = sqrt(v), no parameter.

    Parameters
    ----------
    form : str
        One-sided formula of the covariate, ``"~ age"``.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.lme(
    ...     "distance ~ age", data, "~ 1 | Subject", weights=VarFixed("~ age")
    ... )
    >>> round(fit.loglik, 2)
    -224.23
    """

    form: str
    r_name: ClassVar[str] = "varFixed"
    description: ClassVar[str | None] = "fixed weights"

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        v = covariate_of(coords, "varFixed")
        if np.any(v <= 0):
            msg = "varFixed: the covariate must be positive, it is a variance"
            raise DataError(msg)
        return ()

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        return xp.constant(0.5 * np.log(coords.covariate))

    def typical_log_sd(self, coords: Any) -> tuple[np.ndarray, float]:
        return np.zeros(0), float(np.mean(self.log_sd(np.zeros(0), coords)))


@dataclass(frozen=True)
class VarIdent(VarFunc):
    """A standard deviation of its own for each stratum: g = delta_s, 1 in the reference stratum.

    Parameters
    ----------
    value : number, sequence or mapping, optional
        Starting ratios of the strata other than the reference.
    form : str
        ``"~ 1 | Sex"``, or ``"~ 1 | Sex * age"`` for the combinations of several factors.
    fixed : mapping, optional
        Ratios held, by stratum.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.lme(
    ...     "distance ~ age", data, "~ 1 | Subject", weights=VarIdent(form="~ 1 | Sex")
    ... )
    >>> fit.weights_coef.round(2).to_dict()
    {'Female': 0.45}
    """

    value: Values = None
    form: str = "~ 1"
    fixed: Mapping[str, float] | None = None
    r_name: ClassVar[str] = "varIdent"
    description: ClassVar[str | None] = "Different standard deviations per stratum"
    names_strata = True

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        strata = list(coords.strata)
        fixed = as_named(self.fixed, strata, "varIdent fixed")
        named = set(self.value) if isinstance(self.value, Mapping) else set()
        candidates = [s for s in strata if s not in fixed and s not in named] or [
            s for s in strata if s not in fixed
        ]
        if not candidates:
            msg = (
                f"varIdent: every stratum ({', '.join(strata)}) is held; "
                "leave out the reference, whose ratio is 1"
            )
            raise SpecError(msg)
        reference = candidates[0]
        others = [s for s in strata if s != reference and s not in fixed]
        start = as_named(self.value, others if others else strata, "varIdent value")
        return tuple(
            Parameter(
                s,
                POSITIVE,
                fixed.get(s, 1.0 if s == reference else start.get(s, 1.0)),
                held=s == reference or s in fixed,
            )
            for s in [reference, *(s for s in strata if s != reference)]
        )

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        return xp.log(par)[..., self._places(coords)[coords.stratum]]

    def _places(self, coords: Any) -> np.ndarray:
        """Parameter of each stratum: the reference is the first, the others keep their order."""
        strata = coords.strata
        held = set() if not isinstance(self.fixed, Mapping) else set(self.fixed)
        named = set(self.value) if isinstance(self.value, Mapping) else set()
        free = [k for k, s in enumerate(strata) if s not in held]
        reference = next((k for k in free if strata[k] not in named), free[0])
        place = np.arange(len(strata))
        place[:reference] += 1
        place[reference] = 0
        return place

    def log_sd_sums(
        self, u: np.ndarray, bound: Bound, coords: Any, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        place, count = self._places(coords)[coords.stratum], len(bound.parameters)
        sums = [[np.bincount(place, own, count) for own in part] for part in weights]
        first, second = np.array(sums)[..., bound.free]  # each slope is 1 in its own stratum
        return first, second

    def strata(self, coords: Any) -> np.ndarray | None:
        return np.asarray(coords.stratum)

    def to_variances(self, par: np.ndarray, log_sigma: float) -> np.ndarray:
        """The variance of each stratum, the reference first."""
        return np.exp(2.0 * (log_sigma + np.log(par)))

    def from_variances(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.sqrt(values / values[:, :1]), 0.5 * np.log(values[:, 0])


@dataclass(frozen=True, init=False)
class VarComb(VarFunc):
    """A product of variance functions.

    Parameters
    ----------
    *functions : VarFunc
        Their parameters are printed with the prefixes ``A.``, ``B.``, ...

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> both = VarComb(VarIdent(form="~ 1 | Sex"), VarFixed("~ age"))
    >>> fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", weights=both)
    >>> fit.weights_coef.round(2).to_dict()
    {'A.Female': 0.46}
    """

    functions: tuple[VarFunc, ...]
    r_name: ClassVar[str] = "varComb"
    composed = True

    def __init__(self, *functions: VarFunc) -> None:
        if not functions or not all(isinstance(f, VarFunc) for f in functions):
            raise SpecError(
                "varComb takes variance functions one after the other, in no list: "
                "VarComb(VarIdent(form='~ 1 | g'), VarExp(form='~ x'))"
            )
        object.__setattr__(self, "functions", tuple(functions))

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        out = []
        for k, (function, own) in enumerate(zip(self.functions, coords, strict=True)):
            out += [
                Parameter(f"{chr(65 + k)}.{p.name}", p.support, p.start, p.scale, p.held)
                for p in function.parameters(own)
            ]
        return tuple(out)

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        total, first = 0.0, 0
        for function, own in zip(self.functions, coords, strict=True):
            size = len(function.parameters(_as_numbers(own)))
            total = total + function.log_sd(par[..., first : first + size], own, xp)
            first += size
        return total

    def normalised(self, par: np.ndarray, start: np.ndarray, coords: Any) -> np.ndarray:
        out, first = [np.zeros(0)], 0
        for function, own in zip(self.functions, coords, strict=True):
            part = slice(first, first + len(function.parameters(own)))
            out.append(function.normalised(par[part], start[part], own))
            first = part.stop
        return np.concatenate(out)

    @property
    def components(self) -> tuple[VarFunc, ...]:
        return self.functions

    def join(self, parts: Sequence[Any]) -> Any:
        return tuple(parts)

    def split(self, coords: Any) -> tuple[Any, ...]:
        return tuple(coords)

    def default_priors(self, coords: Any) -> tuple[DefaultPrior, ...]:
        each = zip(self.functions, coords, strict=True)
        return tuple(prior for function, own in each for prior in function.default_priors(own))

    def typical_log_sd(self, coords: Any) -> tuple[np.ndarray, float]:
        each = zip(self.functions, coords, strict=True)
        slopes, constants = zip(*(f.typical_log_sd(own) for f, own in each), strict=True)
        return np.concatenate(slopes), float(sum(constants))

    def constant_units(self, coords: Any) -> np.ndarray:
        each = zip(self.functions, coords, strict=True)
        units = [function.constant_units(own) for function, own in each]
        ends = np.cumsum([0, *map(len, units)])
        out = np.zeros((ends[-1], ends[-1]))
        for start, end, own in zip(ends, ends[1:], units, strict=False):
            out[start:end, start:end] = own
        return out


def _as_numbers(coords: Any) -> Any:
    """Coordinates whose covariate may be symbolic (fitted values), good for counting parameters."""
    symbolic = coords.covariate is not None and not isinstance(coords.covariate, np.ndarray)
    return replace(coords, covariate=np.ones(len(coords.stratum))) if symbolic else coords


class _PerStratum(VarFunc):
    """A variance function of a covariate whose parameters may differ by stratum."""

    def _expand(
        self, kinds: dict[str, tuple[Any, float, Values]], coords: Any, scales: dict[str, float]
    ) -> tuple[Parameter, ...]:
        """Parameters of every kind for every stratum, with nlme's names."""
        strata = list(coords.strata)
        several = len(kinds) > 1
        fixed = getattr(self, "fixed", None)
        out = []
        for kind, (support, default, value) in kinds.items():
            names = strata if len(strata) > 1 else [kind]
            held_all = _fixed_of(fixed, kind, several)
            held = as_named(held_all, names, f"{self.r_name} fixed")
            start = as_named(
                value, [n for n in names if n not in held] or names, f"{self.r_name} value"
            )
            for n in names:
                label = f"{kind}.{n}" if several and len(strata) > 1 else n
                out.append(
                    Parameter(
                        label,
                        support,
                        held.get(n, start.get(n, default)),
                        scales.get(kind, 1.0),
                        held=n in held,
                    )
                )
        return tuple(out)


def _fixed_of(fixed: Any, kind: str, several: bool) -> Values:
    """The part of a ``fixed`` argument for one kind of parameter."""
    if not several or fixed is None:
        return fixed  # type: ignore[no-any-return]
    if not isinstance(fixed, Mapping):
        msg = f"fixed must name its parameters, e.g. {{'{kind}': 1}}"
        raise SpecError(msg)
    return fixed.get(kind)


def _by_stratum(par: Array, stratum: np.ndarray, strata: int, offset: int = 0) -> Array:
    """Parameter of every row.

    Column ``offset`` for one stratum, one column per stratum otherwise.
    """
    if strata == 1:
        return par[..., offset : offset + 1]
    return par[..., offset + stratum]


def _nonzero(v: np.ndarray, who: str) -> np.ndarray:
    zero = int(np.sum(v == 0))
    if zero:
        msg = (
            f"{who}: the variance covariate is zero in {zero} rows, where a power of it is no "
            "standard deviation; use varConstPower"
        )
        raise DataError(msg)
    return np.abs(v)


def _spread(v: np.ndarray, strata: int = 1) -> float:
    """Inverse typical size of a covariate, the scale of a coefficient that multiplies it.

    One coefficient's share of the mean belongs to sigma. Among several this holds only of what
    they have in common: by as much as they differ, the mean of the covariate counts too.
    """
    size = float(np.std(v) if strata == 1 else np.linalg.norm(v) / np.sqrt(max(len(v), 1)))
    size = size or float(np.max(np.abs(v), initial=0.0))
    return 1.0 / size if size > 0 else 1.0


@dataclass(frozen=True)
class VarPower(_PerStratum):
    """A power of the absolute covariate: g = |v|^delta.

    Parameters
    ----------
    value : number, sequence or mapping, optional
        Starting powers, 0 by default.
    form : str
        ``"~ fitted(.)"`` (default), ``"~ age"``, ``"~ age | Sex"``.
    fixed : number or mapping, optional
        Powers held.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme("weight ~ Time * Diet", data, "~ Time | Rat", weights=VarPower())
    >>> fit.weights_coef.round(2).to_dict()
    {'power': 0.54}
    """

    value: Values = None
    form: str = "~ fitted(.)"
    fixed: Values = None
    r_name: ClassVar[str] = "varPower"
    description: ClassVar[str | None] = "Power of variance covariate"

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        v = _nonzero(covariate_of(coords, "varPower"), "varPower")
        size = _spread(np.log(v), len(coords.strata))
        return self._expand({"power": (REAL, 0.0, self.value)}, coords, {"power": size})

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        log_size = xp.log(xp.abs(coords.covariate))
        return _by_stratum(par, coords.stratum, len(coords.strata)) * log_size

    def typical_log_sd(self, coords: Any) -> tuple[np.ndarray, float]:
        return self._mean_slopes(coords), 0.0


@dataclass(frozen=True)
class VarExp(_PerStratum):
    """An exponential of the covariate: g = exp(delta v).

    Parameters
    ----------
    value, form, fixed
        As in ``VarPower``; the coefficient's name is ``expon``.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Dialyzer")
    >>> fit = bayeslme.gls("rate ~ poly(pressure, 4)", data, weights=VarExp(form="~ pressure"))
    >>> fit.weights_coef.round(2).to_dict()
    {'expon': 0.66}
    """

    value: Values = None
    form: str = "~ fitted(.)"
    fixed: Values = None
    r_name: ClassVar[str] = "varExp"
    description: ClassVar[str | None] = "Exponential of variance covariate"

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        v = covariate_of(coords, "varExp")
        size = _spread(v, len(coords.strata))
        return self._expand({"expon": (REAL, 0.0, self.value)}, coords, {"expon": size})

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        return _by_stratum(par, coords.stratum, len(coords.strata)) * coords.covariate

    def typical_log_sd(self, coords: Any) -> tuple[np.ndarray, float]:
        return self._mean_slopes(coords), 0.0


@dataclass(frozen=True)
class VarConstPower(_PerStratum):
    """A constant plus a power: g = const + |v|^power.

    Parameters
    ----------
    const, power : number, sequence or mapping, optional
        Starting values (0.1 and 0).
    form : str
    fixed : mapping, optional
        ``{"const": 1}``, or per stratum ``{"power": {"Male": 0.5}}``.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Dialyzer")
    >>> errors = VarConstPower(form="~ pressure")
    >>> fit = bayeslme.lme("rate ~ poly(pressure, 4)", data, "~ 1 | Subject", weights=errors)
    >>> fit.weights_coef.round(2).to_dict()
    {'const': 0.62, 'power': 1.72}
    """

    const: Values = None
    power: Values = None
    form: str = "~ fitted(.)"
    fixed: Mapping[str, Values] | None = None
    r_name: ClassVar[str] = "varConstPower"
    description: ClassVar[str | None] = "Constant plus power of variance covariate"
    two_parts = True
    several_maxima = True

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        v = np.abs(covariate_of(coords, "varConstPower"))
        kinds = {"const": (POSITIVE, 0.1, self.const), "power": (REAL, 0.0, self.power)}
        return self._expand(kinds, coords, {"power": _spread(np.log(v[v > 0]))})

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        s = len(coords.strata)
        const, power = (_by_stratum(par, coords.stratum, s, offset) for offset in (0, s))
        v = xp.abs(coords.covariate)
        # 0^power is 0 for a positive power, the only kind that data with zeros allow
        safe = xp.log(xp.where(v > 0, v, 1.0))
        return xp.log(const + xp.where(v > 0, xp.exp(power * safe), 0.0))

    def starts(self, bound: Bound) -> list[np.ndarray]:
        usual = bound.start
        if not bound.several_maxima:
            return [usual]
        return [usual + shift for shift in settings.STRUCTURES.two_part_start_shifts]

    def default_priors(self, coords: Any) -> tuple[DefaultPrior, ...]:
        """Of each constant in units of the power of a typical row."""
        own = self.parameters(coords)
        half, logs = len(own) // 2, _mean_logs(coords)
        out = [p.default_prior() for p in own]
        for j, (const, power) in enumerate(zip(own[:half], own[half:], strict=True)):
            moved = 0.0 if power.held else power.start * logs[j]
            out[j] = log_normal(np.log(const.start) - moved)
        return tuple(out)

    def typical_log_sd(self, coords: Any) -> tuple[np.ndarray, float]:
        """Of the power alone: a constant is measured by it."""
        logs, inside = _log_sizes(coords)
        return np.concatenate([np.zeros(len(inside)), (inside * logs).mean(axis=1)]), 0.0

    def constant_units(self, coords: Any) -> np.ndarray:
        strata = len(coords.strata)
        out = np.zeros((2 * strata, 2 * strata))
        out[np.arange(strata), strata + np.arange(strata)] = _mean_logs(coords)
        return out


def _log_sizes(coords: Any) -> tuple[np.ndarray, np.ndarray]:
    """Log |v| of every row (n,), 0 where v is 0; which rows (s, n) of a stratum have one."""
    v = np.abs(coords.covariate)
    strata = np.arange(len(coords.strata))[:, None]
    return np.log(np.where(v > 0, v, 1.0)), (coords.stratum == strata) & (v > 0)


def _mean_logs(coords: Any) -> np.ndarray:
    """Mean (s,) of log |v| over the rows of a stratum."""
    logs, inside = _log_sizes(coords)
    return np.asarray((inside * logs).sum(axis=1) / np.maximum(inside.sum(axis=1), 1))


@dataclass(frozen=True)
class VarConstProp(_PerStratum):
    """Two error components: g = sqrt(const^2 + prop^2 v^2).

    With a free sigma the three scales are not identified apart: the mean square of g is then that
    at the starting values. Hold ``control={"sigma": 1}`` for standard deviations in the units of
    the response.

    Parameters
    ----------
    const, prop : number, sequence or mapping, optional
        Starting values (0.1 and 0.1).
    form : str
    fixed : mapping, optional

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Dialyzer")
    >>> errors = VarConstProp(form="~ pressure")
    >>> fit = bayeslme.gls(
    ...     "rate ~ poly(pressure, 4)", data, weights=errors, control={"sigma": 1.0}
    ... )
    >>> fit.weights_coef.round(2).to_dict()
    {'const': 1.36, 'prop': 3.35}
    """

    const: Values = None
    prop: Values = None
    form: str = "~ fitted(.)"
    fixed: Mapping[str, Values] | None = None
    r_name: ClassVar[str] = "varConstProp"
    description: ClassVar[str | None] = "Constant plus proportion of variance covariate"
    two_parts = True

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        v = covariate_of(coords, "varConstProp")
        kinds = {"const": (POSITIVE, 0.1, self.const), "prop": (REAL, 0.1, self.prop)}
        return self._expand(kinds, coords, {"prop": _spread(v)})

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        s = len(coords.strata)
        const, prop = (_by_stratum(par, coords.stratum, s, offset) for offset in (0, s))
        return 0.5 * xp.log(const**2 + (prop * coords.covariate) ** 2)

    def normalised(self, par: np.ndarray, start: np.ndarray, coords: Any) -> np.ndarray:
        if self.fixed:
            return par
        begun, ended = (np.mean(np.exp(2 * self.log_sd(p, coords))) for p in (start, par))
        return np.asarray(par * np.sqrt(begun / ended))

    def default_priors(self, coords: Any) -> tuple[DefaultPrior, ...]:
        """Of the proportion of either sign, in units of the covariate's size unless it is given."""
        own = self.parameters(coords)
        size = float(np.sqrt(np.mean(np.square(coords.covariate)))) or 1.0
        out = [p.default_prior() for p in own]
        for j, prop in enumerate(own[len(own) // 2 :], len(own) // 2):
            unit = 1.0 if self.prop is not None and prop.start != 0.0 else size
            out[j] = log_normal(np.log(abs(prop.start) or 1.0) - np.log(unit))
        return tuple(out)
