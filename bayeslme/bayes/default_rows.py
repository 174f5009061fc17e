"""Default priors of correlation structures and variance functions, in the data's own units.

range         LogNormal between the distances of a row to the nearest one of its group (their
              median) and to the farthest one: they are two standard deviations from the middle
              or nearer, and the standard deviation is 1 at the least
Phi           of corCAR1: Beta(d, 1), d the median step in time, so that the correlation one
              step apart, Phi^d, is uniform; so of corAR1 where all lags are multiples of d, on
              both sides of 0 where d is odd, and positive where it is even
const         of varConstPower: LogNormal(log start, 1), of its ratio to the power of a typical
              row, exp(power mean(log |v|))
prop          of varConstProp: LogNormal(log start, 1), the start that of the covariate divided
              by its root mean square unless the user gives one; its sign says nothing
powers, rates Normal(start, scale): the scale is 1 over the size of what they multiply
positive      LogNormal(log start, 1): ratios, constants
an interval   Uniform
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.bayes.prior_language import Prior
from bayeslme.bayes.priors import FloatArray, Typical
from bayeslme.structures import (
    CorCAR1,
    VarComb,
    VarConstPower,
    VarConstProp,
    VarExp,
    VarFixed,
    VarPower,
)
from bayeslme.structures.lattice import Lattice, distances
from bayeslme.structures.shown import Root

if TYPE_CHECKING:
    from bayeslme.structures import Bound, Parameter

SPAN = 4.0  # standard deviations of log range between the nearest and the farthest distance


def row_priors(bound: Bound) -> tuple[Prior, ...]:
    """Priors of the free parameters of a row structure.

    Parameters
    ----------
    bound : Bound
    """
    if getattr(bound.structure, "spatial", False):
        own = dict(zip(bound.names, map(_usual, bound.parameters), strict=True))
        own["range"] = _range(bound.coords, bound.structure.metric)
        every = list(own.values())
    elif isinstance(bound.structure, CorCAR1):
        every = [Prior("Beta", (("alpha", _step(bound.coords)), ("beta", 1.0)))]
    else:
        every = [prior for part in _functions(bound) for prior in _of_function(*part)]
    return tuple(every[j] for j in bound.free)


def typical_row(bound: Bound | None) -> Typical:
    """How the variance function moves the residual standard deviation of a typical row.

    Only fixed weights, powers and rates do; beside a constant that of the power alone counts.

    Parameters
    ----------
    bound : Bound or None
    """
    if bound is None:
        return Typical(np.zeros(0))
    weights, constant = [], 0.0
    for function, coords, parameters in _functions(bound):
        if isinstance(function, VarConstPower):
            logs, inside = _log_sizes(coords)
            weights += [0.0] * len(inside) + list((inside * logs).mean(axis=1))
            continue
        if isinstance(function, VarFixed):
            constant += float(np.mean(function.log_sd(np.zeros(0), coords)))
        linear = isinstance(function, VarPower | VarExp)
        rows = [function.log_sd(e, coords) if linear else 0.0 for e in np.eye(len(parameters))]
        weights += [float(np.mean(row)) for row in rows]
    full = np.array(weights)
    held = np.array([p.start if p.held else 0.0 for p in bound.parameters])
    return Typical(full[bound.free], constant + float(held @ full))


def relative_constants(bound: Bound | None) -> FloatArray | None:
    """What free constants are measured by: powers of a typical row of their stratum.

    Parameters
    ----------
    bound : Bound or None

    Returns
    -------
    (k, k) array or None
        A constant's row times the parameters is the logarithm of its unit; other rows are zero.
    """
    if bound is None:
        return None
    size, at = len(bound.parameters), 0
    full = np.zeros((size, size))
    for function, coords, parameters in _functions(bound):
        if isinstance(function, VarConstPower):
            s = np.arange(len(coords.strata))
            full[at + s, at + len(s) + s] = _mean_logs(coords)
        at += len(parameters)
    own = full[np.ix_(bound.free, bound.free)]
    return own if own.any() else None


def _functions(bound: Bound) -> Iterator[tuple[Any, Any, tuple[Parameter, ...]]]:
    """Each factor of a variance function, its coordinates and parameters."""
    several = isinstance(bound.structure, VarComb)
    functions = bound.structure.functions if several else (bound.structure,)
    places = bound.coords if several else (bound.coords,)
    for function, coords in zip(functions, places, strict=True):
        yield function, coords, function.parameters(coords)


def _of_function(function: Any, coords: Any, own: tuple[Parameter, ...]) -> list[Prior]:
    usual = [_usual(p) for p in own]
    half = len(own) // 2
    if isinstance(function, VarConstPower):
        logs = _mean_logs(coords)
        for j, (const, power) in enumerate(zip(own[:half], own[half:], strict=True)):
            moved = 0.0 if power.held else power.start * logs[j]
            usual[j] = _log_normal(np.log(const.start) - moved)
    if isinstance(function, VarConstProp):
        size = float(np.sqrt(np.mean(np.square(coords.covariate)))) or 1.0
        for j, prop in enumerate(own[half:], half):
            own_units = 1.0 if function.prop is not None and prop.start != 0.0 else size
            usual[j] = _log_normal(np.log(abs(prop.start) or 1.0) - np.log(own_units))
    return usual


def _usual(p: Parameter) -> Prior:
    low, high = float(p.support.lower), float(p.support.upper)
    if isinstance(p.shown, Root):  # the correlation over so many units is uniform
        if low < 0:
            return Prior("StepCorrelation", (("steps", p.shown.power),))
        return Prior("Beta", (("alpha", p.shown.power), ("beta", 1.0)))
    if np.isfinite(high):
        return Prior("Uniform", (("lower", low), ("upper", high)))
    if np.isfinite(low):
        return _log_normal(np.log(p.start))
    return Prior("Normal", (("mu", float(p.start)), ("sigma", float(p.scale))))


def _range(lattice: Lattice, metric: str) -> Prior:
    near, far = _nearest_and_farthest(lattice, metric)
    return _log_normal(0.5 * np.log(near * far), max(1.0, np.log(far / near) / SPAN))


def _log_normal(mu: float, sigma: float = 1.0) -> Prior:
    return Prior("LogNormal", (("mu", float(mu)), ("sigma", float(sigma))))


def _step(lattice: Lattice) -> float:
    """Median step in time within groups; 1 where no group has two rows."""
    inner = lattice.step[~lattice.first] * lattice.unit
    return float(np.median(inner)) if len(inner) else 1.0


def _nearest_and_farthest(lattice: Lattice, metric: str) -> tuple[float, float]:
    """Median distance of a row to the nearest one of its group, and the largest of all distances.

    1 and 1 where no group has two rows.
    """
    if lattice.position.shape[1] == 1:
        before = np.where(lattice.first, np.inf, lattice.step * lattice.unit)
        after = np.append(before[1:], np.inf)
        nearest, far = np.minimum(before, after), 0.0
        ends = lattice.starts + lattice.sizes - 1
        far = float((lattice.position[ends, 0] - lattice.position[lattice.starts, 0]).max())
    else:
        every, far = [], 0.0
        for block in lattice.blocks(relative=True):
            d = distances(block.patterns, metric) * lattice.unit
            pair = block.present[:, :, None] & block.present[:, None, :]
            far = max(far, float(np.max(d, where=pair, initial=0.0)))
            pair &= ~np.eye(d.shape[-1], dtype=bool)
            least = np.min(d, axis=-1, where=pair, initial=np.inf)
            every.append(least[block.pattern][block.present[block.pattern]])
        nearest = np.concatenate(every)
    nearest = nearest[np.isfinite(nearest)]
    return (float(np.median(nearest)), far) if len(nearest) else (1.0, 1.0)


def _log_sizes(coords: Any) -> tuple[FloatArray, np.ndarray]:
    """Log |v| of every row (n,), 0 where v is 0; which rows (s, n) of a stratum have one."""
    v = np.abs(coords.covariate)
    strata = np.arange(len(coords.strata))[:, None]
    return np.log(np.where(v > 0, v, 1.0)), (coords.stratum == strata) & (v > 0)


def _mean_logs(coords: Any) -> FloatArray:
    """Mean (s,) of log |v| over the rows of a stratum."""
    logs, inside = _log_sizes(coords)
    return np.asarray((inside * logs).sum(axis=1) / np.maximum(inside.sum(axis=1), 1))
