"""The posterior of a fitted model: a DataTree, and the verbs of a fit on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes import estimates as _estimates
from bayeslme.bayes import posterior_summary as _tables
from bayeslme.bayes import prediction as _prediction
from bayeslme.bayes import random_draws as _random
from bayeslme.bayes import storage as _storage
from bayeslme.bayes import verbs as _verbs
from bayeslme.bayes.layout import Layout
from bayeslme.bayes.limits import IntervalKind
from bayeslme.bayes.priors import Priors
from bayeslme.docstrings import delegating
from bayeslme.fit.intervals import Intervals
from bayeslme.fit.residuals import LevelName, ResidualType
from bayeslme.fit.varcorr import VarCorr

if TYPE_CHECKING:
    from bayeslme.bayes.checks import Check, CheckName
    from bayeslme.bayes.loo import LooKind
    from bayeslme.bayes.means import PosteriorMeans
    from bayeslme.bayes.pit import Pit, PitKind
    from bayeslme.bayes.plots import PosteriorPlots
    from bayeslme.fit.result import Fit


@delegating
@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from the posterior of a model.

    Attributes
    ----------
    data : xarray.DataTree
        ``posterior``: fixef (term), sigma, sd_<group> (<group>_effect), cor_<group>
        (<group>_effect, <group>_effect_bis), varfunc (varfunc_coef), corstruct (corstruct_coef),
        ranef_<group> (<group>, <group>_effect).
        ``log_likelihood``: the marginal terms by outermost group. Also ``log_prior``,
        ``sample_stats``, ``posterior_predictive``, ``observed_data``,
        ``constant_data``.
    fit : Fit
        The classical fit it belongs to.
    layout : Layout
    priors : Priors
    """

    data: xr.DataTree
    fit: Fit
    layout: Layout
    priors: Priors

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Draws of the parameters, chains joined: variable name to array (s, ...)."""
        return _estimates.flat_values(self)

    @cached_property
    def effects(self) -> dict[str, np.ndarray]:
        """Draws of the random effects, chains joined: group to array (s, G, q)."""
        return _random.all_effects(self)

    @cached_property
    def mean_effects(self) -> dict[str, np.ndarray]:
        """Posterior means of the random effects: group to array (G, q)."""
        return _random.mean_effects(self)

    @property
    def fixef(self) -> pd.Series:
        """Posterior means of the coefficients, length p."""
        return pd.Series(
            self.values["fixef"].mean(axis=0), index=list(self.layout.fixef.coefs), name="fixef"
        )

    @cached_property
    def _summary(self) -> _tables.PosteriorSummary:
        return _tables.summary(self)

    def summary(self) -> _tables.PosteriorSummary:
        """Summarise; see `bayeslme.bayes.posterior_summary.summary`."""
        return self._summary

    def varcorr(self) -> VarCorr:
        """Posterior means of the variance components; see `bayeslme.bayes.estimates.varcorr`."""
        return _estimates.varcorr(self)

    def intervals(self, level: float = 0.95, kind: IntervalKind = "eti") -> Intervals:
        """Posterior intervals; see `bayeslme.bayes.estimates.intervals`."""
        return _estimates.intervals(self, level, kind)

    def hypothesis(
        self, *statements: str, level: float = 0.95, kind: IntervalKind = "eti"
    ) -> pd.DataFrame:
        """Probability of statements; see `bayeslme.bayes.hypothesis.hypothesis`."""
        from bayeslme.bayes.hypothesis import hypothesis

        return hypothesis(self, *statements, level=level, kind=kind)

    def quantities(
        self,
        expressions: Mapping[str, str] | str,
        level: float = 0.95,
        kind: IntervalKind = "eti",
        *,
        draws: bool = False,
    ) -> pd.DataFrame:
        """Functions of the parameters; see `bayeslme.bayes.quantities.quantities`."""
        from bayeslme.bayes.quantities import quantities

        return quantities(self, expressions, level, kind, draws=draws)

    def contrast(self, L: Any, level: float = 0.95, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Combinations of coefficients; see `bayeslme.bayes.hypothesis.contrast`."""
        from bayeslme.bayes.hypothesis import contrast

        return contrast(self, L, level, kind)

    def means(
        self,
        factors: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> PosteriorMeans:
        """Marginal means or slopes, to be compared; see `bayeslme.bayes.means.posterior_means`."""
        from bayeslme.bayes.means import posterior_means

        return posterior_means(self, factors, at, **options)

    def ranef(self, level: LevelName = None) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Posterior means of the random effects; see `bayeslme.bayes.verbs.ranef`."""
        return _verbs.ranef(self, level)

    def fitted(self, level: LevelName = None, draws: bool = False) -> Any:
        """Fitted values, means or draws; see `bayeslme.bayes.verbs.fitted`."""
        return _verbs.fitted(self, level, draws)

    def residuals(
        self, level: LevelName = None, type: ResidualType = "response", draws: bool = False
    ) -> Any:
        """Residuals, means or draws; see `bayeslme.bayes.verbs.residuals`."""
        return _verbs.residuals(self, level, type, draws)

    def predict(
        self,
        newdata: pd.DataFrame | None = None,
        level: LevelName = None,
        interval: float | None = None,
        **options: Any,
    ) -> Any:
        """Predictions of the mean or a response; see `bayeslme.bayes.prediction.predict`."""
        return _prediction.predict(self, newdata, level, interval, **options)

    def prior_predictive(self, draws: int = 500, seed: int | None = None) -> xr.DataTree:
        """Draws from its priors; see `bayeslme.bayes.prior_predictive.prior_predictive`."""
        from bayeslme.bayes.prior_predictive import prior_tree

        return prior_tree(self.layout, self.priors, draws, seed)

    def sensitivity(self, priors: Sequence[str] | str | None = None) -> pd.DataFrame:
        """Power-scale sensitivity; see `bayeslme.bayes.sensitivity.sensitivity`."""
        from bayeslme.bayes.sensitivity import sensitivity

        return sensitivity(self, priors)

    def ppc(self, conditional: bool = True, seed: int | None = None) -> xr.DataTree:
        """Replicated responses; see `bayeslme.bayes.verbs.ppc`."""
        return _verbs.ppc(self, conditional, seed)

    def loo(self, kind: LooKind = "conditional") -> Any:
        """Leave-one-out cross-validation; see `bayeslme.bayes.loo.loo`."""
        from bayeslme.bayes.loo import loo

        return loo(self, kind)

    def pit(self, kind: PitKind = "marginal") -> Pit:
        """Probability integral transforms; see `bayeslme.bayes.pit.pit`."""
        from bayeslme.bayes.pit import pit

        return pit(self, kind)

    def check(self, structure: CheckName, **options: Any) -> Check:
        """Check a structure against replicated data; see `bayeslme.bayes.checks.check`."""
        from bayeslme.bayes.checks import check

        return check(self, structure, **options)

    def save(self, path: str | Path) -> None:
        """Write a netCDF file or a zarr store; see `bayeslme.bayes.storage.save`."""
        _storage.save(self, path)

    @property
    def plot(self) -> PosteriorPlots:
        """Plots, ``posterior.plot.trace()``; see `bayeslme.bayes.plots.PosteriorPlots`."""
        from bayeslme.bayes.plots import PosteriorPlots

        return PosteriorPlots(self)

    def __repr__(self) -> str:
        return str(self._summary)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self._summary._repr_html_()
