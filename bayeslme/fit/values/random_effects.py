"""Random effects at their conditional modes, and the coefficients of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

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


def ranef_errors(fit: LmeFit, k: int, *, conditional: bool = False) -> FloatArray:
    """Standard deviation of b less its prediction, for every group and effect of a level.

    Groups without rows, whose relation to the others is known, come last.

    Parameters
    ----------
    fit : LmeFit
    k : int
        Position of the level, outermost first.
    conditional : bool
        Take the coefficients as known.

    Returns
    -------
    (G, q) array
    """
    levels = fit.design.levels
    groups, q = len(levels[k].all_labels), fit.estimate.modes[k].shape[1]
    m = groups * q
    code = [np.zeros(m, dtype=np.intp) for _ in levels]
    code[k] = np.repeat(np.arange(groups), q)
    chain = fit.design.outer(k)
    for outer, inner in zip(chain[-2::-1], chain[:0:-1], strict=True):
        # A group without rows has no outer group; its own are asked for alone, any will do.
        parent = levels[inner].parent
        code[outer] = parent[np.minimum(code[inner], len(parent) - 1)]
    Z = [np.zeros((m, level.Z.shape[1])) for level in levels]
    Z[k] = np.tile(np.eye(q), (groups, 1))
    targets = Targets(np.zeros((m, len(fit.fixef))), tuple(Z), tuple(code))
    if fit.design.crossed:
        from bayeslme.engine.crossed.blup import crossed_blup

        found = crossed_blup(fit.estimate, targets, with_beta=not conditional)
    else:
        columns = whitened_columns(fit.estimate)
        found = blup(fit.estimate, targets, columns, with_beta=not conditional)
    return np.sqrt(found.variance).reshape(groups, q)


ErrorKind = bool | Literal["conditional"]
CONDITIONAL = "conditional"


def _frame(fit: LmeFit, k: int, se: ErrorKind, standard: bool) -> pd.DataFrame:
    level = fit.design.levels[k]
    index = pd.Index(level.all_labels, name=level.group)
    modes = level.all_effects(fit.estimate.modes[k])
    table = pd.DataFrame(modes, index=index, columns=list(level.effects))
    if standard:
        sd = fit.varcorr()[level.group].sd
        return table / sd.where(sd > 0)
    if not se:
        return table
    found = ranef_errors(fit, k, conditional=se == CONDITIONAL)
    errors = pd.DataFrame(found, index=index, columns=table.columns)
    return pd.concat({"est.": table, "se": errors}, axis=1)


def ranef(
    fit: LmeFit, level: LevelName = None, se: ErrorKind = False, standard: bool = False
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Conditional modes of the random effects (best linear unbiased predictions).

    See `LmeFit.ranef`.
    """
    if not isinstance(se, bool) and se != CONDITIONAL:
        raise FitError(f"se: True, False or '{CONDITIONAL}', not {se!r:.60}")
    if se and standard:
        raise FitError("standard: errors belong to effects in the response's unit; leave se out")
    levels = fit.design.levels
    if level is None and len(levels) > 1:
        return Tables((levels[k].group, _frame(fit, k, se, standard)) for k in fit.design.shown)
    number = depth_of(fit.design, level)
    if number == 0:
        raise FitError("level: the fixed level has no random effects; name a group")
    return _frame(fit, number - 1, se, standard)


def ancestors(fit: LmeFit, number: int) -> list[np.ndarray]:
    """Group, at each level outside level `number`, of each of its groups; last itself; (G,)."""
    levels = fit.design.levels
    chain = [np.arange(len(levels[number - 1].labels))]
    for k in fit.design.outer(number - 1)[:0:-1]:
        chain.insert(0, levels[k].parent[chain[0]])
    return chain


def coefs(fit: LmeFit) -> dict[str, pd.DataFrame]:
    """Coefficients of the groups of every level, as lme4 has them for crossed random effects."""
    groups = [fit.design.levels[k].group for k in fit.design.shown]
    return Tables((group, coef(fit, group)) for group in groups)


def coef(fit: LmeFit, level: LevelName = None) -> pd.DataFrame:
    """Coefficients of each group: fixed effects plus the random effects down to a level.

    See `LmeFit.coef`.
    """
    number = depth_of(fit.design, level)
    if number == 0:
        return fit.fixef.to_frame("fixed").T
    level_ = fit.design.levels[number - 1]
    included = fit.design.included(number - 1)
    effects = [e for k in included for e in fit.design.levels[k].effects]
    names = list(dict.fromkeys([*fit.fixef.index, *effects]))
    alone = len(included) == 1
    labels = level_.all_labels if alone else level_.labels  # those without rows lie in no group
    start = fit.fixef.reindex(names, fill_value=0.0).to_numpy()
    table = pd.DataFrame(
        np.tile(start, (len(labels), 1)),
        index=pd.Index(labels, name=level_.group),
        columns=names,
    )
    owners = dict(zip(fit.design.outer(number - 1), ancestors(fit, number), strict=True))
    for k in included:
        modes = fit.estimate.modes[k]
        own = level_.all_effects(modes) if alone else modes[owners[k]]
        table[list(fit.design.levels[k].effects)] += own
    return table
