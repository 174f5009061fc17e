"""Posterior predictive checks of the structures, by residuals of replicated data.

At every draw the residuals of the observed response and of a replicate of it, both given the random
effects of that draw, are reduced to the same few numbers T. Under the right model T(observed) could
be one more replicate. The envelope is simultaneous: as a whole it holds the stated share of the
replicates, so that a check of fifteen lags is not failed by chance more often than one of two.

References
----------
Gelman, Meng and Stern (1996), Statistica Sinica 6, 733; Myllymaki, Mrkvicka, Grabarnik, Seijo and
Hahn (2017), Journal of the Royal Statistical Society B 79, 381.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bayeslme.bayes import settings
from bayeslme.bayes.density import problem_of_draws
from bayeslme.bayes.posterior.rows import simulate
from bayeslme.bayes.posterior.rows.values import fitted, replicated_again
from bayeslme.bayes.posterior.tree import replicated_draws
from bayeslme.data.types import Design
from bayeslme.errors import DataError, FitError
from bayeslme.fit.arguments import check_choice, check_probability
from bayeslme.fit.values.positions import Positions, distance_bins, lag_positions, positions
from bayeslme.report.export import Exported
from bayeslme.report.html import frames_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.bayes.posterior.draws import Draws


NORMS = {"euclidean": 2.0, "maximum": np.inf, "manhattan": 1.0}


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A vector of k numbers computed from residuals.

    Attributes
    ----------
    values : function of residuals (s, n), design's row order, giving (s, k)
    index : Index, length k
        What each number is of; its name labels the axis.
    scaling : {"pearson", "normalized"}
        Of the residuals.
    label : str
        Of the numbers.
    width : int
        Temporary numbers that a draw needs.
    """

    values: Callable[[np.ndarray], np.ndarray]
    index: pd.Index
    scaling: str
    label: str
    width: int


def autocorrelation(where: Positions, max_lag: int | None) -> Discrepancy:
    """Autocorrelation of the normalized residuals within groups, lag 1 and on.

    Parameters
    ----------
    where : Positions
        Whole-number times.
    max_lag : int, optional
        As for ``fit.acf``; lags without pairs are left out.
    """
    time = where.place[:, 0].astype(int)
    largest = int(np.bincount(where.code).max())
    wanted = min(largest - 1, int(10 * np.log10(largest))) if max_lag is None else max_lag
    order = np.lexsort((time, where.code))
    span = int(np.ptp(time)) + wanted + 1
    key = where.code[order] * span + (time[order] - time.min())
    pairs = {}
    for lag in range(1, wanted + 1):
        at = np.minimum(np.searchsorted(key, key + lag), len(key) - 1)
        met = key[at] == key + lag
        if met.any():
            pairs[lag] = order[met], order[at[met]]

    def values(r: np.ndarray) -> np.ndarray:
        products = [(r[:, i] * r[:, j]).mean(axis=1) for i, j in pairs.values()]
        return np.stack(products, axis=1) / (r**2).mean(axis=1, keepdims=True)

    index = pd.Index(list(pairs), name="lag")
    label = "autocorrelation of normalized residuals"
    return Discrepancy(values, index, "normalized", label, len(key))


def semivariance(
    where: Positions, metric: str, bins: int, max_distance: float | None
) -> Discrepancy:
    """Half the mean squared difference of normalized residuals by distance; 1 without correlation.

    Of more than ``max_pairs`` pairs so many are drawn, the same ones for all residuals.

    Parameters
    ----------
    where : Positions
    metric : str
        As the correlation structure's.
    bins : int
        More distances than this are collapsed into bins of equally many pairs.
    max_distance : float, optional
    """
    i, j, distance = _pairs(where, metric, max_distance)
    if not len(distance):
        return Discrepancy(lambda r: r[:, :0], pd.Index([], name="distance"), "normalized", "", 0)
    bin_of = distance_bins(distance, bins)
    chosen = [np.flatnonzero(bin_of == k) for k in np.unique(bin_of)]
    n, sizes = len(where.code), np.array([len(own) for own in chosen])
    joined = [csr_array((np.ones(len(own)), (i[own], j[own])), shape=(n, n)) for own in chosen]
    often = np.stack(
        [np.bincount(i[own], minlength=n) + np.bincount(j[own], minlength=n) for own in chosen]
    )

    def values(r: np.ndarray) -> np.ndarray:
        columns = np.ascontiguousarray(r.T)
        products = np.stack([(columns * (a @ columns)).sum(axis=0) for a in joined], axis=1)
        return np.asarray((0.5 * (r**2 @ often.T) - products) / sizes)

    middle = [float(np.median(distance[own])) for own in chosen]
    index = pd.Index(middle, name="distance")
    return Discrepancy(values, index, "normalized", "semivariance of normalized residuals", n)


def _pairs(
    where: Positions, metric: str, max_distance: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (m,), (m,) of pairs within groups, no farther apart than wanted; distances (m,)."""
    limits = settings.CHECKS
    groups = where.groups()
    sizes = np.array([len(rows) for rows in groups], dtype=np.int64)
    total = int((sizes * (sizes - 1) // 2).sum())
    if max_distance is not None:
        i, j = _near(where, groups, metric, max_distance)
    elif total <= limits.max_pairs:
        every = [rows[np.stack(np.triu_indices(len(rows), 1))] for rows in groups]
        i, j = np.concatenate(every, axis=1)
    else:
        rng = np.random.default_rng(limits.max_pairs)
        share = sizes * (sizes - 1.0)
        group = rng.choice(len(groups), size=limits.max_pairs, p=share / share.sum())
        first = rng.integers(sizes[group])
        other = (first + rng.integers(1, sizes[group])) % sizes[group]
        order, starts = np.concatenate(groups), np.cumsum(sizes) - sizes
        i, j = order[starts[group] + first], order[starts[group] + other]
    if len(i) > limits.max_pairs:
        kept = np.random.default_rng(limits.max_pairs).choice(
            len(i), size=limits.max_pairs, replace=False
        )
        i, j = i[kept], j[kept]
    gap = where.place[i] - where.place[j]
    return i, j, np.asarray(np.linalg.norm(gap, ord=NORMS[metric], axis=1))


def _near(
    where: Positions, groups: list[np.ndarray], metric: str, most: float
) -> tuple[np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    out = [np.zeros((0, 2), dtype=np.intp)]
    for rows in groups:
        tree = cKDTree(where.place[rows])
        out.append(rows[tree.query_pairs(most, p=NORMS[metric], output_type="ndarray")])
    i, j = np.concatenate(out).T
    return i, j


def spread(code: np.ndarray, labels: pd.Index) -> Discrepancy:
    """Root mean square of the Pearson residuals in every stratum; near 1 under the model.

    Parameters
    ----------
    code : int array, shape (n,)
        Stratum of each row.
    labels : Index, length k
    """
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(code[order]) > 0))
    sizes = np.diff(np.append(starts, len(code)))

    def values(r: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.add.reduceat(r[:, order] ** 2, starts, axis=1) / sizes))

    index = labels[code[order][starts]]
    return Discrepancy(values, index, "pearson", "sd of standardized residuals", len(code))


CheckName = Literal["acf", "variogram", "sd_by_stratum", "sd_by_fitted"]


@dataclass(frozen=True, slots=True)
class Check(Exported):
    """Observed numbers beside their envelope in replicated data.

    Attributes
    ----------
    table : DataFrame, shape (k, 4)
        observed (posterior mean of the numbers from the observed response), lower, upper (the
        simultaneous envelope of the replicates), outside.
    label : str
        What the numbers are.
    level : float
        Share of the replicates that are inside as a whole.
    draws : int
        Number of draws, and of replicates.
    """

    table: pd.DataFrame
    label: str
    level: float
    draws: int

    @property
    def passed(self) -> bool:
        """Whether everything observed is inside the envelope."""
        return not self.table["outside"].any()

    @property
    def verdict(self) -> str:
        """The finding, in words."""
        what = f"the {100 * self.level:g} % envelope of {self.draws} replicates"
        if self.passed:
            return f"inside {what}"
        places = ", ".join(_place(v) for v in self.table.index[self.table["outside"]])
        return f"outside {what} at {self.table.index.name} {places}"

    def exported(self) -> dict[str, pd.DataFrame]:
        """The table under the name of its numbers."""
        return {self.label: self.table}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the observed numbers over the envelope.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from bayeslme.report.plots.checks import envelope_plot

        return envelope_plot(self.table, self.label, ax)

    def __str__(self) -> str:
        return f"{self.label}: {self.verdict}\n{self.table.to_string(float_format='{:.4g}'.format)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return frames_html({self.label: self.table}, (self.verdict,))


def check(posterior: Draws, structure: CheckName, **options: Any) -> Check:
    """Check one structure of the model; see `Posterior.check`."""
    check_choice(structure, get_args(CheckName), "check")
    level, draws = options.pop("level", 0.95), options.pop("draws", settings.CHECKS.default_draws)
    check_probability(level)
    makers: dict[str, Callable[..., Discrepancy]] = {
        "acf": _acf,
        "variogram": _variogram,
        "sd_by_stratum": _sd_by_stratum,
        "sd_by_fitted": _sd_by_fitted,
    }
    _, *known = signature(makers[structure]).parameters
    strange = [name for name in options if name not in known]
    if strange:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise FitError(f"check: '{strange[0]}' is not an option of {structure!r}; {has}")
    discrepancy = makers[structure](posterior, **options)
    if not len(discrepancy.index):
        raise FitError(f"check: no two rows of one group for {structure!r}; nothing to look at")
    observed, replicated = _numbers(posterior, discrepancy, draws)
    lower, upper = envelope(replicated, level)
    centre = observed.mean(axis=0)
    outside = (centre < lower) | (centre > upper)
    table = pd.DataFrame(
        {"observed": centre, "lower": lower, "upper": upper, "outside": outside},
        index=discrepancy.index,
    )
    return Check(table, discrepancy.label, level, len(replicated))


def envelope(replicated: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits that hold a share of vectors as a whole.

    The depth of a vector is the smallest rank, from below or above, of any of its entries; the
    limits are the order statistics at the depth that `level` of the vectors reach.

    Parameters
    ----------
    replicated : array, shape (s, k)
    level : float

    Returns
    -------
    lower, upper : arrays, shape (k,)
    """
    s = len(replicated)
    sorted_ = np.sort(replicated, axis=0)
    rank = np.argsort(np.argsort(replicated, axis=0), axis=0)
    depth = np.minimum(rank, s - 1 - rank).min(axis=1)
    reached = int(np.sort(depth)[int(np.floor((1.0 - level) * s))])
    return sorted_[reached], sorted_[s - 1 - reached]


def _numbers(
    posterior: Draws, discrepancy: Discrepancy, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (s, k) of the observed response and of the stored replicates."""
    parameters, width = posterior.parameters, max(posterior.parameters.problem.n, discrepancy.width)
    chosen, y = replicates(posterior, draws)
    step = int(max(1, settings.CHECKS.numbers_per_batch // width))
    observed: list[np.ndarray] = []
    replicated: list[np.ndarray] = []
    for at in range(0, len(chosen), step):
        piece = chosen[at : at + step]
        values = {k: v[piece] for k, v in posterior.values.items()}
        effects = {k: b[piece] for k, b in posterior.effects.items()}
        mean = simulate.fitted(parameters, values, effects, len(parameters.levels))
        problem = problem_of_draws(parameters, values, effects)
        for response, out in ((parameters.design.y, observed), (y[at : at + step], replicated)):
            residual = response - mean
            scaled = simulate.scaled(parameters, values, problem, residual, discrepancy.scaling)
            out.append(discrepancy.values(scaled))
    return np.concatenate(observed), np.concatenate(replicated)


def replicates(posterior: Draws, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Some draws, evenly spaced, and a replicate of each (s, n): the stored ones, or new ones."""
    kept = replicated_draws(posterior).ravel()
    n, count = posterior.parameters.problem.n, len(posterior.values["fixef"])
    stored = posterior.data["posterior_predictive"]["y"]
    most = min(most, count, max(len(kept), int(settings.POSTERIOR.max_drawn_replicates // n)))
    least = settings.CHECKS.min_envelope_draws
    if most < least:
        raise FitError(f"check: an envelope needs {least} draws or more, not {most}")
    if most <= len(kept):
        some = np.unique(np.linspace(0, len(kept) - 1, most).astype(int))
        return kept[some], stored.to_numpy().reshape(len(kept), -1)[some]
    chosen = np.unique(np.linspace(0, count - 1, most).astype(int))
    return chosen, replicated_again(posterior, chosen)


def _acf(posterior: Draws, max_lag: int | None = None, form: str | None = None) -> Discrepancy:
    return autocorrelation(lag_positions(posterior.fit, form, "check"), max_lag)


def _variogram(
    posterior: Draws,
    form: str | None = None,
    bins: int = 20,
    max_distance: float | None = None,
) -> Discrepancy:
    correlation = posterior.parameters.problem.correlation
    metric = "euclidean" if correlation is None else str(correlation.structure.metric)
    return semivariance(positions(posterior.fit, form), metric, bins, max_distance)


def _sd_by_stratum(posterior: Draws, by: str | None = None) -> Discrepancy:
    design = posterior.parameters.design
    if by is None:
        return _own_strata(design)
    frame = posterior.fit.data.iloc[design.rows]
    if by not in frame.columns:
        raise DataError(f"by: '{by}' is not a column of the data ({', '.join(map(str, frame))})")
    column = pd.Categorical(frame[by])
    if column.isna().any():
        raise DataError(f"by: '{by}' is missing in {int(column.isna().sum())} rows")
    return spread(np.asarray(column.codes, dtype=int), pd.Index(column.categories, name=by))


def _own_strata(design: Design) -> Discrepancy:
    several = [c for c in design.variance if len(c.strata) > 1]
    if not several:
        raise FitError("by: the model's variance has no strata of its own; name a column")
    return spread(several[0].stratum, pd.Index(several[0].strata, name="stratum"))


def _sd_by_fitted(posterior: Draws, bins: int = 5) -> Discrepancy:
    values = fitted(posterior).to_numpy()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    code = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, max(len(edges) - 2, 0))
    _, code = np.unique(code, return_inverse=True)
    middle = [float(np.median(values[code == k])) for k in range(code.max() + 1)]
    return spread(code, pd.Index(middle, name="fitted"))


def _place(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
