"""R's operators: how tightly they bind and how R spaces them."""

from __future__ import annotations

PRECEDENCE = {
    "~": 1,
    "|": 2,
    "||": 2,
    "&": 3,
    "&&": 3,
    "==": 5,
    "!=": 5,
    "<": 5,
    ">": 5,
    "<=": 5,
    ">=": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    ":": 9,
    "^": 11,
    "$": 12,
    "@": 12,
}
PREFIX_PRECEDENCE = {"~": 1, "!": 4, "-": 10, "+": 10}
COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
RIGHT_ASSOCIATIVE = frozenset({"^"})
NOT_LEFT_ASSOCIATIVE = RIGHT_ASSOCIATIVE | COMPARISONS
_SPECIAL = 8
_TIGHT = frozenset({"/", ":", "^", "$", "@"})


def precedence(operator: str) -> int:
    """Binding strength of a binary operator; every ``%op%`` binds alike."""
    return _SPECIAL if operator.startswith("%") else PRECEDENCE[operator]


def spaced(operator: str) -> str:
    """The operator between two operands as R's deparse writes it."""
    return operator if operator in _TIGHT else f" {operator} "
