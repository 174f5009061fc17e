"""Functions that learn from the data: what they learned is used again for new data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayeslme.data.calls import Arguments, Evaluation, function_name
from bayeslme.data.types import FloatArray
from bayeslme.data.values import Basis, Value
from bayeslme.errors import SpecError
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
    values = np.asarray(orthonormal(x, degree=degree, raw=raw, _state=state), dtype=float)
    return Basis(values, tuple(str(k + 1) for k in range(degree)))


def scale(ev: Evaluation, call: Call) -> Value:
    """R's ``scale(x)``: centred by the mean and divided by the standard deviation."""
    args = Arguments(call, ["x", "center", "scale"])
    x, key = np.asarray(ev.numeric(args["x"]), dtype=float), deparse(call)
    if key not in ev.memory:
        center, scale = args.constant(ev, "center", True), args.constant(ev, "scale", True)
        shift = float(np.mean(x)) if center is True else float(center)
        spread = float(np.sqrt(np.sum((x - shift) ** 2) / max(1, len(x) - 1)))
        ev.memory[key] = shift, spread if scale is True else float(scale) or 1.0
    shift, spread = ev.memory[key]
    with np.errstate(all="ignore"):  # a constant column: the term is reported as not finite
        return Basis(((x - shift) / spread)[:, None], ("",))


def statistic(ev: Evaluation, call: Call) -> Value:
    """A number such as ``mean(x)``: new data are centred by the old data's mean, not their own."""
    args, key = Arguments(call, ["x"]), deparse(call)
    if key not in ev.memory:
        ev.memory[key] = float(STATISTICS[function_name(call)](ev.numeric(args["x"])))
    result: float = ev.memory[key]
    return result
