"""Quantities computed from the parameters draw by draw: ratios of variances, effects at a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.bayes.hypothesis import draws_by_name, is_statement, read_expression
from bayeslme.bayes.limits import IntervalKind, limits
from bayeslme.bayes.posterior_summary import effective_draws
from bayeslme.data.evaluate import evaluate_number
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior


def quantities(
    posterior: Posterior,
    expressions: Mapping[str, str] | str,
    level: float = 0.95,
    kind: IntervalKind = "eti",
    *,
    draws: bool = False,
) -> pd.DataFrame:
    """Summarise quantities that are functions of the parameters.

    Parameters
    ----------
    posterior : Posterior
    expressions : mapping of str to str, or str
        Name to expression: parameters as the summary names them, numbers, R's arithmetic and
        functions (``exp``, ``sqrt``, ...); evaluated draw by draw.
    level : float
        Of the interval.
    kind : {"eti", "hdi"}
        Of the interval.
    draws : bool
        Give the draws, chains joined, in the place of the table.

    Returns
    -------
    DataFrame
        A row for each quantity: Value (posterior mean), SD, lower, upper, and mcse, the Monte Carlo
        standard error of the mean. Under `draws` shape (s, quantities).

    Raises
    ------
    FitError
        For an unknown parameter, and for a statement, whose probability is `hypothesis`.
    SpecError
        For text that is no expression.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> posterior = fit.sample(draws=500, seed=1)
    >>> icc = "sd((Intercept))^2 / (sd((Intercept))^2 + sigma^2)"
    >>> float(posterior.quantities({"ICC": icc}).loc["ICC", "Value"].round(1))
    0.7
    """
    given = {expressions: expressions} if isinstance(expressions, str) else dict(expressions)
    if not given:
        raise FitError("quantities: give at least one expression, such as 'sigma^2'")
    named = draws_by_name(posterior)
    found = pd.DataFrame({name: _evaluated(text, named) for name, text in given.items()})
    if draws:
        return found
    low, high = limits(found.to_numpy(), level, kind)
    sizes = [effective_draws(posterior, found[name].to_numpy()) for name in found]
    table = {"Value": found.mean(), "SD": found.std(), "lower": low, "upper": high}
    return pd.DataFrame({**table, "mcse": found.std() / np.sqrt(sizes)}, index=found.columns)


def _evaluated(text: str, named: dict[str, np.ndarray]) -> np.ndarray:
    known, columns = read_expression(text, named)
    if is_statement(known):
        raise FitError(f"quantities: '{text}' is true or false; its probability is hypothesis()")
    return np.broadcast_to(evaluate_number(known, columns), (columns.n,))
