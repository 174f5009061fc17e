"""``fit.sample``: the collapsed sampler where it can be trusted, NUTS elsewhere.

Both leave the random effects out and draw them exactly afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bayeslme.bayes.defaults import resolve_priors
from bayeslme.bayes.layout import Layout, build_layout
from bayeslme.bayes.priors import Priors, PriorsLike
from bayeslme.bayes.random_draws import MOST_BYTES
from bayeslme.errors import FitError, SpecError
from bayeslme.fit.arguments import check_seed

if TYPE_CHECKING:
    from bayeslme.bayes.collapsed import CollapsedDraws
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.fit.result import Fit

Form = Literal["marginal", "hierarchical"]
Method = Literal["auto", "collapsed", "nuts"]
Sampler = Literal["nutpie", "pymc", "numpyro", "blackjax"]
TUNE = 500  # draws of each chain spent on adaptation
_METHODS = ("auto", "collapsed", "nuts")
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
    ranef: bool = True,
) -> Posterior:
    """Draw from the posterior of a fitted model.

    Parameters
    ----------
    fit : Fit
    draws, chains : int
        Draws kept of each chain, and the number of chains. Every draw holds all random effects
        (see `ranef`) and the log likelihood of every outermost group; more than 4 GB of either are
        refused.
    method : {"auto", "collapsed", "nuts"}
        ``"collapsed"`` draws the variance parameters by importance sampling and everything else
        exactly: independent draws in about a second. Where the Pareto k-hat of its weights stays
        above 0.7 particles are annealed. ``"nuts"`` samples the marginal form of the PyMC model.
        ``"auto"`` is the first, and the second where the first cannot say the model or neither
        its weights nor its particles are to be trusted. ``sample_stats`` says which it was.
    priors : None, preset name or mapping
        By default those of the specification, or the default preset.
    seed : int, optional
    nuts_sampler : {"nutpie", "pymc", "numpyro", "blackjax"}, optional
        Nutpie by default.
    progress : bool
        Show the sampler's progress bar.
    tune : int, optional
        Draws of each chain spent on adaptation; 500 by default.
    ranef : bool
        Keep the random effects of every draw. Where groups are very many, do not: means,
        predictions and replicates draw them again, the same ones, piece by piece.

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
    _check(draws, chains, TUNE if tune is None else tune, method, nuts_sampler)
    check_seed(seed)
    if method == "collapsed":
        _refuse_nuts_options(tune=tune, nuts_sampler=nuts_sampler)
    layout = build_layout(fit.design)
    resolved = resolve_priors(layout, fit.spec.priors if priors is None else priors)
    check_proper(layout, resolved)
    check_size(layout, draws * chains, ranef=_kept(layout, ranef))
    root = np.random.SeedSequence(seed)
    chain_seed, effect_seed, response_seed = (
        int(s) for s in root.generate_state(3, dtype=np.uint32)
    )

    seeds = (effect_seed, response_seed)
    found, reason = _try_collapsed(
        fit, layout, resolved, (chains, draws), (chain_seed, *seeds), method, ranef
    )
    if found is not None:
        return found

    form: Form = "hierarchical" if layout.problem.waiting else "marginal"
    sampler = nuts_sampler or "nutpie"
    route = f"nuts, {sampler}, {form} form" + (f"; not collapsed: {reason}" if reason else "")
    options = {
        "draws": draws,
        "tune": TUNE if tune is None else tune,
        "chains": chains,
        "progress": progress,
    }
    return _nuts_posterior(
        fit,
        layout,
        resolved,
        form,
        route,
        (chain_seed, *seeds),
        keep=ranef,
        sampler=sampler,
        **options,
    )


def _nuts_posterior(
    fit: Fit,
    layout: Layout,
    priors: Priors,
    form: Form,
    route: str,
    seeds: tuple[int, int, int],
    *,
    keep: bool,
    **options: Any,
) -> Posterior:
    from bayeslme.bayes.margin_variables import natural_draws
    from bayeslme.bayes.model import build_model
    from bayeslme.bayes.nuts import draw
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.bayes.tree import build_tree

    drawn = draw(build_model(fit.design, form=form, priors=priors), seed=seeds[0], **options)
    own = natural_draws(priors, drawn.values)
    values = {b.name: own[b.name] for b in layout.blocks if b.coefs}
    effects = None
    if form == "hierarchical":
        effects = {
            lv.key: drawn.values[f"z_{lv.key}"] @ np.swapaxes(lv.factor(values), -1, -2)
            for lv in layout.levels
        }
    tree = build_tree(
        layout,
        priors,
        values,
        drawn.stats,
        seeds=seeds[1:],
        route=route,
        effects=effects,
        keep=keep,
    )
    tree["sample_stats"].attrs["method"] = "nuts"
    return Posterior(tree, fit, layout, priors)


def _try_collapsed(
    fit: Fit,
    layout: Layout,
    priors: Priors,
    shape: tuple[int, int],
    seeds: tuple[int, int, int],
    method: Method,
    keep: bool,
) -> tuple[Posterior | None, str]:
    """The collapsed posterior, or None and why not."""
    from bayeslme.bayes import collapsed

    if method == "nuts":
        return None, ""
    reason = collapsed.collapsible(layout)
    if reason is None:
        rng = np.random.default_rng(seeds[0])
        drawn = collapsed.draw(fit.design, layout, priors, shape[0] * shape[1], rng, fit.estimate)
        reason = drawn.mistrust
        if reason is None:
            return _collapsed_posterior(fit, layout, priors, drawn, shape, seeds, keep), ""
    if method == "collapsed":
        msg = f"method='collapsed': {reason}; use method='nuts'"
        raise FitError(msg)
    return None, reason


def _collapsed_posterior(
    fit: Fit,
    layout: Layout,
    priors: Priors,
    drawn: CollapsedDraws,
    shape: tuple[int, int],
    seeds: tuple[int, int, int],
    keep: bool,
) -> Posterior:
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.bayes.tree import build_tree

    values = {k: v.reshape(*shape, *v.shape[1:]) for k, v in drawn.values.items()}
    stats = {"log_weight": drawn.log_weight.reshape(shape)}
    route = f"collapsed, {drawn.certificate}"
    tree = build_tree(layout, priors, values, stats, seeds=seeds[1:], route=route, keep=keep)
    tree["sample_stats"].attrs.update(
        method=drawn.route,
        k_hat=drawn.k_hat,
        efficiency=drawn.efficiency,
        weights_ess=drawn.effective,
        populations_r_hat=drawn.r_hat,
    )
    return Posterior(tree, fit, layout, priors)


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


def _refuse_nuts_options(**given: Any) -> None:
    named = [name for name, value in given.items() if value is not None]
    if named:
        msg = f"{named[0]}: is for NUTS, which method='collapsed' does not use; leave it out"
        raise SpecError(msg)


def _kept(layout: Layout, ranef: Any) -> bool:
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
                and (block.kind == "corstruct" or "const" in block.coefs[j].split("."))
                and np.isfinite(low)
                and np.isinf(high)
            ):
                msg = (
                    f"priors: a flat prior on '{block.name}' ({block.coefs[j]}) gives an "
                    "improper posterior; use a proper one, such as 'LogNormal(mu=0, sigma=1)'"
                )
                raise FitError(msg)
