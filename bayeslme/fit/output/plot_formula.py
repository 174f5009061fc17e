"""nlme's plot formulas, ``resid(., type = "p") ~ fitted(.) | Sex``: what stands on which axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from bayeslme.data.evaluation.evaluate import evaluate_rows
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Basis, Factor
from bayeslme.data.variables.groups import nest
from bayeslme.errors import SpecError
from bayeslme.fit.values.residuals import ResidualType, fitted, residuals
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call, Expr, bare
from bayeslme.formula.formula import Formula, parse_formula
from bayeslme.formula.functions import read_fit_call
from bayeslme.formula.grammar import parse_expression
from bayeslme.report.plots.style import about, axis_label

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

TYPES: tuple[ResidualType, ...] = get_args(ResidualType)
NAMES = {
    "response": "Residuals",
    "pearson": "Standardized residuals",
    "normalized": "Normalized residuals",
}


@dataclass(frozen=True, slots=True)
class Plotted:
    """Data of a plot formula.

    Attributes
    ----------
    frame : DataFrame, shape (n, 3)
        Columns x, y, panel, indexed as the rows used.
    labels : tuple of str
        Of the horizontal and the vertical axis.
    of_residuals : bool
        Whether residuals are on an axis that is not a factor's.
    """

    frame: pd.DataFrame
    labels: tuple[str, str]
    of_residuals: bool


def plotted(fit: Fit, form: str) -> Plotted:
    """Evaluate a plot formula.

    Parameters
    ----------
    fit : Fit
    form : str
        ``y ~ x`` or ``y ~ x | group``; ``resid(., type=, level=)`` and ``fitted(., level=)`` stand
        for the fit, everything else is made of the data's columns.

    Returns
    -------
    Plotted

    Raises
    ------
    SpecError
        For a formula without a left side, and what stands on no axis.
    """
    formula = parse_formula(form)
    if formula.lhs is None:
        raise SpecError(f"form: {form} has no left side; write resid(.) ~ fitted(.)")
    columns = Columns(fit.data.iloc[fit.design.rows], fit.design.origins)
    y, y_label = _axis(fit, formula.lhs, columns)
    x, x_label = _axis(fit, formula.rhs, columns)
    frame = pd.DataFrame(
        {"x": x, "y": y, "panel": _panel(formula, columns)}, index=fit.design.index
    )
    along = x_label if isinstance(frame["y"].dtype, pd.CategoricalDtype) else y_label
    return Plotted(frame, (x_label, y_label), along in NAMES.values())


def _panel(formula: Formula, columns: Columns) -> Any:
    if not formula.groups:
        return np.zeros(columns.n, dtype=int)
    columns.require([name for name in formula.groups if "(" not in name], "form")
    groups = nest(columns, formula.groups, " ")[-1]
    return pd.Categorical.from_codes(groups.code.tolist(), pd.Index(groups.labels))


def _axis(fit: Fit, node: Expr, columns: Columns) -> tuple[Any, str]:
    node = bare(node)
    if isinstance(node, Call) and node.function in ("resid", "residuals", "fitted"):
        return _of_fit(fit, node)
    value = evaluate_rows(node, columns)
    if isinstance(value, Basis):
        raise SpecError(f"form: {deparse(node)} has several columns, an axis has one")
    if isinstance(value, Factor):
        codes = pd.Categorical.from_codes(value.code.tolist(), pd.Index(value.levels))
        return codes, deparse(node)
    return value, axis_label(fit.data, deparse(node))


def _of_fit(fit: Fit, call: Call) -> tuple[np.ndarray, str]:
    if call.function == "fitted":
        level = read_fit_call(call, "form").level
        unit = about(fit.data, "units").get(fit.design.response_label)
        return fitted(fit, level).to_numpy(), f"Fitted values ({unit})" if unit else "Fitted values"
    asked = read_fit_call(call, "form", ("level", "type"))
    kind = _type(asked.type)
    return residuals(fit, asked.level, kind).to_numpy(), NAMES[kind]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a one-sided plot formula asks for.

    Attributes
    ----------
    function : {"resid", "ranef"}
    type : str
        Of the residuals.
    level : str, int or None
    by : str or None
        What stands behind the bar.
    """

    function: str
    type: ResidualType
    level: str | int | None
    by: str | None


def one_sided(form: str) -> Asked:
    """Read ``~ resid(., type = "p") | Sex`` or ``~ ranef(., level = 1)``.

    Raises
    ------
    SpecError
        For anything else.
    """
    left, _, by = form.partition("|")
    node = bare(parse_expression(left.strip().removeprefix("~")))
    if not isinstance(node, Call) or node.function not in ("resid", "residuals", "ranef"):
        raise SpecError(f"form: {form} is none of ~ resid(.), ~ resid(.) | g, ~ ranef(.)")
    options = ("level",) if node.function == "ranef" else ("level", "type")
    asked = read_fit_call(node, "form", options)
    return Asked(asked.function, _type(asked.type), asked.level, by.strip() or None)


def _type(given: str | None) -> ResidualType:
    """The type of residuals that a text begins; as they are where none is given."""
    if given is None:
        return "response"
    found = [name for name in TYPES if name.startswith(given)]
    if len(found) != 1:
        raise SpecError(
            f"form: type is one of {', '.join(TYPES)} or their first letter, not {given!r}"
        )
    return found[0]
