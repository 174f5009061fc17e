"""Expressions of R's formula language: frozen nodes, operators, and numbers as R prints them.

Nodes compare by meaning; the position they had in the source serves error messages only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

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


def r_number(value: float) -> str:
    """Format a number as R's deparse does.

    Parameters
    ----------
    value : float

    Returns
    -------
    str

    Examples
    --------
    >>> [r_number(x) for x in (0.5, 100000, 123456, 1e-4, 4.5679)]
    ['0.5', '1e+05', '123456', '1e-04', '4.5679']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, exponent = f"{value:.14e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = int(exponent)
    significant = sum(c.isdigit() for c in mantissa)
    decimals = max(0, significant - 1 - power)
    fixed = f"{value:.{decimals}f}"
    scientific = f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return fixed if len(fixed) <= len(scientific) else scientific


def exact_number(value: float) -> str:
    """Format a number as R prints it where that loses nothing, else with all its digits."""
    text = r_number(value)
    return text if math.isnan(value) or float(text) == value else repr(float(value))


def _position() -> int:
    return field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, without backticks."""

    name: str
    position: int = _position()


@dataclass(frozen=True, slots=True)
class Number:
    """A non-negative number; `text` is R's way to print it ("0.5", "1e-05", "1L")."""

    value: float
    text: str = ""
    position: int = _position()

    def __post_init__(self) -> None:
        if not self.text:
            object.__setattr__(self, "text", r_number(self.value))


@dataclass(frozen=True, slots=True)
class String:
    """A quoted string."""

    value: str
    position: int = _position()


@dataclass(frozen=True, slots=True)
class Constant:
    """``TRUE``, ``FALSE``, ``NA`` or ``NULL``; `text` tells which."""

    text: str
    position: int = _position()

    @property
    def value(self) -> bool | None:
        """True, False, or None for NA and NULL."""
        return {"TRUE": True, "FALSE": False}.get(self.text)


@dataclass(frozen=True, slots=True)
class Dot:
    """The lone dot: all other columns, the old formula of an update, or the fitted model."""

    position: int = _position()


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a call, named or not."""

    name: str | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Call:
    """``function(args)``; the function may carry its package, as in ``stats::poly``."""

    function: str
    args: tuple[Arg, ...]
    position: int = _position()


@dataclass(frozen=True, slots=True)
class Unary:
    """A prefix operator: ``-``, ``+``, ``!`` or ``~``."""

    op: str
    operand: Expr
    position: int = _position()


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary operator; `position` is that of the operator.

    A sum of a thousand terms is a thousand nodes deep on its left side. Whatever goes through an
    expression follows that side by a loop (``spine``), so that recursion stays as deep as brackets
    are; comparing, printing and copying do so here.
    """

    op: str
    left: Expr
    right: Expr
    position: int = _position()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Binary):
            return NotImplemented
        first, steps = spine(self)
        other_first, other_steps = spine(other)
        return (
            len(steps) == len(other_steps)
            and first == other_first
            and all(
                a.op == b.op and a.right == b.right for a, b in zip(steps, other_steps, strict=True)
            )
        )

    def __hash__(self) -> int:
        first, steps = spine(self)
        return hash((first, *((step.op, step.right) for step in steps)))

    def __repr__(self) -> str:
        first, steps = spine(self)
        heads = "".join(f"Binary(op={step.op!r}, left=" for step in reversed(steps))
        return heads + repr(first) + "".join(f", right={step.right!r})" for step in steps)

    def __reduce__(self) -> tuple[Any, ...]:
        first, steps = spine(self)
        return chained, (first, tuple((s.op, s.right, s.position) for s in steps))


@dataclass(frozen=True, slots=True)
class Paren:
    """An expression in parentheses, which R keeps and prints."""

    inner: Expr
    position: int = _position()


type Expr = Name | Number | String | Constant | Dot | Call | Unary | Binary | Paren


def is_expression(value: object) -> bool:
    """Tell whether something is a node of an expression."""
    return isinstance(value, Expr.__value__)


def children(node: Expr) -> tuple[Expr, ...]:
    """Return the direct subexpressions, left to right."""
    match node:
        case Call(args=args):
            return tuple(a.value for a in args)
        case Unary(operand=inner) | Paren(inner=inner):
            return (inner,)
        case Binary(left=left, right=right):
            return (left, right)
        case _:
            return ()


def walk(node: Expr) -> Iterator[Expr]:
    """Yield the expression and all its parts, depth first, left to right."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(children(part)))


def spine(node: Expr, ops: Collection[str] | None = None) -> tuple[Expr, list[Binary]]:
    """Return the first operand of a chain of operators, and the operators from there outwards.

    Parameters
    ----------
    node : Expr
    ops : collection of str, optional
        The operators followed; all by default.

    Examples
    --------
    >>> from bayeslme.formula.grammar import parse_expression
    >>> first, steps = spine(parse_expression("a + b - c"))
    >>> first, [(step.op, step.right.name) for step in steps]
    (Name(name='a'), [('+', 'b'), ('-', 'c')])
    """
    steps: list[Binary] = []
    while isinstance(node, Binary) and (ops is None or node.op in ops):
        steps.append(node)
        node = node.left
    return node, steps[::-1]


def chained(first: Expr, steps: Iterable[tuple[str, Expr, int]]) -> Expr:
    """Return the chain of operators with these operators, right operands and positions."""
    for op, right, position in steps:
        first = Binary(op, first, right, position=position)
    return first


def mapped(node: Binary, change: Callable[[Expr], Expr]) -> Expr:
    """Return a chain of operators with all its operands changed."""
    first, steps = spine(node)
    return chained(change(first), ((s.op, change(s.right), s.position) for s in steps))


def depth(node: Expr) -> int:
    """Return how deep an expression is: brackets, calls, and operators but for chains of them."""
    deepest, waiting = 0, [(node, 1)]
    while waiting:
        part, level = waiting.pop()
        deepest = max(deepest, level)
        left = part.left if isinstance(part, Binary) else None
        waiting.extend((c, level if c is left else level + 1) for c in children(part))
    return deepest


def variables(node: Expr) -> tuple[str, ...]:
    """Return the names of the variables in order of appearance, each once (R's ``all.vars``).

    Examples
    --------
    >>> from bayeslme.formula.grammar import parse_expression
    >>> variables(parse_expression("log(y) ~ x + sin(2 * pi * x)"))
    ('y', 'x', 'pi')
    """
    return tuple(dict.fromkeys(n.name for n in walk(node) if isinstance(n, Name)))


def start(node: Expr) -> int:
    """Return where the text of an expression begins; a binary operator's own position is later."""
    while isinstance(node, Binary):
        node = node.left
    return node.position


def bare(node: Expr) -> Expr:
    """Return the expression without parentheses around it."""
    while isinstance(node, Paren):
        node = node.inner
    return node
