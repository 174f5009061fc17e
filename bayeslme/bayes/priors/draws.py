"""Draws from the priors of a model, without PyMC."""

from __future__ import annotations

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.distributions import FAMILIES, lkj_draws
from bayeslme.bayes.priors.priors import FloatArray, ParameterPrior, Priors
from bayeslme.errors import SpecError
from bayeslme.structures import Bound


def draw_priors(
    parameters: ModelParameters, priors: Priors, n: int, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Draw all variables of a model from their priors.

    Parameters
    ----------
    parameters : ModelParameters
    priors : Priors
    n : int
    rng : Generator

    Returns
    -------
    dict of variable name to array (n, k), (n, q, q) for a correlation matrix, (n,) for one number

    Raises
    ------
    SpecError
        For an improper prior, or one that leaves almost nothing of the region where parameters
        that are restricted jointly may lie.
    """
    check_drawable(priors)
    out = {}
    for prior in priors:
        correlation = parameters.problem.correlation if prior.block.kind == "corstruct" else None
        if correlation is not None and correlation.restricted_jointly:
            out[prior.block.name] = _joint_draws(prior, correlation, n, rng)
        else:
            out[prior.block.name] = draw_one(prior, n, rng)
    for prior in priors:
        out |= prior.scale.undo(prior.block.name, out)
    return out


def check_drawable(priors: Priors) -> None:
    """Refuse improper priors.

    Raises
    ------
    SpecError
    """
    for prior in priors:
        if not prior.is_proper:
            flat = next(p for p in prior.priors if FAMILIES[p.family].quantile is None)
            msg = (
                f"priors: {flat} on '{prior.block.name}' is improper and cannot be drawn from; "
                "give a proper prior, or use priors='default'"
            )
            raise SpecError(msg)


def draw_one(prior: ParameterPrior, n: int, rng: np.random.Generator) -> FloatArray:
    """Draw one variable on its prior's scale, its coefficients each within its own interval."""
    block = prior.block
    if block.matrix:
        return lkj_draws(len(block.coefs), prior.priors[0].numbers()["eta"], n, rng)
    drawn = np.empty((n, len(prior.priors)))
    for j in range(len(prior.priors)):
        drawn[:, j] = _coefficient(prior, j, rng.uniform(size=n))
    return drawn if block.dim is not None else drawn[:, 0]


def _coefficient(prior: ParameterPrior, j: int, u: FloatArray) -> FloatArray:
    """Quantiles of a coefficient's prior, cut to its interval."""
    one, (low, high) = prior.priors[j], prior.bounds(j)
    family, args = FAMILIES[one.family], one.numbers()
    if family.cumulative is None or family.quantile is None:
        return low + (high - low) * u
    own_low, own_high = family.support(args)
    below = 0.0 if low <= own_low else float(family.cumulative(np.float64(low), args))
    above = 1.0 if high >= own_high else float(family.cumulative(np.float64(high), args))
    drawn = np.asarray(family.quantile(below + (above - below) * u, args))
    inner = np.nextafter(low, np.inf), np.nextafter(high, -np.inf)
    return np.asarray(np.clip(drawn, *inner))


def _joint_draws(
    prior: ParameterPrior, correlation: Bound, n: int, rng: np.random.Generator
) -> FloatArray:
    """Draws that lie in the joint region of a structure, by rejection."""
    limits = settings.PRIORS
    if _is_uniform(prior):
        uniform = correlation.structure.uniform_draws(correlation.parameters, n, rng)
        if uniform is not None:
            return np.asarray(uniform)
    kept: list[FloatArray] = []
    count = 0
    for _ in range(limits.max_rounds):
        drawn = draw_one(prior, limits.candidates_per_round, rng)
        some = drawn[_inside(correlation, drawn)]
        kept.append(some)
        count += len(some)
        if count >= n:
            return np.concatenate(kept)[:n]
    tried = limits.max_rounds * limits.candidates_per_round
    msg = (
        f"priors: of {tried} draws of '{prior.block.name}' only {count} lie where "
        f"{correlation.structure.r_name} is a correlation; use tighter priors around 0"
    )
    raise SpecError(msg)


def log_share_inside(prior: ParameterPrior, correlation: Bound) -> tuple[float, float]:
    """Log of the prior's mass in the joint region of a structure, and its Monte Carlo error."""
    limits = settings.PRIORS
    if _is_uniform(prior):
        volume = correlation.structure.log_region(correlation.parameters)
        if volume is not None:
            return volume - len(correlation.parameters) * float(np.log(2.0)), 0.0
    n, rng = limits.share_rounds * limits.candidates_per_round, np.random.default_rng(0)
    count = sum(
        int(_inside(correlation, draw_one(prior, limits.candidates_per_round, rng)).sum())
        for _ in range(limits.share_rounds)
    )
    share = max(count, 1) / n
    return float(np.log(share)), float(np.sqrt((1 - share) / (share * n)))


def _is_uniform(prior: ParameterPrior) -> bool:
    """Whether every correlation is uniform between -1 and 1: jointly then LKJ(1)."""
    flat = {"Uniform", "Flat"}
    return all(
        p.family in flat and prior.bounds(j) == (-1.0, 1.0) for j, p in enumerate(prior.priors)
    )


def _inside(correlation: Bound, drawn: FloatArray) -> np.ndarray:
    """Which free values (n, f) are correlations of the structure, shape (n,)."""
    full = correlation.with_held(drawn, np.array([p.start for p in correlation.parameters]))
    return np.asarray(correlation.structure.in_region(full, correlation))
