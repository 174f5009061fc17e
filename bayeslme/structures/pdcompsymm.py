"""Compound symmetry of random effects: one variance, one correlation for every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.ops import NUMPY, Array
from bayeslme.structures.base import Parameter
from bayeslme.structures.pdmat import PdMat, deviations_and_correlations, not_negative
from bayeslme.structures.supports import POSITIVE, Interval, Namespace


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
    description: ClassVar[str | None] = "Compound Symmetry"

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
