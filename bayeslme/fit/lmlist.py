"""One linear model for each group, with a pooled residual standard deviation."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.design import build
from bayeslme.data.types import Design
from bayeslme.data.variables.columns import Columns, as_frame, with_attrs
from bayeslme.data.variables.groups import Grouping, group_values, nest
from bayeslme.engine.settings import PROBLEM
from bayeslme.errors import DataError, FitError
from bayeslme.fit.arguments import check_choice, check_probability
from bayeslme.fit.inference.hypotheses import t_quantile, t_tail
from bayeslme.fit.inference.intervals import COLUMNS
from bayeslme.fit.values.padding import padded, shown_rows
from bayeslme.report.grid import number_grid
from bayeslme.report.html import html_table, wrap
from bayeslme.report.numbers import format_numbers
from bayeslme.report.tables import Tables
from bayeslme.spec.model import LmeSpec

if TYPE_CHECKING:
    from bayeslme.fit.output.group_plots import LmListPlots
    from bayeslme.fit.values.curves import Levels

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LmList:
    """Least-squares fits of the groups.

    Attributes
    ----------
    spec : LmeSpec
    coefficients : DataFrame, shape (G, p)
        Coefficients by group; NaN where a group has too few distinct rows.
    stderr : DataFrame, shape (G, p)
        Their standard errors with the pooled residual standard deviation.
    sigma : float
        Pooled residual standard deviation.
    df : int
        Its degrees of freedom.
    nobs : int
    design : Design
        Arrays of all groups' rows.
    groups : Grouping
        Group of each row.
    data : DataFrame
    """

    spec: LmeSpec[LmList]
    coefficients: pd.DataFrame
    stderr: pd.DataFrame
    sigma: float
    df: int
    nobs: int
    design: Design
    groups: Grouping
    data: pd.DataFrame

    def coef(self) -> pd.DataFrame:
        """Coefficients of each group, as `Fit.coef` gives them for a mixed model.

        Returns
        -------
        DataFrame, shape (G, p)
            NaN where a group has too few distinct rows.

        Examples
        --------
        >>> import bayeslme
        >>> fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("Orthodont"))
        >>> fits.coef().loc["M13"].round(2).tolist()
        [2.8, 1.95]
        """
        return self.coefficients

    def fitted(self) -> pd.Series:
        """Fitted values, each by its own group's coefficients.

        Returns
        -------
        Series, length n
        """
        values = pd.Series(self._fitted(), index=self.design.index, name="fitted")
        return padded(self.design, values)

    def _fitted(self) -> FloatArray:
        own = self.coefficients.to_numpy()[self.groups.code]
        return np.asarray(np.einsum("np,np->n", self.design.X, own))

    def predict(self, newdata: pd.DataFrame | None = None) -> pd.Series:
        """Predict by each row's own group; NaN for groups without coefficients.

        Parameters
        ----------
        newdata : DataFrame, optional
            The rows of the fits by default. Needs the groups' columns, no response.

        Returns
        -------
        Series

        Raises
        ------
        DataError
            For a missing column or a factor level the fits have not seen.
        """
        if newdata is None:
            return self.fitted().rename("predict")
        newdata = as_frame(newdata, "newdata")
        columns, names = Columns(newdata, self.design.origins), self.spec.fixed.groups
        columns.require([name for name in names if "(" not in name], "groups")
        X = self.design.matrix.apply(columns)
        assert self.groups.known is not None
        code = self.groups.known.find([group_values(columns, name) for name in names])
        coef = np.where(code[:, None] < 0, np.nan, self.coefficients.to_numpy()[code])
        values = np.einsum("mp,mp->m", X, coef)
        return pd.Series(values, index=newdata.index, name="predict")

    def aug_pred(
        self,
        primary: str | None = None,
        level: Levels = None,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        length: int = 51,
        groups: str | None = None,
    ) -> pd.DataFrame:
        """Observed responses and the line of each group.

        Parameters
        ----------
        primary : str, optional
            Column that runs over the grid. By default the covariate of the data's own formula
            (``data.attrs["formula"]``), or the model's only numeric one.
        level : None
            These fits have one level.
        minimum, maximum : float, optional
            Ends of the grid, by default those of the data.
        length : int
            Points of the grid.
        groups : None
            The groups are those of the fits; anything else is refused.

        Returns
        -------
        DataFrame
            Columns `primary`, ``.groups``, the response and ``.type`` (``"original"`` or
            ``"predicted"``), as in nlme's ``augPred``.

        Raises
        ------
        SpecError
            If `primary` is needed, or is not a column of the data.

        Examples
        --------
        >>> import bayeslme
        >>> fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
        >>> fits.aug_pred(length=2).tail(2).round(2)
              age .groups  distance      .type
        160   8.0     F11     24.35  predicted
        161  14.0     F11     28.40  predicted
        """
        from bayeslme.fit.values.curves import aug_pred

        return aug_pred(
            self, primary, level, minimum=minimum, maximum=maximum, length=length, groups=groups
        )

    def residuals(self, type: Literal["response", "pearson"] = "response") -> pd.Series:
        """Residuals, as they are or divided by the pooled standard deviation.

        Parameters
        ----------
        type : {"response", "pearson"}

        Returns
        -------
        Series, length n

        Raises
        ------
        FitError
            For an unknown type.
        """
        check_choice(type, ("response", "pearson"), "type")
        scale = self.sigma if type == "pearson" else 1.0
        values = (self.design.y - self._fitted()) / scale
        found = pd.Series(values, index=self.design.index, name="residuals")
        return padded(self.design, found)

    def intervals(self, level: float = 0.95) -> Tables:
        """Confidence intervals of each group's coefficients, with the pooled sigma.

        Parameters
        ----------
        level : float
            Confidence level, between 0 and 1.

        Returns
        -------
        Tables
            For each coefficient a DataFrame, shape (G, 3): lower, est., upper.

        Raises
        ------
        FitError
            If `level` is not between 0 and 1.

        Examples
        --------
        >>> import bayeslme
        >>> fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
        >>> fits.intervals()["age"].loc["M13"].round(2).tolist()
        [1.36, 1.95, 2.54]
        """
        check_probability(level)
        width = float(t_quantile(0.5 + level / 2, self.df)) * self.stderr
        parts = [self.coefficients - width, self.coefficients, self.coefficients + width]
        return Tables(
            (name, pd.concat([part[name] for part in parts], axis=1, keys=COLUMNS))
            for name in self.coefficients.columns
        )

    def summary(self) -> Tables:
        """Estimates of each group's coefficients, with tests that they are 0.

        Returns
        -------
        Tables
            For each coefficient a DataFrame, shape (G, 4): Value, Std.Error, t-value, p-value.
        """
        t = self.coefficients / self.stderr
        p = pd.DataFrame(t_tail(t, self.df), index=t.index, columns=t.columns)
        parts = {"Value": self.coefficients, "Std.Error": self.stderr, "t-value": t, "p-value": p}
        return Tables(
            (name, pd.concat([part[name] for part in parts.values()], axis=1, keys=list(parts)))
            for name in self.coefficients.columns
        )

    def tidy(self, conf_int: bool = True, conf_level: float = 0.95) -> pd.DataFrame:
        """One row for each coefficient of each group, with the column names of R's broom.

        Parameters
        ----------
        conf_int : bool
            Add conf.low and conf.high.
        conf_level : float

        Returns
        -------
        DataFrame
            Columns effect, level (the group), term, estimate, std.error, df, statistic, p.value,
            conf.low, conf.high.

        Examples
        --------
        >>> import bayeslme
        >>> fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
        >>> fits.tidy()[["level", "term", "estimate"]].head(2)
          level         term  estimate
        0   M16  (Intercept)     16.95
        1   M05  (Intercept)     13.65
        """
        from bayeslme.fit.output.tidy import tidy_list

        return tidy_list(self, conf_int, conf_level)

    def glance(self) -> pd.DataFrame:
        """One row for all fits together: nobs, ngroups, sigma (pooled) and df.residual.

        Returns
        -------
        DataFrame, one row
        """
        row = {"nobs": self.nobs, "ngroups": len(self.coefficients), "sigma": self.sigma}
        return pd.DataFrame([{**row, "df.residual": self.df}])

    def augment(self) -> pd.DataFrame:
        """The rows used, with columns .fitted and .resid.

        Returns
        -------
        DataFrame
        """
        used = self.data.iloc[shown_rows(self.design)]
        made = {".fitted": np.asarray(self.fitted()), ".resid": np.asarray(self.residuals())}
        return used.assign(**made)

    def update(self, **changes: Any) -> Self:
        """Fit again with some arguments of the call changed.

        Parameters
        ----------
        **changes
            Arguments of `lmlist`. A new formula (``formula``, ``fixed``) may use dots, and keeps
            the groups where it names none; ``data`` is another data frame.

        Returns
        -------
        LmList
            Contrasts and everything else that is not named stay.

        Raises
        ------
        SpecError
            For an argument that `lmlist` does not have.

        Examples
        --------
        >>> import bayeslme
        >>> fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
        >>> fits.update(fixed="distance ~ I(age - 11)").coef().round(2).loc["M13"].to_dict()
        {'(Intercept)': 24.25, 'I(age - 11)': 1.95}
        """
        from bayeslme.fit.refit import update

        return update(self, **changes)

    @property
    def plot(self) -> LmListPlots:
        """Plots, as ``fits.plot.intervals()``.

        Returns
        -------
        LmListPlots
            Its methods return matplotlib's figures.
        """
        from bayeslme.fit.output.group_plots import LmListPlots

        return LmListPlots(self)

    def __repr__(self) -> str:
        data = f"   Data: {self.spec.data} \n" if self.spec.data else ""
        head = f"Call:\n  Model: {self.spec.fixed} \n{data}\nCoefficients:\n"
        left = f"{self.nobs} total; {self.df} residual"
        sigma = format_numbers([self.sigma])[0]
        foot = f"Degrees of freedom: {left}\nResidual standard error: {sigma}"
        return f"{head}{number_grid(self.coefficients)}\n\n{foot}"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        left = f"{self.nobs} rows, {self.df} residual degrees of freedom"
        sigma = format_numbers([self.sigma])[0]
        foot = f"<p>{left}; pooled residual standard deviation {escape(sigma)}</p>"
        return wrap(html_table(self.coefficients, f"{self.spec.fixed}"), foot)


def fit_list(spec: LmeSpec, data: pd.DataFrame) -> LmList:
    """Fit a linear model to each group.

    Parameters
    ----------
    spec : LmeSpec
        With function ``"lmList"`` and the groups in its formula.
    data : DataFrame

    Returns
    -------
    LmList

    Raises
    ------
    DataError
        If no group leaves residual degrees of freedom.
    FitError
        If nothing but rounding is left of the response.
    """
    design = build(spec, data)
    groups = nest(Columns(design.frame, design.origins), spec.fixed.groups)[-1]
    members = [np.flatnonzero(groups.code == g) for g in range(len(groups.labels))]
    fits = [_least_squares(design, rows) for rows in members]
    df = sum(one[3] for one in fits)
    if df <= 0:
        raise DataError(f"lmlist: no group of {groups.name} has more rows than coefficients")
    left = float(np.sqrt(sum(one[2] for one in fits)))
    if left <= PROBLEM.exact_residual * np.linalg.norm(design.y):
        raise FitError(
            f"lmlist: the coefficients of each {groups.name} reproduce the response exactly: "
            "nothing is left from which a residual standard deviation could be estimated"
        )
    sigma = left / float(np.sqrt(df))
    kept = with_attrs(design.source, data.attrs)
    index, columns = pd.Index(groups.labels, name=groups.name), list(design.x_names)
    coef = pd.DataFrame([one[0] for one in fits], index=index, columns=columns)
    stderr = sigma * pd.DataFrame([one[1] for one in fits], index=index, columns=columns)
    return LmList(spec, coef, stderr, sigma, df, len(design.y), design, groups, kept)


def _least_squares(
    design: Design, rows: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray, float, int]:
    """Coefficients and unscaled standard errors (NaN if singular), residual sum of squares, df."""
    X, y = design.X[rows], design.y[rows]
    p = X.shape[1]
    if np.linalg.matrix_rank(X) < p:
        empty = np.full(p, np.nan)
        return empty, empty, 0.0, 0
    q, r = np.linalg.qr(X)
    beta = np.linalg.solve(r, q.T @ y)
    inverse = np.linalg.inv(r)
    rest = y - q @ (q.T @ y)
    rest = rest - q @ (q.T @ rest)  # what rounding left of the coefficients
    return beta, np.sqrt(np.sum(inverse**2, axis=1)), float(rest @ rest), len(y) - p
