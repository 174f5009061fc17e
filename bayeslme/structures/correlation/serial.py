"""Serial correlation: autoregression in discrete and continuous time, ARMA, compound symmetry.

Box, Jenkins and Reinsel (1994), chapter 3; Pinheiro and Bates (2000), section 5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import Bound, DefaultPrior, Parameter, Values, as_named
from bayeslme.structures.correlation.arma import (
    autocorrelations,
    coefficients_to_partials,
    partials_to_coefficients,
    whiten_regular,
)
from bayeslme.structures.correlation.base import (
    CorStruct,
    Pairs,
    follows,
    half_logdet_by_group,
    whiten_markov,
)
from bayeslme.structures.correlation.colouring import colour_arma, colour_exchangeable
from bayeslme.structures.correlation.positions import CorrelationGroups, counted_as_one
from bayeslme.structures.supports import (
    CORRELATION,
    REAL,
    UNIT,
    Interval,
    Namespace,
    correlation_of,
    start_inside,
)


def _printed_as_one(over_unit: float, unit: float) -> tuple[str, ...]:
    """Say what a correlation of times 1 apart is that is printed as 1.

    Parameters
    ----------
    over_unit : float
        The correlation of times `unit` apart.
    unit : float
    """
    if not over_unit > 0.0:
        return ()
    less = float(-np.expm1(np.log(over_unit) / unit))
    if not 0.0 < less < settings.STRUCTURES.prints_as_one:
        return ()
    return (
        f"Phi, the correlation of times 1 apart, is less than 1 by {less:.4g}; of times {unit:.6g} "
        f"apart it is {over_unit:.4g}",
    )


def _unit_of_lags(groups: CorrelationGroups) -> float:
    """How many whole steps are counted as one."""
    return counted_as_one(_lags(groups))


def _lags(groups: CorrelationGroups) -> np.ndarray:
    """Whole steps (m,) between neighbours."""
    lags = np.rint(groups.step[~groups.first] * groups.unit).astype(np.int64)
    return np.asarray(lags[lags > 0])


FEW_LAGS = 4  # rows for each different lag from which on powers are taken of the lags alone


def _all_even(groups: CorrelationGroups) -> bool:
    """Whether no two rows of a group are an odd number of steps apart."""
    lags = _lags(groups)
    return bool(len(lags)) and not np.any(lags % 2)


def autoregression(name: str, given: float, unit: float, *, held: bool) -> Parameter:
    """Phi of a first-order autoregression, inside Phi^unit: positive where the unit is even."""
    support = UNIT if unit % 2 == 0 else CORRELATION
    shown = correlation_of(unit)
    begin = start_inside(shown, given, support, usual=0.0)
    return Parameter(name, support, begin, held=held, shown=shown)


def power_of(par: Array, distance: np.ndarray, unit: float, xp: Namespace) -> Array:
    """Correlation at distances in a unit: Phi^lag of the number inside, Phi^unit."""
    if not xp.symbolic and np.ndim(distance) == 1 and np.size(par) > 1:
        lags, place = np.unique(distance, return_inverse=True)
        if len(lags) * FEW_LAGS <= len(distance):  # powers take longer than copies
            return np.take(power_of(par, lags, unit, xp), place, axis=-1)
    if unit == 1.0:
        return par**distance
    size = xp.abs(par) ** distance
    odd = np.rint(distance * unit) % 2 == 1
    return xp.where(odd, xp.sign(par) * size, size)


@dataclass(frozen=True)
class CorAR1(CorStruct):
    """First-order autoregression at whole-number times: corr = Phi^lag.

    Parameters
    ----------
    value : float
        Starting value of Phi, in (-1, 1).
    form : str
        ``"~ t | g"``; without a time the order of the rows counts.
    fixed : bool
        Hold Phi at ``value``.

    Notes
    -----
    Gaps in time count by their length, so a missing visit is no neighbour. The process is Markov
    for any gap, so whitening is a scaled first difference of the rows, linear in n.
    Where all gaps are even, -Phi has the same likelihood as Phi, and the positive one is meant.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Ovary")
    >>> fit = bayeslme.lme(
    ...     "follicles ~ sin(2 * pi * Time)", data, "~ 1 | Mare", correlation=CorAR1()
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'Phi': 0.62}
    """

    value: Values = 0.0
    form: str = "~ 1"
    fixed: bool = False
    r_name: ClassVar[str] = "corAR1"
    mmrm_names: ClassVar[Mapping[str, bool]] = {"ar1": False, "ar1h": True}
    description: ClassVar[str | None] = "AR(1)"
    needs_integers = True

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        start = as_named(self.value, ["Phi"], "corAR1 value")
        return (autoregression("Phi", start.get("Phi", 0.0), coords.unit, held=self.fixed),)

    def unit(self, groups: CorrelationGroups) -> float:
        return 1.0 if self.fixed else _unit_of_lags(groups)

    def mirrored(self, coords: Any) -> np.ndarray:
        return np.array([_all_even(coords)])

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        return _printed_as_one(float(par[0]), coords.unit)

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        return power_of(par[..., 0][..., None, None, None], pairs.distance, pairs.unit, xp)

    def memory(self, groups: CorrelationGroups) -> int | None:
        return 1

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        return whiten_markov(w, power_of(par[..., :1], groups.step, groups.unit, xp), groups, xp)


@dataclass(frozen=True)
class CorCAR1(CorStruct):
    """First-order autoregression in continuous time: corr = Phi^|s - t|, 0 < Phi < 1.

    Parameters
    ----------
    value : float
        Starting value of Phi, the correlation of two residuals one unit of time apart.
    form, fixed
        As in ``CorAR1``.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("BodyWeight")
    >>> fit = bayeslme.lme(
    ...     "weight ~ Time * Diet", data, "~ Time | Rat", correlation=CorCAR1(form="~ Time")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'Phi': 0.76}
    """

    value: Values = 0.2
    form: str = "~ 1"
    fixed: bool = False
    r_name: ClassVar[str] = "corCAR1"
    description: ClassVar[str | None] = "Continuous AR(1)"

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        start = as_named(self.value, ["Phi"], "corCAR1 value")
        apart = coords.step[~coords.first & (coords.step > 0)]
        # At this Phi the correlation of the closest rows is as near to 0 as other parameters may be
        # to a bound.
        near = settings.STRUCTURES.boundary_distance ** (1.0 / np.min(apart, initial=np.inf))
        shown = correlation_of(coords.unit)
        begin = start_inside(shown, start.get("Phi", 0.2), UNIT, usual=0.2)
        return (Parameter("Phi", UNIT, begin, held=self.fixed, edge=near, shown=shown),)

    def default_priors(self, coords: CorrelationGroups) -> tuple[DefaultPrior, ...]:
        """Of Phi the prior under which the correlation one median step apart is uniform."""
        return (DefaultPrior("Beta", (("alpha", coords.median_step), ("beta", 1.0))),)

    def unit(self, groups: CorrelationGroups) -> float:
        return 1.0 if self.fixed else groups.near_unit

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        return _printed_as_one(float(par[0]), coords.unit)

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        return xp.exp(xp.log(par[..., 0])[..., None, None, None] * pairs.distance)

    def memory(self, groups: CorrelationGroups) -> int | None:
        return 1

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        return whiten_markov(w, xp.exp(xp.log(par[..., :1]) * groups.step), groups, xp)


@dataclass(frozen=True)
class CorARMA(CorStruct):
    """Autoregressive moving average of order (p, q) at whole-number times.

    e_t = sum phi_i e_(t-i) + a_t + sum theta_j a_(t-j).

    Parameters
    ----------
    value : sequence of p + q floats, optional
        Starting values, phi first; zeros by default.
    form : str
    p, q : int
        Orders, not both zero.
    fixed : bool

    Notes
    -----
    Both parts are kept stationary and invertible through partial autocorrelations (Jones 1980,
    Technometrics 22; Monahan 1984, Biometrika 71): phi by its own, theta by those of the
    autoregression with coefficients -theta, whose polynomial 1 + theta_1 B + ... is the invertible
    one. nlme's autocorrelations for q > p >= 1 are wrong from lag p + 1 on; these are the true
    ones. Of orders (1, 0) it is ``CorAR1``, and its coefficient is named as there, ``Phi``. Where
    all lags are even, the coefficients of odd order may change their signs together; the first of
    them that is not zero is positive.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Ovary")
    >>> fit = bayeslme.lme(
    ...     "follicles ~ sin(2 * pi * Time)", data, "~ 1 | Mare", correlation=CorARMA(p=1, q=1)
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'Phi1': 0.81, 'Theta1': -0.28}
    """

    value: Values = None
    form: str = "~ 1"
    p: int = 0
    q: int = 0
    fixed: bool = False
    r_name: ClassVar[str] = "corARMA"
    needs_integers = True

    @property
    def several_maxima(self) -> bool:  # type: ignore[override]
        """From order 2 on: phi and theta may stand in for one another."""
        return max(self.p, self.q) > 1

    def __post_init__(self) -> None:
        for name in ("p", "q"):
            order = getattr(self, name)
            if isinstance(order, bool) or int(order) != order or order < 0:
                msg = f"corARMA: {name} must be a whole number, 0 or more, not {order!r}"
                raise SpecError(msg)
            object.__setattr__(self, name, int(order))
        if self.p + self.q == 0:
            msg = "corARMA: at least one of the orders p and q must be positive"
            raise SpecError(msg)
        most = settings.STRUCTURES.max_arma_coefficients
        if self.p + self.q > most:
            msg = (
                f"corARMA: the orders p = {self.p}, q = {self.q} have more than {most} coefficients"
            )
            raise SpecError(f"{msg}, the most that can be estimated; use lower orders")

    def require(self, coords: Any) -> None:
        largest = int(coords.extent("euclidean"))
        nearest = coords.minimum_distance("euclidean") if largest else 0.0
        if not self.fixed and not self._first_order and nearest > settings.STRUCTURES.max_arma_step:
            raise SpecError(
                f"corARMA: times are whole steps of the process, and all rows of a group are "
                f"{nearest:.15g} or more steps apart; divide the times by their common step, as in "
                f"~ I(time / {nearest:.15g}), or use CorCAR1"
            )
        if not self.fixed and max(self.p, self.q) > largest:
            order = f"p = {self.p}, q = {self.q}"
            most = f"at most {largest}" if largest else "none, as no group has two"
            raise SpecError(
                f"corARMA: the orders {order} need rows of one group that are as many steps apart; "
                f"the data allow {most}"
            )

    @property
    def label(self) -> str:
        first_order = CorAR1.description or CorAR1.r_name
        return first_order if self._first_order else f"ARMA({self.p},{self.q})"

    @property
    def reaches_one(self) -> bool:
        return self.p > 0

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        names = [f"Phi{i + 1}" for i in range(self.p)] + [f"Theta{j + 1}" for j in range(self.q)]
        if self._first_order:  # R's corARMA(p = 1) is a corAR1
            names = ["Phi"]
        start = as_named(self.value, names, "corARMA value", repeat=False)
        given = np.array([start.get(n, 0.0) for n in names])
        for part, sign, what in (
            (given[: self.p], 1, "stationary"),
            (given[self.p :], -1, "invertible"),
        ):
            if not np.all(np.abs(coefficients_to_partials(sign * part)) < 1):
                msg = f"corARMA: the value {part.tolist()} is not {what}"
                raise SpecError(msg)
        if self._first_order:
            return (autoregression("Phi", float(given[0]), coords.unit, held=self.fixed),)
        support = (
            CORRELATION if max(self.p, self.q) == 1 else REAL
        )  # the region of higher orders is joint, no box
        return tuple(
            Parameter(n, support, v, held=self.fixed) for n, v in zip(names, given, strict=True)
        )

    @property
    def _first_order(self) -> bool:
        return (self.p, self.q) == (1, 0)

    def unit(self, groups: CorrelationGroups) -> float:
        return _unit_of_lags(groups) if self._first_order and not self.fixed else 1.0

    def starts(self, bound: Bound) -> list[np.ndarray]:
        """The usual ones, and where rows are some steps apart, correlations that last as long."""
        out = super().starts(bound)
        nearest = bound.coords.minimum_distance("euclidean")
        if self._first_order or not self.p or not 1.0 < nearest < np.inf or not len(bound.free):
            return out
        for over_gap, moving in settings.STRUCTURES.arma_starts_over_gaps:
            one = np.zeros(self.p + self.q)
            one[0] = 2.0 * np.arctanh(over_gap ** (1.0 / nearest))
            if self.q:
                one[self.p] = 2.0 * np.arctanh(moving)
            out.append(one)
        return out

    def mirrored(self, coords: Any) -> np.ndarray:
        """Where all lags are even: the coefficients of odd order.

        Turning every other step of time over changes their signs, and no correlation at an even
        lag.
        """
        odd = np.concatenate([np.arange(self.p), np.arange(self.q)]) % 2 == 0
        return np.asarray(odd & _all_even(coords))

    def at_end(self, u: np.ndarray) -> np.ndarray:
        """The moving average's partial autocorrelations may run to 1; those of phi may not."""
        near, end = 2 * np.arctanh([settings.STRUCTURES.near_end, settings.STRUCTURES.end])
        ends = (np.arange(len(u)) >= self.p) & (np.abs(u) > near)
        return np.where(ends, np.copysign(end, u), u)

    def constrain(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        if self._first_order:
            return super().constrain(u, parameters, xp)
        partials = xp.tanh(u / 2)
        phi = partials_to_coefficients(partials[..., : self.p], self.p)
        minus_theta = partials_to_coefficients(-partials[..., self.p :], self.q)
        return xp.stack([*phi, *(-column for column in minus_theta)], axis=-1)

    def log_jacobian(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        if self._first_order:
            return super().log_jacobian(u, parameters, xp)
        logs = CORRELATION.log_jacobian(u, xp)
        total = sum((logs[..., j] for j in range(1, self.p + self.q)), logs[..., 0])
        for order, own in ((self.p, u[..., : self.p]), (self.q, -u[..., self.p :])):
            for k in range(1, order):  # the step to k + 1 coefficients: I - r J, J the reversal
                size = xp.abs(own[..., k])
                up = -xp.log1p(xp.exp(-size)) + 0.5 * (own[..., k] - size)  # log (1 + r) / 2
                down = up - own[..., k]
                plus, minus = k // 2, (k + 1) // 2
                total = total + plus * up + minus * down + k * np.log(2.0)
        return total

    def unconstrain(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        if self._first_order:
            return super().unconstrain(par, parameters)
        partials = [
            coefficients_to_partials(par[..., : self.p]),
            -coefficients_to_partials(-par[..., self.p :]),
        ]
        return 2 * np.arctanh(np.concatenate(partials, axis=-1))

    def to_interval_scale(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        """As in nlme the unconstrained scale, that of the partial autocorrelations."""
        if self._first_order:
            return super().to_interval_scale(par, parameters)
        return self.unconstrain(par, parameters)

    def from_interval_scale(self, u: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        if self._first_order:
            return super().from_interval_scale(u, parameters)
        return np.asarray(self.constrain(u, parameters))

    def admissible(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.isfinite(self.unconstrain(par, parameters)).all(axis=-1))

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        return _printed_as_one(float(par[0]), coords.unit) if self._first_order else ()

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        if self._first_order:
            return power_of(par[..., 0][..., None, None, None], pairs.distance, pairs.unit, xp)
        lags = np.rint(pairs.distance).astype(int)
        rho = autocorrelations(
            par[..., : self.p], par[..., self.p :], self.p, self.q, int(lags.max()), xp
        )
        return rho[..., lags]

    def memory(self, groups: CorrelationGroups) -> int | None:
        if self._first_order:
            return 1
        return self.p if self.q == 0 and groups.regular else None

    def dense(self, groups: CorrelationGroups) -> bool:
        return not (self._first_order or groups.regular)

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        if self._first_order:
            r = power_of(par[..., :1], groups.step, groups.unit, xp)
            return whiten_markov(w, r, groups, xp)
        if xp.symbolic or not groups.regular:
            return self.whiten_dense(w, par, groups, xp)
        return whiten_regular(w, par[..., : self.p], par[..., self.p :], groups)

    def colour(self, z: np.ndarray, par: np.ndarray, groups: CorrelationGroups) -> np.ndarray:
        if self.memory(groups) is None and groups.regular:
            return colour_arma(z, par[:, : self.p], par[:, self.p :], groups)
        return super().colour(z, par, groups)


@dataclass(frozen=True)
class CorCompSymm(CorStruct):
    """Compound symmetry: one correlation for every pair of a group.

    Parameters
    ----------
    value : float
        Starting value of Rho.
    form : str
        ``"~ 1 | g"``.
    fixed : bool

    Notes
    -----
    Rho may be negative, down to -1 / (m - 1) for the largest group of m rows. The Cholesky factor's
    inverse is a running mean, linear in n.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.gls(
    ...     "distance ~ age", data, correlation=CorCompSymm(form="~ 1 | Subject")
    ... )
    >>> fit.correlation_coef.round(2).to_dict()
    {'Rho': 0.69}
    """

    value: Values = 0.0
    form: str = "~ 1"
    fixed: bool = False
    r_name: ClassVar[str] = "corCompSymm"
    mmrm_names: ClassVar[Mapping[str, bool]] = {"cs": False, "csh": True}
    description: ClassVar[str | None] = "Compound symmetry"
    uses_positions = False

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        largest = int(coords.sizes.max())
        lower = -1.0 / (largest - 1) if largest > 1 else -1.0
        start = as_named(self.value, ["Rho"], "corCompSymm value")
        return (Parameter("Rho", Interval(lower, 1.0), start.get("Rho", 0.0), held=self.fixed),)

    def linear_with(self, strata: np.ndarray, groups: CorrelationGroups) -> bool:
        return follows(strata, np.zeros(groups.n))

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        return par[..., 0][..., None, None, None] * np.ones(pairs.distance.shape)

    def dense(self, groups: CorrelationGroups) -> bool:
        return False

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        rho = par[..., :1]
        seen = groups.place
        sums = xp.cumsum(w, axis=-1) - w
        before = sums - sums[..., np.repeat(groups.starts, groups.sizes)]
        spread = 1.0 + (seen - 1.0) * rho
        spread = xp.where(seen == 0, 1.0, spread)
        variance = xp.where(seen == 0, 1.0, (1.0 - rho) * (1.0 + seen * rho) / spread)
        white = (w - (rho / spread)[..., None, :] * before) / xp.sqrt(variance)[..., None, :]
        return white, half_logdet_by_group(xp.log(variance), groups, xp)

    def colour(self, z: np.ndarray, par: np.ndarray, groups: CorrelationGroups) -> np.ndarray:
        return colour_exchangeable(z, par[:, 0], groups)
