"""Shares of variance over the posterior: R squared and intraclass correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.bayes.density import problem_of_draws
from bayeslme.bayes.posterior.estimates import IntervalKind, limits
from bayeslme.bayes.posterior.rows.simulate import log_sd
from bayeslme.fit.values.variance_shares import Variances, variances

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws


def of_draws(posterior: Draws) -> Variances:
    """Variances of the parts of the response in every draw."""
    parameters, values = posterior.parameters, posterior.values
    problem = problem_of_draws(parameters, values, posterior.effects)
    relative = np.mean(np.exp(2.0 * log_sd(parameters, values, problem)), axis=-1)
    residual = np.square(parameters.sigmas(values)) * relative
    roots = [np.asarray(level.factor(values)) for level in parameters.levels]
    return variances(parameters.design, values["fixef"], roots, residual)


def summarised(
    shares: dict[str, np.ndarray], level: float, kind: IntervalKind, name: str
) -> pd.DataFrame:
    """Means, standard deviations and limits of shares, one row each."""
    draws = pd.DataFrame(shares)
    low, high = limits(draws.to_numpy(), level, kind)
    columns = {"Value": draws.mean(), "SD": draws.std(), "lower": low, "upper": high}
    return pd.DataFrame(columns, index=pd.Index(draws.columns, name=name))
