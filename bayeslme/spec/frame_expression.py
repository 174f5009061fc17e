"""The data of an R call: a data frame's name, or rows chosen from one as R writes it.

``subset(d, x > 1)``, ``na.omit(d)`` and ``d[d$x > 1, ]`` become the frame and a condition on its
rows, which is what a specification holds. ``d$x`` in the other arguments becomes the column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bayeslme.errors import SpecError
from bayeslme.formula.constants import match_arguments
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    Arg,
    Binary,
    Call,
    Constant,
    Dot,
    Expr,
    Name,
    Paren,
    String,
    Unary,
    bare,
    mapped,
    spine,
    start,
    variables,
    walk,
)

_NOTHING = Constant("NULL")
_SAME = ("droplevels", "as.data.frame", "data.frame", "as_tibble", "tibble")


@dataclass(frozen=True, slots=True)
class FrameExpression:
    """Rows of a data frame.

    Attributes
    ----------
    name : str
        The data frame.
    rows : Expr or None
        The condition on its rows, or their numbers.
    columns : bool
        Whether only some columns are kept, so that a dot in a formula has another meaning.
    """

    name: str
    rows: Expr | None = None
    columns: bool = False

    def where(self, condition: Expr, text: str) -> FrameExpression:
        """The rows of these that meet a condition on the columns, or have these numbers."""
        condition = without_frame(condition, self.name)
        return replace(self, rows=both(self.rows, condition, text))


def both(first: Expr | None, second: Expr | None, text: str) -> Expr | None:
    """The condition that holds where both do.

    Raises
    ------
    SpecError
        Where one of them is the numbers of rows, which count other rows after a condition.
    """
    if first is None or second is None or first == second:
        return second if first is None else first
    for one in (first, second):
        if by_number(one):
            raise SpecError(
                f"rows by their numbers, {deparse(one)}, go with no other choice of rows; choose "
                "the rows in the data frame first",
                text=text,
                position=start(one),
            )
    return Binary("&", _operand(first), _operand(second))


def _operand(node: Expr) -> Expr:
    loose = isinstance(node, Binary) and node.op in ("|", "||")
    return Paren(node) if loose else node


def by_number(node: Expr) -> bool:
    """Whether an expression on rows is their numbers, such as 1:20 or -c(3, 5)."""
    return not any(isinstance(part, Dot) for part in walk(node)) and not variables(node)


def read_frame(node: Expr, text: str, known: Mapping[str, FrameExpression]) -> FrameExpression:
    """Read the argument data of an R call.

    Parameters
    ----------
    node : Expr
    text : str
        The source, for error messages.
    known : dict
        What the statements before have chosen, by name.

    Returns
    -------
    FrameExpression

    Raises
    ------
    SpecError
        For anything but a data frame's name, ``subset``, ``na.omit`` and ``d[rows, columns]``.
    """
    node = bare(node)
    if isinstance(node, Name):
        return known.get(node.name, FrameExpression(node.name))
    name = node.function.rpartition("::")[2] if isinstance(node, Call) else ""
    if isinstance(node, Call) and node.args:
        if name in _SAME and len(node.args) == 1:
            return read_frame(node.args[0].value, text, known)
        if name == "subset":
            return _subset(node, text, known)
        if name in ("na.omit", "drop_na") and len(node.args) == 1:
            frame = read_frame(node.args[0].value, text, known)
            return frame.where(Call("complete.cases", (Arg(None, Dot()),)), text)
        if name == "[":
            return _indexed(node, text, known)
    raise SpecError(
        "data is a data frame's name, subset(d, x > 1), na.omit(d) or d[d$x > 1, ], not "
        f"{deparse(node):.60}; make the frame first, and choose rows by subset",
        text=text,
        position=start(node),
    )


def _subset(call: Call, text: str, known: Mapping[str, FrameExpression]) -> FrameExpression:
    given = match_arguments(call, ("x", "subset", "select", "drop"), text)
    if "x" not in given:
        raise SpecError("subset() needs its data frame", text=text, position=start(call))
    frame = read_frame(given["x"], text, known)
    if "subset" in given:
        frame = frame.where(given["subset"], text)
    return replace(frame, columns=frame.columns or "select" in given)


def _indexed(call: Call, text: str, known: Mapping[str, FrameExpression]) -> FrameExpression:
    """``d[rows, columns]``; ``d[columns]`` keeps all rows."""
    first, *cells = call.args
    frame = read_frame(first.value, text, known)
    if len(cells) > 2:  # noqa: PLR2004 - rows and columns
        raise SpecError(
            "data: d[rows, columns] has two dimensions", text=text, position=start(call)
        )
    rows = cells[0].value if len(cells) > 1 else _NOTHING
    if cells[-1].value != _NOTHING:
        frame = replace(frame, columns=True)
    return frame if rows == _NOTHING else frame.where(_chosen(rows), text)


def _chosen(rows: Expr) -> Expr:
    """A condition on rows; ``which()`` around it changes nothing."""
    node = bare(rows)
    if isinstance(node, Call) and node.function == "which" and len(node.args) == 1:
        return node.args[0].value
    return rows


def without_frame(node: Expr, frame: str) -> Expr:
    """The expression with ``d$x`` and ``complete.cases(d)`` written as columns of the frame d."""
    match node:
        case Binary():
            return _chain_without_frame(node, frame)
        case Call(function=function, args=args):
            if function.endswith("complete.cases") and args == (Arg(None, Name(frame)),):
                return replace(node, args=(Arg(None, Dot()),))
            changed = tuple(Arg(a.name, without_frame(a.value, frame)) for a in args)
            return replace(node, args=changed)
        case Unary(operand=operand):
            return replace(node, operand=without_frame(operand, frame))
        case Paren(inner=inner):
            return replace(node, inner=without_frame(inner, frame))
        case _:
            return node


def _chain_without_frame(node: Binary, frame: str) -> Expr:
    """A chain of operators from its first operand on, in which ``d$x`` is one operand."""
    first, steps = spine(node)
    left = without_frame(first, frame)
    for step in steps:
        column = step.right
        if step.op == "$" and left == Name(frame) and isinstance(column, Name | String):
            name = column.name if isinstance(column, Name) else column.value
            left = Name(name, position=column.position)
        else:
            left = Binary(step.op, left, without_frame(step.right, frame), position=step.position)
    return left


def with_frame(node: Expr, frame: str) -> Expr:
    """The expression with the dot of ``complete.cases(.)`` written as the frame, which R needs."""
    match node:
        case Dot():
            return Name(frame, position=node.position)
        case Call(args=args):
            return replace(node, args=tuple(Arg(a.name, with_frame(a.value, frame)) for a in args))
        case Unary(operand=operand):
            return replace(node, operand=with_frame(operand, frame))
        case Paren(inner=inner):
            return replace(node, inner=with_frame(inner, frame))
        case Binary():
            return mapped(node, lambda operand: with_frame(operand, frame))
        case _:
            return node


def frames_named(node: Expr) -> list[str]:
    """The data frames of the columns written as ``d$x``, each once."""
    found = {
        part.left.name: None
        for part in walk(node)
        if isinstance(part, Binary) and part.op == "$" and isinstance(part.left, Name)
    }
    return list(found)
