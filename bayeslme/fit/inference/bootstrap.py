"""The bootstrap: new responses from the fit, the model fitted to each of them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from bayeslme.errors import BayesLMEError, FitError
from bayeslme.fit.arguments import check_choice, check_count, check_generator, check_probability
from bayeslme.fit.refit import Refits, parameters
from bayeslme.fit.settings import SETTINGS
from bayeslme.fit.values.simulate import simulate
from bayeslme.report.export import Exported
from bayeslme.report.tables import bootstrap_html, bootstrap_text

if TYPE_CHECKING:
    from bayeslme.engine.search.optimise import Optimum
    from bayeslme.fit.result import Fit


def tracked[Item](items: Iterable[Item], total: int, what: str, *, show: bool) -> Iterator[Item]:
    """Go through items under a bar with counts and the time left.

    Parameters
    ----------
    items : iterable
    total : int
        Their number.
    what : str
        Before the bar.
    show : bool
        No bar either where standard error is neither a terminal nor a notebook.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    console = Console(stderr=True)
    if not (show and (console.is_terminal or console.is_jupyter)):
        yield from items  # before version 15, rich ends a bar that is not shown with a blank line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Left())
    with Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(items, total=total, description=what)


FloatArray = npt.NDArray[np.float64]
Statistic = Callable[["Fit"], Any]
Kind = Literal["percentile", "basic", "normal"]


@dataclass(frozen=True)
class Bootstrap(Exported):
    """Replicates of statistics of a fit.

    Attributes
    ----------
    estimate : Series, length k
        The statistics of the fit itself.
    replicates : DataFrame, shape (R, k)
        Those of the refits, failed ones left out; the index is the number of the draw.
    failures : dict of str to int
        What went wrong, and how often.
    unsettled : int
        Refits among the replicates whose search did not converge.
    """

    estimate: pd.Series
    replicates: pd.DataFrame
    failures: dict[str, int]
    unsettled: int

    @property
    def n_failed(self) -> int:
        """Number of draws without a replicate."""
        return sum(self.failures.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Failures and unsettled searches in words."""
        found = [f"{count} refits failed: {what}" for what, count in self.failures.items()]
        if self.unsettled:
            found.append(f"{self.unsettled} refits did not converge; they are counted in")
        return tuple(found)

    def summary(self) -> pd.DataFrame:
        """Table (k, 3): original, bias, std.error."""
        columns = {
            "original": self.estimate,
            "bias": self.replicates.mean() - self.estimate,
            "std.error": self.replicates.std(),
        }
        return pd.DataFrame(columns, index=self.estimate.index)

    def intervals(self, level: float = 0.95, kind: Kind = "percentile") -> pd.DataFrame:
        """Bootstrap confidence intervals.

        Parameters
        ----------
        level : float
        kind : {"percentile", "basic", "normal"}
            Quantiles of the replicates; those reflected at the estimate; estimate less bias with
            the replicates' standard error.

        Returns
        -------
        DataFrame, shape (k, 3)
            Columns lower, est., upper.

        References
        ----------
        Davison and Hinkley (1997), Bootstrap Methods and their Application, chapter 5.
        """
        check_probability(level)
        check_choice(kind, get_args(Kind), "kind")
        tails = [0.5 - level / 2, 0.5 + level / 2]
        low, high = (self.replicates.quantile(tail) for tail in tails)
        if kind == "basic":
            low, high = 2 * self.estimate - high, 2 * self.estimate - low
        elif kind == "normal":
            table = self.summary()
            centre = table["original"] - table["bias"]
            width = float(ndtri(tails[1])) * table["std.error"]
            low, high = centre - width, centre + width
        columns = {"lower": low, "est.": self.estimate, "upper": high}
        return pd.DataFrame(columns, index=self.estimate.index)

    def exported(self) -> dict[str, pd.DataFrame]:
        """Bias and standard error, then percentile intervals."""
        return {"Bootstrap": self.summary(), "Intervals": self.intervals()}

    def __str__(self) -> str:
        return bootstrap_text(self.summary(), self.intervals(), len(self.replicates), self.notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return bootstrap_html(self.summary(), self.intervals(), len(self.replicates), self.notes)


def bootstrap(
    fit: Fit,
    nsim: int = 1000,
    statistic: Statistic | None = None,
    seed: int | np.random.Generator | None = None,
    *,
    progress: bool = True,
) -> Bootstrap:
    """Simulate responses with new random effects, refit, and collect statistics of the refits.

    See `Fit.bootstrap`.
    """
    if statistic is not None and not callable(statistic):
        raise FitError(
            f"statistic: a function of a fit is needed, lambda fit: fit.fixef, not {statistic!r}"
        )
    collect = parameters if statistic is None else statistic
    estimate = _named(collect(fit))
    make, failed, unsettled = Refits(fit), Counter[str](), 0
    rows: dict[int, FloatArray] = {}
    draws = enumerate(_searched(make, responses(fit, nsim, seed, make.together)))
    for k, (y, optimum) in tracked(draws, nsim, "Bootstrap", show=progress):
        try:
            one = make(y, optimum)
            rows[k] = _named(collect(one)).to_numpy(float)
        except (BayesLMEError, np.linalg.LinAlgError) as error:
            failed[str(error)] += 1
            continue
        unsettled += not one.converged
    if not rows:
        what = next(iter(failed))
        raise FitError(f"bootstrap: all {nsim} refits failed; the first: {what[:200]}")
    replicates = pd.DataFrame.from_dict(rows, orient="index", columns=list(estimate.index))
    return Bootstrap(estimate, replicates, dict(failed), unsettled)


def responses(
    fit: Fit, nsim: int, seed: int | np.random.Generator | None, together: int
) -> Iterator[FloatArray]:
    """Simulated responses in portions (s, n) of bounded memory, at most `together` of them."""
    check_count(nsim, "nsim")
    check_generator(seed)
    rng, portion = np.random.default_rng(seed), max(1, SETTINGS.simulated_numbers // fit.nobs)
    for first in range(0, nsim, portion):
        drawn = simulate(fit, min(portion, nsim - first), rng).to_numpy().T.copy()
        for at in range(0, len(drawn), together):
            yield drawn[at : at + together]


def _searched(
    make: Refits[Fit], portions: Iterator[FloatArray]
) -> Iterator[tuple[FloatArray, Optimum | None]]:
    """Responses with the ends of their searches."""
    for portion in portions:
        yield from zip(portion, make.optima(portion), strict=True)


def _named(value: Any) -> pd.Series:
    if isinstance(value, pd.Series):
        return value
    if isinstance(value, Mapping):
        return pd.Series(dict(value), dtype=float)
    numbers = np.atleast_1d(np.asarray(value, float)).ravel()
    names = ["statistic"] if len(numbers) == 1 else [f"t{k + 1}" for k in range(len(numbers))]
    return pd.Series(numbers, index=names)
