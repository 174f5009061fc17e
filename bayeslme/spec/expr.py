"""Expressions of R's formula language: a handful of frozen nodes.

Nodes compare by meaning; the position they had in the source serves error messages only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bayeslme.spec.number import r_number


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
    """A binary operator; `position` is that of the operator."""

    op: str
    left: Expr
    right: Expr
    position: int = _position()


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
    yield node
    for child in children(node):
        yield from walk(child)


def variables(node: Expr) -> tuple[str, ...]:
    """Return the names of the variables in order of appearance, each once (R's ``all.vars``).

    Examples
    --------
    >>> from bayeslme.spec.grammar import parse_expression
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
