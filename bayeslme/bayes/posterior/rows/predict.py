"""Predictions of the mean or of a new response, for known and for new groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes import settings
from bayeslme.bayes.density import problem_of_draws
from bayeslme.bayes.posterior.estimates import IntervalKind, limits
from bayeslme.bayes.posterior.rows import simulate
from bayeslme.bayes.posterior.rows.new_rows import (
    PredictionRows,
    depth_of_draws,
    own_rows,
    residuals_at,
    rows_of,
)
from bayeslme.bayes.posterior.rows.random_effects import effects_of
from bayeslme.bayes.posterior.rows.simulate import new_residuals
from bayeslme.bayes.posterior.tree import row_labels
from bayeslme.data.variables.columns import as_frame
from bayeslme.engine import depth_of
from bayeslme.engine.fitted import means_by_depth
from bayeslme.errors import DataError, FitError
from bayeslme.fit.arguments import check_choice, check_probability, check_seed

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws
    from bayeslme.data.types import VarianceCoords
    from bayeslme.fit.values.residuals import LevelName

Of = Literal["mean", "response"]
NewGroups = Literal["missing", "draw"]


def predict(
    posterior: Draws,
    newdata: pd.DataFrame | None = None,
    level: LevelName = None,
    interval: float | None = None,
    *,
    of: Of = "mean",
    use_correlation: bool = False,
    new_groups: NewGroups = "missing",
    kind: IntervalKind = "eti",
    draws: bool = False,
    seed: int | None = None,
) -> pd.Series | pd.DataFrame | xr.DataArray:
    """Predict the mean response, or a new response; see `Posterior.predict`."""
    check_choice(of, get_args(Of), "of")
    check_choice(new_groups, get_args(NewGroups), "new_groups")
    _check_interval(interval, draws)
    check_seed(seed)
    depth = depth_of_draws(posterior.parameters.design, level)
    if use_correlation:
        _check_correlated(posterior, depth)
    if newdata is None:
        rows, index = own_rows(posterior.parameters, depth), posterior.parameters.design.index
        labels: Any = row_labels(posterior.parameters)
    else:
        newdata = as_frame(newdata, "newdata")
        rows = rows_of(posterior, newdata, depth, located=use_correlation)
        index, labels = newdata.index, np.arange(len(newdata))
    asked = _Asked(
        posterior=posterior,
        rng=np.random.default_rng(seed),
        response=of == "response",
        use_correlation=use_correlation,
        draw_groups=new_groups == "draw",
        own=newdata is None,
    )
    if draws:
        _check_size(posterior, len(labels))
        return by_chain(posterior, asked.drawn(rows, jointly=True)[1], labels)
    mean, bounds = asked.summarised(rows, len(labels), interval, kind)
    if interval is None:
        return pd.Series(mean, index=index, name="predict")
    return pd.DataFrame({"predict": mean, "lower": bounds[0], "upper": bounds[1]}, index=index)


def _check_interval(interval: float | None, draws: bool) -> None:
    if interval is None:
        return
    check_probability(interval, "interval")
    if draws:
        raise FitError("draws: all draws have no interval; leave one of the two out")


def _check_correlated(posterior: Draws, depth: int) -> None:
    if posterior.parameters.design.crossed:
        raise FitError(
            "use_correlation: residuals are predicted in nested models only, and "
            f"{posterior.parameters.design.crossed_how}; leave the argument out"
        )
    if posterior.parameters.problem.correlation is None:
        raise FitError("use_correlation: this fit has no correlation structure to condition on")
    if depth < len(posterior.parameters.design.levels):
        raise FitError(
            "use_correlation: residuals are those of the innermost level; leave level out"
        )


def _check_size(posterior: Draws, rows: int) -> None:
    limits = settings.POSTERIOR
    count = len(posterior.values["fixef"])
    if 8.0 * count * rows > limits.max_bytes:
        raise FitError(
            f"draws: {count} draws of {rows} rows take {8e-9 * count * rows:.1f} GB; predict at "
            f"most {int(limits.max_bytes // (8 * count))} rows at a time, or ask for an interval"
        )


def _pieces(posterior: Draws, rows: int) -> Iterator[slice]:
    step = max(1, int(settings.POSTERIOR.rows_of_draws_per_batch // len(posterior.values["fixef"])))
    return (slice(first, first + step) for first in range(0, rows, step))


def by_chain(posterior: Draws, drawn: np.ndarray, rows: Any) -> xr.DataArray:
    """Draws (s, n) as a DataArray (chain, draw, row)."""
    sizes = posterior.data["posterior"].sizes
    shaped = drawn.reshape(sizes["chain"], sizes["draw"], -1)
    coords = {d: np.arange(sizes[d]) for d in ("chain", "draw")}
    return xr.DataArray(shaped, dims=("chain", "draw", "row"), coords={**coords, "row": rows})


def _limits(drawn: np.ndarray, level: float, kind: IntervalKind) -> np.ndarray:
    out = np.full((2, drawn.shape[1]), np.nan)
    known = np.isfinite(drawn).all(axis=0)
    out[:, known] = limits(drawn[:, known], level, kind)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is predicted; see ``predict``."""

    posterior: Draws
    rng: np.random.Generator
    response: bool
    use_correlation: bool
    draw_groups: bool
    own: bool

    def summarised(
        self, rows: PredictionRows, m: int, interval: float | None, kind: IntervalKind
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (m,) of the expected responses, and limits (2, m), NaN without an interval."""
        mean, bounds = np.empty(m), np.full((2, m), np.nan)
        for at in _pieces(self.posterior, m):
            expected, drawn = self.drawn(rows.take(at), jointly=False)
            mean[at] = expected.mean(axis=0)
            if interval is not None:
                bounds[:, at] = _limits(drawn, interval, kind)
        return mean, bounds

    def drawn(self, rows: PredictionRows, *, jointly: bool) -> tuple[np.ndarray, np.ndarray]:
        """Expected responses (s, m), and the draws that are asked for.

        Parameters
        ----------
        rows : PredictionRows
        jointly : bool
            Whether rows of one group are wanted together, or each for itself.
        """
        own = np.arange(len(rows.X))
        each = ((z, self._effects(rows, k), own) for k, z in enumerate(rows.Z))
        means = means_by_depth(self.posterior.values["fixef"] @ rows.X.T + rows.offset, each)
        if self.use_correlation and rows.place is not None:
            sd = self._sd(rows, means)
            expected, drawn = self._residuals(rows, observed=True)
            return means[-1] + sd * expected, means[-1] + sd * drawn
        if not self.response:
            return means[-1], means[-1]
        return means[-1], means[-1] + self._noise(rows, means, jointly=jointly)

    def _noise(self, rows: PredictionRows, means: list[np.ndarray], *, jointly: bool) -> np.ndarray:
        """New residuals (s, m)."""
        parameters, values = self.posterior.parameters, self.posterior.values
        if jointly and rows.place is not None and self.own:
            problem = parameters.problem
            if problem.needs_fitted_values:
                problem = problem_of_draws(parameters, values, self.posterior.effects)
            return np.asarray(
                new_residuals(parameters, values, self.rng, problem, (len(means[0]),))
            )
        sd = self._sd(rows, means)
        if jointly and rows.place is not None:
            return np.asarray(sd * self._residuals(rows, observed=False)[1])
        return np.asarray(sd * self.rng.standard_normal(sd.shape))

    def _residuals(self, rows: PredictionRows, *, observed: bool) -> tuple[np.ndarray, np.ndarray]:
        posterior, place = self.posterior, rows.place
        assert place is not None
        seen = (lambda at: _observed(posterior, at)) if observed else None
        parameters, values = posterior.parameters, posterior.values
        return residuals_at(parameters, values, place, self.rng, observed=seen, noise=self.response)

    def _effects(self, rows: PredictionRows, k: int) -> np.ndarray:
        """Random effects of a level at the rows, (s, m, q)."""
        level, code, own = self.posterior.parameters.levels[k], rows.code[k], rows.own[k]
        out = effects_of(self.posterior, level.key, code, self.rng)
        unknown = code < 0
        out[:, unknown] = 0.0 if self.posterior.fit.spec.new_groups_are_zero else np.nan
        unseen = unknown & (own >= 0)
        if self.draw_groups and unseen.any() and level.level.related is not None:
            raise DataError(
                f"newdata: {int(unseen.sum())} row(s) have a '{level.level.group}' that the known "
                "matrix does not have; add it to the matrix and fit again, or ask for level=0"
            )
        if self.draw_groups and unseen.any():
            groups, place = np.unique(own[unseen], return_inverse=True)
            spherical = self.rng.standard_normal((len(out), len(groups), level.q))
            factor = level.factor(self.posterior.values)
            root = np.broadcast_to(factor, (len(out), level.q, level.q))
            out[:, unseen] = (spherical @ np.swapaxes(root, -1, -2))[:, place]
        return np.asarray(out)

    def _sd(self, rows: PredictionRows, means: list[np.ndarray]) -> np.ndarray:
        """Residual standard deviations (s, m) at the rows; NaN in unknown strata."""
        parameters, values = self.posterior.parameters, self.posterior.values
        sigma = parameters.sigmas(values)[:, None]
        variance, coords = parameters.problem.variance, rows.variance
        if variance is None:
            return np.broadcast_to(sigma, means[0].shape)
        known = np.all([part.stratum >= 0 for part in coords], axis=0)
        filled = variance.structure.join([self._filled(part, means) for part in coords])
        _, par = parameters.row_parameters(values)
        sd = np.where(known, sigma * np.exp(variance.structure.log_sd(par, filled)), np.nan)
        return np.asarray(sd)

    def _filled(self, part: VarianceCoords, means: list[np.ndarray]) -> VarianceCoords:
        """Coordinates with fitted values put in, unknown strata replaced by any."""
        stratum = np.maximum(part.stratum, 0)
        if part.source == "data":
            return replace(part, stratum=stratum)
        reach = min(len(means) - 1, depth_of(self.posterior.parameters.design, part.level))
        return replace(part, stratum=stratum, covariate=means[reach])


def _observed(posterior: Draws, at: slice) -> np.ndarray:
    """Observed residuals over their standard deviations at some draws, (s, n), sorted."""
    parameters = posterior.parameters
    values = {name: v[at] for name, v in posterior.values.items()}
    effects = {key: b[at] for key, b in posterior.effects.items()}
    residual = parameters.design.y - simulate.fitted(
        parameters, values, effects, len(parameters.levels)
    )
    problem = problem_of_draws(parameters, values, effects)
    return simulate.scaled(parameters, values, problem, residual, "pearson")[:, problem.order]
