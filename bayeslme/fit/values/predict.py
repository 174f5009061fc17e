"""Predictions at any level, for the rows of the fit or for new data, and their errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.newdata import NewRows, new_correlation, new_rows, new_variance
from bayeslme.data.types import VarianceCoords
from bayeslme.engine import Estimate, depth_of
from bayeslme.engine.inference.satterthwaite import differentiated
from bayeslme.engine.prediction.blup import Predicted, Targets, blup, whitened_columns
from bayeslme.engine.prediction.kriging import (
    NewResiduals,
    krige,
    lattice_groups,
    observed_positions,
)
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_probability
from bayeslme.fit.inference.degrees import small_sample
from bayeslme.fit.inference.hypotheses import t_quantile
from bayeslme.fit.values.residuals import LevelName, fitted

if TYPE_CHECKING:
    from bayeslme.fit.row_verbs import RowVerbs


FloatArray = npt.NDArray[np.float64]


def new_log_sd(fit: RowVerbs, new: NewRows, depth: int) -> FloatArray:
    """Log residual standard deviation of new rows relative to sigma.

    Parameters
    ----------
    fit : Fit
    new : NewRows
        Read down to `depth`.
    depth : int
        Level of the prediction; fitted values as covariates go no further in than this.

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
    filled = tuple(_filled(fit, new, part, depth) for part in parts)
    values = bound.structure.log_sd(fit.estimate.varfunc, filled if several else filled[0])
    return np.where(known, values, np.nan)


def _filled(fit: RowVerbs, new: NewRows, coords: VarianceCoords, depth: int) -> VarianceCoords:
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
    reach = min(depth, depth_of(fit.design, coords.level))
    return replace(coords, stratum=stratum, covariate=mean_values(fit, new, reach))


def mean_values(fit: RowVerbs, new: NewRows, depth: int) -> FloatArray:
    """X beta plus the random effects down to a level, (m,); NaN for unknown groups."""
    values = new.X @ fit.estimate.beta
    for modes, Z, code in zip(fit.estimate.modes[:depth], new.Z, new.code, strict=False):
        effects = np.where(code[:, None] < 0, np.nan, modes[code])
        values = values + np.einsum("nq,nq->n", Z, effects)
    return np.asarray(values)


IntervalDf = Literal["residual", "satterthwaite"]


@overload
def predict(
    fit: RowVerbs,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: Literal[False] = False,
    use_correlation: bool = False,
    interval: None = None,
    df: IntervalDf = "residual",
) -> pd.Series: ...


@overload
def predict(
    fit: RowVerbs,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: bool = False,
    use_correlation: bool = False,
    interval: float | None = None,
    df: IntervalDf = "residual",
) -> pd.Series | pd.DataFrame: ...


def predict(
    fit: RowVerbs,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: bool = False,
    use_correlation: bool = False,
    interval: float | None = None,
    df: IntervalDf = "residual",
) -> pd.Series | pd.DataFrame:
    """Predict the mean response, or with `use_correlation` the new response itself.

    See `Fit.predict`.
    """
    if interval is not None:
        check_probability(interval, "interval")
    check_choice(df, get_args(IntervalDf), "df")
    if df != "residual" and interval is None:
        raise FitError(f"df: {df!r} is for the limits of an interval; give interval=0.95")
    depth = depth_of(fit.design, level)
    if not (se or use_correlation or interval is not None):
        if newdata is None:
            return fitted(fit, level).rename("predict")
        plain = mean_values(fit, new_rows(fit.design, newdata, depth), depth)
        return pd.Series(plain, index=newdata.index, name="predict")
    if use_correlation and depth < len(fit.design.levels):
        msg = "use_correlation: residuals are those of the innermost level; leave level out"
        raise FitError(msg)
    frame = fit.design.frame if newdata is None else newdata
    new = new_rows(fit.design, frame, depth)
    asked = _Asked(new, depth, use_correlation, newdata is None)
    found = asked.predicted(fit)
    table = pd.DataFrame({"fit": found.mean}, index=new.index)
    if se:
        table["se"] = np.sqrt(found.variance)
    if interval is not None:
        variance = asked.variance(fit, found)
        den = _degrees(fit, df, asked, variance)
        width = t_quantile(0.5 + interval / 2, den) * np.sqrt(variance)
        table["lower"], table["upper"] = found.mean - width, found.mean + width
    return table if se or interval is not None else table["fit"].rename("predict")


@dataclass(frozen=True, slots=True)
class _Asked:
    """New rows, observed ones or not, at a level, with their own residuals or without."""

    new: NewRows
    depth: int
    use_correlation: bool
    observed: bool

    def predicted(self, fit: RowVerbs) -> Predicted:
        """Means at the level, or under `use_correlation` new responses."""
        columns, residuals = whitened_columns(fit.estimate), None
        if self.use_correlation:
            log_sd = new_log_sd(fit, self.new, self.depth)
            place = _residuals(fit, self.new, log_sd, observed=self.observed)
            residuals = krige(fit.estimate, place, columns)
        return blup(fit.estimate, _targets(fit, self.new, self.depth), columns, residuals)

    def variance(self, fit: RowVerbs, found: Predicted) -> FloatArray:
        """Variance (m,) of new responses less their predictions."""
        if self.use_correlation:
            return found.variance
        log_sd = new_log_sd(fit, self.new, self.depth)
        return found.variance + _own_variance(fit, self.new, log_sd, self.depth)


def _degrees(fit: RowVerbs, df: str, asked: _Asked, variance: FloatArray) -> FloatArray:
    """Degrees of freedom (m,) of the variances of new responses."""
    method = small_sample(fit, "satterthwaite") if df == "satterthwaite" else None
    if method is None:
        left = np.inf if fit.estimate.sigma_held else fit.nobs - len(fit.fixef)
        return np.full(len(variance), left)

    def moved(estimate: Estimate) -> FloatArray:
        other = replace(fit, estimate=estimate)
        return asked.variance(other, asked.predicted(other))

    near = fit.satterthwaite.sensitivity
    return near.matched(variance, differentiated(fit.estimate, near, moved))


def _targets(fit: RowVerbs, new: NewRows, depth: int) -> Targets:
    """The mean at a level; the levels further in have no part in it."""
    m = len(new.X)
    inner = fit.design.levels[depth:]
    zeros = tuple(np.zeros((m, level.Z.shape[1])) for level in inner)
    return Targets(
        new.X, (*new.Z, *zeros), (*new.code, *(np.zeros(m, dtype=np.intp) for _ in inner))
    )


def _residuals(fit: RowVerbs, new: NewRows, log_sd: FloatArray, *, observed: bool) -> NewResiduals:
    """Correlation group and position of the new rows; `observed` where they are the fit's own."""
    coords = new_correlation(fit.design, new)
    if coords is None or fit.design.correlation is None:
        msg = "use_correlation: this fit has no correlation structure to condition on"
        raise FitError(msg)
    levels = fit.design.levels
    old_code = [fit.design.correlation.code, *(level.code for level in levels[-1:])]
    new_code = [coords.code, *new.code[-1:]]
    group = lattice_groups(fit.estimate, np.column_stack(old_code), np.column_stack(new_code))
    position = observed_positions(fit.estimate.problem) if observed else coords.position
    return NewResiduals(group, position, log_sd)


def _own_variance(fit: RowVerbs, new: NewRows, log_sd: FloatArray, depth: int) -> FloatArray:
    """Variance (m,) of a new response about its mean at a level."""
    total = np.square(fit.sigma * np.exp(log_sd))
    inner = fit.estimate.factors[depth:]
    for matrix, factor in zip(fit.design.random_matrices[depth:], inner, strict=True):
        Z = matrix.apply(new.columns)
        total = total + np.square(fit.sigma * Z @ factor).sum(axis=1)
    return np.asarray(total)
