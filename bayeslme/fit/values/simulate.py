"""New responses from a fitted model, with new random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.fit.arguments import check_count, check_generator
from bayeslme.fit.values.covariance import colour

if TYPE_CHECKING:
    from bayeslme.fit.row_verbs import RowVerbs


def simulate(
    fit: RowVerbs, nsim: int = 1, seed: int | np.random.Generator | None = None
) -> pd.DataFrame:
    """Draw responses at the estimates, with new random effects and new residuals.

    See `Fit.simulate`.
    """
    check_count(nsim, "nsim")
    check_generator(seed)
    rng = np.random.default_rng(seed)
    design, estimate = fit.design, fit.estimate
    residual = colour(estimate, rng.standard_normal((nsim, fit.nobs))) * np.exp(estimate.log_sd)
    draws = design.X @ estimate.beta + design.offset + fit.sigma * residual
    for level, factor in zip(design.levels, estimate.factors, strict=True):
        spherical = rng.standard_normal((nsim, len(level.labels), len(factor)))
        effects = level.correlated(fit.sigma * spherical @ factor.T)
        draws += np.einsum("nq,snq->sn", level.Z, effects[:, level.code])
    names = [f"sim_{k + 1}" for k in range(nsim)]
    return pd.DataFrame(draws.T, index=design.index, columns=names)
