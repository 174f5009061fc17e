"""Plots of separate fits by group, ``fits.plot.intervals()``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bayeslme.fit.group_plots import draw_curves, far_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.fit.lmlist import LmList


@dataclass(frozen=True, slots=True, repr=False)
class LmListPlots:
    """Plots of one list of fits.

    Attributes
    ----------
    fits : LmList
    """

    fits: LmList

    def __call__(self, level: float = 0.95) -> list[Axes]:
        """Plot the intervals, nlme's ``plot(intervals(fits))``."""
        return self.intervals(level)

    def intervals(self, level: float = 0.95, *, ax: Axes | None = None) -> list[Axes]:
        """Plot the confidence intervals of the groups, a panel for each coefficient.

        Parameters
        ----------
        level : float
            Confidence level.
        ax : Axes, optional
            Where there is one coefficient.

        Returns
        -------
        list of Axes, one for each coefficient

        Examples
        --------
        >>> import bayeslme
        >>> fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
        >>> [ax.get_title() for ax in fits.plot.intervals()]
        ['(Intercept)', 'age']
        """
        from bayeslme.report.plots.interval_panels import interval_panels

        return interval_panels(self.fits.intervals(level), ax)

    def aug_pred(
        self, primary: str | None = None, *, ax: Axes | None = None, **options: Any
    ) -> list[Axes]:
        """Plot the observed responses and the line of every group.

        Parameters
        ----------
        primary, **options
            As for `bayeslme.fit.curves.aug_pred`.
        ax : Axes, optional
            Where there is one group.

        Returns
        -------
        list of Axes, one for each group
        """
        return draw_curves(self.fits.aug_pred(primary, **options), ax)

    def pairs(self, *, id: float | None = None) -> npt.NDArray[np.object_]:
        """Plot the coefficients of the groups against each other.

        Parameters
        ----------
        id : float, optional
            Label groups whose squared Mahalanobis distance is beyond the chi-squared quantile of
            this level, 0.1 say.

        Returns
        -------
        array of Axes, shape (p, p)
        """
        from bayeslme.report.plots.pairs import pairs_grid

        return pairs_grid(self.fits.coef, far_out(self.fits.coef, id))
