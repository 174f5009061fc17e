"""Profile-likelihood intervals: what a likelihood-ratio test at that level does not refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayeslme.engine.problem import variance_coords
from bayeslme.engine.profiling import profile_coefficients, profile_variances
from bayeslme.errors import FitError

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
    """
    if fit.method == "MAP":
        raise FitError("method: a fit with priors has no profile likelihood; use fit.sample()")
    if fit.kind == "lm":
        return wald, ("intervals of lm are exact, with or without profiling",)
    quantile = float(ndtri(0.5 + level / 2))
    parts, notes = dict(wald), [f"profile intervals of the {CRITERIA[fit.method]}"]
    if "fixed" in wald and fit.method == "ML":
        guesses = wald["fixed"][["lower", "upper"]].to_numpy()
        parts["fixed"] = _with_limits(
            wald["fixed"], profile_coefficients(fit.estimate, guesses, quantile)
        )
    elif "fixed" in wald:
        notes.append("fixed effects have t intervals: profile their likelihood in a fit by ML")
    if any(name != "fixed" for name in wald):
        found = profile_variances(fit.estimate, fit.information, quantile)
        parts |= {
            part.name: pd.DataFrame(
                np.column_stack([limits[:, 0], part.estimate, limits[:, 1]]),
                index=list(part.names),
                columns=["lower", "est.", "upper"],
            )
            for part in fit.information.parts
            for limits in [found.limits[part.name]]
        }
        notes += _notes(fit, found.gain)
    return parts, tuple(notes)


def _with_limits(table: pd.DataFrame, limits: np.ndarray) -> pd.DataFrame:
    return table.assign(lower=limits[:, 0], upper=limits[:, 1])


def _notes(fit: Fit, gain: float) -> list[str]:
    notes = []
    if gain > VISIBLE:
        notes.append(
            f"a log-likelihood higher by {gain:.3g} was found on the way: the fit is no maximum; "
            "fit again with other starting values"
        )
    if any(c.source != "data" for c in variance_coords(fit.design)):
        notes.append("variance covariates that are functions of the fit are held at its values")
    return notes
