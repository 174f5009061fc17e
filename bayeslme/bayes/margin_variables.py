"""Standard deviations and correlations of effects whose priors are about the predictors' means.

PyMC's free variables are those of the priors; the effects' own are computed from them.

This module imports PyMC; it is itself imported only while a model is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayeslme.bayes.priors import ParameterPrior, Priors
from bayeslme.bayes.variables import CENTRED

Tensor = Any


def add_natural(prior: ParameterPrior, centred: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add a level's standard deviations and correlations, from those at the predictors' means.

    Parameters
    ----------
    prior : ParameterPrior
        Of the correlations.
    centred : mapping of variable name to tensor
        The variables added before.
    """
    own, block, q = prior.margins, prior.block, len(prior.block.coefs)
    assert own is not None
    back = pm.Data(f"{block.name}_margins", np.linalg.inv(own.basis))
    scaled = pt.dot(pt.specify_shape(back, (q, q)), pt.diag(centred[own.sd]))
    covariance = pt.dot(scaled, pt.dot(centred[own.cor], scaled.T))
    sd = pm.Deterministic(own.sd, pt.sqrt(pt.diag(covariance)), dims=block.dim)
    cor = covariance / sd[:, None] / sd[None, :]
    dims = (block.dim, f"{block.dim}_bis")
    return {own.sd: sd, own.cor: pm.Deterministic(own.cor, cor, dims=dims)}


def natural_draws(priors: Priors, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draws of the free variables with standard deviations and correlations in their own place."""
    out = dict(values)
    for own in (p.margins for p in priors if p.margins is not None and p.block.matrix):
        sd, cor = (out.pop(f"{name}{CENTRED}") for name in (own.sd, own.cor))
        out[own.sd], out[own.cor] = own.natural(sd, cor)
    return out
