"""Transforms missing from PyMC.

This module imports PyMC; it is itself imported only while a model is built.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from pymc.pytensorf import constant_fold
from pytensor import wrap_py

from bayeslme.arrays import Tensor, pytensor_ops
from bayeslme.structures import Bound
from bayeslme.structures.correlation.partial import factor_rows, log_jacobian, partials_of


class Preconditioned(Transform):
    """Coefficients as ``centre + scale @ u``: linear, and close to uncorrelated.

    Parameters
    ----------
    centre : array, shape (p,)
    scale : array, shape (p, p)
        Inverse of the upper factor of X, times the residual standard deviation.
    """

    name = "preconditioned"
    ndim_supp = 1

    def __init__(self, centre: np.ndarray, scale: np.ndarray) -> None:
        self.centre = centre
        self.scale = scale
        self.inverse = np.linalg.inv(scale)
        self.log_det = float(np.linalg.slogdet(scale)[1])

    def forward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Natural to unconstrained, shape (p,)."""
        return pt.dot(self.inverse, value - self.centre)

    def backward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Unconstrained to natural, shape (p,)."""
        return self.centre + pt.dot(self.scale, value)

    def log_jac_det(self, value: Tensor, *_: Tensor) -> Tensor:
        """Log determinant of ``backward``, a constant."""
        return pt.constant(self.log_det)


class CorrelationMatrix(Transform):
    """Correlation matrices (q, q) through their partial correlations.

    Written out entry by entry: q is small, and elementwise code compiles faster than linear
    algebra.

    Parameters
    ----------
    q : int

    References
    ----------
    Lewandowski, Kurowicka and Joe (2009), Journal of Multivariate Analysis 100, 1989; section 2.
    """

    name = "partial"
    ndim_supp = 2

    def __init__(self, q: int) -> None:
        self.q = q

    def forward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Matrix (q, q) to unconstrained (q (q - 1) / 2,)."""
        return pt.arctanh(partials_of(correlation_cholesky(value, self.q), pytensor_ops()))

    def backward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Unconstrained to matrix (q, q)."""
        rows = factor_rows(pt.tanh(value), self.q, pytensor_ops())
        entries = [
            [
                1.0
                if i == j
                else sum(a * b for a, b in zip(rows[max(i, j)], rows[min(i, j)], strict=False))
                for j in range(self.q)
            ]
            for i in range(self.q)
        ]
        return pt.stack([pt.stack(row) for row in entries])

    def log_jac_det(self, value: Tensor, *_: Tensor) -> Tensor:
        """Log determinant of the matrix's free entries by the unconstrained values."""
        return log_jacobian(value, self.q, 1.0, pytensor_ops())


def correlation_cholesky(matrix: Tensor, q: int) -> list[list[Tensor]]:
    """Rows of the lower factor of a correlation matrix, entry by entry."""
    rows: list[list[Tensor]] = []
    for i in range(q):
        row: list[Tensor] = []
        for j in range(i):
            row.append((matrix[i, j] - sum(row[k] * rows[j][k] for k in range(j))) / rows[j][j])
        rows.append([*row, pt.sqrt(1.0 - sum(x * x for x in row)) if row else pt.constant(1.0)])
    return rows


class StructureSupport(Transform):
    """The support of a row structure that restricts its parameters jointly.

    Parameters
    ----------
    correlation : Bound
        The structure with its coordinates; its free parameters are the value.
    """

    name = "structure"
    ndim_supp = 1

    def __init__(self, correlation: Bound) -> None:
        self.correlation = correlation
        self.size = len(correlation.free)

    def forward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Natural to unconstrained, shape (f,); for starting values only, without gradient."""
        (known,) = constant_fold([pt.as_tensor(value, dtype="float64")], raise_not_constant=False)
        if isinstance(known, np.ndarray):
            return pt.constant(self._to_free(known))
        return wrap_py(itypes=[pt.dvector], otypes=[pt.dvector])(self._to_free)(known)

    def _to_free(self, x: np.ndarray) -> np.ndarray:
        own = self.correlation
        full = own.with_held(x, own.printed_start)
        return np.asarray(own.to_free(own.inside(full)), dtype=float)

    def backward(self, value: Tensor, *_: Tensor) -> Tensor:
        """Unconstrained to natural, shape (f,)."""
        value = pt.specify_shape(value, (self.size,))
        xp = pytensor_ops()
        return self.correlation.printed_free(self.correlation.natural(value, xp), xp)

    def log_jac_det(self, value: Tensor, *_: Tensor) -> Tensor:
        """Log determinant of ``backward``."""
        value = pt.specify_shape(value, (self.size,))
        return self.correlation.log_jacobian(value, pytensor_ops())
