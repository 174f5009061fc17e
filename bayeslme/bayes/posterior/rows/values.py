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
from bayeslme.bayes.posterior.tree import REPLICATES_SEED, replicated_draws, row_labels
from bayeslme.engine import depth_of
from bayeslme.errors import FitError, SpecError
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


def ppc(
    posterior: Draws, conditional: bool = True, seed: int | None = None, draws: int | None = None
) -> xr.DataTree:
    """Replicated responses beside the observed one; see `Posterior.ppc`."""
    check_seed(seed)
    stored = posterior.data["posterior_predictive"].to_dataset()
    observed = posterior.data["observed_data"].to_dataset()
    chosen = replicated_draws(posterior)
    every = np.arange(len(posterior.values["fixef"])).reshape(len(chosen), -1)
    if draws is not None:
        check_count(draws, len(every), every.size)
        own = np.linspace(0, every.shape[1] - 1, draws // len(every)).astype(int)
        chosen = every[:, own]
    if conditional and draws is not None:
        new = replicated_again(posterior, chosen.ravel(), seed)
    elif not conditional:
        new = simulate.replicated_new(
            posterior.parameters, posterior.values, chosen.ravel(), np.random.default_rng(seed)
        )
    else:
        return xr.DataTree.from_dict({"posterior_predictive": stored, "observed_data": observed})
    y = (("chain", "draw", "row"), new.reshape(*chosen.shape, -1))
    coords = {"chain": stored["chain"], "row": stored["row"], "draw": np.arange(chosen.shape[1])}
    found = xr.Dataset({"y": y}, coords=coords)
    return xr.DataTree.from_dict({"posterior_predictive": found, "observed_data": observed})


def check_count(draws: int, chains: int, most: int) -> None:
    """Refuse numbers of replicates that there are not.

    Raises
    ------
    SpecError
    """
    whole = isinstance(draws, int | np.integer) and not isinstance(draws, bool)
    if not whole or not chains <= draws <= most:
        raise SpecError(
            f"draws: a whole number from {chains} (one for each chain) to {most} is needed, not "
            f"{draws!r:.40}"
        )


def replicated_again(posterior: Draws, chosen: np.ndarray, seed: int | None = None) -> np.ndarray:
    """Draw replicates (r, n) of chosen draws (r,) of the groups in the data."""
    stored = posterior.data["posterior_predictive"].attrs
    rng = np.random.default_rng((int(stored.get(REPLICATES_SEED, 0)), 1) if seed is None else seed)
    return simulate.replicated(
        posterior.parameters, posterior.values, posterior.effects, chosen, rng
    )
