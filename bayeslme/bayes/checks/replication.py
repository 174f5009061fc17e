"""One replication of a calibration: data from known parameters, and the results for them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme import engine
from bayeslme.bayes.density import by_group, given_effects_by_group
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.estimates import parts_of
from bayeslme.bayes.posterior.rows.random_effects import random_effects
from bayeslme.bayes.posterior.rows.simulate import new_effects, new_response
from bayeslme.bayes.priors.priors import Priors
from bayeslme.bayes.sampling import collapsed, fitted_variances
from bayeslme.bayes.sampling.starting import starting_points
from bayeslme.errors import FitError
from bayeslme.fit.api import FITS

if TYPE_CHECKING:
    from bayeslme.bayes.sampling.collapsed import CollapsedDraws
    from bayeslme.bayes.sampling.fitted_variances import FittedDraws
    from bayeslme.data.types import Design

Quantity = tuple[str, str]
Draws = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Task:
    """What all replications share.

    Attributes
    ----------
    design : Design
    priors : Priors
        As resolved on the original data.
    draws : int
        Posterior draws of a replication.
    level : float
        Probability of the intervals.
    kinds : tuple of {"posterior", "wald", "profile"}
        Intervals wanted.
    """

    design: Design
    priors: Priors
    draws: int
    level: float
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replication:
    """What one replication found.

    Attributes
    ----------
    ranks : dict of quantity to int
        How many posterior draws are below the true value.
    limits : dict of kind to dict of parameter to (lower, upper)
    truth : dict of quantity to float
    k_hat : float
        NaN without posterior draws.
    route : str
        The sampler's; empty without posterior draws.
    trusted : bool
        Whether the sampler trusts its draws.
    message : str
        Why there are no draws or intervals; empty where nothing went wrong.
    """

    ranks: dict[Quantity, int]
    limits: dict[str, dict[Quantity, tuple[float, float]]]
    truth: dict[Quantity, float]
    k_hat: float
    route: str
    trusted: bool
    message: str


def replicate(task: Task, values: Draws, seed: np.random.SeedSequence) -> Replication:
    """Draw data at given parameters, estimate, and compare.

    Parameters
    ----------
    task : Task
    values : dict of variable name to array (1, ...)
        The true parameters.
    seed : SeedSequence

    Returns
    -------
    Replication
    """
    rng = np.random.default_rng(seed)
    parameters, effects = _simulated(task.design, values, rng)
    truth = quantities(parameters, values, {key: b[None] for key, b in effects.items()})
    ranks: dict[Quantity, int] = {}
    limits: dict[str, dict[Quantity, tuple[float, float]]] = {}
    k_hat, route, trusted = np.nan, "", True
    messages: list[str] = []
    if "posterior" in task.kinds:
        drawn, message = _posterior(task, parameters, rng)
        messages += [f"posterior: {message}"] if message else []
        if drawn is not None:
            own = getattr(drawn, "effects", None)
            effects_drawn = random_effects(parameters, drawn.values, rng) if own is None else own
            found = quantities(parameters, drawn.values, effects_drawn)
            ranks = {key: int((found[key] < truth[key][0]).sum()) for key in truth}
            limits["posterior"] = _equal_tailed(found, task.level)
            k_hat, route, trusted = drawn.k_hat, drawn.route, drawn.mistrust is None
    for kind in task.kinds:
        if kind != "posterior":
            limits[kind], message = _classical(parameters.design, task.level, kind)
            messages += [f"{kind}: {message}"] if message else []
    known = {key: float(v[0]) for key, v in truth.items()}
    return Replication(ranks, limits, known, k_hat, route, trusted, "; ".join(messages))


def _posterior(
    task: Task, parameters: ModelParameters, rng: np.random.Generator
) -> tuple[CollapsedDraws | FittedDraws | None, str]:
    """Draws of the posterior, and what their making complained of."""
    made = _with_effects if parameters.problem.needs_fitted_values else _without_effects
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            drawn = made(task, parameters, rng)
        except FitError as error:
            return None, str(error)
    return drawn, _joined(caught)


def _without_effects(
    task: Task, parameters: ModelParameters, rng: np.random.Generator
) -> CollapsedDraws:
    return collapsed.draw(parameters.design, parameters, task.priors, task.draws, rng)


def _with_effects(task: Task, parameters: ModelParameters, rng: np.random.Generator) -> FittedDraws:
    """As ``_without_effects``, where the variance depends on fitted values."""
    estimate = engine.estimate(parameters.design)
    points = starting_points(parameters, estimate, parameters.design, task.priors)
    drawn = fitted_variances.draw(parameters, task.priors, points, task.draws, rng, estimate)
    if drawn is None:
        raise FitError("the posterior density is zero at all starting values")
    return drawn


def _joined(caught: list[warnings.WarningMessage]) -> str:
    return "; ".join(dict.fromkeys(str(w.message) for w in caught))


def _simulated(
    design: Design, values: Draws, rng: np.random.Generator
) -> tuple[ModelParameters, dict[str, np.ndarray]]:
    """Layout of the design with a new response, and the random effects behind it."""
    parameters = build_parameters(design)
    one = {name: v[0] for name, v in values.items()}
    effects = new_effects(parameters, one, rng)
    z = tuple(level.level.Z for level in parameters.levels)
    y = new_response(parameters, one, design.X, z, rng, effects)
    return build_parameters(replace(design, y=y)), effects


def quantities(
    parameters: ModelParameters, values: Draws, effects: Mapping[str, np.ndarray]
) -> dict[Quantity, np.ndarray]:
    """Everything that is compared: parameters, random effects of the first group, likelihood.

    Parameters
    ----------
    parameters : ModelParameters
    values : dict of variable name to array (s, ...)
    effects : mapping of group key to array (s, G, q)

    Returns
    -------
    dict of (part, name) to array (s,)
    """
    out = {
        (part, str(name)): column.to_numpy()
        for part, frame in parts_of(parameters, values).items()
        for name, column in frame.items()
    }
    for level in parameters.levels:
        first = level.level.labels[0]
        for j, effect in enumerate(level.level.effects):
            out["ranef", f"{level.level.group} {first} {effect}"] = effects[level.key][:, 0, j]
    if parameters.problem.needs_fitted_values:
        terms = given_effects_by_group(parameters, values, effects)
        out["likelihood", "log p(y | parameters, effects)"] = terms.sum(axis=1)
    else:
        out["likelihood", "log p(y | parameters)"] = by_group(parameters, values).sum(axis=1)
    return out


def is_parameter(quantity: Quantity) -> bool:
    """Whether a quantity is a parameter of the model, which has intervals of every kind."""
    return quantity[0] not in ("ranef", "likelihood")


def _equal_tailed(
    found: Mapping[Quantity, np.ndarray], level: float
) -> dict[Quantity, tuple[float, float]]:
    tails = (0.5 - level / 2, 0.5 + level / 2)
    out = {}
    for key, draws in found.items():
        if is_parameter(key):
            low, high = np.quantile(draws, tails, method="weibull")
            out[key] = (float(low), float(high))
    return out


def _classical(
    design: Design, level: float, kind: str
) -> tuple[dict[Quantity, tuple[float, float]], str]:
    """Confidence intervals of the fit, and what it complained of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = FITS[design.spec.function](design.spec, design, engine.estimate(design), design.frame)
        try:
            tables: Mapping[str, pd.DataFrame] = fit.intervals(
                level, method="profile" if kind == "profile" else "wald"
            )
        except FitError as error:
            return {}, str(error)
    found = {
        (part, str(name)): (float(row["lower"]), float(row["upper"]))
        for part, table in tables.items()
        for name, row in table.iterrows()
    }
    return found, _joined(caught)
