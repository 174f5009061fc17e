"""R's formula algebra: which terms a formula stands for, in which order and under which label.

A term is a set of variables, held as the bits of an integer while operators are expanded; bits
follow the first appearance of the variables, response included, which is why ``b + a + a:b`` is
labelled ``b:a``. Terms are ordered by their number of variables, otherwise as written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse, quoted_name
from bayeslme.formula.expressions import (
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
    bare,
    spine,
    variables,
    walk,
)
from bayeslme.formula.formula import Formula, is_offset
from bayeslme.formula.settings import FORMULA

_ALGEBRA = frozenset({"+", "-", "*", "/", ":", "^", "%in%"})


@dataclass(frozen=True, slots=True)
class Term:
    """One term.

    Attributes
    ----------
    variables : tuple of Expr
        In R's order, that of the label.
    label : str
        R's label, ``"Sex:I(age - 11)"``.
    order : int
        The number of variables.
    """

    variables: tuple[Expr, ...]
    label: str
    order: int


@dataclass(frozen=True, slots=True)
class Terms:
    """The expanded right-hand side of a formula.

    Attributes
    ----------
    intercept : bool
    terms : tuple of Term
        The intercept is not among them.
    """

    intercept: bool
    terms: tuple[Term, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the terms."""
        return tuple(term.label for term in self.terms)

    @property
    def variables(self) -> tuple[Expr, ...]:
        """All variables of the terms, each once."""
        return tuple(dict.fromkeys(v for term in self.terms for v in term.variables))

    def coding(self) -> tuple[tuple[bool, ...], ...]:
        """Tell which factors are coded by contrasts (True) and which by a dummy per level (False).

        A factor in a term is coded by contrasts where the term without it is empty or is contained
        in an earlier term (the 1 and 2 of R's ``attr(terms, "factors")``). Without an intercept R
        then codes the first factor of the first term that has one by dummies; only the data tell
        which variables are factors, so that last step is left to them.

        Returns
        -------
        tuple of tuple of bool
            One tuple a term, aligned with its variables.
        """
        sets = [frozenset(term.variables) for term in self.terms]
        return tuple(
            tuple(
                not (rest := sets[k] - {v}) or any(rest <= earlier for earlier in sets[:k])
                for v in term.variables
            )
            for k, term in enumerate(self.terms)
        )


def expand(formula: Formula, data_columns: Sequence[str] | None = None) -> Terms:
    """Expand the right-hand side of a formula as R's ``terms()`` does.

    Parameters
    ----------
    formula : Formula
    data_columns : sequence of str, optional
        What a dot stands for, the variables of the response left out.

    Returns
    -------
    Terms

    Raises
    ------
    SpecError
        For a number other than 0 and 1, an offset within another term, or a dot without columns.

    Examples
    --------
    >>> from bayeslme.formula.formula import parse_formula
    >>> expand(parse_formula("y ~ b + a + a:b - 1"))
    Terms(intercept=False, ...)
    >>> expand(parse_formula("y ~ (a + b)^2 + a %in% c")).labels
    ('a', 'b', 'a:b', 'a:c')
    """
    return _expand(formula, None if data_columns is None else tuple(data_columns))


@lru_cache(maxsize=1024)
def _expand(formula: Formula, columns: tuple[str, ...] | None) -> Terms:
    algebra = _Algebra(formula, columns)
    masks = sorted(algebra.expand(formula.rhs), key=int.bit_count)
    names = [deparse_variable(v) for v in algebra.bits]
    found = list(algebra.bits)
    terms = []
    for mask in masks:
        chosen = [i for i in range(mask.bit_length()) if mask >> i & 1]
        label = ":".join(names[i] for i in chosen)
        terms.append(Term(tuple(found[i] for i in chosen), label, len(chosen)))
    return Terms(algebra.intercept, tuple(terms))


def deparse_variable(variable: Expr) -> str:
    """R's text of a variable of a term."""
    return quoted_name(variable.name) if isinstance(variable, Name) else deparse(variable)


class _Algebra:
    """Expansion of one formula; `bits` numbers the variables in order of appearance."""

    def __init__(self, formula: Formula, columns: tuple[str, ...] | None) -> None:
        self.text = str(formula)
        self.bits: dict[Expr, int] = {}
        self.intercept = True
        self.adding = True
        self.columns: tuple[Name, ...] | None = None
        if columns is not None:
            response = set() if formula.lhs is None else set(variables(formula.lhs))
            self.columns = tuple(Name(c) for c in columns if c not in response)
        if formula.lhs is not None:
            self._install(formula.lhs)
        self._collect(formula.rhs)

    def expand(self, node: Expr) -> list[int]:
        """Return the terms of an expression as bit masks, in order, each once."""
        match node:
            case Paren(inner=inner) | Unary(op="+", operand=inner):
                masks = self.expand(inner)
            case Number(value=value) if value in (0, 1):
                self.intercept = (value == 1) == self.adding
                masks = []
            case Unary(op="-", operand=inner):
                self._dropped(inner)
                masks = []
            case Binary(op=op) if op in _ALGEBRA:
                first, steps = spine(node, _ALGEBRA)
                found = dict.fromkeys(self.expand(first))
                for step in steps:
                    found = self._step(step.op, found, step.right)
                masks = list(found)
            case Dot():
                masks = [self._bit(name) for name in self._dot(node)]
            case Call() if is_offset(node):
                masks = []
            case _:
                masks = [self._bit(node)]
        return masks

    def _step(self, op: str, found: dict[int, None], right: Expr) -> dict[int, None]:
        """Apply one operator of a chain; sums grow in place, so that long ones take linear time."""
        if op == "+":
            found.update(dict.fromkeys(self.expand(right)))
            self._check_count(found)
            return found
        if op == "-":
            for mask in self._dropped(right):
                found.pop(mask, None)
            return found
        if op == "^":
            return dict.fromkeys(self._power(list(found), bare(right)))
        return dict.fromkeys(self._combine(op, list(found), self.expand(right)))

    def _combine(self, op: str, left: list[int], right: list[int]) -> list[int]:
        if op == "%in%":
            return self._trim(mask | _union(right) for mask in left)
        if op in {"*", "/"} and not left:
            return []  # as R: 1 * x and 1/x stand for no term but the intercept
        if op == "/":
            return self._trim(left + [_union(left) | mask for mask in right])
        pairs = [one | other for one in left for other in right]
        return self._trim(pairs if op == ":" else left + right + pairs)

    def _power(self, base: list[int], exponent: Expr) -> list[int]:
        if not isinstance(exponent, Number) or exponent.value < 1 or exponent.value % 1:
            raise self._error(
                f"the power {deparse(exponent)} of a formula must be 1, 2, ...; "
                "write I(x^p) for a power of numbers"
            )
        masks = base
        for _ in range(min(int(exponent.value), len(self.bits) + 1) - 1):
            masks = self._trim(one | other for one in masks for other in base)
        return masks

    def _dropped(self, right: Expr) -> list[int]:
        self.adding = not self.adding
        dropped = self.expand(right)
        self.adding = not self.adding
        return dropped

    def _trim(self, masks: Iterable[int]) -> list[int]:
        unique: dict[int, None] = {}
        for mask in masks:
            if mask:
                unique[mask] = None
                self._check_count(unique)
        return list(unique)

    def _check_count(self, masks: Collection[int]) -> None:
        if len(masks) > FORMULA.max_terms:
            raise self._error(f"the formula stands for more than {FORMULA.max_terms} terms")

    def _collect(self, node: Expr) -> None:
        """Number the variables from left to right, before any operator is expanded."""
        match node:
            case Paren(inner=inner) | Unary(op="+" | "-", operand=inner):
                self._collect(inner)
            case Binary(op=op) if op in _ALGEBRA:
                first, steps = spine(node, _ALGEBRA)
                for step in reversed(steps):
                    if step.op not in {"+", "-"}:
                        self._refuse_offset(step)
                        break
                self._collect(first)
                for step in steps:
                    if step.op != "^":
                        self._collect(step.right)
            case Number(value=value) if value in (0, 1):
                pass
            case Dot():
                for name in self._dot(node):
                    self._install(name)
            case _:
                self._install(node)

    def _install(self, node: Expr) -> None:
        if isinstance(node, Number | String | Constant):
            raise self._error(
                f"{deparse(node)} cannot be a term of a formula; write I({deparse(node)} * x)"
            )
        if any(is_offset(part) for part in walk(node)):
            self._check_offset(node)
            return
        self.bits.setdefault(node, len(self.bits))

    def _refuse_offset(self, node: Expr) -> None:
        if any(is_offset(part) for part in walk(node)):
            raise self._error("an offset is a summand of its own, + offset(z)")

    def _check_offset(self, node: Expr) -> None:
        if not (is_offset(node) and isinstance(node, Call) and len(node.args) == 1):
            raise self._error("an offset is a summand of its own, + offset(z)")

    def _dot(self, node: Expr) -> tuple[Name, ...]:
        if self.columns is None:
            raise self._error("'.' needs a data frame to stand for its columns; name the columns")
        return self.columns

    def _bit(self, node: Expr) -> int:
        return 1 << self.bits[node]

    def _error(self, message: str) -> SpecError:
        return SpecError(f"{message} (in {self.text})")


def _union(masks: list[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
