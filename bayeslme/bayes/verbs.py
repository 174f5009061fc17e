"""Random effects, fitted values, residuals, predictions and replicates of a posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes import predictive
from bayeslme.bayes.fitted_variance import problem_of_draws
from bayeslme.bayes.layout import Layout
from bayeslme.data.newdata import new_rows
from bayeslme.engine import depth_of, whiten
from bayeslme.engine.problem import Problem
from bayeslme.errors import DataError, FitError
from bayeslme.fit.residuals import LevelName, ResidualType

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior

MAX_ROWS_OF_DRAWS = 2e7  # cells of the temporary arrays over draws and rows


def ranef(posterior: Posterior, level: LevelName = None) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Posterior means of the random effects.

    Parameters
    ----------
    posterior : Posterior
    level : str, int or None
        One level, or None for all.

    Returns
    -------
    DataFrame, shape (G, q)
        As ``fit.ranef``; with several levels and none named, a dict of them by group.
    """
    levels = posterior.layout.levels
    if not levels:
        msg = "ranef: the model has no random effects"
        raise FitError(msg)
    if level is None and len(levels) > 1:
        return {lv.level.group: _ranef(posterior, k) for k, lv in enumerate(levels)}
    number = depth_of(posterior.layout.design, level)
    if number == 0:
        msg = "level: the fixed level has no random effects; name a group"
        raise FitError(msg)
    return _ranef(posterior, number - 1)


def _ranef(posterior: Posterior, k: int) -> pd.DataFrame:
    layout = posterior.layout.levels[k]
    index = pd.Index(layout.level.labels, name=layout.level.group)
    mean = posterior.effects[layout.key].mean(axis=0)
    return pd.DataFrame(mean, index=index, columns=list(layout.level.effects))


def fitted(posterior: Posterior, level: LevelName = None) -> pd.Series:
    """Posterior means of the fitted values at one level, indexed as the used rows."""
    design = posterior.layout.design
    depth = depth_of(design, level)
    mean = {"fixef": posterior.values["fixef"].mean(axis=0, keepdims=True)}
    effects = {k: b.mean(axis=0, keepdims=True) for k, b in posterior.effects.items()}
    values = predictive.fitted(posterior.layout, mean, effects, depth)[
        0
    ]  # linear in the parameters
    return pd.Series(values, index=design.index, name="fitted")


def residuals(
    posterior: Posterior, level: LevelName = None, type: ResidualType = "response"
) -> pd.Series:
    """Posterior means of the residuals.

    Parameters
    ----------
    posterior : Posterior
    level : str, int or None
        As for a fit.
    type : {"response", "pearson", "normalized"}
        Scaled draw by draw, then averaged.

    Returns
    -------
    Series, length n
    """
    layout = posterior.layout
    design, n = layout.design, layout.problem.n
    depth = depth_of(design, level)
    draws = len(posterior.values["fixef"])
    if type not in ("response", "pearson", "normalized"):
        msg = f"type: {type!r} is none of 'response', 'pearson', 'normalized'"
        raise FitError(msg)
    total, step = np.zeros(n), int(max(1, MAX_ROWS_OF_DRAWS // n))
    for at in range(0, draws, step):
        values = {k: v[at : at + step] for k, v in posterior.values.items()}
        effects = {k: b[at : at + step] for k, b in posterior.effects.items()}
        response = design.y - predictive.fitted(layout, values, effects, depth)
        problem = problem_of_draws(layout, values, effects)
        total += _scaled(layout, values, response, type, problem).sum(axis=0)
    return pd.Series(total / draws, index=design.index, name="residuals")


def _scaled(
    layout: Layout, values: dict[str, np.ndarray], response: np.ndarray, type: str, problem: Problem
) -> np.ndarray:
    sigma = np.broadcast_to(layout.sigma_of(values), (len(response),))[:, None]
    if type == "response":
        return response
    if type == "pearson":
        return np.asarray(response / (sigma * np.exp(predictive.log_sd(layout, values, problem))))
    columns = response[:, problem.order][:, None, :]
    white = whiten(problem, *layout.row_parameters(values), columns=columns)
    out: np.ndarray = np.empty_like(response)
    out[:, problem.order] = white.columns[:, 0, :]
    return np.asarray(out / sigma)


def predict(
    posterior: Posterior,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    interval: float | None = None,
) -> pd.Series | pd.DataFrame:
    """Predict the mean response.

    Parameters
    ----------
    posterior : Posterior
    newdata : DataFrame, optional
        The rows of the fit by default.
    level : str, int or None
        As for a fit.
    interval : float, optional
        Also give equal-tailed limits of this probability.

    Returns
    -------
    Series ``predict``, or DataFrame with the columns predict, lower, upper
        NaN in rows whose group the fit has not seen (at a grouping level).
    """
    design = posterior.layout.design
    depth = depth_of(design, level)
    if newdata is None:
        draws, index = (
            predictive.fitted(posterior.layout, posterior.values, posterior.effects, depth),
            design.index,
        )
    else:
        draws, index = _new_draws(posterior, newdata, depth)
    mean = pd.Series(draws.mean(axis=0), index=index, name="predict")
    if interval is None:
        return mean
    if not 0.0 < interval < 1.0:
        msg = f"interval: a number between 0 and 1 is needed, not {interval!r}"
        raise FitError(msg)
    low, high = np.quantile(draws, (0.5 - interval / 2, 0.5 + interval / 2), axis=0)
    return pd.DataFrame({"predict": mean, "lower": low, "upper": high})


def _new_draws(posterior: Posterior, newdata: Any, depth: int) -> tuple[np.ndarray, pd.Index]:
    if not isinstance(newdata, pd.DataFrame):
        msg = f"newdata: a pandas DataFrame is needed, not {newdata.__class__.__name__}"
        raise DataError(msg)
    new = new_rows(posterior.layout.design, newdata, depth)
    values = posterior.values["fixef"] @ new.X.T
    for level, z, code in zip(posterior.layout.levels, new.Z, new.code, strict=False):
        b = posterior.effects[level.key][:, code]
        b[:, code < 0] = np.nan
        values = values + np.einsum("nq,snq->sn", z, b)
    return values, newdata.index


def ppc(posterior: Posterior, conditional: bool = True, seed: int | None = None) -> xr.DataTree:
    """Replicated responses beside the observed one, ready for ArviZ's predictive checks.

    Parameters
    ----------
    posterior : Posterior
    conditional : bool
        For the groups in the data (as stored), or for new groups with the same design.
    seed : int, optional
        Of the new groups' draws.

    Returns
    -------
    DataTree
        ``posterior_predictive`` and ``observed_data``.
    """
    stored = posterior.data["posterior_predictive"].to_dataset()
    observed = posterior.data["observed_data"].to_dataset()
    if not conditional:
        chains, draws = stored.sizes["chain"], stored.sizes["draw"]
        every = np.arange(len(posterior.values["fixef"])).reshape(
            posterior.data["posterior"].sizes["chain"], -1
        )
        step = every.shape[1] // draws
        chosen = every[:, ::step][:, :draws].ravel()
        new = predictive.replicated_new(
            posterior.layout, posterior.values, chosen, np.random.default_rng(seed)
        )
        stored = stored.assign(y=(stored["y"].dims, new.reshape(chains, draws, -1)))
    return xr.DataTree.from_dict({"posterior_predictive": stored, "observed_data": observed})
