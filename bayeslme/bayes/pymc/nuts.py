"""NUTS on a PyMC model, and its draws back on the natural scale.

With nutpie the model's density and gradient, compiled once by PyMC, are handed over as a function:
compiling nutpie's own wrapper around the same graph takes four times as long as everything else
together, and saves ten microseconds a call. Other samplers run through ``pm.sample``.

This module imports PyMC; it is itself imported only while a model is sampled.

Unconstrained draws back to named natural values, in NumPy and for all draws at once. PyMC can do
the same one draw at a time through a compiled function; compiling it would take longer than the
sampling.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import nutpie
import pymc as pm
from nutpie.compiled_pyfunc import from_pyfunc
from pymc.distributions import transforms as tr
from pymc.logprob.transforms import IntervalTransform, LogTransform

from bayeslme.bayes import settings
from bayeslme.bayes.pymc.transforms import CorrelationMatrix, Preconditioned, StructureSupport
from bayeslme.bayes.pymc.variables import PerCoefficient
from bayeslme.errors import FitError
from bayeslme.structures.correlation.partial import correlation_matrices


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
    correlation = transform.correlation
    return np.asarray(correlation.printed_free(correlation.natural(u)))


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
    out = correlation_matrices(partials, q)
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


STATS = ("diverging", "energy", "depth", "n_steps", "step_size", "logp", "mean_tree_accept")


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws of a model's free variables.

    Attributes
    ----------
    values : dict of variable name to array (chains, draws, ...)
    stats : dict of statistic to array (chains, draws)
    """

    values: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]


def draw(
    model: pm.Model,
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    sampler: str = "nutpie",
    progress: bool = True,
    target_accept: float = 0.9,
) -> Drawn:
    """Sample a model by NUTS.

    Parameters
    ----------
    model : pymc.Model
    draws, tune, chains : int
    seed : int
    sampler : {"nutpie", "pymc", "numpyro", "blackjax"}
    progress : bool
    target_accept : float

    Returns
    -------
    Drawn
    """
    options: dict[str, Any] = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "progress": progress,
        "target_accept": target_accept,
    }
    if sampler == "nutpie":
        return _nutpie(model, seed=seed, **options)
    return _pymc(model, seed=seed, sampler=sampler, **options)


def _nutpie(
    model: pm.Model,
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    progress: bool,
    target_accept: float,
) -> Drawn:
    compiled = _compiled(model, chains * (draws + tune))
    trace = nutpie.sample(
        compiled,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=1,  # chains share one Python function: in threads of their own they only wait for it
        seed=seed,
        adaptation="low_rank"
        if compiled.n_dim <= settings.PYMC.max_low_rank_dimensions
        else "diag",
        progress_bar=progress,
        save_warmup=False,
        target_accept=target_accept,
    )
    flat = np.asarray(trace["posterior"]["unconstrained"])
    stats = trace["sample_stats"]
    return Drawn(
        natural_values(model, flat), {k: np.asarray(stats[k]) for k in STATS if k in stats}
    )


def _announce(gradient: Callable[[], Any], transitions: int) -> None:
    """Warn of a run that takes long before it starts, by the time of one gradient."""
    limits, times = settings.PYMC, []
    for _ in range(limits.timed_gradients):
        begin = time.perf_counter()
        gradient()
        times.append(time.perf_counter() - begin)
    seconds = transitions * limits.usual_steps * min(times)
    if seconds > limits.long_run_seconds:
        text = (
            f"NUTS starts now and may take {seconds:.0f} seconds, several times that where a prior "
            "is tight or parameters are strongly correlated; fewer draws or chains take less"
        )
        warnings.warn(text, UserWarning, stacklevel=2)


def _compiled(model: pm.Model, transitions: int) -> Any:
    """The model's density and gradient as nutpie takes them."""
    density = model.logp_dlogp_function(ravel_inputs=True)
    density.set_extra_values({})
    lock = threading.Lock()
    start = np.concatenate([np.ravel(v) for v in model.initial_point().values()])

    def logp(x: np.ndarray) -> tuple[float, np.ndarray]:
        with lock:  # the compiled function owns its buffers
            try:
                value, gradient = density(x)
            except np.linalg.LinAlgError:  # singular, far out: the sampler turns back
                return -np.inf, np.zeros_like(x)
            return float(value), np.array(gradient)

    _announce(lambda: logp(start), transitions)

    def expand(x: np.ndarray) -> dict[str, np.ndarray]:
        return {"unconstrained": np.asarray(x)}

    def initial(chain_seed: int) -> np.ndarray:
        return start + np.random.default_rng(abs(chain_seed)).uniform(-1.0, 1.0, len(start))

    return from_pyfunc(
        len(start),
        lambda: logp,
        lambda *_: expand,
        [np.dtype(float)],
        [(len(start),)],
        ["unconstrained"],
        make_initial_point_fn=initial,
    )


def _pymc(
    model: pm.Model,
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    sampler: str,
    progress: bool,
    target_accept: float,
) -> Drawn:
    names = [rv.name for rv in model.free_RVs]
    try:
        trace: Any = pm.sample(
            draws=draws,
            tune=tune,
            chains=chains,
            random_seed=seed,
            nuts_sampler=sampler,
            progressbar=progress,
            model=model,
            nuts={"target_accept": target_accept},
            var_names=names,  # without the mean of every row
        )
    except ImportError as error:
        msg = f"nuts_sampler={sampler!r} is not installed: {error}; install it, or use 'nutpie'"
        raise FitError(msg) from error
    stats = trace["sample_stats"]
    known = {k: np.asarray(stats[k]) for k in stats.data_vars if stats[k].dims == ("chain", "draw")}
    return Drawn({n: np.asarray(trace["posterior"][n]) for n in names}, known)
