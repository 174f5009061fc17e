"""What every posterior holds: draws, the fit, parameters, priors, and arrays read off them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.posterior.estimates import flat_values
from bayeslme.bayes.posterior.rows.random_effects import all_effects, mean_effects
from bayeslme.bayes.priors.priors import Priors

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit


@dataclass(frozen=True, eq=False)
class Draws:
    """The fields of a posterior, described in `Posterior`, and its draws as arrays."""

    data: xr.DataTree
    fit: Fit
    parameters: ModelParameters
    priors: Priors

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Draws of the parameters, chains joined: variable name to array (s, ...)."""
        return flat_values(self)

    @cached_property
    def effects(self) -> dict[str, np.ndarray]:
        """Draws of the random effects, chains joined: group to array (s, G, q)."""
        return all_effects(self)

    @cached_property
    def mean_effects(self) -> dict[str, np.ndarray]:
        """Posterior means of the random effects: group to array (G, q)."""
        return mean_effects(self)

    @property
    def fixef(self) -> pd.Series:
        """Posterior means of the coefficients, length p."""
        return pd.Series(
            self.values["fixef"].mean(axis=0), index=list(self.parameters.fixef.coefs), name="fixef"
        )
