"""The posterior of a fitted model: a DataTree, and the verbs of a fit on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.posterior import estimates as _estimates
from bayeslme.bayes.posterior import predict as _predict
from bayeslme.bayes.posterior import random_effects as _random_effects
from bayeslme.bayes.posterior import storage as _storage
from bayeslme.bayes.posterior import summary as _tables
from bayeslme.bayes.posterior import values as _values
from bayeslme.bayes.posterior.estimates import IntervalKind
from bayeslme.bayes.posterior.tidy import FrameVerbs
from bayeslme.bayes.priors.priors import Priors
from bayeslme.fit.inference.intervals import Intervals
from bayeslme.fit.values.residuals import LevelName, ResidualType
from bayeslme.fit.values.varcorr import VarCorr

if TYPE_CHECKING:
    import arviz_stats as azs

    from bayeslme.bayes.checks.loo import LooKind
    from bayeslme.bayes.checks.pit import Pit, PitKind
    from bayeslme.bayes.checks.predictive_checks import Check, CheckName
    from bayeslme.bayes.posterior.hypothesis import PosteriorMeans
    from bayeslme.bayes.posterior.plots import PosteriorPlots
    from bayeslme.bayes.posterior.predict import NewGroups, Of
    from bayeslme.fit.inference.reference_grid import Weights
    from bayeslme.fit.result import Fit


@dataclass(frozen=True, eq=False)
class Posterior(FrameVerbs):
    """Draws from the posterior of a model.

    Attributes
    ----------
    data : xarray.DataTree
        ``posterior``: fixef (term), sigma, sd_<group> (<group>_effect), cor_<group>
        (<group>_effect, <group>_effect_bis), varfunc (varfunc_coef), corstruct (corstruct_coef),
        ranef_<group> (<group>, <group>_effect).
        ``log_likelihood``: the marginal terms by outermost group. Also ``log_prior``,
        ``sample_stats``, ``posterior_predictive``, ``observed_data``,
        ``constant_data``.
    fit : Fit
        The classical fit it belongs to.
    parameters : ModelParameters
    priors : Priors

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> posterior = fit.sample(draws=500, seed=1)
    >>> list(posterior.summary().fixed)
    ['Value', 'SD', 'lower', 'upper', 'ess_bulk', 'r_hat']
    >>> posterior.intervals()["fixed"].loc["age"].round(1).tolist()
    [0.5, 0.7, 0.8]
    >>> float(posterior.hypothesis("age > 0")["probability"].iloc[0])
    1.0
    >>> icc = "sd((Intercept))^2 / (sd((Intercept))^2 + sigma^2)"
    >>> float(posterior.quantities({"ICC": icc}).loc["ICC", "Value"].round(1))
    0.7
    >>> posterior.ranef().shape, posterior.fitted(draws=True).sizes["row"]
    ((27, 1), 108)
    >>> posterior.contrast({"age": 6})["P(> 0)"].tolist()
    [1.0]
    >>> int(posterior.loo("marginal").n_data_points)
    108
    >>> posterior.check("acf", form="~ 1 | Subject").passed
    True
    >>> posterior.sensitivity().loc[("fixed", "age"), "diagnosis"]
    '✓'
    >>> sorted(posterior.ppc().children)
    ['observed_data', 'posterior_predictive']
    """

    data: xr.DataTree
    fit: Fit
    parameters: ModelParameters
    priors: Priors

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Draws of the parameters, chains joined: variable name to array (s, ...)."""
        return _estimates.flat_values(self)

    @cached_property
    def effects(self) -> dict[str, np.ndarray]:
        """Draws of the random effects, chains joined: group to array (s, G, q)."""
        return _random_effects.all_effects(self)

    @cached_property
    def mean_effects(self) -> dict[str, np.ndarray]:
        """Posterior means of the random effects: group to array (G, q)."""
        return _random_effects.mean_effects(self)

    @property
    def fixef(self) -> pd.Series:
        """Posterior means of the coefficients, length p."""
        return pd.Series(
            self.values["fixef"].mean(axis=0), index=list(self.parameters.fixef.coefs), name="fixef"
        )

    @cached_property
    def _summary(self) -> _tables.PosteriorSummary:
        return _tables.summary(self)

    def summary(self) -> _tables.PosteriorSummary:
        """Summarise a posterior.

        Returns
        -------
        PosteriorSummary
            ``.fixed`` is the table of the coefficients, shape (p, 6).
        """
        return self._summary

    def varcorr(self) -> VarCorr:
        """Posterior means of the variance components.

        Returns
        -------
        VarCorr
            Laid out as that of a fit.
        """
        return _estimates.varcorr(self)

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
        """
        return _estimates.intervals(self, level, kind)

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
            For an unknown parameter, and for what is no comparison or one by ``==``, whose
            probability is 0.
        SpecError
            For text that is no expression.
        """
        from bayeslme.bayes.posterior.hypothesis import hypothesis

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
            Give the draws, chains joined, in the place of the table.

        Returns
        -------
        DataFrame
            A row for each quantity: Value (posterior mean), SD, lower, upper, and mcse, the Monte
            Carlo standard error of the mean. Under `draws` shape (s, quantities).

        Raises
        ------
        FitError
            For an unknown parameter, and for a statement, whose probability is `hypothesis`.
        SpecError
            For text that is no expression.
        """
        from bayeslme.bayes.posterior.hypothesis import quantities

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
        """
        from bayeslme.bayes.posterior.hypothesis import contrast

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
            As for `bayeslme.fit.inference.means.means`.
        level : float
        kind : {"eti", "hdi"}

        Returns
        -------
        PosteriorMeans
            ``.table`` has Value, SD, lower, upper, P(> 0); ``.draws`` the draws of the means.
        """
        from bayeslme.bayes.posterior.hypothesis import posterior_means

        return posterior_means(
            self, factors, at, slope=slope, weights=weights, level=level, kind=kind
        )

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
        """
        return _values.ranef(self, level)

    def fitted(self, level: LevelName = None, draws: bool = False) -> pd.Series | xr.DataArray:
        """Fitted values at one level.

        Parameters
        ----------
        level : str, int or None
            As for a fit.
        draws : bool
            Give all draws in the place of their mean.

        Returns
        -------
        Series, length n; DataArray (chain, draw, row) under `draws`
        """
        return _values.fitted(self, level, draws)

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
            Give all draws in the place of their mean.

        Returns
        -------
        Series, length n; DataArray (chain, draw, row) under `draws`
        """
        return _values.residuals(self, level, type, draws)

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
            ``"response"`` adds residuals, with the variance function at the row; those of one
            correlation group are correlated, where `newdata` has the columns of the structure.
        use_correlation : bool
            Condition on the observed residuals of a row's correlation group, draw by draw:
            forecasts, interpolation. At the innermost level only; see `Fit.predict`.
        new_groups : {"missing", "draw"}
            Rows of groups the fit has not seen: NaN as in ``fit.predict``, or random effects drawn
            from their distribution, the same for all rows of a group.
        kind : {"eti", "hdi"}
            Of the limits.
        draws : bool
            Give all draws in the place of their mean.
        seed : int, optional
            Of residuals and of the effects of new groups.

        Returns
        -------
        Series ``predict``, or DataFrame with the columns predict, lower, upper; DataArray (chain,
        draw, row) under `draws`
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
        >>> from bayeslme import lme, load_data
        >>> fit = lme("distance ~ age", load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=200, seed=1)
        >>> new = fit.data[["Subject"]].head(1).assign(age=16)
        >>> posterior.predict(new, interval=0.95, of="response", seed=1)["predict"].round().tolist()
        [31.0]
        """
        return _predict.predict(
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

    def prior_predictive(self, draws: int = 500, seed: int | None = None) -> xr.DataTree:
        """Draw parameters from the priors, and responses from the parameters.

        Parameters
        ----------
        draws : int
        seed : int, optional

        Returns
        -------
        xarray.DataTree
            As from `LmeSpec.prior_predictive`.

        Raises
        ------
        SpecError
            For improper priors, which cannot be drawn from, or draws below 1.
        """
        from bayeslme.bayes.priors.predictive import prior_tree

        return prior_tree(self.parameters, self.priors, draws, seed)

    def sensitivity(self, priors: Sequence[str] | str | None = None) -> pd.DataFrame:
        """Power-scale sensitivity of every parameter, from the stored log prior and log likelihood.

        Parameters
        ----------
        priors : sequence of str, optional
            Variables whose priors are scaled (``"sigma"``, ``"fixef"``, ...), all by default.

        Returns
        -------
        DataFrame
            Rows (part, parameter); columns prior and likelihood (how far the posterior moves, 0.05
            and more is noticeable) and diagnosis: a check mark, "prior-data conflict" or "strong
            prior / weak likelihood".

        Raises
        ------
        SpecError
            For a name that is no variable, or where all priors chosen are constant.

        References
        ----------
        Kallioinen, Paananen, Buerkner and Vehtari (2024), Statistics and Computing 34, 57.
        """
        from bayeslme.bayes.checks.sensitivity import sensitivity

        return sensitivity(self, priors)

    def ppc(self, conditional: bool = True, seed: int | None = None) -> xr.DataTree:
        """Replicated responses beside the observed one, ready for ArviZ's predictive checks.

        Parameters
        ----------
        conditional : bool
            For the groups in the data (as stored), or for new groups with the same design.
        seed : int, optional
            Of the new groups' draws.

        Returns
        -------
        DataTree
        """
        return _values.ppc(self, conditional, seed)

    def loo(self, kind: LooKind | None = None, group: str | None = None) -> azs.ELPDData:
        """Estimate how well the model predicts data it has not seen.

        Parameters
        ----------
        kind : {"conditional", "marginal", "group"}, optional
            How well is a row predicted given the random effects (default), how well with these
            integrated out (by far the more stable weights), how well a whole new outermost group?
        group : str, optional
            The factor whose groups are left out: of crossed effects any, of nested the outermost.

        Returns
        -------
        arviz.ELPDData
            With ``elpd``, ``se``, ``p``, pointwise ``elpd_i`` and ``pareto_k``.

        Raises
        ------
        FitError
            For fewer than 100 draws, a single group, and effects that cannot be integrated out.

        Warns
        -----
        UserWarning
            Where Pareto k is too high for the estimate to be trusted.

        References
        ----------
        Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413.
        """
        from bayeslme.bayes.checks.loo import loo

        return loo(self, kind, group)

    def pit(self, kind: PitKind = "marginal") -> Pit:
        """Compute the probability integral transform of every row, left out.

        Parameters
        ----------
        kind : {"marginal", "conditional"}
            With the random effects integrated out, or given them; see
            `bayeslme.bayes.checks.loo.loo`. The first needs weights far less.

        Returns
        -------
        Pit

        Raises
        ------
        FitError
            For another kind, and for ``"marginal"`` where the variance depends on fitted values.

        References
        ----------
        Tesso and others (2026), arXiv:2603.02928: ArviZ's ``pot_c``, for dependent values.
        """
        from bayeslme.bayes.checks.pit import pit

        return pit(self, kind)

    def check(self, structure: CheckName, **options: Any) -> Check:
        """Check one structure of the model.

        Parameters
        ----------
        structure : {"acf", "variogram", "sd_by_stratum", "sd_by_fitted"}
            ``"acf"`` and ``"variogram"`` look at the normalized residuals (options as in `Fit.acf`
            and `Fit.variogram`); ``"sd_by_stratum"`` at the standard deviation of the residuals
            over that of the model in every level of the column `by`, ``"sd_by_fitted"`` in `bins`
            classes of the fitted values.
        **options
            Those named above; `level` (0.95), the share of replicates the envelope holds; `draws`
            (1000), the number of draws used at the most.

        Returns
        -------
        Check

        Raises
        ------
        FitError
            For another structure, or where there is nothing to look at.
        DataError
            Where `by` is no column of the data, or has missing values.
        """
        from bayeslme.bayes.checks.predictive_checks import check

        return check(self, structure, **options)

    def save(self, path: str | Path) -> None:
        """Write a posterior to a netCDF file, or to a zarr store.

        Parameters
        ----------
        path : str or Path
            A path that ends in ``.zarr`` becomes a folder in zarr's format 3, every other one a
            netCDF file. A file, or a store of this package, that is there is replaced once the new
            one is complete.

        Raises
        ------
        DataError
            Where nothing can be written, for values that have no form on disk, and for a folder
            that is no store of this package.
        """
        _storage.save(self, path)

    @property
    def plot(self) -> PosteriorPlots:
        """Plots, as ``posterior.plot.trace()``.

        Returns
        -------
        PosteriorPlots
        """
        from bayeslme.bayes.posterior.plots import PosteriorPlots

        return PosteriorPlots(self)

    def __repr__(self) -> str:
        return str(self._summary)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self._summary._repr_html_()
