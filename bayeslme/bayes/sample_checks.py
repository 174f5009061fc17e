"""What cannot be sampled: arguments out of range, improper posteriors, more than memory holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np

from bayeslme.bayes.layout import Layout
from bayeslme.bayes.priors import ParameterPrior, Priors
from bayeslme.bayes.random_draws import MOST_BYTES
from bayeslme.errors import FitError, SpecError

Method = Literal["auto", "collapsed", "nuts"]
Sampler = Literal["nutpie", "pymc", "numpyro", "blackjax"]
FLAT = ("Flat", "HalfFlat")


def check_arguments(
    draws: Any, chains: Any, tune: Any, method: str, nuts_sampler: str | None
) -> None:
    """Refuse numbers of draws, and samplers, that there are not.

    Raises
    ------
    SpecError
    """
    for name, value, least in (("draws", draws, 1), ("chains", chains, 1), ("tune", tune, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            msg = f"{name}: a whole number of at least {least} is needed, not {value!r}"
            raise SpecError(msg)
    if method not in get_args(Method):
        msg = f"method: {method!r} is none of {', '.join(get_args(Method))}"
        raise SpecError(msg)
    if nuts_sampler is not None and nuts_sampler not in get_args(Sampler):
        msg = f"nuts_sampler: {nuts_sampler!r} is none of {', '.join(get_args(Sampler))}"
        raise SpecError(msg)


def refuse_nuts_options(**given: Any) -> None:
    """Refuse what only NUTS would take notice of.

    Raises
    ------
    SpecError
    """
    named = [name for name, value in given.items() if value is not None]
    if named:
        msg = f"{named[0]}: is for NUTS, which method='collapsed' does not use; leave it out"
        raise SpecError(msg)


def check_ranef(layout: Layout, ranef: Any) -> bool:
    """Whether random effects are kept, which they are where they are sampled.

    Raises
    ------
    SpecError
    """
    if not isinstance(ranef, bool):
        raise SpecError(f"ranef: True or False is needed, not {ranef!r:.60}")
    if not ranef and layout.problem.waiting:
        msg = "ranef=False: where the variance depends on fitted values random effects are sampled"
        raise SpecError(msg)
    return ranef


def check_size(layout: Layout, draws: int, *, ranef: bool = True) -> None:
    """Refuse more draws than memory holds, of all random effects where they are kept.

    Raises
    ------
    SpecError
        Naming the size, and how many draws fit.
    """
    groups = sum(len(level.level.labels) * level.q for level in layout.levels) if ranef else 0
    problem = layout.problem
    pieces = len(layout.levels[0].level.labels) if layout.levels else problem.n
    variance = sum(len(b.coefs) ** (2 if b.matrix else 1) for b in layout.blocks)
    each = 8.0 * (groups + pieces + variance)
    if draws * each > MOST_BYTES:
        held = f"{groups} random effects and {pieces}" if groups else f"{pieces}"
        less = "; ranef=False keeps no random effects" if groups else ""
        msg = (
            f"draws: {draws} draws of {held} log likelihoods take {draws * each / 1e9:.1f} GB, and "
            f"a posterior holds {MOST_BYTES / 1e9:.0f} GB; at most {int(MOST_BYTES // each)} draws "
            f"over all chains fit{less}"
        )
        raise SpecError(msg)


def check_proper(layout: Layout, priors: Priors) -> None:
    """Refuse posteriors that a flat prior makes improper.

    A standard deviation with a flat prior needs more groups than effects plus one (the likelihood
    tends to a constant, or falls like sd^-(G - 1), as it grows). As the range of a correlation
    grows, or the constant of a variance function with sigma falling, the likelihood tends to a
    positive number, so that no flat prior is proper.

    Raises
    ------
    FitError
    """
    for level in layout.levels:
        groups = len(level.level.labels)
        prior = priors[level.sd.name]
        flat = [c for c, p in zip(prior.block.coefs, prior.priors, strict=True) if p.family in FLAT]
        if flat and groups <= level.q + 2:
            msg = (
                f"priors: a flat prior on '{level.sd.name}' ({flat[0]}) with {groups} group(s) "
                "gives an improper posterior; use a proper one, 'HalfStudentT(nu=4, sigma=1)' say"
            )
            raise FitError(msg)
    for block in (layout.corstruct, layout.varfunc):
        if block is None:
            continue
        for j in _endless(priors[block.name]):
            msg = (
                f"priors: a flat prior on '{block.name}' ({block.coefs[j]}) gives an "
                "improper posterior; use a proper one, such as 'LogNormal(mu=0, sigma=1)'"
            )
            raise FitError(msg)


def _endless(prior: ParameterPrior) -> Iterator[int]:
    """Ranges and constants with a flat prior up to infinity."""
    for j, one in enumerate(prior.priors):
        low, high = prior.bounds(j)
        grows = prior.block.kind == "corstruct" or "const" in prior.block.coefs[j].split(".")
        if grows and one.family in FLAT and np.isfinite(low) and np.isinf(high):
            yield j
