"""Posteriors of the same data ranked by how well they predict, and their stacking weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import arviz_stats as azs
import numpy as np
import pandas as pd

from bayeslme.bayes.loo import LooKind, loo
from bayeslme.bayes.posterior import Posterior
from bayeslme.errors import SpecError

if TYPE_CHECKING:
    from xarray import DataArray

LEAST = 2


def compare_models(
    posteriors: Mapping[str, Posterior], kind: LooKind = "conditional"
) -> pd.DataFrame:
    """Rank models by leave-one-out cross-validation.

    Parameters
    ----------
    posteriors : mapping of name to Posterior
        Two or more, of the same rows of the same response.
    kind : {"conditional", "marginal", "group"}
        The question; see `bayeslme.bayes.loo.loo`.

    Returns
    -------
    DataFrame
        ArviZ's, best model first: rank, elpd_diff, dse, p_worse, diag_diff, diag_elpd, p, elpd,
        se, weight (by stacking).

    Raises
    ------
    SpecError
        For fewer than two posteriors, something else among them, or different data.

    References
    ----------
    Yao, Vehtari, Simpson and Gelman (2018), Bayesian Analysis 13, 917.

    Examples
    --------
    >>> import bayeslme
    >>> one = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> two = one.update(fixed=". ~ . * Sex")
    >>> found = {name: fit.sample(seed=1) for name, fit in (("one", one), ("two", two))}
    >>> compare_models(found, "group").index[0]
    'two'
    """
    check_posteriors("compare_models", posteriors)
    first, *others = posteriors
    found = {name: loo(one, kind) for name, one in posteriors.items()}
    for name in others:
        if not _same_pieces(found[first].elpd_i, found[name].elpd_i):
            raise SpecError(
                f"compare_models: '{name}' leaves out other groups than '{first}'; use "
                "kind='marginal' for models of different groups"
            )
    table: pd.DataFrame = azs.compare(found, method="stacking", round_to="none")
    return table


def check_posteriors(who: str, posteriors: Mapping[str, Posterior]) -> None:
    """Refuse what is no mapping of two or more posteriors of the same data.

    Raises
    ------
    SpecError
    """
    if not isinstance(posteriors, Mapping) or len(posteriors) < LEAST:
        raise SpecError(f"{who}: a mapping of at least two names to posteriors is needed")
    for name, one in posteriors.items():
        if not isinstance(one, Posterior):
            raise SpecError(
                f"{who}: '{name}' is a {type(one).__name__}, not a Posterior; sample the fit first"
            )
    first, *others = posteriors
    for name in others:
        if not _same_data(posteriors[first], posteriors[name]):
            raise SpecError(
                f"{who}: '{name}' has other responses or rows than '{first}'; only "
                "models of the same data can be compared"
            )


def _same_data(one: Posterior, other: Posterior) -> bool:
    a, b = one.layout.design, other.layout.design
    return np.array_equal(a.y, b.y) and a.index.equals(b.index)


def _same_pieces(one: DataArray, other: DataArray) -> bool:
    labels = [[str(v) for v in x[x.dims[0]].to_numpy()] for x in (one, other)]
    return labels[0] == labels[1]
