"""Leave-one-out cross-validation of three kinds, by ArviZ's Pareto-smoothed importance sampling."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from bayeslme.bayes import settings
from bayeslme.bayes.checks import left_out
from bayeslme.bayes.density import without_chain
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


def loo(posterior: Draws, kind: LooKind | None = None, group: str | None = None) -> Any:
    """Estimate how well the model predicts data it has not seen; see `Posterior.loo`."""
    import arviz_stats as azs

    limits = settings.CHECKS
    check_draws(posterior, "loo")
    kind = check_kind(posterior, kind, group)
    terms = pointwise(posterior, kind, group)
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


def check_kind(posterior: Draws, kind: LooKind | None, group: str | None) -> LooKind:
    """The kind that is asked for; a group says it too.

    Raises
    ------
    FitError
        For a group that the model has not, or whose groups are not left out alone.
    """
    if kind is not None:
        check_choice(kind, get_args(LooKind), "kind")
    design = posterior.parameters.design
    names = [level.group for level in design.levels]
    listed = " or ".join(map(repr, names))
    if group is None:
        if kind == "group" and design.crossed:
            raise FitError(f"loo: kind='group' needs the factor of the groups: group={listed}")
        return "conditional" if kind is None else kind
    if kind not in (None, "group"):
        raise FitError(f"loo: group={group!r} leaves groups out, and kind={kind!r} rows; give one")
    if group not in names:
        known = f"is not {listed}" if names else "is not there: the model has no random effects"
        raise FitError(f"loo: group: {group!r:.60} {known}")
    if not design.crossed and group != names[0]:
        raise FitError(
            f"loo: group={group!r}: of nested random effects only the groups of the outermost "
            f"level, {names[0]!r}, are left out; use kind='marginal' for single rows"
        )
    return "group"


def pointwise(posterior: Draws, kind: LooKind, group: str | None = None) -> xr.DataArray:
    """Log predictive density of every row, or group, at every draw.

    Parameters
    ----------
    posterior : Draws
    kind : {"conditional", "marginal", "group"}
    group : str, optional
        The factor whose groups are left out, where random effects are crossed.

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
    if kind != "conditional" and parameters.design.related:
        raise FitError(
            f"loo: kind={kind!r}: what is left out is not independent of the groups of "
            f"'{parameters.design.related[0]}', which are related; use kind='conditional'"
        )
    if kind != "conditional" and without_chain(parameters.problem):
        raise FitError(
            f"loo: kind={kind!r}: the groups of the correlation lie within no factor of the "
            "crossed random effects; use kind='conditional'"
        )
    if kind == "group" and parameters.design.crossed and group is not None:
        return _of_factor(posterior, group)
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


def _of_factor(posterior: Draws, group: str) -> xr.DataArray:
    """Log predictive densities of the groups of a crossed factor."""
    from bayeslme.bayes.checks.crossed_left_out import crossed_groups

    parameters, drawn = posterior.parameters, posterior.data["posterior"]
    place = [level.level.group for level in parameters.levels].index(group)
    found = crossed_groups(parameters, posterior.values, place)
    level = parameters.levels[place]
    dim = level.key
    coords = {"chain": drawn["chain"], "draw": drawn["draw"], dim: list(level.level.labels)}
    shape = (drawn.sizes["chain"], drawn.sizes["draw"], -1)
    return xr.DataArray(found.reshape(shape), coords, ("chain", "draw", dim))


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
