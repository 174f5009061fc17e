"""Values of R expressions on the columns of a data frame, through a whitelist of functions.

Nothing here can run code: a name is a column or one of R's constants, a call is an entry of a
table. Logical values follow R's three-valued logic. What a function learns from the data
(``poly``, ``scale``, ``mean(x)`` inside a formula) is kept in a memory, so that new data are
transformed as the old ones were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayeslme.data.evaluation.calls import function_name
from bayeslme.data.evaluation.functions import FUNCTIONS, MATHS
from bayeslme.data.types import FloatArray
from bayeslme.data.variables.columns import CONSTANTS, Columns
from bayeslme.data.variables.dates import EPOCH, Dates, Day, parse_days
from bayeslme.data.variables.factors import (
    COMPARISONS,
    Basis,
    Factor,
    Scalar,
    Value,
    compare_labels,
    compare_numbers,
    connect,
    from_logical,
    logical,
    number,
    scalar_label,
)
from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    Binary,
    Call,
    Constant,
    Dot,
    Expr,
    Name,
    Number,
    Paren,
    String,
    Unary,
    bare,
    children,
    spine,
)

Memory = dict[str, Any]
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
    "%%": np.mod,
    "%/%": np.floor_divide,
}


def columns_of(expr: Expr) -> tuple[str, ...]:
    """Names of the columns in an expression, each once; the contrasts in ``C(f, .)`` are none."""
    names: dict[str, None] = {}
    waiting = [expr]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Name):
            names[part.name] = None
        waiting.extend(reversed(_data_parts(part)))
    return tuple(names)


def _data_parts(expr: Expr) -> tuple[Expr, ...]:
    """Direct parts of an expression that may name columns."""
    if isinstance(expr, Call) and function_name(expr) == "C":
        return tuple(a.value for a in expr.args[:1])
    return children(expr)


def evaluate(expr: Expr, columns: Columns, memory: Memory | None = None) -> Value:
    """Evaluate an expression.

    Parameters
    ----------
    expr : Expr
        Node of ``bayeslme.formula.expressions``.
    columns : Columns
    memory : dict, optional
        What stateful functions have learned, by their text; filled where empty.

    Returns
    -------
    (n,) float array, Factor, Basis, scalar, or a tuple of scalars from ``c()``

    Raises
    ------
    SpecError
        For what is no part of the language.
    DataError
        For unknown columns, or text where a number is needed.
    """
    return _Evaluation(columns, {} if memory is None else memory).value(expr)


def evaluate_rows(
    expr: Expr, columns: Columns, memory: Memory | None = None
) -> FloatArray | Factor | Basis:
    """Evaluate to one value per row; a numeric constant is repeated."""
    value = evaluate(expr, columns, memory)
    if isinstance(value, Dates):
        return counted(value, columns)
    if isinstance(value, np.ndarray | Factor | Basis):
        return value
    if isinstance(value, str | tuple):
        msg = f"'{deparse(expr)}' is no variable: it does not have one value per row"
        raise SpecError(msg)
    return np.full(columns.n, float(value))


def counted(days: Dates, columns: Columns) -> FloatArray:
    """Days as numbers, with a note that they were used as numbers."""
    if days.origin is not EPOCH:
        columns.counted.add(days.origin.name)
    return np.asarray(days)


def evaluate_number(expr: Expr, columns: Columns) -> FloatArray:
    """Evaluate to one number per row, or say which factor stands where a number is needed."""
    value = evaluate_rows(expr, columns)
    if not isinstance(value, Basis):
        return number(value, deparse(expr))
    if value.values.shape[1] > 1:
        msg = f"'{deparse(expr)}' has several columns where one number per row is needed"
        raise SpecError(msg)
    return value.values[:, 0]


def evaluate_mask(expr: Expr, columns: Columns) -> np.ndarray:
    """Rows on which an expression is TRUE, (n,) bool; NA counts as FALSE, as in R's subset."""
    value = evaluate(expr, columns)
    if isinstance(value, bool):
        return np.full(columns.n, value)
    if not isinstance(value, Factor) or value.kind != "logical":
        msg = f"subset must be a comparison such as age > 8, and '{deparse(expr)}' is none"
        raise SpecError(msg)
    return np.asarray(value.code == 1)


def missing(value: FloatArray | Factor | Basis) -> np.ndarray | None:
    """Rows without a value, (n,) bool; None if no value is missing."""
    if isinstance(value, Factor):
        mask = value.code < 0
    elif isinstance(value, Basis):
        mask = np.isnan(value.values).any(axis=1)
    else:
        mask = np.isnan(value)
    return mask if mask.any() else None


class _Evaluation:
    """One walk over an expression."""

    def __init__(self, columns: Columns, memory: Memory) -> None:
        self.columns = columns
        self.memory = memory

    def value(self, expr: Expr) -> Value:
        match expr:
            case Name(name=name):
                return self._name(name)
            case Number(value=constant) | String(value=constant):
                return constant
            case Constant(value=flag):
                # NULL is R's empty vector, c()
                return () if expr.text == "NULL" else np.nan if flag is None else flag
            case Paren(inner=inner):
                return self.value(inner)
            case Unary() | Binary() | Call():
                return self._compound(expr)
            case Dot():
                raise _refused(".", expr)

    def _compound(self, expr: Unary | Binary | Call) -> Value:
        match expr:
            case Unary(op=op, operand=operand):
                return self._unary(op, operand)
            case Binary():
                return self._chain(expr)
            case Call():
                return self._call(expr)

    def numeric(self, expr: Expr) -> Any:
        return self._number(self.value(expr), expr)

    def truth(self, expr: Expr) -> np.ndarray:
        return self._truth(self.value(expr), expr)

    def _truth(self, value: Value, expr: Expr) -> np.ndarray:
        if isinstance(value, bool) or (isinstance(value, float) and np.isnan(value)):
            return np.full(self.columns.n, -1 if np.isnan(value) else int(value))
        if isinstance(value, Factor) and value.kind == "logical":
            return value.code
        msg = f"'{deparse(expr)}' is neither TRUE nor FALSE; a comparison is needed there"
        raise SpecError(msg)

    def _number(self, value: Value, expr: Expr) -> Any:
        if isinstance(value, Dates):
            return counted(value, self.columns)
        if isinstance(value, np.ndarray):
            return value  # at once: the text of every sum within a long one takes quadratic time
        if isinstance(value, Factor):
            return number(value, deparse(expr))
        if isinstance(value, bool | float | int):
            return float(value)
        if isinstance(value, Basis) and value.values.shape[1] == 1:
            return value.values[:, 0]
        msg = f"'{deparse(expr)}' stands where a number is needed"
        raise SpecError(msg)

    def _name(self, name: str) -> Value:
        if name in CONSTANTS and name not in self.columns:
            return CONSTANTS[name]
        return self.columns[name]

    def _unary(self, op: str, operand: Expr) -> Value:
        if op == "!":
            code = self.truth(operand)
            return logical(np.where(code < 0, -1, 1 - code))
        if op not in ("+", "-"):
            raise _refused(op, operand)
        value: FloatArray = self.numeric(operand)
        return -value if op == "-" else value

    def _chain(self, expr: Binary) -> Value:
        """A chain of operators, from its first operand on."""
        first, steps = spine(expr)
        value = self.value(first)
        for step in steps:
            value = self._binary(value, step)
        return value

    def _binary(self, a: Value, step: Binary) -> Value:
        """One operator; `a` is the value of its left side."""
        op, left, right = step.op, step.left, step.right
        if op == "-" and isinstance(a, Dates | Day) and _dated(left) and _dated(right):
            b = self.value(right)
            if isinstance(b, Dates | Day):
                apart: FloatArray = _absolute(a) - _absolute(b)
                return apart
        if op in ARITHMETIC:
            # R gives Inf and NaN quietly; a term that is not finite is reported by name later
            with np.errstate(all="ignore"):
                result: FloatArray = ARITHMETIC[op](self._number(a, left), self.numeric(right))
            return result if np.ndim(result) else float(result)
        if op in COMPARISONS:
            return self._compare(a, step)
        if op in ("&", "|", "&&", "||"):
            return connect(op[0], self._truth(a, left), self.truth(right))
        if op == "%in%":
            return self._among(a, left, right)
        raise _refused(op, step)

    def _compare(self, a: Value, step: Binary) -> Factor:
        op, left, right = step.op, step.left, step.right
        b = self.value(right)
        if isinstance(a, Dates | Day) or isinstance(b, Dates | Day):
            a, b = _as_days(a, left), _as_days(b, right)
            if isinstance(a, Dates | Day) and isinstance(b, Dates | Day):
                x = np.broadcast_to(_absolute(a), (self.columns.n,))
                return compare_numbers(op, x, np.asarray(_absolute(b)))
        if not (_countable(a) and _countable(b)):
            return compare_labels(step.op, a, b, deparse(step))
        x = np.broadcast_to(self._number(a, step.left), (self.columns.n,))
        return compare_numbers(step.op, x, self._number(b, step.right))

    def _among(self, a: Value, left: Expr, right: Expr) -> Factor:
        b = self.value(right)
        table: tuple[Scalar, ...]
        if isinstance(b, np.ndarray | Factor | Basis):
            msg = f"%in% needs constants on its right, such as c(1, 2), not '{deparse(right)}'"
            raise SpecError(msg)
        table = b if isinstance(b, tuple) else (b,)
        if isinstance(a, Dates):
            known = [_as_days(item, right) for item in table]
            return from_logical(np.isin(a.absolute, [float(v) for v in known]))
        if isinstance(a, Factor):
            labels = set(map(scalar_label, table))
            return from_logical(np.array([*(level in labels for level in a.levels), False])[a.code])
        numbers = [self._number(item, right) for item in table]
        x = np.broadcast_to(self._number(a, left), (self.columns.n,))
        return from_logical(np.isin(x, numbers))

    def _call(self, call: Call) -> Value:
        name = function_name(call)
        if name in MATHS:
            if len(call.args) != 1:
                msg = f"{name}() takes one argument, not {len(call.args)}"
                raise SpecError(msg, text=deparse(call), position=0)
            with np.errstate(all="ignore"):
                result: FloatArray = MATHS[name](self.numeric(call.args[0].value))
            return result if np.ndim(result) else float(result)
        function = FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(sorted({*FUNCTIONS, *MATHS}))
            msg = f"'{name}' is no function that a formula may call; known are {known}"
            raise SpecError(msg, text=deparse(call), position=0)
        return function(self, call)


def _dated(expr: Expr) -> bool:
    """Whether an expression may be a date: a column, or made by as.Date."""
    inner = bare(expr)
    made = isinstance(inner, Call) and function_name(inner) in ("as.Date", "I")
    return made or isinstance(inner, Name)


def _as_days(value: Any, expr: Expr) -> Any:
    """A date written as text, as a date; anything else as it is."""
    return Day(parse_days([value], None, deparse(expr))[0]) if isinstance(value, str) else value


def _absolute(value: Dates | Day) -> Any:
    """Days since 1970-01-01."""
    return value.absolute if isinstance(value, Dates) else float(value)


def _countable(value: Value) -> bool:
    """Whether a value compares as a number: numbers, and logical values as 0 and 1."""
    return value.kind == "logical" if isinstance(value, Factor) else not isinstance(value, str)


def _refused(what: str, expr: Expr) -> SpecError:
    return SpecError(f"'{what}' has no value in '{deparse(expr)}'")
