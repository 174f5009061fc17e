"""What every fit holds: specification, design, estimates, and the numbers read off them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import Design
from bayeslme.engine import Estimate, Information, information
from bayeslme.spec.model import LmeSpec

if TYPE_CHECKING:
    from bayeslme.fit.inference.degrees import Degrees, DfMethod, SatterthwaiteTests, SmallSample

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Numbers:
    """A fitted specification and the numbers read off it at once.

    Attributes
    ----------
    spec : LmeSpec
        The specification.
    design : Design
        Its arrays for the data.
    estimate : Estimate
        The engine's numbers.
    data : DataFrame
        The data frame as it was given; later changes of that frame do not reach it.
    """

    spec: LmeSpec
    design: Design
    estimate: Estimate
    data: pd.DataFrame
    kind: ClassVar[Literal["lme", "gls", "lm"]]

    @property
    def loglik(self) -> float:
        """Log-likelihood, restricted under REML (without log|X'X|); with priors a log density."""
        return self.estimate.loglik

    @property
    def df(self) -> int:
        """Number of estimated parameters."""
        return self.estimate.n_parameters

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return len(self.design.y)

    @property
    def aic(self) -> float:
        """Akaike's criterion; NaN for fits with priors."""
        return np.nan if self.method == "MAP" else -2.0 * self.loglik + 2.0 * self.df

    @property
    def bic(self) -> float:
        """Schwarz's criterion; REML counts n - p observations; NaN for fits with priors."""
        if self.method == "MAP":
            return np.nan
        spent = len(self.estimate.beta) if self.method == "REML" else 0
        return -2.0 * self.loglik + float(np.log(self.nobs - spent)) * self.df

    @property
    def sigma(self) -> float:
        """Residual standard deviation (of a residual with unit variance function)."""
        return self.estimate.sigma

    @property
    def method(self) -> str:
        """``"REML"``, ``"ML"``, ``"OLS"``; ``"MAP"`` with priors."""
        return self.estimate.method

    @property
    def converged(self) -> bool:
        """Whether the search settled."""
        return self.estimate.converged

    @property
    def fixef(self) -> pd.Series:
        """Coefficients, length p."""
        return pd.Series(self.estimate.beta, index=list(self.design.x_names), name="fixef")

    @property
    def weights_coef(self) -> pd.Series:
        """Estimated coefficients of the variance function under nlme's names."""
        from bayeslme.fit.output.summary import named

        bound = self.estimate.problem.variance
        return named(bound, self.estimate.varfunc).iloc[[] if bound is None else bound.free]

    @property
    def correlation_coef(self) -> pd.Series:
        """Coefficients of the correlation structure under nlme's names, held ones included."""
        from bayeslme.fit.output.summary import named

        return named(self.estimate.problem.correlation, self.estimate.corstruct)

    @cached_property
    def degrees(self) -> Degrees:
        """Denominator degrees of freedom of coefficients and terms: inner-outer, or n - p."""
        from bayeslme.fit.inference import degrees

        nested = self.kind == "lme" and not self.design.crossed
        of = degrees.inner_outer if nested else degrees.residual
        return of(self.design)

    @cached_property
    def satterthwaite(self) -> SatterthwaiteTests:
        """Tests with Satterthwaite's degrees of freedom, behind ``df="satterthwaite"``."""
        from bayeslme.fit.inference.degrees import SatterthwaiteTests

        return SatterthwaiteTests(self)

    @cached_property
    def small_samples(self) -> dict[str, SmallSample]:
        """Other tests that have been asked for, by the method's name."""
        return {}

    @cached_property
    def test_vcov(self) -> FloatArray:
        """Covariance (p, p) of the coefficients behind tests, adjusted under ML for p."""
        n, p = self.design.X.shape
        # R's lme4 and mmrm do not adjust.
        adjusted = self.method == "ML" and self.spec.function not in ("lmer", "mmrm")
        return self.estimate.vcov * (n / (n - p) if adjusted else 1.0)

    @property
    def default_df(self) -> DfMethod:
        """Method of the denominator degrees of freedom where none is asked for.

        Satterthwaite's for crossed random effects, where no level is the innermost, and for `lmer`;
        for `mmrm` what the call names.
        """
        if self.spec.mmrm is not None:
            return cast("DfMethod", self.spec.mmrm.df)
        return "satterthwaite" if self.as_lme4 and self.method != "MAP" else "inner-outer"

    @property
    def as_lme4(self) -> bool:
        """Whether the fit is one that nlme has no page for: crossed effects, or `lmer`."""
        return self.kind == "lme" and (self.design.crossed or self.spec.function == "lmer")

    @cached_property
    def information(self) -> Information:
        """Approximate covariance of the variance parameters on nlme's scales."""
        return information(self.design, self.estimate)
