"""One table of several results: a row for each parameter, a group of columns for each result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayeslme.errors import SpecError
from bayeslme.fit.result import Fit
from bayeslme.report.html import wrap
from bayeslme.report.numbers import format_numbers

DIGITS = 4
COLUMNS = ("Value", "SE", "lower", "upper")
_ALIASES = {
    "est.": "Value", "Estimate": "Value", "Coef.": "Value", "coef": "Value", "mean": "Value",
    "Std.Error": "SE", "Std. Error": "SE", "Std.Err.": "SE", "std err": "SE",
    "SD": "SE", "sd": "SE",
    "[0.025": "lower", "0.975]": "upper", "2.5 %": "lower", "97.5 %": "upper",
    "2.5%": "lower", "97.5%": "upper",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """Aligned results; ``frame`` holds the numbers.

    Attributes
    ----------
    frame : DataFrame
        Rows (part, parameter); columns (result, Value | SE | lower | upper). SE is the standard
        error of a fit and the standard deviation of a posterior; NaN where a result does not give
        it.
    level : float
        Probability of the limits.
    """

    frame: pd.DataFrame
    level: float

    def __str__(self) -> str:
        return _text(self.frame)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return wrap(self.frame.to_html(float_format=lambda v: f"{v:.4g}", na_rep="", border=0))


def compare(*results: Any, level: float = 0.95, **named: Any) -> Comparison:
    """Set fits, posteriors and tables of other software side by side.

    Parameters
    ----------
    *results : Fit, Posterior or DataFrame
        A DataFrame is indexed by parameter, or by (part, parameter), with columns such as Value,
        Std.Error, lower, upper.
    level : float
        Probability of the limits of fits and posteriors.
    **named
        Results under names of your choice.

    Returns
    -------
    Comparison

    Raises
    ------
    SpecError
        If something is none of these.
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
    return Comparison(frame, level)


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
    if hasattr(result, "intervals") and hasattr(result, "layout"):
        from bayeslme.bayes.estimates import parts

        errors = {
            (part, str(n)): v
            for part, draws in parts(result).items()
            for n, v in draws.std().items()
        }
        return _from_parts(result.intervals(level), errors)
    msg = f"compare: a Fit, a Posterior or a DataFrame is needed, not {type(result).__name__}"
    raise SpecError(msg)


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
    texts = iter(format_numbers(values.dropna(), DIGITS))
    cells = [head, *(next(texts) if known else "" for known in values.notna())]
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]
