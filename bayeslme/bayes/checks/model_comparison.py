"""Posteriors of the same data compared: by prediction, and by Bayes factors.

Bayes factors: how well priors and model together foretold the data. The mean of the importance
weights of the collapsed sampler is an unbiased estimate of p(y), with everything integrated out; no
bridge is needed. It rests on the priors: it answers for these and no others, and improper ones have
none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from bayeslme.bayes import settings
from bayeslme.bayes.checks.loo import LooKind, loo
from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.bayes.priors.draws import check_drawable, log_share_inside
from bayeslme.errors import FitError, SpecError

if TYPE_CHECKING:
    from xarray import DataArray


def compare_models(
    posteriors: Mapping[str, Posterior],
    kind: LooKind | None = None,
    group: str | None = None,
) -> pd.DataFrame:
    """Rank models by leave-one-out cross-validation.

    Parameters
    ----------
    posteriors : mapping of name to Posterior
        Two or more, of the same rows of the same response.
    kind : {"conditional", "marginal", "group"}, optional
        The question; see `bayeslme.bayes.checks.loo.loo`.
    group : str, optional
        The factor whose groups are left out, as there.

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
    import arviz_stats as azs

    check_posteriors("compare_models", posteriors)
    first, *others = posteriors
    found = {name: loo(one, kind, group) for name, one in posteriors.items()}
    for name in others:
        if not _same_pieces(found[first].elpd_i, found[name].elpd_i):
            raise SpecError(
                f"compare_models: '{name}' leaves out other groups than '{first}'; use "
                "kind='marginal' for models of different groups"
            )
    table: pd.DataFrame = azs.compare(found, method="stacking", round_to="none")
    return table


def check_posteriors(who: str, posteriors: Mapping[str, Posterior]) -> None:
    """Refuse anything but a mapping of two or more posteriors of the same data.

    Raises
    ------
    SpecError
    """
    if not isinstance(posteriors, Mapping) or len(posteriors) < settings.CHECKS.min_compared_models:
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
    a, b = one.parameters.design, other.parameters.design
    return np.array_equal(a.y, b.y) and a.index.equals(b.index)


def _same_pieces(one: DataArray, other: DataArray) -> bool:
    labels = [[str(v) for v in x[x.dims[0]].to_numpy()] for x in (one, other)]
    return labels[0] == labels[1]


def bayes_factor(posteriors: Mapping[str, Posterior]) -> pd.DataFrame:
    """Compare models by their marginal likelihoods p(y).

    Unlike leave-one-out cross-validation this judges the priors too: a wide prior of a parameter
    that one model alone has counts against it. Name priors you mean before you use it, and see how
    it moves with them.

    Parameters
    ----------
    posteriors : mapping of name to Posterior
        Two or more, of the same rows of the same response, by the collapsed sampler.

    Returns
    -------
    DataFrame, a row for each model, best first
        log_evidence (log p(y)), mcse (its Monte Carlo standard error), log_bayes_factor (against
        the best model, 0 or less), probability (of equal prior ones).

    Raises
    ------
    SpecError
        For fewer than two posteriors, something else among them, different data, or improper
        priors.
    FitError
        Where draws have no importance weights (NUTS, annealing).

    References
    ----------
    Kass and Raftery (1995), Journal of the American Statistical Association 90, 773, section 4.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> one = bayeslme.lme("distance ~ age + Sex", data, "~ 1 | Subject")
    >>> two = one.update(weights=bayeslme.VarIdent(form="~ 1 | Sex"))
    >>> found = {name: fit.sample(seed=1) for name, fit in (("one", one), ("two", two))}
    >>> bayeslme.bayes_factor(found)["log_bayes_factor"].round(1).to_dict()
    {'two': 0.0, 'one': -6.6}
    """
    check_posteriors("bayes_factor", posteriors)
    rows = {name: _log_evidence(name, one) for name, one in posteriors.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["log_evidence", "mcse"])
    table = table.sort_values("log_evidence", ascending=False, kind="stable")
    log = table["log_evidence"].to_numpy()
    table["log_bayes_factor"] = log - log[0]
    table["probability"] = np.exp(log - logsumexp(log))
    return table.rename_axis("model")


def _log_evidence(name: str, posterior: Posterior) -> tuple[float, float]:
    """Log p(y) and its Monte Carlo standard error."""
    check_drawable(posterior.priors)
    stats = posterior.data["sample_stats"].attrs
    value = float(stats.get("log_evidence", np.nan))
    if not np.isfinite(value):
        raise FitError(
            f"bayes_factor: '{name}' has no importance weights ({stats['method']}), whose mean the "
            "evidence is; sample it with method='collapsed'"
        )
    variance = float(stats["log_evidence_mcse"]) ** 2
    correlation, block = posterior.parameters.problem.correlation, posterior.parameters.corstruct
    if correlation is not None and block is not None and correlation.restricted_jointly:
        share, error = log_share_inside(posterior.priors[block.name], correlation)
        value, variance = value - share, variance + error**2
    return value, float(np.sqrt(variance))
