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
    from bayeslme.bayes.posterior.draws import Draws

LooKind = Literal["conditional", "marginal", "group"]
_ADVICE = {
    "conditional": "kind='marginal' integrates the random effects out and is more often reliable",
    "marginal": "these rows decide about a parameter: look at them, or refit without them",
    "group": "these groups decide about a parameter: look at them, or refit without them",
}


def loo(posterior: Draws, kind: LooKind = "conditional") -> Any:
    """Estimate how well the model predicts data it has not seen; see `Posterior.loo`."""
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
            f"{found.n_data_points} {what} ({named}); {_ADVICE[kind]}"
        )
        warnings.warn(note, UserWarning, stacklevel=3)
    return found


def pointwise(posterior: Draws, kind: LooKind) -> xr.DataArray:
    """Log predictive density of every row, or group, at every draw.

    Parameters
    ----------
    posterior : Draws
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
            f"loo: kind={kind!r} integrates nested random effects out, and those of this fit are "
            "crossed; use kind='conditional'"
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


def check_draws(posterior: Draws, verb: str) -> None:
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


def relative_efficiency(posterior: Draws) -> float | None:
    """Share of the draws that count; None leaves it to ArviZ, which knows chains only."""
    stats = posterior.data["sample_stats"]
    drawn = posterior.data["posterior"]
    if "weights_ess" not in stats.attrs:
        return None
    return float(
        np.clip(stats.attrs["weights_ess"] / (drawn.sizes["chain"] * drawn.sizes["draw"]), 0.0, 1.0)
    )
