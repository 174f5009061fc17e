"""One table of several results: a row for each parameter, a group of columns for each result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayeslme.bayes import settings
from bayeslme.bayes.posterior.estimates import limits
from bayeslme.errors import SpecError
from bayeslme.fit.result import Fit
from bayeslme.report.export import Exported
from bayeslme.report.html import wrap
from bayeslme.report.numbers import format_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANEF = "ranef "
_NO_ROWS = pd.MultiIndex.from_arrays([[], []], names=["part", "parameter"])
COLUMNS = ("Value", "SE", "lower", "upper")
_ALIASES = {
    "est.": "Value", "Estimate": "Value", "Coef.": "Value", "coef": "Value", "mean": "Value",
    "Std.Error": "SE", "Std. Error": "SE", "Std.Err.": "SE", "std err": "SE",
    "SD": "SE", "sd": "SE",
    "[0.025": "lower", "0.975]": "upper", "2.5 %": "lower", "97.5 %": "upper",
    "2.5%": "lower", "97.5%": "upper",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison(Exported):
    """Aligned results; ``frame`` holds the numbers.

    Attributes
    ----------
    frame : DataFrame
        Rows (part, parameter); columns (result, Value | SE | lower | upper). SE is the standard
        error of a fit and the standard deviation of a posterior; NaN where a result does not give
        it.
    level : float
        Probability of the limits.
    groups : mapping of str to tuple of str
        Labels of the groups of each part of random effects.
    """

    frame: pd.DataFrame
    level: float
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def exported(self) -> dict[str, pd.DataFrame]:
        """The aligned results."""
        return {"": self.frame}

    def __str__(self) -> str:
        return _text(self.frame)

    __repr__ = __str__

    def plot(self, part: str | None = None) -> list[Axes]:
        """Draw estimates with their limits, result by result.

        Parameters
        ----------
        part : str, optional
            ``"ranef <group>"`` for the random effects of a group, a panel for each effect, or
            another part alone; by default every part but these, a panel with its own scale for each
            parameter.

        Returns
        -------
        list of Axes

        Raises
        ------
        SpecError
            For a part the table has not.
        """
        from bayeslme.report.plots.estimates import forest_panels, forest_rows

        parts = list(dict.fromkeys(self.frame.index.get_level_values("part")))
        if part is not None and part not in parts:
            raise SpecError(f"part: '{part}' is not one of {', '.join(map(repr, parts))}")
        chosen = [p for p in parts if not p.startswith(RANEF)] if part is None else [part]
        rows = self.frame[self.frame.index.get_level_values("part").isin(chosen)]
        if part is not None and part.startswith(RANEF):
            effects = _by_effect(rows.droplevel("part"), self.groups[part])
            return forest_rows(effects, part.removeprefix(RANEF))
        return forest_panels(rows)

    def _repr_html_(self) -> str:
        return wrap(self.frame.to_html(float_format=lambda v: f"{v:.4g}", na_rep="", border=0))


def compare(*results: Any, level: float = 0.95, ranef: bool = False, **named: Any) -> Comparison:
    """Set fits, posteriors and tables of other software side by side.

    Parameters
    ----------
    *results : Fit, Posterior or DataFrame
        A DataFrame is indexed by parameter, or by (part, parameter), with columns such as Value,
        Std.Error, lower, upper.
    level : float
        Probability of the limits of fits and posteriors.
    ranef : bool
        Also the random effects, in parts named ``"ranef <group>"``: the predictions of a fit with
        their standard errors and normal limits, the means of a posterior.
    **named
        Results under names of your choice.

    Returns
    -------
    Comparison

    Raises
    ------
    SpecError
        If something is neither a fit, nor a posterior, nor a table.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("travel ~ 1", bayeslme.load_data("Rail"), "~ 1 | Rail")
    >>> lmer = pd.DataFrame({"Estimate": [66.5], "Std. Error": [10.17]}, index=["(Intercept)"])
    >>> table = bayeslme.compare(fit, fit.update(method="ML"), lmer=lmer).frame
    >>> table.xs("Value", axis=1, level=1).round(2).loc["fixed"]
                  REML    ML  lmer
    parameter
    (Intercept)   66.5  66.5  66.5
    >>> table["REML", "Value"].round(2).loc["Rail"].to_dict()
    {'sd((Intercept))': 24.81}
    """
    given = [(_name_of(r), r) for r in results] + list(named.items())
    if not given:
        msg = "compare: give at least one fit, posterior or table"
        raise SpecError(msg)
    tables: dict[str, pd.DataFrame] = {}
    for name, result in given:
        unique, k = name, 2
        while unique in tables:
            unique, k = f"{name} ({k})", k + 1
        tables[unique] = _table_of(result, level)
        if ranef and not isinstance(result, pd.DataFrame):
            tables[unique] = pd.concat([tables[unique], _ranef_of(result, level)])
    known = (
        pd.concat([t for t in tables.values() if _is_placed(t)])
        if any(_is_placed(t) for t in tables.values())
        else None
    )
    aligned = {name: t if _is_placed(t) else _place(t, known) for name, t in tables.items()}
    index = list(dict.fromkeys(i for t in aligned.values() for i in t.index))
    order = list(dict.fromkeys(part for part, _ in index))
    index.sort(key=lambda i: order.index(i[0]))
    rows = pd.MultiIndex.from_tuples(index, names=["part", "parameter"])
    frame = pd.concat({name: t.reindex(rows) for name, t in aligned.items()}, axis=1)
    return Comparison(frame, level, _groups([result for _, result in given]) if ranef else {})


def _is_placed(table: pd.DataFrame) -> bool:
    """Whether rows are named by part and parameter."""
    return bool(table.index.nlevels > 1)


def _name_of(result: Any) -> str:
    if isinstance(result, Fit):
        return result.method
    return "table" if isinstance(result, pd.DataFrame) else "posterior"


def _table_of(result: Any, level: float) -> pd.DataFrame:
    if isinstance(result, pd.DataFrame):
        return _foreign(result)
    if isinstance(result, Fit):
        errors = dict(
            zip(
                [("fixed", n) for n in result.fixef.index],
                np.sqrt(np.diagonal(result.vcov())),
                strict=True,
            )
        )
        return _from_parts(result.intervals(level), errors)
    if hasattr(result, "intervals") and hasattr(result, "parameters"):
        from bayeslme.bayes.posterior.estimates import parts

        errors = {
            (part, str(n)): v
            for part, draws in parts(result).items()
            for n, v in draws.std().items()
        }
        return _from_parts(result.intervals(level), errors)
    msg = f"compare: a Fit, a Posterior or a DataFrame is needed, not {type(result).__name__}"
    raise SpecError(msg)


def _ranef_of(result: Any, level: float) -> pd.DataFrame:
    """Rows of the random effects of a fit or a posterior."""
    rows: dict[tuple[str, str], tuple[float, ...]] = {}
    levels = result.design.levels if isinstance(result, Fit) else result.fit.design.levels
    for k, one in enumerate(levels):
        labels, names = list(one.labels), list(one.effects)
        for j, effect in enumerate(names):
            numbers = _effects_of(result, k, j, level)
            for label, row in zip(labels, numbers, strict=True):
                name = label if len(names) == 1 else f"{label} {effect}"
                rows[f"{RANEF}{one.group}", name] = tuple(row)
    return _frame(rows)


def _groups(results: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """Labels of the groups of each part of random effects, of all results."""
    out: dict[str, dict[str, None]] = {}
    for result in results:
        if isinstance(result, pd.DataFrame):
            continue
        for one in (result if isinstance(result, Fit) else result.fit).design.levels:
            out.setdefault(f"{RANEF}{one.group}", {}).update(dict.fromkeys(one.labels))
    return {part: tuple(labels) for part, labels in out.items()}


def _by_effect(rows: pd.DataFrame, labels: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Rows named by group, effect by effect; a single effect has no name."""
    out: dict[str, dict[str, int]] = {}
    longest = sorted(labels, key=len, reverse=True)
    for k, name in enumerate(rows.index):
        own = next(label for label in longest if name == label or name.startswith(f"{label} "))
        out.setdefault(name[len(own) + 1 :], {})[own] = k
    return {effect: rows.iloc[list(at.values())].set_axis(list(at)) for effect, at in out.items()}


def _effects_of(result: Any, k: int, j: int, level: float) -> np.ndarray:
    """Estimates, errors and limits (G, 4) of one effect of a level."""
    if isinstance(result, Fit):
        table = result.ranef(k + 1, se=True)  # type: ignore[attr-defined]  # levels: an LmeFit
        value, error = table["est."].iloc[:, j].to_numpy(), table["se"].iloc[:, j].to_numpy()
        width = ndtri(0.5 + level / 2) * error
        return np.column_stack([value, error, value - width, value + width])
    draws = result.effects[result.parameters.levels[k].key][:, :, j]
    return np.column_stack([draws.mean(axis=0), draws.std(axis=0, ddof=1), *limits(draws, level)])


def _from_parts(
    intervals: Mapping[str, pd.DataFrame], errors: Mapping[tuple[str, str], float]
) -> pd.DataFrame:
    rows = {}
    for part, table in intervals.items():
        for name, row in table.iterrows():
            key = (part, str(name))
            rows[key] = (row["est."], errors.get(key, np.nan), row["lower"], row["upper"])
    return _frame(rows)


def _frame(rows: Mapping[tuple[str, str], tuple[float, ...]]) -> pd.DataFrame:
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS), index=_NO_ROWS, dtype=float)
    index = pd.MultiIndex.from_tuples(list(rows), names=["part", "parameter"])
    return pd.DataFrame(list(rows.values()), index=index, columns=list(COLUMNS), dtype=float)


def _foreign(table: pd.DataFrame) -> pd.DataFrame:
    renamed = table.rename(columns=lambda c: _ALIASES.get(str(c), str(c)))
    if "Value" not in renamed.columns:
        has = ", ".join(map(str, table.columns))
        msg = f"compare: a table needs a column Value, Estimate, Coef. or mean; it has {has}"
        raise SpecError(msg)
    chosen = renamed.reindex(columns=list(COLUMNS))
    return pd.DataFrame({c: pd.to_numeric(chosen[c], errors="coerce") for c in COLUMNS})


def _place(table: pd.DataFrame, known: pd.DataFrame | None) -> pd.DataFrame:
    """Give rows named by parameter alone the part the other results know them under."""
    places: dict[str, str] = {}
    for part, name in [] if known is None else known.index:
        places.setdefault(name, part)
    rows = {
        (places.get(str(name), "fixed"), str(name)): tuple(row)
        for name, row in zip(table.index, table.to_numpy(float), strict=True)
    }
    return _frame(rows)


def _text(frame: pd.DataFrame) -> str:
    labels = [name if part in ("fixed", name) else f"{part} {name}" for part, name in frame.index]
    blocks = [_rows(labels)]
    for name in dict.fromkeys(frame.columns.get_level_values(0)):
        shown = [c for c in COLUMNS if frame[name][c].notna().any()]
        columns = [_column(c, frame[name][c]) for c in shown]
        body = ["  ".join(cells) for cells in zip(*columns, strict=True)]
        width = max(len(name), len(body[0]))
        blocks.append(
            [name.center(width).rstrip().ljust(width), *(line.rjust(width) for line in body)]
        )
    return "\n".join("   ".join(cells).rstrip() for cells in zip(*blocks, strict=True))


def _rows(labels: list[str]) -> list[str]:
    width = max(len(text) for text in labels)
    return [" " * width, " " * width, *(text.ljust(width) for text in labels)]


def _column(head: str, values: pd.Series) -> list[str]:
    texts = iter(format_numbers(values.dropna(), settings.POSTERIOR.comparison_digits))
    cells = [head, *(next(texts) if known else "" for known in values.notna())]
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]
