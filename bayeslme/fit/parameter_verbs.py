"""Verbs of a fit about its parameters: summary, tests, intervals, means, variance components."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from bayeslme.fit.row_verbs import RowVerbs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from bayeslme.fit.inference.anova import Anova
    from bayeslme.fit.inference.degrees import DfMethod, VcovType
    from bayeslme.fit.inference.intervals import Intervals, Method, Which
    from bayeslme.fit.inference.means import Means, Scale
    from bayeslme.fit.inference.reference_grid import Weights
    from bayeslme.fit.output.summary import Summary
    from bayeslme.fit.values.varcorr import VarCorr


class ParameterVerbs(RowVerbs):
    """Summary, tests, intervals, marginal means and variance components."""

    def summary(self, df: DfMethod | None = None, vcov: VcovType | None = None) -> Summary:
        """Summarise a fit.

        Parameters
        ----------
        df : {"inner-outer", "satterthwaite", "kenward-roger", "kenward-roger-observed", \
"kenward-roger-linear", "between-within", "residual"}, optional
            Denominator degrees of freedom of the t tests; Kenward and Roger's methods adjust the
            standard errors too. All but the first give `gls` a column DF. By default the first, and
            Satterthwaite's for `lmer` and crossed random effects, which the first does not cover.
        vcov : {"model", "CR0", "CR1", "CR1S", "CR2", "CR3"}, optional
            Robust standard errors, with degrees of freedom of their own; see `vcov`.

        Returns
        -------
        Summary
            ``.fixed`` is the table of the coefficients, shape (p, 5): Value, Std.Error, DF,
            t-value, p-value.

        Notes
        -----
        Under maximum likelihood the standard errors are multiplied by sqrt(n / (n - p)), as nlme
        does, but not those of `lmer`, as lme4 does.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.summary().fixed["t-value"].round(2).to_dict()
        {'(Intercept)': 20.89, 'age': 10.72}
        """
        from bayeslme.fit.output.summary import summary

        own = df in (None, self.default_df) and vcov in (None, "model")
        return self._summary if own else summary(self, df, vcov)

    @cached_property
    def _summary(self) -> Summary:
        from bayeslme.fit.output.summary import summary

        return summary(self)

    def vcov(self, type: VcovType = "model", cluster: Any = None) -> pd.DataFrame:
        """Covariance of the coefficients.

        Parameters
        ----------
        type : {"model", "CR0", "CR1", "CR1S", "CR2", "CR3"}
            That of the model, or robust to a wrong model of variances and correlations: the outer
            products of the clusters' scores (CR0), times m / (m - 1) for m clusters (CR1), times m
            (n - 1) / ((m - 1) (n - p)) (CR1S), without bias where the model is right (CR2), close
            to the jackknife (CR3).
        cluster : str or array, optional
            A column of the data, or labels of the rows used. By default the outermost groups, of
            `gls` the groups of the correlation, and single rows where there are none.

        Returns
        -------
        DataFrame, shape (p, p)

        Raises
        ------
        FitError
            For an unknown type, clusters that cut a group, and one cluster only.

        Notes
        -----
        Under maximum likelihood that of the model is adjusted for p for `gls`, as in nlme.

        References
        ----------
        Bell, R. M. and McCaffrey, D. F. (2002), Survey Methodology 28, 169-181; Pustejovsky, J. E.
        and Tipton, E. (2018), J. Bus. Econ. Stat. 36, 672-683.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> round(float(fit.vcov("CR2").loc["age", "age"]), 4)
        0.0051
        """
        from bayeslme.fit.inference.sandwich import vcov

        return vcov(self, type, cluster)

    def varcorr(self) -> VarCorr:
        """Standard deviations and correlations of the random effects, level by level.

        Returns
        -------
        VarCorr
            A mapping from group to component, which has ``.sd`` (Series, length q), ``.corr`` and
            ``.cov`` (DataFrames, shape (q, q)). It is printed as nlme prints it.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.varcorr()
        Subject = pdLogChol(1)
                    Variance StdDev
        (Intercept) 4.472056 2.114724
        Residual    2.049456 1.431592
        """
        from bayeslme.fit.values.varcorr import varcorr

        return varcorr(self)

    def anova(
        self,
        type: Literal["sequential", "marginal"] = "sequential",
        terms: Any = None,
        L: Any = None,
        df: DfMethod | None = None,
        vcov: VcovType | None = None,
    ) -> Anova:
        """Test the terms of a fit, or chosen terms or contrasts of its coefficients.

        Parameters
        ----------
        type : {"sequential", "marginal"}
            Each term after those before it, or after all others.
        terms : int, str or sequence of them, optional
            Terms to test together, by position (1 the intercept, where there is one) or name.
        L : array, DataFrame, mapping or sequence of mappings, optional
            Contrasts tested together: rows of p numbers, or coefficients by name, ``{"Time:Diet2":
            1, "Time:Diet3": -1}``; see `bayeslme.fit.inference.contrasts.contrasts`.
        df : {"inner-outer", "satterthwaite", "kenward-roger", "kenward-roger-observed", \
"kenward-roger-linear", "between-within", "residual"}, optional
            Denominator degrees of freedom: nlme's rule (the default), counted in another way, or
            computed from the fit. Kenward and Roger's methods adjust F too.
        vcov : {"model", "CR0", "CR1", "CR1S", "CR2", "CR3"}, optional
            A robust covariance, with denominators of its own; see `vcov`.

        Returns
        -------
        Anova
            Columns numDF, denDF (by the first rule not for gls and lm, which have one), F-value,
            p-value.

        Raises
        ------
        FitError
            For unknown terms, contrasts that cannot be tested, or `terms` and `L` at once.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.anova()
                    numDF denDF   F-value p-value
        (Intercept)     1    80 3126.144...  <.0001
        age             1    80  114.8383  <.0001
        """
        from bayeslme.fit.inference.anova import anova_of

        return anova_of(self, type, terms, L, df, vcov)

    def means(
        self,
        factors: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        *,
        slope: str | None = None,
        weights: Weights = "equal",
        level: float = 0.95,
        df: DfMethod | None = None,
        vcov: VcovType | None = None,
        type: Scale = "link",
    ) -> Means:
        """Marginal means of the response, for levels of some predictors; R's ``emmeans``.

        Parameters
        ----------
        factors : str or sequence of str
            Predictors of the fixed part that are kept. All other factors are averaged over, all
            other covariates stand at their mean over the rows used.
        at : mapping, optional
            Values of covariates in the place of their mean, ``{"age": [8, 14]}``, or some levels of
            factors. A covariate among `factors` needs them.
        slope : str, optional
            Give the slopes along this covariate in the place of the means; R's ``emtrends``.
        weights : {"equal", "proportional"}
            Combinations that are averaged over count the same, or as often as they are in the data.
        level : float
            Of the limits.
        df : {"inner-outer", "satterthwaite", "kenward-roger", "kenward-roger-observed", \
"kenward-roger-linear", "between-within", "residual"}, optional
            Degrees of freedom. By the first rule a mean has the fewest of the coefficients that
            have a part in it, where the intercept counts at the outermost level of grouping.
        vcov : {"model", "CR0", "CR1", "CR1S", "CR2", "CR3"}, optional
            Robust standard errors, with degrees of freedom of their own; see `vcov`.
        type : {"link", "response"}
            Where the response of the formula is transformed, as ``log(y)`` is: means on the scale
            of the model, or taken back to the response. What is taken back is the mean on the
            model's scale with its limits: of ``log(y)`` the geometric mean.

        Returns
        -------
        Means
            ``.table`` has Value, Std.Error, DF, lower, upper; `Means.contrasts` compares them.

        Raises
        ------
        SpecError
            For what is no predictor of the fixed part, and a covariate without values.

        References
        ----------
        Searle, S. R., Speed, F. M. and Milliken, G. A. (1980), The American Statistician 34,
        216-221; Lenth, R. V. (2016), Least-squares means, J. Stat. Softw. 69(1).

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("orthodont")
        >>> fit = bayeslme.lme("distance ~ Sex * age", data, "~ 1 | Subject")
        >>> fit.means("Sex", at={"age": 14})
        Sex
                 Value Std.Error DF  lower  upper
        Male   27.32... 0.538... 25 26.21... 28.43...
        Female 24.08... 0.649... 25 22.74... 25.42...
        Note: at age = 14
        >>> fit.means("Sex", slope="age").contrasts().table["Value"].round(4).tolist()
        [0.3048]
        """
        from bayeslme.fit.inference.means import means

        return means(
            self,
            factors,
            at,
            slope=slope,
            weights=weights,
            level=level,
            df=df,
            vcov=vcov,
            type=type,
        )

    def r2(self) -> pd.Series:
        """Share of the response's variance that the fixed part explains, and with random effects.

        Returns
        -------
        Series
            ``marginal`` of the fixed part alone, ``conditional`` of it and the random effects. For
            models without random effects both are the same.

        Notes
        -----
        The variance of random slopes is their mean over the rows, and where residual variances
        differ, theirs is too. That of ``X beta`` has the divisor n - 1. An offset does not count.

        References
        ----------
        Nakagawa, S. and Schielzeth, H. (2013), Methods in Ecology and Evolution 4, 133-142;
        Johnson, P. C. D. (2014), Methods in Ecology and Evolution 5, 944-946.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("Orthodont"), "~ 1 | Subject")
        >>> fit.r2().round(3).to_dict()
        {'marginal': 0.252, 'conditional': 0.765}
        """
        from bayeslme.fit.values.variance_shares import r2

        return r2(self)

    def icc(self) -> pd.Series:
        """Intraclass correlations: the share of each grouping level in the unexplained variance.

        Returns
        -------
        Series
            By grouping level, and of several levels ``all levels`` together. It is the correlation
            of two rows that share a group of these levels; with random slopes their average
            variance counts.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("yield ~ nitro", bayeslme.load_data("Oats"), "~ 1 | Block/Variety")
        >>> fit.icc().round(3).to_dict()
        {'Block': 0.423, 'Variety': 0.244, 'all levels': 0.667}
        """
        from bayeslme.fit.values.variance_shares import icc

        return icc(self)

    def intervals(
        self,
        level: float = 0.95,
        which: Which = "all",
        method: Method = "wald",
        df: DfMethod | None = None,
    ) -> Intervals:
        """Confidence intervals of coefficients and variance parameters.

        Parameters
        ----------
        level : float
            Confidence level, between 0 and 1.
        which : {"all", "fixed", "var-cov"}
        method : {"wald", "profile"}
            ``"wald"`` is nlme's; ``"profile"`` inverts the likelihood-ratio test, see
            `bayeslme.fit.inference.intervals.profiled`.
        df : {"inner-outer", "satterthwaite", "kenward-roger", "kenward-roger-observed", \
"kenward-roger-linear", "between-within", "residual"}, optional
            Degrees of freedom of the coefficients' t; Kenward and Roger's methods adjust their
            standard errors too, as in `summary`.

        Returns
        -------
        Intervals

        Raises
        ------
        FitError
            For an argument out of range, and `df` where no t interval is asked for.

        Notes
        -----
        Never an error because of a boundary: a standard deviation estimated as zero gets the
        one-sided interval from 0, and parameters whose likelihood is flat get NaN, both said in a
        note.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.intervals()["sigma"].round(3)
               lower   est.  upper
        sigma  1.226  1.432  1.672
        """
        from bayeslme.fit.inference.intervals import intervals

        return intervals(self, level, which, method, df)
