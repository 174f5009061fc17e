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

from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.posterior import estimates as _estimates
from bayeslme.bayes.posterior import predict as _predict
from bayeslme.bayes.posterior import random_effects as _random_effects
from bayeslme.bayes.posterior import storage as _storage
from bayeslme.bayes.posterior import summary as _tables
from bayeslme.bayes.posterior import values as _values
from bayeslme.bayes.posterior.estimates import IntervalKind
from bayeslme.bayes.priors.priors import Priors
from bayeslme.docstrings import delegating
from bayeslme.fit.inference.intervals import Intervals
from bayeslme.fit.values.residuals import LevelName, ResidualType
from bayeslme.fit.values.varcorr import VarCorr

if TYPE_CHECKING:
    from bayeslme.bayes.checks.loo import LooKind
    from bayeslme.bayes.checks.pit import Pit, PitKind
    from bayeslme.bayes.checks.predictive_checks import Check, CheckName
    from bayeslme.bayes.posterior.hypothesis import PosteriorMeans
    from bayeslme.bayes.posterior.plots import PosteriorPlots
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
    parameters : ModelParameters
    priors : Priors
    """

    data: xr.DataTree
    fit: Fit
    parameters: ModelParameters
    priors: Priors

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Draws of the parameters, chains joined: variable name to array (s, ...)."""
        return _estimates.flat_values(self)

    @cached_property
    def effects(self) -> dict[str, np.ndarray]:
        """Draws of the random effects, chains joined: group to array (s, G, q)."""
        return _random_effects.all_effects(self)

    @cached_property
    def mean_effects(self) -> dict[str, np.ndarray]:
        """Posterior means of the random effects: group to array (G, q)."""
        return _random_effects.mean_effects(self)

    @property
    def fixef(self) -> pd.Series:
        """Posterior means of the coefficients, length p."""
        return pd.Series(
            self.values["fixef"].mean(axis=0), index=list(self.parameters.fixef.coefs), name="fixef"
        )

    @cached_property
    def _summary(self) -> _tables.PosteriorSummary:
        return _tables.summary(self)

    def summary(self) -> _tables.PosteriorSummary:
        """Summarise; see `bayeslme.bayes.posterior.summary.summary`."""
        return self._summary

    def varcorr(self) -> VarCorr:
        """Posterior means of the variance components.

        Arguments and result: see `bayeslme.bayes.posterior.estimates.varcorr`.
        """
        return _estimates.varcorr(self)

    def intervals(self, level: float = 0.95, kind: IntervalKind = "eti") -> Intervals:
        """Posterior intervals; see `bayeslme.bayes.posterior.estimates.intervals`."""
        return _estimates.intervals(self, level, kind)

    def hypothesis(
        self, *statements: str, level: float = 0.95, kind: IntervalKind = "eti"
    ) -> pd.DataFrame:
        """Probability of statements; see `bayeslme.bayes.posterior.hypothesis.hypothesis`."""
        from bayeslme.bayes.posterior.hypothesis import hypothesis

        return hypothesis(self, *statements, level=level, kind=kind)

    def quantities(
        self,
        expressions: Mapping[str, str] | str,
        level: float = 0.95,
        kind: IntervalKind = "eti",
        *,
        draws: bool = False,
    ) -> pd.DataFrame:
        """Functions of the parameters; see `bayeslme.bayes.posterior.hypothesis.quantities`."""
        from bayeslme.bayes.posterior.hypothesis import quantities

        return quantities(self, expressions, level, kind, draws=draws)

    def contrast(self, L: Any, level: float = 0.95, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Combinations of coefficients; see `bayeslme.bayes.posterior.hypothesis.contrast`."""
        from bayeslme.bayes.posterior.hypothesis import contrast

        return contrast(self, L, level, kind)

    def means(
        self,
        factors: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> PosteriorMeans:
        """Marginal means or slopes, to be compared.

        Arguments and result: see `bayeslme.bayes.posterior.hypothesis.posterior_means`.
        """
        from bayeslme.bayes.posterior.hypothesis import posterior_means

        return posterior_means(self, factors, at, **options)

    def ranef(self, level: LevelName = None) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Posterior means of the random effects; see `bayeslme.bayes.posterior.values.ranef`."""
        return _values.ranef(self, level)

    def fitted(self, level: LevelName = None, draws: bool = False) -> Any:
        """Fitted values, means or draws; see `bayeslme.bayes.posterior.values.fitted`."""
        return _values.fitted(self, level, draws)

    def residuals(
        self, level: LevelName = None, type: ResidualType = "response", draws: bool = False
    ) -> Any:
        """Residuals, means or draws; see `bayeslme.bayes.posterior.values.residuals`."""
        return _values.residuals(self, level, type, draws)

    def predict(
        self,
        newdata: pd.DataFrame | None = None,
        level: LevelName = None,
        interval: float | None = None,
        **options: Any,
    ) -> Any:
        """Predictions of the mean or a response; see `bayeslme.bayes.posterior.predict.predict`."""
        return _predict.predict(self, newdata, level, interval, **options)

    def prior_predictive(self, draws: int = 500, seed: int | None = None) -> xr.DataTree:
        """Draws from its priors; see `bayeslme.bayes.priors.predictive.prior_predictive`."""
        from bayeslme.bayes.priors.predictive import prior_tree

        return prior_tree(self.parameters, self.priors, draws, seed)

    def sensitivity(self, priors: Sequence[str] | str | None = None) -> pd.DataFrame:
        """Power-scale sensitivity; see `bayeslme.bayes.checks.sensitivity.sensitivity`."""
        from bayeslme.bayes.checks.sensitivity import sensitivity

        return sensitivity(self, priors)

    def ppc(self, conditional: bool = True, seed: int | None = None) -> xr.DataTree:
        """Replicated responses; see `bayeslme.bayes.posterior.values.ppc`."""
        return _values.ppc(self, conditional, seed)

    def loo(self, kind: LooKind = "conditional") -> Any:
        """Leave-one-out cross-validation; see `bayeslme.bayes.checks.loo.loo`."""
        from bayeslme.bayes.checks.loo import loo

        return loo(self, kind)

    def pit(self, kind: PitKind = "marginal") -> Pit:
        """Probability integral transforms; see `bayeslme.bayes.checks.pit.pit`."""
        from bayeslme.bayes.checks.pit import pit

        return pit(self, kind)

    def check(self, structure: CheckName, **options: Any) -> Check:
        """Check a structure against replicated data.

        Arguments and result: see `bayeslme.bayes.checks.predictive_checks.check`.
        """
        from bayeslme.bayes.checks.predictive_checks import check

        return check(self, structure, **options)

    def save(self, path: str | Path) -> None:
        """Write a netCDF file or a zarr store; see `bayeslme.bayes.posterior.storage.save`."""
        _storage.save(self, path)

    @property
    def plot(self) -> PosteriorPlots:
        """Plots, ``posterior.plot.trace()``.

        Arguments and result: see `bayeslme.bayes.posterior.plots.PosteriorPlots`.
        """
        from bayeslme.bayes.posterior.plots import PosteriorPlots

        return PosteriorPlots(self)

    def __repr__(self) -> str:
        return str(self._summary)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self._summary._repr_html_()
