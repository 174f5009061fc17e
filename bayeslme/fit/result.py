"""Fitted models: what a fit holds, and the verbs that delegate to the modules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import Design
from bayeslme.docstrings import delegating
from bayeslme.engine import Estimate, Information, information
from bayeslme.errors import FitError
from bayeslme.fit import verbs
from bayeslme.spec import bind
from bayeslme.spec.model import LmeSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bayeslme.fit.inference.degrees import Degrees, DfMethod, VcovType
    from bayeslme.fit.values.residuals import LevelName, ResidualType
    from bayeslme.fit.values.several_levels import Several


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
        bound, values = self.estimate.problem.variance, self.estimate.varfunc
        return verbs.summary.named(bound, values).iloc[[] if bound is None else bound.free]

    @property
    def correlation_coef(self) -> pd.Series:
        """Coefficients of the correlation structure under nlme's names, held ones included."""
        return verbs.summary.named(self.estimate.problem.correlation, self.estimate.corstruct)

    @cached_property
    def degrees(self) -> Degrees:
        """Denominator degrees of freedom of coefficients and terms."""
        of = verbs.degrees.inner_outer if self.kind == "lme" else verbs.degrees.residual
        return of(self.design)

    @cached_property
    def test_vcov(self) -> FloatArray:
        """Covariance (p, p) of the coefficients behind tests, adjusted under ML for p."""
        n, p = self.design.X.shape
        adjusted = self.method == "ML" and self.spec.function != "mmrm"  # R's mmrm does not
        return self.estimate.vcov * (n / (n - p) if adjusted else 1.0)

    @property
    def default_df(self) -> DfMethod:
        """Method of the denominator degrees of freedom where none is asked for."""
        call = self.spec.mmrm
        return "inner-outer" if call is None else cast("DfMethod", call.df)

    @cached_property
    def information(self) -> Information:
        """Approximate covariance of the variance parameters on nlme's scales."""
        return information(self.design, self.estimate)


SEVERAL = (list, tuple, range)  # of levels


@delegating
class Fit(Numbers):
    """What all fits share; what they hold is told by `bayeslme.fit.result.Numbers`."""

    @cached_property
    def satterthwaite(self) -> verbs.degrees.SatterthwaiteTests:
        """Tests with Satterthwaite's degrees of freedom, behind ``df="satterthwaite"``."""
        return verbs.degrees.SatterthwaiteTests(self)

    @cached_property
    def small_samples(self) -> dict[str, verbs.degrees.SmallSample]:
        """Other tests that have been asked for, by the method's name."""
        return {}

    def vcov(self, type: VcovType = "model", cluster: Any = None) -> pd.DataFrame:
        """Covariance of the coefficients; see `bayeslme.fit.inference.sandwich.vcov`."""
        return verbs.sandwich.vcov(self, type, cluster)

    def summary(
        self, df: DfMethod | None = None, vcov: VcovType | None = None
    ) -> verbs.summary.Summary:
        """Summarise; see `bayeslme.fit.output.summary.summary`."""
        own = df in (None, self.default_df) and vcov in (None, "model")
        return self._summary if own else verbs.summary.summary(self, df, vcov)

    @cached_property
    def _summary(self) -> verbs.summary.Summary:
        return verbs.summary.summary(self)

    def varcorr(self) -> verbs.varcorr.VarCorr:
        """Variance components; see `bayeslme.fit.values.varcorr.varcorr`."""
        return verbs.varcorr.varcorr(self)

    @overload
    def fitted(self, level: LevelName = None) -> pd.Series: ...

    @overload
    def fitted(self, level: Several) -> pd.DataFrame: ...

    def fitted(self, level: LevelName | Several = None) -> pd.Series | pd.DataFrame:
        """Fitted values at one level or several; see `bayeslme.fit.values.residuals.fitted`."""
        if isinstance(level, SEVERAL):
            return verbs.several_levels.fitted(self, level)
        return verbs.residuals.fitted(self, level)

    @overload
    def residuals(self, level: LevelName = None, type: ResidualType = "response") -> pd.Series: ...

    @overload
    def residuals(self, level: Several, type: ResidualType = "response") -> pd.DataFrame: ...

    def residuals(
        self, level: LevelName | Several = None, type: ResidualType = "response"
    ) -> pd.Series | pd.DataFrame:
        """Residuals at one level or several; see `bayeslme.fit.values.residuals.residuals`."""
        if isinstance(level, SEVERAL):
            return verbs.several_levels.residuals(self, level, type)
        return verbs.residuals.residuals(self, level, type)

    def predict(
        self,
        newdata: pd.DataFrame | None = None,
        level: LevelName | Several = None,
        se: bool = False,
        use_correlation: bool = False,
        interval: float | None = None,
        df: DfMethod | None = None,
    ) -> pd.Series | pd.DataFrame:
        """Predictions; see `bayeslme.fit.values.predict.predict`.

        Several levels, ``level=[0, 1]``, give nlme's table of them without errors; see
        `bayeslme.fit.values.several_levels.predict`.
        """
        if isinstance(level, SEVERAL):
            if se or use_correlation or interval is not None or df is not None:
                raise FitError("level: errors and intervals are given for one level at a time")
            return verbs.several_levels.predict(self, newdata, level)
        return verbs.predict.predict(self, newdata, level, se, use_correlation, interval, df)

    def anova(
        self,
        type: Literal["sequential", "marginal"] = "sequential",
        terms: Any = None,
        L: Any = None,
        df: DfMethod | None = None,
        vcov: VcovType | None = None,
    ) -> verbs.anova.Anova:
        """Test terms or contrasts; see `bayeslme.fit.inference.anova.anova_of`."""
        return verbs.anova.anova_of(self, type, terms, L, df, vcov)

    def means(
        self,
        factors: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> verbs.means.Means:
        """Marginal means or slopes, to be compared; see `bayeslme.fit.inference.means.means`."""
        return verbs.means.means(self, factors, at, **options)

    def intervals(
        self,
        level: float = 0.95,
        which: verbs.intervals.Which = "all",
        method: verbs.intervals.Method = "wald",
        df: DfMethod | None = None,
    ) -> verbs.intervals.Intervals:
        """Confidence intervals; see `bayeslme.fit.inference.intervals.intervals`."""
        return verbs.intervals.intervals(self, level, which, method, df)

    def acf(
        self,
        max_lag: int | None = None,
        type: ResidualType = "pearson",
        form: str | None = None,
        level: LevelName = None,
    ) -> pd.DataFrame:
        """Autocorrelation of residuals; see `bayeslme.fit.values.dependence.acf`."""
        return verbs.dependence.acf(self, max_lag, type, form, level)

    def variogram(
        self, form: str | None = None, type: ResidualType = "pearson", **options: Any
    ) -> pd.DataFrame:
        """Semivariogram of residuals; see `bayeslme.fit.values.dependence.variogram`."""
        return verbs.dependence.variogram(self, form, type, **options)

    def aug_pred(
        self, primary: str | None = None, level: verbs.curves.Levels = None, **options: Any
    ) -> pd.DataFrame:
        """Observed responses and predicted curves; see `bayeslme.fit.values.curves.aug_pred`."""
        return verbs.curves.aug_pred(self, primary, level, **options)

    def marginal_cov(self, group: str | None = None, *, symbolic: bool = False) -> pd.DataFrame:
        """Covariance of the responses; see `bayeslme.fit.values.covariance.marginal_cov`."""
        return verbs.covariance.marginal_cov(self, group, symbolic=symbolic)

    def residual_cov(self, group: str | None = None) -> pd.DataFrame:
        """Covariance given the random effects.

        Arguments and result: see `bayeslme.fit.values.covariance.residual_cov`.
        """
        return verbs.covariance.residual_cov(self, group)

    def singular(self, prior: str | None = "boundary-avoiding") -> verbs.singular.Singular:
        """Empty directions of the random effects; see `bayeslme.fit.values.singular.singular`."""
        return verbs.singular.singular(self, prior)

    def simulate(
        self, nsim: int = 1, seed: int | np.random.Generator | None = None
    ) -> pd.DataFrame:
        """Draw new responses; see `bayeslme.fit.values.simulate.simulate`."""
        return verbs.simulate.simulate(self, nsim, seed)

    def refit(self, response: npt.ArrayLike) -> Fit:
        """Fit the same model to another response; see `bayeslme.fit.refit.refit`."""
        return verbs.refit.refit(self, response)

    def bootstrap(
        self,
        nsim: int = 1000,
        statistic: verbs.bootstrap.Statistic | None = None,
        seed: int | np.random.Generator | None = None,
        *,
        progress: bool = True,
    ) -> verbs.bootstrap.Bootstrap:
        """Bootstrap by refitting simulated responses.

        Arguments and result: see `bayeslme.fit.inference.bootstrap.bootstrap`.
        """
        return verbs.bootstrap.bootstrap(self, nsim, statistic, seed, progress=progress)

    def update(self, **changes: Any) -> Fit:
        """Fit again with some arguments changed; see `bayeslme.fit.refit.update`."""
        return verbs.refit.update(self, **changes)

    def sample(
        self,
        draws: int = 1000,
        chains: int = 4,
        method: str = "auto",
        priors: Any = None,
        seed: int | None = None,
        nuts_sampler: str | None = None,
        progress: bool = True,
        tune: int | None = None,
        ranef: bool = True,
    ) -> Any:
        """Draw from the posterior; see `bayeslme.bayes.sampling.sample.sample`."""
        options = {"method": method, "priors": priors, "seed": seed, "nuts_sampler": nuts_sampler}
        return bind.sample(
            self,
            draws=draws,
            chains=chains,
            progress=progress,
            tune=tune,
            ranef=ranef,
            **options,
        )

    @property
    def plot(self) -> verbs.plots.Plots:
        """Plots, ``fit.plot.residuals(...)``; see `bayeslme.fit.output.plots.Plots`."""
        return verbs.plots.Plots(self)

    def report(self, path: str | Path, title: str | None = None, description: str = "") -> Path:
        """Write a page of HTML; see `bayeslme.fit.output.report.report`."""
        return verbs.report.report(self, path, title, description)

    def __repr__(self) -> str:
        from bayeslme.report.pages import fit_text

        return fit_text(self._summary.page)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from bayeslme.report.html import page_html

        return page_html(self._summary.page)


@delegating
class LmeFit(Fit):
    """A linear mixed model, fitted."""

    kind = "lme"

    def ranef(
        self, level: LevelName | Several = None, se: bool = False, standard: bool = False
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Random effects at one level or several.

        Arguments and result: see `bayeslme.fit.values.random_effects.ranef`.
        """
        if isinstance(level, SEVERAL):
            return verbs.several_levels.ranef(self, level, se, standard)
        return verbs.random_effects.ranef(self, level, se, standard)

    def coef(self, level: LevelName = None) -> pd.DataFrame:
        """Coefficients by group; see `bayeslme.fit.values.random_effects.coef`."""
        return verbs.random_effects.coef(self, level)


class GlsFit(Fit):
    """A linear model with correlated or heteroscedastic residuals, fitted."""

    kind = "gls"

    def coef(self) -> pd.Series:
        """Coefficients, length p."""
        return self.fixef


class LmFit(Fit):
    """An ordinary linear model, fitted by least squares."""

    kind = "lm"

    def coef(self) -> pd.Series:
        """Coefficients, length p."""
        return self.fixef
