"""The numerical core: arrays in, numbers out.

    y = X beta + sum_k Z_k b_k + eps,
    b_k ~ N(0, sigma^2 Lambda_k Lambda_k'),   eps ~ N(0, sigma^2 R)

Symbols used in every module: n rows, p fixed-effects columns, K grouping levels, q random effects
of a level, G groups of a level, c columns of [Z_K ... Z_1 | X | y], k entries of theta. ``theta``
holds the free parameters: relative factors of the levels (outermost first), then the correlation
structure's, then the variance function's, each on its unconstrained scale.

A fit flows one way: ``build`` (sorted, standardised, bound: a ``problem``) -> ``likelihood``
(``whiten``, ``eliminate``, ``profile``) -> ``optimise`` -> ``estimate``; ``conditional`` and
``information`` read off the rest.
"""

from bayeslme.engine.build import build_problem
from bayeslme.engine.conditional import modes
from bayeslme.engine.eliminate import Eliminated, eliminate
from bayeslme.engine.estimate import Estimate, estimate
from bayeslme.engine.fitted import depth_of, fitted_values, places_of
from bayeslme.engine.gram import Gram, gram
from bayeslme.engine.information import Information, information, natural_point
from bayeslme.engine.likelihood import Likelihood, NaturalPoint, profile
from bayeslme.engine.normalise import normalise
from bayeslme.engine.problem import Problem
from bayeslme.engine.whitening import whiten

__all__ = [
    "Eliminated",
    "Estimate",
    "Gram",
    "Information",
    "Likelihood",
    "NaturalPoint",
    "Problem",
    "build_problem",
    "depth_of",
    "eliminate",
    "estimate",
    "fitted_values",
    "gram",
    "information",
    "modes",
    "natural_point",
    "normalise",
    "places_of",
    "profile",
    "whiten",
]
