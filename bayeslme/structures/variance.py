"""Variance functions: the standard deviation of a residual over sigma.

sd(eps_i) = sigma g(v_i, delta). Each class gives log g. Pinheiro and Bates (2000), section 5.2.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
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
)
from bayeslme.structures.supports import POSITIVE, Namespace


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
    # The term of log sd in Python's formulas, {} being the covariate; None where it is not linear.
    log_sd_term: ClassVar[str | None] = None

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
    first_argument = "form"
    description: ClassVar[str | None] = "fixed weights"
    log_sd_term: ClassVar[str | None] = "offset(np.log({}) / 2)"

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        v = covariate_of(coords, "varFixed")
        if np.any(v <= 0):
            msg = "varFixed: the covariate must be positive, it is a variance"
            raise DataError(msg)
        return ()

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        return 0.5 * xp.log(coords.covariate)

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
        return xp.log(par)[..., self._places(coords)][..., coords.stratum]

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
    r_call: ClassVar[str] = "varComb({})"
    python_call: ClassVar[str] = "VarComb({})"

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

    def with_components(self, components: Iterable[VarFunc]) -> VarComb:
        """Return a product of other functions."""
        return VarComb(*components)

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
    """Coordinates that may be symbolic (data of a model, fitted values), to count parameters by."""
    symbolic = coords.covariate is not None and not isinstance(coords.covariate, np.ndarray)
    return replace(coords, covariate=np.ones(1)) if symbolic else coords
