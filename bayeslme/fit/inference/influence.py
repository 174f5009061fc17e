"""Influence of groups: what the estimates become without each of them.

Every estimate is made again, variance parameters included. Where the groups are the outermost of
nested ones, the cross products of the rows left are those of all rows less the group's own
(`bayeslme.engine.inference.deletion`); other groups are left out by fits to the rows that remain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.part import part_of
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.groups import complete_groups
from bayeslme.engine.estimate import estimate
from bayeslme.engine.inference.deletion import Deletions
from bayeslme.errors import BayesLMEError, FitError, SpecError, known_names
from bayeslme.fit.inference.bootstrap import tracked
from bayeslme.fit.refit import parameters
from bayeslme.fit.settings import SETTINGS
from bayeslme.report.export import Exported
from bayeslme.report.html import frames_html
from bayeslme.report.tables import table_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bayeslme.engine import Estimate
    from bayeslme.fit.result import Fit

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Exported):
    """Estimates without each group, and how far they are from those of all rows.

    Attributes
    ----------
    group : str
        The groups left out, one at a time.
    estimates : Series, length k
        Coefficients and variance parameters of all rows.
    deleted : DataFrame, shape (G, k)
        The same without each group; NaN where they do not exist.
    table : DataFrame, shape (G, 6)
        For each group its rows ``n``; ``cooks.distance`` of the coefficients, in units of their
        covariance by the fit, and ``mdffits``, in units of that without the group; ``covratio`` and
        ``covtrace``, which compare these two covariances (1 and 0 where they are the same); and
        ``logLik`` of the rows left.
    dfbetas : DataFrame, shape (G, p)
        Change of each coefficient by the group, over its standard error without the group.
    notes : tuple of str
        Groups without which the model cannot be fitted, and searches that did not converge.
    """

    group: str
    estimates: pd.Series
    deleted: pd.DataFrame
    table: pd.DataFrame
    dfbetas: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def changes(self) -> pd.DataFrame:
        """Estimates without each group less those of all rows, (G, k)."""
        return self.deleted - self.estimates

    def exported(self) -> dict[str, pd.DataFrame]:
        """Distances and changes."""
        return {f"Influence of {self.group}": self.table, "Changes": self.changes}

    def _shown(self) -> pd.DataFrame:
        """Groups with the largest distances first."""
        order = self.table["cooks.distance"].sort_values(ascending=False, na_position="last")
        return self.table.loc[order.index[: SETTINGS.shown_groups]]

    def __repr__(self) -> str:
        head = f"Influence of {self.group}, {len(self.table)} groups left out one at a time"
        return table_text(self._shown(), head, self._said)

    __str__ = __repr__

    @property
    def _said(self) -> tuple[str, ...]:
        more = len(self.table) - SETTINGS.shown_groups
        rest = (f"{more} further groups have smaller distances; see .table",) if more > 0 else ()
        return (*rest, *self.notes)

    def _repr_html_(self) -> str:
        return frames_html({f"Influence of {self.group}": self._shown()}, self._said)

    def plot(self, what: str = "cooks.distance", *, label: int = 3, ax: Axes | None = None) -> Axes:
        """Plot a distance, or the change of one estimate, against the groups.

        Parameters
        ----------
        what : str
            A column of `table`, or the name of a coefficient or variance parameter.
        label : int
            Number of groups to label, those farthest from no influence.
        ax : Axes, optional

        Returns
        -------
        Axes

        Raises
        ------
        SpecError
            For an unknown name.
        """
        from bayeslme.report.plots.estimates import influence_stems

        if what in self.table.columns:
            values, about = self.table[what], 1.0 if what == "covratio" else 0.0
            said = what
        elif what in self.deleted.columns:
            values, about = self.changes[what], 0.0
            said = f"change of {what}"
        else:
            allowed = known_names([*self.table.columns, *self.deleted.columns])
            raise SpecError(f"what: {what!r} is no measure of influence; {allowed}")
        return influence_stems(values, about, said, self.group, label, ax)


def influence(fit: Fit, group: str | None = None, *, progress: bool = True) -> Influence:
    """Leave out each group in turn; see `Fit.influence`."""
    if fit.spec.priors is not None:
        raise FitError("influence: estimates under priors are not made again without groups")
    name, labels, found = _left_out(fit, group, progress)
    failures: Counter[str] = Counter()
    rows: list[pd.Series | None] = []
    measures: list[dict[str, float]] = []
    shifts: list[FloatArray] = []
    p, unsettled = len(fit.fixef), 0
    for size, one in found:
        if isinstance(one, BayesLMEError) or not np.all(np.isfinite(one.beta)):
            failures[_reason(one)] += 1
            rows.append(None)
            measures.append({"n": size})
            shifts.append(np.full(p, np.nan))
            continue
        unsettled += not one.converged
        rows.append(parameters(replace(fit, estimate=one)))
        measures.append({"n": size, **_measures(fit.estimate, one)})
        shifts.append((fit.estimate.beta - one.beta) / np.sqrt(np.diagonal(one.vcov)))
    whole = parameters(fit)
    index = pd.Index(labels, name=name)
    missing = pd.Series(np.nan, index=whole.index)
    deleted = pd.DataFrame([missing if row is None else row for row in rows])
    columns = ["n", "cooks.distance", "mdffits", "covratio", "covtrace", "logLik"]
    notes = [f"{count} groups cannot be left out: {what}" for what, count in failures.items()]
    if unsettled:
        notes.append(f"{unsettled} searches did not converge; they are counted in")
    return Influence(
        name,
        whole,
        deleted.set_axis(index, axis=0),
        pd.DataFrame(measures, index, columns),
        pd.DataFrame(np.array(shifts).reshape(-1, p), index, list(fit.design.x_names)),
        tuple(notes),
    )


def _reason(one: BayesLMEError | Estimate) -> str:
    return (
        str(one)
        if isinstance(one, BayesLMEError)
        else "a coefficient is not identified by the rows left"
    )


def _measures(whole: Estimate, one: Estimate) -> dict[str, float]:
    """Distances between the coefficients, and between their covariances."""
    p, change = len(whole.beta), whole.beta - one.beta
    if not p:
        return {"logLik": one.loglik}
    ratio = np.linalg.solve(whole.vcov, one.vcov)
    return {
        "cooks.distance": float(change @ np.linalg.solve(whole.vcov, change)) / p,
        "mdffits": float(change @ np.linalg.solve(one.vcov, change)) / p,
        "covratio": float(np.linalg.det(ratio)),
        "covtrace": float(abs(np.trace(ratio) - p)),
        "logLik": one.loglik,
    }


Found = Iterator[tuple[int, "Estimate | BayesLMEError"]]


def _left_out(fit: Fit, group: str | None, progress: bool) -> tuple[str, list[str], Found]:
    """Name and labels of the groups, and for each its size and the estimates without it."""
    levels = fit.design.levels
    if group is None:
        if not levels:
            raise SpecError("group: name a column whose groups are left out, influence('Subject')")
        group = levels[0].group
    nested = bool(levels) and not fit.design.crossed
    fixed = any(one.source != "data" for one in fit.design.variance)
    if nested and group == levels[0].group and len(levels[0].labels) > 1 and not fixed:
        deletions = Deletions(fit.estimate)
        max_iter = fit.spec.control.max_iter or 200
        sizes = np.bincount(levels[0].code).tolist()
        return group, list(levels[0].labels), zip(sizes, deletions.estimates(max_iter), strict=True)
    code, labels = _codes(fit, group)
    if len(labels) > SETTINGS.max_deletions:
        raise FitError(
            f"influence: {len(labels)} groups of '{group}' would be left out by as many fits, and "
            f"at most {SETTINGS.max_deletions} are; choose wider groups, or the outermost"
        )
    whole = range(len(labels))
    each = tracked(whole, len(labels), f"Without each {group}", show=progress)
    return group, labels, ((int(np.sum(code == g)), _refitted(fit, code != g)) for g in each)


def _codes(fit: Fit, group: str) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Group of each row of the fit, and the labels: of a level, or of a column of the data."""
    for level in fit.design.levels:
        if level.group == group:
            return level.code, list(level.labels)
    if group not in fit.data.columns:
        levels = [level.group for level in fit.design.levels]
        raise SpecError(
            f"group: {group!r} is no grouping level and no column of the data; "
            f"{known_names([*levels, *map(str, fit.data.columns)])}"
        )
    used = fit.data.iloc[fit.design.rows]
    found = complete_groups(Columns(used), [group], "group")
    return found.code, list(found.labels)


def _refitted(fit: Fit, keep: npt.NDArray[np.bool_]) -> Estimate | BayesLMEError:
    """The estimates of some of the rows, or why there are none."""
    try:
        part = part_of(fit.design, np.flatnonzero(keep))
        if np.linalg.matrix_rank(part.X) < part.X.shape[1]:
            return FitError("a coefficient is not identified by the rows left")
        return estimate(part, report=False)
    except BayesLMEError as error:
        return error
