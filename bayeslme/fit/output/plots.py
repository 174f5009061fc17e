"""The plots of a fit, ``fit.plot.residuals(...)``; drawing is left to the floor below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_probability
from bayeslme.fit.output.group_plots import GroupPlots, as_mixed
from bayeslme.fit.output.plot_formula import NAMES, one_sided, plotted
from bayeslme.fit.values.random_effects import ranef
from bayeslme.fit.values.residuals import LevelName, ResidualType, residuals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bayeslme.fit.result import Fit

RESIDUALS = "resid(., type = 'p') ~ fitted(.)"


@dataclass(frozen=True, slots=True, repr=False)
class Plots(GroupPlots):
    """Plots of one fit; each method returns matplotlib axes. ``fit.plot()`` is that of residuals.

    Attributes
    ----------
    fit : Fit
    """

    fit: Fit

    def __call__(self, form: str = RESIDUALS, **options: Any) -> list[Axes]:
        """Plot by one of nlme's formulas, as `residuals` does."""
        return self.residuals(form, **options)

    def residuals(
        self,
        form: str = RESIDUALS,
        *,
        abline: float | tuple[float, float] | None = 0.0,
        smooth: bool = False,
        id: float | None = None,
        ax: Axes | None = None,
    ) -> list[Axes]:
        """Plot residuals, or anything else, by one of nlme's plot formulas.

        Parameters
        ----------
        form : str
            ``"resid(., type='p') ~ fitted(.) | Sex"``; panels by what stands behind the bar. A
            factor gives box plots: ``"resid(.) ~ Sex"``, ``"Subject ~ resid(.)"``.
        abline : float or (intercept, slope), optional
            Reference line, by default at zero where residuals are drawn; ``(0, 1)`` for
            ``"distance ~ fitted(.)"``.
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

        Raises
        ------
        SpecError, DataError
            For a formula that cannot be read, or names a column the data do not have.

        Examples
        --------
        >>> import bayeslme
        >>> data = bayeslme.load_data("orthodont")
        >>> fit = bayeslme.lme("distance ~ age * Sex", data, "~ 1 | Subject")
        >>> axes = fit.plot.residuals("resid(., type='p') ~ fitted(.) | Sex", abline=0)
        >>> [ax.get_title() for ax in axes]
        ['Male', 'Female']
        """
        from bayeslme.report.plots.residuals import scatter_panels

        made = plotted(self.fit, form)
        line = abline if made.of_residuals or abline != 0.0 else None
        options = {"labels": made.labels, "abline": line, "smooth": smooth}
        return scatter_panels(made.frame, marked=_beyond(self.fit, id), ax=ax, **options)  # type: ignore[arg-type]

    def acf(
        self,
        max_lag: int | None = None,
        type: ResidualType = "pearson",
        form: str | None = None,
        level: LevelName = None,
        *,
        alpha: float = 0.05,
        ax: Axes | None = None,
    ) -> Axes:
        """Plot the autocorrelation of the residuals with bands of level `alpha` under independence.

        Parameters
        ----------
        max_lag, type, form, level
            As for `bayeslme.fit.values.dependence.acf`.
        alpha : float
            Between 0 and 1: the bands are z(1 - alpha / 2) / sqrt(pairs), lag by lag.
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.residuals import lag_plot

        check_probability(alpha, "alpha")
        return lag_plot(self.fit.acf(max_lag, type, form, level), float(-ndtri(alpha / 2)), ax)

    def variogram(
        self,
        form: str | None = None,
        type: ResidualType = "pearson",
        *,
        curve: bool = True,
        smooth: bool = False,
        ax: Axes | None = None,
        **options: Any,
    ) -> Axes:
        """Plot the semivariogram of the residuals, with the curve of the fit's own structure.

        Parameters
        ----------
        form, type, **options
            As for `bayeslme.fit.values.dependence.variogram`.
        curve : bool
            Draw the fitted curve where the correlation structure is of the same positions.
        smooth : bool
            Draw the running mean of the points, weighted by their pairs.
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.residuals import variogram_plot

        table = self.fit.variogram(form, type, **options)
        fitted = table.attrs.get("model") if curve else None
        return variogram_plot(table, fitted, smooth=smooth, ax=ax)

    def qq(
        self,
        type: ResidualType | str = "pearson",
        *,
        group: LevelName = None,
        by: str | None = None,
        id: float | None = None,
        ax: Axes | None = None,
    ) -> list[Axes]:
        """Plot residuals, or the random effects of a group, against normal quantiles.

        Parameters
        ----------
        type : {"response", "pearson", "normalized"} or str
            Of the residuals; or nlme's formula for all of it, ``"~ resid(., type = 'p') | Sex"``,
            ``"~ ranef(., level = 1)"``.
        group : str or int, optional
            Random effects of this level in the place of residuals, a panel for each.
        by : str, optional
            Factor with a panel of residuals for each of its levels, ``"Sex"``.
        id : float, optional
            Label rows or groups beyond the two-sided normal quantile of this level, 0.05 say;
            random effects and raw residuals relative to their standard deviation.
        ax : Axes, optional
            Where there is one panel.

        Returns
        -------
        list of Axes
        """
        if "~" not in type:
            if group is not None and by is not None:
                raise FitError("by: splits residuals, not random effects; leave group or by out")
            return self._qq(type, None, group, by, id, ax)  # type: ignore[arg-type]
        if group is not None or by is not None:
            raise FitError("group, by: the formula says it all; leave them out")
        asked = one_sided(type)
        if asked.function == "resid":
            return self._qq(asked.type, asked.level, None, asked.by, id, ax)
        fit = as_mixed(self.fit, "qq")
        if asked.by is not None:
            raise FitError("form: random effects have a panel for each effect, none by a factor")
        own = fit.design.levels[-1].group if asked.level is None else asked.level
        return self._qq("pearson", None, own, None, id, ax)

    def _qq(
        self,
        type: ResidualType,
        level: LevelName,
        group: LevelName,
        by: str | None,
        id: float | None,
        ax: Axes | None,
    ) -> list[Axes]:
        from bayeslme.report.plots.residuals import quantile_panels

        if group is not None:
            table: pd.DataFrame = ranef(as_mixed(self.fit, "qq"), group)  # type: ignore[assignment]
            return quantile_panels(table, ax, beyond=_quantile(id), standard=False)
        values = residuals(self.fit, level, type)
        marks: Any = {"beyond": _quantile(id), "standard": type != "response"}
        if by is None:
            return quantile_panels(values.to_frame(NAMES[type]), ax, **marks)
        panel = plotted(self.fit, f"resid(.) ~ fitted(.) | {by}").frame["panel"]
        return quantile_panels(_wide(values, panel), ax, label=NAMES[type], **marks)


def _wide(values: pd.Series, panel: pd.Series) -> pd.DataFrame:
    """A column for each panel, its other rows missing."""
    import pandas as pd

    levels = [level for level in panel.cat.categories if (panel == level).any()]
    return pd.DataFrame({level: values.where(panel == level) for level in levels})


def _beyond(fit: Fit, level: float | None) -> list[int]:
    if level is None:
        return []
    standard = np.abs(residuals(fit, type="pearson").to_numpy())
    return np.flatnonzero(standard > _quantile(level)).tolist()


def _quantile(level: float | None) -> float:
    """Two-sided normal quantile of a level; infinite for none."""
    if level is None:
        return np.inf
    check_probability(level, "id")
    return float(-ndtri(level / 2))
