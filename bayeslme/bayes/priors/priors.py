"""Priors of a model: what the user named, and the rest from a preset.

A prior is written as text
(``"HalfNormal(sigma=5)"``) or given as a ``bambi.Prior``; a mapping assigns priors to the variables
``fixef``, ``sigma``, ``sd_<group>``, ``cor_<group>``, ``varfunc`` and ``corstruct``, or within one
of them to its coefficients. What is not named keeps the preset's prior. A density that reaches
beyond the interval where its parameter lives is cut there and renormalised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bayeslme.bayes.model_parameters import Block
from bayeslme.bayes.priors.distributions import FAMILIES, MATRIX_FAMILIES, lkj_log_density
from bayeslme.bayes.priors.language import Prior, as_prior, checked, spread
from bayeslme.bayes.priors.scales import NATURAL, PriorScale
from bayeslme.errors import SpecError

FloatArray = npt.NDArray[np.float64]
PriorsLike = str | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class ParameterPrior:
    """The prior of one variable: independent densities of coefficients or combinations of them.

    Attributes
    ----------
    block : Block
    priors : tuple of Prior
        One for each of the k coefficients; a single one for a correlation matrix.
    scale : PriorScale
        What the densities are about: the coefficients themselves, or a change of them.
    named : bool
        Whether the user gives it, or some of it.
    """

    block: Block
    priors: tuple[Prior, ...]
    scale: PriorScale = NATURAL
    named: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether it covers both signs of correlations of which the data tell the size only.

        Where several turn together, default priors are the same for both, and need no image.
        """
        if self.block.turned_together:
            return self.named
        return self.block.image_lower is not None and self.block.lower[0] < 0

    def bounds(self, j: int) -> tuple[float, float]:
        """Interval where coefficient ``j`` has prior mass."""
        low, high = FAMILIES[self.priors[j].family].support(self.priors[j].numbers())
        return max(low, self.block.lower[j]), min(high, self.block.upper[j])

    def middle(self, j: int) -> tuple[float, float]:
        """Interval of the middle 99.8 % of the prior of coefficient ``j`` before it is cut."""
        (low, high), one = self.bounds(j), self.priors[j]
        quantile = FAMILIES[one.family].quantile
        if quantile is None:
            return low, high
        a, b = (float(quantile(np.float64(q), one.numbers())) for q in (0.001, 0.999))
        return (max(low, a), min(high, b)) if max(low, a) < min(high, b) else (low, high)

    def log_density(
        self, x: npt.ArrayLike, others: Mapping[str, npt.ArrayLike] | None = None
    ) -> FloatArray:
        """Logarithm of the prior density.

        Parameters
        ----------
        x : array, shape (..., k), or (..., k, k) for a correlation matrix
            Natural values; (...) for a single number.
        others : mapping of variable name to array, optional
            Values of the other variables; needed where the scale depends on them.

        Returns
        -------
        array, shape (...)
            Minus infinity outside the support.
        """
        natural, given = np.asarray(x, dtype=float), others or {}
        values = self.scale.apply(natural, given)
        if self.block.matrix:
            return lkj_log_density(values, self.priors[0].numbers()["eta"])
        if self.block.dim is None:
            values = values[..., None]
        terms = [self._one(values[..., j], j) for j in range(len(self.priors))]
        # from zeros, as a model without coefficients has no term that would tell the draws
        total = sum(terms, np.zeros(values.shape[:-1]))
        return np.asarray(total + self.scale.log_volume(natural, given))

    def log_density_of(self, x: FloatArray, chosen: Sequence[int]) -> FloatArray:
        """Log density (...) of some of the coefficients, or of their combinations, at (..., k)."""
        values = self.scale.apply(x, {})
        return np.asarray(sum((self._one(values[..., j], j) for j in chosen), np.zeros(())))

    def _one(self, x: FloatArray, j: int) -> FloatArray:
        prior, (low, high) = self.priors[j], self.bounds(j)
        family, args = FAMILIES[prior.family], prior.numbers()
        inside = (x > low) & (x < high)
        safe = np.where(inside, x, self.inner_point(j))
        return np.where(inside, family.log_density(safe, args) - self.log_mass(j), -np.inf)

    def log_mass(self, j: int) -> float:
        """Logarithm of the mass of prior ``j`` on its interval; 0 for an improper one."""
        prior, (low, high) = self.priors[j], self.bounds(j)
        family, args = FAMILIES[prior.family], prior.numbers()
        own_low, own_high = family.support(args)
        if family.cumulative is None:
            return float(np.log(high - low)) if np.isfinite(high - low) else 0.0
        above = 1.0 if high >= own_high else float(family.cumulative(np.float64(high), args))
        below = 0.0 if low <= own_low else float(family.cumulative(np.float64(low), args))
        with np.errstate(divide="ignore"):
            return float(np.log(above - below))

    def inner_point(self, j: int) -> float:
        """A finite point strictly inside the interval of coefficient ``j``."""
        low, high = self.bounds(j)
        if np.isfinite(low) and np.isfinite(high):
            return (low + high) / 2
        if np.isfinite(low):
            return low + 1.0
        return high - 1.0 if np.isfinite(high) else 0.0

    @property
    def is_proper(self) -> bool:
        """Whether the density has a finite integral."""
        if self.block.matrix:
            return True
        finite = [np.isfinite(np.subtract(*self.bounds(j))) for j in range(len(self.priors))]
        return all(
            FAMILIES[p.family].cumulative is not None or f
            for p, f in zip(self.priors, finite, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Priors:
    """All priors of a model; printing it shows them.

    Attributes
    ----------
    preset : str
        The preset that filled in what was not named.
    parameters : tuple of ParameterPrior
    """

    preset: str
    parameters: tuple[ParameterPrior, ...]
    _by_name: dict[str, ParameterPrior] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the parameters by name."""
        object.__setattr__(self, "_by_name", {p.block.name: p for p in self.parameters})

    def __getitem__(self, name: str) -> ParameterPrior:
        """Return the prior of a variable."""
        return self._by_name[name]

    def __iter__(self) -> Any:
        """Iterate over the parameters' priors."""
        return iter(self.parameters)

    @property
    def is_proper(self) -> bool:
        """Whether every prior is proper."""
        return all(p.is_proper for p in self.parameters)

    def log_density(self, values: Mapping[str, npt.ArrayLike]) -> dict[str, FloatArray]:
        """Log prior density of each variable.

        Parameters
        ----------
        values : mapping of variable name to array (..., k)

        Returns
        -------
        dict of variable name to array (...)
        """
        return {p.block.name: p.log_density(values[p.block.name], values) for p in self.parameters}

    def table(self) -> list[tuple[str, str, str]]:
        """Rows (variable, coefficient, prior), coefficients that share a prior in one row."""
        rows = []
        for p in self.parameters:
            texts = [f"{prior}{p.scale.describe(j)}" for j, prior in enumerate(p.priors)]
            if p.block.matrix or len(set(texts)) == 1:
                label = ", ".join(p.block.coefs) if p.block.dim and not p.block.matrix else ""
                rows.append((p.block.name, label, texts[0]))
            else:
                pairs = zip(p.block.coefs, texts, strict=True)
                rows += [(p.block.name, name, text) for name, text in pairs]
        return rows

    def __str__(self) -> str:
        """List the priors, one line for each."""
        rows = self.table()
        first = max((len(f"{v} {c}".strip()) for v, c, _ in rows), default=0)
        lines = [f"{f'{v} {c}'.strip():<{first}}  ~ {text}" for v, c, text in rows]
        return "\n".join([f"Priors ({self.preset}):", *(f"  {line}" for line in lines)])

    __repr__ = __str__


def resolve(
    priors: PriorsLike,
    blocks: Sequence[Block],
    presets: Mapping[str, Mapping[str, tuple[Prior, ...]]],
    scales: Mapping[str, PriorScale] | None = None,
    centred: Mapping[str, tuple[Prior, ...]] | None = None,
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
    scales : mapping of variable name to PriorScale, optional
        What the default preset's priors are about; what the user names leaves it.
    centred : mapping of variable name to priors, optional
        The default preset's priors of a level's standard deviations and correlations at the
        predictors' means, in use where the user's priors leave them there.

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
            msg = f"priors: '{name}' is not a parameter of this model; it has {', '.join(names)}"
            raise SpecError(msg)
    out, own_scales = [], (scales or {}) if preset == "default" else {}
    for block in blocks:
        scale = own_scales.get(block.name, NATURAL).without(block, given)
        at_means = scale.effects is not None
        defaults = (centred or {})[block.name] if at_means else presets[preset][block.name]
        out.append(replace(_resolve_one(given.get(block.name), block, defaults), scale=scale))
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


def _resolve_one(given: Any, block: Block, defaults: tuple[Prior, ...]) -> ParameterPrior:
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
    elif isinstance(given, list | tuple):
        if block.matrix or len(given) != len(block.coefs):
            has = "takes one prior" if block.matrix else f"has {', '.join(block.coefs)}"
            msg = f"priors: '{block.name}' {has}; {len(given)} priors are listed"
            raise SpecError(msg)
        named = set(block.coefs)
        pairs = zip(given, block.coefs, strict=True)
        chosen = [spread(as_prior(one, coef), [coef], coef)[0] for one, coef in pairs]
    else:
        prior = as_prior(given, block.name)
        count = block.coefs[:1] if block.matrix else block.coefs
        chosen, named = list(spread(prior, count, block.name)), set(block.coefs)
    chosen = [_statement(prior, block, j) for j, prior in enumerate(chosen)]
    image = block.image_lower
    if named and image is not None:
        low, _ = ParameterPrior(replace(block, lower=(image,)), tuple(chosen)).bounds(0)
        block = replace(block, lower=(image if low < 0 else 0.0,))
    result = ParameterPrior(block, tuple(chosen), named=bool(named))
    _check_support(result)
    return result


def _statement(prior: Prior, block: Block, j: int) -> Prior:
    """Give a penalised-complexity prior the form of what it is about.

    Raises
    ------
    SpecError
        If there is none, or a range is given another dimension than its coordinates have.
    """
    if prior.family == "TruncatedNormal":  # its own ends, inside of where the parameter lives
        numbers = prior.numbers()
        lower, upper = max(numbers["lower"], block.lower[j]), min(numbers["upper"], block.upper[j])
        own = {**numbers, "lower": lower, "upper": upper}
        return Prior(prior.family, tuple(own.items())) if lower < upper else prior
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
