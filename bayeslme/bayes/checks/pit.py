"""Where each observation falls in the distribution predicted from all the others.

The probability integral transform of row i is P(new y_i <= y_i | the other rows): the normal
distribution function at every draw, exact under residual correlation, averaged with the weights
that take the row out of the posterior. Under the right model the values are uniform, though not
independent.

References
----------
Gelfand, Dey and Chang (1992), Bayesian Statistics 4, 147. Gabry, Simpson, Vehtari, Betancourt and
Gelman (2019), Journal of the Royal Statistical Society A 182, 389.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtr

from bayeslme.bayes import settings
from bayeslme.bayes.checks import left_out
from bayeslme.bayes.checks.loo import check_draws, relative_efficiency
from bayeslme.bayes.density import without_chain
from bayeslme.errors import FitError
from bayeslme.report.html import frames_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.bayes.posterior.draws import Draws

PitKind = Literal["conditional", "marginal"]


@dataclass(frozen=True, slots=True)
class Pit:
    """Probability integral transforms of the rows.

    Attributes
    ----------
    values : Series, length n
        Between 0 and 1, indexed as the rows used.
    pareto_k : Series, length n
        Above 0.7 the weights that take the row out are not to be trusted.
    p : float
        Of uniformity, by a test that allows for dependence.
    kind : {"conditional", "marginal"}
    """

    values: pd.Series
    pareto_k: pd.Series
    p: float
    kind: str

    @property
    def passed(self) -> bool:
        """Whether the values may be uniform, at 5 %."""
        return self.p > settings.CHECKS.significance

    @property
    def verdict(self) -> str:
        """The finding, in words."""
        limits = settings.SAMPLING
        what = "uniform" if self.passed else "not uniform"
        bad = int((self.pareto_k > limits.max_pareto_k).sum())
        note = f"; Pareto k is above {limits.max_pareto_k} for {bad} rows" if bad else ""
        return f"{what} (p = {self.p:.3g}){note}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the distribution function of the values less the uniform one.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.checks import pit_plot

        return pit_plot(self.values, self.p, ax)

    def __str__(self) -> str:
        counts = np.histogram(self.values, bins=10, range=(0.0, 1.0))[0]
        return f"PIT, {self.kind}: {self.verdict}\nRows by tenths: {' '.join(map(str, counts))}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = pd.DataFrame({"PIT": self.values, "Pareto k": self.pareto_k})
        return frames_html({"PIT": table}, (self.verdict,))


def pit(posterior: Draws, kind: PitKind = "marginal") -> Pit:
    """Probability integral transform of every row, left out; see `Posterior.pit`."""
    check_draws(posterior, "pit")
    parameters = posterior.parameters
    if kind not in get_args(PitKind):
        raise FitError(f"kind: {kind!r} is neither 'marginal' nor 'conditional'")
    if kind == "marginal" and parameters.design.related:
        raise FitError(
            f"pit: kind='marginal' integrates independent effects out, and the groups of "
            f"'{parameters.design.related[0]}' are related; use kind='conditional'"
        )
    if kind == "marginal" and without_chain(parameters.problem):
        raise FitError(
            "pit: kind='marginal': the groups of the correlation lie within no factor of the "
            "crossed random effects; use kind='conditional'"
        )
    if kind == "marginal" and parameters.problem.needs_fitted_values:
        raise FitError(
            "pit: kind='marginal' integrates the random effects out, which cannot be done where "
            "the variance depends on fitted values; use kind='conditional'"
        )
    if kind == "marginal":
        found = left_out.marginal(parameters, posterior.values)
    else:
        found = left_out.conditional(parameters, posterior.values, posterior.effects)
    terms = xr.DataArray(found.log_density[None], dims=("chain", "draw", "row"), name="y")
    efficiency = relative_efficiency(posterior)
    weights, k = terms.azstats.psislw(r_eff=1.0 if efficiency is None else efficiency)
    share = np.exp(weights.transpose("draw", "row", ...).to_numpy().reshape(found.sd.shape))
    values = (share * ndtr(found.residual / found.sd)).sum(axis=0) / share.sum(axis=0)
    values = np.clip(values, 0.0, 1.0)
    p, _, _ = xr.DataArray(values, dims="row").azstats.uniformity_test(dim="row", method="pot_c")
    index = parameters.design.index
    return Pit(
        pd.Series(values, index=index, name="PIT"),
        pd.Series(np.asarray(k), index=index, name="pareto_k"),
        float(p),
        kind,
    )
