"""Random effects, fitted values, residuals and replicates of a posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes import settings
from bayeslme.bayes.density import problem_of_draws
from bayeslme.bayes.posterior.rows import simulate
from bayeslme.bayes.posterior.rows.new_rows import depth_of_draws
from bayeslme.bayes.posterior.rows.predict import by_chain
from bayeslme.bayes.posterior.tree import row_labels
from bayeslme.engine import depth_of
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_seed
from bayeslme.fit.values.residuals import LevelName, ResidualType
from bayeslme.report.tables import Tables

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws


def ranef(posterior: Draws, level: LevelName = None) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Posterior means of the random effects; see `Posterior.ranef`."""
    levels = posterior.parameters.levels
    if not levels:
        msg = "ranef: the model has no random effects"
        raise FitError(msg)
    if level is None and len(levels) > 1:
        return Tables((lv.level.group, _ranef(posterior, k)) for k, lv in enumerate(levels))
    number = depth_of(posterior.parameters.design, level)
    if number == 0:
        msg = "level: the fixed level has no random effects; name a group"
        raise FitError(msg)
    return _ranef(posterior, number - 1)


def _ranef(posterior: Draws, k: int) -> pd.DataFrame:
    parameters = posterior.parameters.levels[k]
    level = parameters.level
    index = pd.Index(level.all_labels, name=level.group)
    mean = level.all_effects(posterior.mean_effects[parameters.key])
    return pd.DataFrame(mean, index=index, columns=list(parameters.level.effects))


def fitted(
    posterior: Draws, level: LevelName = None, draws: bool = False
) -> pd.Series | xr.DataArray:
    """Fitted values at one level; see `Posterior.fitted`."""
    design = posterior.parameters.design
    depth = depth_of_draws(design, level)
    if draws:
        every = simulate.fitted(posterior.parameters, posterior.values, posterior.effects, depth)
        return by_chain(posterior, every, row_labels(posterior.parameters))
    mean = {"fixef": posterior.values["fixef"].mean(axis=0, keepdims=True)}
    effects = {k: b[None] for k, b in posterior.mean_effects.items()}
    (values,) = simulate.fitted(posterior.parameters, mean, effects, depth)  # linear in all of them
    return pd.Series(values, index=design.index, name="fitted")


def residuals(
    posterior: Draws,
    level: LevelName = None,
    type: ResidualType = "response",
    draws: bool = False,
) -> pd.Series | xr.DataArray:
    """Residuals at one level; see `Posterior.residuals`."""
    parameters = posterior.parameters
    design, n = parameters.design, parameters.problem.n
    depth = depth_of_draws(design, level)
    count = len(posterior.values["fixef"])
    check_choice(type, get_args(ResidualType), "type")
    total, step = np.zeros(n), int(max(1, settings.POSTERIOR.rows_of_draws_per_batch // n))
    every: list[np.ndarray] = []
    for at in range(0, count, step):
        values = {k: v[at : at + step] for k, v in posterior.values.items()}
        effects = {k: b[at : at + step] for k, b in posterior.effects.items()}
        response = design.y - simulate.fitted(parameters, values, effects, depth)
        problem = problem_of_draws(parameters, values, effects)
        scaled = simulate.scaled(parameters, values, problem, response, type)
        total += scaled.sum(axis=0)
        every += [scaled] if draws else []
    if draws:
        return by_chain(posterior, np.concatenate(every), row_labels(parameters))
    return pd.Series(total / count, index=design.index, name="residuals")


def ppc(posterior: Draws, conditional: bool = True, seed: int | None = None) -> xr.DataTree:
    """Replicated responses beside the observed one; see `Posterior.ppc`."""
    check_seed(seed)
    stored = posterior.data["posterior_predictive"].to_dataset()
    observed = posterior.data["observed_data"].to_dataset()
    if not conditional:
        chains, draws = stored.sizes["chain"], stored.sizes["draw"]
        every = np.arange(len(posterior.values["fixef"])).reshape(
            posterior.data["posterior"].sizes["chain"], -1
        )
        step = every.shape[1] // draws
        chosen = every[:, ::step][:, :draws].ravel()
        new = simulate.replicated_new(
            posterior.parameters, posterior.values, chosen, np.random.default_rng(seed)
        )
        stored = stored.assign(y=(stored["y"].dims, new.reshape(chains, draws, -1)))
    return xr.DataTree.from_dict({"posterior_predictive": stored, "observed_data": observed})
