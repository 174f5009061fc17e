"""Unstructured correlation: one correlation for every pair of positions, on nlme's two scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import DataError, SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import Bound, Parameter, RowStructure, Values, as_named, refuse_text
from bayeslme.structures.correlation.base import CorStruct, Pairs, follows
from bayeslme.structures.correlation.partial import draw_partials, factor_rows, log_volume
from bayeslme.structures.correlation.positions import CorrelationGroups
from bayeslme.structures.supports import CORRELATION, Namespace


@dataclass(frozen=True)
class CorSymm(CorStruct):
    """General correlation of m positions, m (m - 1) / 2 parameters.

    Parameters
    ----------
    value : sequence of floats, optional
        Correlations in the order (1,2), (1,3), ..., (1,m), (2,3), ...; zeros by default.
    form : str
        ``"~ visit | g"``; without positions the order of the rows counts.
    fixed : bool

    Notes
    -----
    Estimated through spherical coordinates of the Cholesky rows, which keep the matrix positive
    definite (Pinheiro and Bates 1996, Statistics and Computing 6, 289).
    """

    value: Values = None
    form: str = "~ 1"
    fixed: bool = False
    r_name: ClassVar[str] = "corSymm"
    mmrm_names: ClassVar[Mapping[str, bool]] = {"us": True}
    description: ClassVar[str | None] = "General"
    unstructured = True
    several_maxima = True
    stationary = False
    needs_integers = True

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        refuse_text(self.value, f"{self.r_name} value")
        m = len(np.unique(coords.position[:, 0]))
        most = settings.STRUCTURES.max_correlations
        if m * (m - 1) // 2 > most:
            msg = (
                f"{self.r_name}: {m} positions have {m * (m - 1) // 2} correlations, and at most "
                f"{most} can be estimated; use a structure of few parameters, such "
                "as CorAR1, CorARMA or CorExp"
            )
            raise DataError(msg)
        names = [f"cor({i + 1},{j + 1})" for i in range(m) for j in range(i + 1, m)]
        if not names:
            msg = f"{self.r_name}: every group has a single row, no correlation can be estimated"
            raise SpecError(msg)
        start = as_named(self.value, names, f"{self.r_name} value", repeat=False)
        given = np.array([start.get(n, 0.0) for n in names])
        if np.linalg.eigvalsh(matrix_of(given)).min() <= 0:
            msg = f"{self.r_name}: the value is not a positive definite correlation matrix"
            raise SpecError(msg)
        return tuple(
            Parameter(n, CORRELATION, v, held=self.fixed) for n, v in zip(names, given, strict=True)
        )

    def constrain(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        rows = _cholesky_rows(u, n_positions(len(parameters)), xp)
        m = len(rows)
        return xp.stack(
            [
                sum(a * b for a, b in zip(rows[i], rows[j], strict=False))
                for i in range(m)
                for j in range(i + 1, m)
            ],
            axis=-1,
        )

    def log_jacobian(
        self, u: Array, parameters: tuple[Parameter, ...], xp: Namespace = NUMPY
    ) -> Array:
        m, at, total = n_positions(len(parameters)), 0, 0.0 * u[..., 0]
        for i in range(1, m):
            for k in range(i):  # the cosines are partial correlations
                size = xp.abs(u[..., at])
                log_rate = np.log(np.pi) - size - 2 * xp.log1p(xp.exp(-size))
                nearer = np.pi / (1.0 + xp.exp(size))  # the angle from 0 or pi, whichever is nearer
                total = total + (m - k - 1) * xp.log(xp.sin(nearer)) + log_rate
                at += 1
        return total

    def unconstrain(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        flat = np.asarray(par, float).reshape(-1, par.shape[-1])
        return np.stack([_angles(one) for one in flat]).reshape(par.shape)

    def to_interval_scale(self, par: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        return RowStructure.unconstrain(self, par, parameters)

    def from_interval_scale(self, u: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
        return np.asarray(RowStructure.constrain(self, u, parameters))

    def in_region(self, par: np.ndarray, bound: Bound) -> np.ndarray:
        return np.asarray(np.linalg.eigvalsh(matrix_of(par))[..., 0] > 0)

    def matrix_shown(self, par: np.ndarray) -> np.ndarray | None:
        return matrix_of(par)

    def starts(self, bound: Bound) -> list[np.ndarray]:
        """The usual start, and correlations that fall with the distance as those of an AR(1)."""
        k = len(bound.free)
        if not bound.several_maxima:
            return super().starts(bound)
        i, j = np.triu_indices(n_positions(k), 1)
        neighbours = settings.STRUCTURES.neighbour_start_correlations
        return [bound.start, *(bound.to_free(r ** (j - i)) for r in neighbours)]

    def uniform_draws(
        self, parameters: tuple[Parameter, ...], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        m = n_positions(len(parameters))
        rows = factor_rows(draw_partials(_powers(m), n, rng), m)
        i, j = np.triu_indices(m, 1)
        pairs = (zip(rows[a], rows[b], strict=False) for a, b in zip(i, j, strict=True))
        return np.stack([sum(a * b for a, b in pair) for pair in pairs], axis=-1)

    def log_region(self, parameters: tuple[Parameter, ...]) -> float:
        return log_volume(_powers(n_positions(len(parameters))))

    def linear_with(self, strata: np.ndarray, groups: CorrelationGroups) -> bool:
        return follows(strata, groups.position[:, 0])

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        m = n_positions(par.type.shape[-1] if hasattr(par, "type") else par.shape[-1])
        place = np.zeros((m, m), dtype=int)
        place[np.triu_indices(m, 1)] = np.arange(m * (m - 1) // 2)
        place = place + place.T
        return par[..., place[pairs.index[:, :, None], pairs.index[:, None, :]]]


@dataclass(frozen=True)
class CorNatural(CorSymm):
    """General correlation printed as ``CorSymm``.

    Nlme's second name for it, with intervals on the same scale.
    """

    r_name: ClassVar[str] = "corNatural"


def _powers(m: int) -> np.ndarray:
    """Of the partial correlations, row by row, of matrices that are uniform on their region.

    Lewandowski, Kurowicka and Joe (2009), section 2.4.
    """
    return 0.5 * np.array([m - k - 2 for i in range(m) for k in range(i)])


def n_positions(k: int) -> int:
    """Number of positions that have k pairs."""
    return int((1 + np.sqrt(1 + 8 * k)) / 2 + 0.5)


def matrix_of(par: np.ndarray) -> np.ndarray:
    """Correlation matrices (..., m, m) of the correlations (..., k) of all pairs."""
    m = n_positions(par.shape[-1])
    out = np.broadcast_to(np.eye(m), (*par.shape[:-1], m, m)).copy()
    i, j = np.triu_indices(m, 1)
    out[..., i, j] = out[..., j, i] = par
    return out


def _cholesky_rows(u: Array, m: int, xp: Namespace) -> list[list[Array]]:
    """Rows of the Cholesky factor from angles pi e^u / (1 + e^u); row i has i angles."""
    angle = (np.pi / 2) * (1.0 + xp.tanh(u / 2))
    one = 1.0 + 0.0 * u[..., 0]
    rows, at = [[one]], 0
    for i in range(1, m):
        left, row = one, []
        for k in range(i):
            row.append(left * xp.cos(angle[..., at + k]))
            left = left * xp.sin(angle[..., at + k])
        rows.append([*row, left])
        at += i
    return rows


def _angles(par: np.ndarray) -> np.ndarray:
    """Unconstrained spherical coordinates of one set of correlations."""
    factor = np.linalg.cholesky(matrix_of(par))
    out = []
    for i in range(1, len(factor)):
        left = 1.0
        for k in range(i):
            cosine = np.clip(factor[i, k] / left, -1.0, 1.0)
            angle = np.arccos(cosine)
            out.append(np.log(angle) - np.log(np.pi - angle))
            left *= np.sin(angle)
    return np.array(out)
