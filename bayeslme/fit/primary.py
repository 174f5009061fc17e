"""The covariate that curves run along."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from bayeslme.errors import SpecError
from bayeslme.spec.formula import parse_formula

if TYPE_CHECKING:
    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.result import Fit


def default_primary(fit: Fit | LmList) -> str | None:
    """The covariate a curve runs along where none is named; None where several may be meant."""
    named = _variables(fit)
    formula = fit.data.attrs.get("formula")
    if isinstance(formula, str):
        own = parse_formula(formula).without_groups().variables
        found = [v for v in own if v in named and v != fit.design.response_label]
        if len(found) == 1:
            return str(found[0])
    among = _numeric(fit, named) or named
    return among[0] if len(among) == 1 else None


def primary_of(fit: Fit | LmList, primary: str | None) -> str:
    """The column named, or the default one.

    Raises
    ------
    SpecError
        If it is no column, or none is named and several may be meant.
    """
    if primary is not None and primary in fit.data.columns:
        return primary
    if primary is not None:
        node = parse_formula(primary if "~" in primary else f"~ {primary}")
        names = node.variables
        if len(names) != 1 or names[0] not in fit.data.columns:
            raise SpecError(f"primary: {primary!r} is not one column of the data")
        return str(names[0])
    found = default_primary(fit)
    if found is not None:
        return found
    named = _variables(fit)
    among = _numeric(fit, named) or named
    which = f"one of {', '.join(among)}" if among else "a column of the data"
    raise SpecError(f"primary: say which covariate runs along the axis, {which}")


def _numeric(fit: Fit | LmList, names: list[str]) -> list[str]:
    return [name for name in names if pd.api.types.is_numeric_dtype(fit.data[name])]


def _variables(fit: Fit | LmList) -> list[str]:
    """Columns on the right-hand side of the fixed part and in the random effects."""
    fixed = replace(fit.spec.fixed, lhs=None).without_groups()
    random = (level.formula.without_groups().variables for level in fit.design.levels)
    parts = [fixed.variables, *random]
    names = dict.fromkeys(str(v) for part in parts for v in part)
    return [v for v in names if v in fit.data.columns]
