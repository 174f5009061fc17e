"""How much the posterior changes when the prior or the likelihood is made stronger or weaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from bayeslme.bayes import settings
from bayeslme.bayes.checks.loo import check_draws
from bayeslme.bayes.posterior.estimates import parts
from bayeslme.errors import SpecError

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws


def sensitivity(posterior: Draws, priors: Sequence[str] | str | None = None) -> pd.DataFrame:
    """Power-scale sensitivity of every parameter; see `Posterior.sensitivity`."""
    import arviz_stats as azs

    limits = settings.CHECKS
    chosen = scaled_priors(posterior, priors)
    rows = [(part, str(name)) for part, frame in parts(posterior).items() for name in frame]
    found: pd.DataFrame = azs.psense_summary(
        _by_parameter(posterior), prior_var_names=chosen, round_to=limits.sensitivity_digits
    )
    return found.set_axis(pd.MultiIndex.from_tuples(rows, names=["part", "parameter"]))


def scaled_priors(posterior: Draws, priors: Sequence[str] | str | None) -> list[str] | None:
    """Variables whose priors are scaled, None for all of them.

    Raises
    ------
    SpecError
        For a name that is not a variable, or where all priors chosen are constant.
    FitError
        For too few draws.
    """
    check_draws(posterior, "sensitivity")
    chosen = [priors] if isinstance(priors, str) else None if priors is None else list(priors)
    known = [str(name) for name in posterior.data["log_prior"].data_vars]
    for name in chosen or []:
        if name not in known:
            raise SpecError(f"priors: '{name}' is not a variable; it is one of {', '.join(known)}")
    least, scaled = settings.CHECKS.constant_log_density, known if chosen is None else chosen
    if scaled and all(float(posterior.data["log_prior"][n].std()) < least for n in scaled):
        raise SpecError(
            f"priors: the prior of {', '.join(scaled)} is constant, so that there is nothing to "
            "scale; sample with priors that are not flat"
        )
    return chosen


def _by_parameter(posterior: Draws) -> xr.DataTree:
    """Draws of one variable whose entries are the parameters, with the stored densities."""
    drawn = pd.concat(parts(posterior).values(), axis=1).to_numpy()
    sizes = posterior.data["posterior"].sizes
    values = drawn.reshape(sizes["chain"], sizes["draw"], -1)
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (("chain", "draw", "parameter"), values)}),
            "log_prior": posterior.data["log_prior"].to_dataset(),
            "log_likelihood": posterior.data["log_likelihood"].to_dataset(),
        }
    )
