"""Offsets: terms of known coefficient one, ``offset(z)``, taken out of a formula's other terms."""

from __future__ import annotations

from dataclasses import replace

from bayeslme.spec.expr import Arg, Binary, Call, Expr, Paren, Unary, bare, spine
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
    first, steps = spine(bare(node), "+-")
    if isinstance(first, Call) and is_offset(first) and len(first.args) == 1:
        found[first.args[0].value] = None
    elif isinstance(first, Unary) and first.op == "+":
        _collect(first.operand, found)
    elif isinstance(first, Paren):
        _collect(first, found)
    for step in steps:
        if step.op == "+":
            _collect(step.right, found)
            continue
        gone: dict[Expr, None] = {}
        _collect(step.right, gone)
        for one in gone:
            found.pop(one, None)


def with_offset(formula: Formula, value: Expr) -> Formula:
    """The formula with one more offset, as R's argument ``offset = z`` says it."""
    call = Call("offset", (Arg(None, value),))
    return replace(formula, rhs=Binary("+", formula.rhs, call))
