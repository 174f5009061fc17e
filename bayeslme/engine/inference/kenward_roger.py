"""Kenward and Roger's adjusted covariance of coefficients and their scaled F.

With Phi = (X' V^-1 X)^-1, V_k the derivatives of V by its parameters, W the inverse of their
expected information under REML and

    P_k = -X' V^-1 V_k V^-1 X,        Q_kl = X' V^-1 V_k V^-1 V_l V^-1 X,

the adjusted covariance is Phi_A = Phi + 2 Phi {sum_kl W_kl (Q_kl - P_k Phi P_l)} Phi (Kenward and
Roger 1997, Biometrics 53:983, for V linear in its parameters; Harville and Jeske 1992, J Am Stat
Assoc 87:724, for any V). It does not depend on how the parameters are written. The second
derivatives that the 1997 paper adds where V is not linear do: what of them lies along the V_k is
cancelled by the bias of the estimated parameters (Kenward and Roger 2009, Comput Stat Data Anal
53:2583), and the rest makes the adjusted variances of short series too small, or negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from bayeslme import triangular
from bayeslme.arrays import NUMPY
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference import settings
from bayeslme.engine.inference.response_covariance import Covariance
from bayeslme.errors import FitError

SINGULAR = (
    "df: 'kenward-roger' has no positive variance here: the covariance of the responses is "
    "singular at the estimates, or has more parameters than the groups can tell; take a simpler "
    "structure, or 'satterthwaite'"
)


@dataclass(frozen=True, slots=True)
class KenwardRoger:
    """What Kenward and Roger's tests need.

    Attributes
    ----------
    vcov : array, shape (p, p)
        Phi.
    adjusted : array, shape (p, p)
        Phi_A.
    slopes : array, shape (m, p, p)
        Phi P_k Phi, less the derivatives of Phi.
    cov : array, shape (m, m)
        W.
    loose : array, shape (l, p, p)
        Phi P Phi for directions without information, which W leaves out; in each V changes by its
        own size.
    """

    vcov: np.ndarray
    adjusted: np.ndarray
    slopes: np.ndarray
    cov: np.ndarray
    loose: np.ndarray

    def scaling(self, rows: np.ndarray) -> tuple[float, float]:
        """Scale of the Wald F of contrasts (r, p), and its denominator degrees of freedom.

        Contrasts whose variance rests on a direction without information have next to none.
        """
        r = len(rows)
        inverse = np.linalg.inv(rows @ self.vcov @ rows.T)
        moved, loose = (inverse @ (rows @ s @ rows.T) for s in (self.slopes, self.loose))
        traces = np.trace(moved, axis1=-2, axis2=-1)
        a1 = float(traces @ self.cov @ traces)
        a2 = float(np.einsum("kl,kij,lji->", self.cov, moved, moved))
        unknown = settings.INFERENCE.max_direction_error**2 * float(
            np.einsum("kij,kji->", loose, loose)
        )
        scale, df = (1.0, np.inf) if a2 < settings.INFERENCE.known_variance else _matched(a1, a2, r)
        return scale, (
            df if unknown < settings.INFERENCE.known_variance else min(df, 2.0 * r / unknown)
        )


def _matched(a1: float, a2: float, r: int) -> tuple[float, float]:
    """Match mean and variance of the statistic; exact where Hotelling's or an F is exact."""
    if r == 1:
        return 1.0, 2.0 / a2
    scale, df = _moments(a1, a2, r)
    if (
        abs(df - 2.0) < settings.INFERENCE.no_mean_width
    ):  # in both exact cases a1 / a2 is the same for every df
        scale = 0.5 * sum(
            _moments(a1 * far, a2 * far, r)[0]
            for far in (
                1 - settings.INFERENCE.interpolation_distance,
                1 + settings.INFERENCE.interpolation_distance,
            )
        )
    return scale, df


def _moments(a1: float, a2: float, r: int) -> tuple[float, float]:
    g = ((r + 1) * a1 - (r + 4) * a2) / ((r + 2) * a2)
    c = 3 * r + 2 * (1 - g)
    b = (a1 + 6 * a2) / (2 * r)
    top, left, right = 1 + g / c * b, 1 - (r - g) / c * b, 1 - (r + 2 - g) / c * b
    # V / (2 E^2); factors of mean and variance that vanish together cancel
    ratio = _quotient(1 - a2 / r, left) ** 2 * _quotient(top, right) / r
    df = 4.0 + (r + 2) / (r * ratio - 1.0)
    return (1.0 if df == 2.0 else df * (1 - a2 / r) / (df - 2.0)), df  # noqa: PLR2004 - F's mean


def _quotient(top: float, bottom: float) -> float:
    if abs(bottom) < settings.INFERENCE.zero_denominator:
        return 1.0 if abs(top) < settings.INFERENCE.zero_denominator else np.inf
    return top / bottom


@np.errstate(under="ignore")  # a correlation that underflows is 0
def kenward_roger(found: Estimate) -> KenwardRoger:
    """Sum the pieces over the outermost groups.

    Parameters
    ----------
    found : Estimate
        By REML, or of a linear model by least squares.

    Raises
    ------
    FitError
        Where a group is too large for dense matrices, and where V is singular or so little known
        that no positive variance is left.
    """
    covariance = Covariance(found)
    try:
        return _adjusted(found, covariance)
    except np.linalg.LinAlgError:
        raise FitError(SINGULAR) from None


def _adjusted(found: Estimate, covariance: Covariance) -> KenwardRoger:
    sums = _first(covariance)
    phi = np.linalg.inv(sums.precision)
    information = 0.5 * (
        sums.traces
        - 2 * np.einsum("pq,klqp->kl", phi, sums.q)
        + np.einsum("kpq,lqp->kl", phi @ sums.p, phi @ sums.p)
    )
    unit = np.sqrt(found.problem.n)  # of a change by the size of V
    w, loose = _inverse(information, _sizes(covariance, sums))
    middle = np.einsum("kl,klpq->pq", w, sums.q) - np.einsum(
        "kl,kpq,qr,lrs->ps", w, sums.p, phi, sums.p, optimize=True
    )
    to_natural = np.linalg.inv(found.problem.x_basis)
    adjusted = phi + phi @ (middle + middle.T) @ phi
    if not np.all(np.isfinite(adjusted)) or not np.all(eigh(adjusted, phi, eigvals_only=True) > 0):
        raise np.linalg.LinAlgError
    return KenwardRoger(
        to_natural @ phi @ to_natural.T,
        to_natural @ adjusted @ to_natural.T,
        to_natural @ (phi @ sums.p @ phi) @ to_natural.T,
        w,
        to_natural @ (phi @ np.tensordot(unit * loose, sums.p, axes=1) @ phi) @ to_natural.T,
    )


@dataclass(slots=True)
class _Sums:
    """X' V^-1 X (p, p), P (m, p, p), Q (m, m, p, p) and tr(V^-1 V_k V^-1 V_l) (m, m)."""

    precision: np.ndarray
    p: np.ndarray
    q: np.ndarray
    traces: np.ndarray


def _whitened(root: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """L^-1 V_k L^-T, a few k at a time, in the place of the V_k (m, r, r)."""
    r = len(root)
    step = max(1, settings.INFERENCE.numbers_at_once // r**2)
    for first in range(0, len(slopes), step):
        part = slopes[first : first + step]
        half = _solved(root, part.transpose(1, 0, 2))
        part[:] = _solved(root, half.transpose(2, 1, 0)).transpose(1, 0, 2)
    return slopes


def _solved(root: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """L^-1 times sides (r, ...)."""
    return triangular.solve(root, sides.reshape(len(root), -1)).reshape(sides.shape)


def _columns(covariance: Covariance, rows: slice) -> np.ndarray:
    """Standardised X of some rows."""
    problem = covariance.problem
    return np.asarray(problem.columns[-1 - problem.p : -1, rows].T)


def _first(covariance: Covariance) -> _Sums:
    problem = covariance.problem
    m = covariance.size
    p = problem.p
    sums = _Sums(np.zeros((p, p)), np.zeros((m, p, p)), np.zeros((m, m, p, p)), np.zeros((m, m)))
    for group in covariance.groups():
        root = NUMPY.cholesky(group.cov)
        x, t = _solved(root, _columns(covariance, group.rows)), _whitened(root, group.slopes)
        tx = t @ x
        sums.precision += x.T @ x
        sums.p -= x.T @ tx
        sums.q += np.einsum("krp,lrq->klpq", tx, tx, optimize=True)
        flat = t.reshape(m, root.size)
        sums.traces += flat @ flat.T
    return sums


def _sizes(covariance: Covariance, sums: _Sums) -> np.ndarray:
    """Relative change of V (m,) with each parameter, infinite where it cannot be told from none."""
    sizes = np.sqrt(np.diagonal(sums.traces))
    seen = sizes > settings.INFERENCE.min_covariance_change * np.sqrt(covariance.problem.n)
    seen[: len(seen) - covariance.residual.size] = True  # exact: V is linear in these
    return np.where(seen & (sizes > 0.0), sizes, np.inf)


def _inverse(information: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of an information matrix, and the directions (l, m) without any, which are held.

    What is left once the coefficients have taken their share is compared with the whole.
    """
    strength, vectors = np.linalg.eigh(information / np.outer(sizes, sizes))
    kept = strength > settings.INFERENCE.min_information_share
    scaled = (vectors / sizes[:, None]).T
    return (scaled[kept].T / strength[kept]) @ scaled[kept], scaled[~kept]
