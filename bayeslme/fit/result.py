"""Fitted models: names and delegation; every verb lives in the module of its name."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.docstrings import delegating
from bayeslme.errors import FitError
from bayeslme.fit import verbs
from bayeslme.fit.numbers import Numbers
from bayeslme.spec import bind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bayeslme.fit.denominators import DfMethod
    from bayeslme.fit.ranef import ErrorKind
    from bayeslme.fit.residuals import LevelName, ResidualType
    from bayeslme.fit.several_levels import Several

SEVERAL = (list, tuple, range)  # of levels


@delegating
class Fit(Numbers):
    """What all fits share; what they hold is told by `bayeslme.fit.numbers.Numbers`."""

    @cached_property
    def satterthwaite(self) -> verbs.denominators.SatterthwaiteTests:
        """Tests with Satterthwaite's degrees of freedom, behind ``df="satterthwaite"``."""
        return verbs.denominators.SatterthwaiteTests(self)

    @cached_property
    def kenward_roger(self) -> verbs.denominators.KenwardRogerTests:
        """Tests by Kenward and Roger, behind ``df="kenward-roger"``."""
        return verbs.denominators.KenwardRogerTests(self)

    def summary(self, df: DfMethod | None = None) -> verbs.summary.Summary:
        """Summarise; see `bayeslme.fit.summary.summary`."""
        return self._summary if df in (None, self.default_df) else verbs.summary.summary(self, df)

    @cached_property
    def _summary(self) -> verbs.summary.Summary:
        return verbs.summary.summary(self)

    def varcorr(self) -> verbs.varcorr.VarCorr:
        """Variance components; see `bayeslme.fit.varcorr.varcorr`."""
        return verbs.varcorr.varcorr(self)

    @overload
    def fitted(self, level: LevelName = None) -> pd.Series: ...

    @overload
    def fitted(self, level: Several) -> pd.DataFrame: ...

    def fitted(self, level: LevelName | Several = None) -> pd.Series | pd.DataFrame:
        """Fitted values at one level or several; see `bayeslme.fit.residuals.fitted`."""
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
        """Residuals at one level or several; see `bayeslme.fit.residuals.residuals`."""
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
        df: verbs.predict.IntervalDf = "residual",
    ) -> pd.Series | pd.DataFrame:
        """Predictions; see `bayeslme.fit.predict.predict`.

        Several levels, ``level=[0, 1]``, give nlme's table of them without errors; see
        `bayeslme.fit.several_levels.predict`.
        """
        if isinstance(level, SEVERAL):
            if se or use_correlation or interval is not None or df != "residual":
                raise FitError("level: errors and intervals are given for one level at a time")
            return verbs.several_levels.predict(self, newdata, level)
        return verbs.predict.predict(self, newdata, level, se, use_correlation, interval, df)

    def anova(
        self,
        type: Literal["sequential", "marginal"] = "sequential",
        terms: Any = None,
        L: Any = None,
        df: DfMethod | None = None,
    ) -> verbs.anova.Anova:
        """Test terms or contrasts; see `bayeslme.fit.anova.anova_of`."""
        return verbs.anova.anova_of(self, type, terms, L, df)

    def means(
        self,
        factors: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> verbs.means.Means:
        """Marginal means or slopes, to be compared; see `bayeslme.fit.means.means`."""
        return verbs.means.means(self, factors, at, **options)

    def intervals(
        self,
        level: float = 0.95,
        which: verbs.intervals.Which = "all",
        method: verbs.intervals.Method = "wald",
        df: DfMethod | None = None,
    ) -> verbs.intervals.Intervals:
        """Confidence intervals; see `bayeslme.fit.intervals.intervals`."""
        return verbs.intervals.intervals(self, level, which, method, df)

    def acf(
        self,
        max_lag: int | None = None,
        type: ResidualType = "pearson",
        form: str | None = None,
        level: LevelName = None,
    ) -> pd.DataFrame:
        """Autocorrelation of residuals; see `bayeslme.fit.acf.acf`."""
        return verbs.acf.acf(self, max_lag, type, form, level)

    def variogram(
        self, form: str | None = None, type: ResidualType = "pearson", **options: Any
    ) -> pd.DataFrame:
        """Semivariogram of residuals; see `bayeslme.fit.variogram.variogram`."""
        return verbs.variogram.variogram(self, form, type, **options)

    def aug_pred(
        self, primary: str | None = None, level: verbs.curves.Levels = None, **options: Any
    ) -> pd.DataFrame:
        """Observed responses and predicted curves; see `bayeslme.fit.curves.aug_pred`."""
        return verbs.curves.aug_pred(self, primary, level, **options)

    def marginal_cov(self, group: str | None = None, *, symbolic: bool = False) -> pd.DataFrame:
        """Covariance of the responses; see `bayeslme.fit.marginal_cov.marginal_cov`."""
        return verbs.marginal_cov.marginal_cov(self, group, symbolic=symbolic)

    def residual_cov(self, group: str | None = None) -> pd.DataFrame:
        """Covariance given the random effects; see `bayeslme.fit.marginal_cov.residual_cov`."""
        return verbs.marginal_cov.residual_cov(self, group)

    def singular(self, prior: str | None = "boundary-avoiding") -> verbs.singular.Singular:
        """Empty directions of the random effects; see `bayeslme.fit.singular.singular`."""
        return verbs.singular.singular(self, prior)

    def simulate(
        self, nsim: int = 1, seed: int | np.random.Generator | None = None
    ) -> pd.DataFrame:
        """Draw new responses; see `bayeslme.fit.simulate.simulate`."""
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
        """Bootstrap by refitting simulated responses; see `bayeslme.fit.bootstrap.bootstrap`."""
        return verbs.bootstrap.bootstrap(self, nsim, statistic, seed, progress=progress)

    def update(self, **changes: Any) -> Fit:
        """Fit again with some arguments changed; see `bayeslme.fit.update.update`."""
        return verbs.update.update(self, **changes)

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
    def plot(self) -> verbs.plots.Plots:
        """Plots, ``fit.plot.residuals(...)``; see `bayeslme.fit.plots.Plots`."""
        return verbs.plots.Plots(self)

    def report(self, path: str | Path, title: str | None = None, description: str = "") -> Path:
        """Write a page of HTML; see `bayeslme.fit.report.report`."""
        return verbs.report.report(self, path, title, description)

    def __repr__(self) -> str:
        from bayeslme.report.pages import fit_text

        return fit_text(verbs.summary.short_page(self))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from bayeslme.report.html import page_html

        return page_html(self._summary.page)


@delegating
class LmeFit(Fit):
    """A linear mixed model, fitted."""

    kind = "lme"

    def ranef(
        self, level: LevelName | Several = None, se: ErrorKind = False, standard: bool = False
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Random effects at one level or several; see `bayeslme.fit.ranef.ranef`."""
        if isinstance(level, SEVERAL):
            return verbs.several_levels.ranef(self, level, se, standard)
        return verbs.ranef.ranef(self, level, se, standard)

    def coef(self, level: LevelName = None) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Coefficients by group; see `bayeslme.fit.ranef.coef`."""
        if level is None and self.as_lme4 and len(self.design.levels) > 1:
            return verbs.ranef.coefs(self)
        return verbs.ranef.coef(self, level)


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
