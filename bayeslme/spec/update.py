"""Change parts of a specification, with R's ``. ~ . - x`` for the fixed effects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bayeslme.errors import SpecError
from bayeslme.formula.expressions import (
    Arg,
    Binary,
    Call,
    Dot,
    Expr,
    Name,
    Number,
    Paren,
    Unary,
    mapped,
    walk,
)
from bayeslme.formula.formula import Formula, offsets, parse_formula
from bayeslme.formula.terms import Term, expand
from bayeslme.spec.lmer import prior_weights, reml, updated
from bayeslme.spec.make import check_fixed, check_method, listed, read_argument
from bayeslme.spec.mmrm import MmrmCall, read_mmrm, split, whole_formula
from bayeslme.spec.model import LmeSpec
from bayeslme.spec.signatures import FORMULA_NAMES, SIGNATURES


def update(spec: LmeSpec, **changes: Any) -> LmeSpec:
    """Return a specification with some of its arguments changed; see `LmeSpec.update`."""
    if spec.mmrm is not None and not {"correlation", "weights"} & changes.keys():
        return _update_mmrm(spec, spec.mmrm, changes)
    if spec.mmrm is not None:  # other structures make it a model of gls
        spec = replace(spec, function="gls", mmrm=None)
    new: dict[str, Any] = {}
    for name, value in changes.items():
        if name in FORMULA_NAMES:
            new |= _new_formula(spec, value)
        elif name not in (signature := SIGNATURES[spec.function]).arguments:
            allowed = listed(signature)
            raise SpecError(f"update() of {spec.function} cannot change '{name}'; it has {allowed}")
        elif name == "REML":
            new["method"] = reml(value)
        elif name == "weights" and spec.function == "lmer":
            new["weights"] = prior_weights(value)
        else:
            new |= read_argument(spec.function, name, value)
    return replace(spec, **new)


def _new_formula(spec: LmeSpec, value: Any) -> dict[str, Any]:
    """Fixed part, and for lmer the terms in bars, after an update by a formula."""
    if spec.function != "lmer":
        formula = update_formula(spec.fixed, parse_formula(value))
        return {"fixed": check_fixed(formula, spec.function)}
    plain, random = updated(spec, value)
    return {"fixed": check_fixed(update_formula(spec.fixed, plain), "lmer"), "random": random}


def _update_mmrm(spec: LmeSpec, call: MmrmCall, changes: dict[str, Any]) -> LmeSpec:
    """A call of mmrm with other arguments; a covariance term in the formula replaces the old."""
    known = (*FORMULA_NAMES, *SIGNATURES["mmrm"].arguments)
    unknown = [name for name in changes if name not in known]
    if unknown:
        allowed = listed(SIGNATURES["mmrm"])
        raise SpecError(f"update() of mmrm cannot change '{unknown[0]}'; it has {allowed}")
    formula = whole_formula(spec.fixed, call)
    for name in FORMULA_NAMES:
        if name in changes:
            given, term = split(str(changes[name]))
            fixed = update_formula(spec.fixed, given)
            formula = whole_formula(fixed, call if term is None else replace(call, term=term))
    method = check_method(changes.get("method", spec.method), "mmrm")
    reml = changes.get("REML", method == "REML")
    df = changes.get("df", call.df)
    fixed, correlation, variance, made = read_mmrm(formula, reml=reml, df=df, weights=call.weights)
    new: dict[str, Any] = {}
    for name in changes.keys() - {*FORMULA_NAMES, "method", "REML", "df"}:
        new |= read_argument("mmrm", name, changes[name])
    return replace(
        spec,
        fixed=check_fixed(fixed, "mmrm"),
        correlation=correlation,
        weights=variance,
        method="REML" if reml else "ML",
        mmrm=made,
        **new,
    )


def update_formula(old: Formula, new: Formula) -> Formula:
    """Replace dots by the sides of the old formula and simplify, as R's ``update.formula``.

    Parameters
    ----------
    old, new : Formula

    Returns
    -------
    Formula

    Raises
    ------
    SpecError
        Where a dot stands for no response.

    Examples
    --------
    >>> str(update_formula(parse_formula("y ~ x * g"), parse_formula("log(.) ~ . - x:g")))
    'log(y) ~ x + g'
    """
    left = old.lhs if new.lhs is None else new.lhs
    if left is not None and old.lhs is not None:
        left = _substitute(left, old.lhs)
    elif left is not None and any(isinstance(n, Dot) for n in walk(left)):
        raise SpecError(f"the dot on the left of {new} stands for no response")
    right = _substitute(new.rhs, old.rhs)
    terms = expand(Formula(left, right))
    parts: list[Expr] = [_product(term) for term in terms.terms] or [Number(1)]
    rhs = parts[0]
    for part in parts[1:]:
        rhs = Binary("+", rhs, part)
    for value in offsets(Formula(left, right)):
        rhs = Binary("+", rhs, Call("offset", (Arg(None, value),)))
    if not terms.intercept:
        rhs = Binary("-", rhs, Number(1))
    grouping = old.grouping if new.grouping is None else new.grouping
    return Formula(left, rhs, grouping)


def _product(term: Term) -> Expr:
    node = term.variables[0]
    for variable in term.variables[1:]:
        node = Binary(":", node, variable)
    return node


def _substitute(node: Expr, old: Expr) -> Expr:
    """Put the old side in the place of every dot, in parentheses where it is an operand."""
    match node:
        case Dot():
            return old
        case Call(function=function, args=args):
            return Call(function, tuple(Arg(a.name, _substitute(a.value, old)) for a in args))
        case Unary(op=op, operand=operand):
            return Unary(op, _operand(operand, old))
        case Binary():
            return mapped(node, lambda operand: _operand(operand, old))
        case Paren(inner=inner):
            return Paren(_substitute(inner, old))
        case _:
            return node


def _operand(node: Expr, old: Expr) -> Expr:
    wrap = isinstance(node, Dot) and not isinstance(old, Name | Call)
    return Paren(old) if wrap else _substitute(node, old)
