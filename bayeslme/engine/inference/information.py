"""Approximate covariance of the variance parameters, and the scales of intervals.

The scales are nlme's: log standard deviations, logits of correlations, the unconstrained scale of
the row structures, log sigma, all of absolute (not relative) parameters, with beta profiled (ML) or
integrated (REML). A standard deviation estimated as zero has no such scale: it is left out, and
gets a one-sided bound from the curvature in the standard deviation itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.inference import settings
from bayeslme.engine.inference.parameter_blocks import ParameterBlock, interval_vector
from bayeslme.engine.likelihood.likelihood import Likelihood, NaturalPoint
from bayeslme.engine.search.optimise import Objective, extrapolated, second_differences
from bayeslme.structures import Parameter

if TYPE_CHECKING:
    from bayeslme.data.types import Design, Level
    from bayeslme.engine.estimate import Density, Estimate


@dataclass(frozen=True)
class Scales:
    """The maps between interval-scale vectors and natural points of one estimate.

    Attributes
    ----------
    likelihood : Likelihood
    point : NaturalPoint
        Of the estimate.
    random : tuple of tuples of Parameter
        Natural parameters of every level's covariance, outermost first.
    density : callable
        Log density of natural points, (b) -> (b,).
    """

    likelihood: Likelihood
    point: NaturalPoint
    random: tuple[tuple[Parameter, ...], ...]
    density: Density

    def natural_of(self, parts: tuple[ParameterBlock, ...], part: str, u: np.ndarray) -> np.ndarray:
        """Natural parameters of a part, as printed, at the interval-scale vector u (m,)."""
        problem, point = self.likelihood.problem, self.point_at(parts, u[None])
        if part == "sigma":
            return np.atleast_1d(point.sigma[0])
        if part in ("corstruct", "varfunc"):
            bound = problem.row_structure(part)
            printed: np.ndarray = np.asarray(bound.printed(getattr(point, part)[0]))
            return np.asarray(printed[bound.free])
        return np.asarray(point.random[problem.groups.index(part)][0])

    def point_at(self, parts: tuple[ParameterBlock, ...], u: np.ndarray) -> NaturalPoint:
        """Natural point (b) of interval-scale vectors (b, m)."""
        groups = self.likelihood.problem.groups
        random = [np.broadcast_to(r, (len(u), len(r))).copy() for r in self.point.random]
        point = replace(self.point, sigma=np.full(len(u), float(self.point.sigma)))
        for part in parts:
            free = np.flatnonzero(~part.on_bound)
            values = u[:, part.place[free]]
            if part.name == "sigma":
                point = replace(point, sigma=np.exp(values[:, 0]))
            elif part.name in groups:
                k = groups.index(part.name)
                for column, j in enumerate(free):
                    random[k][:, j] = self.random[k][j].support.constrain(values[:, column])
            elif part.name == "corstruct":
                point = replace(point, corstruct=self._row_values(part, free, values))
            else:
                point = replace(point, varfunc=self._row_values(part, free, values))
        return replace(point, random=tuple(random))

    def _row_values(self, part: ParameterBlock, free: np.ndarray, values: np.ndarray) -> np.ndarray:
        bound = self.likelihood.problem.row_structure(part.name)
        chosen = tuple(bound.parameters[j] for j in bound.free)
        scale = np.broadcast_to(
            bound.structure.to_interval_scale(part.estimate, chosen), (len(values), len(chosen))
        ).copy()
        scale[:, free] = values
        natural = bound.structure.from_interval_scale(scale, chosen)
        full = np.broadcast_to(
            np.asarray(getattr(self.point, part.name)), (len(values), len(bound.parameters))
        ).copy()
        full[:, bound.free] = natural
        return full

    def one_sided(self, part: ParameterBlock, j: int, quantile: float) -> tuple[float, float]:
        """Interval of a parameter on its bound."""
        groups = self.likelihood.problem.groups
        if part.name not in groups:
            return self._whole_range(part, j)
        k = groups.index(part.name)
        if self.random[k][j].support.lower != 0.0:
            return self._correlation_limits(k, j, quantile)
        trial = [np.stack([r, r]) for r in self.point.random]
        stage = self.likelihood.problem.stages[::-1][k]
        size = stage.basis[min(j, stage.q - 1)].max()  # of the effect's column of Z
        step = (
            settings.INFERENCE.probe_sd
            * float(self.point.sigma)
            / max(float(size), settings.INFERENCE.tiny)
        )
        trial[k][1, j] += step
        sigma = np.full(2, float(self.point.sigma))
        values = self.density(replace(self.point, sigma=sigma, random=tuple(trial)))
        if not np.isfinite(values[0]):  # without a likelihood at the estimate no limit exists
            return float("nan"), float("nan")
        drop = (values[0] - values[1]) / step**2
        return (0.0, float(quantile / np.sqrt(2 * drop))) if drop > 0 else (0.0, float("inf"))

    def _whole_range(self, part: ParameterBlock, j: int) -> tuple[float, float]:
        """The range of a row parameter, as its curvature at the end of the range is unknown."""
        bound = self.likelihood.problem.row_structure(part.name)
        support = bound.parameters[int(bound.free[j])].printed_support
        return support.lower, support.upper

    def _correlation_limits(self, k: int, j: int, quantile: float) -> tuple[float, float]:
        """Correlations, others held, until the likelihood has dropped by quantile^2 / 2."""
        support, here = self.random[k][j].support, float(self.point.random[k][j])
        near_lower = here - support.lower < support.upper - here
        end = support.upper if near_lower else support.lower
        steps = here + np.linspace(0.0, 1.0, settings.INFERENCE.correlation_grid) * (end - here)
        random = [
            np.broadcast_to(r, (settings.INFERENCE.correlation_grid, len(r))).copy()
            for r in self.point.random
        ]
        random[k][:, j] = steps
        sigma = np.full(settings.INFERENCE.correlation_grid, float(self.point.sigma))
        values = self.density(replace(self.point, sigma=sigma, random=tuple(random)))
        if not np.isfinite(values[0]):  # without a likelihood at the estimate no limit exists
            return float("nan"), float("nan")
        beyond = np.flatnonzero(~(values[0] - values < quantile**2 / 2))
        limit = float(steps[beyond[0]]) if len(beyond) else end
        return min(here, limit), max(here, limit)


@dataclass(frozen=True, slots=True)
class Information:
    """Approximate covariance on the interval scale.

    Attributes
    ----------
    parts : tuple of ParameterBlock
        Levels outermost first, then corstruct, varfunc, sigma (absent where they have no free
        parameter).
    values : array, shape (m,)
        Interval-scale estimates of the parameters that are not on a bound.
    cov : array, shape (m, m)
        NaN in rows and columns of parameters along which the log-likelihood, alone or together
        with others, is not curved downwards; the others as if those were held.
    scales : Scales
        The maps between them and the natural parameters.
    """

    parts: tuple[ParameterBlock, ...]
    values: np.ndarray
    cov: np.ndarray
    scales: Scales

    @property
    def flat(self) -> tuple[str, ...]:
        """Parameters off their bounds with a flat likelihood, ``"sd(age) in Subject"``."""
        flat = np.isnan(np.diagonal(self.cov))
        return tuple(
            name if name == part.name else f"{name} in {part.name}"
            for part in self.parts
            for name, place in zip(part.names, part.place, strict=True)
            if place >= 0 and flat[place]
        )

    def limits(self, part: str, quantile: float) -> np.ndarray:
        """Lower and upper limits (k, 2) of a part; NaN where none can be given.

        A standard deviation on its bound has lower limit 0 and an upper limit where the
        log-likelihood has dropped by quantile^2 / 2.
        """
        one = next(p for p in self.parts if p.name == part)
        out = np.full((len(one.names), 2), np.nan)
        free = ~one.on_bound
        known = free.copy()
        known[free] = np.isfinite(np.diagonal(self.cov)[one.place[free]])
        if known.any():
            at = one.place[known]
            se = np.sqrt(np.diagonal(self.cov)[at])
            for side, sign in enumerate((-1.0, 1.0)):
                moved = self.values.copy()
                moved[at] += sign * quantile * se
                out[known, side] = self.scales.natural_of(self.parts, part, moved)[known]
        for j in np.flatnonzero(one.on_bound):
            out[j] = self.scales.one_sided(one, int(j), quantile)
        return out


def natural_point(design: Design, found: Estimate) -> NaturalPoint:
    """Natural parameters of an estimate, without a batch axis."""
    random = tuple(
        level.structure.to_natural(found.sigma**2 * lam @ lam.T)
        for level, lam in zip(design.levels, found.factors, strict=True)
    )
    return NaturalPoint(np.asarray(found.sigma), random, found.corstruct, found.varfunc)


@np.errstate(under="ignore")  # a correlation that underflows is 0
def information(design: Design, found: Estimate) -> Information:
    """Second differences of the log-likelihood on the interval scale, inverted.

    Parameters
    ----------
    design : Design
    found : Estimate
    """
    likelihood = found.likelihood()
    likelihood.sigma = None  # sigma is a parameter of its own here
    point = natural_point(design, found)
    random = tuple(
        level.structure.natural_parameters(level.effects, _formula_label(level))
        for level in design.levels
    )
    density = likelihood.at_natural if found.density is None else found.density
    scales = Scales(likelihood, point, random, density)
    layout = interval_vector(found, point, random)
    parts, values, sizes = tuple(layout.parts), np.array(layout.values), np.array(layout.sizes)
    m = len(values)
    if m == 0:
        return Information(parts, values, np.zeros((0, 0)), scales)
    visible = (
        settings.INFERENCE.summed_roundings
        * settings.INFERENCE.loglik_rounding
        * max(1.0, abs(found.loglik))
        / settings.INFERENCE.hessian_step**2
    )
    sizes = sizes * _long_steps(
        lambda steps: density(scales.point_at(parts, values + steps * sizes)), m, visible
    )
    give, same = _compensation(scales, parts, values, sizes), np.eye(m)

    def moved(steps: np.ndarray) -> np.ndarray:
        return density(scales.point_at(parts, values + steps @ (same + give) * sizes))

    hessian = extrapolated(
        *(
            second_differences(moved, m, step)
            for step in (settings.INFERENCE.hessian_step, 2 * settings.INFERENCE.hessian_step)
        )
    )
    hessian = (same - give) @ hessian @ (same - give).T
    cov = _inverse_where_curved(-hessian, visible) * np.outer(sizes, sizes)
    return Information(parts, values, cov, scales)


def _long_steps(f: Objective, m: int, visible: float) -> np.ndarray:
    """How many sizes long (m,) a step along each parameter is.

    The change of the log-likelihood over a step has to be larger than its rounding error. So a
    parameter whose standard error is larger than its size, such as Phi of corCAR1 where the unit of
    time is long, is moved by a fraction of its standard error. Where steps of three sizes show
    another curvature than steps of one, the curvature is rounding or the log-likelihood is not a
    parabola, and the step is one size long.
    """
    near, far = (
        _own_curvature(f, m, settings.INFERENCE.hessian_step * length) for length in (1.0, 3.0)
    )
    with np.errstate(invalid="ignore"):
        known = (near > visible) & (near < 2 * far) & (far < 2 * near)
    return np.asarray(
        np.clip(1 / np.sqrt(np.where(known, near, 1.0)), 1.0, settings.INFERENCE.max_step_sizes)
    )


def _own_curvature(f: Objective, m: int, step: float) -> np.ndarray:
    """Minus the second difference (m,) along every parameter alone; NaN where f has no values."""
    moves = step * np.eye(m)
    values = f(np.concatenate([np.zeros((1, m)), moves, -moves]))
    here, up, down = np.split(np.where(np.isfinite(values), values, np.nan), [1, m + 1])
    return np.asarray((2 * here - up - down) / step**2)


def _compensation(
    scales: Scales, parts: tuple[ParameterBlock, ...], values: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """How far log sigma moves with each entry, shape (m, m), by row, beside the move itself.

    Where a parameter of the variance function moves, sigma moves too, so that a typical row keeps
    its standard deviation. The two may be nearly exchangeable; without this the curvature along
    their difference would be lost in the rounding of either one's own.
    """
    give = np.zeros((len(sizes), len(sizes)))
    place = {part.name: part.place[~part.on_bound] for part in parts}
    if not {"varfunc", "sigma"} <= place.keys() or not len(place["varfunc"]):
        return give
    steps = settings.INFERENCE.hessian_step * np.diag(sizes)[place["varfunc"]]
    point = scales.point_at(parts, values + np.concatenate([steps, -steps]))
    centre = scales.likelihood.grams.at(point.corstruct, point.varfunc).centre
    slope = np.subtract(*np.split(centre, 2)) / (2 * settings.INFERENCE.hessian_step)
    give[place["varfunc"], place["sigma"]] = np.where(np.isfinite(slope), -slope, 0.0)
    return give


def _inverse_where_curved(a: np.ndarray, least: float) -> np.ndarray:
    """Inverse within the directions of curvature above ``least``.

    NaN for parameters with a part in other directions.
    """
    out = np.full_like(a, np.nan)
    own = np.flatnonzero(np.diagonal(a) > least)  # a parameter flat by itself is held
    if not np.all(np.isfinite(a)) or not len(own):
        return out
    curvature, direction = np.linalg.eigh(a[np.ix_(own, own)])
    flat = curvature <= least
    known = ~np.any(np.abs(direction[:, flat]) > settings.INFERENCE.max_flat_share, axis=1)
    curved = direction[known][:, ~flat]
    out[np.ix_(own[known], own[known])] = curved / curvature[~flat] @ curved.T
    return out


def _formula_label(level: Level) -> str:
    """Right-hand side of a level's formula as nlme prints it in the name of a shared parameter."""
    own = level.structure.form
    return str(level.formula if own is None else own).replace("~", "", 1).strip()
