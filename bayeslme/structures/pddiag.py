"""Independent random effects: a standard deviation for each, or one for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.ops import NUMPY, Array
from bayeslme.structures.base import Parameter
from bayeslme.structures.pdmat import PdMat, deviations_and_correlations, sd_names
from bayeslme.structures.supports import POSITIVE, Namespace


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
    description: ClassVar[str | None] = "Diagonal"

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
    description: ClassVar[str | None] = "Multiple of an Identity"

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
