"""Profile-likelihood intervals: what a likelihood-ratio test at that level does not refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayeslme.engine.parts import Part
from bayeslme.engine.profiling import profile_coefficients, profile_variances
from bayeslme.errors import FitError
from bayeslme.fit.limits import limits_frame

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

VISIBLE = 1e-4  # a gain in log-likelihood that is worth a note
CRITERIA = {"REML": "restricted likelihood", "ML": "likelihood"}
Parts = dict[str, pd.DataFrame]


def profiled(fit: Fit, level: float, wald: Parts) -> tuple[Parts, tuple[str, ...]]:
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
        notes += _notes(fit, found.gain)
    return parts, tuple(notes)


def _one_sided(fit: Fit, parts: Parts) -> list[str]:
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


def _at_end(fit: Fit, part: Part, name: str, row: pd.Series) -> bool:
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


def _notes(fit: Fit, gain: float) -> list[str]:
    notes = []
    if gain > VISIBLE:
        notes.append(
            f"a log-likelihood higher by {gain:.3g} was found on the way: the fit is no maximum; "
            "fit again with other starting values"
        )
    if any(c.source != "data" for c in fit.design.variance_parts):
        notes.append("variance covariates that are functions of the fit are held at its values")
    return notes
