"""Priors of a model, resolved: what each variable's density is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bayeslme.bayes.families import FAMILIES
from bayeslme.bayes.lkj import lkj_log_density
from bayeslme.bayes.margins import Margins
from bayeslme.bayes.parameters import Block
from bayeslme.bayes.prior_language import Prior

FloatArray = npt.NDArray[np.float64]
PriorsLike = str | Mapping[str, Any] | None
AT_MEANS = " at the predictors' means"
RELATIVE = " times the power of a typical row"


@dataclass(frozen=True, slots=True, eq=False)
class Typical:
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
    typical : Typical or None
        Of sigma: the density is that of the residual standard deviation of a typical row.
    margins : Margins or None
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
    typical: Typical | None = None
    margins: Margins | None = None
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
