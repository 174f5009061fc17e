"""Unconstrained draws back to named natural values, in NumPy and for all draws at once.

PyMC can do the same one draw at a time through a compiled function; compiling it would take longer
than the sampling.

This module imports PyMC; it is itself imported only while a model is sampled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
from pymc.distributions import transforms as tr
from pymc.logprob.transforms import IntervalTransform, LogTransform

from bayeslme.bayes.transforms import CorrelationMatrix, Preconditioned, StructureSupport
from bayeslme.bayes.variables import PerCoefficient


def natural_values(model: pm.Model, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Split and constrain draws.

    Parameters
    ----------
    model : pymc.Model
    draws : array, shape (..., k)
        Points of the raveled unconstrained space, variables in the model's order.

    Returns
    -------
    dict of variable name to array (..., *shape)
    """
    out, at = {}, 0
    point = model.initial_point()
    for rv in model.free_RVs:
        value = model.rvs_to_values[rv]
        shape = np.shape(point[value.name])
        size = int(np.prod(shape))
        piece = draws[..., at : at + size].reshape((*draws.shape[:-1], *shape))
        out[rv.name] = constrain(model.rvs_to_transforms[rv], piece)
        at += size
    return out


def constrain(transform: Any, u: np.ndarray) -> np.ndarray:
    """Apply a transform's ``backward`` to a batch of values.

    Parameters
    ----------
    transform : Transform or None
    u : array, shape (..., *shape of one value)
    """
    for kind, backward in _BACKWARD:
        if isinstance(transform, kind):
            return np.asarray(backward(transform, u))
    msg = f"no NumPy form of the transform {type(transform).__name__}"
    raise TypeError(msg)


def _structure(transform: StructureSupport, u: np.ndarray) -> np.ndarray:
    bound = transform.bound
    return np.asarray(bound.printed(bound.natural(u))[..., bound.free])


def _per_coefficient(transform: PerCoefficient, u: np.ndarray) -> np.ndarray:
    return np.stack([constrain(p, u[..., j]) for j, p in enumerate(transform.parts)], axis=-1)


def _interval(transform: tr.Interval, u: np.ndarray) -> np.ndarray:
    low, high = (
        None if b is None else float(np.asarray(b.eval() if hasattr(b, "eval") else b))
        for b in transform.args_fn()
    )
    if low is not None and high is not None:
        return (high + low) / 2 + (high - low) / 2 * np.tanh(u / 2)
    if low is not None:
        return low + np.exp(u)
    return (0.0 if high is None else high) - np.exp(u)


def _correlations(transform: CorrelationMatrix, partials: np.ndarray) -> np.ndarray:
    q = transform.q
    factor = np.zeros((*partials.shape[:-1], q, q))
    factor[..., 0, 0] = 1.0
    rest = np.ones((*partials.shape[:-1], q))
    for at, (i, j) in enumerate(transform.pairs):
        factor[..., i, j] = partials[..., at] * np.sqrt(rest[..., i])
        rest[..., i] *= 1.0 - partials[..., at] ** 2
    for i in range(1, q):
        factor[..., i, i] = np.sqrt(rest[..., i])
    out = factor @ np.swapaxes(factor, -1, -2)
    out[..., np.arange(q), np.arange(q)] = 1.0
    return np.asarray(out)


_BACKWARD: tuple[tuple[type, Callable[[Any, np.ndarray], np.ndarray]], ...] = (
    (type(None), lambda _, u: u),
    (Preconditioned, lambda t, u: t.centre + u @ t.scale.T),
    (CorrelationMatrix, lambda t, u: _correlations(t, np.tanh(u))),
    (StructureSupport, _structure),
    (PerCoefficient, _per_coefficient),
    (LogTransform, lambda _, u: np.exp(u)),
    (IntervalTransform, _interval),
)
