"""Random effects at their conditional modes, and the coefficients of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.engine import depth_of
from bayeslme.engine.prediction.blup import Targets, blup, whitened_columns
from bayeslme.errors import FitError
from bayeslme.fit.values.residuals import LevelName
from bayeslme.report.tables import Tables

if TYPE_CHECKING:
    from bayeslme.fit.result import LmeFit


FloatArray = npt.NDArray[np.float64]


def ranef_errors(fit: LmeFit, k: int) -> FloatArray:
    """Standard deviation of b less its prediction, for every group and effect of a level.

    Parameters
    ----------
    fit : LmeFit
    k : int
        Position of the level, outermost first.

    Returns
    -------
    (G, q) array
    """
    levels = fit.design.levels
    groups, q = fit.estimate.modes[k].shape
    m = groups * q
    code = [np.zeros(m, dtype=np.intp) for _ in levels]
    code[k] = np.repeat(np.arange(groups), q)
    for outer in range(k - 1, -1, -1):
        code[outer] = levels[outer + 1].parent[code[outer + 1]]
    Z = [np.zeros((m, level.Z.shape[1])) for level in levels]
    Z[k] = np.tile(np.eye(q), (groups, 1))
    targets = Targets(np.zeros((m, len(fit.fixef))), tuple(Z), tuple(code))
    found = blup(fit.estimate, targets, whitened_columns(fit.estimate))
    return np.sqrt(found.variance).reshape(groups, q)


def _frame(fit: LmeFit, k: int, se: bool, standard: bool) -> pd.DataFrame:
    level = fit.design.levels[k]
    index = pd.Index(level.labels, name=level.group)
    table = pd.DataFrame(fit.estimate.modes[k], index=index, columns=list(level.effects))
    if standard:
        sd = fit.varcorr()[level.group].sd
        return table / sd.where(sd > 0)
    if not se:
        return table
    errors = pd.DataFrame(ranef_errors(fit, k), index=index, columns=table.columns)
    return pd.concat({"est.": table, "se": errors}, axis=1)


def ranef(
    fit: LmeFit, level: LevelName = None, se: bool = False, standard: bool = False
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Conditional modes of the random effects (best linear unbiased predictions).

    See `LmeFit.ranef`.
    """
    if se and standard:
        raise FitError("standard: errors belong to effects in the response's unit; leave se out")
    levels = fit.design.levels
    if level is None and len(levels) > 1:
        return Tables((one.group, _frame(fit, k, se, standard)) for k, one in enumerate(levels))
    number = depth_of(fit.design, level)
    if number == 0:
        raise FitError("level: the fixed level has no random effects; name a group")
    return _frame(fit, number - 1, se, standard)


def ancestors(fit: LmeFit, number: int) -> list[np.ndarray]:
    """Group at each level 1 to `number` that contains each group of level `number`, shapes (G,)."""
    levels = fit.design.levels
    chain = [np.arange(len(levels[number - 1].labels))]
    for k in range(number - 1, 0, -1):
        chain.insert(0, levels[k].parent[chain[0]])
    return chain


def coef(fit: LmeFit, level: LevelName = None) -> pd.DataFrame:
    """Coefficients of each group: fixed effects plus the random effects down to a level.

    See `LmeFit.coef`.
    """
    number = depth_of(fit.design, level)
    if number == 0:
        return fit.fixef.to_frame("fixed").T
    level_ = fit.design.levels[number - 1]
    names = list(
        dict.fromkeys(
            [*fit.fixef.index, *(e for one in fit.design.levels[:number] for e in one.effects)]
        )
    )
    start = fit.fixef.reindex(names, fill_value=0.0).to_numpy()
    table = pd.DataFrame(
        np.tile(start, (len(level_.labels), 1)),
        index=pd.Index(level_.labels, name=level_.group),
        columns=names,
    )
    for k, at in enumerate(ancestors(fit, number)):
        table[list(fit.design.levels[k].effects)] += fit.estimate.modes[k][at]
    return table
