"""Prior predictive draws: of the parameters, and of responses given the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.rows.simulate import new_effects, replicated
from bayeslme.bayes.posterior.tree import coordinates, dims_of, variable, with_coords
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.draws import draw_priors
from bayeslme.bayes.priors.priors import Priors, PriorsLike
from bayeslme.data.design import build
from bayeslme.errors import SpecError
from bayeslme.fit.arguments import check_seed

if TYPE_CHECKING:
    import pandas as pd

    from bayeslme.spec.model import LmeSpec


def prior_predictive(
    spec: LmeSpec,
    data: pd.DataFrame,
    priors: PriorsLike = None,
    draws: int = 500,
    seed: int | None = None,
) -> xr.DataTree:
    """Draw parameters from their priors, and responses from the parameters; no model is compiled.

    Parameters
    ----------
    spec : LmeSpec
    data : DataFrame
        Its response resolves the default preset, and is otherwise not used.
    priors : None, preset name or mapping
        By default the specification's, or the default preset.
    draws : int
    seed : int, optional

    Returns
    -------
    DataTree
        ``prior`` (variables as in ``Posterior.data``), ``prior_predictive`` (y of new groups with
        the design of the old ones), ``observed_data``. ArviZ's functions take it as it is:
        ``az.plot_ppc_dist(tree, group="prior_predictive")``.

    Raises
    ------
    SpecError
        For improper priors, which cannot be drawn from, or draws below 1.

    Examples
    --------
    >>> import bayeslme
    >>> spec = bayeslme.translate("lme(distance ~ age, random = ~ 1 | Subject)")
    >>> tree = spec.prior_predictive(bayeslme.load_data("orthodont"), draws=100, seed=1)
    >>> dict(tree["prior_predictive"].sizes)
    {'chain': 1, 'draw': 100, 'row': 108}
    """
    parameters = build_parameters(build(spec, data))
    resolved = resolve_priors(parameters, spec.priors if priors is None else priors)
    return prior_tree(parameters, resolved, draws, seed)


def prior_tree(
    parameters: ModelParameters, priors: Priors, draws: int, seed: int | None
) -> xr.DataTree:
    """As ``prior_predictive``, from resolved priors."""
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 1:
        raise SpecError(f"draws: a whole number of at least 1 is needed, not {draws!r}")
    check_seed(seed)
    rng = np.random.default_rng(seed)
    values = draw_priors(parameters, priors, int(draws), rng)
    drawn: dict[str, Any] = {
        b.name: variable(values[b.name][None], dims_of(b)) for b in parameters.blocks if b.coefs
    }
    effects = new_effects(parameters, values, rng, (int(draws),))
    y = replicated(parameters, values, effects, np.arange(draws), rng)[None]
    for key, b in effects.items():
        drawn[f"ranef_{key}"] = variable(b[None], (key, f"{key}_effect"))
    groups = {
        "prior": xr.Dataset(drawn),
        "prior_predictive": xr.Dataset({"y": variable(y, ("row",))}),
        "observed_data": xr.Dataset({"y": ("row", parameters.design.y)}),
    }
    coords = coordinates(parameters)
    return xr.DataTree.from_dict({k: with_coords(v, coords) for k, v in groups.items()})
