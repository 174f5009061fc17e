"""Verbs of a posterior that check the model: priors, leave-one-out, structures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from bayeslme.bayes.checks.loo import loo
from bayeslme.bayes.checks.pit import pit
from bayeslme.bayes.checks.predictive_checks import check
from bayeslme.bayes.checks.sensitivity import sensitivity
from bayeslme.bayes.posterior.parameter_verbs import ParameterVerbs
from bayeslme.bayes.priors.predictive import prior_tree

if TYPE_CHECKING:
    import arviz_stats as azs

    from bayeslme.bayes.checks.loo import LooKind
    from bayeslme.bayes.checks.pit import Pit, PitKind
    from bayeslme.bayes.checks.predictive_checks import Check, CheckName


class CheckVerbs(ParameterVerbs):
    """Prior predictive draws, sensitivity, leave-one-out and checks of the structures."""

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

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> dict(posterior.prior_predictive(draws=100, seed=1)["prior_predictive"].sizes)
        {'chain': 1, 'draw': 100, 'row': 108}
        """
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
            prior / weak likelihood". As ``az.psense_summary(posterior.data)``, with each parameter
            once and under the names of the summary.

        Raises
        ------
        SpecError
            For a name that is not a variable, or where all priors chosen are constant.

        References
        ----------
        Kallioinen, Paananen, Buerkner and Vehtari (2024), Statistics and Computing 34, 57.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.sensitivity().loc[("fixed", "age"), "diagnosis"]
        '✓'
        """
        return sensitivity(self, priors)

    def loo(self, kind: LooKind | None = None, group: str | None = None) -> azs.ELPDData:
        """Estimate how well the model predicts data it has not seen.

        Parameters
        ----------
        kind : {"conditional", "marginal", "group"}, optional
            Which question is asked. ``"conditional"``, the default: how well is a row predicted,
            given the random effects? The weights that leave the row out must also move the random
            effects, and often fail to. ``"marginal"``: how well is a row predicted from all others,
            with the random effects integrated out? It estimates the same as the first, with far
            more stable weights. ``"group"``: how well is a whole new outermost group predicted?
            (Without random effects a correlation group, or a row where there is none.) The first
            two are exact under residual correlation: a row is predicted from the others of its
            correlation group too. A group of crossed random effects is predicted from all other
            groups, with whose rows it shares the effects of the other factors.
        group : str, optional
            The factor whose groups are left out, which implies ``kind="group"``: of crossed random
            effects any, of nested ones the outermost.

        Returns
        -------
        arviz.ELPDData
            With ``elpd``, ``se``, ``p``, pointwise ``elpd_i`` and ``pareto_k``.

        Raises
        ------
        FitError
            For fewer than 100 draws, a single group, another kind, and for the last two where the
            variance depends on fitted values: the random effects cannot be integrated out then.

        Warns
        -----
        UserWarning
            Where Pareto k is too high for the estimate to be trusted.

        References
        ----------
        Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413; Merkle, Furr and
        Rabe-Hesketh (2019), Psychometrika 84, 802.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("yield ~ nitro", bayeslme.load_data("oats"), "~ 1 | Block/Variety")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> int(posterior.loo("marginal").n_data_points)
        72
        """
        return loo(self, kind, group)

    def pit(self, kind: PitKind = "marginal") -> Pit:
        """Compute the probability integral transform of every row, left out.

        Parameters
        ----------
        kind : {"marginal", "conditional"}
            With the random effects integrated out, or given them; see `loo`. The weights that leave
            a row out matter far less for the first.

        Returns
        -------
        Pit

        Raises
        ------
        FitError
            For another kind, and for ``"marginal"`` where the variance depends on fitted values.

        References
        ----------
        Gelfand, Dey and Chang (1992), Bayesian Statistics 4, 147. The test of uniformity is ArviZ's
        ``pot_c``, which does not need independent values: Tesso and others (2026),
        arXiv:2603.02928.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("yield ~ nitro", bayeslme.load_data("oats"), "~ 1 | Block/Variety")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.pit().passed
        True
        """
        return pit(self, kind)

    def check(self, structure: CheckName, **options: Any) -> Check:
        """Check one structure of the model.

        Parameters
        ----------
        structure : {"acf", "variogram", "sd_by_stratum", "sd_by_fitted"}
            What is looked at. ``"acf"``: autocorrelation of the normalized residuals, for the
            correlation structure; options `max_lag` and `form` as in `Fit.acf`. ``"variogram"``:
            their semivariance by distance; options `bins`, `max_distance` and `form` as in
            `Fit.variogram`, but of more than a million pairs a million are drawn, the same for the
            data and every replicate. ``"sd_by_stratum"``: standard deviation of the residuals, over
            that of the model, in every level of the column `by`; for the variance function, by
            default in its own strata. ``"sd_by_fitted"``: the same in `bins` classes of the fitted
            values.
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
            Where `by` is not a column of the data, or has missing values.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> posterior.check("acf", form="~ 1 | Subject").passed
        True
        """
        return check(self, structure, **options)
