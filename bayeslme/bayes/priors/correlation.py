"""Priors of correlation parameters, from the numbers computed with.

Priors are those of the printed parameters, in the user's unit of time. Where that is small, Phi is
within rounding of 1, and a density such as Beta(86400, 1) is taken from its logarithm. Where the
likelihood does not tell a point from its mirror image (Phi from -Phi, all lags being even), and a
prior of the user's covers both, the density at a point is that of the two together (half of it
where both are in the space that is sampled), and a draw is turned over with the share of its image.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln

from bayeslme.bayes.priors.priors import FloatArray, ParameterPrior
from bayeslme.structures import Bound


def log_density(prior: ParameterPrior, correlation: Bound, par: np.ndarray) -> FloatArray:
    """Log prior density (...) of the printed parameters, at natural values (..., k) inside."""
    free = correlation.free
    printed = np.asarray(correlation.printed_free(par))
    if prior.mirrored:
        image = np.asarray(correlation.mirror(printed))
        both = np.logaddexp(prior.log_density(printed), prior.log_density(image))
        # where several turn together, both points are in the space, and share the density
        return np.asarray(both - np.log(2.0) if prior.block.turned_together else both)
    (one, *more), shown = prior.priors, correlation.parameters[free[0]].shown
    if more or shown.steps == 1.0 or one.family not in ("Beta", "StepCorrelation"):
        return prior.log_density(printed)
    args, support = one.numbers(), correlation.parameters[free[0]].support
    with np.errstate(divide="ignore"):
        log_size = np.log(np.abs(par[..., free[0]])) / shown.steps
        log_rest = np.log(-np.expm1(log_size))
    if one.family == "StepCorrelation":
        value = np.log(args["steps"] / 2) + (args["steps"] - 1) * log_size
    else:
        a, b = args["alpha"], args["beta"]
        value = (a - 1) * log_size - betaln(a, b) + (0.0 if b == 1 else (b - 1) * log_rest)
        if support.lower < 0:
            value = np.where(par[..., free[0]] > 0, value, -np.inf)
    return np.asarray(value - prior.log_mass(0))


def told_apart(
    prior: ParameterPrior, correlation: Bound, printed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draws (..., k) of the free parameters, their signs as the prior has them.

    Parameters
    ----------
    prior : ParameterPrior
    correlation : Bound
    printed : array, shape (..., k)
    rng : Generator
    """
    here = np.asarray(correlation.represented(printed))
    if not prior.mirrored:
        return here if not prior.named else printed
    image = np.asarray(correlation.mirror(here))
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = np.exp(prior.log_density(here) - prior.log_density(image))
    turned = rng.uniform(size=ratio.shape) * (1.0 + ratio) < 1.0
    return np.where(turned[..., None], image, here)
