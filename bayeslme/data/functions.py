"""The functions a formula may call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from bayeslme.data.columns import Columns
from bayeslme.data.factors import Factor, collation_key, cross, drop_unused, from_numbers, relabel
from bayeslme.data.types import FloatArray
from bayeslme.data.values import Basis, Scalar, Value, logical, scalar_label
from bayeslme.data.wording import listed
from bayeslme.errors import DataError, SpecError
from bayeslme.spec.expr import Call, Expr, Name, String, deparse

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
# Inside a formula these are learned once: new data are centred by the old data's mean.
STATISTICS: dict[str, Callable[[FloatArray], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "sd": lambda x: np.std(x, ddof=1),
    "var": lambda x: np.var(x, ddof=1),
    "sum": np.sum,
    "length": np.size,
}


class Evaluation(Protocol):
    """What a function may ask of the walk over the expression."""

    columns: Columns
    memory: dict[str, Any]

    def value(self, expr: Expr) -> Value:
        """Any value."""

    def numeric(self, expr: Expr) -> Any:
        """A float or a float array."""

    def truth(self, expr: Expr) -> np.ndarray:
        """Codes 0, 1, and -1 for NA."""


class Arguments:
    """The arguments of a call matched to names, positional ones in order.

    Parameters
    ----------
    call : Call
    names : sequence of str
        Formal names in order; a trailing ``...`` takes all further positional ones.
    """

    def __init__(self, call: Call, names: Sequence[str]) -> None:
        self.call = call
        self.rest: list[Expr] = []
        self.given: dict[str, Expr] = {a.name: a.value for a in call.args if a.name is not None}
        unknown = [name for name in self.given if name not in names]
        if unknown:
            raise self.error(f"has no argument '{unknown[0]}'; it takes {', '.join(names)}")
        free = [name for name in names if name not in self.given and name != "..."]
        for value in (a.value for a in call.args if a.name is None):
            if free:
                self.given[free.pop(0)] = value
            elif "..." in names:
                self.rest.append(value)
            else:
                raise self.error(f"has too many arguments; it takes {', '.join(names)}")

    def __getitem__(self, name: str) -> Expr:
        if name not in self.given:
            raise self.error(f"needs its argument '{name}'")
        return self.given[name]

    def error(self, what: str) -> SpecError:
        """An error that names the call."""
        return SpecError(f"{self.call.function}() {what}", text=deparse(self.call), position=0)

    def constant(self, evaluation: Evaluation, name: str, default: Any) -> Any:
        """The value of an optional argument that must be a constant."""
        if name not in self.given:
            return default
        value = evaluation.value(self.given[name])
        if isinstance(value, np.ndarray | Factor | Basis):
            raise self.error(f"needs a constant for '{name}'")
        return value


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
    result: FloatArray = np.round(ev.numeric(args["x"]), int(args.constant(ev, "digits", 0)))
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


def as_factor(ev: Evaluation, expr: Expr) -> Factor:
    """A value as a factor, numbers as sorted levels."""
    value = ev.value(expr)
    if isinstance(value, Factor):
        return value
    if isinstance(value, np.ndarray):
        name = expr.name if isinstance(expr, Name) else None
        return from_numbers(value, integer=name is not None and ev.columns.is_integer(name))
    msg = f"'{deparse(expr)}' cannot be made a factor: it does not have one value per row"
    raise SpecError(msg)


def _factor(ordered: bool) -> Function:
    def make(ev: Evaluation, call: Call) -> Value:
        args = Arguments(call, ["x", "levels", "labels", "ordered"])
        factor = as_factor(ev, args["x"])
        kind = (
            "ordered"
            if args.constant(ev, "ordered", ordered or factor.kind == "ordered")
            else "factor"
        )
        if "levels" in args.given:
            levels = tuple(map(scalar_label, _tuple(args.constant(ev, "levels", ()))))
            factor = Factor(relabel(factor, levels), levels)
        factor = drop_unused(Factor(factor.code, factor.levels))
        labels = tuple(map(scalar_label, _tuple(args.constant(ev, "labels", factor.levels))))
        if len(labels) != len(factor.levels):
            raise args.error(f"has {len(labels)} labels for {len(factor.levels)} levels")
        return Factor(factor.code, labels, kind)  # type: ignore[arg-type]

    return make


def _tuple(value: Any) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def _relevel(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x", "ref"])
    factor, ref = as_factor(ev, args["x"]), scalar_label(args.constant(ev, "ref", ""))
    if ref not in factor.levels:
        msg = f"relevel(): '{ref}' is none of the levels {listed(factor.levels)}"
        raise DataError(msg)
    levels = (ref, *(level for level in factor.levels if level != ref))
    return Factor(relabel(factor, levels), levels)


def _interaction(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["first", "..."])
    result = as_factor(ev, args["first"])
    for expr in args.rest:
        other = as_factor(ev, expr)
        present = (result.code >= 0) & (other.code >= 0)
        code = np.full(len(present), -1, dtype=np.intp)
        # R varies the first factor fastest
        swapped, second, first = cross(
            other.take(np.flatnonzero(present)), result.take(np.flatnonzero(present)), "."
        )
        code[present] = swapped.code
        labels = tuple(
            f"{result.levels[i]}.{other.levels[j]}" for i, j in zip(first, second, strict=True)
        )
        result = Factor(code, labels)
    return result


def _as_character(ev: Evaluation, call: Call) -> Value:
    factor = as_factor(ev, Arguments(call, ["x"])["x"])
    levels = tuple(sorted(factor.levels, key=collation_key))
    return Factor(relabel(factor, levels), levels, "text")


def _as_numeric(ev: Evaluation, call: Call) -> Value:
    expr = Arguments(call, ["x"])["x"]
    value = ev.value(expr)
    if not isinstance(value, Factor) or value.kind == "logical":
        result: FloatArray = ev.numeric(expr)
    elif value.kind == "text":
        try:
            table = np.array([*map(float, value.levels), np.nan])
        except ValueError as error:
            msg = f"'{deparse(expr)}' is text that is no number: {error}"
            raise DataError(msg) from error
        result = table[value.code]
    else:
        result = np.where(value.code < 0, np.nan, value.code + 1.0)
    return np.trunc(result) if call.function == "as.integer" else result


def _as_logical(ev: Evaluation, call: Call) -> Value:
    value = ev.value(Arguments(call, ["x"])["x"])
    if isinstance(value, Factor) and value.kind != "logical":
        table = {"TRUE": 1, "T": 1, "true": 1, "FALSE": 0, "F": 0, "false": 0}
        return logical(
            np.array([*(table.get(level, -1) for level in value.levels), -1])[value.code]
        )
    x = np.broadcast_to(ev.numeric(call.args[0].value), (ev.columns.n,))
    return logical(np.where(np.isnan(x), -1, x != 0))


def _with_contrasts(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["object", "contr"])
    chosen = args["contr"]
    name = chosen.value if isinstance(chosen, String) else deparse(chosen)
    factor = drop_unused(as_factor(ev, args["object"]))
    return replace(factor, contrasts=name)


def _is_na(ev: Evaluation, call: Call) -> Value:
    value = ev.value(Arguments(call, ["x"])["x"])
    if isinstance(value, Factor):
        return logical(value.code < 0)
    return logical(np.isnan(np.broadcast_to(np.asarray(value, dtype=float), (ev.columns.n,))))


def _if_else(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["test", "yes", "no"])
    test = ev.truth(args["test"])
    result = np.where(test == 1, ev.numeric(args["yes"]), ev.numeric(args["no"]))
    return np.where(test < 0, np.nan, result)


def _cut(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x", "breaks", "labels", "include.lowest", "right", "ordered_result"])
    x = np.asarray(ev.numeric(args["x"]), dtype=float)
    breaks = np.sort(np.array(_tuple(args.constant(ev, "breaks", ())), dtype=float))
    if len(breaks) < 2:  # noqa: PLR2004
        raise args.error("needs the cut points themselves as breaks, such as c(0, 5, 10)")
    right = bool(args.constant(ev, "right", True))
    closed = bool(args.constant(ev, "include.lowest", False))
    code = np.searchsorted(breaks, x, side="left" if right else "right") - 1
    if closed:
        code = np.where(x == breaks[0 if right else -1], 0 if right else len(breaks) - 2, code)
    inside = (code >= 0) & (code < len(breaks) - 1) & ~np.isnan(x)
    labels = args.constant(ev, "labels", None)
    names = (
        _intervals(breaks, right=right, closed=closed)
        if labels is None
        else tuple(map(scalar_label, labels))
    )
    kind = "ordered" if args.constant(ev, "ordered_result", False) else "factor"
    return Factor(np.where(inside, code, -1).astype(np.intp), names, kind)  # type: ignore[arg-type]


def _intervals(breaks: FloatArray, *, right: bool, closed: bool) -> tuple[str, ...]:
    """R's interval labels: as many significant digits, from three on, as keep the breaks apart."""
    for digits in range(3, 17):
        text = [f"{b:.{digits}g}" for b in breaks]
        if len(set(text)) == len(text):
            break
    left, end = ("(", "]") if right else ("[", ")")
    names = [f"{left}{a},{b}{end}" for a, b in pairwise(text)]
    if closed and right:
        names[0] = "[" + names[0][1:]
    elif closed:
        names[-1] = names[-1][:-1] + "]"
    return tuple(names)


def _poly(ev: Evaluation, call: Call) -> Value:
    from formulaic.transforms.poly import poly

    args = Arguments(call, ["x", "degree", "raw"])
    x, key = np.asarray(ev.numeric(args["x"]), dtype=float), deparse(call)
    degree = int(args.constant(ev, "degree", 1))
    raw = bool(args.constant(ev, "raw", False))
    if degree < 1 or (key not in ev.memory and degree >= len(np.unique(x))):
        msg = (
            "poly() needs a degree from 1 to one less than the number of distinct values of "
            f"'{deparse(args['x'])}'"
        )
        raise SpecError(msg, text=key, position=0)
    state = ev.memory.setdefault(key, {})
    values = np.asarray(poly(x, degree=degree, raw=raw, _state=state), dtype=float)
    return Basis(values, tuple(str(k + 1) for k in range(degree)))


def _scale(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x", "center", "scale"])
    x, key = np.asarray(ev.numeric(args["x"]), dtype=float), deparse(call)
    if key not in ev.memory:
        center, scale = args.constant(ev, "center", True), args.constant(ev, "scale", True)
        shift = float(np.mean(x)) if center is True else float(center)
        spread = float(np.sqrt(np.sum((x - shift) ** 2) / max(1, len(x) - 1)))
        ev.memory[key] = shift, spread if scale is True else float(scale) or 1.0
    shift, spread = ev.memory[key]
    return Basis(((x - shift) / spread)[:, None], ("",))


def _statistic(ev: Evaluation, call: Call) -> Value:
    args, key = Arguments(call, ["x"]), deparse(call)
    if key not in ev.memory:
        ev.memory[key] = float(STATISTICS[call.function](ev.numeric(args["x"])))
    result: float = ev.memory[key]
    return result


Function = Callable[[Evaluation, Call], Value]
FUNCTIONS: dict[str, Function] = {
    "I": _identity,
    "log": _log,
    "logb": _log,
    "round": _round,
    "pmin": _extreme(np.minimum),
    "pmax": _extreme(np.maximum),
    "c": _combine,
    "factor": _factor(ordered=False),
    "as.factor": _factor(ordered=False),
    "droplevels": _factor(ordered=False),
    "ordered": _factor(ordered=True),
    "as.ordered": _factor(ordered=True),
    "relevel": _relevel,
    "interaction": _interaction,
    "as.character": _as_character,
    "as.numeric": _as_numeric,
    "as.integer": _as_numeric,
    "as.double": _as_numeric,
    "as.logical": _as_logical,
    "C": _with_contrasts,
    "is.na": _is_na,
    "ifelse": _if_else,
    "cut": _cut,
    "poly": _poly,
    "scale": _scale,
    **dict.fromkeys(STATISTICS, _statistic),
}
