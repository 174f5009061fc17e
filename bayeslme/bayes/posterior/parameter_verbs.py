"""Verbs of a posterior about its parameters: summary, intervals, statements, means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayeslme.bayes.posterior.estimates import intervals, varcorr
from bayeslme.bayes.posterior.hypothesis import contrast, hypothesis, posterior_means, quantities
from bayeslme.bayes.posterior.row_verbs import RowVerbs
from bayeslme.bayes.posterior.summary import summary

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.estimates import IntervalKind
    from bayeslme.bayes.posterior.hypothesis import PosteriorMeans
    from bayeslme.bayes.posterior.summary import PosteriorSummary
    from bayeslme.fit.inference.intervals import Intervals
    from bayeslme.fit.inference.reference_grid import Weights
    from bayeslme.fit.values.varcorr import VarCorr


class ParameterVerbs(RowVerbs):
    """Summary, variance components, intervals, statements, contrasts and marginal means."""

    def summary(self) -> PosteriorSummary:
        """Summarise a posterior.

        Returns
        -------
        PosteriorSummary
            ``.fixed`` is the table of the coefficients, shape (p, 6).

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> list(posterior.summary().fixed)
        ['Value', 'SD', 'lower', 'upper', 'ess_bulk', 'r_hat']
        """
        return self._summary

    @cached_property
    def _summary(self) -> PosteriorSummary:
        return summary(self)

    def r2(self, level: float = 0.95, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Nakagawa's R squared in every draw; see `Fit.r2`.

        Parameters
        ----------
        level : float
            Probability inside the limits.
        kind : {"eti", "hdi"}

        Returns
        -------
        DataFrame, shape (2, 4)
            Rows marginal and conditional; columns Value, SD, lower, upper.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> float(posterior.r2().loc["conditional", "Value"].round(1))
        0.8
        """
        from bayeslme.bayes.posterior.variance_shares import of_draws, summarised

        return summarised(of_draws(self).r2(), level, kind, "R2")

    def icc(self, level: float = 0.95, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Intraclass correlations in every draw; see `Fit.icc`.

        Parameters
        ----------
        level : float
            Probability inside the limits.
        kind : {"eti", "hdi"}

        Returns
        -------
        DataFrame
            A row for each grouping level; columns Value, SD, lower, upper.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.icc()["Value"].round(1).to_dict()
        {'Subject': 0.7}
        """
        from bayeslme.bayes.posterior.variance_shares import of_draws, summarised

        return summarised(of_draws(self).icc(), level, kind, "ICC")

    def varcorr(self) -> VarCorr:
        """Posterior means of the variance components.

        Returns
        -------
        VarCorr
            Laid out as that of a fit.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.varcorr()["Subject"].sd.round(0).to_dict()
        {'(Intercept)': 2.0}
        """
        return varcorr(self)

    def intervals(self, level: float = 0.95, kind: IntervalKind = "eti") -> Intervals:
        """Posterior intervals around the posterior means.

        Parameters
        ----------
        level : float
            Probability, between 0 and 1.
        kind : {"eti", "hdi"}
            Equal tails, or the shortest interval.

        Returns
        -------
        Intervals
            Parts and columns (lower, est., upper) as those of a fit.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.intervals()["fixed"].loc["age"].round(1).tolist()
        [0.5, 0.7, 0.8]
        """
        return intervals(self, level, kind)

    def hypothesis(
        self, *statements: str, level: float = 0.95, kind: IntervalKind = "eti"
    ) -> pd.DataFrame:
        """Probability that statements about the parameters are true.

        Parameters
        ----------
        *statements : str
            Comparisons by ``<``, ``<=``, ``>``, ``>=``, of numbers and parameters, with R's
            arithmetic and functions (``exp``, ``abs``, ...), joined by ``&``, ``|`` and ``!``.
        level : float
            Of the interval.
        kind : {"eti", "hdi"}
            Of the interval.

        Returns
        -------
        DataFrame
            A row for each statement: probability; mcse (its Monte Carlo standard error, by the
            effective size the summary would use for it); Value, SD, lower, upper of the left side
            less the right one, NaN where the statement is not a single comparison.

        Raises
        ------
        FitError
            For an unknown parameter, for an expression that is not a comparison, and for ``==``,
            whose probability is 0.
        SpecError
            For text that is not an expression.

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("orthodont")
        >>> fit = bayeslme.lme("distance ~ Sex + age", data, "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> bool(posterior.hypothesis("SexFemale < 0")["probability"].iloc[0] > 0.95)
        True
        """
        return hypothesis(self, *statements, level=level, kind=kind)

    def quantities(
        self,
        expressions: Mapping[str, str] | str,
        level: float = 0.95,
        kind: IntervalKind = "eti",
        *,
        draws: bool = False,
    ) -> pd.DataFrame:
        """Summarise quantities that are functions of the parameters.

        Parameters
        ----------
        expressions : mapping of str to str, or str
            Name to expression: parameters as the summary names them, numbers, R's arithmetic and
            functions (``exp``, ``sqrt``, ...); evaluated draw by draw.
        level : float
            Of the interval.
        kind : {"eti", "hdi"}
            Of the interval.
        draws : bool
            Return the draws, chains joined, instead of the table.

        Returns
        -------
        DataFrame
            A row for each quantity: Value (posterior mean), SD, lower, upper, and mcse, the Monte
            Carlo standard error of the mean. Under `draws` shape (s, quantities).

        Raises
        ------
        FitError
            For an unknown parameter, and for a statement; `hypothesis` gives its probability.
        SpecError
            For text that is not an expression.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> icc = "sd((Intercept))^2 / (sd((Intercept))^2 + sigma^2)"
        >>> float(posterior.quantities({"ICC": icc}).loc["ICC", "Value"].round(1))
        0.7
        """
        return quantities(self, expressions, level, kind, draws=draws)

    def contrast(self, L: Any, level: float = 0.95, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Linear combinations of the coefficients.

        Parameters
        ----------
        L : array (p,) or (r, p), DataFrame, mapping, Series or sequence of them
            As the `L` of ``fit.anova``.
        level : float
        kind : {"eti", "hdi"}

        Returns
        -------
        DataFrame, shape (r, 5)
            Value, SD, lower, upper, and P(> 0), the probability that the combination is positive.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.contrast({"age": 6})["P(> 0)"].tolist()
        [1.0]
        """
        return contrast(self, L, level, kind)

    def means(
        self,
        factors: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        *,
        slope: str | None = None,
        weights: Weights = "equal",
        level: float = 0.95,
        kind: IntervalKind = "eti",
    ) -> PosteriorMeans:
        """Marginal means over the posterior, for levels of some predictors.

        Parameters
        ----------
        factors, at, slope, weights
            As for `Fit.means`.
        level : float
        kind : {"eti", "hdi"}

        Returns
        -------
        PosteriorMeans
            ``.table`` has Value, SD, lower, upper, P(> 0); ``.draws`` the draws of the means.

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("orthodont")
        >>> fit = bayeslme.lme("distance ~ Sex * age", data, "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.means("Sex", at={"age": 14}).contrasts().table["P(> 0)"].round(2).tolist()
        [1.0]
        """
        return posterior_means(
            self, factors, at, slope=slope, weights=weights, level=level, kind=kind
        )
