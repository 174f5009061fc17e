"""Fit the same model to another response, quickly: everything that was read of the data is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.engine.refit import Refitter
from bayeslme.errors import DataError
from bayeslme.spec import bind

if TYPE_CHECKING:
    from bayeslme.engine import Estimate
    from bayeslme.fit.result import Fit


@dataclass(frozen=True)
class Refits:
    """Makes fits of one model to many responses.

    Attributes
    ----------
    fit : Fit
    """

    fit: Fit

    @cached_property
    def engine(self) -> Refitter:
        """What does the estimating where there are no priors."""
        return Refitter(self.fit.design, self.fit.estimate)

    def __call__(self, y: npt.NDArray[np.float64]) -> Fit:
        """Fit to the response y (n,)."""
        fit, design = self.fit, replace(self.fit.design, y=y)
        return type(fit)(fit.spec, design, self._estimate(y), self._frame(y))

    def _estimate(self, y: npt.NDArray[np.float64]) -> Estimate:
        spec = self.fit.spec
        if spec.priors is None:
            return self.engine.estimate(y)
        found: Estimate = bind.map_estimate(replace(self.fit.design, y=y), spec.priors)
        return found

    def _frame(self, y: npt.NDArray[np.float64]) -> pd.DataFrame:
        """The data with the new response in its column, where the response is a column."""
        data, name = self.fit.data, self.fit.design.response_label
        if name not in data.columns:
            return data
        values = data[name].to_numpy(float, copy=True)
        values[self.fit.design.rows] = y
        return data.assign(**{name: values})


def refit(fit: Fit, response: npt.ArrayLike) -> Fit:
    """Fit the same model to another response.

    Parameters
    ----------
    fit : Fit
    response : (n,) array or Series
        On the scale of the left-hand side, a row for each row used; a Series is matched by the
        index of the rows.

    Returns
    -------
    Fit
        Its ``data`` hold the new response where the left-hand side is a column; where it is an
        expression, ``log(y)`` say, they keep the old column.

    Raises
    ------
    DataError
        If the response has another length or index, or missing values.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> fit = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    >>> again = fit.refit(2 * data["distance"])
    >>> print(round(again.fixef["age"] / fit.fixef["age"], 6))
    2.0
    """
    return Refits(fit)(_response(fit, response))


def _response(fit: Fit, response: npt.ArrayLike) -> npt.NDArray[np.float64]:
    if isinstance(response, pd.Series):
        lacking = fit.design.index.difference(response.index)
        if len(lacking):
            raise DataError(f"response: no value for row {lacking[0]!r} of the fit")
        response = response.loc[fit.design.index]
    y = np.asarray(response, dtype=float)
    if y.shape != (fit.nobs,):
        raise DataError(f"response: {fit.nobs} numbers are needed, not shape {y.shape}")
    if not np.all(np.isfinite(y)):
        raise DataError("response: missing or infinite values; refit needs a number for every row")
    return y


def parameters(fit: Fit) -> pd.Series:
    """All estimates of a fit in one row: coefficients, variance components, structures, sigma.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    Series
        Coefficients under their names; ``"Subject sd(age)"``, ``"Subject cor((Intercept),age)"``;
        ``"corstruct Phi"``, ``"varfunc Female"``; ``"sigma"``.
    """
    parts = [fit.fixef, components(fit)]
    for name, coef in (("corstruct", fit.correlation_coef), ("varfunc", fit.weights_coef)):
        parts.append(coef.set_axis([f"{name} {one}" for one in coef.index]))
    parts.append(pd.Series({"sigma": fit.sigma}))
    named: pd.Series = pd.concat([one for one in parts if len(one)])
    return named


def components(fit: Fit) -> pd.Series:
    """Standard deviations and correlations of the random effects, outermost level first."""
    out: dict[str, float] = {}
    for group, one in fit.varcorr().items():
        names = [str(e) for e in one.sd.index]
        out |= {f"{group} sd({e})": float(one.sd[e]) for e in names}
        corr = one.corr.to_numpy()
        for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
            out[f"{group} cor({names[i]},{names[j]})"] = float(corr[i, j])
    return pd.Series(out, dtype=float)
