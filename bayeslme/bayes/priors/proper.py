"""Posteriors that are improper whatever the draws look like, refused before any work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.distributions import FLAT_FAMILIES
from bayeslme.bayes.priors.priors import ParameterPrior, Priors
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.search.reproduced import require_rest
from bayeslme.errors import FitError


def check_proper(parameters: ModelParameters, priors: Priors) -> None:
    """Refuse posteriors that a flat prior makes improper.

    A standard deviation with a flat prior needs more groups than effects plus one (the likelihood
    tends to a constant, or falls like sd^-(G - 1), as it grows). As the range of a correlation
    grows, or the constant of a variance function with sigma falling, the likelihood tends to a
    positive number, so that no flat prior is proper.

    Raises
    ------
    FitError
    """
    for level in parameters.levels:
        groups = len(level.level.labels)
        prior = priors[level.sd.name]
        flat = [
            c
            for c, p in zip(prior.block.coefs, prior.priors, strict=True)
            if p.family in FLAT_FAMILIES
        ]
        if flat and groups <= level.q + 2:
            msg = (
                f"priors: a flat prior on '{level.sd.name}' ({flat[0]}) with {groups} group(s) "
                "gives an improper posterior; use a proper one, 'HalfStudentT(nu=4, sigma=1)' say"
            )
            raise FitError(msg)
    for block in (parameters.corstruct, parameters.varfunc):
        if block is None:
            continue
        for j in _endless(priors[block.name]):
            msg = (
                f"priors: a flat prior on '{block.name}' ({block.coefs[j]}) gives an "
                "improper posterior; use a proper one, such as 'LogNormal(mu=0, sigma=1)'"
            )
            raise FitError(msg)


def _endless(prior: ParameterPrior) -> Iterator[int]:
    """Ranges and constants with a flat prior up to infinity."""
    for j, one in enumerate(prior.priors):
        low, high = prior.bounds(j)
        grows = prior.block.kind == "corstruct" or "const" in prior.block.coefs[j].split(".")
        if grows and one.family in FLAT_FAMILIES and np.isfinite(low) and np.isinf(high):
            yield j


def check_response(parameters: ModelParameters, priors: Priors) -> None:
    """Refuse a response that the effects reproduce, in the words of the fit.

    With m residuals that are zero the likelihood grows like sigma^-m as sigma goes to zero. No
    prior makes that integrable whose density falls like a power of sigma there, as all but
    LogNormal, InverseGamma and those that begin above zero do.

    Parameters
    ----------
    parameters : ModelParameters
    priors : Priors

    Raises
    ------
    FitError
        See ``engine.search.reproduced.require_rest``.
    """
    problem = replace(parameters.problem, needs_fitted_values=False)
    held = parameters.held_sigma
    if held is None and parameters.sigma is not None and _away_from_zero(priors["sigma"]):
        held = 1.0  # any number: sigma cannot go to zero, correlations can still go to one
    require_rest(Likelihood(problem, "REML", held))


def _away_from_zero(prior: ParameterPrior) -> bool:
    """Whether the density of a standard deviation vanishes faster than any power at zero."""
    return prior.priors[0].family in ("LogNormal", "InverseGamma") or prior.bounds(0)[0] > 0.0
