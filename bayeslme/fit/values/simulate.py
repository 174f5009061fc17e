"""New responses from a fitted model, with new random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.fit.arguments import check_count, check_generator
from bayeslme.fit.values.covariance import colour

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit


def simulate(
    fit: Fit, nsim: int = 1, seed: int | np.random.Generator | None = None
) -> pd.DataFrame:
    """Draw responses at the estimates, with new random effects and new residuals.

    Parameters
    ----------
    fit : Fit
    nsim : int
        Number of draws.
    seed : int, Generator or None

    Returns
    -------
    DataFrame, shape (n, nsim)
        Indexed as the rows used; columns sim_1, sim_2, ...

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> simulate(fit, 2, seed=1).shape
    (108, 2)
    """
    check_count(nsim, "nsim")
    check_generator(seed)
    rng = np.random.default_rng(seed)
    design, estimate = fit.design, fit.estimate
    residual = colour(estimate, rng.standard_normal((nsim, fit.nobs))) * np.exp(estimate.log_sd)
    draws = design.X @ estimate.beta + design.offset + fit.sigma * residual
    for level, factor in zip(design.levels, estimate.factors, strict=True):
        spherical = rng.standard_normal((nsim, len(level.labels), len(factor)))
        effects = fit.sigma * spherical @ factor.T
        draws += np.einsum("nq,snq->sn", level.Z, effects[:, level.code])
    names = [f"sim_{k + 1}" for k in range(nsim)]
    return pd.DataFrame(draws.T, index=design.index, columns=names)
