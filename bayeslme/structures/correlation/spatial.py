"""Spatial correlation as a function of distance over range, with an optional nugget.

Pinheiro and Bates (2000), section 5.3.2.
With a nugget n two residuals apart have correlation (1 - n) h(d / range).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import Parameter, Values, as_named
from bayeslme.structures.correlation.base import CorStruct, Pairs, whiten_markov
from bayeslme.structures.correlation.positions import METRICS, CorrelationGroups
from bayeslme.structures.supports import UNIT, Above, Namespace, Positive, length_in


@dataclass(frozen=True)
class _Spatial(CorStruct):
    """Arguments of every spatial structure.

    Parameters
    ----------
    value : sequence of floats, optional
        Range, and the nugget where there is one.
    form : str
        ``"~ x + y | g"``.
    nugget : bool
        Estimate a nugget effect.
    metric : {"euclidean", "maximum", "manhattan"}
        Abbreviations are understood.
    fixed : bool
    """

    value: Values = None
    form: str = "~ 1"
    nugget: bool = False
    metric: Literal["euclidean", "maximum", "manhattan"] | str = "euclidean"
    fixed: bool = False
    spatial = True
    smooth: ClassVar[int] = 1  # power of distance by which correlations begin to fall

    def twins(self, par: np.ndarray) -> list[np.ndarray]:
        """With a shorter and with a longer range, and the same fall of correlations at first."""
        shorter = settings.STRUCTURES.shorter_range
        return [self._with_range(par, share) for share in (shorter, 1.0 / shorter)]

    def _with_range(self, par: np.ndarray, share: float) -> np.ndarray:
        """The range times `share`, sigma^2 nugget and sigma^2 (1 - nugget) / range kept."""
        out = np.array(par, float)
        out[0] *= share
        if self.nugget:
            out[1] = out[1] / (out[1] + share**self.smooth * (1.0 - out[1]))
        return out

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        extent, length = coords.extent(self.metric), par[0] * coords.unit
        known = settings.STRUCTURES
        certain = self.fixed or error[0] < known.uncertain_log_range
        least = 1.0 if np.isinf(error[0]) else known.far_range  # infinite where a twin fits as well
        if certain or not length > least * extent > 0.0:
            return ()
        beyond = "far beyond" if length > known.far_range * extent else "beyond"
        power = "" if self.smooth == 1 else f"^{self.smooth}"
        part = "sigma^2 (1 - nugget)" if self.nugget else "sigma^2"
        return (
            f"{self.r_name}: the range of {length:.4g} is {beyond} the largest distance "
            f"within groups, {extent:.4g}: the data tell only how correlations begin to fall, "
            f"{part} / range{power}, not range and sigma themselves",
        )

    def __post_init__(self) -> None:
        full = [m for m in METRICS if m.startswith(str(self.metric).lower())]
        if len(full) != 1:
            msg = f"{self.r_name}: metric must be one of {', '.join(METRICS)}, not {self.metric!r}"
            raise SpecError(msg)
        object.__setattr__(self, "metric", full[0])

    @abstractmethod
    def decay(self, ratio: Array, xp: Namespace) -> Array:
        """Correlation at distance / range = ``ratio`` > 0, elementwise."""

    def unit(self, groups: CorrelationGroups) -> float:
        return groups.near_unit

    def _range(self, least: float) -> tuple[Positive | Above, float]:
        """Support and starting value of the range, from the smallest distance."""
        return Positive(), 0.9 * least

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        least = coords.minimum_distance(self.metric)
        if least <= 0:
            msg = f"{self.r_name}: two rows of one group have the same position; keep one of them"
            raise SpecError(msg)
        support, start = self._range(least if np.isfinite(least) else 1.0)
        names = ["range", "nugget"] if self.nugget else ["range"]
        given = self.value
        if self.nugget and _is_single(given):
            given = {"range": float(np.ravel(np.asarray(given))[0])}
        value = as_named(given, names, f"{self.r_name} value")
        shown = length_in(coords.unit)
        begin = float(shown.inside(value["range"])) if "range" in value else start
        out = [Parameter("range", support, begin, held=self.fixed, shown=shown)]
        if self.nugget:
            out.append(Parameter("nugget", UNIT, value.get("nugget", 0.1), held=self.fixed))
        return tuple(out)

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        values = self.decay(pairs.distance / par[..., 0][..., None, None, None], xp)
        return (1.0 - par[..., 1][..., None, None, None]) * values if self.nugget else values


def _is_single(value: Values) -> bool:
    """Whether a value gives the range only."""
    return value is not None and not isinstance(value, Mapping) and np.size(np.asarray(value)) == 1


@dataclass(frozen=True)
class CorExp(_Spatial):
    """Exponential.

    With h(r) = exp(-r). On a line without nugget it is a Markov process, whitened in linear time.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme(
    ...     "weight ~ Time * Diet", data, "~ Time | Rat", correlation=CorExp(form="~ Time")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'range': 3.65}
    """

    r_name: ClassVar[str] = "corExp"
    mmrm_names: ClassVar[Mapping[str, bool]] = {"sp_exp": False}
    description: ClassVar[str | None] = "Exponential spatial correlation"

    def decay(self, ratio: Array, xp: Namespace) -> Array:
        return xp.exp(-ratio)

    def memory(self, groups: CorrelationGroups) -> int | None:
        return None if self.nugget or groups.position.shape[1] > 1 else 1

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        if self.memory(groups) is None:
            return self.whiten_dense(w, par, groups, xp)
        return whiten_markov(w, xp.exp(-groups.step / par[..., :1]), groups, xp)


@dataclass(frozen=True)
class CorMatern(_Spatial):
    """Matern, of half-whole smoothness.

    With h = distance / range, exp(-h) for nu = 0.5, (1 + h) exp(-h) for 1.5 and (1 + h + h^2 / 3)
    exp(-h) for 2.5.

    Parameters
    ----------
    value, form, nugget, metric, fixed
        As of ``CorExp``.
    nu : {0.5, 1.5, 2.5}
        Smoothness; 0.5 is ``CorExp``.
    by : str, optional
        A factor that is constant within groups: each of its levels has parameters of its own.

    References
    ----------
    Stein, M. L. (1999), Interpolation of Spatial Data, Springer, section 2.10.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme(
    ...     "weight ~ Time * Diet", data, "~ Time | Rat", correlation=CorMatern(form="~ Time")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'range': 0.83}
    """

    nu: float = 1.5
    r_name: ClassVar[str] = "corMatern"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nu not in (0.5, 1.5, 2.5):
            raise SpecError(f"corMatern: nu is 0.5, 1.5 or 2.5, not {self.nu!r}")

    @property
    def smooth(self) -> int:  # type: ignore[override]
        return 1 if self.nu == 0.5 else 2  # noqa: PLR2004 - correlations begin to fall by h, or h^2

    def decay(self, ratio: Array, xp: Namespace) -> Array:
        more = {0.5: 1.0, 1.5: 1.0 + ratio, 2.5: 1.0 + ratio + ratio**2 / 3.0}[float(self.nu)]
        return more * xp.exp(-ratio)


@dataclass(frozen=True)
class CorGaus(_Spatial):
    """Gaussian: h(r) = exp(-r^2).

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme(
    ...     "weight ~ Time * Diet", data, "~ Time | Rat", correlation=CorGaus(form="~ Time")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'range': 1.54}
    """

    smooth = 2
    r_name: ClassVar[str] = "corGaus"
    mmrm_names: ClassVar[Mapping[str, bool]] = {"sp_gau": False}
    description: ClassVar[str | None] = "Gaussian spatial correlation"

    def decay(self, ratio: Array, xp: Namespace) -> Array:
        return xp.exp(-(ratio * ratio))


@dataclass(frozen=True)
class CorRatio(_Spatial):
    """Rational quadratic: h(r) = 1 / (1 + r^2).

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme(
    ...     "weight ~ Time * Diet", data, "~ Time | Rat", correlation=CorRatio(form="~ Time")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'range': 1.48}
    """

    smooth = 2
    r_name: ClassVar[str] = "corRatio"
    description: ClassVar[str | None] = "Rational quadratic spatial correlation"

    def decay(self, ratio: Array, xp: Namespace) -> Array:
        return 1.0 / (1.0 + ratio * ratio)


@dataclass(frozen=True)
class _Compact(_Spatial):
    """Correlation that ends at the range.

    The range is then kept above the smallest distance, as below it nothing would be correlated.
    """

    compact = True

    def unit(self, groups: CorrelationGroups) -> float:
        return groups.near_unit

    def _range(self, least: float) -> tuple[Positive | Above, float]:
        return Above(least), 1.1 * least


@dataclass(frozen=True)
class CorLin(_Compact):
    """Linear: h(r) = 1 - r for r < 1, else 0.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme(
    ...     "weight ~ Time * Diet", data, "~ Time | Rat", correlation=CorLin(form="~ Time")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'range': 2.9}
    """

    kinked = True
    r_name: ClassVar[str] = "corLin"
    description: ClassVar[str | None] = "Linear spatial correlation"

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        found = super().remarks(par, error, coords)
        dimensions = coords.position.shape[1]
        if dimensions == 1:
            return found
        return (
            f"corLin is a correlation on a line only: with {dimensions} coordinates its matrix is "
            "positive definite at some positions and not at others; use corSpher",
            *found,
        )

    def decay(self, ratio: Array, xp: Namespace) -> Array:
        return xp.where(ratio < 1.0, 1.0 - ratio, 0.0)


@dataclass(frozen=True)
class CorSpher(_Compact):
    """Spherical: h(r) = 1 - 1.5 r + 0.5 r^3 for r < 1, else 0.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme(
    ...     "weight ~ Time * Diet", data, "~ Time | Rat", correlation=CorSpher(form="~ Time")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'range': 4.27}
    """

    r_name: ClassVar[str] = "corSpher"
    description: ClassVar[str | None] = "Spherical spatial correlation"

    def decay(self, ratio: Array, xp: Namespace) -> Array:
        return xp.where(ratio < 1.0, 1.0 - 1.5 * ratio + 0.5 * ratio**3, 0.0)
