"""Formulas with random effects in bars, ``y ~ x + (x | g)``, as lme4 and bambi write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bayeslme.errors import DataError, SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    Arg,
    Binary,
    Call,
    Constant,
    Expr,
    Name,
    Number,
    Paren,
    Unary,
    bare,
    mapped,
    spine,
    start,
    walk,
)
from bayeslme.formula.formula import Formula, as_formula
from bayeslme.formula.grammar import parse_expression
from bayeslme.formula.terms import Terms, expand
from bayeslme.spec.lmer import known_group, matrix_named, read_matrices, require_named
from bayeslme.spec.make import make_lm, make_lme
from bayeslme.spec.model import LmeSpec
from bayeslme.structures import PdBlocked, PdDiag, PdLogChol, PdMat, known_effects

if TYPE_CHECKING:
    import pandas as pd

    from bayeslme.fit.result import Fit

_BARS = frozenset({"|", "||"})
_NUMPY = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ceil": "ceiling"}
_NUMPY |= {"maximum": "pmax", "minimum": "pmin"}


@dataclass(frozen=True, slots=True)
class _Part:
    """One pair of brackets: effects, the groups they vary over outermost first, and its place."""

    effects: Formula
    path: tuple[str, ...]
    independent: bool
    position: int
    cov: str = ""


def from_bambi(
    formula: str,
    data: pd.DataFrame | None = None,
    independent: bool = False,
    data2: Mapping[str, Any] | None = None,
) -> LmeSpec[Fit]:
    """Read a formula as lme4 and bambi write it.

    Parameters
    ----------
    formula : str
        ``"y ~ x + (x | g)"``; also ``(1 | a/b)``, ``(1 | a:b)``, ``(x || g)`` and ``(0 + x | g)``.
        Functions may be numpy's, as in ``np.log(x)``; ``C(x)`` is R's ``factor(x)``. As in brms,
        ``(1 | gr(g, cov = A))`` has a known covariance among the groups.
    data : DataFrame, optional
        Only read to see whether groups nest that the formula gives apart, ``(1 | a) + (1 | b)``;
        those that do not, and without data all such groups, are crossed.
    independent : bool
        Read ``(x | g)`` as bambi does, whose effects are always independent. By default they are
        correlated, as in lme4.
    data2 : dict, optional
        Matrices that the formula names, ``{"A": A}``.

    Returns
    -------
    LmeSpec
        Of lme, by REML; of lm where there are no bars. ``(x | g)`` is PdLogChol, ``(x || g)``
        PdDiag, and several parts of one group a PdBlocked.

    Raises
    ------
    SpecError
        For what cannot be read.

    Examples
    --------
    >>> print(from_bambi("y ~ x + (x | a/b)"))
    lme("y ~ x", data=..., random="~x | a/b")
    >>> print(from_bambi("y ~ np.log(x) + (x || g)").to_r())
    lme(y ~ log(x), random = list(g = pdDiag(~x)))
    """
    node = bare(_in_r(parse_expression(formula)))
    if not (isinstance(node, Binary) and node.op == "~"):
        raise SpecError(f"from_bambi: a formula such as y ~ x + (1 | g) is needed, not {formula}")
    bars: list[Binary] = []
    rest = _without_bars(node.right, bars)
    fixed = replace(node, right=Number(1.0) if rest is None else rest)
    for part in walk(fixed):
        if isinstance(part, Binary) and part.op in _BARS:
            message = "random effects are summands in brackets of their own, + (x | g)"
            raise SpecError(f"from_bambi: {message}", text=formula, position=part.position)
    plain = as_formula(fixed, formula)
    if not bars:
        return make_lm(plain)
    parts = [p for bar in bars for p in _parts(bar, formula, independent)]
    matrices = read_matrices(data2)
    spec = make_lme(plain, _levels(parts, formula, data, matrices))
    require_named(matrices, spec.random, "from_bambi")
    return spec


def _without_bars(node: Expr, bars: list[Binary]) -> Expr | None:
    """The sum without its ``(x | g)``, which are collected; None where nothing is left."""
    inner = bare(node)
    if isinstance(node, Paren) and isinstance(inner, Binary) and inner.op in _BARS:
        bars.append(inner)
        return None
    first, steps = spine(node, {"+", "-"})
    if not steps:
        return node
    left = _without_bars(first, bars)
    for step in steps:
        right = _without_bars(step.right, bars) if step.op == "+" else step.right
        if left is None:
            left = right if step.op == "+" or right is None else Unary("-", right)
        elif right is not None:
            left = replace(step, left=left, right=right)
    return left


def _in_r(node: Expr) -> Expr:
    """Replace what Python spells otherwise than R."""
    out = node
    match node:
        case Call():
            out = _call_in_r(node)
        case Name(name="np.pi"):
            out = replace(node, name="pi")
        case Unary(operand=operand):
            out = replace(node, operand=_in_r(operand))
        case Paren(inner=inner):
            out = replace(node, inner=_in_r(inner))
        case Binary():
            out = mapped(node, _in_r)
    return out


def _call_in_r(call: Call) -> Call:
    args = tuple(Arg(arg.name, _in_r(arg.value)) for arg in call.args)
    name = call.function
    if name.startswith("np."):
        own = name.removeprefix("np.")
        return replace(call, function=_NUMPY.get(own, own), args=args)
    if name == "C" and len(args) == 1:
        return replace(call, function="factor", args=args)
    if name == "center" and len(args) == 1:
        return replace(call, function="scale", args=(*args, Arg("scale", Constant("FALSE"))))
    return replace(call, args=args)


def _parts(bar: Binary, text: str, independent: bool) -> Iterator[_Part]:
    """The parts that one pair of brackets stands for: ``a/b`` is a, and b within a."""
    effects = as_formula(Unary("~", bar.left, position=start(bar.left)), text)
    group, cov = known_group(bare(bar.right), text)
    for path in _paths(bare(group), text):
        yield _Part(effects, path, independent or bar.op == "||", bar.position, cov)


def _paths(node: Expr, text: str) -> list[tuple[str, ...]]:
    match node:
        case Binary(op="/", left=left, right=right):
            outer = _paths(bare(left), text)
            return [*outer, (*outer[-1], *_paths(bare(right), text)[-1])]
        case Binary(op=":", left=left, right=right):
            return [(*_paths(bare(left), text)[-1], *_paths(bare(right), text)[-1])]
        case Name(name=name):
            return [(name,)]
        case Call(function="factor", args=(Arg(name=None, value=Name(name=name)),)):
            return [(name,)]  # groups are factors anyhow
        case Call():
            return [(deparse(node),)]
        case _:
            message = f"from_bambi: groups are g, a/b or a:b, not {deparse(node)}"
            raise SpecError(message, text=text, position=start(node))


@dataclass(slots=True)
class _Branch:
    """Groups that nest, outermost first, and all columns that the innermost of them needs."""

    outer: tuple[str, ...]
    levels: dict[str, PdMat]
    nests: bool = True


def _levels(
    parts: list[_Part], text: str, data: pd.DataFrame | None, matrices: Mapping[str, Any]
) -> dict[str, PdMat] | list[dict[str, PdMat]]:
    """Groups and their structures, outermost first; a list of such branches where they cross."""
    by_set: dict[frozenset[str], list[_Part]] = {}
    for part in parts:
        by_set.setdefault(frozenset(part.path), []).append(part)
    if data is None:
        ordered = sorted(by_set.values(), key=lambda own: len(own[0].path))
    else:
        ordered = sorted(by_set.values(), key=lambda own: _count(data, own[0].path))
    branches: list[_Branch] = []
    for own in ordered:
        path = own[0].path
        if any(part.cov for part in own):  # related groups nest in nothing
            branches.append(_Branch((), {path[-1]: _known(own, text, matrices)}, nests=False))
            continue
        here = (b for b in branches if b.nests and _is_within(path, b.outer, data))
        home = next(here, None)
        if home is None:
            home = _Branch((), {})
            branches.append(home)
        new = [group for group in path if group not in home.outer] or list(path[-1:])
        name = new[0] if len(new) == 1 else f"interaction({', '.join(new)})"
        home.levels[name] = _structure(own, text)
        home.outer = (*home.outer, *new)
    found = [branch.levels for branch in branches]
    return found[0] if len(found) == 1 else found


def _count(data: pd.DataFrame, path: tuple[str, ...]) -> int:
    """Number of groups in the data."""
    columns = getattr(data, "columns", None)
    if columns is None:
        raise DataError(f"data must be a pandas DataFrame, not {type(data).__name__}")
    missing = next((name for name in path if name not in columns), None)
    if missing is not None:
        raise DataError(f"from_bambi: the group '{missing}' is no column of the data")
    return len(data[list(path)].drop_duplicates())


def _is_within(path: tuple[str, ...], outer: tuple[str, ...], data: pd.DataFrame | None) -> bool:
    """Whether each group lies in one outer group: as the formula has it, or as the data do."""
    if set(outer) <= set(path) or data is None:
        return set(outer) <= set(path)
    return _count(data, path) == _count(data, tuple(dict.fromkeys((*path, *outer))))


def _known(parts: list[_Part], text: str, matrices: Mapping[str, Any]) -> PdMat:
    """Effects with a known covariance among groups, which stand in one term on one column."""
    first = parts[0]
    if (
        len(parts) > 1
        or len(first.path) > 1
        or (first.independent and expand(first.effects).labels)
    ):
        raise SpecError(
            "from_bambi: effects with a known covariance stand in one term on one column, as in "
            "(x | gr(g, cov = A)); another term takes a copy of the column",
            text=text,
            position=first.position,
        )
    matrix = matrix_named(matrices, first.cov, "from_bambi")
    return known_effects(matrix, first.cov, str(first.effects))


def _structure(parts: list[_Part], text: str) -> PdMat:
    """The covariance of one group's effects: one block, or independent ones."""
    terms = [expand(part.effects) for part in parts]
    kept: list[int] = []
    for k in range(len(parts)):
        if not any(_absorbs(parts, terms, j, k) for j in range(len(parts))):
            kept.append(k)
    seen: set[str] = set()
    for k in kept:
        twice = seen & _labels(terms[k])
        if twice:
            message = (
                f"from_bambi: the effect {min(twice)} of {':'.join(parts[k].path)} stands in "
                "two brackets; leave it out of one, as in (0 + x | g)"
            )
            raise SpecError(message, text=text, position=parts[k].position)
        seen |= _labels(terms[k])
    blocks = [_block(parts[k], terms[k]) for k in kept]
    return blocks[0] if len(blocks) == 1 else PdBlocked(blocks)


def _labels(terms: Terms) -> set[str]:
    return {*terms.labels, *(["1"] if terms.intercept else [])}


def _absorbs(parts: list[_Part], terms: list[Terms], j: int, k: int) -> bool:
    """Whether part j has all covariances that part k adds, as ``(x | g)`` those of ``(1 | g)``."""
    big, small = _labels(terms[j]), _labels(terms[k])
    if j == k or not small <= big or (small == big and _order(parts, j) > _order(parts, k)):
        return False
    return not parts[j].independent or parts[k].independent or small == {"1"}


def _order(parts: list[_Part], k: int) -> tuple[bool, int]:
    """Of equal parts the correlated one stays, else the first."""
    return parts[k].independent, k


def _block(part: _Part, terms: Terms) -> PdMat:
    form = str(part.effects)
    return PdDiag(form=form) if part.independent and terms.terms else PdLogChol(form=form)
