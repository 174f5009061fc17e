"""Resolved priors as ``bambi.Prior`` objects of the same densities.

This module imports PyMC and bambi; it is itself imported only while a bambi model is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import bambi
import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayeslme.arrays import Tensor
from bayeslme.bayes.priors.densities import scale_rate
from bayeslme.bayes.priors.distributions import FAMILIES, FLAT_FAMILIES
from bayeslme.bayes.priors.priors import ParameterPrior
from bayeslme.errors import SpecError

Builder = Callable[..., Tensor]


def common_prior(prior: ParameterPrior, positions: Sequence[int], term: str) -> bambi.Prior:
    """Prior of the coefficients of one of bambi's terms, which share a family.

    Parameters
    ----------
    prior : ParameterPrior
    positions : sequence of int, length m
        Which coefficients, in bambi's order.
    term : str
        For the error.

    Returns
    -------
    bambi.Prior
        Its arguments are single numbers, or arrays of shape (m,).

    Raises
    ------
    SpecError
        Where the coefficients of the term have priors of different families.
    """
    family, args = _shared(prior, positions, term)
    low, high = np.transpose([prior.bounds(j) for j in positions])
    if family in FLAT_FAMILIES:
        return bambi.Prior("HalfFlat" if np.all(low == 0) else "Flat")
    if family == "Uniform":
        return bambi.Prior("Uniform", lower=_squeezed(low), upper=_squeezed(high))
    if not _is_cut(prior, positions):
        return bambi.Prior(family, **args)
    name = f"{family} on ({low[0]:g}, {high[0]:g})"
    return bambi.Prior(name, dist=_truncated(family, float(low[0]), float(high[0])), **args)


def log_prior(prior: ParameterPrior, positions: Sequence[int], term: str) -> bambi.Prior:
    """Prior of the logarithms of positive coefficients; see `common_prior`.

    Returns
    -------
    bambi.Prior
        Normal where the coefficients are LogNormal, else a distribution that PyMC derives.
    """
    family, args = _shared(prior, positions, term)
    if family == "LogNormal":
        return bambi.Prior("Normal", **args)
    if family in FLAT_FAMILIES or _is_cut(prior, positions):
        msg = (
            f"to_bambi: bambi models the log of {term}, and {prior.priors[positions[0]]} is not a "
            "density of a positive number; use one such as HalfNormal or LogNormal"
        )
        raise SpecError(msg)
    return bambi.Prior(f"log {family}", dist=_logarithm(family), **args)


def group_prior(prior: ParameterPrior, positions: Sequence[int], term: str) -> bambi.Prior:
    """Prior of random effects: normal about zero, their standard deviations by `common_prior`.

    Returns
    -------
    bambi.Prior
    """
    return bambi.Prior("Normal", mu=0.0, sigma=common_prior(prior, positions, term))


def margin_potential(
    prior: ParameterPrior, places: Mapping[str, Sequence[int]], *, centred: bool
) -> tuple[tuple[str, ...], Builder] | None:
    """What bambi's independent priors lack of a prior of combinations of coefficients.

    Parameters
    ----------
    prior : ParameterPrior
        Of ``fixef``.
    places : mapping of str to sequence of int
        Bambi's terms, and which coefficients theirs are.
    centred : bool
        Whether bambi centres the predictors, and so has the first combination itself.

    Returns
    -------
    names : tuple of str
    potential : callable
        Log density of each combination minus that of its own coefficient.
    or None
        Where nothing lacks.
    """
    basis = prior.scale.combinations(len(prior.priors))
    rows = [j for j in range(int(centred), len(basis)) if np.count_nonzero(basis[j]) > 1]
    names = tuple(name for name, own in places.items() if np.any(basis[np.ix_(rows, own)]))
    if not rows:
        return None

    def potential(*values: Tensor) -> Tensor:
        beta = {
            j: pt.atleast_1d(value)[i]
            for name, value in zip(names, values, strict=True)
            for i, j in enumerate(places[name])
        }
        terms = []
        for j in rows:
            own = getattr(pm, prior.priors[j].family).dist(**prior.priors[j].numbers())
            combined = sum(basis[j, k] * beta[k] for k in np.flatnonzero(basis[j]).tolist())
            terms.append(pm.logp(own, combined) - pm.logp(own, beta[j]))
        return sum(terms)

    return names, potential


def _shared(
    prior: ParameterPrior, positions: Sequence[int], term: str
) -> tuple[str, dict[str, Any]]:
    """Family and arguments of the priors of some coefficients."""
    chosen = [prior.priors[j] for j in positions]
    families = sorted({p.family for p in chosen})
    if len(families) > 1:
        msg = (
            f"to_bambi: the coefficients of {term} have priors of different families "
            f"({', '.join(families)}); bambi has one for a term"
        )
        raise SpecError(msg)
    numbers: list[dict[str, float]] = [p.numbers() for p in chosen]
    if families == ["PC"]:
        families, numbers = ["Exponential"], [{"lam": scale_rate(a)} for a in numbers]
    return families[0], {k: _squeezed([a[k] for a in numbers]) for k in numbers[0]}


def _squeezed(values: Sequence[float] | np.ndarray) -> float | np.ndarray:
    return float(values[0]) if len(values) == 1 else np.asarray(values, dtype=float)


def _is_cut(prior: ParameterPrior, positions: Sequence[int]) -> bool:
    """Whether a density reaches beyond the interval of its parameter."""
    return any(
        FAMILIES[prior.priors[j].family].support(prior.priors[j].numbers()) != prior.bounds(j)
        for j in positions
    )


def _truncated(family: str, low: float, high: float) -> Builder:
    def build(name: str, dims: Any = None, **args: Any) -> Tensor:
        base = getattr(pm, family).dist(**args)
        lower, upper = (None if np.isinf(v) else v for v in (low, high))
        return pm.Truncated(name, base, lower=lower, upper=upper, dims=dims)

    return build


def _logarithm(family: str) -> Builder:
    def build(name: str, dims: Any = None, **args: Any) -> Tensor:
        keys = list(args)

        def dist(*values: Tensor) -> Tensor:
            given, size = dict(zip(keys, values, strict=False)), values[-1]
            return pt.log(getattr(pm, family).dist(**given, size=size))

        return pm.CustomDist(name, *args.values(), dist=dist, dims=dims)

    return build
