"""Standard errors of the predicted random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayeslme.engine.blup import Targets, blup, whitened_columns

if TYPE_CHECKING:
    from bayeslme.fit.result import LmeFit

FloatArray = npt.NDArray[np.float64]


def ranef_errors(fit: LmeFit, k: int, *, conditional: bool = False) -> FloatArray:
    """Standard deviation of b less its prediction, for every group and effect of a level.

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
    groups, q = fit.estimate.modes[k].shape
    m = groups * q
    code = [np.zeros(m, dtype=np.intp) for _ in levels]
    code[k] = np.repeat(np.arange(groups), q)
    chain = fit.design.outer(k)
    for outer, inner in zip(chain[-2::-1], chain[:0:-1], strict=True):
        code[outer] = levels[inner].parent[code[inner]]
    Z = [np.zeros((m, level.Z.shape[1])) for level in levels]
    Z[k] = np.tile(np.eye(q), (groups, 1))
    targets = Targets(np.zeros((m, len(fit.fixef))), tuple(Z), tuple(code))
    if fit.design.crossed:
        from bayeslme.engine.crossed_blup import crossed_blup

        found = crossed_blup(fit.estimate, targets, with_beta=not conditional)
    else:
        columns = whitened_columns(fit.estimate)
        found = blup(fit.estimate, targets, columns, with_beta=not conditional)
    return np.sqrt(found.variance).reshape(groups, q)
