"""Read R expressions: a lark grammar for tokens and brackets, R's operator table for the rest.

The grammar leaves a chain of operands and operators flat; `_Chain` folds it by precedence climbing,
which treats a prefix operator after a tighter binary one (``a * -b``, ``x == !y``) exactly as R's
own parser does. Nothing is ever evaluated.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bayeslme.errors import SpecError
from bayeslme.formula.expressions import (
    COMPARISONS,
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
    depth,
    precedence,
)
from bayeslme.formula.settings import FORMULA

if TYPE_CHECKING:
    from lark import Lark, Token


_GRAMMAR = r"""
    start: chain
    chain: unit ((SIGN | TILDE | BINARY) unit)*
    unit: (SIGN | TILDE | BANG)* primary
    ?primary: NAME                              -> name
            | NUMBER                            -> number
            | STRING                            -> string
            | LPAR chain RPAR                   -> paren
            | NAME LPAR [arg ("," arg)*] RPAR   -> call
            | NAME LSQB [cell] ("," [cell])* RSQB -> index
    arg: chain | (NAME | STRING) "=" chain
    cell: chain

    LPAR: "("
    RPAR: ")"
    LSQB: "["
    RSQB: "]"
    SIGN: /[+-]/
    TILDE: "~"
    BANG: "!"
    BINARY: /%[^%\n]*%|\*\*|==|!=|<=|>=|\|\||&&|[*\/^:<>|&$@]/
    NUMBER: /(0[xX][0-9a-fA-F]+|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)L?/
    STRING: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/s
    NAME: /(_PART_)(::(_PART_))?/
    COMMENT: /#[^\n]*/
    %ignore COMMENT
    %ignore /\s+/
""".replace("_PART_", r"(?:[^\W\d_]|\.(?![0-9]))[\w.]*|`(?:\\.|[^`\\])+`")

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_HINTS = {
    "_": "; other names than R's go in backticks",
    ";": "; one call at a time",
    "{": "; write arithmetic as I(x + 1)",
    "\u2019": "; type straight quotes",
    "\u201c": "; type straight quotes",
    "\u201d": "; type straight quotes",
}
_CONSTANTS = frozenset({"TRUE", "FALSE", "NA", "NULL"})
_BACKTICKED = re.compile(r"`((?:\\.|[^`\\])+)`")


def parse_expression(text: str) -> Expr:
    """Read an R expression.

    Parameters
    ----------
    text : str
        For example ``"I((days / 100)^2)"`` or ``"y ~ x | g"``.

    Returns
    -------
    Expr

    Raises
    ------
    SpecError
        With the place of the first character or token that does not fit.

    Examples
    --------
    >>> parse_expression("-x")
    Unary(op='-', operand=Name(name='x'))
    """
    if not isinstance(text, str):
        raise SpecError(f"an R expression must be a string, not {type(text).__name__}")
    return _parse(text)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Expr:
    if not text.strip():
        raise SpecError("empty text where an R expression belongs")
    if len(text) > FORMULA.max_characters or _depth(text) > FORMULA.max_depth:
        raise _too_much()
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput

    try:
        tree = _lark().parse(text)
    except UnexpectedCharacters as error:
        hint = _HINTS.get(error.char, "")
        raise SpecError(
            f"unexpected character {error.char!r}{hint}", text=text, position=error.pos_in_stream
        ) from None
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    except _OperatorError as error:
        raise SpecError(str(error), text=text, position=error.position) from None
    if depth(tree) > FORMULA.max_depth:  # type: ignore[arg-type]
        raise _too_much()
    return tree  # type: ignore[return-value]


def _too_much() -> SpecError:
    return SpecError(
        f"expression too long or deep: at most {FORMULA.max_characters} characters, and "
        f"{FORMULA.max_depth} brackets or operators within one another"
    )


def _depth(text: str) -> int:
    """Depth of the brackets of a text, before it is read."""
    now = deepest = 0
    for character in text:
        now += (character == "(") - (character == ")")
        deepest = max(deepest, now)
    return deepest


def _unexpected(error: Any, text: str) -> SpecError:
    token = getattr(error, "token", None)
    if token is None or token.type == "$END":
        return SpecError(
            "the expression ends too early (an operand or a bracket is missing)",
            text=text,
            position=len(text.rstrip()),
        )
    return SpecError(f"unexpected {str(token)!r}", text=text, position=token.start_pos)


@lru_cache(maxsize=1)
def _lark() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_builder())


def _builder() -> Any:
    """The transformer, made late because importing lark costs 50 ms."""
    from lark import Transformer

    class Build(Transformer):  # type: ignore[type-arg]
        """Nodes from grammar rules."""

        def start(self, items: list[Expr]) -> Expr:
            return items[0]

        def unit(self, items: list[Any]) -> list[Any]:
            return items

        def chain(self, items: list[Any]) -> Expr:
            flat: list[Any] = []
            for item in items:
                flat.extend(item if isinstance(item, list) else [item])
            return _Chain(flat).fold()

        def name(self, items: list[Token]) -> Expr:
            return _name(items[0])

        def number(self, items: list[Token]) -> Expr:
            return _number(items[0])

        def string(self, items: list[Token]) -> Expr:
            return String(_unquote(items[0]), position=_start(items[0]))

        def paren(self, items: list[Any]) -> Expr:
            return Paren(items[1], position=_start(items[0]))

        def arg(self, items: list[Any]) -> Arg:
            return (
                Arg(None, items[0]) if len(items) == 1 else Arg(_argument_name(items[0]), items[1])
            )

        def call(self, items: list[Any]) -> Expr:
            args = tuple(item for item in items[2:-1] if item is not None)
            return Call(_plain(items[0]), args, position=_start(items[0]))

        def cell(self, items: list[Expr]) -> Arg:
            return Arg(None, items[0])

        def index(self, items: list[Any]) -> Expr:
            """``d[rows, columns]``, as R has it a call of ``[`` on d; what is left out is NULL."""
            frame = Name(_plain(items[0]), position=_start(items[0]))
            cells = (Arg(None, Constant("NULL")) if item is None else item for item in items[2:-1])
            return Call("[", (Arg(None, frame), *cells), position=_start(items[1]))

    return Build()


class _OperatorError(Exception):
    """An operator that may not stand where it stands."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class _Chain:
    """Precedence climbing over a flat list of operator tokens (strings) and operands (nodes)."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.next = 0
        self.depth = 0

    def fold(self) -> Expr:
        """Return the tree of the whole chain."""
        return self._climb(0)

    def _climb(self, weakest: int) -> Expr:
        self.depth += 1
        if self.depth > FORMULA.max_depth:
            raise _OperatorError(
                f"more than {FORMULA.max_depth} operators within one another",
                _start(self.items[self.next]),
            )
        left = self._operand()
        while self.next < len(self.items):
            token = self.items[self.next]
            op = "^" if token == "**" else str(token)
            strength = precedence(op)
            if strength < weakest:
                break
            if op in COMPARISONS and isinstance(left, Binary) and left.op in COMPARISONS:
                raise _OperatorError(
                    "comparisons do not chain: use parentheses and &", _start(token)
                )
            self.next += 1
            right = self._climb(strength if op in RIGHT_ASSOCIATIVE else strength + 1)
            left = Binary(op, left, right, position=_start(token))
        self.depth -= 1
        return left

    def _operand(self) -> Expr:
        item = self.items[self.next]
        self.next += 1
        if not isinstance(item, str):
            return item  # type: ignore[no-any-return]
        operand = self._climb(PREFIX_PRECEDENCE[item] + 1)
        return Unary(str(item), operand, position=_start(item))


def _start(token: Any) -> int:
    """Where a token, or a node made of tokens, stands in the text."""
    found = getattr(token, "start_pos", None)
    return int(getattr(token, "position", 0) if found is None else found)


def _plain(token: str) -> str:
    """A name token without backticks."""
    return str(_BACKTICKED.sub(lambda m: re.sub(r"\\(.)", r"\1", m[1]), token))


def _argument_name(token: Token) -> str:
    return _unquote(token) if token.type == "STRING" else _plain(token)


def _name(token: Token) -> Expr:
    position = _start(token)
    if token == ".":
        return Dot(position=position)
    if token in _CONSTANTS:
        return Constant(str(token), position=position)
    if token in ("Inf", "NaN"):
        return Number(float(token), str(token), position=position)
    name = _plain(token)
    if name == ".":  # in R too the backticks change nothing
        raise _OperatorError("a dot is all other columns; rename the column '.'", position)
    return Name(name, position=position)


def _number(token: Token) -> Number:
    whole = token.endswith("L")
    digits = token.rstrip("L") if whole else str(token)
    try:
        value = float(int(digits, 16)) if digits[:2].lower() == "0x" else float(digits)
    except OverflowError:
        value = math.inf
    if math.isinf(value):
        raise _OperatorError("a number too large for double precision", _start(token))
    # as R, which reads 1.5L as 1.5
    text = f"{int(value)}L" if whole and value == math.floor(value) else ""
    return Number(value, text, position=_start(token))


def _unquote(token: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token[1:-1], flags=re.DOTALL)
