"""Verbs of a posterior about its rows and groups: effects, fitted values, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from bayeslme.bayes.posterior.draws import Draws
from bayeslme.bayes.posterior.rows.predict import predict
from bayeslme.bayes.posterior.rows.values import fitted, ppc, ranef, residuals

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.estimates import IntervalKind
    from bayeslme.bayes.posterior.rows.predict import NewGroups, Of
    from bayeslme.fit.values.residuals import LevelName, ResidualType


class RowVerbs(Draws):
    """Random effects, fitted values, residuals, predictions and replicated responses."""

    def ranef(self, level: LevelName = None) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Posterior means of the random effects.

        Parameters
        ----------
        level : str, int or None
            One level, or None for all.

        Returns
        -------
        DataFrame, shape (G, q)
            As ``fit.ranef``; with several levels and none named, a dict of them by group.

        Raises
        ------
        FitError
            Without random effects, and for the fixed level.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.ranef().shape
        (27, 1)
        """
        return ranef(self, level)

    def fitted(self, level: LevelName = None, draws: bool = False) -> pd.Series | xr.DataArray:
        """Fitted values at one level.

        Parameters
        ----------
        level : str, int or None
            As for a fit.
        draws : bool
            Return all draws instead of their mean.

        Returns
        -------
        Series, length n; DataArray (chain, draw, row) under `draws`

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.fitted(draws=True).sizes["row"]
        108
        """
        return fitted(self, level, draws)

    def residuals(
        self, level: LevelName = None, type: ResidualType = "response", draws: bool = False
    ) -> pd.Series | xr.DataArray:
        """Residuals: their posterior means, or those of every draw.

        Parameters
        ----------
        level : str, int or None
            As for a fit.
        type : {"response", "pearson", "normalized"}
            Scaled draw by draw, then averaged.
        draws : bool
            Return all draws instead of their mean.

        Returns
        -------
        Series, length n; DataArray (chain, draw, row) under `draws`

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.residuals(type="pearson").shape
        (108,)
        """
        return residuals(self, level, type, draws)

    def predict(
        self,
        newdata: pd.DataFrame | None = None,
        level: LevelName = None,
        interval: float | None = None,
        *,
        of: Of = "mean",
        use_correlation: bool = False,
        new_groups: NewGroups = "missing",
        kind: IntervalKind = "eti",
        draws: bool = False,
        seed: int | None = None,
    ) -> pd.Series | pd.DataFrame | xr.DataArray:
        """Predict the mean response, or a new response.

        Parameters
        ----------
        newdata : DataFrame, optional
            The rows of the fit by default.
        level : str, int or None
            As for a fit.
        interval : float, optional
            Also give limits of this probability.
        of : {"mean", "response"}
            ``"response"`` adds residuals, with the variance function at the row. Draws of rows of
            one correlation group are correlated, at the innermost level and where the data have the
            columns of the structure.
        use_correlation : bool
            Condition on the observed residuals of a row's correlation group, draw by draw:
            forecasts, interpolation. The mean is then that of the new response, as in
            `Fit.predict`, and a row at an observed position has that observation's residual. At the
            innermost level only.
        new_groups : {"missing", "draw"}
            Rows of groups the fit has not seen: NaN as in ``fit.predict``, or random effects drawn
            from their distribution, the same for all rows of a group.
        kind : {"eti", "hdi"}
            Of the limits.
        draws : bool
            Return all draws instead of their mean.
        seed : int, optional
            Of residuals and of the effects of new groups.

        Returns
        -------
        Series ``predict``, or DataFrame with the columns predict, lower, upper; DataArray (chain,
        draw, row) under `draws`
            ``predict`` is the mean of the expected responses, which is also that of new responses.
            NaN in rows with a missing value, an unknown group (under ``"missing"``), or a variance
            stratum that is not known (for a response).

        Raises
        ------
        FitError
            For an argument out of range; for `use_correlation` without a correlation structure or
            at an outer level; for more draws than memory holds.
        DataError
            For a missing column or a factor level the fit has not seen.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=200, seed=1)
        >>> new = fit.data[["Subject"]].head(1).assign(age=16)
        >>> posterior.predict(new, interval=0.95, of="response", seed=1)["predict"].round().tolist()
        [31.0]
        """
        return predict(
            self,
            newdata,
            level,
            interval,
            of=of,
            use_correlation=use_correlation,
            new_groups=new_groups,
            kind=kind,
            draws=draws,
            seed=seed,
        )

    def ppc(
        self, conditional: bool = True, seed: int | None = None, draws: int | None = None
    ) -> xr.DataTree:
        """Replicated responses beside the observed one, ready for ArviZ's predictive checks.

        Parameters
        ----------
        conditional : bool
            For the groups in the data, or for new groups with the same design.
        seed : int, optional
            Of replicates that are drawn now: those of new groups, and of `draws`.
        draws : int, optional
            Number of replicates, as many of each chain, drawn now. By default replicates of the
            groups in the data are the stored ones: at most 1,000, evenly spaced among the draws.

        Returns
        -------
        DataTree
            ``posterior_predictive`` and ``observed_data``.

        Raises
        ------
        SpecError
            For a number of replicates that there is not.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> sorted(posterior.ppc().children)
        ['observed_data', 'posterior_predictive']
        """
        return ppc(self, conditional, seed, draws)
