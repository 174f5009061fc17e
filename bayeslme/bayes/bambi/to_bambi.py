"""A specification as a bambi model with the same priors, as far as bambi has it.

Bambi has independent random effects, one residual standard deviation or a log-linear model of it,
and independent residuals. Within that the two models have the same density: the design matrices
that bambi makes are compared with ours column by column, and every prior is handed over.

The priors correspond as follows.

    fixef            of each term, arrays for a term of several columns
    the intercept    with ``center_predictors=False`` where its prior is that of the raw intercept;
                     the default prior, which holds at the predictors' means, is the one that
                     bambi has with ``center_predictors=True``
    combinations     of coefficients, as the default priors have them for interactions, are one of
                     bambi's ``potentials``: the log density of the combinations minus that of the
                     coefficients; so it is for the intercept beside a model of sigma, which
                     ``center_predictors`` would change too
    sd_<group>       hyperprior ``sigma`` of ``Normal(mu=0, sigma=...)``, for each effect
    sigma            the component ``sigma``; a number where ``control`` holds it
    varfunc          coefficients of the component ``sigma``, whose intercept is log(sigma): logs of
                     the ratios of varIdent, the parameters themselves of varExp and varPower

Densities that are cut at the end of a parameter's interval, and those of a logarithm, are
``bambi.Prior`` objects with a ``dist`` of their own. For everything that bambi does not have, a
`SpecError` is raised.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.bayes.bambi.terms import Residual, Translation, matched, same_groups, translate
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.priors import Priors, PriorsLike
from bayeslme.bayes.priors.proper import check_response
from bayeslme.data.types import Design
from bayeslme.errors import SpecError
from bayeslme.formula.formula import offsets

if TYPE_CHECKING:
    import bambi
    import pandas as pd

    from bayeslme.spec.model import LmeSpec


def to_bambi(spec: LmeSpec, data: pd.DataFrame, priors: PriorsLike = None) -> bambi.Model:
    """Translate a specification into a bambi model of the same density.

    Parameters
    ----------
    spec : LmeSpec
        With independent random effects (`PdDiag`, or one effect a level) and no correlation
        structure; weights may be varIdent, varExp, varPower or varFixed of a column.
    data : DataFrame
    priors : None, preset name or mapping, optional
        By default the specification's, or the default preset.

    Returns
    -------
    bambi.Model
        Not built yet; its data are the rows used, factors as ordered Categoricals.

    Raises
    ------
    SpecError
        For a part of the model that bambi does not have; it is named, with what to do.

    Examples
    --------
    >>> spec = bayeslme.translate("lme(distance ~ age, random = ~ 1 | Subject)")  # doctest: +SKIP
    >>> model = spec.to_bambi(bayeslme.load_data("orthodont"))  # doctest: +SKIP
    >>> trace = model.fit()  # doctest: +SKIP
    """
    from bayeslme.data.design import build

    _refuse(spec)
    parameters = build_parameters(build(spec, data))
    resolved = resolve_priors(parameters, spec.priors if priors is None else priors)
    plan = translate(parameters)
    check_response(parameters, resolved)

    import bambi

    model = bambi.Model(
        bambi.Formula(*plan.formulas),
        plan.frame,
        center_predictors=_is_centred(resolved, parameters.design, plan),
        extra_namespace={"np": np, "pi": np.pi},
    )
    _hand_over(model, parameters, resolved, plan)
    return model


def _refuse(spec: LmeSpec) -> None:
    if spec.function == "lmList":
        raise SpecError("to_bambi: lmList is many models; bambi has one, use lme or lm")
    if offsets(spec.fixed):
        raise SpecError("to_bambi: offset() is not translated; subtract it from the response")
    known = next((one for one in spec.random if one.structure.relates_groups), None)
    if known is not None:
        raise SpecError(
            f"to_bambi: bambi has no known covariance among the groups of '{known.group}'; use "
            "to_pymc(form='hierarchical')"
        )
    if spec.correlation is not None:
        msg = (
            f"to_bambi: correlation: bambi has no {spec.correlation.r_name}, its residuals are "
            "independent given the random effects; use to_pymc()"
        )
        raise SpecError(msg)


def _is_centred(priors: Priors, design: Design, plan: Translation) -> bool:
    """Whether bambi's centring gives the intercept its prior, and touches nothing else."""
    basis = priors["fixef"].scale.combinations(len(design.x_names))
    if not design.has_intercept or plan.residual is not None:
        return False
    return bool(np.any(basis[0, 1:]) and np.allclose(basis[0], design.X.mean(axis=0)))


def _hand_over(
    model: bambi.Model, parameters: ModelParameters, priors: Priors, plan: Translation
) -> None:
    """Set priors by the names of bambi's terms, after comparing its matrices with the design's."""
    from bayeslme.bayes.bambi.priors import common_prior, margin_potential

    mu = model.parameters["mu"]
    _check_names([*mu.common_terms, model.response_term.name])
    matched(
        np.asarray(model.response_term.data), parameters.design.y, parameters.design.response_label
    )
    own, places = priors["fixef"], _places(mu, parameters.design)
    out: dict[str, Any] = {name: common_prior(own, at, name) for name, at in places.items()}
    out |= _random_priors(mu, parameters, priors, plan)
    if plan.residual is not None:
        out["sigma"] = _residual_priors(model.parameters["sigma"], priors, plan.residual)
    elif parameters.held_sigma is not None:
        out["sigma"] = np.float64(parameters.held_sigma)  # PyTensor keeps a plain float as float32
    else:
        out["sigma"] = common_prior(priors["sigma"], [0], "sigma")
    model.set_priors(out)
    potential = margin_potential(own, places, centred=model.center_predictors)
    model.potentials = None if potential is None else [potential]


def _check_names(names: list[str]) -> None:
    taken = next((name for name in names if name in {"mu", "sigma", "Intercept"}), None)
    if taken is not None:
        msg = f"to_bambi: the column '{taken}' has the name of one of bambi's parameters; rename it"
        raise SpecError(msg)


def _check_count(theirs: Collection[Any], ours: Collection[Any]) -> None:
    if len(theirs) != len(ours):
        msg = (
            f"to_bambi: bambi makes {len(theirs)} terms of {len(ours)}, for it writes two of them "
            f"alike ({', '.join(map(str, theirs))}); put one into a column of the data"
        )
        raise SpecError(msg)


def _places(mu: Any, design: Design) -> dict[str, list[int]]:
    """Bambi's terms, and which coefficients theirs are."""
    out = {"Intercept": [0]} if design.has_intercept else {}
    terms = mu.common_terms
    _check_count(terms, design.term_labels)
    for k, (name, label) in enumerate(zip(terms, design.term_labels, strict=True), start=1):
        own = np.flatnonzero(design.assign == k)
        order = matched(np.asarray(terms[name].data), design.X[:, own], label)
        out[name] = own[order].tolist()
    return out


def _random_priors(
    mu: Any, parameters: ModelParameters, priors: Priors, plan: Translation
) -> dict[str, Any]:
    from bayeslme.bayes.bambi.priors import group_prior

    out: dict[str, Any] = {}
    _check_count(mu.group_specific_terms, plan.random)
    for (name, term), part in zip(mu.group_specific_terms.items(), plan.random, strict=True):
        level = parameters.levels[part.level]
        label = f"{part.label} | {level.level.group}"
        same_groups(term.group_index, level.level.code, label)
        order = matched(np.asarray(term.predictor), level.level.Z[:, part.effects], label)
        positions = [part.effects[j] - part.shift for j in order]
        out[name] = group_prior(priors[level.sd.name], positions, label)
    return out


def _residual_priors(sigma: Any, priors: Priors, part: Residual) -> dict[str, Any]:
    from bayeslme.bayes.bambi.priors import common_prior, log_prior

    out = {"Intercept": log_prior(priors["sigma"], [0], "sigma")}
    for name, term in sigma.common_terms.items():
        order = matched(np.asarray(term.data), part.columns, part.label)
        make = log_prior if part.logs else common_prior
        out[name] = make(priors["varfunc"], order.tolist(), part.label)
    for term in sigma.offset_terms.values():
        matched(np.asarray(term.data), part.offset, part.label)
    return out
