"""The plots of a fit, ``fit.plot.residuals(...)``; drawing is left to the floor below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.special import ndtri

from bayeslme.fit.plot_formula import NAMES, plotted
from bayeslme.fit.ranef import ranef
from bayeslme.fit.residuals import ResidualType

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.fit.result import Fit, LmeFit

RESIDUALS = "resid(., type = 'p') ~ fitted(.)"


@dataclass(frozen=True, slots=True)
class Plots:
    """Plots of one fit; each method returns matplotlib axes."""

    fit: Fit

    def residuals(
        self,
        form: str = RESIDUALS,
        *,
        abline: float | tuple[float, float] | None = 0.0,
        smooth: bool = False,
        id: float | None = None,
        ax: Axes | None = None,
    ) -> list[Axes]:
        """Plot residuals by one of nlme's plot formulas.

        Parameters
        ----------
        form : str
            ``"resid(., type='p') ~ fitted(.) | Sex"``; panels by what stands behind the bar. A
            factor on the right gives box plots.
        abline : float or (intercept, slope), optional
            Reference line, by default at zero.
        smooth : bool
            Draw the running median.
        id : float, optional
            Label rows whose standardized residual is beyond the two-sided normal quantile of this
            level, 0.05 say.
        ax : Axes, optional
            Where there is one panel.

        Returns
        -------
        list of Axes
        """
        from bayeslme.report.plots.scatter import scatter_panels

        made = plotted(self.fit, form)
        options = {"labels": made.labels, "abline": abline, "smooth": smooth}
        return scatter_panels(made.frame, marked=_beyond(self.fit, id), ax=ax, **options)  # type: ignore[arg-type]

    def acf(
        self,
        max_lag: int | None = None,
        type: ResidualType = "pearson",
        form: str | None = None,
        *,
        alpha: float = 0.05,
        ax: Axes | None = None,
    ) -> Axes:
        """Plot the autocorrelation of the residuals with bands of level `alpha` under independence.

        Parameters
        ----------
        max_lag, type, form
            As for `bayeslme.fit.serial.acf`.
        alpha : float
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.lags import lag_plot

        table = self.fit.acf(max_lag, type, form)
        return lag_plot(table, float(-ndtri(alpha / 2)), ax)

    def variogram(
        self,
        form: str | None = None,
        type: ResidualType = "pearson",
        *,
        ax: Axes | None = None,
        **options: Any,
    ) -> Axes:
        """Plot the semivariogram of the residuals.

        Parameters
        ----------
        form, type, **options
            As for `bayeslme.fit.serial.variogram`.
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.lags import distance_plot

        return distance_plot(self.fit.variogram(form, type, **options), ax)

    def qq(
        self, type: ResidualType = "pearson", *, group: str | None = None, ax: Axes | None = None
    ) -> list[Axes]:
        """Plot residuals, or the random effects of a group, against normal quantiles.

        Parameters
        ----------
        type : {"response", "pearson", "normalized"}
            Of the residuals.
        group : str, optional
            Random effects of this level in the place of residuals, a panel for each.
        ax : Axes, optional
            Where there is one panel.

        Returns
        -------
        list of Axes
        """
        from bayeslme.report.plots.quantiles import quantile_panels

        if group is None:
            return quantile_panels(self.fit.residuals(type=type).to_frame(NAMES[type]), ax)
        return quantile_panels(ranef(cast("LmeFit", self.fit), group), ax)  # type: ignore[arg-type]


def _beyond(fit: Fit, level: float | None) -> list[int]:
    if level is None:
        return []
    standard = np.abs(fit.residuals(type="pearson").to_numpy())
    return np.flatnonzero(standard > -ndtri(level / 2)).tolist()
