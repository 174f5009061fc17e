"""The plots of a fit, ``fit.plot.residuals(...)``; drawing is left to the floor below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from bayeslme.fit.plot_formula import plotted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.fit.result import Fit

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


def _beyond(fit: Fit, level: float | None) -> list[int]:
    if level is None:
        return []
    standard = np.abs(fit.residuals(type="pearson").to_numpy())
    return np.flatnonzero(standard > -ndtri(level / 2)).tolist()
