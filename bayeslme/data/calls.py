"""The calls in a formula: how their arguments are matched, and what a function may ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from bayeslme.data.columns import Columns
from bayeslme.data.factors import Factor
from bayeslme.data.values import Basis, Value
from bayeslme.errors import SpecError
from bayeslme.spec.deparse import deparse
from bayeslme.spec.expr import Call, Expr


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


def function_name(call: Call) -> str:
    """Name of the function without its package."""
    return call.function.rpartition("::")[2]


Function = Callable[[Evaluation, Call], Value]
