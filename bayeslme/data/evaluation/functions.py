"""The functions a formula may call, by R's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayeslme.data.calls import Arguments, Evaluation, Function, function_name
from bayeslme.data.dates import EPOCH, Dates, Day, parse_days
from bayeslme.data.factor_functions import (
    as_character,
    cut,
    factor,
    interaction,
    relevel,
    with_contrasts,
)
from bayeslme.data.factors import Factor, relabel
from bayeslme.data.learned import STATISTICS, poly, scale, statistic
from bayeslme.data.splines import SPLINES
from bayeslme.data.types import FloatArray
from bayeslme.data.values import Basis, Scalar, Value, logical
from bayeslme.errors import DataError, SpecError
from bayeslme.spec.deparse import deparse
from bayeslme.spec.expr import Call

MOST_DIGITS = 300  # of round(): doubles have no more on either side of the point
MATHS: dict[str, Callable[[Any], Any]] = {
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceiling": np.ceil,
    "trunc": np.trunc,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
}


def _identity(ev: Evaluation, call: Call) -> Value:
    return ev.value(Arguments(call, ["x"])["x"])


def _log(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x", "base"])
    with np.errstate(all="ignore"):
        result: FloatArray = np.log(ev.numeric(args["x"]))
        if "base" in args.given:
            result = result / np.log(ev.numeric(args["base"]))
    return result


def _round(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x", "digits"])
    digits = args.whole(ev, "digits", 0, least=-MOST_DIGITS, most=MOST_DIGITS)
    result: FloatArray = np.round(ev.numeric(args["x"]), digits)
    return result


def _extreme(ufunc: Callable[[Any, Any], Any]) -> Function:
    def parallel(ev: Evaluation, call: Call) -> Value:
        args = Arguments(call, ["first", "..."])
        result: FloatArray = ev.numeric(args["first"])
        for expr in args.rest:
            result = ufunc(result, ev.numeric(expr))
        return result

    return parallel


def _combine(ev: Evaluation, call: Call) -> Value:
    items: list[Scalar] = []
    for arg in call.args:
        value = ev.value(arg.value)
        if isinstance(value, np.ndarray | Factor | Basis):
            msg = f"c() in a formula holds constants, and '{deparse(arg.value)}' is none"
            raise SpecError(msg, text=deparse(call), position=0)
        items.extend(value if isinstance(value, tuple) else (value,))
    return tuple(items)


def _as_numeric(ev: Evaluation, call: Call) -> Value:
    expr = Arguments(call, ["x"])["x"]
    value, result = ev.value(expr), np.zeros(0)
    if isinstance(value, Dates):
        result = value.absolute
    elif not isinstance(value, Factor) or value.kind == "logical":
        result = ev.numeric(expr)
    elif value.kind == "text" and deparse(call) not in ev.memory:
        try:
            table = np.array([*map(float, value.levels), np.nan])
        except ValueError as error:
            msg = f"'{deparse(expr)}' is text that is no number: {error}"
            raise DataError(msg) from error
        result = table[value.code]
    else:  # positions among the levels of the data of the fit
        known = ev.memory.setdefault(deparse(call), (value.levels, value.keys))
        code = relabel(value, *known)
        result = np.where(code < 0, np.nan, code + 1.0)
    return np.trunc(result) if function_name(call) == "as.integer" else result


def _as_date(ev: Evaluation, call: Call) -> Value:
    """R's ``as.Date``: calendar dates, numbers since 1970-01-01, or text."""
    args = Arguments(call, ["x", "format"])
    value, form = ev.value(args["x"]), args.constant(ev, "format", None)
    if form is not None and not isinstance(form, str):
        raise args.error("needs one text such as '%d.%m.%Y' for 'format'")
    if isinstance(value, Dates):
        return value.calendar_days()
    if isinstance(value, str):
        return Day(parse_days([value], form, deparse(args["x"]))[0])
    if isinstance(value, Factor) and value.kind != "logical":
        table = parse_days([*value.levels, "NA"], form, deparse(args["x"]))
        return Dates.of(table[value.code], EPOCH)
    days = ev.numeric(args["x"])
    return Dates.of(days, EPOCH) if np.ndim(days) else Day(days)


def _as_logical(ev: Evaluation, call: Call) -> Value:
    value = ev.value(Arguments(call, ["x"])["x"])
    if isinstance(value, Factor) and value.kind != "logical":
        table = {"TRUE": 1, "T": 1, "true": 1, "FALSE": 0, "F": 0, "false": 0}
        return logical(
            np.array([*(table.get(level, -1) for level in value.levels), -1])[value.code]
        )
    x = np.broadcast_to(ev.numeric(call.args[0].value), (ev.columns.n,))
    return logical(np.where(np.isnan(x), -1, x != 0))


def _is_na(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x"])
    value = ev.value(args["x"])
    if isinstance(value, Factor):
        return logical(value.code < 0)
    if isinstance(value, str | tuple):
        raise args.error("needs a column, not constants")
    x = value.values.sum(axis=1) if isinstance(value, Basis) else np.asarray(value, dtype=float)
    return logical(np.isnan(np.broadcast_to(x, (ev.columns.n,))))


def _if_else(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["test", "yes", "no"])
    test = ev.truth(args["test"])
    result = np.where(test == 1, ev.numeric(args["yes"]), ev.numeric(args["no"]))
    return np.where(test < 0, np.nan, result)


FUNCTIONS: dict[str, Function] = {
    "I": _identity,
    "log": _log,
    "logb": _log,
    "round": _round,
    "pmin": _extreme(np.minimum),
    "pmax": _extreme(np.maximum),
    "c": _combine,
    "factor": factor(ordered=False),
    "as.factor": factor(ordered=False),
    "ordered": factor(ordered=True),
    "as.ordered": factor(ordered=True),
    "relevel": relevel,
    "interaction": interaction,
    "as.character": as_character,
    "as.numeric": _as_numeric,
    "as.integer": _as_numeric,
    "as.double": _as_numeric,
    "as.Date": _as_date,
    "as.logical": _as_logical,
    "C": with_contrasts,
    "is.na": _is_na,
    "ifelse": _if_else,
    "cut": cut,
    "poly": poly,
    "scale": scale,
    **SPLINES,
    **dict.fromkeys(STATISTICS, statistic),
}
