"""The posterior of a fitted model: a DataTree, and the verbs of a fit on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bayeslme.bayes.posterior.check_verbs import CheckVerbs
from bayeslme.bayes.posterior.storage.storage import save
from bayeslme.bayes.posterior.tidy import FrameVerbs

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.plots import PosteriorPlots


class Posterior(CheckVerbs, FrameVerbs):
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
    >>> posterior.fixef.round(1).to_dict()
    {'(Intercept)': 16.8, 'age': 0.7}
    >>> float(posterior.hypothesis("age > 0")["probability"].iloc[0])
    1.0
    """

    def save(self, path: str | Path) -> None:
        """Write a posterior to a netCDF file, or to a zarr store.

        Parameters
        ----------
        path : str or Path
            A path that ends in ``.zarr`` becomes a folder in zarr's format 3, every other one a
            netCDF file. An existing file, or store of this package, is replaced once the new one is
            complete.

        Raises
        ------
        DataError
            Where nothing can be written, for values that have no form on disk, and for a folder
            that is not a store of this package.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     posterior.save(f"{folder}/growth.nc")
        """
        save(self, path)

    @property
    def plot(self) -> PosteriorPlots:
        """Plots, as ``posterior.plot.trace()``.

        Returns
        -------
        PosteriorPlots

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> posterior = fit.sample(draws=500, seed=1)
        >>> plots = posterior.plot.forest()
        """
        from bayeslme.bayes.posterior.plots import PosteriorPlots

        return PosteriorPlots(self)

    def __repr__(self) -> str:
        return str(self._summary)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self._summary._repr_html_()
