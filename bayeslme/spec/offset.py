"""Offsets: terms of known coefficient one, ``offset(z)``, taken out of a formula's other terms."""

from __future__ import annotations

from dataclasses import replace

from bayeslme.spec.expr import Arg, Binary, Call, Expr, Unary, bare
from bayeslme.spec.formula import Formula


def is_offset(node: Expr) -> bool:
    """Whether an expression is a call of offset()."""
    return isinstance(node, Call) and node.function in ("offset", "stats::offset")


def offsets(formula: Formula) -> tuple[Expr, ...]:
    """What stands in the offset() terms of a formula's right-hand side, each once.

    One that a minus takes away again does not count.
    """
    found: dict[Expr, None] = {}
    _collect(formula.rhs, found)
    return tuple(found)


def _collect(node: Expr, found: dict[Expr, None]) -> None:
    inner = bare(node)
    if is_offset(inner) and isinstance(inner, Call) and len(inner.args) == 1:
        found[inner.args[0].value] = None
    elif isinstance(inner, Binary) and inner.op == "-":
        _collect(inner.left, found)
        gone: dict[Expr, None] = {}
        _collect(inner.right, gone)
        for one in gone:
            found.pop(one, None)
    elif isinstance(inner, Binary) and inner.op == "+":
        _collect(inner.left, found)
        _collect(inner.right, found)
    elif isinstance(inner, Unary) and inner.op == "+":
        _collect(inner.operand, found)


def with_offset(formula: Formula, value: Expr) -> Formula:
    """The formula with one more offset, as R's argument ``offset = z`` says it."""
    call = Call("offset", (Arg(None, value),))
    return replace(formula, rhs=Binary("+", formula.rhs, call))
