"""Formulas: response, terms, grouping and offsets, ``y ~ x`` or ``~ x | g1/g2``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    COMPARISONS,
    Arg,
    Binary,
    Call,
    Expr,
    Name,
    Paren,
    String,
    Unary,
    bare,
    spine,
    start,
    variables,
)
from bayeslme.formula.functions import check_functions
from bayeslme.formula.grammar import parse_expression


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, split at the tilde and at the bar.

    Attributes
    ----------
    lhs : Expr or None
        The response; None for a one-sided formula.
    rhs : Expr
        The terms.
    grouping : Expr or None
        What stands behind the bar.

    Examples
    --------
    >>> formula = parse_formula("~ I( age-11 )|litter/pig")
    >>> str(formula)
    '~I(age - 11) | litter/pig'
    >>> formula.groups
    ('litter', 'pig')
    """

    lhs: Expr | None
    rhs: Expr
    grouping: Expr | None = None

    def __str__(self) -> str:
        """R's text of the formula."""
        left = "" if self.lhs is None else deparse(self.lhs) + " "
        right = deparse(self.rhs)
        bar = "" if self.grouping is None else f" | {deparse(self.grouping)}"
        return f"{left}~{' ' if left else ''}{right}{bar}"

    @property
    def groups(self) -> tuple[str, ...]:
        """The grouping factors: outermost first for ``a/b``, in the order written for ``a * b``."""
        return () if self.grouping is None else _split(bare(self.grouping))

    @property
    def crossed(self) -> bool:
        """True where the groups are the combinations ``a * b`` rather than nested."""
        return isinstance(self.grouping, Binary) and self.grouping.op == "*"

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables, those of the grouping included."""
        parts = [p for p in (self.lhs, self.rhs, self.grouping) if p is not None]
        return tuple(dict.fromkeys(name for part in parts for name in variables(part)))

    def without_groups(self) -> Formula:
        """Return the same formula without the part behind the bar."""
        return self if self.grouping is None else replace(self, grouping=None)


def parse_formula(text: str | Formula) -> Formula:
    """Read a formula as R spells it.

    Parameters
    ----------
    text : str or Formula
        ``"y ~ x"``, ``"~ x | g"``; a Formula is returned as it is.

    Returns
    -------
    Formula

    Raises
    ------
    SpecError
        For anything that is no formula or calls a function that is not allowed.

    Examples
    --------
    >>> str(parse_formula("log(y)~a*b"))
    'log(y) ~ a * b'
    """
    if isinstance(text, Formula):
        return text
    if not isinstance(text, str):
        raise SpecError(f"a formula such as 'y ~ x' must be a string, not {_shown(text)}")
    return _parse(text)


@lru_cache(maxsize=1024)
def _parse(text: str) -> Formula:
    return as_formula(parse_expression(text), text)


def as_formula(node: Expr, text: str) -> Formula:
    """Turn an expression with a tilde on top into a Formula.

    Parameters
    ----------
    node : Expr
    text : str
        The source, for error messages.

    Returns
    -------
    Formula

    Raises
    ------
    SpecError
        For what is no formula of nlme, with its place.
    """
    node = bare(node)
    match node:
        case Unary(op="~", operand=right):
            left = None
        case Binary(op="~", left=left, right=right):
            pass
        case _:
            hint = ": drop the quotes" if isinstance(node, String) else ""
            raise SpecError(
                f"a formula (with ~) is needed, not {deparse(node)}{hint}",
                text=text,
                position=start(node),
            )
    check_functions(node, text)
    grouping = None
    right = bare(right) if isinstance(bare(right), Binary) and _is_bar(bare(right)) else right
    if isinstance(right, Binary) and right.op == "|":
        grouping, right = right.right, right.left
    for part in (left, right, grouping):
        _refuse_bars(part, text)
    formula = Formula(left, right, grouping)
    if grouping is not None:
        _check_grouping(grouping, text)
    return formula


def _is_bar(node: Expr) -> bool:
    return isinstance(node, Binary) and node.op in {"|", "||"}


def _refuse_bars(node: Expr | None, text: str) -> None:
    """A second bar, lme4's ``||`` or ``(x | g)``, or a second tilde has no meaning in nlme."""
    if node is None:
        return
    stack: list[Expr] = [node]
    while stack:
        part = bare(stack.pop())
        if isinstance(part, Binary):
            if part.op in {"|", "||", "~"}:
                raise SpecError(_bar_message(part.op), text=text, position=part.position)
            stack += [part.left, part.right]
        elif isinstance(part, Unary) and part.op == "~":
            raise SpecError(_bar_message("~"), text=text, position=part.position)


def _shown(value: object) -> str:
    """What was given, on one line."""
    text = repr(value)
    kind = type(value).__name__
    return kind if "\n" in text else f"{kind} {text:.40}"


def _bar_message(op: str) -> str:
    if op == "~":
        return "a formula has one tilde"
    return (
        f"'{op}' is lme4's way here; put random effects into random = ~ x | g "
        "(uncorrelated ones: list(g = pdDiag(~ x))), or let lmer() or from_bambi() read the formula"
    )


def _check_grouping(node: Expr, text: str) -> None:
    seen: set[str] = set()
    for part in _leaves(bare(node)):
        if not isinstance(part, Name | Call) and not _is_condition(part):
            raise SpecError(
                f"groups are columns, nested as a/b or combined as a * b, not {deparse(part)}",
                text=text,
                position=start(part),
            )
        if deparse(part) in seen:
            raise SpecError(
                f"group {deparse(part)} stands twice", text=text, position=part.position
            )
        seen.add(deparse(part))


def _is_condition(node: Expr) -> bool:
    """Whether an expression is TRUE or FALSE in each row, such as time > 2."""
    if isinstance(node, Unary):
        return node.op == "!"
    return isinstance(node, Binary) and (node.op in COMPARISONS or node.op in ("&", "%in%"))


def _leaves(node: Expr) -> list[Expr]:
    """Operands of the outermost chain of ``/`` or of ``*``."""
    op = node.op if isinstance(node, Binary) else ""
    if op not in {"/", "*"}:
        return [node]
    leaves: list[Expr] = []
    while isinstance(node, Binary) and node.op == op:
        leaves.append(bare(node.right))
        node = bare(node.left)
    return [node, *reversed(leaves)]


def _split(node: Expr) -> tuple[str, ...]:
    return tuple(n.name if isinstance(n, Name) else deparse(n) for n in _leaves(node))


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
