"""Variance functions of a covariate: powers, exponentials, and both with a constant.

sd(eps_i) = sigma g(v_i, delta), as in `variance`. Pinheiro and Bates (2000), section 5.2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import DataError, SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import (
    Bound,
    DefaultPrior,
    Parameter,
    Values,
    as_named,
    log_normal,
)
from bayeslme.structures.supports import POSITIVE, REAL, Namespace
from bayeslme.structures.variance import VarFunc, covariate_of


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
    log_sd_term: ClassVar[str | None] = "np.log(np.abs({}))"

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
    log_sd_term: ClassVar[str | None] = "{}"

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
