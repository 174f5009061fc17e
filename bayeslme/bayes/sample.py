"""``fit.sample``: NUTS on the marginal form, then exact draws of the random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bayeslme.bayes.defaults import resolve_priors
from bayeslme.bayes.layout import Layout, build_layout
from bayeslme.bayes.priors import Priors, PriorsLike
from bayeslme.errors import FitError, SpecError

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.fit.result import Fit

Method = Literal["auto", "nuts"]
Sampler = Literal["nutpie", "pymc", "numpyro", "blackjax"]
_METHODS = ("auto", "nuts")
_SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax")


def sample(
    fit: Fit,
    draws: int = 1000,
    chains: int = 4,
    method: Method = "auto",
    priors: PriorsLike = None,
    seed: int | None = None,
    nuts_sampler: Sampler | None = None,
    progress: bool = True,
    tune: int | None = None,
) -> Posterior:
    """Draw from the posterior of a fitted model.

    Parameters
    ----------
    fit : Fit
    draws, chains : int
        Draws kept of each chain, and the number of chains.
    method : {"auto", "nuts"}
        ``"auto"`` is NUTS on the marginal form: random effects are integrated out and drawn exactly
        afterwards.
    priors : None, preset name or mapping
        By default those of the specification, or the default preset.
    seed : int, optional
    nuts_sampler : {"nutpie", "pymc", "numpyro", "blackjax"}, optional
        Nutpie by default.
    progress : bool
        Show the sampler's progress bar.
    tune : int, optional
        Draws of each chain spent on adaptation; 500 by default.

    Returns
    -------
    Posterior

    Raises
    ------
    SpecError
        For an argument out of range or priors that cannot be read.
    FitError
        For a posterior that is improper.
    """
    tune = 500 if tune is None else tune
    _check(draws, chains, tune, method, nuts_sampler)
    layout = build_layout(fit.design)
    resolved = resolve_priors(layout, fit.spec.priors if priors is None else priors)
    check_proper(layout, resolved)
    root = np.random.SeedSequence(seed)
    chain_seed, effect_seed, response_seed = (
        int(s) for s in root.generate_state(3, dtype=np.uint32)
    )

    from bayeslme.bayes.model import build_model
    from bayeslme.bayes.nuts import draw
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.bayes.tree import build_tree

    model = build_model(fit.design, priors=resolved)
    sampler = nuts_sampler or "nutpie"
    drawn = draw(
        model,
        draws=draws,
        tune=tune,
        chains=chains,
        seed=chain_seed,
        sampler=sampler,
        progress=progress,
    )
    seeds = (effect_seed, response_seed)
    tree = build_tree(
        layout,
        resolved,
        drawn.values,
        drawn.stats,
        seeds=seeds,
        route=f"nuts, {sampler}, marginal form",
    )
    return Posterior(tree, fit, layout, resolved)


def _check(draws: Any, chains: Any, tune: Any, method: str, nuts_sampler: str | None) -> None:
    for name, value, least in (("draws", draws, 1), ("chains", chains, 1), ("tune", tune, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            msg = f"{name}: a whole number of at least {least} is needed, not {value!r}"
            raise SpecError(msg)
    if method not in _METHODS:
        msg = f"method: {method!r} is none of {', '.join(_METHODS)}"
        raise SpecError(msg)
    if nuts_sampler is not None and nuts_sampler not in _SAMPLERS:
        msg = f"nuts_sampler: {nuts_sampler!r} is none of {', '.join(_SAMPLERS)}"
        raise SpecError(msg)


def check_proper(layout: Layout, priors: Priors) -> None:
    """Refuse posteriors that a flat prior makes improper.

    A standard deviation with a flat prior needs more groups than effects plus one (the likelihood
    tends to a constant, or falls like sd^-(G - 1), as it grows); a positive parameter of a row
    structure with one has no such guarantee at all.

    Raises
    ------
    FitError
    """
    for level in layout.levels:
        groups = len(level.level.labels)
        prior = priors[level.sd.name]
        flat = [
            c
            for c, p in zip(prior.block.coefs, prior.priors, strict=True)
            if p.family in ("Flat", "HalfFlat")
        ]
        if flat and groups <= level.q + 2:
            msg = (
                f"priors: a flat prior on '{level.sd.name}' ({flat[0]}) with {groups} group(s) "
                "gives an improper posterior; use a proper one, 'HalfStudentT(nu=4, sigma=1)' say"
            )
            raise FitError(msg)
    for block in (layout.corstruct, layout.varfunc):
        prior_of = None if block is None else priors[block.name]
        for j, p in enumerate(() if prior_of is None else prior_of.priors):
            low, high = prior_of.bounds(j) if prior_of is not None else (0.0, 1.0)
            if (
                p.family in ("Flat", "HalfFlat")
                and block is not None
                and block.kind == "corstruct"
                and np.isinf(high - low)
            ):
                msg = (
                    f"priors: a flat prior on '{block.name}' ({block.coefs[j]}) gives an "
                    "improper posterior; use a proper one, such as 'LogNormal(mu=0, sigma=1)'"
                )
                raise FitError(msg)
