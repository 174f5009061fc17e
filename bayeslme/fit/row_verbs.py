"""Verbs of a fit about its rows: fitted values, residuals, predictions and their covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import pandas as pd

from bayeslme.data.variables.columns import as_frame
from bayeslme.errors import FitError
from bayeslme.fit.numbers import Numbers
from bayeslme.fit.values.padding import padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from bayeslme.fit.inference.degrees import DfMethod
    from bayeslme.fit.values.curves import Levels
    from bayeslme.fit.values.positions import Collapse
    from bayeslme.fit.values.residuals import LevelName, ResidualType
    from bayeslme.fit.values.several_levels import Several

SEVERAL = (list, tuple, range)  # of levels


class RowVerbs(Numbers):
    """Fitted values, residuals and predictions; dependence and covariance of the responses."""

    @overload
    def fitted(self, level: LevelName = None) -> pd.Series: ...

    @overload
    def fitted(self, level: Several) -> pd.DataFrame: ...

    def fitted(self, level: LevelName | Several = None) -> pd.Series | pd.DataFrame:
        """Fitted values at one level of grouping, or at several.

        Parameters
        ----------
        level : str, int, None, or sequence of str or int
            ``"fixed"`` or 0, the name of a group, its number counted from the outermost, or None
            for the innermost. Several levels, ``[0, 1]``, give a column each. Of crossed random
            effects a name stands for those of that group alone (with the groups it is written to
            nest in), None for all.

        Returns
        -------
        Series, length n, or DataFrame, shape (n, number of levels)
            Indexed by the rows of the data frame that were used.

        Raises
        ------
        FitError
            For an unknown level.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.fitted("fixed").head(2).round(3).tolist()
        [22.043, 23.363]
        """
        from bayeslme.fit.values import residuals, several_levels

        if isinstance(level, SEVERAL):
            return padded(self.design, several_levels.fitted(self, level))
        one: pd.Series = padded(self.design, residuals.fitted(self, level))
        return one

    @overload
    def residuals(self, level: LevelName = None, type: ResidualType = "response") -> pd.Series: ...

    @overload
    def residuals(self, level: Several, type: ResidualType = "response") -> pd.DataFrame: ...

    def residuals(
        self, level: LevelName | Several = None, type: ResidualType = "response"
    ) -> pd.Series | pd.DataFrame:
        """Residuals at one level of grouping, or at several.

        Parameters
        ----------
        level : str, int, None, or sequence of str or int
            As in `fitted`.
        type : {"response", "pearson", "normalized"}
            As they are, divided by their standard deviation, or also freed of their correlation
            (Cholesky factor in time order within the group).

        Returns
        -------
        Series, length n, or DataFrame, shape (n, number of levels)

        Raises
        ------
        FitError
            For an unknown level or type.

        References
        ----------
        Pinheiro and Bates (2000), sections 4.3.1 and 5.3.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.residuals(type="pearson").head(2).round(3).tolist()
        [0.429, -1.192]
        """
        from bayeslme.fit.values import residuals, several_levels

        if isinstance(level, SEVERAL):
            return padded(self.design, several_levels.residuals(self, level, type))
        one: pd.Series = padded(self.design, residuals.residuals(self, level, type))
        return one

    def predict(
        self,
        newdata: pd.DataFrame | None = None,
        level: LevelName | Several = None,
        se: bool = False,
        use_correlation: bool = False,
        interval: float | None = None,
        df: DfMethod | None = None,
    ) -> pd.Series | pd.DataFrame:
        """Predict the mean response, or with `use_correlation` the new response itself.

        Parameters
        ----------
        newdata : DataFrame, optional
            The rows of the fit by default. Needs no response.
        level : str, int, None, or sequence of str or int
            ``"fixed"`` or 0 for X beta alone, which a new group needs; a group or its number adds
            the random effects down to it; None is the innermost level. Several levels, ``[0, 1]``,
            give nlme's table of them: the groups, then ``predict.fixed``, ``predict.Subject``, ...
            Of crossed random effects a name adds those of that group alone (with the groups it is
            written to nest in), None all.
        se : bool
            Also the standard error: of the mean at that level, with the errors of the coefficients
            and of the predicted random effects; under `use_correlation` of the new response.
        use_correlation : bool
            Add what the observed residuals of a row's correlation group say of its own residual:
            forecasts, interpolation (universal kriging). At the innermost level only. Rows at an
            observed position have that observation's residual (with a nugget, all but the nugget's
            share); where the structure goes by the order of the rows, new rows follow the observed
            ones of their group. In a correlation group without observed rows the residual is 0.
        interval : float, optional
            Also the limits of this interval for a new response, such as 0.95: its own residual is
            added to the error, with the variance function at the new rows, and the random effects
            of levels further in, as of groups not yet seen.
        df : {"inner-outer", "satterthwaite", "kenward-roger", "kenward-roger-observed", \
"kenward-roger-linear", "between-within", "residual"}, optional
            Degrees of freedom of the interval's t: n - p, the default; the fewest of the
            coefficients with a part in a row; or, by Satterthwaite, for each row from how well the
            data know its variance, the better choice where groups are few. Kenward and Roger's
            methods add to the last, for predictions of the fixed part, the adjusted covariance of
            the coefficients.

        Returns
        -------
        Series, or DataFrame with columns fit, se, lower, upper (those asked for)
            NaN in rows whose group the fit has not seen (at a grouping level; in fits by `lmer` its
            effects count as 0), whose variance stratum it has not seen (limits), or with a missing
            value.

        Raises
        ------
        DataError
            For a missing column or a factor level the fit has not seen.
        FitError
            For `use_correlation` without a correlation structure, or at an outer level.

        Notes
        -----
        Errors take the variance parameters as known. Limits are by t, normal where these are held;
        for `lm` they are exact. Variance covariates that are fitted values are taken at the level
        of the prediction where that is further out than their own.

        References
        ----------
        Robinson (1991), Statistical Science 6, 15; Pinheiro and Bates (2000), sections 2.2 and 5.3.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> new = fit.data[["Subject"]].head(1).assign(age=16)
        >>> fit.predict(new, interval=0.95).round(2)
             fit  lower  upper
        0  30.67  27.47  33.87
        """
        from bayeslme.fit.values import predict, several_levels

        newdata = None if newdata is None else as_frame(newdata, "newdata")
        if isinstance(level, SEVERAL):
            if se or use_correlation or interval is not None or df is not None:
                raise FitError("level: errors and intervals are given for one level at a time")
            found: pd.Series | pd.DataFrame = several_levels.predict(self, newdata, level)
        else:
            found = predict.predict(self, newdata, level, se, use_correlation, interval, df)
        return padded(self.design, found) if newdata is None else found

    def simulate(
        self, nsim: int = 1, seed: int | np.random.Generator | None = None
    ) -> pd.DataFrame:
        """Simulate responses at the estimates, with new random effects and new residuals.

        Parameters
        ----------
        nsim : int
            Number of draws.
        seed : int, Generator or None

        Returns
        -------
        DataFrame, shape (n, nsim)
            Indexed as the rows used; columns sim_1, sim_2, ...

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.simulate(2, seed=1).shape
        (108, 2)
        """
        from bayeslme.fit.values.simulate import simulate

        return simulate(self, nsim, seed)

    def acf(
        self,
        max_lag: int | None = None,
        type: ResidualType = "pearson",
        form: str | None = None,
        level: LevelName = None,
    ) -> pd.DataFrame:
        """Autocorrelation of the residuals within groups.

        Parameters
        ----------
        max_lag : int, optional
            By default 10 log10(m), at most m - 1, for largest groups of m rows. Where all steps of
            the times are multiples of a longer one, lags are counted in that.
        type : {"response", "pearson", "normalized"}
            Of the residuals; normalized ones should be uncorrelated.
        form : str, optional
            ``"~ time | g"`` with whole-number times, or ``"~ 1 | g"`` for the order of the rows. By
            default the times of a structure that counts them, such as corAR1; otherwise the order
            of the rows, or that of their real times.
        level : str, int or None
            Of the residuals.

        Returns
        -------
        DataFrame
            Columns lag, ACF, n_used (pairs); indexed 1, 2, ... as nlme prints it.

        Raises
        ------
        FitError
            For `max_lag` that is no count, and times that are not whole numbers.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.acf()["ACF"].round(3).tolist()
        [1.0, -0.272, -0.147, -0.632]
        """
        from bayeslme.fit.values.dependence import acf

        return acf(self, max_lag, type, form, level)

    def variogram(
        self,
        form: str | None = None,
        type: ResidualType = "pearson",
        *,
        max_distance: float | None = None,
        bins: int | None = None,
        breaks: Sequence[float] | None = None,
        collapse: Collapse = "quantiles",
        robust: bool = False,
        metric: str | None = None,
    ) -> pd.DataFrame:
        """Semivariogram of the residuals within groups.

        It is half the mean squared difference of two residuals, as a function of their distance.

        Parameters
        ----------
        form : str, optional
            ``"~ time | g"`` or ``"~ x + y"``; by default the positions of the correlation
            structure.
        type : {"response", "pearson", "normalized"}
        max_distance : float, optional
        bins : int, optional
            More distances than this are collapsed; 20 by default.
        breaks : sequence of float, optional
            Ends of the bins, increasing; pairs beyond the last are left out. In the place of
            `bins`.
        collapse : {"quantiles", "fixed", "none"}
            Into bins of equally many pairs, of equal width, or not at all: a row for each pair.
        robust : bool
            Cressie and Hawkins's estimator in the place of the mean.
        metric : {"euclidean", "maximum", "manhattan"}, optional
            By default the correlation structure's where `form` is left out, euclidean otherwise.

        Returns
        -------
        DataFrame
            Columns variog, dist (median of the bin), n_pairs. Where the fit has a correlation
            structure of the same positions, ``attrs["model"]`` holds its curve, lists dist and
            variog.

        Raises
        ------
        FitError
            For an argument out of range, and where there are no pairs of residuals or far too many.

        References
        ----------
        Pinheiro and Bates (2000), section 5.3; Cressie, N. and Hawkins, D. M. (1980), Robust
        estimation of the variogram, Mathematical Geology 12, 115-125.

        Notes
        -----
        nlme leaves pairs at the very smallest distance out of the first bin; they are counted here.
        Of fewer distances than bins it keeps every one, whatever `breaks` say; here they count.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.variogram("~ age | Subject").round(3)
           variog  dist  n_pairs
        1   0.959   2.0       81
        2   0.878   4.0       54
        3   1.293   6.0       27
        """
        from bayeslme.fit.values.dependence import variogram

        return variogram(
            self,
            form,
            type,
            max_distance=max_distance,
            bins=bins,
            breaks=breaks,
            collapse=collapse,
            robust=robust,
            metric=metric,
        )

    def aug_pred(
        self,
        primary: str | None = None,
        level: Levels = None,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        length: int = 51,
        groups: str | None = None,
    ) -> pd.DataFrame:
        """Observed responses, and predictions over a grid of one covariate in every group.

        Parameters
        ----------
        primary : str, optional
            Column that runs over the grid; a factor runs over its levels. By default the covariate
            of the data's own formula (``data.attrs["formula"]``), or the model's only numeric one.
        level : str, int, or sequence of them, optional
            Levels of prediction; the innermost by default. Groups are those of the innermost one
            asked for, of the outermost where only ``"fixed"`` is.
        minimum, maximum : float, optional
            Ends of the grid, by default those of the data.
        length : int
            Points of the grid.
        groups : str, optional
            For `gls` and `lm`: columns whose combinations are drawn apart, ``"Subject"`` or
            ``"a/b"``. By default the groups of the correlation structure.

        Returns
        -------
        DataFrame
            Columns `primary`, ``.groups``, the response and ``.type``: ``"original"``, and
            ``"predicted"`` or, for several levels, ``"predict.fixed"``, ``"predict.Subject"``, ...
            As nlme's ``augPred``.

        Raises
        ------
        SpecError
            If `primary` is needed, or no column of the data.

        Notes
        -----
        Other numeric columns are held at their mean in the group, factors at their commonest level.

        References
        ----------
        Pinheiro and Bates (2000), section 1.4.

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("orthodont")
        >>> fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
        >>> fit.aug_pred(length=3).tail(3).round(4)
              age .groups  distance      .type
        186   8.0     F11   24.1527  predicted
        187  11.0     F11   26.1332  predicted
        188  14.0     F11   28.1138  predicted
        """
        from bayeslme.fit.values.curves import aug_pred

        return aug_pred(
            self, primary, level, minimum=minimum, maximum=maximum, length=length, groups=groups
        )

    def marginal_cov(self, group: str | None = None, *, symbolic: bool = False) -> pd.DataFrame:
        """Covariance of the responses of one outermost group, or of all rows.

        Parameters
        ----------
        group : str, optional
            Label of an outermost group; in `gls`, of a correlation group.
        symbolic : bool
            Entries as text, σ² the residual variance, σ₁² that of the innermost level, σ₂² of the
            next: what the model says before it is estimated. Only for models without correlation
            structure and variance function.

        Returns
        -------
        DataFrame, shape (m, m)
            Rows and columns indexed as the data frame.

        Raises
        ------
        FitError
            For an unknown group, a symbolic covariance of a model that has none, and more rows
            than a dense matrix should hold.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.marginal_cov("M01").iloc[:2, :2].round(3).to_numpy().tolist()
        [[6.522, 4.472], [4.472, 6.522]]
        >>> fit.marginal_cov("M01", symbolic=True).iloc[0, 1]
        'σ₁²'
        """
        from bayeslme.fit.values.covariance import marginal_cov

        return marginal_cov(self, group, symbolic=symbolic)

    def residual_cov(self, group: str | None = None) -> pd.DataFrame:
        """Covariance of the responses given the random effects, sigma^2 R.

        Parameters
        ----------
        group : str, optional
            As in `marginal_cov`.

        Returns
        -------
        DataFrame, shape (m, m)

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.residual_cov("M01").iloc[:2, :2].round(3).to_numpy().tolist()
        [[2.049, 0.0], [0.0, 2.049]]
        """
        from bayeslme.fit.values.covariance import residual_cov

        return residual_cov(self, group)
