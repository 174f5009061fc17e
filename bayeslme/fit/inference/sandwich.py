"""Covariance of the coefficients, by the model or robust to a wrong model of the variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.engine.inference.sandwich import Sandwich, sandwich
from bayeslme.errors import FitError, listed, rows_of
from bayeslme.fit.arguments import check_choice
from bayeslme.fit.inference.degrees import VcovType, subjects
from bayeslme.fit.inference.hypotheses import quadratic
from bayeslme.fit.settings import SETTINGS

if TYPE_CHECKING:
    from bayeslme.fit.numbers import Numbers

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SandwichTests:
    """Tests with a cluster-robust covariance, and Bell and McCaffrey's degrees of freedom."""

    fit: Numbers
    kind: VcovType
    pieces: Sandwich

    @staticmethod
    def of(fit: Numbers, kind: VcovType) -> SandwichTests:
        """The fit's tests, computed once."""
        name = f"vcov {kind}"
        if name not in fit.small_samples:
            fit.small_samples[name] = SandwichTests(fit, kind, _pieces(fit, kind, None))
        return fit.small_samples[name]  # type: ignore[return-value]

    @property
    def vcov(self) -> FloatArray:
        """The robust covariance."""
        return self.pieces.vcov

    @property
    def notes(self) -> tuple[str, ...]:
        """The covariance and the degrees of freedom."""
        said = f"standard errors {self.kind}, robust; denominator DF by Bell and McCaffrey"
        zero = self.pieces.without_variance
        names = [name for name, z in zip(self.fit.design.x_names, zero, strict=True) if z]
        if not names:
            return (said,)
        return (said, f"{self.kind} of {listed(names, limit=4)} is 0 whatever the data: no tests")

    def test(self, rows: FloatArray) -> tuple[float, float]:
        """F of contrasts (r, p) and its denominator degrees of freedom.

        Both are NaN where there are too few clusters for so many contrasts.
        """
        r, eta = len(rows), self.pieces.degrees(rows)
        den = eta - r + 1
        cov = rows @ self.vcov @ rows.T
        if not den > 0 or not _regular(cov):
            return np.nan, np.nan
        wald = quadratic(rows @ self.fit.estimate.beta, cov)
        return wald * den / (eta * r), den


def _regular(cov: FloatArray) -> bool:
    """Whether a covariance (r, r) has an inverse, to rounding."""
    sd = np.sqrt(np.diagonal(cov))
    if not np.all(sd > 0):
        return False
    least = np.linalg.eigvalsh(cov / np.outer(sd, sd))[0]
    return bool(least > SETTINGS.singular_correlation)


def vcov(fit: Numbers, type: VcovType = "model", cluster: Any = None) -> pd.DataFrame:
    """Covariance of the coefficients; see `Fit.vcov`."""
    check_choice(type, get_args(VcovType), "type")
    if type != "model":
        values = _pieces(fit, type, cluster).vcov
    elif cluster is not None:
        raise FitError("cluster: the covariance of the model has no clusters; take type='CR2'")
    else:
        values = fit.test_vcov if fit.kind == "gls" else fit.estimate.vcov
    names = list(fit.design.x_names)
    return pd.DataFrame(values, index=names, columns=names)


def _pieces(fit: Numbers, kind: VcovType, cluster: Any) -> Sandwich:
    check_choice(kind, get_args(VcovType), "vcov")
    if fit.method == "MAP":
        raise FitError(f"vcov: {kind!r} is for fits without priors; use fit.sample()")
    if kind == "model":
        raise FitError("vcov: 'model' has no clusters")
    if fit.design.crossed:
        raise FitError(
            f"vcov: {kind!r} needs clusters that are independent, and {fit.design.crossed_how}; "
            "take type='model'"
        )
    code = subjects(fit.design) if cluster is None else _codes(fit, cluster)
    return sandwich(fit.estimate, kind, code)


def _codes(fit: Numbers, cluster: Any) -> npt.NDArray[np.intp]:
    """Number of each used row's cluster."""
    frame = fit.data.iloc[fit.design.rows]
    if isinstance(cluster, str):
        if cluster not in frame:
            raise FitError(f"cluster: the data have no column {cluster!r}")
        labels = frame[cluster]
    else:
        labels = cluster.loc[frame.index] if isinstance(cluster, pd.Series) else cluster
        if np.shape(labels) != (fit.nobs,):
            raise FitError(
                f"cluster: a column's name, or one label for each of the {fit.nobs} rows used"
            )
    code, _ = pd.factorize(np.asarray(labels))
    if np.any(code < 0):
        raise FitError(f"cluster: missing in {rows_of(int(np.sum(code < 0)))}")
    return np.asarray(code)
