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

Two other forms take W from the observed information, as SAS does: "linear" as above, "observed"
with -1/4 sum_kl W_kl X' V^-1 V_kl V^-1 X in the braces, in SAS's parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import eigh

from bayeslme import triangular
from bayeslme.arrays import NUMPY
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference import settings
from bayeslme.engine.inference.response_covariance import Bending, Covariance
from bayeslme.engine.inference.satterthwaite import Sensitivity, differentiated, sensitivity
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.engine.crossed.kenward_roger import CrossedCovariance

Form = Literal["expected", "linear", "observed"]
SINGULAR = (
    "df: Kenward and Roger's method has no positive variance here: the covariance of the responses "
    "is singular at the estimates, or has more parameters than the groups can tell; take a simpler "
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
def kenward_roger(
    found: Estimate, form: Form = "expected", near: Sensitivity | None = None
) -> KenwardRoger:
    """Sum the pieces over the outermost groups.

    Parameters
    ----------
    found : Estimate
        By REML, or of a linear model by least squares.
    form : {"expected", "linear", "observed"}
        W by expected information; by the observed one; and this with the second derivatives of V
        by the variances, correlations and ranges of the residuals.
    near : Sensitivity, optional
        The estimate's, where it is known; the last two forms need it.

    Raises
    ------
    FitError
        Where a group is too large for dense matrices, and where V is singular or so little known
        that no positive variance is left.
    """
    covariance: Covariance | CrossedCovariance
    if found.problem.crossed is None:
        covariance = Covariance(found)
    else:
        from bayeslme.engine.crossed.kenward_roger import CrossedCovariance

        covariance = CrossedCovariance(found)
    try:
        return _adjusted(found, covariance, form, near)
    except np.linalg.LinAlgError:
        raise FitError(SINGULAR) from None


def _adjusted(
    found: Estimate,
    covariance: Covariance | CrossedCovariance,
    form: Form,
    near: Sensitivity | None,
) -> KenwardRoger:
    bending = None
    if form == "expected":
        sums = _summed(covariance)
        w, loose = _by_expected_information(covariance, sums)
    else:
        near = sensitivity(found) if near is None else near
        if form == "observed":
            bending = Bending.of(found, near)
        sums = _summed(covariance, bending)
        w, loose = _by_observed_information(found, covariance, near)
    phi = np.linalg.inv(sums.precision)
    middle = np.einsum("kl,klpq->pq", w, sums.q) - np.einsum(
        "kl,kpq,qr,lrs->ps", w, sums.p, phi, sums.p, optimize=True
    )
    to_natural = np.linalg.inv(found.problem.x_basis)
    adjusted = phi + phi @ (middle + middle.T - 0.5 * sums.bent) @ phi
    if not np.all(np.isfinite(adjusted)) or not np.all(eigh(adjusted, phi, eigvals_only=True) > 0):
        raise np.linalg.LinAlgError
    return KenwardRoger(
        to_natural @ phi @ to_natural.T,
        to_natural @ adjusted @ to_natural.T,
        to_natural @ (phi @ sums.p @ phi) @ to_natural.T,
        w,
        to_natural @ (phi @ np.tensordot(loose, sums.p, axes=1) @ phi) @ to_natural.T,
    )


def _by_expected_information(
    covariance: Covariance | CrossedCovariance, sums: _Sums
) -> tuple[np.ndarray, np.ndarray]:
    """W (m, m) and the directions (l, m) without information, by the size of V."""
    phi = np.linalg.inv(sums.precision)
    information = 0.5 * (
        sums.traces
        - 2 * np.einsum("pq,klqp->kl", phi, sums.q)
        + np.einsum("kpq,lqp->kl", phi @ sums.p, phi @ sums.p)
    )
    w, loose = _inverse(information, _sizes(covariance, sums))
    return w, np.sqrt(covariance.problem.n) * loose


def _by_observed_information(
    found: Estimate, covariance: Covariance | CrossedCovariance, near: Sensitivity
) -> tuple[np.ndarray, np.ndarray]:
    """As by expected information, from the curvature of the restricted likelihood."""
    moves = differentiated(found, near, covariance.coordinates)
    known, unknown = moves[:, near.flat :], moves[:, : near.flat]
    return known @ near.cov[near.flat :, near.flat :] @ known.T, unknown.T


@dataclass(slots=True)
class _Sums:
    """X' V^-1 X (p, p), P (m, p, p), Q (m, m, p, p) and tr(V^-1 V_k V^-1 V_l) (m, m).

    ``bent`` (p, p) is the sum of W_kl X' V^-1 V_kl V^-1 X, 0 unless asked for.
    """

    precision: np.ndarray
    p: np.ndarray
    q: np.ndarray
    traces: np.ndarray
    bent: np.ndarray


def _whitened(root: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """L^-1 V_k L^-T of every group, in the place of the V_k (m, h, r, r)."""
    if root.shape[-1] <= triangular.BLOCK_SIZE:
        inverse = np.linalg.inv(root)
        np.matmul(inverse @ slopes, np.swapaxes(inverse, -1, -2), out=slopes)
        return slopes
    for h, own in enumerate(root):
        for k in range(len(slopes)):
            half = triangular.solve(own, slopes[k, h])
            slopes[k, h] = triangular.solve(own, half.T).T
    return slopes


def _summed(covariance: Covariance | CrossedCovariance, bending: Bending | None = None) -> _Sums:
    if isinstance(covariance, Covariance):
        return _first(covariance, bending)
    return _Sums(*covariance.sums(bending))


def _first(covariance: Covariance, bending: Bending | None = None) -> _Sums:
    problem = covariance.problem
    m, p = covariance.size, problem.p
    square = np.zeros((p, p))
    sums = _Sums(square, np.zeros((m, p, p)), np.zeros((m, p, m, p)), np.zeros((m, m)), square)
    columns = problem.columns[-1 - p : -1]
    for stack in covariance.stacks():
        root = NUMPY.cholesky(stack.cov)
        x = NUMPY.lower_solve(root, np.moveaxis(columns[:, stack.rows], 0, -1))
        t = _whitened(root, stack.slopes)
        tx = (t @ x).reshape(m, stack.rows.size, p)
        flat_x, flat_t = x.reshape(-1, p), t.reshape(m, root.size)
        sums.precision = sums.precision + flat_x.T @ flat_x
        sums.p -= flat_x.T @ tx
        wide = tx.transpose(0, 2, 1).reshape(m * p, stack.rows.size)
        sums.q += (wide @ wide.T).reshape(m, p, m, p)
        sums.traces += flat_t @ flat_t.T
        if bending is not None:
            solved = NUMPY.lower_solve(root, bending.at(stack.rows))
            b = NUMPY.lower_solve(root, np.swapaxes(solved, -1, -2))
            sums.bent = sums.bent + np.einsum("hrp,hrs,hsq->pq", x, b, x, optimize=True)
    sums.q = sums.q.transpose(0, 2, 1, 3)
    return sums


def _sizes(covariance: Covariance | CrossedCovariance, sums: _Sums) -> np.ndarray:
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
