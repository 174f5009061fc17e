"""Marginal means: what the fixed part expects for levels of some predictors, others averaged over.

With L the averages of the model matrix over a grid of the predictors the means are ``L beta`` with
covariance ``L cov(beta) L'`` (Searle, Speed and Milliken 1980). Their differences, and slopes in
the place of means, are linear combinations too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.plan import left_side
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice, check_probability
from bayeslme.fit.inference.contrasts import (
    Estimates,
    Kind,
    Labels,
    Weighting,
    contrast_rows,
    index_of,
    text_of,
    tuples_of,
)
from bayeslme.fit.inference.degrees import (
    DfMethod,
    SmallSample,
    VcovType,
    column_levels,
    fewest,
    small_sample,
)
from bayeslme.fit.inference.hypotheses import Adjust, adjusted, critical, t_quantile, t_tail
from bayeslme.fit.inference.reference_grid import (
    Axis,
    Weights,
    averages,
    axes_of,
    check_shown,
    check_slope,
)
from bayeslme.fit.inference.response_scale import ResponseScale, response_scale
from bayeslme.formula.expressions import Name, bare
from bayeslme.report.plots.style import axis_label

if TYPE_CHECKING:
    from bayeslme.fit.parameter_verbs import ParameterVerbs

FloatArray = npt.NDArray[np.float64]
Scale = Literal["link", "response"]


@dataclass(frozen=True, eq=False, repr=False)
class Means(Estimates):
    """Marginal means, or slopes; see `means`.

    Attributes
    ----------
    fit : Fit
    df : str
    level : float
    vcov : str or None
    scale : ResponseScale or None
        The way from the transformed response of the model to the response, where the means are
        given on the scale of the response.
    """

    fit: ParameterVerbs
    df: DfMethod | None
    level: float
    vcov: VcovType | None = None
    scale: ResponseScale | None = None

    def contrasts(
        self,
        kind: Kind | Mapping[str, Weighting] = "pairwise",
        by: str | Sequence[str] | None = None,
        adjust: Adjust | None = None,
    ) -> Estimates:
        """Differences of the means, or other combinations of them.

        Parameters
        ----------
        kind : {"pairwise", "reference"} or mapping
            Each less each after it; each less the first; or contrasts by name, each with weights
            in the order of the means, or by their names: ``{"k": 1, "l": -0.5, "m": -0.5}``. A
            mean of several factors is named by its levels, ``("k", "lo")`` or ``"k, lo"``; those
            that are left out have no weight.
        by : str or sequence of str, optional
            Predictors within whose levels means are compared.
        adjust : {"tukey", "holm", "bonferroni", "none"}, optional
            For several contrasts within each level of `by`: p-values, and limits (by Bonferroni
            for "holm", which has none of its own). By default "tukey" for pairs, else "holm".

        Returns
        -------
        Estimates
            Of means on the response scale of a model of ``log(y)`` ratios, ``k / l``; of other
            transformations differences on the scale of the model. Tests are on that scale always.

        Examples
        --------
        >>> import bayeslme
        >>> stool = bayeslme.load_data("ergoStool")
        >>> fit = bayeslme.lme("effort ~ Type", stool, "~ 1 | Subject")
        >>> fit.means("Type").contrasts("reference", adjust="none").table.round(3)["Value"].tolist()
        [3.889, 2.222, 0.667]
        >>> weights = {"T2 - T1, T4": {"T2": 1, "T1": -0.5, "T4": -0.5}}
        >>> fit.means("Type").contrasts(weights).table["Value"].round(3).tolist()
        [3.556]
        """
        if adjust is not None:
            check_choice(adjust, get_args(Adjust), "adjust")
        pairs = isinstance(kind, str) and kind == "pairwise"
        chosen: Adjust = adjust or ("tukey" if pairs else "holm")
        if chosen == "tukey" and not pairs:
            raise FitError("adjust: 'tukey' is for pairs of means; use 'holm'")
        found = contrast_rows(self.rows, self.table.index, kind, by)
        parts = [
            _tested(self, found.rows[own], means, chosen)
            for own, means in zip(found.families, found.sizes, strict=True)
        ]
        table = pd.concat(parts, ignore_index=True)
        table.index = found.index
        most = max(own.stop - own.start for own in found.families)
        said = (_said(chosen, most, len(parts) > 1),) if most > 1 else ()
        if self.scale is None:
            return self._contrasts(table, found.rows, *said)
        if not self.scale.ratios:
            note = f"contrasts are on the scale of {self.scale.link}"
            return replace(self, notes=self.notes[:-1])._contrasts(table, found.rows, *said, note)
        return self._ratios(table, found.rows, self.scale, said)

    def _ratios(
        self, table: pd.DataFrame, rows: FloatArray, scale: ResponseScale, said: tuple[str, ...]
    ) -> Estimates:
        """Contrasts of logarithms as ratios."""
        table = table.copy()
        value = scale.ratio(table["Value"])
        table["Std.Error"] *= np.log(scale.base) * value
        table["lower"], table["upper"] = scale.ratio(table["lower"]), scale.ratio(table["upper"])
        table["Value"] = value
        names = [(str(one[0]).replace(" - ", " / "), *one[1:]) for one in tuples_of(table.index)]
        table.index = index_of(names, [str(name) for name in table.index.names])
        notes = (*self.notes[:-1], *said, f"tests are on the scale of {scale.link}")
        return Estimates(table, rows, notes, f"ratio: {scale.response}", False)


def means(
    fit: ParameterVerbs,
    factors: str | Sequence[str],
    at: Mapping[str, Any] | None = None,
    *,
    slope: str | None = None,
    weights: Weights = "equal",
    level: float = 0.95,
    df: DfMethod | None = None,
    vcov: VcovType | None = None,
    type: Scale = "link",
) -> Means:
    """Marginal means of the response, for levels of some predictors; R's ``emmeans``.

    See `Fit.means`.
    """
    check_probability(level)
    labels, rows, notes = marginal(fit, factors, at, slope, weights)
    method = small_sample(fit, df, vcov)
    table = _limits(fit, rows, level, method)
    table.index = index_of(labels, [factors] if isinstance(factors, str) else list(factors))
    said = [*notes, *(() if method is None else method.notes)]
    what = of_what(fit, slope)
    scale = _scale(fit, type, slope)
    if scale is not None:
        table, what = _on_response(table, scale), scale.response
        said.append(f"limits are back-transformed from the scale of {scale.link}")
    elif slope is None and not isinstance(bare(left_side(fit.spec.fixed)), Name):
        said.append(f"means are on the scale of {fit.design.response_label}, not of the response")
    return Means(table, rows, tuple(said), what, slope is not None, fit, df, level, vcov, scale)


def _scale(fit: ParameterVerbs, type: Scale, slope: str | None) -> ResponseScale | None:
    """The way back to the scale of the response where that is asked for and there is one to go."""
    check_choice(type, get_args(Scale), "type")
    if type == "link":
        return None
    if slope is not None:
        raise FitError("type: slopes are on the scale of the model; leave out type='response'")
    return response_scale(left_side(fit.spec.fixed))


def _on_response(table: pd.DataFrame, scale: ResponseScale) -> pd.DataFrame:
    """Means, errors and limits on the scale of the response; a falling one swaps the limits."""
    error = table["Std.Error"].to_numpy() * np.abs(scale.slope(table["Value"]))
    ends = np.array([scale.back(table["lower"]), scale.back(table["upper"])])
    value = scale.back(table["Value"])
    low, high = ends.min(axis=0), ends.max(axis=0)
    columns = {"Value": value, "Std.Error": error, "lower": low, "upper": high}
    return table.assign(**columns)


def marginal(
    fit: ParameterVerbs,
    factors: str | Sequence[str],
    at: Mapping[str, Any] | None,
    slope: str | None,
    weights: Weights,
) -> tuple[Labels, FloatArray, list[str]]:
    """Labels of the means, the coefficients' shares (g, p) in them, and what was averaged over."""
    check_choice(weights, get_args(Weights), "weights")
    shown = [factors] if isinstance(factors, str) else list(factors)
    given = dict(at or {})
    axes = axes_of(fit, given)
    check_shown(shown, axes, given)
    if slope is not None:
        check_slope(slope, axes)
    labels, rows = averages(fit, axes, shown, weights, slope)
    return labels, rows, _grid_notes(axes, shown, weights, slope)


def of_what(fit: ParameterVerbs, slope: str | None) -> str:
    """What means or slopes are, under the labels and units that come with the data."""
    response = axis_label(fit.data, fit.design.response_label)
    return response if slope is None else f"slope of {response} along {slope}"


def _degrees(fit: ParameterVerbs, rows: FloatArray) -> FloatArray:
    """Fewest degrees of freedom of the coefficients with a part in each row."""
    columns = np.array(fit.degrees.columns, float)
    if fit.design.levels:
        constant = column_levels(fit.design) == 0
        columns[constant] = min(columns.min(), len(fit.design.levels[0].labels) - 1)
    return fewest(columns, rows)


def _limits(
    fit: ParameterVerbs, rows: FloatArray, level: float, method: SmallSample | None
) -> pd.DataFrame:
    """Values of combinations of the coefficients with their errors and limits."""
    vcov = fit.test_vcov if method is None else method.vcov
    p = len(fit.fixef)
    known = rows[:, p:].sum(axis=1)  # the offset's part, which is no estimate
    rows = rows[:, :p]
    error = np.sqrt(np.einsum("gp,pq,gq->g", rows, vcov, rows))
    if method is None:
        den = _degrees(fit, rows)
    else:
        den = np.array([method.test(row[None])[1] for row in rows])
    value = rows @ fit.estimate.beta + known
    width = t_quantile(0.5 + level / 2, den) * error
    columns = {"Value": value, "Std.Error": error, "DF": den}
    return pd.DataFrame({**columns, "lower": value - width, "upper": value + width})


def _tested(means: Means, rows: FloatArray, size: int, adjust: Adjust) -> pd.DataFrame:
    """Contrasts of one family with their tests."""
    method = small_sample(means.fit, means.df, means.vcov)
    table = _limits(means.fit, rows, means.level, method)
    t, den = table["Value"] / table["Std.Error"], table["DF"].to_numpy()
    p = adjusted(t_tail(t, den), t.to_numpy(), den, size, adjust)
    width = critical(means.level, den, len(rows), size, adjust) * table["Std.Error"]
    left, right = table["Value"] - width, table["Value"] + width
    head = table[["Value", "Std.Error", "DF"]]
    return head.assign(**{"t-value": t, "p-value": p, "lower": left, "upper": right})


def _grid_notes(
    axes: Sequence[Axis], shown: Sequence[str], weights: Weights, slope: str | None
) -> list[str]:
    rest = [axis for axis in axes if axis.name not in shown and axis.name != slope]
    over = [axis.name for axis in rest if len(axis.labels) > 1]
    fixed = [f"{a.name} = {text_of(a.labels[0])}" for a in axes if a in rest and len(a.labels) == 1]
    notes = [f"slopes along {slope}"] if slope is not None else []
    if over:
        how = "" if weights == "equal" else ", in proportion to the data"
        notes.append(f"averaged over {', '.join(over)}{how}")
    return [*notes, f"at {', '.join(fixed)}"] if fixed else notes


def _said(adjust: Adjust, size: int, several: bool) -> str:
    how = {
        "tukey": "p-values and limits by Tukey's method",
        "holm": "p-values by Holm's method, limits by Bonferroni's",
        "bonferroni": "p-values and limits by Bonferroni's method",
        "none": "p-values and limits not adjusted",
    }[adjust]
    return f"{how} for {size} contrasts{' each' if several else ''}"
