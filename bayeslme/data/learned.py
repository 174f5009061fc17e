"""Functions that learn from the data: what they learned is used again for new data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayeslme.data.calls import Arguments, Evaluation, function_name
from bayeslme.data.sizes import MAX_ENTRIES, check_size
from bayeslme.data.types import FloatArray
from bayeslme.data.values import Basis, Value
from bayeslme.spec.deparse import deparse
from bayeslme.spec.expr import Call

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


def poly(ev: Evaluation, call: Call) -> Value:
    """R's ``poly(x, degree)``: orthonormal polynomials, by the three-term recurrence."""
    from formulaic.transforms.poly import poly as orthonormal

    args = Arguments(call, ["x", "degree", "raw"])
    x, key = args.column(ev, "x"), deparse(call)
    raw = args.flag(ev, "raw")
    degree = args.whole(ev, "degree", 1, least=1, most=MAX_ENTRIES)
    if key not in ev.memory:
        _check_degree(args, degree, x)
    state = ev.memory.setdefault(key, {})
    values = np.asarray(orthonormal(x, degree=degree, raw=raw, _state=state), dtype=float)
    return Basis(values, tuple(str(k + 1) for k in range(degree)))


def _check_degree(args: Arguments, degree: int, x: FloatArray) -> None:
    """Polynomials on so few points, or of so many columns, do not exist."""
    points = len(np.unique(x))
    if degree >= points:
        msg = (
            "needs a degree from 1 to one less than the number of distinct values of "
            f"'{deparse(args['x'])}': {degree} asked for, {points} values"
        )
        raise args.error(msg)
    check_size(len(x), degree, deparse(args.call))


def scale(ev: Evaluation, call: Call) -> Value:
    """R's ``scale(x)``: centred by the mean and divided by the standard deviation."""
    args = Arguments(call, ["x", "center", "scale"])
    x, key = args.column(ev, "x"), deparse(call)
    # a constant column, or one that is not finite: the term is reported as not finite
    with np.errstate(all="ignore"):
        if key not in ev.memory:
            center, scale = _flag_or_number(ev, args, "center"), _flag_or_number(ev, args, "scale")
            shift = float(np.mean(x)) if center is True else float(center)
            spread = float(np.sqrt(np.sum((x - shift) ** 2) / max(1, len(x) - 1)))
            ev.memory[key] = shift, spread if scale is True else float(scale) or 1.0
        shift, spread = ev.memory[key]
        return Basis(((x - shift) / spread)[:, None], ("",))


def _flag_or_number(ev: Evaluation, args: Arguments, name: str) -> bool | float:
    value: Any = args.constant(ev, name, True)
    if isinstance(value, str | tuple) or not np.isfinite(value):
        raise args.error(f"needs TRUE, FALSE or one finite number for '{name}'")
    return bool(value) if isinstance(value, bool) else float(value)


def statistic(ev: Evaluation, call: Call) -> Value:
    """A number such as ``mean(x)``: new data are centred by the old data's mean, not their own."""
    args, key = Arguments(call, ["x"]), deparse(call)
    if key not in ev.memory:
        ev.memory[key] = _of_column(args, ev.numeric(args["x"]))
    result: float = ev.memory[key]
    return result


def _of_column(args: Arguments, x: Any) -> float:
    name = function_name(args.call)
    fewest = 2 if name in ("sd", "var") else 1
    if np.size(x) < fewest:
        raise args.error(f"needs at least {fewest} numbers for 'x', not {np.size(x)}")
    with np.errstate(all="ignore"):  # what is not finite is reported with its term
        return float(STATISTICS[name](x))
