"""Fit again: to another response, or with some arguments changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.engine.search.refit import Refitter
from bayeslme.errors import DataError
from bayeslme.fit.values.varcorr import moments

if TYPE_CHECKING:
    from bayeslme.engine import Estimate
    from bayeslme.engine.search.optimise import Optimum
    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.result import Fit


@dataclass(frozen=True)
class Refits[F: Fit]:
    """Makes fits of one model to many responses.

    Attributes
    ----------
    fit : Fit
    """

    fit: F

    @cached_property
    def engine(self) -> Refitter:
        """What does the estimating where there are no priors."""
        return Refitter(self.fit.design, self.fit.estimate)

    @property
    def together(self) -> int:
        """Number of responses whose search is one; see `bayeslme.engine.search.refit.Refitter`."""
        alone = self.fit.spec.priors is not None or self.engine.moving_covariate
        return 1 if alone else self.engine.together

    def optima(self, y: npt.NDArray[np.float64]) -> list[Optimum | None]:
        """Where the searches for responses (s, n) end; None where each is left to its fit."""
        return [None] * len(y) if self.together == 1 else [*self.engine.optima(y)]

    def __call__(self, y: npt.NDArray[np.float64], optimum: Optimum | None = None) -> F:
        """Fit to the response y (n,), its search done or not."""
        fit, design = self.fit, replace(self.fit.design, y=y)
        return type(fit)(fit.spec, design, self._estimate(y, optimum), self._frame(y))

    def _estimate(self, y: npt.NDArray[np.float64], optimum: Optimum | None) -> Estimate:
        spec = self.fit.spec
        if spec.priors is None:
            return self.engine.estimate(y, optimum)
        from bayeslme.fit.api import estimate_design

        return estimate_design(replace(self.fit.design, y=y), spec.priors)

    def _frame(self, y: npt.NDArray[np.float64]) -> pd.DataFrame:
        """The data with the new response in its column, where the response is a column."""
        data, name = self.fit.data, self.fit.design.response_label
        if name not in data.columns:
            return data
        values = data[name].to_numpy(float, copy=True)
        values[self.fit.design.rows] = y
        return data.assign(**{name: values})


def refit[F: Fit](fit: F, response: npt.ArrayLike) -> F:
    """Fit the same model to another response; see `Fit.refit`."""
    return Refits(fit)(_response(fit, response))


def _response(fit: Fit, response: npt.ArrayLike) -> npt.NDArray[np.float64]:
    if isinstance(response, pd.Series):
        lacking = fit.design.index.difference(response.index)
        if len(lacking):
            raise DataError(f"response: no value for row {lacking[0]!r} of the fit")
        response = response.loc[fit.design.index]
    try:
        y = np.array(response, dtype=float)
    except (TypeError, ValueError):
        raise DataError("response: numbers are needed, and some values are none") from None
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
    values = dict(zip(fit.design.x_names, fit.estimate.beta.tolist(), strict=True))
    values |= _components(fit)
    for name, coef in (("corstruct", fit.correlation_coef), ("varfunc", fit.weights_coef)):
        values |= {f"{name} {one}": float(value) for one, value in coef.items()}
    return pd.Series(values | {"sigma": fit.sigma}, dtype=float)


def components(fit: Fit) -> pd.Series:
    """Standard deviations and correlations of the random effects, outermost level first."""
    return pd.Series(_components(fit), dtype=float)


def _components(fit: Fit) -> dict[str, float]:
    out: dict[str, float] = {}
    for level, factor in zip(fit.design.levels, fit.estimate.factors, strict=True):
        _, sd, corr = moments(level, factor, fit.sigma)
        out |= {f"{level.group} sd({e})": float(v) for e, v in zip(level.effects, sd, strict=True)}
        for i, j in zip(*np.triu_indices(len(sd), 1), strict=True):
            out[f"{level.group} cor({level.effects[i]},{level.effects[j]})"] = float(corr[i, j])
    return out


def update[F: Fit | LmList](fit: F, **changes: Any) -> F:
    """Fit again with some arguments of the call changed; see `Fit.update`."""
    from bayeslme.fit.api import fit_spec, label_of

    data = changes.pop("data", fit.data)
    if isinstance(data, pd.DataFrame) and data is not fit.data:
        changes["data"] = label_of(data)
    return cast("F", fit_spec(fit.spec.update(**changes), data))
