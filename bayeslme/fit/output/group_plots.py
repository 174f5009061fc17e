"""Plots of what differs between groups: random effects, coefficients, curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtri, ndtri

from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_probability
from bayeslme.fit.values.compared import compare_pred
from bayeslme.fit.values.curves import Levels, aug_pred
from bayeslme.fit.values.random_effects import coef, ranef
from bayeslme.fit.values.residuals import LevelName
from bayeslme.report.plots.style import axis_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.result import Fit, LmeFit


class GroupPlots:
    """The plots by group of one fit."""

    __slots__ = ()
    fit: Fit

    def caterpillar(
        self,
        group: LevelName = None,
        *,
        level: float = 0.95,
        sort: bool = True,
        ax: Axes | None = None,
    ) -> list[Axes]:
        """Plot the random effects of a level in order of size, with their intervals.

        Parameters
        ----------
        group : str or int, optional
            The innermost level by default.
        level : float
            Confidence level; intervals are normal, from the prediction errors of `ranef`.
            Effects whose interval leaves zero out are filled.
        sort : bool
            Each panel in its own order; otherwise all in the order of the groups.
        ax : Axes, optional
            Where there is one effect.

        Returns
        -------
        list of Axes, one for each effect

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("orthodont")
        >>> fit = bayeslme.lme("distance ~ age", data, "~ age | Subject")
        >>> [ax.get_title() for ax in fit.plot.caterpillar()]
        ['(Intercept)', 'age']
        """
        from bayeslme.report.plots.estimates import caterpillar_panels

        check_probability(level)
        fit = as_mixed(self.fit, "caterpillar")
        own = fit.design.levels[-1].group if group is None else group
        table = cast("pd.DataFrame", ranef(fit, own, se=True))
        estimate: pd.DataFrame = table["est."]  # type: ignore[assignment]
        error: pd.DataFrame = table["se"]  # type: ignore[assignment]
        half_width = float(ndtri(0.5 + level / 2)) * error
        return caterpillar_panels(estimate, half_width, sort=sort, ax=ax)

    def pairs(
        self,
        of: Literal["coef", "ranef"] = "coef",
        group: LevelName = None,
        *,
        id: float | None = None,
    ) -> npt.NDArray[np.object_]:
        """Plot each coefficient of the groups against each other.

        Parameters
        ----------
        of : {"coef", "ranef"}
            Coefficients of the groups, those without random effects left out, or the effects.
        group : str or int, optional
            The innermost level by default.
        id : float, optional
            Label groups whose squared Mahalanobis distance is beyond the chi-squared quantile of
            this level, 0.1 say.

        Returns
        -------
        array of Axes, shape (k, k)
        """
        from bayeslme.report.plots.estimates import pairs_grid

        check_choice(of, ("coef", "ranef"), "of")
        fit = as_mixed(self.fit, "pairs")
        own = fit.design.levels[-1].group if group is None else group
        if of == "coef":
            table = coef(fit, own)
            table = table.loc[:, table.nunique() > 1]
        else:
            table = cast("pd.DataFrame", ranef(fit, own))
        return pairs_grid(table, far_out(table, id))

    def aug_pred(
        self,
        primary: str | None = None,
        level: Levels = None,
        *,
        ax: Axes | None = None,
        **options: Any,
    ) -> list[Axes]:
        """Plot the observed responses and the predicted curve of every group.

        Parameters
        ----------
        primary, level, **options
            As for `bayeslme.fit.values.curves.aug_pred`; ``level=[0, 1]`` draws the mean curve too.
        ax : Axes, optional
            Where there is one group.

        Returns
        -------
        list of Axes, one for each group
        """
        return draw_curves(aug_pred(self.fit, primary, level, **options), ax)

    def compare_pred(
        self,
        *others: Fit,
        names: list[str] | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> list[Axes]:
        """Plot the predicted curves of this fit and others over the observed responses.

        Parameters
        ----------
        *others : Fit
        names, **options
            As for `bayeslme.compare_pred`.
        ax : Axes, optional
            Where there is one group.

        Returns
        -------
        list of Axes, one for each group
        """
        return draw_curves(compare_pred(self.fit, *others, names=names, **options), ax)


def as_mixed(fit: Fit, verb: str) -> LmeFit:
    """The fit, where it has random effects."""
    if not fit.design.levels:
        raise FitError(f"{verb}: a fit by {fit.kind} has no random effects")
    return cast("LmeFit", fit)


def far_out(table: pd.DataFrame, level: float | None) -> list[int]:
    """Positions of rows beyond the chi-squared quantile of their Mahalanobis distances."""
    if level is None:
        return []
    check_probability(level, "id")
    rows = np.flatnonzero(table.notna().all(axis=1))
    centred = (table - table.mean()).to_numpy(float)[rows]
    inverse = np.linalg.pinv(np.cov(centred, rowvar=False).reshape(table.shape[1], -1))
    distance = np.einsum("gi,ij,gj->g", centred, inverse, centred)
    return [int(i) for i in rows[distance > chdtri(table.shape[1], level)]]


def draw_curves(table: pd.DataFrame, ax: Axes | None) -> list[Axes]:
    """Panels of a table of curves under the labels that come with the data."""
    from bayeslme.report.plots.data import curve_panels

    x, _, y, _ = map(str, table.columns)
    return curve_panels(table, labels=(axis_label(table, x), axis_label(table, y)), ax=ax)


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
        from bayeslme.report.plots.estimates import interval_panels

        return interval_panels(self.fits.intervals(level), ax)

    def aug_pred(
        self, primary: str | None = None, *, ax: Axes | None = None, **options: Any
    ) -> list[Axes]:
        """Plot the observed responses and the line of every group.

        Parameters
        ----------
        primary, **options
            As for `bayeslme.fit.values.curves.aug_pred`.
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
        from bayeslme.report.plots.estimates import pairs_grid

        return pairs_grid(self.fits.coefficients, far_out(self.fits.coefficients, id))
