"""Fitted models: names and delegation; every verb lives in the module of its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import Design
from bayeslme.engine import Estimate, Information, information
from bayeslme.errors import FitError
from bayeslme.fit.later import later
from bayeslme.spec import bind
from bayeslme.spec.model import LmeSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bayeslme.fit import acf as _acf
    from bayeslme.fit import anova as _anova
    from bayeslme.fit import bootstrap as _bootstrap
    from bayeslme.fit import curves as _curves
    from bayeslme.fit import degrees as _degrees
    from bayeslme.fit import denominators as _denominators
    from bayeslme.fit import intervals as _intervals
    from bayeslme.fit import marginal_cov as _marginal_cov
    from bayeslme.fit import means as _means
    from bayeslme.fit import page as _page
    from bayeslme.fit import predict as _predict
    from bayeslme.fit import ranef as _ranef
    from bayeslme.fit import refit as _refit
    from bayeslme.fit import residuals as _residuals
    from bayeslme.fit import several_levels as _several
    from bayeslme.fit import simulate as _simulate
    from bayeslme.fit import singular as _singular
    from bayeslme.fit import summary as _summary
    from bayeslme.fit import update as _update
    from bayeslme.fit import varcorr as _varcorr
    from bayeslme.fit import variogram as _variogram
    from bayeslme.fit.degrees import Degrees
    from bayeslme.fit.denominators import DfMethod, KenwardRogerTests, SatterthwaiteTests
    from bayeslme.fit.plots import Plots
    from bayeslme.fit.residuals import LevelName, ResidualType
    from bayeslme.fit.several_levels import Several
    from bayeslme.report import html as _html
    from bayeslme.report import pages as _pages
else:
    _html, _pages = later("bayeslme.report.html"), later("bayeslme.report.pages")
    _acf = later("bayeslme.fit.acf")
    _anova = later("bayeslme.fit.anova")
    _bootstrap = later("bayeslme.fit.bootstrap")
    _curves = later("bayeslme.fit.curves")
    _degrees = later("bayeslme.fit.degrees")
    _denominators = later("bayeslme.fit.denominators")
    _intervals = later("bayeslme.fit.intervals")
    _marginal_cov = later("bayeslme.fit.marginal_cov")
    _means = later("bayeslme.fit.means")
    _page = later("bayeslme.fit.page")
    _predict = later("bayeslme.fit.predict")
    _ranef = later("bayeslme.fit.ranef")
    _refit = later("bayeslme.fit.refit")
    _residuals = later("bayeslme.fit.residuals")
    _several = later("bayeslme.fit.several_levels")
    _simulate = later("bayeslme.fit.simulate")
    _singular = later("bayeslme.fit.singular")
    _summary = later("bayeslme.fit.summary")
    _update = later("bayeslme.fit.update")
    _varcorr = later("bayeslme.fit.varcorr")
    _variogram = later("bayeslme.fit.variogram")

SEVERAL = (list, tuple, range)  # of levels
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fit:
    """What all fits share.

    Attributes
    ----------
    spec : LmeSpec
        The specification.
    design : Design
        Its arrays for the data.
    estimate : Estimate
        The engine's numbers.
    data : DataFrame
        The data frame as given.
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
        """``"REML"``, ``"ML"`` or ``"OLS"``."""
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
        return _page.named(bound, values).iloc[[] if bound is None else bound.free]

    @property
    def correlation_coef(self) -> pd.Series:
        """Coefficients of the correlation structure under nlme's names, held ones included."""
        return _page.named(self.estimate.problem.correlation, self.estimate.corstruct)

    @cached_property
    def degrees(self) -> Degrees:
        """Denominator degrees of freedom of coefficients and terms."""
        of = _degrees.inner_outer if self.kind == "lme" else _degrees.residual
        return of(self.design)

    @cached_property
    def test_vcov(self) -> FloatArray:
        """Covariance (p, p) of the coefficients behind tests, adjusted under ML for p."""
        n, p = self.design.X.shape
        return self.estimate.vcov * (n / (n - p) if self.method == "ML" else 1.0)

    @cached_property
    def information(self) -> Information:
        """Approximate covariance of the variance parameters on nlme's scales."""
        return information(self.design, self.estimate)

    @cached_property
    def satterthwaite(self) -> SatterthwaiteTests:
        """Tests with Satterthwaite's degrees of freedom, behind ``df="satterthwaite"``."""
        return _denominators.SatterthwaiteTests(self)

    @cached_property
    def kenward_roger(self) -> KenwardRogerTests:
        """Tests by Kenward and Roger, behind ``df="kenward-roger"``."""
        return _denominators.KenwardRogerTests(self)

    def vcov(self) -> pd.DataFrame:
        """Covariance of the coefficients, (p, p); `gls` under ML adjusts it for p, as in nlme."""
        values = self.test_vcov if self.kind == "gls" else self.estimate.vcov
        return pd.DataFrame(
            values, index=list(self.design.x_names), columns=list(self.design.x_names)
        )

    def summary(self, df: DfMethod = "inner-outer") -> _summary.Summary:
        """Summarise; see `bayeslme.fit.summary.summary`."""
        return self._summary if df == "inner-outer" else _summary.summary(self, df)

    @cached_property
    def _summary(self) -> _summary.Summary:
        return _summary.summary(self)

    def varcorr(self) -> _varcorr.VarCorr:
        """Variance components; see `bayeslme.fit.varcorr.varcorr`."""
        return _varcorr.varcorr(self)

    @overload
    def fitted(self, level: LevelName = None) -> pd.Series: ...

    @overload
    def fitted(self, level: Several) -> pd.DataFrame: ...

    def fitted(self, level: LevelName | Several = None) -> pd.Series | pd.DataFrame:
        """Fitted values at one level or several; see `bayeslme.fit.residuals.fitted`."""
        if isinstance(level, SEVERAL):
            return _several.fitted(self, level)
        return _residuals.fitted(self, level)

    @overload
    def residuals(self, level: LevelName = None, type: ResidualType = "response") -> pd.Series: ...

    @overload
    def residuals(self, level: Several, type: ResidualType = "response") -> pd.DataFrame: ...

    def residuals(
        self, level: LevelName | Several = None, type: ResidualType = "response"
    ) -> pd.Series | pd.DataFrame:
        """Residuals at one level or several; see `bayeslme.fit.residuals.residuals`."""
        if isinstance(level, SEVERAL):
            return _several.residuals(self, level, type)
        return _residuals.residuals(self, level, type)

    def predict(
        self,
        newdata: pd.DataFrame | None = None,
        level: LevelName | Several = None,
        se: bool = False,
        use_correlation: bool = False,
        interval: float | None = None,
        df: _predict.IntervalDf = "residual",
    ) -> pd.Series | pd.DataFrame:
        """Predictions; see `bayeslme.fit.predict.predict`.

        Several levels, ``level=[0, 1]``, give nlme's table of them without errors; see
        `bayeslme.fit.several_levels.predict`.
        """
        if isinstance(level, SEVERAL):
            if se or use_correlation or interval is not None or df != "residual":
                raise FitError("level: errors and intervals are given for one level at a time")
            return _several.predict(self, newdata, level)
        return _predict.predict(self, newdata, level, se, use_correlation, interval, df)

    def anova(
        self,
        type: Literal["sequential", "marginal"] = "sequential",
        terms: Any = None,
        L: Any = None,
        df: DfMethod = "inner-outer",
    ) -> _anova.Anova:
        """Test terms or contrasts; see `bayeslme.fit.anova.anova_of`."""
        return _anova.anova_of(self, type, terms, L, df)

    def means(
        self,
        factors: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _means.Means:
        """Marginal means or slopes, to be compared; see `bayeslme.fit.means.means`."""
        return _means.means(self, factors, at, **options)

    def intervals(
        self,
        level: float = 0.95,
        which: _intervals.Which = "all",
        method: _intervals.Method = "wald",
        df: DfMethod = "inner-outer",
    ) -> _intervals.Intervals:
        """Confidence intervals; see `bayeslme.fit.intervals.intervals`."""
        return _intervals.intervals(self, level, which, method, df)

    def acf(
        self,
        max_lag: int | None = None,
        type: ResidualType = "pearson",
        form: str | None = None,
        level: LevelName = None,
    ) -> pd.DataFrame:
        """Autocorrelation of residuals; see `bayeslme.fit.acf.acf`."""
        return _acf.acf(self, max_lag, type, form, level)

    def variogram(
        self, form: str | None = None, type: ResidualType = "pearson", **options: Any
    ) -> pd.DataFrame:
        """Semivariogram of residuals; see `bayeslme.fit.variogram.variogram`."""
        return _variogram.variogram(self, form, type, **options)

    def aug_pred(
        self, primary: str | None = None, level: _curves.Levels = None, **options: Any
    ) -> pd.DataFrame:
        """Observed responses and predicted curves; see `bayeslme.fit.curves.aug_pred`."""
        return _curves.aug_pred(self, primary, level, **options)

    def marginal_cov(self, group: str | None = None, *, symbolic: bool = False) -> pd.DataFrame:
        """Covariance of the responses; see `bayeslme.fit.marginal_cov.marginal_cov`."""
        return _marginal_cov.marginal_cov(self, group, symbolic=symbolic)

    def residual_cov(self, group: str | None = None) -> pd.DataFrame:
        """Covariance given the random effects; see `bayeslme.fit.marginal_cov.residual_cov`."""
        return _marginal_cov.residual_cov(self, group)

    def singular(self, prior: str | None = "boundary-avoiding") -> _singular.Singular:
        """Empty directions of the random effects; see `bayeslme.fit.singular.singular`."""
        return _singular.singular(self, prior)

    def simulate(
        self, nsim: int = 1, seed: int | np.random.Generator | None = None
    ) -> pd.DataFrame:
        """Draw new responses; see `bayeslme.fit.simulate.simulate`."""
        return _simulate.simulate(self, nsim, seed)

    def refit(self, response: npt.ArrayLike) -> Fit:
        """Fit the same model to another response; see `bayeslme.fit.refit.refit`."""
        return _refit.refit(self, response)

    def bootstrap(
        self,
        nsim: int = 1000,
        statistic: _bootstrap.Statistic | None = None,
        seed: int | np.random.Generator | None = None,
        *,
        progress: bool = True,
    ) -> _bootstrap.Bootstrap:
        """Bootstrap by refitting simulated responses; see `bayeslme.fit.bootstrap.bootstrap`."""
        return _bootstrap.bootstrap(self, nsim, statistic, seed, progress=progress)

    def update(self, **changes: Any) -> Fit:
        """Fit again with some arguments changed; see `bayeslme.fit.update.update`."""
        return _update.update(self, **changes)

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
        """Draw from the posterior; see `bayeslme.bayes.sample.sample`."""
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
    def plot(self) -> Plots:
        """Plots, ``fit.plot.residuals(...)``; see `bayeslme.fit.plots.Plots`."""
        from bayeslme.fit.plots import Plots

        return Plots(self)

    def report(self, path: str | Path, title: str | None = None, description: str = "") -> Path:
        """Write a page of HTML; see `bayeslme.fit.report.report`."""
        from bayeslme.fit.report import report

        return report(self, path, title, description)

    def __repr__(self) -> str:
        return _pages.fit_text(self._summary.page)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return _html.page_html(self._summary.page)


class LmeFit(Fit):
    """A linear mixed model, fitted."""

    kind = "lme"

    def ranef(
        self, level: LevelName | Several = None, se: bool = False
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Random effects at one level or several; see `bayeslme.fit.ranef.ranef`."""
        if isinstance(level, SEVERAL):
            return _several.ranef(self, level, se)
        return _ranef.ranef(self, level, se)

    def coef(self, level: LevelName = None) -> pd.DataFrame:
        """Coefficients by group; see `bayeslme.fit.ranef.coef`."""
        return _ranef.coef(self, level)


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
