"""The verbs of a specification that need higher floors; they are imported when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit
    from bayeslme.spec.model import LmeSpec


def fit(spec: LmeSpec, data: Any) -> Any:
    """Estimate a specification on a data frame.

    Parameters
    ----------
    spec : LmeSpec
    data : DataFrame

    Returns
    -------
    Fit or LmList
    """
    from bayeslme.fit.api import fit_spec

    return fit_spec(spec, data)


def to_pymc(spec: LmeSpec, data: Any, **options: Any) -> Any:
    """Translate a specification and data into a PyMC model.

    Parameters
    ----------
    spec : LmeSpec
    data : DataFrame
    **options
        `form` ("marginal" or "hierarchical"), `priors`, `beta` ("variable" or "integrated").

    Returns
    -------
    pymc.Model
    """
    from bayeslme.bayes.pymc.model import to_pymc as build
    from bayeslme.data.variables.columns import as_frame

    return build(spec, as_frame(data), **options)


def prior_predictive(spec: LmeSpec, data: Any, **options: Any) -> Any:
    """Draw parameters and responses from the priors of a specification.

    Parameters
    ----------
    spec : LmeSpec
    data : DataFrame
    **options
        `priors`, `draws`, `seed`.

    Returns
    -------
    xarray.DataTree
    """
    from bayeslme.bayes.priors.predictive import prior_predictive as draw
    from bayeslme.data.variables.columns import as_frame

    return draw(spec, as_frame(data), **options)


def map_estimate(design: Any, priors: Any) -> Any:
    """Mode of the posterior density of a design's parameters.

    Parameters
    ----------
    design : Design
    priors : str or mapping

    Returns
    -------
    Estimate
    """
    from bayeslme.bayes.sampling.map import map_estimate as mode

    return mode(design, priors)


def sample(fit: Fit, **options: Any) -> Any:
    """Draw from the posterior of a fitted model.

    Parameters
    ----------
    fit : Fit
    **options
        `draws`, `chains`, `method`, `priors`, `seed`, `nuts_sampler`, `progress`, `tune`,
        `ranef`.

    Returns
    -------
    Posterior
    """
    from bayeslme.bayes.sampling.sample import sample as run

    return run(fit, **options)


def to_bambi(spec: LmeSpec, data: Any, priors: Any = None) -> Any:
    """Translate a specification into a bambi model, where bambi has its parts.

    Parameters
    ----------
    spec : LmeSpec
    data : DataFrame
    priors : None, preset name or mapping
        By default the specification's.

    Returns
    -------
    bambi.Model
    """
    from bayeslme.bayes.bambi.to_bambi import to_bambi as build
    from bayeslme.data.variables.columns import as_frame

    return build(spec, as_frame(data), priors=priors)
