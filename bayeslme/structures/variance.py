"""Variance functions: the sd of a residual over sigma, from strata and covariates.

sd(eps_i) = sigma g(v_i, delta). Each class gives log g. Pinheiro and Bates (2000), section 5.2.
Those with parameters of a covariate are in ``variance_covariate``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from bayeslme.errors import DataError, SpecError
from bayeslme.ops import NUMPY, Array
from bayeslme.structures.base import Parameter, RowStructure, Values, as_named
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

    def normalised(self, par: np.ndarray, start: np.ndarray, coords: Any) -> np.ndarray:
        """Return parameters (k,) of the same weights but for a factor, which a free sigma takes.

        Parameters
        ----------
        par, start : arrays, shape (k,)
            All natural parameters where a search ended, and where it began.
        coords : VarianceCoordinates
        """
        return par


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

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        v = covariate_of(coords, "varFixed")
        if np.any(v <= 0):
            msg = "varFixed: the covariate must be positive, it is a variance"
            raise DataError(msg)
        return ()

    def log_sd(self, par: Array, coords: Any, xp: Namespace = NUMPY) -> Array:
        return xp.constant(0.5 * np.log(coords.covariate))


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
        names = {p.name: k for k, p in enumerate(self.parameters(coords))}
        place = np.array([names[s] for s in coords.strata])
        return xp.log(par)[..., place[coords.stratum]]


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


def _as_numbers(coords: Any) -> Any:
    """Coordinates whose covariate may be symbolic (fitted values), good for counting parameters."""
    symbolic = coords.covariate is not None and not isinstance(coords.covariate, np.ndarray)
    return replace(coords, covariate=np.ones(len(coords.stratum))) if symbolic else coords
