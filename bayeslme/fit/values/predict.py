"""Predictions at any level, for the rows of the fit or for new data, and their errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.newdata import NewRows, new_correlation, new_rows, new_variance
from bayeslme.data.types import VarianceCoords
from bayeslme.engine import Estimate, depth_of
from bayeslme.engine.fitted import means_by_depth
from bayeslme.engine.inference.satterthwaite import differentiated
from bayeslme.engine.prediction.blup import Predicted, Targets, blup, whitened_columns
from bayeslme.engine.prediction.kriging import (
    NewResiduals,
    correlation_group_of,
    krige,
    observed_positions,
)
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_probability
from bayeslme.fit.inference.degrees import (
    KENWARD_ROGER,
    METHODS,
    DfMethod,
    between_within,
    fewest,
    small_sample,
)
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
    if bound is None:
        return np.zeros(len(new.X))
    known = np.all([part.stratum >= 0 for part in coords], axis=0)
    filled = bound.structure.join([_filled(fit, new, part, depth) for part in coords])
    values = bound.structure.log_sd(fit.estimate.varfunc, filled)
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
    levels = zip(fit.estimate.modes[:depth], new.Z, new.code, strict=False)
    each = ((z, np.where(code[:, None] < 0, np.nan, modes[code])) for modes, z, code in levels)
    return means_by_depth(new.X @ fit.estimate.beta, each)[-1]


@overload
def predict(
    fit: RowVerbs,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: Literal[False] = False,
    use_correlation: bool = False,
    interval: None = None,
    df: DfMethod | None = None,
) -> pd.Series: ...


@overload
def predict(
    fit: RowVerbs,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: bool = False,
    use_correlation: bool = False,
    interval: float | None = None,
    df: DfMethod | None = None,
) -> pd.Series | pd.DataFrame: ...


def predict(
    fit: RowVerbs,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    se: bool = False,
    use_correlation: bool = False,
    interval: float | None = None,
    df: DfMethod | None = None,
) -> pd.Series | pd.DataFrame:
    """Predict the mean response, or with `use_correlation` the new response itself.

    See `Fit.predict`.
    """
    if interval is not None:
        check_probability(interval, "interval")
    if df is not None:
        check_choice(df, METHODS, "df")
    if df is not None and df != "residual" and interval is None:
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
        den = _degrees(fit, df or "residual", asked, variance)
        if df in KENWARD_ROGER:
            variance = variance + _adjustment(fit, df, asked)
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
    known = fit.estimate.sigma_held
    if df in ("inner-outer", "between-within") and not known:
        columns = between_within(fit.design) if df == "between-within" else fit.degrees.columns
        return fewest(columns, asked.new.X)
    computed = df not in ("residual", "inner-outer", "between-within")
    if not computed or small_sample(fit, "satterthwaite") is None:
        return np.full(len(variance), np.inf if known else fit.nobs - len(fit.fixef))

    def moved(estimate: Estimate) -> FloatArray:
        other = replace(fit, estimate=estimate)
        return asked.variance(other, asked.predicted(other))

    near = fit.satterthwaite.sensitivity
    return near.matched(variance, differentiated(fit.estimate, near, moved))


def _adjustment(fit: RowVerbs, df: DfMethod, asked: _Asked) -> FloatArray:
    """What Kenward and Roger's covariance adds to the variances (m,) of the fixed part."""
    if asked.depth or asked.use_correlation:
        raise FitError(
            f"df: {df!r} is for predictions of the fixed part; give level=0 and no "
            "use_correlation, or take 'satterthwaite'"
        )
    method = small_sample(fit, df)
    if method is None:
        return np.zeros(len(asked.new.X))
    more, x = method.vcov - fit.estimate.vcov, asked.new.X
    return np.asarray(np.einsum("mp,pq,mq->m", x, more, x))


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
    group = correlation_group_of(fit.estimate, np.column_stack(old_code), np.column_stack(new_code))
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
