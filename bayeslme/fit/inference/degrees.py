"""Denominator degrees of freedom: inner-outer, Satterthwaite, Kenward and Roger.

Denominator degrees of freedom by the inner-outer rule. A coefficient is estimated at the innermost
level at which its column varies; a level with G groups inside G' outer ones, at which p
coefficients are estimated, leaves G - G' - p degrees of freedom (Pinheiro and Bates 2000, section
2.4.2). A term is estimated where its innermost column is, and a test of terms counts all its
columns there. The intercept takes the largest of them. Where the model has no intercept, nlme
counts one degree of freedom more at every level; so does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from bayeslme.data.types import Design
from bayeslme.engine.inference.kenward_roger import Form, KenwardRoger, kenward_roger
from bayeslme.engine.inference.satterthwaite import Sensitivity, sensitivity
from bayeslme.errors import FitError, SpecError
from bayeslme.fit.inference.hypotheses import quadratic
from bayeslme.fit.settings import SETTINGS

if TYPE_CHECKING:
    from bayeslme.fit.numbers import Numbers


FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
VcovType = Literal["model", "CR0", "CR1", "CR1S", "CR2", "CR3"]
DfMethod = Literal[
    "inner-outer",
    "satterthwaite",
    "kenward-roger",
    "kenward-roger-observed",
    "kenward-roger-linear",
    "between-within",
    "residual",
]
FLAT = (
    "the likelihood is flat along a direction of the variance parameters; what rests on it has DF "
    "near 0"
)
METHODS: tuple[str, ...] = get_args(DfMethod)
KENWARD_ROGER: dict[str, Form] = {
    "kenward-roger": "expected",
    "kenward-roger-observed": "observed",
    "kenward-roger-linear": "linear",
}
SAID: dict[Form, str] = {
    "expected": "",
    "observed": " (kenward-roger-observed)",
    "linear": " (kenward-roger-linear)",
}


class SmallSample(Protocol):
    """Tests of contrasts with degrees of freedom computed from the fit."""

    @property
    def vcov(self) -> FloatArray:
        """Covariance (p, p) of the coefficients behind the tests."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is said below a table."""

    def test(self, rows: FloatArray) -> tuple[float, float]:
        """F of contrasts (r, p) and its denominator degrees of freedom."""


@dataclass(frozen=True)
class SatterthwaiteTests:
    """The usual F, with Satterthwaite's denominators."""

    fit: Numbers

    @cached_property
    def sensitivity(self) -> Sensitivity:
        """How the covariance of the coefficients moves with the variance parameters."""
        return sensitivity(self.fit.estimate)

    @property
    def vcov(self) -> FloatArray:
        """As behind the usual tests."""
        return self.fit.test_vcov

    @property
    def notes(self) -> tuple[str, ...]:
        """The method, and how much of the variances counts as known."""
        found = ["denominator DF by Satterthwaite"]
        if any(not np.all(np.any(factor, axis=1)) for factor in self.fit.estimate.factors):
            found.append("variances estimated as zero count as known in the DF")
        if self.sensitivity.flat:
            found.append(FLAT)
        return tuple(found)

    def test(self, rows: FloatArray) -> tuple[float, float]:
        """F of contrasts (r, p) and its denominator degrees of freedom."""
        f = quadratic(rows @ self.fit.estimate.beta, rows @ self.vcov @ rows.T) / len(rows)
        return f, self.sensitivity.degrees(rows)


@dataclass(frozen=True)
class KenwardRogerTests:
    """F from the adjusted covariance, scaled, with the denominators that belong to it."""

    fit: Numbers
    form: Form = "expected"

    @cached_property
    def _pieces(self) -> KenwardRoger:
        near = None if self.form == "expected" else self.fit.satterthwaite.sensitivity
        return kenward_roger(self.fit.estimate, self.form, near)

    @property
    def vcov(self) -> FloatArray:
        """The adjusted covariance."""
        return self._pieces.adjusted

    @property
    def notes(self) -> tuple[str, ...]:
        """The method, and whether something counts as known."""
        own = f"standard errors, F and denominator DF by Kenward and Roger{SAID[self.form]}"
        return (own, FLAT) if len(self._pieces.loose) else (own,)

    def test(self, rows: FloatArray) -> tuple[float, float]:
        """Scaled F of contrasts (r, p) and its denominator degrees of freedom."""
        f = quadratic(rows @ self.fit.estimate.beta, rows @ self.vcov @ rows.T) / len(rows)
        scale, den = self._pieces.scaling(rows)
        return scale * f, den


@dataclass(frozen=True)
class CountedTests:
    """The usual F, with denominators counted for each coefficient.

    Several coefficients tested together have the fewest of theirs.
    """

    fit: Numbers
    columns: IntArray
    note: str

    @property
    def vcov(self) -> FloatArray:
        """As behind the usual tests."""
        return self.fit.test_vcov

    @property
    def notes(self) -> tuple[str, ...]:
        """The rule."""
        return (self.note,)

    def test(self, rows: FloatArray) -> tuple[float, float]:
        """F of contrasts (r, p) and its denominator degrees of freedom."""
        f = quadratic(rows @ self.fit.estimate.beta, rows @ self.vcov @ rows.T) / len(rows)
        return f, float(fewest(self.columns, rows).min())


def fewest(columns: npt.ArrayLike, rows: FloatArray) -> FloatArray:
    """Fewest degrees of freedom (r,) of the coefficients with a part in each of the rows (r, p)."""
    part = np.abs(rows) > SETTINGS.negligible_share * np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(np.where(part, np.asarray(columns, float), np.inf).min(axis=1))


def of_coefficients(method: SmallSample, p: int) -> FloatArray:
    """Degrees of freedom (p,) of each coefficient."""
    return np.array([method.test(row[None])[1] for row in np.eye(p)])


def small_sample(
    fit: Numbers, df: DfMethod | None = None, vcov: VcovType | None = None
) -> SmallSample | None:
    """Tests by a method; None where the inner-outer rule, or n - p, is what is asked for.

    Where no method is named, that of the fit is taken.

    In a linear model with independent residuals of one variance n - p is exact and every method
    gives it.

    Parameters
    ----------
    fit : Fit
    df : str, optional
        By default the fit's own: the inner-outer rule, Satterthwaite's for `lmer` and crossed
        random effects, or what `mmrm` was called with.
    vcov : str, optional
        A covariance robust to a wrong model of the variances, with degrees of freedom of its own.

    Raises
    ------
    SpecError
        For an unknown method.
    FitError
        For fits with priors, and by Kenward and Roger for fits by maximum likelihood.
    """
    if vcov is not None and vcov != "model":
        return _robust(fit, df, vcov)
    if df in ("inner-outer", "between-within") and fit.design.crossed:
        raise FitError(
            f"df: {df!r} counts groups of nested levels, and {fit.design.crossed_how}; use "
            "'satterthwaite' or 'kenward-roger'"
        )
    df = fit.default_df if df is None else df
    if df not in METHODS:
        raise SpecError(f"df: {df!r} is none of {', '.join(map(repr, METHODS))}")
    if df == "inner-outer" or fit.kind == "lm":
        return None
    if df in ("residual", "between-within"):
        columns = residual(fit.design).columns
        if df == "between-within":
            columns = between_within(fit.design)
        return CountedTests(fit, columns, f"denominator DF by the rule '{df}'")
    if fit.method == "MAP":
        raise FitError(
            f"df: {df!r} is for fits without priors; use 'inner-outer', or the posterior of "
            "fit.sample()"
        )
    if df == "satterthwaite":
        return fit.satterthwaite
    if fit.method != "REML":
        raise FitError(
            f"df: {df!r} is for fits by REML, this one is by ML; fit it again with "
            "fit.update(method='REML') or use 'satterthwaite'"
        )
    if df not in fit.small_samples:
        fit.small_samples[df] = KenwardRogerTests(fit, KENWARD_ROGER[df])
    return fit.small_samples[df]


def _robust(fit: Numbers, df: DfMethod | None, vcov: VcovType) -> SmallSample:
    from bayeslme.fit.inference.sandwich import SandwichTests

    if df is not None:
        raise FitError(
            f"df: with vcov={vcov!r} the degrees of freedom are Bell and McCaffrey's; leave df out"
        )
    return SandwichTests.of(fit, vcov)


@dataclass(frozen=True, slots=True)
class Degrees:
    """Denominator degrees of freedom.

    Attributes
    ----------
    columns : (p,) int array
        For each coefficient.
    terms : (t,) int array
        For each term, the intercept (where there is one) first.
    """

    columns: IntArray
    terms: IntArray


def constant_within(x: npt.NDArray[np.float64], code: IntArray) -> npt.NDArray[np.bool_]:
    """Tell which columns do not vary inside any group.

    Parameters
    ----------
    x : (n, p) array
    code : (n,) int array
        Group of each row; all of 0 to G - 1 occur.

    Returns
    -------
    (p,) bool array
    """
    _, first = np.unique(code, return_index=True)
    return np.asarray((x == x[first][code]).all(axis=0))


def column_levels(design: Design) -> IntArray:
    """Level at which each column is estimated: 1 the outermost grouping, K + 1 the observations.

    Returns
    -------
    (p,) int array
        0 for a constant column, the intercept.
    """
    inner = np.array([~constant_within(design.X, level.code) for level in design.levels])
    levels = 1 + inner.reshape(len(design.levels), -1).sum(axis=0)
    return np.where((design.X[0] == design.X).all(axis=0), 0, levels)


def inner_outer(design: Design) -> Degrees:
    """Denominator degrees of freedom of every coefficient and every term.

    Parameters
    ----------
    design : Design

    Returns
    -------
    Degrees
    """
    levels = column_levels(design)
    terms, size = np.unique(design.assign, return_counts=True)
    innermost = np.array([levels[design.assign == k].max() for k in terms], dtype=np.intp)
    return Degrees(_left(design, levels, np.ones(len(levels))), _left(design, innermost, size))


def _left(design: Design, levels: IntArray, size: npt.NDArray[np.float64 | np.intp]) -> IntArray:
    """Degrees of freedom (m,) for parts of so many columns, estimated at these levels (m,)."""
    counts = np.array([1, *(len(level.labels) for level in design.levels), len(design.y)])
    spent = np.bincount(levels, size, minlength=len(counts)).astype(int)
    left = np.diff(counts) - spent[1:] + (1 if spent[0] == 0 else 0)
    return np.asarray(np.where(levels > 0, left[levels - 1], left.max()))


def residual(design: Design) -> Degrees:
    """Degrees of freedom without groups: n - p for every coefficient and term."""
    left = len(design.y) - design.X.shape[1]
    return Degrees(np.full(len(design.assign), left), np.full(len(np.unique(design.assign)), left))


def between_within(design: Design) -> IntArray:
    """Degrees of freedom (p,): subjects for what is constant within them, rows for the rest.

    Subjects are the outermost groups, of `gls` those of the correlation.

    Raises
    ------
    FitError
        Where there are no groups.
    """
    code = subjects(design)
    if code is None:
        raise FitError(
            "df: 'between-within' counts subjects, and this model has no groups; use 'residual'"
        )
    constant = (design.X[0] == design.X).all(axis=0)
    between = constant_within(design.X, code) & ~constant
    g, n = int(code.max()) + 1, len(design.y)
    others = int(np.sum(~between & ~constant))
    left = (g - int(constant.any()) - int(between.sum()), n - g - others)
    if min(left) < 1:
        raise FitError(
            f"df: 'between-within' leaves {left[0]} degrees of freedom between subjects and "
            f"{left[1]} within; use 'satterthwaite'"
        )
    return np.where(between, left[0], left[1])


def subjects(design: Design) -> IntArray | None:
    """Outermost group (n,) of each row, of `gls` its correlation group; None without groups."""
    if design.levels:
        return design.levels[0].code
    return None if design.correlation is None else design.correlation.code
