"""Mean and residual standard deviation of new rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayeslme.data.newdata import NewRows, new_variance
from bayeslme.data.types import VarianceCoords
from bayeslme.engine import places_of
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

FloatArray = npt.NDArray[np.float64]


def new_log_sd(fit: Fit, new: NewRows, places: tuple[int, ...]) -> FloatArray:
    """Log residual standard deviation of new rows relative to sigma.

    Parameters
    ----------
    fit : Fit
    new : NewRows
        Read at these levels.
    places : tuple of int
        Levels of the prediction; fitted values as covariates use no others.

    Returns
    -------
    (m,) array
        NaN where a stratum or a group is unknown, or a covariate missing.

    Raises
    ------
    FitError
        For weights that are a function of the residuals, which new rows do not have.
    """
    bound = fit.estimate.problem.variance
    coords = new_variance(fit.design, new)
    if bound is None or coords is None:
        return np.zeros(len(new.X))
    several = isinstance(coords, tuple)
    parts = coords if isinstance(coords, tuple) else (coords,)
    known = np.ones(len(new.X), dtype=bool)
    for part in parts:
        known &= part.stratum >= 0
    filled = tuple(_filled(fit, new, part, places) for part in parts)
    values = bound.structure.log_sd(fit.estimate.varfunc, filled if several else filled[0])
    return np.where(known, values, np.nan)


def _filled(
    fit: Fit, new: NewRows, coords: VarianceCoords, places: tuple[int, ...]
) -> VarianceCoords:
    """Coordinates with fitted values put in, unknown strata replaced by any."""
    stratum = np.maximum(coords.stratum, 0)
    if coords.source == "data":
        return replace(coords, stratum=stratum)
    if coords.source == "resid":
        msg = (
            "weights by resid(.) have no value for new rows, so there is no interval and no "
            "conditioning on residuals; use weights by fitted(.) or a covariate"
        )
        raise FitError(msg)
    own = places_of(fit.design, coords.level)
    reach = tuple(k for k in places if k in own)
    return replace(coords, stratum=stratum, covariate=mean_values(fit, new, places, reach))


def mean_values(
    fit: Fit, new: NewRows, places: tuple[int, ...], reach: tuple[int, ...] | None = None
) -> FloatArray:
    """X beta plus the random effects of some levels, (m,).

    Those of unknown groups are NaN, in fits by `lmer` 0.

    Parameters
    ----------
    fit : Fit
    new : NewRows
    places : tuple of int
        Levels at which the rows were read.
    reach : tuple of int, optional
        Those of them whose effects are added; all by default.
    """
    values = new.X @ fit.estimate.beta + new.offset
    unknown = 0.0 if fit.spec.new_groups_are_zero else np.nan
    for k, Z, code in zip(places, new.Z, new.code, strict=True):
        if reach is None or k in reach:
            effects = np.where(code[:, None] < 0, unknown, fit.estimate.modes[k][code])
            values = values + np.einsum("nq,nq->n", Z, effects)
    return np.asarray(values)
