"""Several fits and posteriors in one table, as papers print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_choice
from bayeslme.report.export import Exported
from bayeslme.report.grid import grid
from bayeslme.report.html import html_table, note_html, wrap

Statistic = Literal["std.error", "conf.int", "statistic", "p.value"]
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, "+"))
MEASURES = {
    "nobs": "Num.Obs.",
    "r.squared": "R2",
    "AIC": "AIC",
    "BIC": "BIC",
    "logLik": "Log.Lik.",
    "elpd": "ELPD",
    "looic": "LOOIC",
}
NOTES = {
    "std.error": "standard errors in parentheses; of posteriors, means and standard deviations",
    "conf.int": "95 % intervals in brackets",
    "statistic": "t values in parentheses",
    "p.value": "p-values in parentheses",
}


@dataclass(frozen=True, slots=True)
class ModelTable(Exported):
    """Results side by side.

    Attributes
    ----------
    frame : DataFrame of str
        A column for each result; coefficients, variance parameters, then measures of the fits.
    notes : tuple of str
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]

    def exported(self) -> dict[str, pd.DataFrame]:
        """The table."""
        return {"": self.frame}

    def __str__(self) -> str:
        rows, heads = list(self.frame.index), [str(c) for c in self.frame.columns]
        body = grid(rows, heads, [self.frame.iloc[:, j].tolist() for j in range(len(heads))])
        return "\n".join([body, *(f"Note: {note}" for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return wrap(html_table(self.frame), *map(note_html, self.notes))


def table(
    *results: Any,
    statistic: Statistic = "std.error",
    stars: bool = False,
    digits: int = 3,
    rename: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    **named: Any,
) -> ModelTable:
    """Set fits and posteriors side by side, as the tables of papers.

    Parameters
    ----------
    *results : LmeFit, GlsFit, LmFit or Posterior
        Headed (1), (2), ...
    statistic : {"std.error", "conf.int", "statistic", "p.value"}
        What stands below each estimate.
    stars : bool
        Mark p-values below 0.1 (+), 0.05 (*), 0.01 (**) and 0.001 (***).
    digits : int
        Decimals.
    rename : mapping of str to str, optional
        Terms under other names.
    drop : sequence of str
        Terms that are not shown.
    **named
        Results under headings of your choice.

    Returns
    -------
    ModelTable
        ``print`` it, show it in a notebook, or write it by ``to_latex()`` and ``to_markdown()``;
        ``.frame`` has the texts.

    Raises
    ------
    FitError
        Without results, for what is no result, and for terms of `rename` or `drop` that no result
        has.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> one = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", method="ML")
    >>> bayeslme.table(one, one.update(fixed=". ~ . + Sex"), stars=True)
                                 (1)       (2)
    (Intercept)            16.761*** 17.707***
                             (0.802)   (0.832)
    age                     0.660***  0.660***
                             (0.062)   (0.062)
    SexFemale                         -2.321**
                                       (0.743)
    SD (Intercept) Subject     2.072     1.730
    SD Residual                1.423     1.423
    Num.Obs.                     108       108
    AIC                      451.390   444.856
    BIC                      462.118   458.267
    Log.Lik.                -221.695  -217.428
    Note: standard errors in parentheses; of posteriors, means and standard deviations
    Note: + p < 0.1, * p < 0.05, ** p < 0.01, *** p < 0.001
    """
    check_choice(statistic, get_args(Statistic), "statistic")
    if isinstance(digits, bool) or not isinstance(digits, int) or digits < 0:
        raise FitError(f"digits: a number of decimals is needed, not {digits!r:.40}")
    chosen = {f"({k})": one for k, one in enumerate(results, 1)} | named
    if not chosen:
        raise FitError("table: no result was given; give fits or posteriors")
    for name, one in chosen.items():
        if not (hasattr(one, "tidy") and hasattr(one, "fixef")):
            raise FitError(f"table: {name} is {type(one).__name__}, not a fit or a posterior")
    columns = {name: _column(one, statistic, stars, digits) for name, one in chosen.items()}
    frame = _arranged(columns, dict(rename or {}), tuple(drop))
    notes = [NOTES[statistic]]
    if stars:
        notes.append(", ".join(f"{mark} p < {limit:g}" for limit, mark in reversed(STARS)))
    return ModelTable(frame, tuple(notes))


Cells = dict[tuple[str, str], list[str]]


def _column(result: Any, statistic: Statistic, stars: bool, digits: int) -> Cells:
    """Texts of one result: (kind, term) to the line of the estimate and those below it."""
    cells: Cells = {}
    for row in result.tidy("fixed").to_dict("records"):
        mark = _mark(row.get("p.value", np.nan)) if stars else ""
        below = _below(row, statistic, digits)
        cells["fixed", row["term"]] = [f"{row['estimate']:.{digits}f}{mark}", *below]
    for row in result.tidy("variance", conf_int=False).to_dict("records"):
        cells["variance", _variance_name(row)] = [f"{row['estimate']:.{digits}f}"]
    found = result.glance().iloc[0]
    for name, shown in MEASURES.items():
        if name in found.index and pd.notna(found[name]):
            value = found[name]
            cells["measure", shown] = [f"{value:.0f}" if name == "nobs" else f"{value:.{digits}f}"]
    return cells


def _mark(p: float) -> str:
    return next((mark for limit, mark in STARS if p < limit), "")


def _below(row: Mapping[str, Any], statistic: Statistic, digits: int) -> list[str]:
    if statistic == "conf.int":
        return [f"[{row['conf.low']:.{digits}f}, {row['conf.high']:.{digits}f}]"]
    value = row.get(statistic, np.nan)
    return [""] if pd.isna(value) else [f"({value:.{digits}f})"]


def _variance_name(row: Mapping[str, Any]) -> str:
    group, term = row["group"], row["term"]
    if term.startswith("sd__"):
        effect = term.removeprefix("sd__")
        return "SD Residual" if group == "Residual" else f"SD {effect} {group}"
    if term.startswith("cor__"):
        return f"Cor {term.removeprefix('cor__').replace('.', ', ', 1)} {group}"
    return f"{term} {group}"


def _arranged(
    columns: dict[str, Cells], rename: dict[str, str], drop: tuple[str, ...]
) -> pd.DataFrame:
    keys = _order([list(cells) for cells in columns.values()])
    known = {name for _, name in keys}
    unknown = [name for name in (*rename, *drop) if name not in known]
    if unknown:
        raise FitError(
            f"table: no result has a term {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )
    index, rows = [], []
    for key in keys:
        if key[1] in drop:
            continue
        lines = max(len(cells.get(key, [])) for cells in columns.values())
        for k in range(lines):
            index.append(rename.get(key[1], key[1]) if k == 0 else "")
            texts = [cells.get(key, []) for cells in columns.values()]
            rows.append([text[k] if k < len(text) else "" for text in texts])
    return pd.DataFrame(rows, index=index, columns=list(columns))


def _order(lists: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Keys of all results: kinds in their order, within a kind in the order of appearance."""
    seen = list(dict.fromkeys(key for one in lists for key in one))
    kinds = ["fixed", "variance", "measure"]
    measures = list(MEASURES.values())
    return sorted(
        seen,
        key=lambda key: (
            kinds.index(key[0]),
            measures.index(key[1]) if key[0] == "measure" else key[1] == "SD Residual",
        ),
    )
