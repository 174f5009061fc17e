"""The result of a calibration: ranks, whether they are uniform, coverage.

Whether ranks are uniform: a simultaneous test of their distribution function. With N ranks out of 0
to L, the number of ranks up to r is Binomial(N, (r + 1) / (L + 1)) at every r. The statistic is
twice the smallest tail probability over all r; its distribution under uniformity is simulated,
ranks being discrete.

References
----------
Sailynoja, Buerkner and Vehtari (2022), Statistics and Computing 32, 32; sections 2 and 3. Modrak,
Moon, Kim, Buerkner, Huurre, Faltejskova, Gelman and Vehtari (2023), Bayesian Analysis 20, 461.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from bayeslme.bayes import settings
from bayeslme.bayes.checks.replication import Replication, is_parameter
from bayeslme.bayes.priors.priors import Priors
from bayeslme.fit.inference.hypotheses import holm
from bayeslme.report.html import frames_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.spec.model import LmeSpec


FloatArray = npt.NDArray[np.float64]


def p_values(ranks: npt.ArrayLike, largest: int) -> FloatArray:
    """P-values of uniformity.

    Parameters
    ----------
    ranks : int array, shape (N,) or (N, k)
        Every column is tested for itself.
    largest : int
        L, the largest rank possible.

    Returns
    -------
    array, shape () or (k,)
        The share of simulated statistics that are as small; at least 1 / 10001.
    """
    given = np.asarray(ranks)
    columns = given.reshape(len(given), -1)
    reference = _reference(len(given), largest)
    found = _statistics(columns, largest)
    below = np.searchsorted(reference, found * (1.0 + 1e-9), side="right")
    return np.asarray((1.0 + below) / (1.0 + len(reference))).reshape(given.shape[1:])


def band(
    count: int, largest: int, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Simultaneous band of the distribution function of uniform ranks.

    Parameters
    ----------
    count : int
        Number of ranks, N.
    largest : int
        L.
    level : float

    Returns
    -------
    at, lower, upper : arrays, shape (m,)
        Probabilities, and the limits of the share of ranks up to them.
    """
    z = np.asarray((_places(largest) + 1.0) / (largest + 1.0), dtype=float)
    gamma = np.quantile(_reference(count, largest), 1.0 - level)
    support = np.arange(count + 1)[:, None]
    cdf = special.bdtr(support, count, z[None, :])
    lower = (cdf < gamma / 2).sum(axis=0) / count
    upper = np.minimum((cdf < 1.0 - gamma / 2).sum(axis=0), count) / count
    return z, np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)


def shares_below(ranks: npt.ArrayLike, largest: int) -> FloatArray:
    """Share of the ranks (N, k) up to each probability of ``band``, shape (m, k)."""
    columns = np.asarray(ranks)
    return _counts(columns, largest).T / len(columns)


def _places(largest: int) -> npt.NDArray[np.int64]:
    """Ranks below the largest at which the distribution function is compared."""
    return np.unique(
        np.linspace(0, largest - 1, min(settings.CHECKS.envelope_ranks, largest)).astype(int)
    )


def _statistics(columns: np.ndarray, largest: int) -> FloatArray:
    """Twice the smallest tail probability of each column (N, k), shape (k,)."""
    count, below = len(columns), _counts(columns, largest)
    z = (_places(largest) + 1.0) / (largest + 1.0)
    lower = special.bdtr(below, count, z)
    upper = np.where(below > 0, special.bdtrc(np.maximum(below, 1) - 1, count, z), 1.0)
    return np.asarray(2.0 * np.minimum(lower, upper).min(axis=1))


def _counts(columns: np.ndarray, largest: int) -> npt.NDArray[np.int64]:
    """How many ranks of each column (N, k) lie up to each place, shape (k, m)."""
    sorted_, places = np.sort(columns, axis=0), _places(largest)
    return np.stack([np.searchsorted(one, places, side="right") for one in sorted_.T])


@lru_cache(maxsize=16)
def _reference(count: int, largest: int) -> FloatArray:
    """Sorted statistics of simulated uniform ranks."""
    limits = settings.CHECKS
    rng = np.random.default_rng(limits.envelope_seed)
    step = max(1, int(2e7) // count)
    made = [
        _statistics(
            rng.integers(0, largest + 1, (count, min(step, limits.envelope_simulations - at))),
            largest,
        )
        for at in range(0, limits.envelope_simulations, step)
    ]
    return np.sort(np.concatenate(made))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a calibration found; printing it shows the tables.

    Attributes
    ----------
    ranks : DataFrame, shape (replications, quantities)
        Number of posterior draws below the true value; columns (part, parameter). Without rows
        where the posterior was not asked for.
    truth : DataFrame, shape (replications, quantities)
        The true values.
    limits : DataFrame
        Rows (replication, kind, part, parameter); columns lower, upper, truth.
    draws_by : DataFrame, length replications
        Of the posterior draws: k_hat, route of the sampler, trusted (whether the sampler trusts
        them).
    messages : Series
        Warnings and failures by replication, where there were any.
    spec : LmeSpec
    priors : Priors
    draws : int
    level : float
    drawn_from : {"prior", "estimate"}
        Where the true parameters come from.
    """

    ranks: pd.DataFrame
    truth: pd.DataFrame
    limits: pd.DataFrame
    draws_by: pd.DataFrame
    messages: pd.Series
    spec: LmeSpec
    priors: Priors
    draws: int
    level: float
    drawn_from: str

    @classmethod
    def of(
        cls,
        found: Sequence[Replication],
        spec: LmeSpec,
        priors: Priors,
        *,
        draws: int,
        level: float,
        truth: str,
    ) -> Calibration:
        """Collect replications."""
        index = pd.RangeIndex(len(found), name="replication")
        made = {
            "k_hat": [r.k_hat for r in found],
            "route": [r.route for r in found],
            "trusted": [r.trusted for r in found],
        }
        ranked = {i: r.ranks for i, r in enumerate(found) if r.ranks}
        messages = {i: r.message for i, r in enumerate(found) if r.message}
        return cls(
            ranks=_frame(ranked).astype(int),
            truth=_frame({i: r.truth for i, r in enumerate(found)}),
            limits=_limits(found),
            draws_by=pd.DataFrame(made, index=index),
            messages=pd.Series(messages, dtype=object, name="message"),
            spec=spec,
            priors=priors,
            draws=draws,
            level=level,
            drawn_from=truth,
        )

    @property
    def uniformity(self) -> pd.DataFrame:
        """Test of the ranks of every quantity.

        Columns: mean_rank (as a share, 0.5 expected), p (simultaneous test of the distribution
        function), p_holm (adjusted for the number of quantities). Empty unless the true parameters
        come from the prior.
        """
        columns = ["mean_rank", "p", "p_holm"]
        if self.drawn_from != "prior" or not len(self.ranks):
            return pd.DataFrame(columns=columns, dtype=float)
        p = p_values(self.ranks.to_numpy(), self.draws)
        share = (self.ranks.mean() + 0.5) / (self.draws + 1)
        return pd.DataFrame(
            {"mean_rank": share, "p": p, "p_holm": holm(p)}, index=self.ranks.columns
        )

    @property
    def uniform(self) -> bool:
        """Whether no quantity's ranks depart from uniformity, at 5 % over all of them together."""
        return bool((self.uniformity["p_holm"] > settings.CHECKS.significance).all())

    @property
    def coverage(self) -> pd.DataFrame:
        """Share of the intervals that hold the truth, by parameter and kind.

        Columns: coverage, mcse (its Monte Carlo standard error), width (median), given (share of
        replications that have both limits; the others are left out).
        """
        table = self.limits
        given = table["lower"].notna() & table["upper"].notna()
        inside = (table["lower"] <= table["truth"]) & (table["truth"] <= table["upper"])
        keys = ["kind", "part", "parameter"]
        some = pd.DataFrame(
            {"inside": inside, "width": table["upper"] - table["lower"], "given": given}
        )
        known = some[given].groupby(keys, sort=False)
        share, count = known["inside"].mean(), known["inside"].count()
        return pd.DataFrame(
            {
                "coverage": share,
                "mcse": np.sqrt(np.maximum(share * (1 - share), 0.25 / count) / count),
                "width": known["width"].median(),
                "given": some.groupby(keys, sort=False)["given"].mean(),
            }
        )

    @property
    def uncertified(self) -> int:
        """Number of replications whose draws the sampler itself does not trust."""
        return int((~self.draws_by["trusted"]).sum())

    def plot(self) -> list[Axes]:
        """Draw the ranks' distribution functions over their band; without ranks, coverage.

        Returns
        -------
        list of Axes
        """
        from bayeslme.report.plots.checks import coverage_plot, rank_plot

        if self.drawn_from == "prior" and len(self.ranks):
            return rank_plot(*self._distribution())
        return [coverage_plot(self.coverage, self.level)]

    def _distribution(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Share of the ranks up to each probability, and the band of uniform ones."""
        at, lower, upper = band(len(self.ranks), self.draws)
        limits = pd.DataFrame({"lower": lower, "upper": upper}, index=at)
        shares = shares_below(self.ranks.to_numpy(), self.draws)
        return pd.DataFrame(shares, index=at, columns=self.ranks.columns), limits

    def __str__(self) -> str:
        lines = [self._head(), ""]
        if len(self.uniformity):
            table = self.uniformity.round({"mean_rank": 3, "p": 4, "p_holm": 4})
            lines += [f"Ranks among {self.draws} draws: {self.verdict}", table.to_string(), ""]
        lines += [f"Coverage of {100 * self.level:g} % intervals:"]
        shown = self.coverage.round({"coverage": 3, "mcse": 3, "given": 2})
        lines.append(shown.to_string(float_format="{:.4g}".format))
        return "\n".join(lines + [f"Note: {note}" for note in self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return frames_html({"ranks": self.uniformity, "coverage": self.coverage}, self.notes)

    @property
    def verdict(self) -> str:
        """What the ranks say, in words."""
        if self.uniform:
            return "uniform"
        low = self.uniformity["p_holm"] <= settings.CHECKS.significance
        return "not uniform: " + ", ".join(
            " ".join(dict.fromkeys(k)) for k in self.uniformity.index[low]
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know."""
        out = []
        if self.uncertified:
            share = f"{self.uncertified} of {len(self.draws_by)} replications"
            out.append(f"the sampler does not trust its draws in {share}")
        if len(self.messages):
            first = self.messages.iloc[0]
            out.append(f"{len(self.messages)} replications with messages; the first: {first}")
        return tuple(out)

    def _head(self) -> str:
        where = "the prior" if self.drawn_from == "prior" else "the estimate"
        return f"Calibration: {len(self.truth)} replications, parameters from {where}\n{self.spec}"


def _frame(rows: dict[int, dict[tuple[str, str], Any]]) -> pd.DataFrame:
    frame = pd.DataFrame.from_dict({i: list(r.values()) for i, r in rows.items()}, orient="index")
    frame.index.name = "replication"
    if rows:
        names = list(next(iter(rows.values())))
        frame.columns = pd.MultiIndex.from_tuples(names, names=["part", "parameter"])
    return frame


def _limits(found: Sequence[Replication]) -> pd.DataFrame:
    rows = [
        (i, kind, *key, *limits, r.truth[key])
        for i, r in enumerate(found)
        for kind, table in r.limits.items()
        for key, limits in table.items()
        if key in r.truth and is_parameter(key)
    ]
    columns = ["replication", "kind", "part", "parameter", "lower", "upper", "truth"]
    return pd.DataFrame(rows, columns=columns).set_index(columns[:4])
