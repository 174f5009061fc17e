"""The calls in a formula: matching of arguments, and what functions can ask of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from bayeslme.data import settings
from bayeslme.data.types import FloatArray
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Basis, Factor, Scalar, Value, scalar_label
from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call, Expr


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
        named = [a.name for a in call.args if a.name is not None]
        self.given: dict[str, Expr] = {a.name: a.value for a in call.args if a.name is not None}
        if len(self.given) < len(named):
            raise self.error("has an argument twice")
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
        """The value of an optional argument that must be a constant; NULL stands for the default.

        A constant of one element is the element itself, as R has no scalars.
        """
        if name not in self.given:
            return default
        value = evaluation.value(self.given[name])
        if isinstance(value, np.ndarray | Factor | Basis):
            raise self.error(f"needs a constant for '{name}'")
        if isinstance(value, tuple) and len(value) <= 1:
            return value[0] if value else default
        return value

    def flag(self, evaluation: Evaluation, name: str, *, default: bool = False) -> bool:
        """An optional argument that is TRUE or FALSE; 1 and 0 are read as these."""
        value = self.constant(evaluation, name, default)
        if isinstance(value, str | tuple) or value not in (0, 1):
            raise self.error(f"needs TRUE or FALSE for '{name}'")
        return bool(value)

    def whole(
        self,
        evaluation: Evaluation,
        name: str,
        default: int,
        *,
        least: int,
        most: int,
        what: str = "a whole number",
    ) -> int:
        """An optional argument that is a whole number from `least` to `most`."""
        value = self.constant(evaluation, name, default)
        if not _is_number(value) or value != math.floor(value):
            raise self.error(f"needs a whole number of at least {least} for '{name}'")
        if not least <= value <= most:
            shown = (
                f"{value:.0f}" if abs(value) < settings.DATA.label_exponent_from else f"{value:g}"
            )
            bound = f"of at least {least}" if value < least else f"of at most {most}"
            raise self.error(f"needs {what} {bound} for '{name}', not {shown}")
        return int(value)

    def numbers(self, evaluation: Evaluation, name: str) -> FloatArray | None:
        """An optional argument that is one or several finite numbers, (k,); None if not given."""
        value = self.constant(evaluation, name, None)
        if value is None:
            return None
        items = _items(value)
        if not all(_is_number(item) for item in items):
            raise self.error(f"needs numbers for '{name}'")
        return np.array(items, dtype=float)

    def labels(self, evaluation: Evaluation, name: str) -> tuple[str, ...] | None:
        """An optional argument that is one or several labels; None if not given."""
        value = self.constant(evaluation, name, None)
        if value is None:
            return None
        items = _items(value)
        if any(isinstance(item, float) and math.isnan(item) for item in items):
            raise self.error(f"has NA among its '{name}'")
        return tuple(map(scalar_label, items))

    def column(self, evaluation: Evaluation, name: str) -> FloatArray:
        """A required argument that has one number per row, (n,)."""
        value = np.asarray(evaluation.numeric(self[name]), dtype=float)
        if not value.ndim:
            raise self.error(f"needs a column for '{name}', not the constant {deparse(self[name])}")
        return value


def _items(value: Any) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def function_name(call: Call) -> str:
    """Name of the function without its package."""
    return call.function.rpartition("::")[2]


Function = Callable[[Evaluation, Call], Value]
