"""Leave-one-out cross-validation of three kinds, by ArviZ's Pareto-smoothed importance sampling."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

import arviz_stats as azs
import numpy as np
import xarray as xr

from bayeslme.bayes import settings
from bayeslme.bayes.checks import left_out
from bayeslme.bayes.posterior.tree import row_labels
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.posterior import Posterior

LooKind = Literal["conditional", "marginal", "group"]
_ADVICE = {
    "conditional": "kind='marginal' integrates the random effects out and is more often reliable",
    "marginal": "these rows decide about a parameter: look at them, or refit without them",
    "group": "these groups decide about a parameter: look at them, or refit without them",
}


def loo(posterior: Posterior, kind: LooKind = "conditional") -> Any:
    """Estimate how well the model predicts data it has not seen.

    Parameters
    ----------
    posterior : Posterior
    kind : {"conditional", "marginal", "group"}
        Which question is asked. ``"conditional"``: given the random effects, how well is a row
        predicted? The weights that take the row out again must move the random effects, which
        they often fail at. ``"marginal"``: with the random effects integrated out, how well is a
        row predicted from all others? It estimates the same as the first, by far more stable
        weights. ``"group"``: how well is a whole new outermost group predicted? (Without random
        effects a correlation group, or a row where there is none.) The first two are exact under
        residual correlation: a row is predicted from the others of its correlation group too.

    Returns
    -------
    arviz.ELPDData
        With ``elpd``, ``se``, ``p``, pointwise ``elpd_i`` and ``pareto_k``.

    Raises
    ------
    FitError
        For fewer than 100 draws, a single group, another kind, and for the last two where the
        variance depends on fitted values: the random effects cannot be integrated out then.

    Warns
    -----
    UserWarning
        Where Pareto k is too high for the estimate to be trusted.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413; Merkle, Furr and
    Rabe-Hesketh (2019), Psychometrika 84, 802.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("yield ~ nitro", bayeslme.load_data("oats"), "~ 1 | Block/Variety")
    >>> posterior = fit.sample(draws=500, seed=1)
    >>> int(loo(posterior, "marginal").n_data_points)
    72
    """
    limits = settings.CHECKS
    check_draws(posterior, "loo")
    terms = pointwise(posterior, kind)
    if terms.shape[-1] == 1:
        raise FitError(
            f"loo: kind={kind!r} leaves out one {terms.dims[-1]} at a time, and there is one only; "
            "use kind='marginal'"
        )
    drawn = posterior.data["posterior"].to_dataset()
    parameters = [b.name for b in posterior.parameters.blocks if b.coefs]
    tree = xr.DataTree.from_dict(
        {"posterior": drawn[parameters], "log_likelihood": xr.Dataset({"y": terms})}
    )
    with warnings.catch_warnings():  # replaced by a note that counts and advises
        warnings.filterwarnings("ignore", message="Estimated shape parameter", category=UserWarning)
        found = azs.loo(tree, pointwise=True, var_name="y", reff=relative_efficiency(posterior))
    bad = int((found.pareto_k > found.good_k).sum())
    if bad:
        what = "rows" if terms.dims[-1] == "row" else "groups"
        worst = found.pareto_k.to_series().nlargest(min(bad, limits.max_names_in_notes)).index
        named = ", ".join(map(str, worst)) + (", ..." if bad > limits.max_names_in_notes else "")
        note = (
            f"loo, {kind}: Pareto k is above {found.good_k:.2f} for {bad} of "
            f"{found.n_data_points} {what} ({named})"
        )
        if kind != "conditional" or not posterior.parameters.design.crossed:
            note += f"; {_ADVICE[kind]}"
        warnings.warn(note, UserWarning, stacklevel=3)
    return found


def pointwise(posterior: Posterior, kind: LooKind) -> xr.DataArray:
    """Log predictive density of every row, or group, at every draw.

    Parameters
    ----------
    posterior : Posterior
    kind : {"conditional", "marginal", "group"}

    Returns
    -------
    DataArray, dims (chain, draw, row or the group's name)

    Raises
    ------
    FitError
        For another kind, and where the random effects cannot be integrated out.
    """
    parameters = posterior.parameters
    check_choice(kind, get_args(LooKind), "kind")
    if kind != "conditional" and parameters.problem.needs_fitted_values:
        raise FitError(
            f"loo: kind={kind!r} integrates the random effects out, which cannot be done where "
            "the variance depends on fitted values; use kind='conditional'"
        )
    if kind != "conditional" and parameters.design.crossed:
        raise FitError(
            f"loo: kind={kind!r} integrates nested random effects out, and "
            f"{parameters.design.crossed_how}; use kind='conditional'"
        )
    if kind == "group":
        return posterior.data["log_likelihood"].to_dataset()["y"]
    if kind == "marginal":
        found = left_out.marginal(parameters, posterior.values)
    else:
        found = left_out.conditional(parameters, posterior.values, posterior.effects)
    drawn = posterior.data["posterior"]
    coords = {"chain": drawn["chain"], "draw": drawn["draw"], "row": row_labels(parameters)}
    shape = (drawn.sizes["chain"], drawn.sizes["draw"], -1)
    return xr.DataArray(found.log_density.reshape(shape), coords, ("chain", "draw", "row"))


def check_draws(posterior: Posterior, verb: str) -> None:
    """Refuse what smooths the tail of importance weights where there are too few of them.

    Raises
    ------
    FitError
    """
    limits = settings.CHECKS
    count = len(posterior.values["fixef"])
    if count < limits.min_weighted_draws:
        raise FitError(
            f"{verb}: importance weights need {limits.min_weighted_draws} draws or more, not "
            f"{count}"
        )


def relative_efficiency(posterior: Posterior) -> float | None:
    """Share of the draws that count; None leaves it to ArviZ, which knows chains only."""
    stats = posterior.data["sample_stats"]
    drawn = posterior.data["posterior"]
    if "weights_ess" not in stats.attrs:
        return None
    return float(
        np.clip(stats.attrs["weights_ess"] / (drawn.sizes["chain"] * drawn.sizes["draw"]), 0.0, 1.0)
    )
