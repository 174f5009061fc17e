"""Where searches and samplers start, on the natural scale."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bayeslme import engine
from bayeslme.bayes.centring import centred_of, natural_of
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.priors import ParameterPrior, Priors
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.likelihood import NaturalPoint

if TYPE_CHECKING:
    from bayeslme.data.types import Design

FloatArray = npt.NDArray[np.float64]


def starting_values(
    parameters: ModelParameters, at_means: Collection[str] = ()
) -> dict[str, FloatArray]:
    """Natural starting values: least squares, its residual variance shared over the levels.

    Parameters
    ----------
    parameters : ModelParameters
    at_means : collection of str
        Standard deviations wanted with the predictors at their means.

    Returns
    -------
    dict of variable name to array (k,), (k, k) for a matrix
    """
    problem = parameters.problem
    rest = float(np.sqrt(np.sum(problem.columns[-1] ** 2) / max(problem.n - problem.p, 1)))
    share = (rest if rest > 0 else 1.0) / np.sqrt(1.0 + len(parameters.levels))
    values: dict[str, FloatArray] = {
        "fixef": np.asarray(problem.shift, dtype=float),
        "sigma": np.array([share]),
    }
    for level in parameters.levels:
        z = level.level.Z
        if level.centred_effects is not None and level.sd.name in at_means:
            z = z @ np.linalg.inv(level.centred_effects.basis)
        root = np.sqrt(np.mean(z**2, axis=0))
        for_sd = []
        for covariance in level.covariance_blocks:
            own = root[covariance.rows]
            count = covariance.sds.stop - covariance.sds.start
            sizes = own if count == len(own) else [float(np.sqrt(np.mean(own**2)))]
            for_sd += [share / (v or 1.0) / np.sqrt(len(own)) for v in sizes]
            if covariance.correlation is not None:
                values[covariance.correlation.name] = (
                    np.eye(covariance.q) if covariance.correlation.matrix else np.array([0.0])
                )
        values[level.sd.name] = np.array(for_sd)
    for block, row_structure in parameters.row_blocks:
        values[block.name] = row_structure.printed_start[row_structure.free]
    return {b.name: values[b.name] for b in parameters.blocks}


def starting_points(
    parameters: ModelParameters, first: Estimate, design: Design, priors: Priors
) -> list[NaturalPoint]:
    """Where searches can start: the REML or ML estimate, and it with row parameters at their start.

    The estimate may have run off along a flat likelihood, to where a prior has next to nothing.
    Both are off the bounds and inside the intervals that the priors leave.

    Parameters
    ----------
    parameters : ModelParameters
    first : Estimate
    design : Design
    priors : Priors
    """
    point = engine.natural_point(design, first)
    points = [point, _brought_back(parameters, point)] if parameters.row_blocks else [point]
    return [_within(parameters, off_the_bounds(parameters, p), priors) for p in points]


def middle_points(
    parameters: ModelParameters, points: Sequence[NaturalPoint], priors: Priors
) -> list[NaturalPoint]:
    """Points moved into the middle of the priors that the user names; none where all are there.

    Parameters
    ----------
    parameters : ModelParameters
    points : sequence of NaturalPoint
    priors : Priors
    """
    narrowed = Priors(priors.preset, tuple(_narrowed(p) for p in priors.parameters))
    moved = [_within(parameters, point, narrowed) for point in points]
    return [new for new, old in zip(moved, points, strict=True) if not _equal(new, old)]


def _narrowed(prior: ParameterPrior) -> ParameterPrior:
    """The prior with the interval of its middle for its bounds."""
    if prior.block.matrix or not prior.named:
        return prior
    middle = [prior.middle(j) for j in range(len(prior.priors))]
    block = replace(
        prior.block, lower=tuple(a for a, _ in middle), upper=tuple(b for _, b in middle)
    )
    return replace(prior, block=block)


def _equal(one: NaturalPoint, other: NaturalPoint) -> bool:
    pairs = zip(
        (*one.random, one.corstruct, one.varfunc, one.sigma),
        (*other.random, other.corstruct, other.varfunc, other.sigma),
        strict=True,
    )
    return all(a is b or np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


def off_the_bounds(parameters: ModelParameters, point: NaturalPoint) -> NaturalPoint:
    """Standard deviations and correlations moved off zero and one."""
    random = []
    residual = residual_scale(parameters, point)
    for level, par, stage in zip(
        parameters.levels, point.random, parameters.problem.stages[::-1], strict=True
    ):
        names = level.level.structure.natural_parameters(level.level.effects, "")
        floor = 0.1 * residual / max(float(np.abs(stage.basis).max()), 1e-300)
        moved = [
            max(v, floor) if p.support.lower == 0.0 else np.clip(v, 0.9 * p.support.lower, 0.9)
            for p, v in zip(names, centred_of(level.centred_effects, par, level.q), strict=True)
        ]
        random.append(natural_of(level.centred_effects, np.array(moved, dtype=float), level.q))
    return replace(point, random=tuple(random))


def residual_scale(parameters: ModelParameters, point: NaturalPoint) -> float:
    """Residual standard deviation of a typical row."""
    variance = parameters.problem.variance
    if variance is None or point.varfunc is None:
        return float(point.sigma)
    log_sd = variance.structure.log_sd(point.varfunc, variance.coords)
    return float(point.sigma * np.exp(np.mean(log_sd)))


def _brought_back(parameters: ModelParameters, point: NaturalPoint) -> NaturalPoint:
    """Row parameters at their start, the residual standard deviation of a typical row kept."""
    rows = [
        None if b is None else np.array([p.start for p in b.parameters])
        for b in (parameters.problem.correlation, parameters.problem.variance)
    ]
    moved = replace(point, corstruct=rows[0], varfunc=rows[1])
    if parameters.sigma is None:
        return moved
    change = residual_scale(parameters, point) / residual_scale(parameters, moved)
    return replace(moved, sigma=np.asarray(point.sigma * change))


def _within(parameters: ModelParameters, point: NaturalPoint, priors: Priors) -> NaturalPoint:
    """Move parameters that lie outside the interval of their prior into it."""
    random = []
    for level, par in zip(parameters.levels, point.random, strict=True):
        own, at = np.array(par, dtype=float), 0
        prior = priors[level.sd.name]
        for covariance in level.covariance_blocks:
            for j in range(covariance.sds.start, covariance.sds.stop):
                place = at + j - covariance.sds.start
                own[place] = _nearest(own[place], *prior.bounds(j))
            at += covariance.structure.size(covariance.q)
        random.append(own)
    rows = {"corstruct": point.corstruct, "varfunc": point.varfunc}
    for block, row_structure in parameters.row_blocks:
        own = np.array(row_structure.printed(rows[block.name]), dtype=float)
        moved = own.copy()
        for j, place in enumerate(row_structure.free):
            low, high = priors[block.name].bounds(j)
            moved[place] = _nearest(own[place], low, high)
            if priors[block.name].mirrored:  # of which the size alone counts
                moved[place] = own[place] if low < -own[place] < high else abs(moved[place])
        if not np.array_equal(moved, own):
            rows[block.name] = np.asarray(row_structure.inside(moved))
    sigma = point.sigma
    if parameters.sigma is not None:
        sigma = np.asarray(_nearest(float(point.sigma), *priors[parameters.sigma.name].bounds(0)))
    return NaturalPoint(sigma, tuple(random), **rows)


def _nearest(value: float, low: float, high: float) -> float:
    """The value, or a tenth of the interval inside the end that it is beyond."""
    if low < value < high:
        return value
    width = high - low if np.isfinite(high - low) else max(abs(value), 1.0)
    return low + 0.1 * width if value <= low else high - 0.1 * width
