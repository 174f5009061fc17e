"""Toeplitz correlation: one correlation for every lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import DataError, SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import Parameter, RowStructure, Values, as_named
from bayeslme.structures.correlation.base import CorStruct, Pairs, follows
from bayeslme.structures.correlation.partial import draw_partials, log_volume
from bayeslme.structures.correlation.positions import CorrelationGroups
from bayeslme.structures.supports import CORRELATION, Interval, Namespace


@dataclass(frozen=True, slots=True)
class BandedCorrelation(Interval):
    """One of the correlations of a Toeplitz matrix that is 0 from some lag on.

    Parameters
    ----------
    size : int
        Rows of the matrix that has to be positive definite.
    """

    lower: float = -1.0
    upper: float = 1.0
    size: int = 0


@dataclass(frozen=True)
class CorToep(CorStruct):
    """Toeplitz: a correlation of its own for every lag of whole-number times.

    Parameters
    ----------
    value : sequence of floats, optional
        Starting correlations at lags 1, 2, ...; zeros by default.
    form : str
        ``"~ visit | g"``; without a time the order of the rows counts.
    bands : int, optional
        Bands that are not 0, the diagonal counted, as in SAS's TOEP(k): ``bands=2`` has the
        correlation of neighbours alone. All by default.
    fixed : bool
    by : str, optional
        A factor that is constant within groups: each of its levels has parameters of its own.

    Notes
    -----
    All matrices that are positive definite are reached. Without `bands` it is through partial
    autocorrelations (Barndorff-Nielsen and Schou 1973, J. Multivar. Anal. 3, 408). With `bands` the
    region is convex around zero, and u goes to u / (1 + s), where -s is the smallest eigenvalue of
    the matrix with zeros on its diagonal and u beside it. The default prior is uniform on the
    region. Lags are counted in their common divisor: at ages 8, 10, 12 and 14 there are three, and
    their correlations are Rho2, Rho4 and Rho6.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> data["visit"] = (data["age"] - 6) / 2
    >>> fit = bayeslme.gls("distance ~ age", data, correlation=CorToep(form="~ visit | Subject"))
    >>> fit.correlation_coef.round(2).to_dict()
    {'Rho1': 0.71, 'Rho2': 0.74, 'Rho3': 0.56}
    """

    value: Values = None
    form: str = "~ 1"
    bands: int | None = None
    fixed: bool = False
    r_name: ClassVar[str] = "corToep"
    mmrm_names: ClassVar[Mapping[str, bool]] = {"toep": False, "toeph": True}
    description: ClassVar[str | None] = "Toeplitz"
    needs_integers = True
    several_maxima = True

    def __post_init__(self) -> None:
        bands = self.bands
        if bands is None:
            return
        if isinstance(bands, bool) or int(bands) != bands or bands < 2:  # noqa: PLR2004
            msg = f"corToep: bands counts the diagonal and is a whole number above 1, not {bands!r}"
            raise SpecError(msg)
        object.__setattr__(self, "bands", int(bands))

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        longest = round(float(coords.extent("euclidean")) / coords.unit)
        lags = longest if self.bands is None else min(self.bands - 1, longest)
        most = settings.STRUCTURES.max_lags
        if not 0 < lags <= most:
            msg = (
                f"corToep: the data have {lags} lags, and at most {most} correlations can be "
                "estimated; give bands=, or use CorAR1 or CorARMA"
                if lags
                else "corToep: no group has two rows, no correlation can be estimated"
            )
            raise DataError(msg)
        support = CORRELATION if lags == longest else BandedCorrelation(size=longest + 1)
        names = [f"Rho{(k + 1) * round(coords.unit)}" for k in range(lags)]
        start = as_named(self.value, names, "corToep value", repeat=False)
        out = tuple(Parameter(n, support, start.get(n, 0.0), held=self.fixed) for n in names)
        if not self.admissible(np.array([p.start for p in out]), out):
            raise SpecError("corToep: the value is not a positive definite correlation matrix")
        return out

    def unit(self, groups: CorrelationGroups) -> float:
        """The common divisor of all lags: correlations at others are not in the data."""
        steps = np.rint(groups.step[~groups.first] * groups.unit).astype(np.int64)
        return float(max(1, int(np.gcd.reduce(steps)))) if len(steps) else 1.0

    def constrain(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        return _region(parameters).constrain(u, xp)

    def unconstrain(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        return _region(parameters).unconstrain(par)

    def log_jacobian(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        return _region(parameters).log_jacobian(u, xp)

    def uniform_draws(
        self, parameters: tuple[Parameter, ...], n: int, rng: np.random.Generator
    ) -> np.ndarray | None:
        return _region(parameters).uniform_draws(n, rng)

    def log_region(self, parameters: tuple[Parameter, ...]) -> float | None:
        return _region(parameters).log_volume()

    def admissible(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        return np.asarray(np.isfinite(self.unconstrain(par, parameters)).all(axis=-1))

    def to_interval_scale(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        return RowStructure.unconstrain(self, par, parameters)

    def from_interval_scale(self, u: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        return np.asarray(RowStructure.constrain(self, u, parameters))

    def linear_with(self, strata: np.ndarray, groups: CorrelationGroups) -> bool:
        return follows(strata, np.zeros(groups.n))

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        lags = np.rint(pairs.distance).astype(int)
        between = np.rint(pairs.distance * pairs.unit) % pairs.unit != 0  # unknown
        beyond = np.nan if self.bands is None else 0.0  # unknown, or none
        known = par.type.shape[-1] if hasattr(par, "type") else par.shape[-1]
        values = par[..., np.clip(lags, 1, known) - 1]
        if lags.max() > known:
            values = xp.where(lags > known, beyond, values)
        return xp.where(between, np.nan, values) if between.any() else values


@dataclass(frozen=True, slots=True)
class _AllLags:
    """The region of the correlations of all lags, by partial autocorrelations."""

    lags: int

    def constrain(self, u: Array, xp: Namespace) -> Array:
        return _autocorrelations(xp.tanh(u / 2), self.lags, xp)

    def unconstrain(self, par: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(2 * np.arctanh(_partials(par)))

    @property
    def powers(self) -> np.ndarray:
        """Of 1 - r^2 in the derivative of the correlations by each partial one, r."""
        return np.arange(self.lags - 1.0, -1.0, -1.0)

    def log_jacobian(self, u: Array, xp: Namespace) -> Array:
        logs = CORRELATION.log_jacobian(u, xp)  # log of (1 - r^2) / 2
        terms = [(e + 1) * logs[..., j] + e * np.log(2.0) for j, e in enumerate(self.powers)]
        return sum(terms[1:], terms[0])

    def uniform_draws(self, n: int, rng: np.random.Generator) -> np.ndarray | None:
        partials = draw_partials(self.powers, n, rng)
        return np.asarray(_autocorrelations(partials, self.lags, NUMPY))

    def log_volume(self) -> float | None:
        return log_volume(self.powers)


@dataclass(frozen=True, slots=True)
class _Bands:
    """The region of a matrix (size, size) with bands, convex around zero."""

    lags: int
    size: int

    def constrain(self, u: Array, xp: Namespace) -> Array:
        return u / (1.0 + _least_share(u, self.size, xp))[..., None]

    def unconstrain(self, par: np.ndarray) -> np.ndarray:
        left = 1.0 - _least_share(par, self.size, NUMPY)[..., None]
        return np.asarray(np.where(left > 0, par / np.where(left > 0, left, 1.0), np.nan))

    def log_jacobian(self, u: Array, xp: Namespace) -> Array:
        return -(self.lags + 1) * xp.log1p(_least_share(u, self.size, xp))

    def uniform_draws(self, n: int, rng: np.random.Generator) -> np.ndarray | None:
        return None

    def log_volume(self) -> float | None:
        return None


def _region(parameters: tuple[Parameter, ...]) -> _AllLags | _Bands:
    support, lags = parameters[0].support, len(parameters)
    if isinstance(support, BandedCorrelation):
        return _Bands(lags, support.size)
    return _AllLags(lags)


def _autocorrelations(partials: Array, lags: int, xp: Namespace) -> Array:
    """Autocorrelations (..., lags) by the recursion of Durbin and Levinson."""
    rho = phi = partials[..., :1]
    left = 1.0 - partials[..., :1] ** 2
    for k in range(1, lags):
        r = partials[..., k : k + 1]
        known = (phi * rho[..., ::-1]).sum(axis=-1)[..., None]
        rho = xp.concatenate([rho, r * left + known], axis=-1)
        phi = xp.concatenate([phi - r * phi[..., ::-1], r], axis=-1)
        left = left * (1.0 - r * r)
    return rho


def _partials(rho: np.ndarray) -> np.ndarray:
    """Inverse of ``_autocorrelations``."""
    out: list[np.ndarray] = []
    phi: list[np.ndarray] = []
    left: Any = 1.0
    for k in range(rho.shape[-1]):
        known = sum(a * rho[..., k - 1 - j] for j, a in enumerate(phi))
        r = (rho[..., k] - known) / left
        phi = [a - r * b for a, b in zip(phi, reversed(phi), strict=True)] + [r]
        left = left * (1.0 - r * r)
        out.append(r)
    return np.stack(out, axis=-1)


def _least_share(u: Array, size: int, xp: Namespace) -> Array:
    """Minus the smallest eigenvalue (...) of Toeplitz matrices of u (..., k) beside a zero line."""
    lag = np.abs(np.arange(size)[:, None] - np.arange(size))
    known = u.type.shape[-1] if hasattr(u, "type") else u.shape[-1]
    inside = (lag > 0) & (lag <= known)
    matrix = xp.where(inside, u[..., np.where(inside, lag, 1) - 1], 0.0)
    return -xp.smallest_eigenvalue(matrix)
