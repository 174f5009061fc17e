"""Predictions at any level, for the rows of the fit or for new data, and their errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.newdata import (
    NewRows,
    level_codes,
    new_correlation,
    new_rows,
    new_variance,
)
from bayeslme.data.types import VarianceCoords
from bayeslme.data.variables.groups import group_columns, group_values
from bayeslme.engine import Estimate, places_of
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


def new_log_sd(fit: RowVerbs, new: NewRows, places: tuple[int, ...]) -> FloatArray:
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
    if bound is None:
        return np.zeros(len(new.X))
    known = np.all([part.stratum >= 0 for part in coords], axis=0)
    filled = bound.structure.join([_filled(fit, new, part, places) for part in coords])
    with np.errstate(divide="ignore"):  # a new row may be without error, as the truth of a study is
        values = bound.structure.log_sd(fit.estimate.varfunc, filled)
    return np.where(known, values, np.nan)


def _filled(
    fit: RowVerbs, new: NewRows, coords: VarianceCoords, places: tuple[int, ...]
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
    fit: RowVerbs, new: NewRows, places: tuple[int, ...], reach: tuple[int, ...] | None = None
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
    unknown = 0.0 if fit.spec.new_groups_are_zero else np.nan
    each = (
        (z, np.where(code[:, None] < 0, unknown, _modes(fit, k)[code]), np.arange(len(code)))
        for k, z, code in zip(places, new.Z, new.code, strict=True)
        if reach is None or k in reach
    )
    return means_by_depth(new.X @ fit.estimate.beta + new.offset, each)[-1]


def _modes(fit: RowVerbs, k: int) -> FloatArray:
    """Effects of a level's groups, those without rows whose relation is known among them."""
    return fit.design.levels[k].all_effects(fit.estimate.modes[k])


CROSSED = (
    "use_correlation: residuals are predicted in nested models only, and {}; leave the argument out"
)


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
    places = places_of(fit.design, level)
    if not (se or use_correlation or interval is not None):
        if newdata is None:
            return fitted(fit, level).rename("predict")
        plain = mean_values(fit, new_rows(fit.design, newdata, places), places)
        return pd.Series(plain, index=newdata.index, name="predict")
    if use_correlation and len(places) < len(fit.design.levels):
        msg = "use_correlation: residuals are those of the innermost level; leave level out"
        raise FitError(msg)
    frame = fit.design.frame if newdata is None else newdata
    new = new_rows(fit.design, frame, places)
    asked = _Asked(new, places, use_correlation, newdata is None)
    found = asked.predicted(fit)
    table = pd.DataFrame({"fit": found.mean + new.offset}, index=new.index)
    if se:
        table["se"] = np.sqrt(found.variance)
    if interval is not None:
        variance = asked.variance(fit, found)
        den = _degrees(fit, df or "residual", asked, variance)
        if df in KENWARD_ROGER:
            variance = variance + _adjustment(fit, df, asked)
        width = t_quantile(0.5 + interval / 2, den) * np.sqrt(variance)
        table["lower"], table["upper"] = table["fit"] - width, table["fit"] + width
    return table if se or interval is not None else table["fit"].rename("predict")


@dataclass(frozen=True, slots=True)
class _Asked:
    """New rows, observed ones or not, at a level, with their own residuals or without."""

    new: NewRows
    places: tuple[int, ...]
    use_correlation: bool
    observed: bool

    def predicted(self, fit: RowVerbs) -> Predicted:
        """Means at the level, or under `use_correlation` new responses."""
        targets = _targets(fit, self.new, self.places)
        if fit.design.crossed:
            if self.use_correlation:
                raise FitError(CROSSED.format(fit.design.crossed_how))
            from bayeslme.engine.crossed.blup import crossed_blup

            return crossed_blup(fit.estimate, targets)
        columns, residuals = whitened_columns(fit.estimate), None
        if self.use_correlation:
            log_sd = new_log_sd(fit, self.new, self.places)
            place = _residuals(fit, self.new, log_sd, observed=self.observed)
            residuals = krige(fit.estimate, place, columns)
        return blup(fit.estimate, targets, columns, residuals)

    def variance(self, fit: RowVerbs, found: Predicted) -> FloatArray:
        """Variance (m,) of new responses less their predictions."""
        if self.use_correlation:
            return found.variance
        log_sd = new_log_sd(fit, self.new, self.places)
        return found.variance + _own_variance(fit, self.new, log_sd, self.places)


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
    if asked.places or asked.use_correlation:
        raise FitError(
            f"df: {df!r} is for predictions of the fixed part; give level=0 and no "
            "use_correlation, or take 'satterthwaite'"
        )
    method = small_sample(fit, df)
    if method is None:
        return np.zeros(len(asked.new.X))
    more, x = method.vcov - fit.estimate.vcov, asked.new.X
    return np.asarray(np.einsum("mp,pq,mq->m", x, more, x))


def _targets(fit: RowVerbs, new: NewRows, places: tuple[int, ...]) -> Targets:
    """The mean at some levels; the others have no part in it."""
    m = len(new.X)
    levels = range(len(fit.design.levels))
    Z = [np.zeros((m, fit.design.levels[k].Z.shape[1])) for k in levels]
    code = [np.zeros(m, dtype=np.intp) for _ in levels]
    for k, own, group in zip(places, new.Z, new.code, strict=True):
        Z[k], code[k] = own, group
    for k in range(len(levels) - 2, -1, -1):  # where the groups of the levels asked for lie
        inner = fit.design.levels[k + 1]
        if k not in places and inner.branch == fit.design.levels[k].branch:
            code[k] = inner.parent[np.clip(code[k + 1], 0, len(inner.parent) - 1)]
    return Targets(new.X, tuple(Z), tuple(code), zero_unknown=fit.spec.new_groups_are_zero)


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


def _own_share(fit: RowVerbs, new: NewRows, k: int) -> FloatArray | float:
    """Diagonal (m,) of a known covariance among groups, NaN where the group is none of them."""
    level = fit.design.levels[k]
    if level.related is None:
        return 1.0
    new.columns.require(list(group_columns(level.column, new.columns)), "random groups")
    code = level_codes([level], [group_values(new.columns, level.column)])[0]
    return np.where(code < 0, np.nan, np.diagonal(level.related.matrix)[code])


def _own_variance(
    fit: RowVerbs, new: NewRows, log_sd: FloatArray, places: tuple[int, ...]
) -> FloatArray:
    """Variance (m,) of a new response about its mean at some levels."""
    total = np.square(fit.sigma * np.exp(log_sd))
    for k, matrix in enumerate(fit.design.random_matrices):
        if k not in places:
            Z = matrix.apply(new.columns)
            own = np.square(fit.sigma * Z @ fit.estimate.factors[k]).sum(axis=1)
            total = total + own * _own_share(fit, new, k)
    return np.asarray(total)
