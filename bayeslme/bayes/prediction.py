"""Predictions of the mean or of a new response, for known and for new groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes import predictive
from bayeslme.bayes.fitted_variance import problem_of_draws
from bayeslme.bayes.limits import IntervalKind, limits
from bayeslme.bayes.tree import row_labels
from bayeslme.data.newdata import NewRows, new_rows, new_variance
from bayeslme.engine import depth_of
from bayeslme.errors import DataError, FitError
from bayeslme.fit.arguments import check_probability

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.data.types import VarianceCoords
    from bayeslme.fit.residuals import LevelName

Of = Literal["mean", "response"]
NewGroups = Literal["missing", "draw"]


def predict(
    posterior: Posterior,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    interval: float | None = None,
    *,
    of: Of = "mean",
    new_groups: NewGroups = "missing",
    kind: IntervalKind = "eti",
    draws: bool = False,
    seed: int | None = None,
) -> pd.Series | pd.DataFrame | xr.DataArray:
    """Predict the mean response, or a new response.

    Parameters
    ----------
    posterior : Posterior
    newdata : DataFrame, optional
        The rows of the fit by default.
    level : str, int or None
        As for a fit.
    interval : float, optional
        Also give limits of this probability.
    of : {"mean", "response"}
        ``"response"`` adds residuals, with the variance function at the row; each row's is drawn
        for itself, so that limits are those of single rows.
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
    Series ``predict``, or DataFrame with the columns predict, lower, upper; DataArray (chain, draw,
    row) under `draws`
        NaN in rows with a missing value, an unknown group (under ``"missing"``), or a variance
        stratum that is not known (for a response).

    Raises
    ------
    FitError
        For an argument out of range.
    DataError
        For a missing column or a factor level the fit has not seen.
    """
    for name, value, allowed in (("of", of, Of), ("new_groups", new_groups, NewGroups)):
        if value not in get_args(allowed):
            known = " nor ".join(map(repr, get_args(allowed)))
            raise FitError(f"{name}: {value!r} is neither {known}")
    if interval is not None:
        check_probability(interval, "interval")
        if draws:
            raise FitError("draws: all draws have no interval; leave one of the two out")
    depth, rng = depth_of(posterior.layout.design, level), np.random.default_rng(seed)
    if newdata is None:
        drawn, index = _own_rows(posterior, depth, of, rng), posterior.layout.design.index
        labels: Any = row_labels(posterior.layout)
    else:
        drawn, index = _new_rows(posterior, newdata, depth, of, new_groups, rng), newdata.index
        labels = np.arange(len(newdata))
    if draws:
        return by_chain(posterior, drawn, labels)
    mean = pd.Series(drawn.mean(axis=0), index=index, name="predict")
    if interval is None:
        return mean
    low, high = _limits(drawn, interval, kind)
    return pd.DataFrame({"predict": mean, "lower": low, "upper": high})


def by_chain(posterior: Posterior, drawn: np.ndarray, rows: Any) -> xr.DataArray:
    """Draws (s, n) as a DataArray (chain, draw, row)."""
    sizes = posterior.data["posterior"].sizes
    shaped = drawn.reshape(sizes["chain"], sizes["draw"], -1)
    coords = {d: np.arange(sizes[d]) for d in ("chain", "draw")}
    return xr.DataArray(shaped, dims=("chain", "draw", "row"), coords={**coords, "row": rows})


def _limits(drawn: np.ndarray, level: float, kind: IntervalKind) -> np.ndarray:
    out = np.full((2, drawn.shape[1]), np.nan)
    known = np.isfinite(drawn).all(axis=0)
    out[:, known] = limits(drawn[:, known], level, kind)
    return out


def _own_rows(posterior: Posterior, depth: int, of: Of, rng: np.random.Generator) -> np.ndarray:
    layout, values, effects = posterior.layout, posterior.values, posterior.effects
    mean = predictive.fitted(layout, values, effects, depth)
    if of == "mean":
        return mean
    problem = problem_of_draws(layout, values, effects)
    sigma = np.broadcast_to(layout.sigma_of(values), (len(mean),))[:, None]
    sd = sigma * np.exp(predictive.log_sd(layout, values, problem))
    return np.asarray(mean + sd * rng.standard_normal(mean.shape))


def _new_rows(
    posterior: Posterior,
    newdata: Any,
    depth: int,
    of: Of,
    new_groups: NewGroups,
    rng: np.random.Generator,
) -> np.ndarray:
    if not isinstance(newdata, pd.DataFrame):
        msg = f"newdata: a pandas DataFrame is needed, not {newdata.__class__.__name__}"
        raise DataError(msg)
    new = new_rows(posterior.layout.design, newdata, depth)
    means = [np.asarray(posterior.values["fixef"] @ new.X.T)]
    for k, z in enumerate(new.Z):
        own = _effects(posterior, new, k, new_groups, rng)
        means.append(means[-1] + np.einsum("nq,snq->sn", z, own))
    if of == "mean":
        return means[-1]
    return means[-1] + _new_sd(posterior, new, means) * rng.standard_normal(means[-1].shape)


def _effects(
    posterior: Posterior, new: NewRows, k: int, new_groups: NewGroups, rng: np.random.Generator
) -> np.ndarray:
    """Random effects of a level at the new rows, (s, m, q)."""
    level, code, factor = posterior.layout.levels[k], new.code[k], new.group[k]
    out = posterior.effects[level.key][:, code]
    unknown = code < 0
    out[:, unknown] = np.nan
    unseen = unknown & (factor.code >= 0)
    if new_groups == "draw" and unseen.any():
        groups, place = np.unique(factor.code[unseen], return_inverse=True)
        spherical = rng.standard_normal((len(out), len(groups), level.q))
        root = np.broadcast_to(level.factor(posterior.values), (len(out), level.q, level.q))
        out[:, unseen] = (spherical @ np.swapaxes(root, -1, -2))[:, place]
    return np.asarray(out)


def _new_sd(posterior: Posterior, new: NewRows, means: list[np.ndarray]) -> np.ndarray:
    """Residual standard deviations (s, m) at new rows; NaN in unknown strata."""
    layout, values = posterior.layout, posterior.values
    sigma = np.broadcast_to(layout.sigma_of(values), (len(means[0]),))[:, None]
    bound, coords = layout.problem.variance, new_variance(layout.design, new)
    if bound is None or coords is None:
        return np.asarray(sigma)
    each = coords if isinstance(coords, tuple) else (coords,)
    known = np.all([part.stratum >= 0 for part in each], axis=0)
    filled = tuple(_filled(posterior, part, means) for part in each)
    _, par = layout.row_parameters(values)
    given: Any = filled if isinstance(coords, tuple) else filled[0]
    return np.where(known, sigma * np.exp(bound.structure.log_sd(par, given)), np.nan)


def _filled(posterior: Posterior, part: VarianceCoords, means: list[np.ndarray]) -> VarianceCoords:
    """Coordinates with fitted values put in, unknown strata replaced by any."""
    stratum = np.maximum(part.stratum, 0)
    if part.source == "data":
        return replace(part, stratum=stratum)
    reach = min(len(means) - 1, depth_of(posterior.layout.design, part.level))
    return replace(part, stratum=stratum, covariate=means[reach])
