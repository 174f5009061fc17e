"""Priors of a model: what the user named, the rest from a preset.

A prior is written as text (``"HalfNormal(sigma=5)"``) or given as a ``bambi.Prior``; a mapping
assigns priors to the variables ``fixef``, ``sigma``, ``sd_<group>``, ``cor_<group>``, ``varfunc``
and ``corstruct``, or within one of them to its coefficients. What is not named keeps the preset's
prior. A density that reaches beyond the interval where its parameter lives is cut there and
renormalised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bayeslme.bayes.families import MATRIX_FAMILIES
from bayeslme.bayes.margins import Margins
from bayeslme.bayes.parameters import Block
from bayeslme.bayes.prior_language import Prior, as_prior, checked, spread
from bayeslme.bayes.priors import FloatArray, ParameterPrior, Priors, PriorsLike, Typical
from bayeslme.errors import SpecError


def resolve(
    priors: PriorsLike,
    blocks: Sequence[Block],
    presets: Mapping[str, Mapping[str, tuple[Prior, ...]]],
    basis: FloatArray | None = None,
    typical: Typical | None = None,
    at_means: Mapping[str, tuple[Margins, tuple[Prior, ...]]] | None = None,
    relative: FloatArray | None = None,
) -> Priors:
    """Join the user's priors with a preset.

    Parameters
    ----------
    priors : None, the name of a preset, or a mapping from variables to priors (or to mappings from
    coefficients to priors)
        The mapping may name its preset under the key ``"preset"``.
    blocks : sequence of Block
        The model's variables.
    presets : mapping of preset name to variable name to priors
    basis : (p, p) array, optional
        The default preset's basis of ``fixef``; coefficients the user names leave it.
    typical : Typical, optional
        What the default preset's prior of sigma is about; not where the user names sigma.
    at_means : mapping of variable name to Margins and priors, optional
        What the default preset says of a level's standard deviations and correlations with the
        predictors at their means; not where the user names the correlations, or a standard
        deviation that these make another one.
    relative : (k, k) array, optional
        What the default preset measures constants of ``varfunc`` by; not those the user names.

    Raises
    ------
    SpecError
        For an unknown preset, variable or coefficient, or a prior without mass where its parameter
        lives.
    """
    given = _as_mapping(priors)
    preset = given.pop("preset", "default")
    if preset not in presets:
        msg = f"priors: unknown preset {preset!r}; presets are {', '.join(presets)}"
        raise SpecError(msg)
    names = [b.name for b in blocks]
    for name in given:
        if name not in names:
            msg = f"priors: '{name}' is no parameter of this model; it has {', '.join(names)}"
            raise SpecError(msg)
    out, by_name = [], {block.name: block for block in blocks}
    for block in blocks:
        own = basis if block.kind == "fixef" and preset == "default" else None
        one = _resolve_one(given.get(block.name), block, presets[preset][block.name], own)
        if block.kind == "sigma" and preset == "default" and block.name not in given:
            one = replace(one, typical=typical)
        if block.kind == "varfunc" and preset == "default" and relative is not None:
            one = replace(one, relative=_unnamed(relative, given.get(block.name, {}), block))
        margins, centred = (at_means or {}).get(block.name, (None, ()))
        if margins is not None and preset == "default" and _keeps(margins, given, by_name):
            named = given.get(block.name) or {}
            pairs = zip(block.coefs, one.priors, strict=block.kind == "sd")
            theirs = {c: p for c, p in pairs if c in named}
            kept = (theirs.get(c, p) for c, p in zip(block.coefs, centred, strict=False))
            one = replace(one, priors=tuple(kept), margins=margins)
        out.append(one)
    custom = f"{preset} where not named" if given else preset
    return Priors(custom, tuple(out))


def _as_mapping(priors: PriorsLike) -> dict[str, Any]:
    if isinstance(priors, str):
        return {"preset": priors}
    if priors is None or hasattr(priors, "keys"):
        return dict(priors or {})
    msg = (
        "priors: a preset's name or a mapping from parameters to priors is needed, such as "
        f"{{'sigma': 'HalfNormal(sigma=5)'}}, not a {type(priors).__name__}"
    )
    raise SpecError(msg)


def _keeps(margins: Margins, given: Mapping[str, Any], blocks: Mapping[str, Block]) -> bool:
    """Whether the user leaves a level's prior with the predictors at their means."""
    named = given.get(margins.sd) or {}
    if given.get(margins.cor) or not isinstance(named, Mapping):
        return False
    coefs = blocks[margins.sd].coefs
    return all(np.count_nonzero(margins.basis[coefs.index(c)]) == 1 for c in named)


def _unnamed(relative: FloatArray, named: Any, block: Block) -> FloatArray | None:
    """Rows of what the user says nothing of; None if none is left."""
    out = relative.copy()
    if not isinstance(named, Mapping):
        return None
    out[[block.coefs.index(c) for c in named]] = 0.0
    return out if out.any() else None


def _resolve_one(
    given: Any, block: Block, defaults: tuple[Prior, ...], basis: FloatArray | None
) -> ParameterPrior:
    if given is None:
        chosen, named = list(defaults), set()
    elif isinstance(given, Mapping):
        chosen, named = list(defaults), set(given)
        for coef, prior in given.items():
            if block.matrix or coef not in block.coefs:
                what = "takes one prior" if block.matrix else f"has {', '.join(block.coefs)}"
                msg = f"priors: '{block.name}' has no coefficient '{coef}'; it {what}"
                raise SpecError(msg)
            chosen[block.coefs.index(coef)] = spread(as_prior(prior, coef), [coef], coef)[0]
    else:
        prior = as_prior(given, block.name)
        count = block.coefs[:1] if block.matrix else block.coefs
        chosen, named = list(spread(prior, count, block.name)), set(block.coefs)
    chosen = [_statement(prior, block, j) for j, prior in enumerate(chosen)]
    basis = None if basis is None else _natural_rows(basis, [block.coefs.index(c) for c in named])
    image = block.image_lower
    if named and image is not None:
        low, _ = ParameterPrior(replace(block, lower=(image,)), tuple(chosen)).bounds(0)
        block = replace(block, lower=(image if low < 0 else 0.0,))
    result = ParameterPrior(block, tuple(chosen), basis, named=bool(named))
    _check_support(result)
    return result


def _natural_rows(basis: FloatArray, named: list[int]) -> FloatArray | None:
    """Let what the user named speak of the coefficients themselves; None if that leaves nothing."""
    out = basis.copy()
    out[named] = np.eye(len(basis))[named]
    return None if np.array_equal(out, np.eye(len(basis))) else out


def _statement(prior: Prior, block: Block, j: int) -> Prior:
    """Give a penalised-complexity prior the form of what it is about.

    Raises
    ------
    SpecError
        If there is none, or a range is given another dimension than its coordinates have.
    """
    if not prior.family.startswith("PC"):
        return prior
    about, args = (block.kind, block.structure, block.coefs[j]), dict(prior.args)
    if block.kind in ("sd", "sigma") and prior.family == "PC":
        return prior
    if block.autoregressive and prior.family in ("PC", "PCCorrelation"):
        return checked(Prior("PCCorrelation", prior.args), block.name)
    if about[1:] == ("corExp", "range") and prior.family == "PCRange":
        if args["dimension"] not in (0.0, float(block.dimension)):
            has = f"the positions of '{block.name}' have {block.dimension} coordinates"
            msg = f"priors: {prior}: {has}"
            raise SpecError(msg)
        args["dimension"] = float(block.dimension)
        return Prior("PCRange", tuple(args.items()))
    msg = (
        f"priors: {prior} does not fit '{block.name}' ({block.coefs[j]}); PC(upper, alpha) is for "
        "standard deviations and Phi of corAR1, corCAR1, corARMA(p = 1), PCRange(lower, alpha) for "
        "corExp's range"
    )
    raise SpecError(msg)


def _check_support(p: ParameterPrior) -> None:
    for j, prior in enumerate(p.priors):
        if (prior.family in MATRIX_FAMILIES) != p.block.matrix:
            kind = (
                "a correlation matrix: use LKJ(eta=1)"
                if p.block.matrix
                else "no correlation matrix"
            )
            msg = f"priors: {prior} does not fit '{p.block.name}', which is {kind}"
            raise SpecError(msg)
        if p.block.matrix:
            continue
        low, high = p.bounds(j)
        if low >= high or np.isneginf(p.log_mass(j)):
            msg = (
                f"priors: {prior} has no mass where '{p.block.name}' ({p.block.coefs[j]}) lives, "
                f"({p.block.lower[j]:g}, {p.block.upper[j]:g})"
            )
            raise SpecError(msg)
