"""``fit.sample``: the collapsed sampler where it can be trusted, NUTS elsewhere.

Both leave the random effects out and draw them exactly afterwards, but for models whose variance
depends on fitted values: there `fitted_variances` draws them with their weights, and NUTS as
variables.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.density import block_width, without_chain
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.priors.correlation import told_apart
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.priors import Priors, PriorsLike
from bayeslme.bayes.priors.proper import check_proper
from bayeslme.errors import FitError, SpecError
from bayeslme.fit.arguments import check_seed

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.posterior import Posterior
    from bayeslme.bayes.pymc.model import Form
    from bayeslme.bayes.sampling.collapsed import CollapsedDraws
    from bayeslme.bayes.sampling.fitted_variances import FittedDraws
    from bayeslme.fit.result import Fit


Method = Literal["auto", "collapsed", "nuts"]
Sampler = Literal["nutpie", "pymc", "numpyro", "blackjax"]


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


def check_ranef(parameters: ModelParameters, ranef: Any) -> bool:
    """Whether random effects are kept, which they are where they are sampled.

    Raises
    ------
    SpecError
    """
    if not isinstance(ranef, bool):
        raise SpecError(f"ranef: True or False is needed, not {ranef!r:.60}")
    if not ranef and parameters.problem.needs_fitted_values:
        msg = "ranef=False: where the variance depends on fitted values random effects are sampled"
        raise SpecError(msg)
    return ranef


def check_size(parameters: ModelParameters, draws: int, *, ranef: bool = True) -> None:
    """Refuse more draws than memory holds, of all random effects where they are kept.

    Raises
    ------
    SpecError
        Naming the size, and how many draws fit.
    """
    limits = settings.POSTERIOR
    groups = sum(len(level.level.labels) * level.q for level in parameters.levels) if ranef else 0
    problem = parameters.problem
    pieces = parameters.n_pieces if parameters.levels else problem.n
    variance = sum(len(b.coefs) ** (2 if b.matrix else 1) for b in parameters.blocks)
    each = 8.0 * (groups + pieces + variance)
    if draws * each > limits.max_bytes:
        held = f"{groups} random effects and {pieces}" if groups else f"{pieces}"
        less = "; ranef=False keeps no random effects" if groups else ""
        msg = (
            f"draws: {draws} draws of {held} log likelihoods take {draws * each / 1e9:.1f} GB, and "
            f"a posterior holds {limits.max_bytes / 1e9:.0f} GB; at most "
            f"{int(limits.max_bytes // each)} draws over all chains fit{less}"
        )
        raise SpecError(msg)


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
    """Draw from the posterior of a fitted model; see `Fit.sample`."""
    limits = settings.SAMPLING
    check_arguments(
        draws, chains, limits.tuning_draws if tune is None else tune, method, nuts_sampler
    )
    check_seed(seed)
    if method == "collapsed":
        refuse_nuts_options(tune=tune, nuts_sampler=nuts_sampler)
    parameters = build_parameters(fit.design)
    if fit.design.crossed and parameters.problem.needs_fitted_values:
        raise FitError(
            f"weights: the variance depends on fitted values, and {fit.design.crossed_how}: "
            "sample the PyMC model, fit.spec.to_pymc(data, form='hierarchical')"
        )
    resolved = resolve_priors(parameters, fit.spec.priors if priors is None else priors)
    check_proper(parameters, resolved)
    check_size(parameters, draws * chains, ranef=check_ranef(parameters, ranef))
    asked = _Asked(fit, parameters, resolved, (chains, draws), _seeds(seed), ranef)
    found, reason = _try_collapsed(asked, method)
    if found is not None:
        return found
    options = {"tune": limits.tuning_draws if tune is None else tune, "progress": progress}
    return _nuts_posterior(asked, reason, sampler=nuts_sampler or "nutpie", **options)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What both samplers are asked for.

    Attributes
    ----------
    fit : Fit
    parameters : ModelParameters
    priors : Priors
    shape : tuple of int
        Chains, and draws of each.
    seeds : tuple of int
        Of the sampler, of the random effects, of the replicated responses.
    keep : bool
        Keep the random effects.
    """

    fit: Fit
    parameters: ModelParameters
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
        from bayeslme.bayes.posterior.posterior import Posterior
        from bayeslme.bayes.posterior.tree import build_tree

        values = dict(values)
        correlation, block = self.parameters.problem.correlation, self.parameters.corstruct
        if correlation is not None and block is not None and correlation.two_signs:
            rng = np.random.default_rng((self.seeds[0], 1))
            drawn = np.asarray(values[block.name])
            values[block.name] = told_apart(self.priors[block.name], correlation, drawn, rng)
        options: Any = {"seeds": self.seeds[1:], "effects": effects, "keep": self.keep}
        tree = build_tree(self.parameters, self.priors, values, stats, route=route, **options)
        tree["sample_stats"].attrs.update(attributes)
        made = Posterior(tree, self.fit, self.parameters, self.priors)
        announce(made)
        return made


def announce(posterior: Posterior) -> None:
    """Give a UserWarning for each of the posterior's ``sample_stats.attrs["warnings"]``."""
    for text in posterior.data["sample_stats"].attrs["warnings"]:
        warnings.warn(text, UserWarning, stacklevel=4)


def _seeds(seed: int | None) -> tuple[int, int, int]:
    one, two, three = np.random.SeedSequence(seed).generate_state(3, dtype=np.uint32)
    return int(one), int(two), int(three)


def _nuts_posterior(asked: _Asked, reason: str, *, sampler: str, **options: Any) -> Posterior:
    """The posterior by NUTS; `reason` is why it was not collapsed, if that was tried."""
    from bayeslme.bayes.pymc.model import build_model
    from bayeslme.bayes.pymc.nuts import draw
    from bayeslme.bayes.pymc.variables import natural_draws

    parameters, priors, (chains, draws) = asked.parameters, asked.priors, asked.shape
    wide = block_width(parameters.problem) > settings.PYMC.max_crossed_columns
    bound = bool(parameters.design.related) or without_chain(parameters.problem)
    explicit = parameters.problem.needs_fitted_values or wide or bound
    form: Form = "hierarchical" if explicit else "marginal"
    route = f"nuts, {sampler}, {form} form" + (f"; not collapsed: {reason}" if reason else "")
    model = build_model(asked.fit.design, form=form, priors=priors)
    drawn = draw(model, draws=draws, chains=chains, seed=asked.seeds[0], sampler=sampler, **options)
    own = natural_draws(priors, drawn.values)
    values = {b.name: own[b.name] for b in parameters.blocks if b.coefs}
    effects = None
    if form == "hierarchical":
        effects = {
            lv.key: drawn.values[f"z_{lv.key}"] @ np.swapaxes(lv.factor(values), -1, -2)
            for lv in parameters.levels
        }
    notes = _nuts_warnings(asked, values, drawn.stats)
    return asked.posterior(values, drawn.stats, route, effects, method="nuts", warnings=notes)


def _nuts_warnings(
    asked: _Asked, values: Mapping[str, np.ndarray], stats: Mapping[str, np.ndarray]
) -> list[str]:
    """What the user of these draws must know: divergences, chains that differ, far priors."""
    from bayeslme.bayes.posterior.summary import split_r_hat
    from bayeslme.bayes.sampling.conflict import conflict_of

    found = []
    if "diverging" in stats and (count := int(np.sum(stats["diverging"]))):
        found.append(f"{count} divergent transitions; use more informative priors, or more tuning")
    columns = [v.reshape(*asked.shape, -1) for v in values.values()]
    every = np.concatenate(columns, axis=-1)
    each = [split_r_hat(v) for v in np.moveaxis(every, -1, 0) if np.ptp(v) > 0]
    worst = max((r for r in each if np.isfinite(r)), default=1.0)
    judged = asked.shape[1] >= settings.POSTERIOR.min_judged_draws
    if judged and worst > settings.POSTERIOR.max_r_hat:
        found.append(f"R-hat reaches {worst:.3f}; the chains do not agree yet, sample longer")
    prior = asked.priors["fixef"]
    conflict = conflict_of(prior, asked.fit.estimate)
    if conflict is not None:
        names = ", ".join(prior.block.coefs[j] for j in conflict.places)[:100]
        found.append(
            f"the priors of {names} lie far from the data; the posterior may have a second mode "
            "that the chains did not visit"
        )
    return found


def _try_collapsed(asked: _Asked, method: Method) -> tuple[Posterior | None, str]:
    """The collapsed posterior, or None and why not."""
    if method == "nuts":
        return None, ""
    fitted = asked.parameters.problem.needs_fitted_values
    found, reason = _fitted_variances(asked) if fitted else _collapsed(asked)
    if found is None and method == "collapsed":
        msg = f"method='collapsed': {reason}; use method='nuts'"
        raise FitError(msg)
    return found, reason


def _collapsed(asked: _Asked) -> tuple[Posterior | None, str]:
    """The posterior with the coefficients integrated out, or None and why not."""
    from bayeslme.bayes.sampling import collapsed

    fit, count = asked.fit, asked.shape[0] * asked.shape[1]
    rng = np.random.default_rng(asked.seeds[0])
    drawn = collapsed.draw(fit.design, asked.parameters, asked.priors, count, rng, fit.estimate)
    if drawn.mistrust is not None:
        return None, drawn.mistrust
    own = {"unvisited": drawn.unvisited, "populations_r_hat": drawn.r_hat}
    made = _weighted_posterior(asked, drawn, drawn.route, None, warnings=drawn.warnings, **own)
    return made, ""


def _fitted_variances(asked: _Asked) -> tuple[Posterior | None, str]:
    """The posterior where variances depend on fitted values, or None and why not."""
    from bayeslme.bayes.sampling import fitted_variances
    from bayeslme.bayes.sampling.starting import starting_points

    fit, parameters, priors = asked.fit, asked.parameters, asked.priors
    reason = fitted_variances.refused(parameters)
    if reason is not None:
        return None, reason
    rng, count = np.random.default_rng(asked.seeds[0]), asked.shape[0] * asked.shape[1]
    points = starting_points(parameters, fit.estimate, fit.design, priors)
    drawn = fitted_variances.draw(parameters, priors, points, count, rng, fit.estimate)
    if drawn is None:
        return None, "the posterior density is zero at all starting values"
    if drawn.mistrust is not None:
        return None, drawn.mistrust
    effects = {k: b.reshape(*asked.shape, *b.shape[1:]) for k, b in drawn.effects.items()}
    own = {"unvisited": drawn.unvisited, "warnings": drawn.warnings}
    return _weighted_posterior(asked, drawn, "laplace", effects, **own), ""


def _weighted_posterior(
    asked: _Asked,
    drawn: CollapsedDraws | FittedDraws,
    method: str,
    effects: Mapping[str, np.ndarray] | None = None,
    **attributes: Any,
) -> Posterior:
    """The posterior from draws with importance weights, which are described in its attributes."""
    values = {k: v.reshape(*asked.shape, *v.shape[1:]) for k, v in drawn.values.items()}
    return asked.posterior(
        values,
        {"log_weight": drawn.log_weight.reshape(asked.shape)},
        f"collapsed, {drawn.certificate}",
        effects,
        method=method,
        k_hat=drawn.k_hat,
        efficiency=drawn.efficiency,
        weights_ess=drawn.effective,
        log_evidence=drawn.log_evidence,
        log_evidence_mcse=drawn.log_evidence_mcse,
        **attributes,
    )
