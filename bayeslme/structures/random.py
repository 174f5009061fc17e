"""Any covariance of random effects, under the names of nlme's three parametrisations of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.ops import NUMPY, Array, upper_factor
from bayeslme.structures.base import Parameter
from bayeslme.structures.pdmat import (
    PERFECT,
    PdMat,
    deviations_and_correlations,
    not_negative,
    sd_names,
)
from bayeslme.structures.supports import CORRELATION, POSITIVE, Namespace


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
    description: ClassVar[str | None] = "General positive-definite"

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
    return np.where((pivot == 0.0) & (np.abs(part) > np.sqrt(PERFECT)), np.nan, part / safe)


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
