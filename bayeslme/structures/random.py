"""Covariances of random effects: cov(b) = sigma^2 Lambda Lambda', by relative factors.

The search is over the entries of the relative factor Lambda itself, signs free, so that a zero
variance or a perfect correlation is an ordinary point (Bates, Maechler, Bolker and Walker 2015, JSS
67(1), section 2). The natural parameters (standard deviations, correlations) are printed, and have
intervals and priors.

Random-effects columns are handled on a standard scale: Z = Q T with a ``basis`` T chosen by the
class, so that A = T Lambda is of order one and a covariate's units or origin do not change the path
of the optimiser.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bayeslme.arrays import NUMPY, Array, upper_factor
from bayeslme.errors import DataError, SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import Parameter
from bayeslme.structures.complete import check_random_structure
from bayeslme.structures.supports import CORRELATION, POSITIVE, Interval, Namespace

if TYPE_CHECKING:
    from bayeslme.structures.relation import Related, RelationMatrix


class PdMat(ABC):
    """Abstract positive semidefinite covariance of q random effects.

    Parameters
    ----------
    value : array, shape (q, q), optional
        Starting covariance relative to sigma^2.
    form : str
        One-sided formula of the effects, ``"~ age"``. A text given as the first argument is taken
        for it, as in nlme.

    Attributes
    ----------
    r_name : str
        Name of the R function.
    description : str or None
        What nlme prints in the place of that name.
    layout : {"row", "general", "symmetry"}
        How a page shows several effects: one row of standard deviations, all correlations, or the
        correlations of compound symmetry.
    unstructured : bool
        Whether all correlations are free.
    shares_variance : bool
        Whether the effects have one variance.
    composed : bool
        Whether it consists of independent blocks with structures of their own.
    relates_groups : bool
        Whether the effects of different groups have a covariance.
    first_argument : str
        The argument that calls may write first, without its name, as in ``pdDiag(~ x)``.
    lme4_term : str or None
        Its term in a formula of lme4, with effects and group in the place of the braces. Subclasses
        do not inherit it, since their covariances may differ: theirs is None unless they define it.
    """

    r_name: ClassVar[str]
    description: ClassVar[str | None] = None
    layout: ClassVar[Literal["row", "general", "symmetry"]] = "general"
    unstructured: ClassVar[bool] = False
    shares_variance: ClassVar[bool] = False
    composed: ClassVar[bool] = False
    relates_groups: ClassVar[bool] = False
    first_argument: ClassVar[str] = "form"
    lme4_term: ClassVar[str | None] = None
    value: Any
    form: Any

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.lme4_term = vars(cls).get("lme4_term")
        check_random_structure(cls, PdMat)

    def __post_init__(self) -> None:
        if self.form is None and (isinstance(self.value, str) or hasattr(self.value, "rhs")):
            object.__setattr__(self, "form", self.value)
            object.__setattr__(self, "value", None)
        if self.value is not None:
            value = np.atleast_2d(np.asarray(self.value, dtype=float))
            if (
                value.shape[0] != value.shape[1]
                or not np.allclose(value, value.T)
                or np.linalg.eigvalsh(value).min() < 0
            ):
                msg = f"{self.r_name}: the value must be a symmetric, positive semidefinite matrix"
                raise SpecError(msg)
            object.__setattr__(self, "value", tuple(map(tuple, value.tolist())))

    def basis(self, z: np.ndarray) -> np.ndarray:
        """Standard scale T (q, q) of the columns z (n, q).

        Here the root mean squares of the columns.
        """
        size = np.sqrt(np.mean(np.square(z), axis=0))
        return np.diag(np.where(size > 0, size, 1.0))

    @property
    def matrix(self) -> RelationMatrix | None:
        """The known covariance among groups; None where they are independent."""
        return None

    @abstractmethod
    def size(self, q: int) -> int:
        """Number of parameters for q effects."""

    def with_sizes(self, sizes: Sequence[int]) -> PdMat:
        """The structure with the number of effects of each of its formulas, known from data."""
        return self

    def related(self, groups: Sequence[str], *, ordered: bool, factor: str) -> Related | None:
        """How the effects of groups hang together; None where groups are independent.

        Parameters
        ----------
        groups : sequence of str
            Labels of the groups with rows.
        ordered : bool
            Whether these are all levels of a factor whose order cannot be mistaken.
        factor : str
            Its name, for messages.
        """
        return None

    @property
    def components(self) -> tuple[PdMat, ...]:
        """The structures it consists of: itself, or its blocks."""
        return (self,)

    def parts(self, q: int) -> list[tuple[PdMat, slice]]:
        """The structures of the independent blocks of q effects, with their effects."""
        return [(self, slice(0, q))]

    def require_data(self, q: int, largest: int, n: int, group: str) -> None:
        """Refuse covariances that the data do not identify or that have too many parameters.

        A covariance with at least one parameter for each effect needs a group with as many rows as
        effects, as in nlme.

        Parameters
        ----------
        q : int
            Number of effects.
        largest : int
            Rows of the largest group.
        n : int
            Number of rows.
        group : str
            Name of the level, for the message.

        Raises
        ------
        DataError
        """
        count = self.size(q)
        if q <= 1 or count < q:
            return
        who = f"random: {self.r_name} of {q} effects for group '{group}'"
        if q > largest:
            msg = (
                f"{who}: no group has more than {largest} rows, and that many effects at most can "
                "vary; leave effects out, or let them share a variance, as PdIdent does"
            )
            raise DataError(msg)
        most = min(n, settings.STRUCTURES.max_variance_parameters)
        if count > most:
            msg = (
                f"{who} has {count} variance parameters, and at most {most} can be estimated from "
                f"{n} rows; use PdDiag or PdIdent, or fewer effects"
            )
            raise DataError(msg)

    @abstractmethod
    def factor(self, u: Array, basis: np.ndarray, xp: Namespace = NUMPY) -> Array:
        """Standard relative factor A = T Lambda.

        Shape (..., q, q), from unconstrained u (..., size).
        """

    def factor_slopes(self, u: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Derivatives (..., size, q, q) of the factor by every entry of u (..., size).

        By central differences, which are exact but for rounding where the factor is linear in u, as
        those of all structures of the package are.
        """
        h = settings.STRUCTURES.factor_step * np.maximum(1.0, np.abs(u))
        moves = h[..., None] * np.eye(u.shape[-1])
        up, down = (self.factor(u[..., None, :] + sign * moves, basis) for sign in (1.0, -1.0))
        return np.asarray((up - down) / (2.0 * h[..., None, None]))

    def factor_map(self, basis: np.ndarray) -> np.ndarray | None:
        """Factor as a linear map (size, q q) of its parameters; None where it is not linear."""
        size, most = self.size(len(basis)), settings.STRUCTURES.max_factor_difference
        trial = np.concatenate([np.eye(size), np.cos(np.arange(size))[None], np.zeros((1, size))])
        found = self.factor(trial, basis).reshape(size + 2, -1)
        linear = np.allclose(trial[size] @ found[:size], found[size], rtol=most, atol=most)
        return found[:size] if linear and not found[-1].any() else None

    def independent(self, q: int) -> np.ndarray:
        """Which pairs (q, q) of effects have zero covariance whatever the parameters are."""
        root = self.factor(np.random.default_rng(0).standard_normal(self.size(q)), np.eye(q))
        return np.asarray(root @ root.T == 0.0)

    def uncorrelated(self, q: int) -> bool:
        """Whether no two of q effects can have a covariance."""
        return bool(self.independent(q)[np.triu_indices(q, 1)].all())

    @abstractmethod
    def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Unconstrained u (size,) whose relative covariance is ``cov``, or near it."""

    @abstractmethod
    def natural_parameters(self, effects: Sequence[str], label: str) -> tuple[Parameter, ...]:
        """Names and supports of the natural parameters.

        Parameters
        ----------
        effects : sequence of q names
        label : str
            Right-hand side of the formula, which names parameters shared by all effects.
        """

    @abstractmethod
    def to_natural(self, cov: np.ndarray) -> np.ndarray:
        """Natural parameters (..., size) of covariances (..., q, q).

        Correlations of a zero variance are 0.
        """

    @abstractmethod
    def natural_factor(self, par: Array, q: int, xp: Namespace = NUMPY) -> Array:
        """A factor F (..., q, q) with F F' = covariance, from natural parameters (..., size)."""


def deviations_and_correlations(cov: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (..., q) and correlations (..., q, q), 0 beside a zero variance.

    A perfect correlation is exactly 1 or -1: the quotient can be larger by rounding, and there the
    covariance of the natural parameters would not exist.
    """
    sd = np.sqrt(np.maximum(np.diagonal(cov, axis1=-2, axis2=-1), 0.0))
    scale = np.where(sd > 0, sd, 1.0)
    return sd, np.clip(cov / scale[..., :, None] / scale[..., None, :], -1.0, 1.0)


def not_negative(rest: np.ndarray) -> np.ndarray:
    """Replace negative numbers by NaN, and those that are zero up to rounding by zero."""
    zero = settings.STRUCTURES.zero_pivot
    return np.where(rest > zero, rest, np.where(rest >= -zero, 0.0, np.nan))


def sd_names(effects: Sequence[str]) -> list[str]:
    """Names of the standard deviations as nlme prints them."""
    return [f"sd({e})" for e in effects]


@dataclass(frozen=True)
class PdSymm(PdMat):
    """Any covariance: q standard deviations and q (q - 1) / 2 correlations.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.lme("distance ~ age", data, {"Subject": PdSymm("~ age")})
    >>> float(fit.varcorr()["Subject"].corr.iloc[0, 1].round(2))
    -0.61
    """

    value: Any = None
    form: Any = None
    r_name: ClassVar[str] = "pdSymm"
    lme4_term: ClassVar[str | None] = "({})"
    description: ClassVar[str | None] = "General positive-definite"
    unstructured = True

    def basis(self, z: np.ndarray) -> np.ndarray:
        t = upper_factor(z) / np.sqrt(len(z)) if len(z) >= z.shape[1] else np.zeros((1, 1))
        pivots = np.abs(np.diagonal(t))
        if len(pivots) < z.shape[1] or pivots.min() <= 1e-10 * max(pivots.max(), 1e-300):
            return PdMat.basis(self, z)
        return np.asarray(t * np.sign(np.diagonal(t))[:, None])

    def size(self, q: int) -> int:
        return q * (q + 1) // 2

    def factor(self, u: Array, basis: np.ndarray, xp: Namespace = NUMPY) -> Array:
        q, rows, at = len(basis), [], 0
        for i in range(q):
            rows.append([u[..., at + k] for k in range(i + 1)])
            at += i + 1
        return _lower_from(rows, xp)

    def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
        standard = basis @ cov @ basis.T
        return _semidefinite_cholesky(standard)[np.tril_indices(len(cov))]

    def natural_parameters(self, effects: Sequence[str], label: str) -> tuple[Parameter, ...]:
        sds = [Parameter(n, POSITIVE, 1.0) for n in sd_names(effects)]
        cors = [
            Parameter(f"cor({effects[i]},{effects[j]})", CORRELATION, 0.0)
            for i, j in _pairs(len(effects))
        ]
        return (*sds, *cors)

    def to_natural(self, cov: np.ndarray) -> np.ndarray:
        sd, cor = deviations_and_correlations(cov)
        upper = np.triu_indices(cov.shape[-1], 1)
        return np.concatenate([sd, cor[..., upper[0], upper[1]]], axis=-1)

    def natural_factor(self, par: Array, q: int, xp: Namespace = NUMPY) -> Array:
        cor = {pair: par[..., q + k] for k, pair in enumerate(_pairs(q))}
        one = 1.0 + 0.0 * par[..., 0]
        rows: list[list[Array]] = []
        for i in range(q):  # Cholesky of the correlation matrix, entry by entry
            row: list[Array] = []
            for j in range(i):
                part = cor[j, i] - sum(row[k] * rows[j][k] for k in range(j))
                row.append(part / rows[j][j] if xp.symbolic else _quotient(part, rows[j][j]))
            rest = one - sum(x * x for x in row)
            rows.append([*row, xp.sqrt(rest if xp.symbolic else not_negative(rest))])
        return _lower_from([[par[..., i] * x for x in row] for i, row in enumerate(rows)], xp)


@dataclass(frozen=True)
class PdLogChol(PdSymm):
    """``PdSymm`` under the name of nlme's default parametrisation.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.lme("distance ~ age", data, {"Subject": PdLogChol("~ age")})
    >>> fit.varcorr()["Subject"].sd.round(2).to_dict()
    {'(Intercept)': 2.33, 'age': 0.23}
    """

    r_name: ClassVar[str] = "pdLogChol"
    lme4_term: ClassVar[str | None] = "({})"
    description: ClassVar[str | None] = "General positive-definite, Log-Cholesky parametrization"


@dataclass(frozen=True)
class PdNatural(PdSymm):
    """``PdSymm`` under the name of nlme's natural parametrisation.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.lme("distance ~ age", data, {"Subject": PdNatural("~ age")})
    >>> fit.varcorr()["Subject"].sd.round(2).to_dict()
    {'(Intercept)': 2.33, 'age': 0.23}
    """

    r_name: ClassVar[str] = "pdNatural"
    lme4_term: ClassVar[str | None] = "({})"
    description: ClassVar[str | None] = "General positive-definite, Natural parametrization"


def _pairs(q: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(q) for j in range(i + 1, q)]


def _lower_from(entries: list[list[Array]], xp: Namespace) -> Array:
    """Stack rows of scalars (batched) into lower triangular matrices."""
    zero = 0.0 * entries[0][0]
    q = len(entries)
    return xp.stack(
        [xp.stack([*row, *[zero] * (q - len(row))], axis=-1) for row in entries], axis=-2
    )


def _quotient(part: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """Divide, 0 / 0 being 0: an effect that is perfectly correlated adds nothing."""
    safe = np.where(pivot == 0.0, 1.0, pivot)
    unreachable = np.abs(part) > np.sqrt(settings.STRUCTURES.zero_pivot)
    return np.where((pivot == 0.0) & unreachable, np.nan, part / safe)


def _semidefinite_cholesky(a: np.ndarray) -> np.ndarray:
    """Lower factor with a L L' = a for a positive semidefinite matrix.

    Columns of zero pivots are zero.
    """
    a = np.array(a, dtype=float)
    out = np.zeros_like(a)
    scale = max(float(np.max(np.diagonal(a), initial=0.0)), 1e-300)
    for j in range(len(a)):
        pivot = a[j, j] - out[j, :j] @ out[j, :j]
        if pivot > 1e-14 * scale:
            out[j, j] = np.sqrt(pivot)
            out[j + 1 :, j] = (a[j + 1 :, j] - out[j + 1 :, :j] @ out[j, :j]) / out[j, j]
    return out


@dataclass(frozen=True)
class PdDiag(PdMat):
    """Independent effects, a standard deviation for each.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.lme("distance ~ age", data, {"Subject": PdDiag("~ age")})
    >>> fit.varcorr()["Subject"].sd.round(2).to_dict()
    {'(Intercept)': 1.39, 'age': 0.15}
    """

    value: Any = None
    form: Any = None
    r_name: ClassVar[str] = "pdDiag"
    lme4_term: ClassVar[str | None] = "diag({})"
    description: ClassVar[str | None] = "Diagonal"
    layout = "row"

    def size(self, q: int) -> int:
        return q

    def factor(self, u: Array, basis: np.ndarray, xp: Namespace = NUMPY) -> Array:
        return u[..., :, None] * np.eye(len(basis))

    def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.diagonal(cov)) * np.diagonal(basis))

    def natural_parameters(self, effects: Sequence[str], label: str) -> tuple[Parameter, ...]:
        return tuple(Parameter(n, POSITIVE, 1.0) for n in sd_names(effects))

    def to_natural(self, cov: np.ndarray) -> np.ndarray:
        return deviations_and_correlations(cov)[0]

    def natural_factor(self, par: Array, q: int, xp: Namespace = NUMPY) -> Array:
        return par[..., :, None] * np.eye(q)


@dataclass(frozen=True)
class PdIdent(PdMat):
    """Independent effects with one common standard deviation.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Oats")
    >>> fit = bayeslme.lme("yield ~ nitro", data, {"Block": PdIdent("~ Variety - 1")})
    >>> fit.varcorr()["Block"].sd.round(2).tolist()
    [17.51, 17.51, 17.51]
    """

    value: Any = None
    form: Any = None
    r_name: ClassVar[str] = "pdIdent"
    lme4_term: ClassVar[str | None] = "diag({}, hom = TRUE)"
    description: ClassVar[str | None] = "Multiple of an Identity"
    layout = "row"
    shares_variance = True

    def basis(self, z: np.ndarray) -> np.ndarray:
        rank = max(1, int(np.linalg.matrix_rank(z[: 4 * z.shape[1]])))
        size = float(np.sqrt(np.mean(np.square(z)) * z.shape[1] / rank))
        return np.eye(z.shape[1]) * (size if size > 0 else 1.0)

    def size(self, q: int) -> int:
        return 1

    def factor(self, u: Array, basis: np.ndarray, xp: Namespace = NUMPY) -> Array:
        return u[..., :, None] * np.eye(len(basis))

    def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
        return np.array([np.sqrt(np.mean(np.diagonal(cov))) * basis[0, 0]])

    def natural_parameters(self, effects: Sequence[str], label: str) -> tuple[Parameter, ...]:
        return (Parameter(f"sd({effects[0] if len(effects) == 1 else label})", POSITIVE, 1.0),)

    def to_natural(self, cov: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.maximum(cov[..., :1, 0], 0.0)))

    def natural_factor(self, par: Array, q: int, xp: Namespace = NUMPY) -> Array:
        return par[..., :, None] * np.eye(q)


@dataclass(frozen=True)
class PdCompSymm(PdMat):
    """One variance and one correlation for all pairs of effects.

    Notes
    -----
    The covariance has two eigenvalues, for the mean of the effects and for their contrasts; their
    roots are the parameters of estimation.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Oats")
    >>> fit = bayeslme.lme("yield ~ nitro", data, {"Block": PdCompSymm("~ Variety - 1")})
    >>> float(fit.varcorr()["Block"].corr.iloc[0, 1].round(2))
    0.63
    """

    value: Any = None
    form: Any = None
    r_name: ClassVar[str] = "pdCompSymm"
    lme4_term: ClassVar[str | None] = "cs({}, hom = TRUE)"
    description: ClassVar[str | None] = "Compound Symmetry"
    layout = "symmetry"
    shares_variance = True

    def basis(self, z: np.ndarray) -> np.ndarray:
        size = float(np.sqrt(np.mean(np.square(z))))
        return np.eye(z.shape[1]) * (size if size > 0 else 1.0)

    def size(self, q: int) -> int:
        return 2 if q > 1 else 1

    def factor(self, u: Array, basis: np.ndarray, xp: Namespace = NUMPY) -> Array:
        q = len(basis)
        mean = np.full((q, q), 1.0 / q)
        if q == 1:
            return u[..., :, None] * np.eye(1)
        return u[..., 0][..., None, None] * mean + u[..., 1][..., None, None] * (np.eye(q) - mean)

    def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
        q = len(cov)
        mean = cov.sum() / q
        if q == 1:
            return np.array([np.sqrt(mean) * basis[0, 0]])
        return np.asarray(
            np.sqrt(np.maximum([mean, (np.trace(cov) - mean) / (q - 1)], 0.0)) * basis[0, 0]
        )

    def natural_parameters(self, effects: Sequence[str], label: str) -> tuple[Parameter, ...]:
        q = len(effects)
        cor = (Parameter("corr.", Interval(-1.0 / (q - 1), 1.0), 0.0),) if q > 1 else ()
        return (Parameter("std. dev", POSITIVE, 1.0), *cor)

    def to_natural(self, cov: np.ndarray) -> np.ndarray:
        sd, cor = deviations_and_correlations(cov)
        q = cov.shape[-1]
        if q == 1:
            return sd[..., :1]
        lowest = -1.0 / (q - 1)  # below it, by rounding, there is no covariance
        return np.stack([sd[..., 0], np.maximum(cor[..., 0, 1], lowest)], axis=-1)

    def natural_factor(self, par: Array, q: int, xp: Namespace = NUMPY) -> Array:
        if q == 1:
            return par[..., :, None] * np.eye(1)
        sd, rho, mean = par[..., 0], par[..., 1], np.full((q, q), 1.0 / q)
        shares = 1.0 + (q - 1) * rho, 1.0 - rho  # squares of the two roots over sd^2
        common, apart = (sd * xp.sqrt(s if xp.symbolic else not_negative(s)) for s in shares)
        return common[..., None, None] * mean + apart[..., None, None] * (np.eye(q) - mean)
