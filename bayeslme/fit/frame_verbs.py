"""Verbs of a fit that give data frames for other tools: broom's tidy, glance and augment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayeslme.fit.parameter_verbs import ParameterVerbs
from bayeslme.report.export import Exported

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from bayeslme.fit.inference.degrees import DfMethod, VcovType
    from bayeslme.fit.output.tidy import Effects


class FrameVerbs(ParameterVerbs, Exported):
    """A fit as data frames, and its table of coefficients for papers."""

    def exported(self) -> dict[str, pd.DataFrame]:
        """Tables that ``to_latex`` and ``to_markdown`` write: those of the summary.

        Returns
        -------
        dict of str to DataFrame
        """
        return self.summary().exported()

    def tidy(
        self,
        effects: Effects | Sequence[Effects] = "fixed",
        conf_int: bool = True,
        conf_level: float = 0.95,
        df: DfMethod | None = None,
        vcov: VcovType | None = None,
    ) -> pd.DataFrame:
        """One row for each term, with the column names of R's broom.mixed.

        Parameters
        ----------
        effects : {"fixed", "random", "variance", "all"} or list of them
            Coefficients; random effects of every group (``effect`` is ``"ran_vals"``); standard
            deviations and correlations (``"ran_pars"``), parameters of the variance function
            (``"var_model"``) and of the residual correlation (``"cor_model"``).
        conf_int : bool
            Add conf.low and conf.high: those of `intervals`, and for random effects normal ones.
        conf_level : float
        df, vcov
            As for `summary`; they concern fixed effects only.

        Returns
        -------
        DataFrame
            Columns effect, group, level, term, estimate, std.error, df, statistic, p.value,
            conf.low, conf.high, less those that no row needs. The standard error of a random effect
            is its conditional standard deviation.

        Raises
        ------
        FitError
            For unknown effects, a level outside 0 to 1, and df or vcov without fixed effects.

        References
        ----------
        Bolker, B. and Robinson, D., broom.mixed: tidying methods for mixed models (R package).

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.tidy()[["term", "estimate", "std.error"]].round(3)
                  term  estimate  std.error
        0  (Intercept)    16.761      0.802
        1          age     0.660      0.062
        >>> fit.tidy("variance")[["group", "term", "estimate"]].round(3)
              group             term  estimate
        0   Subject  sd__(Intercept)     2.115
        1  Residual  sd__Observation     1.432
        """
        from bayeslme.fit.output.tidy import tidy

        return tidy(self, effects, conf_int, conf_level, df, vcov)

    def glance(self) -> pd.DataFrame:
        """One row for the whole model, with the column names of R's broom and broom.mixed.

        Returns
        -------
        DataFrame, one row
            nobs, sigma, logLik, AIC, BIC, df.residual, npar (estimated parameters), method; for a
            mixed model deviance (ML) or REMLcrit (`lmer` by REML); for `gls` and `lm` df
            (coefficients; of `lm` those beside
            the intercept); for `lm` r.squared, adj.r.squared, statistic, p.value, deviance.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.glance()[["nobs", "sigma", "AIC"]].round(3)
           nobs  sigma      AIC
        0   108  1.432  455.003
        """
        from bayeslme.fit.output.tidy import glance

        return glance(self)

    def augment(self, newdata: pd.DataFrame | None = None) -> pd.DataFrame:
        """The data with columns .fitted, .resid and .fixed (fitted values without random effects).

        Parameters
        ----------
        newdata : DataFrame, optional
            Other rows; they get .fitted only, NaN where a group is unknown.

        Returns
        -------
        DataFrame
            The rows used by the fit, under their index.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.augment().loc[:, ".fitted":].head(2).round(3)
           .fitted  .resid  .fixed
        0   25.386   0.614  22.043
        1   26.707  -1.707  23.363
        """
        from bayeslme.fit.output.tidy import augment

        return augment(self, newdata)
