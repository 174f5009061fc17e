"""``fit.sample``: the collapsed sampler where it can be trusted, NUTS elsewhere.

Both leave the random effects out and draw them exactly afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.bayes.correlation_prior import told_apart
from bayeslme.bayes.defaults import resolve_priors
from bayeslme.bayes.layout import Layout, build_layout
from bayeslme.bayes.priors import Priors, PriorsLike
from bayeslme.bayes.sample_checks import (
    Method,
    Sampler,
    check_arguments,
    check_proper,
    check_ranef,
    check_size,
    refuse_nuts_options,
)
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_seed

if TYPE_CHECKING:
    from bayeslme.bayes.collapsed import CollapsedDraws
    from bayeslme.bayes.model import Form
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.fit.result import Fit

TUNE = 500  # draws of each chain spent on adaptation


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
        (see `ranef`) and the log likelihood of every outermost group; more than 4 GB of them are
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
        For a posterior that is improper, and where ``"collapsed"`` draws are not to be trusted.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> posterior = fit.sample(draws=500, seed=1)
    >>> posterior.fixef.round(1).to_dict()
    {'(Intercept)': 16.8, 'age': 0.7}
    """
    check_arguments(draws, chains, TUNE if tune is None else tune, method, nuts_sampler)
    check_seed(seed)
    if method == "collapsed":
        refuse_nuts_options(tune=tune, nuts_sampler=nuts_sampler)
    if fit.design.crossed:
        msg = (
            "sample: the draws of crossed random effects are PyMC's own: "
            "pymc.sample(model=fit.spec.to_pymc(data, form='hierarchical')); the mode under priors "
            "is fit.update(priors=...)"
        )
        raise FitError(msg)
    layout = build_layout(fit.design)
    resolved = resolve_priors(layout, fit.spec.priors if priors is None else priors)
    check_proper(layout, resolved)
    check_size(layout, draws * chains, ranef=check_ranef(layout, ranef))
    asked = _Asked(fit, layout, resolved, (chains, draws), _seeds(seed), ranef)
    found, reason = _try_collapsed(asked, method)
    if found is not None:
        return found
    options = {"tune": TUNE if tune is None else tune, "progress": progress}
    return _nuts_posterior(asked, reason, sampler=nuts_sampler or "nutpie", **options)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What both samplers are asked for.

    Attributes
    ----------
    fit : Fit
    layout : Layout
    priors : Priors
    shape : tuple of int
        Chains, and draws of each.
    seeds : tuple of int
        Of the sampler, of the random effects, of the replicated responses.
    keep : bool
        Keep the random effects.
    """

    fit: Fit
    layout: Layout
    priors: Priors
    shape: tuple[int, int]
    seeds: tuple[int, int, int]
    keep: bool

    def posterior(
        self,
        values: Mapping[str, np.ndarray],
        stats: Mapping[str, np.ndarray],
        route: str,
        effects: Mapping[str, np.ndarray] | None = None,
        **attributes: Any,
    ) -> Posterior:
        """Complete the posterior from draws of the parameters; see `build_tree`."""
        from bayeslme.bayes.posterior import Posterior
        from bayeslme.bayes.tree import build_tree

        values = dict(values)
        bound, block = self.layout.problem.correlation, self.layout.corstruct
        if bound is not None and block is not None and bound.two_signs:
            rng = np.random.default_rng((self.seeds[0], 1))
            drawn = np.asarray(values[block.name])
            values[block.name] = told_apart(self.priors[block.name], bound, drawn, rng)
        options: Any = {"seeds": self.seeds[1:], "effects": effects, "keep": self.keep}
        tree = build_tree(self.layout, self.priors, values, stats, route=route, **options)
        tree["sample_stats"].attrs.update(attributes)
        return Posterior(tree, self.fit, self.layout, self.priors)


def _seeds(seed: int | None) -> tuple[int, int, int]:
    one, two, three = np.random.SeedSequence(seed).generate_state(3, dtype=np.uint32)
    return int(one), int(two), int(three)


def _nuts_posterior(asked: _Asked, reason: str, *, sampler: str, **options: Any) -> Posterior:
    """The posterior by NUTS; `reason` is why it was not collapsed, if that was tried."""
    from bayeslme.bayes.margin_variables import natural_draws
    from bayeslme.bayes.model import build_model
    from bayeslme.bayes.nuts import draw

    layout, priors, (chains, draws) = asked.layout, asked.priors, asked.shape
    form: Form = "hierarchical" if layout.problem.waiting else "marginal"
    route = f"nuts, {sampler}, {form} form" + (f"; not collapsed: {reason}" if reason else "")
    model = build_model(asked.fit.design, form=form, priors=priors)
    drawn = draw(model, draws=draws, chains=chains, seed=asked.seeds[0], sampler=sampler, **options)
    own = natural_draws(priors, drawn.values)
    values = {b.name: own[b.name] for b in layout.blocks if b.coefs}
    effects = None
    if form == "hierarchical":
        effects = {
            lv.key: drawn.values[f"z_{lv.key}"] @ np.swapaxes(lv.factor(values), -1, -2)
            for lv in layout.levels
        }
    return asked.posterior(values, drawn.stats, route, effects, method="nuts")


def _try_collapsed(asked: _Asked, method: Method) -> tuple[Posterior | None, str]:
    """The collapsed posterior, or None and why not."""
    from bayeslme.bayes import collapsed

    if method == "nuts":
        return None, ""
    fit, layout = asked.fit, asked.layout
    reason = collapsed.collapsible(layout)
    if reason is None:
        rng, count = np.random.default_rng(asked.seeds[0]), asked.shape[0] * asked.shape[1]
        drawn = collapsed.draw(fit.design, layout, asked.priors, count, rng, fit.estimate)
        reason = drawn.mistrust
        if reason is None:
            return _collapsed_posterior(asked, drawn), ""
    if method == "collapsed":
        msg = f"method='collapsed': {reason}; use method='nuts'"
        raise FitError(msg)
    return None, reason


def _collapsed_posterior(asked: _Asked, drawn: CollapsedDraws) -> Posterior:
    values = {k: v.reshape(*asked.shape, *v.shape[1:]) for k, v in drawn.values.items()}
    stats = {"log_weight": drawn.log_weight.reshape(asked.shape)}
    return asked.posterior(
        values,
        stats,
        f"collapsed, {drawn.certificate}",
        method=drawn.route,
        k_hat=drawn.k_hat,
        efficiency=drawn.efficiency,
        weights_ess=drawn.effective,
        populations_r_hat=drawn.r_hat,
        log_evidence=drawn.log_evidence,
        log_evidence_mcse=drawn.log_evidence_mcse,
    )
