"""The numerical core: arrays in, numbers out.

y = X beta + sum_k Z_k b_k + eps,
b_k ~ N(0, sigma^2 Lambda_k Lambda_k'),   eps ~ N(0, sigma^2 R)

Symbols used in every module: n rows, p fixed-effects columns, K grouping levels, q random effects
of a level, G groups of a level, c columns of [Z_K ... Z_1 | X | y], k entries of theta. ``theta``
holds the free parameters: relative factors of the levels (outermost first), then the correlation
structure's, then the variance function's, each on its unconstrained scale.

Read in the order of a fit: `build` sorts the rows, standardises the columns and makes a `problem`;
then come the folder `likelihood` (whiten, eliminate, profile), the folder `search`, and `estimate`.
The folders `inference` and `prediction` use an estimate. May import `structures` and `arrays`, and
types of `data`.
"""

from bayeslme.engine.build import build_problem
from bayeslme.engine.estimate import Estimate, estimate
from bayeslme.engine.fitted import depth_of, fitted_values, places_of
from bayeslme.engine.inference.information import Information, information, natural_point
from bayeslme.engine.likelihood.eliminate import Eliminated, eliminate, modes
from bayeslme.engine.likelihood.likelihood import Likelihood, NaturalPoint, profile
from bayeslme.engine.likelihood.whiten import Gram, gram, whiten
from bayeslme.engine.prediction.residuals import normalise
from bayeslme.engine.problem import Problem

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
