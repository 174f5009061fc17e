"""Priors of a model: what the user named, the rest from a preset, resolved.

Priors of a model: what the user named, the rest from a preset. A prior is written as text
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

from bayeslme.bayes.centring import CentredEffects
from bayeslme.bayes.model_parameters import Block
from bayeslme.bayes.priors.distributions import FAMILIES, MATRIX_FAMILIES, lkj_log_density
from bayeslme.bayes.priors.language import Prior, as_prior, checked, spread
from bayeslme.errors import SpecError

FloatArray = npt.NDArray[np.float64]
PriorsLike = str | Mapping[str, Any] | None
AT_MEANS = " at the predictors' means"
RELATIVE = " times the power of a typical row"


@dataclass(frozen=True, slots=True, eq=False)
class TypicalScale:
    """The standard deviation of a typical row over sigma, exp(constant + weights @ varfunc).

    Attributes
    ----------
    weights : (k,) array
        Means over the rows of log |v| (of a power) or v (of an exponential), 0 for the others.
    constant : float
        What held powers and rates add.
    """

    weights: FloatArray
    constant: float = 0.0

    def log_factor(self, varfunc: npt.ArrayLike) -> FloatArray:
        """Logarithm of the factor (...) at values (..., k) of the variance function."""
        return np.asarray(np.asarray(varfunc, dtype=float) @ self.weights + self.constant)


@dataclass(frozen=True, slots=True, eq=False)
class ParameterPrior:
    """The prior of one variable: independent densities of coefficients or combinations of them.

    Attributes
    ----------
    block : Block
    priors : tuple of Prior
        One for each of the k coefficients; a single one for a correlation matrix.
    basis : (k, k) array or None
        Unit upper triangular: the densities are those of
        ``basis @ coefficients``. None is the identity.
    typical : TypicalScale or None
        Of sigma: the density is that of the residual standard deviation of a typical row.
    margins : CentredEffects or None
        Of the standard deviations and correlations of a level: the densities are those of its
        effects with the predictors at their means.
    relative : (k, k) array or None
        Of a variance function: the densities are those of the coefficients over
        ``exp(relative @ coefficients)``; coefficients in that have a row of zeros themselves.
    named : bool
        Whether the user gives it, or some of it.
    """

    block: Block
    priors: tuple[Prior, ...]
    basis: FloatArray | None = None
    typical: TypicalScale | None = None
    margins: CentredEffects | None = None
    relative: FloatArray | None = None
    named: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether it speaks of both signs of a correlation of which the data know the size only."""
        return self.block.image_lower is not None and self.block.lower[0] < 0

    def bounds(self, j: int) -> tuple[float, float]:
        """Interval where coefficient ``j`` has prior mass."""
        low, high = FAMILIES[self.priors[j].family].support(self.priors[j].numbers())
        if self.basis is not None:
            return low, high
        return max(low, self.block.lower[j]), min(high, self.block.upper[j])

    def log_density(
        self, x: npt.ArrayLike, others: Mapping[str, npt.ArrayLike] | None = None
    ) -> FloatArray:
        """Logarithm of the prior density.

        Parameters
        ----------
        x : array, shape (..., k), or (..., k, k) for a correlation matrix
            Natural values; (...) for a single number.
        others : mapping of variable name to array, optional
            Values of the other variables; needed where ``typical`` or ``margins`` is set.

        Returns
        -------
        array, shape (...)
            Minus infinity outside the support.
        """
        values, given = np.asarray(x, dtype=float), others or {}
        if self.margins is not None:
            values = self._at_means(values, given)
        if self.block.matrix:
            return lkj_log_density(values, self.priors[0].numbers()["eta"])
        if self.typical is not None:
            values = values * np.exp(self.typical.log_factor(given["varfunc"]))
        if self.block.dim is None:
            values = values[..., None]
        if self.basis is not None:
            values = values @ self.basis.T
        if self.relative is not None:
            values = values * np.exp(-values @ self.relative.T)
        terms = [self._one(values[..., j], j) for j in range(len(self.priors))]
        # from zeros, as a model without coefficients has no term that would tell the draws
        total = sum(terms, np.zeros(values.shape[:-1]))
        return np.asarray(total + self.log_volume(x, given))

    def log_volume(self, x: npt.ArrayLike, others: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Logarithm (...) of the change of volume to what the densities are about.

        That of predictors at their means is carried by the standard deviations.
        """
        values = np.asarray(x, dtype=float)
        if self.typical is not None:
            return self.typical.log_factor(others["varfunc"])
        if self.relative is not None:
            return np.asarray(-(values @ self.relative.T).sum(axis=-1))
        if self.margins is None or self.block.matrix:
            return np.zeros(())
        return self.margins.log_jacobian(values, self._at_means(values, others))

    def _at_means(self, x: FloatArray, others: Mapping[str, npt.ArrayLike]) -> FloatArray:
        margins = self.margins
        assert margins is not None
        if self.block.matrix:
            return margins.centred(others[margins.sd], x)[1]
        return margins.centred(x, others[margins.cor])[0]

    def log_density_of(self, x: FloatArray, chosen: Sequence[int]) -> FloatArray:
        """Log density (...) of some of the coefficients, or of their combinations, at (..., k)."""
        values = x if self.basis is None else x @ self.basis.T
        return np.asarray(sum((self._one(values[..., j], j) for j in chosen), np.zeros(())))

    def _one(self, x: FloatArray, j: int) -> FloatArray:
        prior, (low, high) = self.priors[j], self.bounds(j)
        family, args = FAMILIES[prior.family], prior.numbers()
        inside = (x > low) & (x < high)
        safe = np.where(inside, x, self.inner_point(j))
        return np.where(inside, family.log_density(safe, args) - self.log_mass(j), -np.inf)

    def log_mass(self, j: int) -> float:
        """Logarithm of what is left of prior ``j`` on its interval; 0 for an improper one."""
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
            if p.block.matrix or (
                len(set(p.priors)) == 1 and p.margins is None and p.relative is None
            ):
                label = ", ".join(p.block.coefs) if p.block.dim and not p.block.matrix else ""
                about = " of a typical row" if p.typical is not None else ""
                about = AT_MEANS if p.margins is not None else about
                rows.append((p.block.name, label, str(p.priors[0]) + about))
                continue
            basis = p.basis if p.margins is None else p.margins.basis
            for j, (name, prior) in enumerate(zip(p.block.coefs, p.priors, strict=True)):
                centred = basis is not None and np.count_nonzero(basis[j]) > 1
                measured = p.relative is not None and bool(p.relative[j].any())
                about = AT_MEANS if centred else RELATIVE if measured else ""
                rows.append((p.block.name, name, str(prior) + about))
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
    basis: FloatArray | None = None,
    typical: TypicalScale | None = None,
    at_means: Mapping[str, tuple[CentredEffects, tuple[Prior, ...]]] | None = None,
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
    typical : TypicalScale, optional
        What the default preset's prior of sigma is about; not where the user names sigma.
    at_means : mapping of variable name to CentredEffects and priors, optional
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


def _keeps(margins: CentredEffects, given: Mapping[str, Any], blocks: Mapping[str, Block]) -> bool:
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
