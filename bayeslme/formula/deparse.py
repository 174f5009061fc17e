"""R's text for expressions: spaces, parentheses, backticks and quotes as R writes them."""

from __future__ import annotations

import re

from bayeslme.formula.expressions import (
    NOT_LEFT_ASSOCIATIVE,
    PREFIX_PRECEDENCE,
    RIGHT_ASSOCIATIVE,
    Arg,
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
    precedence,
    spaced,
    spine,
)

_SYNTACTIC = re.compile(r"(?:[^\W\d_]|\.(?!\d))[\w.]*\Z|\.\Z")
_RESERVED = frozenset(
    {
        "TRUE",
        "FALSE",
        "NULL",
        "NA",
        "NaN",
        "Inf",
        "if",
        "else",
        "for",
        "while",
        "repeat",
        "function",
        "break",
        "next",
        "in",
    }
)
_SAFE = 99  # tighter than every operator


def quoted_name(name: str) -> str:
    """Write a name with backticks where R needs them."""
    if _SYNTACTIC.match(name) and name not in _RESERVED:
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quoted_string(value: str) -> str:
    """Write a string in R's double quotes."""
    for raw, escaped in (
        ("\\", "\\\\"),
        ('"', '\\"'),
        ("\n", "\\n"),
        ("\t", "\\t"),
        ("\r", "\\r"),
    ):
        value = value.replace(raw, escaped)
    return f'"{value}"'


def deparse(node: Expr) -> str:
    """Write an expression as R writes it, spacing included.

    Parameters
    ----------
    node : Expr

    Returns
    -------
    str

    Examples
    --------
    >>> from bayeslme.formula.grammar import parse_expression
    >>> deparse(parse_expression("I( (days / 100)^2 )+a : b"))
    'I((days/100)^2) + a:b'
    """
    text = ""
    match node:
        case Name(name=name):
            text = quoted_name(name)
        case Number() | Constant():
            text = node.text
        case String(value=value):
            text = quoted_string(value)
        case Dot():
            text = "."
        case Paren(inner=inner):
            text = f"({deparse(inner)})"
        case Unary(op=op, operand=operand):
            text = op + _operand(operand, PREFIX_PRECEDENCE[op])
        case Binary():
            text = _chain(node)
        case Call(function="[", args=(frame, *cells)):
            text = f"{deparse(frame.value)}[{', '.join(map(_cell, cells))}]"
        case Call(function=function, args=args):
            text = f"{_function(function)}({', '.join(map(_argument, args))})"
    return text


def _operand(node: Expr, strength: int) -> str:
    text = deparse(node)
    loose = isinstance(node, Binary) and precedence(node.op) <= strength
    return f"({text})" if loose else text


def _chain(node: Binary) -> str:
    """Write a chain of operators, from its first operand on."""
    first, steps = spine(node)
    text = deparse(first)
    for step in steps:
        text = _left(step.left, text, step.op) + spaced(step.op) + _right(step.right, step.op)
    return text


def _left(node: Expr, text: str, op: str) -> str:
    strength = precedence(op)
    loose = _tail(node) < strength
    if isinstance(node, Binary):
        own = precedence(node.op)
        loose |= own < strength or (own == strength and op in NOT_LEFT_ASSOCIATIVE)
    return f"({text})" if loose else text


def _right(node: Expr, op: str) -> str:
    text, strength = deparse(node), precedence(op)
    loose = isinstance(node, Binary) and (
        precedence(node.op) < strength
        or (precedence(node.op) == strength and op not in RIGHT_ASSOCIATIVE)
    )
    return f"({text})" if loose else text


def _tail(node: Expr) -> int:
    """Return the strength of the loosest prefix operator at the right end of an expression."""
    strength = _SAFE
    while isinstance(node, Unary | Binary):
        if isinstance(node, Unary):
            strength = min(strength, PREFIX_PRECEDENCE[node.op])
        node = node.operand if isinstance(node, Unary) else node.right
    return strength


def _argument(arg: Arg) -> str:
    text = deparse(arg.value)
    return text if arg.name is None else f"{quoted_name(arg.name)} = {text}"


def _cell(arg: Arg) -> str:
    return "" if arg.value == Constant("NULL") else deparse(arg.value)


def _function(name: str) -> str:
    return "::".join(map(quoted_name, name.split("::")))
