"""Natural parameters of every draw under nlme's names, and credible intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.arrays import NUMPY
from bayeslme.bayes.model_parameters import LevelParameters, ModelParameters
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_probability
from bayeslme.fit.inference.intervals import COLUMNS, Intervals
from bayeslme.fit.values.varcorr import Component, VarCorr, nested_name, random_part
from bayeslme.formula.deparse import deparse

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws


FloatArray = npt.NDArray[np.float64]
IntervalKind = Literal["eti", "hdi"]


def limits(draws: FloatArray, level: float, kind: IntervalKind = "eti") -> FloatArray:
    """Limits of an interval of every column.

    Parameters
    ----------
    draws : array, shape (s, k)
    level : float
        Probability inside.
    kind : {"eti", "hdi"}
        Equal tails, or the shortest interval.

    Returns
    -------
    array, shape (2, k)
        Lower and upper; NaN where draws are.

    Raises
    ------
    FitError
    """
    check_probability(level)
    if kind not in get_args(IntervalKind):
        raise FitError(f"kind: {kind!r} is neither 'eti' (equal tails) nor 'hdi' (the shortest)")
    if kind == "eti" or not draws.shape[1]:
        return np.asarray(np.quantile(draws, (0.5 - level / 2, 0.5 + level / 2), axis=0))
    import arviz_stats as azs

    each = [azs.hdi(np.ascontiguousarray(column), prob=level) for column in draws.T]
    return np.asarray(each, dtype=float).T


def flat_values(posterior: Draws) -> dict[str, np.ndarray]:
    """Draws of the parameters with chains joined, (s, ...)."""
    draws = posterior.data["posterior"]
    out = {b.name: _join(draws[b.name]) for b in posterior.parameters.blocks if b.coefs}
    if "fixef" not in out:
        out["fixef"] = np.zeros((draws.sizes["chain"] * draws.sizes["draw"], 0))
    return out


def flat_effects(posterior: Draws) -> dict[str, np.ndarray]:
    """Draws of the random effects with chains joined, (s, G, q) by group."""
    draws = posterior.data["posterior"]
    return {lv.key: _join(draws[f"ranef_{lv.key}"]) for lv in posterior.parameters.levels}


def _join(variable: object) -> np.ndarray:
    values = np.asarray(variable)
    return values.reshape(-1, *values.shape[2:])


def parts(posterior: Draws) -> dict[str, pd.DataFrame]:
    """Draws of all parameters by part, in the order and under the names of a fit's intervals.

    Returns
    -------
    dict of part to DataFrame, shape (s, number of parameters)
        ``"fixed"``, the groups outermost first, ``"corstruct"``, ``"varfunc"``, ``"sigma"``; parts
        without parameters are left out.
    """
    return parts_of(posterior.parameters, posterior.values)


def parts_of(parameters: ModelParameters, values: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """As ``parts``, from draws of the variables (s, ...)."""
    out = {"fixed": pd.DataFrame(values["fixef"], columns=list(parameters.fixef.coefs))}
    for level in parameters.levels:
        out[level.level.group] = _level_draws(level, values)
    for block in (parameters.corstruct, parameters.varfunc, parameters.sigma):
        if block is not None:
            drawn = values[block.name]
            out[block.name] = pd.DataFrame(drawn.reshape(len(drawn), -1), columns=list(block.coefs))
    return out


def _level_draws(level: LevelParameters, values: dict[str, np.ndarray]) -> pd.DataFrame:
    label = deparse(level.level.formula.rhs)
    names = [p.name for p in level.level.structure.natural_parameters(level.level.effects, label)]
    drawn = [
        block.natural(values, values[level.sd.name], NUMPY) for block in level.covariance_blocks
    ]
    return pd.DataFrame(np.concatenate(drawn, axis=-1), columns=names)


def intervals(posterior: Draws, level: float = 0.95, kind: IntervalKind = "eti") -> Intervals:
    """Posterior intervals around the posterior means; see `Posterior.intervals`."""
    check_probability(level)
    found = {}
    for name, draws in parts(posterior).items():
        low, high = limits(draws.to_numpy(), level, kind)
        table = np.column_stack([low, draws.mean().to_numpy(), high])
        found[name] = pd.DataFrame(table, index=list(draws.columns), columns=COLUMNS)
    return Intervals(found, level, posterior.fit.kind, ())


def components(posterior: Draws) -> list[Component]:
    """Means of standard deviations, correlations and covariances, outermost level first."""
    out = []
    for level in posterior.parameters.levels:
        factor = level.factor(posterior.values)
        cov = factor @ np.swapaxes(factor, -1, -2)
        sd = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
        corr = (cov / sd[:, :, None] / sd[:, None, :]).mean(axis=0)
        np.fill_diagonal(corr, 1.0)
        names = list(level.level.effects)
        out.append(
            Component(
                level.level.group,
                pd.Series(sd.mean(axis=0), index=names),
                pd.DataFrame(corr, names, names),
                pd.DataFrame(cov.mean(axis=0), names, names),
            )
        )
    return out


def varcorr(posterior: Draws) -> VarCorr:
    """Posterior means of the variance components; see `Posterior.varcorr`."""
    made = components(posterior)
    design = posterior.parameters.design
    printed = tuple(
        random_part(level, one, nested_name(design, k))
        for k, (level, one) in enumerate(zip(design.levels, made, strict=True))
    )
    return VarCorr({one.group: one for one in made}, sigma_mean(posterior), printed)


def sigma_mean(posterior: Draws) -> float:
    """Posterior mean of sigma, or the value it is held at."""
    return float(np.mean(posterior.parameters.sigma_of(posterior.values)))
