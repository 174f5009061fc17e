"""Several fits side by side: criteria, and likelihood ratio tests where these are valid."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from bayeslme import engine
from bayeslme.errors import FitError
from bayeslme.fit.inference.anova import Anova
from bayeslme.formula.terms import expand

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit


@dataclass(frozen=True, slots=True)
class _Entry:
    """One fit in the comparison's method."""

    fit: Fit
    df: int
    loglik: float
    counted: int

    @property
    def aic(self) -> float:
        return -2.0 * self.loglik + 2.0 * self.df

    @property
    def bic(self) -> float:
        return -2.0 * self.loglik + float(np.log(self.counted)) * self.df


def anova(
    *fits: Any, names: Sequence[str] | None = None, test: bool = True, **single: Any
) -> pd.DataFrame:
    """Compare fits of the same data; one fit alone gets its table of F tests.

    Parameters
    ----------
    *fits : Fit
        Of `lme`, `gls` and `lm`; a fit by `lm` enters with the method of the others.
    names : sequence of str, optional
        Row labels; numbers by default.
    test : bool
        Whether to give likelihood ratios.
    **single
        ``type``, ``terms``, ``L`` and ``df`` of the tests of one fit; see
        `bayeslme.fit.inference.anova.anova_of`.

    Returns
    -------
    Anova
        Columns Model, df, AIC, BIC, logLik and, where degrees of freedom differ, Test, L.Ratio,
        p-value. A ratio is left out where the two fits have equally many parameters.
        ``attrs["notes"]`` says why a ratio has no meaning.

    Raises
    ------
    FitError
        For fits that cannot be compared: other responses, other rows, other methods.

    Warns
    -----
    UserWarning
        Where fixed effects differ under REML: restricted likelihoods of different fixed effects do
        not compare.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> one = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    >>> two = one.update(random="~ age | Subject")
    >>> anova(one, two, names=["intercepts", "slopes"])[["df", "logLik", "L.Ratio"]].round(3)
                df   logLik  L.Ratio
    intercepts   4 -223.501      NaN
    slopes       6 -221.318    4.366
    """
    check_comparable(fits)
    if len(fits) == 1:
        if names is not None or not test:
            raise FitError("names, test: for several fits; one alone has a table of its terms")
        alone: pd.DataFrame = fits[0].anova(**single)
        return alone
    if single:
        raise FitError(
            f"{', '.join(single)}: for one fit, bayeslme.anova(fit, ...); several are compared as "
            "wholes"
        )
    labels = _labels(fits, names)
    method = next((f.method for f in fits if f.kind != "lm"), "ML")
    entries = [_entry(fit, method) for fit in fits]
    notes = _notes(fits, method)
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    table = _table(entries, labels, test=test)
    table.attrs["notes"] = (*notes, *(_boundary_notes(fits) if test else ()))
    return table


def check_comparable(fits: Sequence[Any], verb: str = "anova") -> None:
    """Refuse fits whose likelihoods do not compare.

    Parameters
    ----------
    fits : sequence of Fit
    verb : str
        Named in errors.

    Raises
    ------
    FitError
        For other responses, other rows, other methods, or fits with priors.
    """
    if not fits:
        raise FitError(f"{verb}: give one fit or several")
    for k, fit in enumerate(fits, start=1):
        if not hasattr(fit, "estimate"):
            raise FitError(
                f"{verb}: argument {k} is no fit of lme, gls or lm but {type(fit).__name__}; "
                "give fits one after the other, anova(fit1, fit2)"
            )
    check_responses(fits, verb)
    first = fits[0]
    for k, fit in enumerate(fits[1:], start=2):
        if fit.nobs != first.nobs or not np.array_equal(fit.design.y, first.design.y):
            raise FitError(
                f"{verb}: fit {k} uses other rows ({fit.nobs}) than fit 1 ({first.nobs}); "
                "use one subset"
            )
    if any(fit.method == "MAP" for fit in fits):
        raise FitError(
            f"{verb}: fits with priors have posterior densities, no likelihoods to compare; "
            "fit without priors, or compare samples by loo()"
        )
    methods = sorted({fit.method for fit in fits if fit.kind != "lm"})
    if len(methods) > 1:
        raise FitError(
            f"{verb}: all fits need one method, these have {' and '.join(methods)}; "
            "use update(method=...)"
        )


def check_responses(fits: Sequence[Any], verb: str) -> None:
    """Refuse fits of different responses.

    Raises
    ------
    FitError
    """
    labels = [fit.design.response_label for fit in fits]
    for k, label in enumerate(labels[1:], start=2):
        if label != labels[0]:
            raise FitError(f"{verb}: fit {k} has response {label}, fit 1 {labels[0]}")


def _labels(fits: Sequence[Fit], names: Sequence[str] | None) -> list[str]:
    if names is None:
        return [str(k) for k in range(1, len(fits) + 1)]
    if isinstance(names, str) or len(names) != len(fits):
        raise FitError(f"names: a list of {len(fits)} labels is needed, one a fit; not {names!r}")
    return [str(name) for name in names]


def _entry(fit: Fit, method: str) -> _Entry:
    """A fit's criteria; least squares is put into the method of the others."""
    n, p = fit.design.X.shape
    counted = n - p if method == "REML" else n
    return _Entry(fit, fit.df, comparable_loglik(fit, method), counted)


def comparable_loglik(fit: Fit, method: str) -> float:
    """Log-likelihood of a fit, one by least squares put into the method of the others."""
    if fit.kind == "lm" and method == "REML":
        likelihood = engine.Likelihood(fit.estimate.problem, "REML", None)
        return float(likelihood(fit.estimate.theta[None])[0])
    return fit.loglik


def fixed_terms(fit: Fit) -> frozenset[str]:
    """Terms of the fixed part, whatever their order."""
    terms = expand(fit.spec.fixed, tuple(map(str, fit.data.columns)))
    parts = {":".join(sorted(map(str, term.variables))) for term in terms.terms}
    return frozenset({*parts, *(["1"] if terms.intercept else [])})


def _notes(fits: Sequence[Fit], method: str) -> tuple[str, ...]:
    if method == "REML" and len({fixed_terms(fit) for fit in fits}) > 1:
        return (
            "fitted objects with different fixed effects: REML comparisons are not meaningful; "
            "use method='ML'",
        )
    return ()


def _boundary_notes(fits: Sequence[Fit]) -> tuple[str, ...]:
    """Say where a test asks whether a variance is zero, which is the edge of its range."""
    sizes = [fit.estimate.problem.theta_correlation.start for fit in fits]
    return tuple(
        f"{k} vs {k + 1} asks whether variances of random effects are zero, the edge of their "
        "range: the p-value is too large, rather than exact; bayeslme.simulated_lrt() simulates it"
        for k, (one, other) in enumerate(pairwise(sizes), start=1)
        if one != other
    )


def _table(entries: Sequence[_Entry], names: Sequence[str], *, test: bool) -> Anova:
    columns: dict[str, Any] = {
        "Model": range(1, len(entries) + 1),
        "df": [e.df for e in entries],
        "AIC": [e.aic for e in entries],
        "BIC": [e.bic for e in entries],
        "logLik": [e.loglik for e in entries],
    }
    pairs = list(pairwise(entries))
    if test and any(a.df != b.df for a, b in pairs):
        tests = [_ratio(a, b) for a, b in pairs]
        columns["Test"] = [
            "",
            *(f"{k} vs {k + 1}" if np.isfinite(t[0]) else "" for k, t in enumerate(tests, start=1)),
        ]
        columns["L.Ratio"] = [np.nan, *(t[0] for t in tests)]
        columns["p-value"] = [np.nan, *(t[1] for t in tests)]
    return Anova(columns, index=list(names))


def _ratio(one: _Entry, other: _Entry) -> tuple[float, float]:
    """Likelihood ratio and its upper tail; NaN where the numbers of parameters are equal."""
    apart = abs(one.df - other.df)
    if not apart:
        return np.nan, np.nan
    ratio = 2.0 * abs(one.loglik - other.loglik)
    return ratio, float(chdtrc(apart, ratio))
