"""What the densities of a prior are about: the parameter itself, or a change of it.

Some default priors are not about a parameter as it is stored. The prior of the intercept is about
the mean response at the predictors' means, that of sigma about the residual standard deviation of a
typical row, those of a level's standard deviations and correlations about its effects at the
predictors' means, and that of a constant of a variance function about its ratio to a power of a
typical row. Each of these is one `PriorScale`; everything that evaluates, draws, prints or stores a
prior asks it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, override

import numpy as np
import numpy.typing as npt

from bayeslme.bayes.centring import CentredEffects
from bayeslme.bayes.model_parameters import Block

FloatArray = npt.NDArray[np.float64]
Values = Mapping[str, npt.ArrayLike]
AT_MEANS = " at the predictors' means"


class PriorScale(ABC):
    """The change of a variable to the numbers that its prior densities are about.

    Attributes
    ----------
    kind : str
        Key of the scale in a stored posterior.
    effects : CentredEffects or None
        Of a level whose effects are taken at the predictors' means.
    """

    kind: str = ""

    @property
    def effects(self) -> CentredEffects | None:
        """The level's effects at the predictors' means; None on every other scale."""
        return None

    @abstractmethod
    def apply(self, x: FloatArray, others: Values) -> FloatArray:
        """Values that the densities are about.

        Parameters
        ----------
        x : array, shape (..., k), (..., k, k) for a correlation matrix, (...) for one number
            Natural values of the variable.
        others : mapping of variable name to array
            Natural values of the other variables.
        """

    @abstractmethod
    def undo(self, name: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Natural values of the variable ``name``, and of those that change together with it.

        Parameters
        ----------
        name : str
        values : mapping of variable name to array
            The variable's own values on this scale.
        """

    @abstractmethod
    def log_volume(self, x: FloatArray, others: Values) -> FloatArray:
        """Logarithm (...) of the Jacobian determinant of ``apply`` at natural values."""

    def describe(self, j: int) -> str:
        """Words that follow the prior of coefficient ``j`` in print."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """What a stored posterior holds, under the scale's kind."""
        return {}

    def without(self, block: Block, given: Mapping[str, Any]) -> PriorScale:
        """Return the scale that is left once the user has named some priors.

        Parameters
        ----------
        block : Block
        given : mapping of variable name to prior, or to mapping of coefficient to prior
        """
        return self

    def combinations(self, k: int) -> FloatArray:
        """Matrix (k, k) of the linear combinations that the densities are about."""
        return np.eye(k)

    def log_units(self, k: int) -> FloatArray:
        """Matrix (k, k) that takes the coefficients to the logarithms of their units."""
        return np.zeros((k, k))


class NaturalScale(PriorScale):
    """The variable as it is stored."""

    @override
    def apply(self, x: FloatArray, others: Values) -> FloatArray:
        return x

    @override
    def undo(self, name: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {name: values[name]}

    @override
    def log_volume(self, x: FloatArray, others: Values) -> FloatArray:
        return np.zeros(())


NATURAL = NaturalScale()


@dataclass(frozen=True, slots=True, eq=False)
class Combinations(PriorScale):
    """Coefficients with the terms that contain them at their means.

    Attributes
    ----------
    basis : (k, k) array
        Unit upper triangular, so that the volume does not change.
    """

    basis: FloatArray
    kind = "basis"

    @override
    def apply(self, x: FloatArray, others: Values) -> FloatArray:
        return x @ self.basis.T

    @override
    def undo(self, name: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {name: np.linalg.solve(self.basis, values[name].T).T}

    @override
    def log_volume(self, x: FloatArray, others: Values) -> FloatArray:
        return np.zeros(())

    @override
    def describe(self, j: int) -> str:
        return _at_means(self.basis, j)

    @override
    def to_dict(self) -> dict[str, Any]:
        return {self.kind: self.basis.tolist()}

    @override
    def without(self, block: Block, given: Mapping[str, Any]) -> PriorScale:
        # a prior that the user names is about the coefficient itself
        out, unit = self.basis.copy(), np.eye(len(self.basis))
        named = [block.coefs.index(c) for c in _named(block, given)]
        out[named] = unit[named]
        return NATURAL if np.array_equal(out, unit) else Combinations(out)

    @override
    def combinations(self, k: int) -> FloatArray:
        return self.basis


@dataclass(frozen=True, slots=True, eq=False)
class TypicalScale(PriorScale):
    """The standard deviation of a typical row, sigma exp(constant + weights @ varfunc).

    Attributes
    ----------
    weights : (k,) array
        Means over the rows of log |v| (of a power) or v (of an exponential), 0 for the others.
    constant : float
        What held powers and rates add.
    """

    weights: FloatArray
    constant: float = 0.0
    kind = "typical"

    def log_factor(self, varfunc: npt.ArrayLike) -> FloatArray:
        """Logarithm of the factor (...) at values (..., k) of the variance function."""
        return np.asarray(np.asarray(varfunc, dtype=float) @ self.weights + self.constant)

    @override
    def apply(self, x: FloatArray, others: Values) -> FloatArray:
        return np.asarray(x * np.exp(self.log_factor(others["varfunc"])))

    @override
    def undo(self, name: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {name: values[name] * np.exp(-self.log_factor(values["varfunc"]))}

    @override
    def log_volume(self, x: FloatArray, others: Values) -> FloatArray:
        return self.log_factor(others["varfunc"])

    @override
    def describe(self, j: int) -> str:
        return " of a typical row"

    @override
    def to_dict(self) -> dict[str, Any]:
        return {self.kind: [self.weights.tolist(), self.constant]}

    @override
    def without(self, block: Block, given: Mapping[str, Any]) -> PriorScale:
        return NATURAL if _named(block, given) else self


@dataclass(frozen=True, slots=True, eq=False)
class RelativeConstants(PriorScale):
    """Constants of a variance function over the power of a typical row.

    Attributes
    ----------
    matrix : (k, k) array
        The densities are those of the coefficients over ``exp(matrix @ coefficients)``. The
        coefficients in the exponent have rows of zeros themselves.
    """

    matrix: FloatArray
    kind = "relative"

    @override
    def apply(self, x: FloatArray, others: Values) -> FloatArray:
        return np.asarray(x * np.exp(-x @ self.matrix.T))

    @override
    def undo(self, name: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {name: values[name] * np.exp(values[name] @ self.matrix.T)}

    @override
    def log_volume(self, x: FloatArray, others: Values) -> FloatArray:
        return np.asarray(-(x @ self.matrix.T).sum(axis=-1))

    @override
    def describe(self, j: int) -> str:
        return " times the power of a typical row" if self.matrix[j].any() else ""

    @override
    def to_dict(self) -> dict[str, Any]:
        return {self.kind: self.matrix.tolist()}

    @override
    def without(self, block: Block, given: Mapping[str, Any]) -> PriorScale:
        out = self.matrix.copy()
        out[[block.coefs.index(c) for c in _named(block, given)]] = 0.0
        return RelativeConstants(out) if out.any() else NATURAL

    @override
    def log_units(self, k: int) -> FloatArray:
        return self.matrix


@dataclass(frozen=True, slots=True, eq=False)
class EffectsAtMeans(PriorScale):
    """Standard deviations or correlations of a level's effects at the predictors' means.

    Attributes
    ----------
    centred : CentredEffects
    matrix : bool
        Whether the variable is the correlation matrix. The standard deviations carry the volume of
        both, and both are undone together with them.
    """

    centred: CentredEffects
    matrix: bool
    kind = "margins"

    @property
    @override
    def effects(self) -> CentredEffects:
        return self.centred

    @override
    def apply(self, x: FloatArray, others: Values) -> FloatArray:
        if self.matrix:
            return self.centred.centred(others[self.centred.sd], x)[1]
        return self.centred.centred(x, others[self.centred.cor])[0]

    @override
    def undo(self, name: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        own = self.centred
        if self.matrix:
            return {}
        natural = own.natural(values[own.sd], values[own.cor])
        return dict(zip((own.sd, own.cor), natural, strict=True))

    @override
    def log_volume(self, x: FloatArray, others: Values) -> FloatArray:
        if self.matrix:
            return np.zeros(())
        return self.centred.log_jacobian(x, self.apply(x, others))

    @override
    def describe(self, j: int) -> str:
        return AT_MEANS if self.matrix else _at_means(self.centred.basis, j)

    @override
    def to_dict(self) -> dict[str, Any]:
        return {self.kind: True}  # the rest follows from the data

    @override
    def without(self, block: Block, given: Mapping[str, Any]) -> PriorScale:
        # block.coefs are the effects, of the standard deviations and of the matrix alike
        sd = given.get(self.centred.sd) or {}
        if given.get(self.centred.cor) or not isinstance(sd, Mapping):
            return NATURAL
        known = [block.coefs.index(c) for c in sd if c in block.coefs]
        moved = np.count_nonzero(self.centred.basis[known], axis=1) > 1
        return NATURAL if moved.any() else self


def stored_scale(name: str, record: Mapping[str, Any], default: PriorScale) -> PriorScale:
    """Scale of a variable's prior from the record of a stored posterior.

    Parameters
    ----------
    name : str
        The variable.
    record : mapping of kind to mapping of variable name to what ``to_dict`` gave
    default : PriorScale
        That of the default preset, which has a level's effects at the predictors' means.
    """
    if name in record.get(EffectsAtMeans.kind, ()):
        return default
    if name in record.get(TypicalScale.kind, ()):
        weights, constant = record[TypicalScale.kind][name]
        return TypicalScale(np.array(weights), constant)
    for kind in (Combinations, RelativeConstants):
        if name in record.get(kind.kind, ()):
            return kind(np.array(record[kind.kind][name]))
    return NATURAL


def _at_means(basis: FloatArray, j: int) -> str:
    return AT_MEANS if np.count_nonzero(basis[j]) > 1 else ""


def _named(block: Block, given: Mapping[str, Any]) -> Collection[str]:
    """Coefficients of a variable whose priors the user gives."""
    own = given.get(block.name)
    if own is None:
        return ()
    if isinstance(own, Mapping):  # an unknown coefficient is refused elsewhere
        return [c for c in own if c in block.coefs]
    return block.coefs
