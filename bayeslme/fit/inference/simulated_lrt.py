"""Likelihood-ratio tests by simulation, or by the large-sample mixture.

The large-sample distribution of a likelihood ratio where one random effect is added. References
---------- Stram and Lee (1994), Biometrics 50, 1171.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from bayeslme.errors import BayesLMEError, FitError
from bayeslme.fit.inference.bootstrap import responses, tracked
from bayeslme.fit.inference.comparison import check_comparable, comparable_loglik, fixed_terms
from bayeslme.fit.refit import Refits
from bayeslme.fit.settings import SETTINGS
from bayeslme.report.export import Exported
from bayeslme.report.html import frames_html
from bayeslme.report.tables import table_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.engine.search.refit import Refitter
    from bayeslme.fit.result import Fit


def mixture_tail(ratio: float, df: tuple[int, int]) -> float:
    """Upper tail of chi2_a / 2 + chi2_b / 2; chi2_0 is the point 0.

    Examples
    --------
    >>> round(mixture_tail(2.7055, (0, 1)), 4)
    0.05
    """
    tails = [float(chdtrc(a, max(ratio, 0.0))) if a else float(ratio <= 0) for a in df]
    return 0.5 * sum(tails)


def mixture_of(null: Fit, alternative: Fit, df: int) -> tuple[int, int] | None:
    """Degrees of freedom of the mixture where one random effect is added, and nothing else."""
    small, large = (
        {lv.group: lv.effects for lv in one.design.levels} for one in (null, alternative)
    )
    changed = [g for g in large if small.get(g) != large[g]]
    rows = [
        one.estimate.problem.size - one.estimate.problem.theta_correlation.start
        for one in (null, alternative)
    ]
    same_rest = fixed_terms(null) == fixed_terms(alternative) and rows[0] == rows[1]
    if not same_rest or len(changed) != 1 or set(small) - set(large):
        return None
    added = len(large[changed[0]]) - len(small.get(changed[0], ()))
    return (df - 1, df) if added == 1 else None


FloatArray = npt.NDArray[np.float64]
HEADING = "Likelihood-ratio test, simulated under the smaller model"


@dataclass(frozen=True)
class SimulatedTest(Exported):
    """A likelihood ratio beside its simulated distribution.

    Attributes
    ----------
    observed : float
        Twice the difference of the log-likelihoods.
    ratios : (R,) array
        Ratios of simulated responses, failed ones left out.
    df : int
        Difference in parameters.
    mixture : tuple of int, or None
        Degrees of freedom a, b of the large-sample distribution chi2_a / 2 + chi2_b / 2 where the
        larger model has one random effect more; None where it differs otherwise.
    method : {"REML", "ML"}
    failures : dict of str to int
        What went wrong, and how often.
    """

    observed: float
    ratios: FloatArray
    df: int
    mixture: tuple[int, int] | None
    method: str
    failures: dict[str, int]

    @property
    def p_value(self) -> float:
        """Simulated p-value, (1 + number of ratios not below the observed) / (1 + R)."""
        beyond = int(np.sum(self.ratios >= self.observed))
        return (1 + beyond) / (1 + len(self.ratios))

    @property
    def p_chi2(self) -> float:
        """Upper tail of chi-squared on `df`: too large where a variance is tested."""
        return float(chdtrc(self.df, self.observed))

    @property
    def p_mixture(self) -> float:
        """Upper tail of the mixture; NaN where there is none."""
        if self.mixture is None:
            return float("nan")
        return mixture_tail(self.observed, self.mixture)

    def exported(self) -> dict[str, pd.DataFrame]:
        """The table below its heading."""
        return {HEADING: self.table()}

    def table(self) -> pd.DataFrame:
        """One row for each distribution: df, L.Ratio, p-value."""
        rows = {"simulated": ("", self.p_value), "chi-squared": (str(self.df), self.p_chi2)}
        if self.mixture is not None:
            rows["chi-squared mixture"] = (" and ".join(map(str, self.mixture)), self.p_mixture)
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["df", "p-value"])
        frame.insert(1, "L.Ratio", self.observed)
        return frame

    @property
    def notes(self) -> tuple[str, ...]:
        """Number of ratios, failures."""
        low = int(np.sum(self.ratios < SETTINGS.min_ratio))
        found = [f"{len(self.ratios)} simulated ratios by {self.method}"]
        found += [f"{count} refits failed: {what}" for what, count in self.failures.items()]
        if low:
            found.append(f"{low} ratios are negative: the larger model was not maximised there")
        return tuple(found)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot simulated against nominal p-values, as nlme's ``plot.simulate.lme``.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
            A curve above the diagonal is a reference distribution whose p-values are too large.
        """
        from bayeslme.report.plots.checks import nominal_plot

        ordered = np.sort(self.ratios)[::-1]
        curves = {f"chi-squared {self.df}": np.asarray(chdtrc(self.df, np.maximum(ordered, 0)))}
        if self.mixture is not None:
            tails = [mixture_tail(value, self.mixture) for value in ordered]
            curves[f"mixture {self.mixture[0]} and {self.mixture[1]}"] = np.array(tails)
        return nominal_plot(curves, ax)

    def __str__(self) -> str:
        return table_text(self.table(), HEADING, self.notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return frames_html({HEADING: self.table()}, self.notes)


def simulated_lrt(
    null: Fit,
    alternative: Fit,
    nsim: int = 1000,
    seed: int | np.random.Generator | None = None,
    *,
    progress: bool = True,
) -> SimulatedTest:
    """Test a model against a larger one by simulating from the smaller one and fitting both.

    Parameters
    ----------
    null, alternative : Fit
        Of the same rows by one method; a fit by `lm` enters with the method of the other.
    nsim : int
        Number of simulated responses.
    seed : int, Generator or None
    progress : bool
        Show a bar on a terminal or in a notebook.

    Returns
    -------
    SimulatedTest

    Raises
    ------
    FitError
        If the fits do not compare, the second is no larger one, fixed effects differ under REML, or
        every refit failed.

    Notes
    -----
    nlme's ``simulate.lme`` does this for independent residuals only; here any model may stand on
    either side. Where one random effect is added to q of a level the ratio tends to an equal
    mixture of chi-squared on q and q + 1 degrees of freedom.

    References
    ----------
    Stram and Lee (1994), Biometrics 50, 1171; Pinheiro and Bates (2000), section 2.4.1.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> one = bayeslme.lme("distance ~ age", data, "~ 1 | Subject")
    >>> two = one.update(random="~ age | Subject")
    >>> test = simulated_lrt(one, two, nsim=20, seed=1)
    >>> test.mixture, round(test.observed, 3)
    ((1, 2), 4.366)
    """
    check_comparable((null, alternative), "simulated_lrt")
    method = next((one.method for one in (null, alternative) if one.kind != "lm"), "ML")
    df = alternative.df - null.df
    if df <= 0:
        raise FitError(
            f"simulated_lrt: the second fit has {alternative.df} parameters, the first "
            f"{null.df}; give the smaller model first"
        )
    if method == "REML" and fixed_terms(null) != fixed_terms(alternative):
        raise FitError(
            "simulated_lrt: restricted likelihoods of different fixed effects do not compare; "
            "fit both by method='ML'"
        )
    known = [comparable_loglik(one, method) for one in (null, alternative)]
    ratios, failures = _ratios((null, alternative), method, nsim, seed, progress=progress)
    if not len(ratios):
        what = next(iter(failures))
        raise FitError(f"simulated_lrt: all {nsim} refits failed; the first: {what[:200]}")
    observed = 2.0 * (known[1] - known[0])
    return SimulatedTest(observed, ratios, df, mixture_of(null, alternative, df), method, failures)


def _ratios(
    fits: tuple[Fit, Fit],
    method: str,
    nsim: int,
    seed: int | np.random.Generator | None,
    *,
    progress: bool,
) -> tuple[FloatArray, dict[str, int]]:
    small, large = (Refits(one) for one in fits)
    ratios, failures = [], Counter[str]()
    portions = responses(fits[0], nsim, seed, max(small.together, large.together))
    draws = _ratios_of(small.engine, large.engine, method, portions)
    for ratio, error in tracked(draws, nsim, "Simulated test", show=progress):
        if error:
            failures[error] += 1
        else:
            ratios.append(ratio)
    return np.array(ratios), dict(failures)


def _ratios_of(
    small: Refitter, large: Refitter, method: str, portions: Iterator[FloatArray]
) -> Iterator[tuple[float, str]]:
    """Ratio of each response, or what went wrong with it."""
    for portion in portions:
        found = [_logliks(one, method, portion) for one in (small, large)]
        for (low, first), (high, second) in zip(*found, strict=True):
            error = first or second
            if not error and not np.isfinite(high - low):
                error = "the likelihood is not defined"
            yield 2.0 * (high - low), error


def _logliks(model: Refitter, method: str, portion: FloatArray) -> list[tuple[float, str]]:
    """Maxima for the responses (s, n); where the portion fails, response by response."""
    try:
        return [(value, "") for value in model.logliks(portion, method)]
    except (BayesLMEError, np.linalg.LinAlgError) as error:
        if len(portion) == 1:
            return [(np.nan, str(error))]
    return [_logliks(model, method, portion[i : i + 1])[0] for i in range(len(portion))]
