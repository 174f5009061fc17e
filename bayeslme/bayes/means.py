"""Marginal means and slopes over the posterior; the grid is that of the classical ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.bayes.hypothesis import combinations, combined
from bayeslme.bayes.limits import IntervalKind
from bayeslme.fit.combinations import Estimates, index_of
from bayeslme.fit.contrast_weights import Kind, Weighting, contrast_rows
from bayeslme.fit.means import marginal, of_what

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.fit.reference_grid import Weights


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorMeans(Estimates):
    """Marginal means, or slopes, over the posterior; see `posterior_means`.

    Attributes
    ----------
    posterior : Posterior
    level : float
    kind : {"eti", "hdi"}
    """

    posterior: Posterior
    level: float
    kind: IntervalKind

    @property
    def draws(self) -> np.ndarray:
        """Draws of the means, shape (s, g)."""
        return combinations(self.posterior, self.rows)

    def contrasts(
        self,
        kind: Kind | Mapping[str, Weighting] = "pairwise",
        by: str | Sequence[str] | None = None,
    ) -> Estimates:
        """Differences of the means, or other combinations; see `bayeslme.fit.means.Means`.

        Limits and probabilities are of each by itself: a posterior needs no adjustment for how
        many are looked at.
        """
        found = contrast_rows(self.rows, self.table.index, kind, by)
        table = combined(self.posterior, found.rows, self.level, self.kind)
        table.index = found.index
        return self._contrasts(table, found.rows)


def posterior_means(
    posterior: Posterior,
    factors: str | Sequence[str],
    at: Mapping[str, Any] | None = None,
    *,
    slope: str | None = None,
    weights: Weights = "equal",
    level: float = 0.95,
    kind: IntervalKind = "eti",
) -> PosteriorMeans:
    """Marginal means over the posterior, for levels of some predictors.

    Parameters
    ----------
    posterior : Posterior
    factors, at, slope, weights
        As for `bayeslme.fit.means.means`.
    level : float
    kind : {"eti", "hdi"}

    Returns
    -------
    PosteriorMeans
        ``.table`` has Value, SD, lower, upper, P(> 0); ``.draws`` the draws of the means.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> fit = bayeslme.lme("distance ~ Sex * age", data, "~ 1 | Subject")
    >>> posterior = fit.sample(draws=500, seed=1, progress=False)
    >>> posterior.means("Sex", at={"age": 14}).contrasts().table["P(> 0)"].round(2).tolist()
    [1.0]
    """
    labels, rows, notes = marginal(posterior.fit, factors, at, slope, weights)
    table = combined(posterior, rows, level, kind)
    shown = [factors] if isinstance(factors, str) else list(factors)
    table.index = index_of(labels, shown)
    of, slopes = of_what(posterior.fit, slope), slope is not None
    return PosteriorMeans(table, rows, tuple(notes), of, slopes, posterior, level, kind)
