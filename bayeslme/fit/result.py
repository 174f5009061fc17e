"""Fitted models, with the verbs that fit again, sample, plot and write pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from bayeslme.fit.frame_verbs import FrameVerbs
from bayeslme.fit.row_verbs import SEVERAL

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from bayeslme.bayes.posterior.posterior import Posterior
    from bayeslme.bayes.priors.priors import PriorsLike
    from bayeslme.bayes.sampling.sample import Method, Sampler
    from bayeslme.fit.inference.bootstrap import Bootstrap, Statistic
    from bayeslme.fit.inference.influence import Influence
    from bayeslme.fit.output.plots import Plots
    from bayeslme.fit.values.random_effects import ErrorKind
    from bayeslme.fit.values.residuals import LevelName
    from bayeslme.fit.values.several_levels import Several
    from bayeslme.fit.values.singular import Singular
    from bayeslme.spec.model import LmeSpec


class Fit(FrameVerbs):
    """A fitted model: what `lme`, `gls` and `lm` have in common.

    Attributes are documented in `bayeslme.fit.numbers.Numbers`.
    """

    spec: LmeSpec[Fit]

    def coef(self) -> pd.Series | pd.DataFrame | dict[str, pd.DataFrame]:
        """Coefficients, length p; of a mixed model those of each group, shape (G, p).

        Returns
        -------
        Series or DataFrame
        """
        return self.fixef

    def singular(self, prior: str | None = "boundary-avoiding") -> Singular:
        """Look for random effects of zero variance and parameters that are not identified.

        Parameters
        ----------
        prior : str, optional
            Preset of priors whose posterior mode is shown beside the estimates where a direction is
            empty; None for none. A fit with priors is not compared.

        Returns
        -------
        Singular
            Empty of levels for `gls` and `lm`. Simpler models and the mode are fitted when they are
            first looked at.

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("oats")
        >>> fit = bayeslme.lme("yield ~ nitro", data, {"Block": "~ nitro", "Variety": "~ 1"})
        >>> print(*fit.singular().notes)
        Block: (Intercept) and nitro are perfectly correlated (1)
        """
        from bayeslme.fit.values.singular import singular

        return singular(self, prior)

    def refit(self, response: npt.ArrayLike) -> Self:
        """Fit the same model to another response.

        Parameters
        ----------
        response : (n,) array or Series
            On the scale of the left-hand side, a row for each row used; a Series is matched by the
            index of the rows.

        Returns
        -------
        Fit
            Its ``data`` hold the new response where the left-hand side is a column; where it is an
            expression, ``log(y)`` say, they keep the old column.

        Raises
        ------
        DataError
            If the response has another length or index, or missing values.

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("orthodont")
        >>> fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
        >>> again = fit.refit(2 * data["distance"])
        >>> print(round(again.fixef["age"] / fit.fixef["age"], 6))
        2.0
        """
        from bayeslme.fit.refit import refit

        return refit(self, response)

    def update(self, **changes: Any) -> Self:
        """Fit again with some arguments of the call changed.

        Parameters
        ----------
        **changes
            Arguments of `lme`, `gls` or `lm`. ``fixed`` (``model``, ``formula``) may use dots,
            ``". ~ . - x"``; None takes a correlation, weights or a subset away; ``data`` is
            another data frame.

        Returns
        -------
        Fit
            Of the same class; contrasts and everything else that is not named stay.

        Raises
        ------
        SpecError
            For an argument that such a model does not have.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> round(fit.update(fixed=". ~ . + Sex", method="ML").loglik, 3)
        -217.428
        """
        from bayeslme.fit.refit import update

        return update(self, **changes)

    def bootstrap(
        self,
        nsim: int = 1000,
        statistic: Statistic | None = None,
        seed: int | np.random.Generator | None = None,
        *,
        progress: bool = True,
    ) -> Bootstrap:
        """Simulate responses with new random effects, refit, and collect statistics of the refits.

        Parameters
        ----------
        nsim : int
            Number of draws.
        statistic : callable, optional
            From a fit to a number, a Series, a mapping or an array; all parameters by default, see
            `bayeslme.fit.refit.parameters`.
        seed : int, Generator or None
        progress : bool
            Show a bar on a terminal or in a notebook.

        Returns
        -------
        Bootstrap

        Raises
        ------
        FitError
            If every refit failed.

        Notes
        -----
        A refit that raises one of the package's errors is counted in `Bootstrap.failures`; any
        other exception of `statistic` is passed on.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> made = fit.bootstrap(50, lambda one: one.fixef, seed=1)
        >>> made.replicates.shape, made.n_failed
        ((50, 2), 0)
        """
        from bayeslme.fit.inference.bootstrap import bootstrap

        return bootstrap(self, nsim, statistic, seed, progress=progress)

    def influence(self, group: str | None = None, *, progress: bool = True) -> Influence:
        """Leave out each group in turn and estimate again, variance parameters included.

        Parameters
        ----------
        group : str, optional
            A grouping level, or any column of the data; by default the outermost level. The
            outermost groups of nested ones are taken out of the cross products, others by fits to
            the rows that are left.
        progress : bool
            Show a bar on a terminal or in a notebook.

        Returns
        -------
        Influence
            Estimates without each group, Cook's distances and changes, with a plot. The coding of
            the predictors is that of all rows.

        Raises
        ------
        SpecError
            For what is neither a level nor a column.
        FitError
            For more groups than can be left out by fits, and for fits with priors.

        References
        ----------
        Demidenko, E. and Stukel, T. A. (2005), Statistics in Medicine 24, 893-909; the measures are
        those of Belsley, D. A., Kuh, E. and Welsch, R. E. (1980), Regression Diagnostics.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("Orthodont"), "~ age | Subject")
        >>> found = fit.influence()
        >>> found.table["cooks.distance"].nlargest(2).round(2).to_dict()
        {'M13': 0.26, 'M10': 0.13}
        >>> float(found.deleted.loc["M13", "Subject sd(age)"].round(3))
        0.108
        """
        from bayeslme.fit.inference.influence import influence

        return influence(self, group, progress=progress)

    def sample(
        self,
        draws: int = 1000,
        chains: int = 4,
        method: Method = "auto",
        priors: PriorsLike = None,
        seed: int | None = None,
        nuts_sampler: Sampler | None = None,
        progress: bool = True,
        tune: int | None = None,
        ranef: bool = True,
    ) -> Posterior:
        """Draw from the posterior of a fitted model.

        Parameters
        ----------
        draws, chains : int
            Draws kept of each chain, and the number of chains. Every draw holds all random effects
            (see `ranef`) and the log likelihood of every outermost group; more than 4 GB of them
            are refused.
        method : {"auto", "collapsed", "nuts"}
            ``"collapsed"`` draws the variance parameters by importance sampling and everything else
            exactly: independent draws in about a second. Where the Pareto k-hat of its weights
            stays above 0.7 particles are annealed. Where the variance depends on fitted values it
            draws coefficients and random effects with weights too. ``"nuts"`` samples the marginal
            form of the PyMC model, or the hierarchical one there. ``"auto"`` is the first, and the
            second where the first cannot say the model or neither its weights nor its particles are
            to be trusted. ``sample_stats`` says which it was.
        priors : None, preset name or mapping
            By default those of the specification, or the default preset.
        seed : int, optional
        nuts_sampler : {"nutpie", "pymc", "numpyro", "blackjax"}, optional
            Nutpie by default.
        progress : bool
            Show the sampler's progress bar.
        tune : int, optional
            Draws of each chain spent on adaptation; 500 by default.
        ranef : bool
            Keep the random effects of every draw. Where groups are very many, do not: means,
            predictions and replicates draw them again, the same ones, piece by piece.

        Returns
        -------
        Posterior

        Raises
        ------
        SpecError
            For an argument out of range or priors that cannot be read.
        FitError
            For a posterior that is improper, and where ``"collapsed"`` draws are not to be trusted.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.fixef.round(1).to_dict()
        {'(Intercept)': 16.8, 'age': 0.7}
        """
        from bayeslme.bayes.sampling.sample import sample

        return sample(
            self, draws, chains, method, priors, seed, nuts_sampler, progress, tune, ranef
        )

    @property
    def plot(self) -> Plots:
        """Plots, as ``fit.plot.residuals()``.

        Returns
        -------
        Plots
            Its methods return matplotlib's figures.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> figure = fit.plot.residuals()
        """
        from bayeslme.fit.output.plots import Plots

        return Plots(self)

    def report(self, path: str | Path, title: str | None = None, description: str = "") -> Path:
        """Write a page of tables and plots into one HTML file that needs nothing else.

        Parameters
        ----------
        path : str or Path
        title : str, optional
            By default the formula of the fixed part.
        description : str

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        DataError
            If the file cannot be written.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lm("distance ~ age", bayeslme.load_data("orthodont"))
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     fit.report(f"{folder}/growth.html").name
        'growth.html'
        """
        from bayeslme.fit.output.report import report

        return report(self, path, title, description)

    def __repr__(self) -> str:
        from bayeslme.fit.output.summary import short_page
        from bayeslme.report.pages import fit_text

        return fit_text(short_page(self))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from bayeslme.report.html import page_html

        return page_html(self._summary.page)


class LmeFit(Fit):
    """A linear mixed model, fitted."""

    spec: LmeSpec[LmeFit]
    kind = "lme"

    def ranef(
        self, level: LevelName | Several = None, se: ErrorKind = False, standard: bool = False
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Conditional modes of the random effects (best linear unbiased predictions).

        Parameters
        ----------
        level : str, int or None
            One level, or None for all.
        se : bool or "conditional"
            Also their standard errors: the standard deviation of b less its prediction given the
            data, the error of the coefficients included and the variance parameters taken as known.
            ``"conditional"`` takes the coefficients as known too, as `lme4::ranef(condVar=)` does.
        standard : bool
            Divided by the estimated standard deviation of each effect, as nlme's ``standard =
            TRUE``; NaN where that is 0. Not together with `se`.

        Returns
        -------
        DataFrame, shape (G, q)
            Rows labelled ``outer/inner`` in nlme's order; with several levels and none named, a
            dict of them by group. With `se` two such blocks side by side, ``table["est."]`` and
            ``table["se"]``.

        Raises
        ------
        FitError
            For the fixed level, which has none.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.ranef().loc["M13"].round(3).to_dict()
        {'(Intercept)': 0.204}
        """
        from bayeslme.fit.values import random_effects, several_levels

        if isinstance(level, SEVERAL):
            return several_levels.ranef(self, level, se, standard)
        return random_effects.ranef(self, level, se, standard)

    def coef(self, level: LevelName = None) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Coefficients of each group: fixed effects plus the random effects down to a level.

        Parameters
        ----------
        level : str, int or None
            Default the innermost. At the fixed level the table has one row.

        Returns
        -------
        DataFrame
            A row for each group; effects without a fixed counterpart come last. Of crossed random
            effects, and of several terms of `lmer`, a dict of such tables by group.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.coef().loc["M13"].round(3).to_dict()
        {'(Intercept)': 16.965, 'age': 0.66}
        """
        from bayeslme.fit.values.random_effects import coef, coefs

        if level is None and self.as_lme4 and len(self.design.levels) > 1:
            return coefs(self)
        return coef(self, level)


class GlsFit(Fit):
    """A linear model with correlated or heteroscedastic residuals, fitted."""

    spec: LmeSpec[GlsFit]
    kind = "gls"

    def coef(self) -> pd.Series:
        """Coefficients, length p.

        Returns
        -------
        Series
        """
        return self.fixef


class LmFit(Fit):
    """An ordinary linear model, fitted by least squares."""

    spec: LmeSpec[LmFit]
    kind = "lm"

    def coef(self) -> pd.Series:
        """Coefficients, length p.

        Returns
        -------
        Series
        """
        return self.fixef
