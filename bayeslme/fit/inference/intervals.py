"""Confidence intervals: approximate ones, and those of the profile likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaincinv, ndtri

from bayeslme.engine.inference.information import Information
from bayeslme.engine.inference.parameter_blocks import ParameterBlock
from bayeslme.engine.inference.profile import profile_coefficients, profile_variances
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_probability
from bayeslme.fit.inference.degrees import DfMethod, SmallSample, of_coefficients, small_sample
from bayeslme.fit.inference.hypotheses import t_quantile
from bayeslme.fit.settings import SETTINGS
from bayeslme.report.export import Exported
from bayeslme.report.html import frames_html
from bayeslme.report.tables import intervals_text

if TYPE_CHECKING:
    from bayeslme.fit.parameter_verbs import ParameterVerbs


COLUMNS = ["lower", "est.", "upper"]


def limits_frame(
    names: Sequence[str] | pd.Index,
    lower: npt.ArrayLike,
    estimate: npt.ArrayLike,
    upper: npt.ArrayLike,
) -> pd.DataFrame:
    """Table (k, 3) with columns lower, est., upper."""
    values = dict(zip(COLUMNS, (lower, estimate, upper), strict=True))
    return pd.DataFrame(values, index=pd.Index(names))


CRITERIA = {"REML": "restricted likelihood", "ML": "likelihood"}
Parts = dict[str, pd.DataFrame]


def profiled(fit: ParameterVerbs, level: float, wald: Parts) -> tuple[Parts, tuple[str, ...]]:
    """Replace Wald limits by those of profile likelihoods.

    Variance parameters by the criterion of the fit, coefficients by the likelihood of an ML fit.
    Under REML coefficients keep their t intervals, as restricted likelihoods do not compare them;
    `lm` keeps all of its intervals, which are exact.

    Parameters
    ----------
    fit : Fit
    level : float
    wald : dict of str to DataFrame
        The parts asked for.

    Returns
    -------
    dict of str to DataFrame
        One-sided, up to the end of the range, where the likelihood does not fall far enough before
        it; NaN for parameters it does not depend on.
    tuple of str
        Notes.

    Raises
    ------
    FitError
        For a fit with priors, which has no profile likelihood.
    """
    if fit.method == "MAP":
        raise FitError("method: a fit with priors has no profile likelihood; use fit.sample()")
    if fit.kind == "lm":
        return wald, ("intervals of lm are exact, with or without profiling",)
    quantile = float(ndtri(0.5 + level / 2))
    parts, notes = dict(wald), [f"profile intervals of the {CRITERIA[fit.method]}"]
    if "fixed" in wald and fit.method == "ML":
        guesses = wald["fixed"][["lower", "upper"]].to_numpy()
        low, high = profile_coefficients(fit.estimate, guesses, quantile).T
        parts["fixed"] = wald["fixed"].assign(lower=low, upper=high)
    elif "fixed" in wald:
        notes.append("fixed effects have t intervals: profile their likelihood in a fit by ML")
    if any(name != "fixed" for name in wald):
        found = profile_variances(fit.estimate, fit.information, quantile)
        for part in fit.information.parts:
            low, high = found.limits[part.name].T
            parts[part.name] = limits_frame(part.names, low, part.printed, high)
        notes += _one_sided(fit, parts)
        notes += _profile_notes(fit, found.gain)
    return parts, tuple(notes)


def _one_sided(fit: ParameterVerbs, parts: Parts) -> list[str]:
    """Say which intervals reach an end of their parameter's range."""
    names = [
        f"{name} in {part.name}"
        for part in fit.information.parts
        for name, row in parts[part.name].iterrows()
        if _at_end(fit, part, str(name), row)
    ]
    if not names:
        return []
    return [f"intervals up to an end of the range are one-sided: {', '.join(names)}"]


def _at_end(fit: ParameterVerbs, part: ParameterBlock, name: str, row: pd.Series) -> bool:
    """Whether a limit is an end of the range that a two-sided interval would not reach."""
    low, high = float(row["lower"]), float(row["upper"])
    if part.name == "sigma":
        return low <= 0.0 or np.isinf(high)
    groups = [level.group for level in fit.design.levels]
    if part.name in groups:
        parameters = fit.information.scales.random[groups.index(part.name)]
        support = next(p.support for p in parameters if p.name == name)
    else:
        bound = fit.estimate.problem.row_structure(part.name)
        support = next(p.printed_support for p in bound.parameters if p.name == name)
    return low <= support.lower or high >= support.upper


def _profile_notes(fit: ParameterVerbs, gain: float) -> list[str]:
    notes = []
    if gain > SETTINGS.min_gain:
        notes.append(
            f"a log-likelihood higher by {gain:.3g} was found on the way: the fit is no maximum; "
            "fit again with other starting values"
        )
    if any(c.source != "data" for c in fit.design.variance):
        notes.append("variance covariates that are functions of the fit are held at its values")
    return notes


Which = Literal["all", "fixed", "var-cov"]
Method = Literal["wald", "profile"]


@dataclass(frozen=True, slots=True)
class Intervals(Mapping[str, pd.DataFrame], Exported):
    """Intervals part by part; prints as nlme's.

    Attributes
    ----------
    parts : dict of str to DataFrame
        ``"fixed"``, the groups outermost first, ``"corstruct"``, ``"varfunc"``, ``"sigma"``;
        columns lower, est., upper. A limit that cannot be given is NaN.
    level : float
        Confidence level.
    kind : {"lme", "gls", "lm"}
    notes : tuple of str
        Which limits are one-sided or missing, and why.
    """

    parts: dict[str, pd.DataFrame]
    level: float
    kind: str
    notes: tuple[str, ...]

    def __getitem__(self, part: str) -> pd.DataFrame:
        return self.parts[part]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def exported(self) -> dict[str, pd.DataFrame]:
        """The intervals, part by part."""
        return self.parts

    def __str__(self) -> str:
        return intervals_text(self.parts, self.level, self.kind, self.notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return frames_html(self.parts, self.notes)


def intervals(
    fit: ParameterVerbs,
    level: float = 0.95,
    which: Which = "all",
    method: Method = "wald",
    df: DfMethod | None = None,
) -> Intervals:
    """Confidence intervals of coefficients and variance parameters; see `Fit.intervals`."""
    check_probability(level)
    check_choice(which, get_args(Which), "which")
    check_choice(method, get_args(Method), "method")
    found = small_sample(fit, df) if which != "var-cov" or df is not None else None
    asked = df is not None and found is not None
    if asked and (which == "var-cov" or (method == "profile" and fit.method == "ML")):
        raise FitError(f"df: {df!r} is for t intervals of coefficients, which are not asked for")
    parts = {} if which == "var-cov" else {"fixed": fixed_intervals(fit, level, found)}
    notes: tuple[str, ...] = ()
    if which != "fixed":
        own, notes = _variance_intervals(fit, level)
        parts |= own
    if method == "profile":
        parts, notes = profiled(fit, level, parts)
    parts, undefined = _without_undefined(fit, parts)
    notes = (*notes, *undefined)
    return Intervals(parts, level, fit.kind, (*notes, *(() if found is None else found.notes)))


def fixed_intervals(
    fit: ParameterVerbs, level: float, method: SmallSample | None = None
) -> pd.DataFrame:
    """Intervals of the coefficients by t on their denominator degrees of freedom, (p, 3)."""
    estimate = fit.fixef.to_numpy()
    error = np.sqrt(np.diagonal(fit.vcov() if method is None else method.vcov))
    den = fit.degrees.columns if method is None else of_coefficients(method, len(estimate))
    width = t_quantile(0.5 + level / 2, den) * error
    return limits_frame(fit.fixef.index, estimate - width, estimate, estimate + width)


def _variance_intervals(
    fit: ParameterVerbs, level: float
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    problem = fit.estimate.problem
    if not problem.stages and problem.size == 0:
        return ({} if fit.estimate.sigma_held else {"sigma": _exact_sigma(fit, level)}), ()
    info = fit.information
    quantile = float(ndtri(0.5 + level / 2))
    parts = {}
    for part in info.parts:
        low, high = info.limits(part.name, quantile).T
        parts[part.name] = limits_frame(part.names, low, part.printed, high)
    return parts, (*_notes(fit, info), *_not_enclosing(parts))


def undefined_correlations(fit: ParameterVerbs, group: str) -> frozenset[str]:
    """Names of the correlations of a level that stand beside a standard deviation of zero."""
    component = fit.varcorr().get(group)
    if component is None:
        return frozenset()
    empty = [str(e) for e in component.sd.index[component.sd == 0.0]]
    names = {f"cor({a},{b})" for a in component.sd.index for b in component.sd.index}
    beside = {
        n for n in names if any(n.startswith(f"cor({e},") or n.endswith(f",{e})") for e in empty)
    }
    return frozenset({*beside, *(["corr."] if len(empty) == len(component.sd) else [])})


def _without_undefined(
    fit: ParameterVerbs, parts: dict[str, pd.DataFrame]
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """Blank the correlations that have no meaning, and say so."""
    out, notes = dict(parts), []
    for name, table in parts.items():
        none = table.index.intersection(list(undefined_correlations(fit, name)))
        if len(none):
            out[name] = table.assign(
                **{c: table[c].where(~table.index.isin(none)) for c in COLUMNS}
            )
            notes.append(
                f"{', '.join(map(str, none))} in {name} is not defined beside a standard "
                "deviation of zero"
            )
    return out, tuple(notes)


def _not_enclosing(parts: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    """Say which limits do not lie on both sides of their estimate."""
    found = [
        f"{name} in {part}"
        for part, table in parts.items()
        for name, row in table.dropna().iterrows()
        if not row["lower"] <= row["est."] <= row["upper"]
    ]
    if not found:
        return ()
    return (
        f"limits of {', '.join(found)} do not enclose the estimate: as in nlme, all parameters of "
        "the structure are moved at once; use method='profile'",
    )


def _notes(fit: ParameterVerbs, info: Information) -> tuple[str, ...]:
    found = [
        f"{name} in {part.name} is on its boundary; its interval is one-sided"
        for part in info.parts
        for name, edge in zip(part.names, part.on_bound, strict=True)
        if edge and name not in undefined_correlations(fit, part.name)
    ]
    if info.flat:
        found.append(
            f"no limits for {', '.join(info.flat)}: the likelihood is flat in a direction of them; "
            "leave a random effect or a parameter out, or use a prior"
        )
    return tuple(found)


def _exact_sigma(fit: ParameterVerbs, level: float) -> pd.DataFrame:
    """Chi-squared interval of sigma, where it is the only variance parameter."""
    df = fit.nobs - len(fit.fixef)
    tails = np.array([0.5 + level / 2, 0.5 - level / 2])
    low, high = fit.sigma * np.sqrt(df / (2.0 * gammaincinv(df / 2.0, tails)))
    return limits_frame(["sigma"], [low], [fit.sigma], [high])
