"""Arguments of an R call: how they are matched, and the constants written in them.

They are folded here, by a handful of functions; a variable has no value.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from itertools import cycle, islice
from typing import Any

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse, quoted_name
from bayeslme.formula.expressions import (
    Arg,
    Binary,
    Call,
    Constant,
    Expr,
    Name,
    Number,
    Paren,
    String,
    Unary,
    spine,
    start,
)
from bayeslme.formula.settings import FORMULA


def match_arguments(call: Call, names: Sequence[str], text: str) -> dict[str, Expr]:
    """Match the arguments of a call as R does.

    Parameters
    ----------
    call : Call
    names : sequence of str
        The names the function knows, in order.
    text : str
        The source, for error messages.

    Returns
    -------
    dict
        Name to expression, only what was given.

    Raises
    ------
    SpecError
        For an unknown, ambiguous, repeated or superfluous argument.

    Examples
    --------
    >>> from bayeslme.formula.grammar import parse_expression
    >>> call = parse_expression("corAR1(0.2, fo = ~1)")
    >>> list(match_arguments(call, ("value", "form", "fixed"), ""))
    ['form', 'value']
    """
    given: dict[str, Expr] = {}
    for arg in call.args:
        if arg.name is not None:
            name = _full_name(arg.name, names, call, text, start(arg.value))
            if name in given:
                raise SpecError(
                    f"argument '{name}' of {call.function}() is given twice",
                    text=text,
                    position=start(arg.value),
                )
            given[name] = arg.value
    free = [name for name in names if name not in given]
    for arg in call.args:
        if arg.name is None:
            if not free:
                raise SpecError(
                    f"too many arguments for {call.function}(): it has {', '.join(names)}",
                    text=text,
                    position=start(arg.value),
                )
            given[free.pop(0)] = arg.value
    return given


def _full_name(name: str, names: Sequence[str], call: Call, text: str, at: int) -> str:
    if name in names:
        return name
    found = [n for n in names if n.startswith(name)]
    if len(found) == 1:
        return found[0]
    where = locate_name(name, text, at)
    if found:
        raise SpecError(
            f"argument '{name}' of {call.function}() may be {' or '.join(found)}",
            text=text,
            position=where,
        )
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise SpecError(
        f"unknown argument '{name}' of {call.function}(){hint}; it has {', '.join(names)}",
        text=text,
        position=where,
    )


def locate_name(name: str, text: str, value_at: int) -> int:
    """Return the place of an argument's name, the last one before its value."""
    found = max(text.rfind(form, 0, value_at) for form in (name, quoted_name(name)))
    return found if found >= 0 else value_at


type Scalar = float | bool | str | None
type Value = Scalar | tuple[Any, ...] | dict[str, Any]

_NAMES: dict[str, Scalar] = {"T": True, "F": False, "pi": math.pi}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
_OPERATORS = frozenset({*_ARITHMETIC, ":"})
_MATHS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "exp": math.exp,
    "abs": abs,
}


def constant(node: Expr, text: str) -> Value:
    """Fold an expression without variables to its value.

    Parameters
    ----------
    node : Expr
    text : str
        The source, for error messages.

    Returns
    -------
    float, bool, str, None, tuple or dict
        ``c(1, 2)`` is a tuple, ``c(a = 1)`` and ``list(a = 1)`` are dicts, a matrix is a tuple of
        rows; a vector of length one is its element, as R has no scalars.

    Raises
    ------
    SpecError
        For what has no value, with its place.

    Examples
    --------
    >>> from bayeslme.formula.grammar import parse_expression
    >>> constant(parse_expression("c(Female = -1/2)"), "")
    {'Female': -0.5}
    >>> constant(parse_expression("diag(c(4, 2))"), "")
    ((4.0, 0.0), (0.0, 2.0))
    """
    try:
        return _value(node, text)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        raise SpecError(
            f"{deparse(node)} has no value ({error})", text=text, position=start(node)
        ) from error


def _value(node: Expr, text: str) -> Value:
    value: Value
    match node:
        case Number() | String() | Constant():
            value = node.value
        case Paren(inner=inner):
            value = _value(inner, text)
        case Name(name=name) if name in _NAMES:
            value = _NAMES[name]
        case Unary(op="-", operand=operand):
            value = _map(operator.neg, _value(operand, text))
        case Binary(op=op) if op in _OPERATORS:
            first, steps = spine(node, _OPERATORS)
            value = _value(first, text)
            for step in steps:
                value = _binary(step.op, value, _value(step.right, text))
        case Call(function=function) if function in _CALLS:
            value = _CALLS[function](node, text)
        case Call(function=function, args=(Arg(value=inner),)) if function in _MATHS:
            value = _map(_MATHS[function], _value(inner, text))
        case _:
            raise SpecError(
                f"a number, c(), list(), matrix() or diag() is needed, not {deparse(node)}",
                text=text,
                position=start(node),
            )
    return value


def _map(function: Callable[[float], float], value: Value) -> Value:
    if isinstance(value, dict):
        return {k: _map(function, v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(_map(function, v) for v in value)
    return float(function(_number(value)))


def _binary(op: str, left: Value, right: Value) -> Value:
    if op == ":":
        first, last = _number(left), _number(right)
        count = int(abs(last - first) + 1e-10) + 1
        step = 1.0 if last >= first else -1.0
        return _simplified([first + step * i for i in range(_checked(count))])
    function = _ARITHMETIC[op]
    if isinstance(left, tuple) and not isinstance(right, tuple | dict):
        return _map(lambda x: function(x, _number(right)), left)
    if isinstance(right, tuple) and not isinstance(left, tuple | dict):
        return _map(lambda x: function(_number(left), x), right)
    return float(function(_number(left), _number(right)))


def _combine(call: Call, text: str) -> Value:
    """``c()`` and ``list()``."""
    named = [arg.name is not None for arg in call.args]
    if not all(named) and any(named):
        raise SpecError(
            f"name all elements of {call.function}() or none", text=text, position=call.position
        )
    values = [_value(arg.value, text) for arg in call.args]
    if any(named):
        names = [str(arg.name) for arg in call.args]
        if len(set(names)) < len(names):
            raise SpecError(
                f"a name stands twice in {deparse(call)}", text=text, position=call.position
            )
        return dict(zip(names, values, strict=True))
    if call.function == "list":
        return tuple(values)
    return _simplified(_flat(values))


def _flat(values: Sequence[Value]) -> list[Value]:
    """Elements of vectors and, column by column, of matrices."""
    flat: list[Value] = []
    for value in values:
        if isinstance(value, tuple) and value and isinstance(value[0], tuple):
            flat += [x for column in zip(*value, strict=True) for x in column]
        else:
            flat += value if isinstance(value, tuple) else (value,)
    return flat


def _repeat(call: Call, text: str) -> Value:
    given = match_arguments(call, ("x", "times", "each"), text)
    value = _value(given["x"], text)
    items = value if isinstance(value, tuple) else (value,)
    each = _count(given.get("each"), text)
    times = _count(given.get("times"), text)
    _checked(len(items) * each * times)
    return _simplified([x for x in items for _ in range(each)] * times)


def _matrix(call: Call, text: str) -> Value:
    given = match_arguments(call, ("data", "nrow", "ncol", "byrow", "dimnames"), text)
    data = _value(given["data"], text) if "data" in given else 0.0
    items = [_number(x) for x in (data if isinstance(data, tuple) else (data,))]
    if "nrow" in given or "ncol" not in given:
        rows = _count(given.get("nrow"), text) if "nrow" in given else len(items)
        columns = _count(given["ncol"], text) if "ncol" in given else -(-len(items) // rows)
    else:
        columns = _count(given["ncol"], text)
        rows = -(-len(items) // columns)
    if (rows * columns) % len(items):
        raise SpecError(
            f"{len(items)} numbers do not fill a {rows} x {columns} matrix",
            text=text,
            position=call.position,
        )
    full = list(islice(cycle(items), _checked(rows * columns)))
    if "byrow" in given and _value(given["byrow"], text) is True:
        return tuple(tuple(full[i * columns : (i + 1) * columns]) for i in range(rows))
    return tuple(tuple(full[i::rows]) for i in range(rows))


def _diagonal(call: Call, text: str) -> Value:
    given = match_arguments(call, ("x", "nrow"), text)
    value = _value(given["x"], text) if "x" in given else 1.0
    if isinstance(value, tuple):
        size = len(value)
    else:
        size = _count(given["nrow"], text) if "nrow" in given else int(_number(value))
    _checked(size * size)
    if isinstance(value, tuple):
        entries = [_number(x) for x in value]
    else:
        entries = [_number(value) if "nrow" in given else 1.0] * size
    return tuple(tuple(entries[i] if i == j else 0.0 for j in range(size)) for i in range(size))


def _count(node: Expr | None, text: str) -> int:
    if node is None:
        return 1
    value = _number(_value(node, text))
    if value < 1 or value % 1:
        raise SpecError(
            f"a positive whole number is needed, not {deparse(node)}",
            text=text,
            position=node.position,
        )
    return int(value)


def _checked(count: int) -> int:
    if count > FORMULA.max_vector_length:
        message = f"more than {FORMULA.max_vector_length} numbers"
        raise ValueError(message)
    return count


def _number(value: Value) -> float:
    if isinstance(value, float | int):
        return float(value)
    message = f"{value!r} is no number"
    raise TypeError(message)


def _simplified(values: Sequence[Value]) -> Value:
    return values[0] if len(values) == 1 else tuple(values)


_CALLS: dict[str, Callable[[Call, str], Value]] = {
    "c": _combine,
    "list": _combine,
    "rep": _repeat,
    "matrix": _matrix,
    "diag": _diagonal,
}
