"""R formulas in the syntax of formulae, the formula package of bambi, and frames it reads alike.

Formulae sorts the levels of unordered factors, binds a unary minus tighter than a power and reads
no exponents, so factors are handed over as ordered Categoricals in R's level order, operands are
bracketed, and numbers are written out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Factor, drop_unused
from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Arg, Binary, Call, Expr, Name, Number, Unary, bare, walk
from bayeslme.formula.grammar import parse_expression
from bayeslme.formula.terms import Terms

_PLAIN = re.compile(r"[^\W\d_][\w.]*\Z")
_FORBIDDEN = frozenset("`|/")
_PYTHON = frozenset({"True", "False", "None"})
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "^": 3}
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_AS_FACTOR = frozenset({"factor", "as.factor"})
_SAME = ("log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs", "sin", "cos", "tan")
_NUMPY = {name: f"np.{name}" for name in (*_SAME, "sinh", "cosh", "tanh", "floor", "sign", "trunc")}
_NUMPY |= {"asin": "np.arcsin", "acos": "np.arccos", "atan": "np.arctan", "ceiling": "np.ceil"}
_PAIRS = {"pmax": "np.maximum", "pmin": "np.minimum"}


class Speller:
    """Writes variables and terms of one model for formulae.

    Parameters
    ----------
    columns : Columns
        The rows used; they tell which columns are factors.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def response(self, node: Expr) -> str:
        """Write the left-hand side; arithmetic goes into I(), outside it is formula algebra."""
        inner = bare(node)
        text = self.number(inner)
        return f"I({text})" if _is_operation(inner) else text

    def terms(self, terms: Terms) -> str:
        """Write a right-hand side term by term: ``1 + Sex + Sex:I(age - 11)``."""
        own = [":".join(self.variable(v) for v in term.variables) for term in terms.terms]
        return " + ".join(["1" if terms.intercept else "0", *own])

    def variable(self, node: Expr) -> str:
        """Write one variable of a term: a column, a factor made from one, or a call."""
        node = bare(node)
        name = factor_column(node)
        if name is None:
            return self.number(node)
        return quoted(name) if isinstance(self.columns[name], Factor) else f"C({quoted(name)})"

    def group(self, *columns: str) -> str:
        """Write the combinations of grouping columns: ``litter:pig``."""
        return ":".join(map(quoted, columns))

    def group_columns(self, group: str) -> tuple[str, ...]:
        """Columns of a group; ``factor(x)`` groups as x does, ``interaction(a, b)`` as both do."""
        if group in self.columns:
            return (group,)
        match parse_expression(group):
            case Call(function=f, args=args) if f in {*_AS_FACTOR, "interaction"}:
                names = [a.value.name for a in args if isinstance(a.value, Name) and not a.name]
                if len(names) == len(args) and (len(names) == 1 or f == "interaction"):
                    return tuple(names)
        msg = f"to_bambi: the group {group} is an expression; put it into a column of the data"
        raise SpecError(msg)

    def count(self, *columns: str) -> int:
        """Number of groups that columns make."""
        codes = np.stack([self.columns.factor(name).code for name in columns])
        return len(np.unique(codes, axis=1).T)

    def number(self, node: Expr) -> str:
        """Write a numeric expression."""
        match bare(node):
            case Name(name=name):
                return name if name == "pi" and name not in self.columns else quoted(name)
            case Number(value=value):
                return np.format_float_positional(value, trim="-")
            case Unary(op=op, operand=operand) if op in {"+", "-"}:
                return op + self._atom(operand)
            case Binary() as operation:
                return self._operation(operation)
            case Call() as call:
                return self._call(call)
            case other:
                _refuse(other)

    def _operation(self, node: Binary) -> str:
        if node.op == "/":  # PyMC allows none in names
            return f"np.divide({self.number(node.left)}, {self.number(node.right)})"
        if node.op in _PRECEDENCE:
            sign = "**" if node.op == "^" else node.op
            return f"{self._left(node.left, node.op)} {sign} {self._right(node.right, node.op)}"
        if node.op in _COMPARISONS:
            return f"{self._atom(node.left)} {node.op} {self._atom(node.right)}"
        _refuse(node)

    def _call(self, call: Call) -> str:
        function, args = call.function.rpartition("::")[2], call.args
        if function == "poly" and (degree := _degree(args)) is not None:
            return f"poly({self.number(args[0].value)}, {degree})"
        ours = {"I": "I", **_NUMPY} if len(args) == 1 else _PAIRS if len(args) == 2 else {}  # noqa: PLR2004
        if function not in ours or any(arg.name for arg in args):
            _refuse(call)
        return f"{ours[function]}({', '.join(self.number(arg.value) for arg in args)})"

    def _atom(self, node: Expr) -> str:
        text = self.number(node)
        return f"({text})" if _is_operation(bare(node)) else text

    def _left(self, node: Expr, op: str) -> str:
        inner = bare(node)
        if isinstance(inner, Binary) and op != "^" and inner.op in _PRECEDENCE:
            loose = _PRECEDENCE[inner.op] < _PRECEDENCE[op]
            return f"({self.number(inner)})" if loose else self.number(inner)
        return self._atom(inner)

    def _right(self, node: Expr, op: str) -> str:
        inner = bare(node)
        if isinstance(inner, Binary) and inner.op in _PRECEDENCE:
            loose = _PRECEDENCE[inner.op] <= _PRECEDENCE[op]
            return f"({self.number(inner)})" if loose else self.number(inner)
        return self._atom(inner)


def _is_operation(node: Expr) -> bool:
    """Whether a node is written with an operator; a division is written as a call."""
    return isinstance(node, Unary) or (isinstance(node, Binary) and node.op != "/")


def _degree(args: tuple[Arg, ...]) -> int | None:
    """Degree of ``poly(x, k)``; None for any other form of the call."""
    match args:
        case (Arg(name=None), Arg(name=None | "degree", value=Number(value=k))) if k % 1 == 0:
            return int(k)
        case _:
            return None


def _refuse(node: Expr) -> NoReturn:
    text = deparse(node)
    msg = f"to_bambi: bambi's formulas have no form of {text}; put it into a column of the data"
    raise SpecError(msg)


def factor_column(node: Expr) -> str | None:
    """Column that a factor is made from without change, as in ``factor(x)``; None otherwise."""
    match bare(node):
        case Call(function=f, args=(Arg(name=None, value=Name(name=name)),)) if f in _AS_FACTOR:
            return name
        case _:
            return None


def quoted(name: str) -> str:
    """Write a column's name, in backticks where formulae needs them."""
    if not _FORBIDDEN.isdisjoint(name):
        msg = f"to_bambi: the column {name!r} has a name that bambi cannot read; rename it"
        raise SpecError(msg)
    return name if _PLAIN.match(name) and name not in _PYTHON else f"`{name}`"


def numeric_columns(nodes: Collection[Expr]) -> set[str]:
    """Columns that stand for numbers in some variable: all but those only made into factors."""
    found: set[str] = set()
    for node in nodes:
        if factor_column(node) is None:
            found.update(part.name for part in walk(node) if isinstance(part, Name))
    return found


def prepare(columns: Columns, names: Collection[str], numeric: Collection[str]) -> pd.DataFrame:
    """Make the data frame that bambi is given.

    Parameters
    ----------
    columns : Columns
        The n rows used.
    names : collection of str
        The columns needed.
    numeric : collection of str
        Those that enter as numbers unless they are factors in the data.

    Returns
    -------
    DataFrame
        Of n rows: factors are ordered Categoricals in R's level order, numbers are floats, and
        numbers that are only made into factors or group rows stay as they are.
    """
    frame = columns.frame[list(names)].reset_index(drop=True)
    for name in names:
        column = columns[name]
        if isinstance(column, Factor):
            frame[name] = categorical(drop_unused(column))
        elif name in numeric:
            frame[name] = column
    return frame


def categorical(factor: Factor) -> pd.Categorical[Any]:
    """Ordered Categorical of a factor, which formulae leaves in its order."""
    levels = list(factor.levels)
    labels = np.array(levels, dtype=object)[factor.code]
    return pd.Categorical(labels.tolist(), categories=levels, ordered=True)
