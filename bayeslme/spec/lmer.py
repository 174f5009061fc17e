"""lme4's formulas, ``y ~ x + (x | subject) + (1 | item)``: read into a specification, and written.

Every term in brackets is a level of its own, crossed with the others; the data tell which nest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bayeslme.errors import SpecError, listed
from bayeslme.formula.deparse import deparse, quoted_name
from bayeslme.formula.expressions import (
    Arg,
    Binary,
    Call,
    Constant,
    Dot,
    Expr,
    Name,
    Number,
    Paren,
    Unary,
    bare,
    is_expression,
    start,
    variables,
    walk,
)
from bayeslme.formula.formula import Formula, as_formula, offsets, parse_formula
from bayeslme.formula.functions import check_functions
from bayeslme.formula.grammar import parse_expression
from bayeslme.formula.terms import Terms, expand
from bayeslme.spec.make import (
    check_fixed,
    check_na_action,
    check_priors,
    read_correlation,
    read_subset,
    read_weights,
)
from bayeslme.spec.model import LmeSpec, RandomLevel, make_control, read_contrasts
from bayeslme.structures import (
    PdBlocked,
    PdCompSymm,
    PdDiag,
    PdIdent,
    PdLogChol,
    PdMat,
    VarFixed,
    VarFunc,
    known_effects,
)

if TYPE_CHECKING:
    from bayeslme.fit.result import LmeFit

BARS = frozenset({"|", "||"})
_NO_TAG = {
    "cs": "cs() with one variance for each effect is not here; write cs(..., hom = TRUE), or "
    "(x | g) for any covariance",
    "ar1": "ar1() is a correlation of the residuals here: correlation=CorAR1(form='~ t | g')",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One term in bars: its effects, what it varies over, and its structure.

    Attributes
    ----------
    effects : Formula
    group : Expr
    tag : str
        "us" where the term has none.
    independent : bool
        Of ``||``.
    homogeneous : bool
        Of ``hom = TRUE``.
    position : int
    cov : str
        Name of the known covariance among groups of ``gr(g, cov = A)``; empty without one.
    """

    effects: Formula
    group: Expr
    tag: str
    independent: bool
    homogeneous: bool
    position: int
    cov: str = ""


def make_lmer(
    formula: str | Formula,
    REML: Any = True,
    weights: Any = None,
    correlation: Any = None,
    subset: Any = None,
    na_action: str = "omit",
    contrasts: Any = None,
    control: Mapping[str, Any] | None = None,
    priors: Any = None,
    data: str | None = None,
    data2: Mapping[str, Any] | None = None,
) -> LmeSpec[LmeFit]:
    """Specify a linear mixed model by lme4's formula; see `bayeslme.fit.api.lmer`.

    Returns
    -------
    LmeSpec
    """
    fixed, random = read_lmer(formula, read_matrices(data2))
    pair, by_factor = read_contrasts(contrasts)
    rows, mask = read_subset(subset)
    return LmeSpec(
        function="lmer",
        fixed=fixed,
        random=random,
        correlation=read_correlation(correlation),
        weights=prior_weights(weights),
        subset=rows,
        method=reml(REML),
        na_action=check_na_action(na_action),
        control=make_control(control),
        contrasts=pair,
        factor_contrasts=by_factor,
        priors=check_priors(priors),
        data=data,
        mask=mask,
    )


def reml(value: Any) -> Any:
    """Return the method that ``REML=`` names."""
    if not isinstance(value, bool):
        raise SpecError(f"REML is True or False (by maximum likelihood), not {value!r:.60}")
    return "REML" if value else "ML"


def prior_weights(weights: Any) -> VarFunc | None:
    """Read lme4's weights w, of variances sigma^2 / w, or a variance function.

    Parameters
    ----------
    weights : str, expression, VarFunc or None
        A column's name or an expression of columns; R's text of a variance function is one.
    """
    if weights is None or isinstance(weights, VarFunc):
        return read_weights(weights)
    node = weights if is_expression(weights) else None
    if isinstance(weights, str):
        node = parse_expression(weights)
        call = bare(node)
        if isinstance(call, Call) and call.function.removeprefix("nlme::").startswith("var"):
            return read_weights(weights)
    if node is None or not variables(node) or any(_is_tilde(part) for part in walk(node)):
        raise SpecError(
            "weights: the name of a column of prior weights, an expression of columns, or a "
            f"variance function such as VarPower(form='~ x'); not {weights!r:.60}"
        )
    check_functions(node, weights if isinstance(weights, str) else deparse(node))
    inner = bare(node)
    shown = inner if isinstance(inner, Name | Call) else Paren(inner)
    inverse = Call("I", (Arg(None, Binary("/", Number(1.0), shown)),))
    return read_weights(VarFixed(f"~ {deparse(inverse)}"))


def _is_tilde(node: Expr) -> bool:
    return isinstance(node, Unary | Binary) and node.op == "~"


def weights_of(function: VarFunc) -> str | None:
    """The expression of prior weights that a variance function stands for; None for any other."""
    if type(function) is not VarFixed:
        return None
    call = bare(parse_formula(function.form).rhs)
    if not (isinstance(call, Call) and call.function == "I" and len(call.args) == 1):
        return None
    inner = bare(call.args[0].value)
    if isinstance(inner, Binary) and inner.op == "/" and inner.left == Number(1.0):
        return deparse(bare(inner.right))
    return None


def read_matrices(data2: Any) -> Mapping[str, Any]:
    """The matrices of ``data2``, by the names under which formulas have them."""
    if data2 is None:
        return {}
    if not isinstance(data2, Mapping) or not all(isinstance(name, str) for name in data2):
        raise SpecError(
            "data2: a dict of the matrices that the formula names, {'A': A} for "
            f"(1 | gr(g, cov = A)), not {type(data2).__name__}"
        )
    return data2


def matrix_named(matrices: Mapping[str, Any], name: str, who: str) -> Any:
    """The matrix that ``cov = name`` stands for."""
    if name not in matrices:
        has = f"; it has {listed([*matrices], quote="'")}" if matrices else ""
        raise SpecError(
            f"{who}: the formula names the matrix '{name}': give it as data2={{'{name}': ...}}{has}"
        )
    return matrices[name]


def require_named(matrices: Mapping[str, Any], random: Iterable[RandomLevel], who: str) -> None:
    """Refuse matrices that no term names."""
    named = {one.structure.matrix.name for one in random if one.structure.matrix is not None}
    unused = next((name for name in matrices if name not in named), None)
    if unused is not None:
        raise SpecError(
            f"{who}: no term of the formula names the matrix '{unused}' of data2, as "
            f"(1 | gr(g, cov = {unused})) would"
        )


def read_lmer(
    formula: str | Formula | Expr, matrices: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Formula, tuple[RandomLevel, ...]]:
    """Read a formula with terms in bars.

    Parameters
    ----------
    formula : str or expression
    matrices : mapping
        Those that ``gr(g, cov = A)`` may name.

    Returns
    -------
    fixed : Formula
    random : tuple of RandomLevel

    Raises
    ------
    SpecError
        For what cannot be read, and without any term in bars.

    Examples
    --------
    >>> fixed, random = read_lmer("y ~ x + (x | a/b) + (1 | item)")
    >>> str(fixed), [level.group for level in random]
    ('y ~ x', ['a', 'b:a', 'item'])
    """
    node, text = _parsed(formula)
    fixed, bars, _ = split(node, text)
    if not bars:
        raise SpecError(
            f"lmer: {text} has no random effects; write y ~ x + (1 | g), or use lm()", text=None
        )
    random = levels_of(bars, text, matrices)
    require_named(matrices, random, "lmer")
    return check_fixed(as_formula(fixed, text), "lmer"), random


def _parsed(formula: Any) -> tuple[Binary, str]:
    if isinstance(formula, str):
        node, text = bare(parse_expression(formula)), formula
    elif is_expression(formula):
        node, text = bare(formula), deparse(formula)
    else:
        text = str(formula)
        node = bare(parse_expression(text))
    if not (isinstance(node, Binary) and node.op == "~"):
        raise SpecError(f"lmer: a formula such as y ~ x + (1 | g) is needed, not {text:.80}")
    return node, text


def split(node: Binary, text: str) -> tuple[Binary, list[Bar], list[Bar]]:
    """Fixed part of a formula, its terms in bars, and those that are taken away with a minus."""
    found: list[Bar] = []
    dropped: list[Bar] = []
    rest = _without(node.right, text, found, dropped)
    fixed = replace(node, right=Number(1.0) if rest is None else rest)
    for part in walk(fixed):
        if isinstance(part, Binary) and part.op in BARS:
            raise SpecError(
                "lmer: random effects are summands in brackets of their own, + (x | g)",
                text=text,
                position=part.position,
            )
    return fixed, found, dropped


def _without(node: Expr, text: str, found: list[Bar], dropped: list[Bar]) -> Expr | None:
    bar = _bar(node, text)
    if bar is not None:
        found.append(bar)
        return None
    if not (isinstance(node, Binary) and node.op in {"+", "-"}):
        return node
    left = _without(node.left, text, found, dropped)
    if node.op == "-":
        gone = _bar(node.right, text)
        if gone is not None:
            dropped.append(gone)
            return left
        return Unary("-", node.right) if left is None else replace(node, left=left)
    right = _without(node.right, text, found, dropped)
    if left is None or right is None:
        return right if left is None else left
    return replace(node, left=left, right=right)


def _bar(node: Expr, text: str) -> Bar | None:
    """A term in bars, with its tag; None for any other."""
    inner, tag, options = bare(node), "us", {}
    if isinstance(inner, Call) and inner.args and _has_bar(inner.args[0].value):
        tag = inner.function.removeprefix("lme4::")
        options = {arg.name: arg.value for arg in inner.args[1:]}
        inner = bare(inner.args[0].value)
        _check_tag(tag, options, text, start(node))
    elif not isinstance(node, Paren):
        return None
    if not (isinstance(inner, Binary) and inner.op in BARS):
        return None
    effects = as_formula(Unary("~", inner.left, position=start(inner.left)), text)
    hom = tag.startswith("hom") or options.get("hom") == Constant("TRUE")
    group, cov = known_group(bare(inner.right), text)
    return Bar(effects, group, tag, inner.op == "||", hom, inner.position, cov)


def known_group(node: Expr, text: str) -> tuple[Expr, str]:
    """The group and the matrix of ``gr(g, cov = A)``; an empty name of any other group."""
    if not (isinstance(node, Call) and node.function.removeprefix("brms::") == "gr"):
        return node, ""
    given = {arg.name: bare(arg.value) for arg in node.args}
    plain, cov = given.get(None), given.get("cov")
    named = cov is None or isinstance(cov, Name)
    if len(given) != len(node.args) or plain is None or not named or set(given) - {None, "cov"}:
        raise SpecError(
            "gr() takes a group and a matrix's name, gr(g, cov = A)",
            text=text,
            position=start(node),
        )
    return plain, cov.name if isinstance(cov, Name) else ""


def _has_bar(node: Expr) -> bool:
    inner = bare(node)
    return isinstance(inner, Binary) and inner.op in BARS


def _check_tag(tag: str, options: Mapping[str | None, Expr], text: str, position: int) -> None:
    if tag not in ("us", "diag", "homdiag", "cs", "homcs"):
        named = _NO_TAG.get(tag, f"unknown structure '{tag}()' of random effects")
        message = f"lmer: {named}; us(), diag() and cs(..., hom = TRUE) are known"
        raise SpecError(message, text=text, position=position)
    wrong = [name for name in options if name != "hom"]
    if wrong or options.get("hom", Constant("TRUE")) not in (Constant("TRUE"), Constant("FALSE")):
        message = f"lmer: {tag}() takes a term in bars and hom = TRUE or FALSE"
        raise SpecError(message, text=text, position=position)
    if tag == "cs" and options.get("hom") != Constant("TRUE"):
        raise SpecError(f"lmer: {_NO_TAG['cs']}", text=text, position=position)


def levels_of(
    bars: list[Bar], text: str, matrices: Mapping[str, Any] = MappingProxyType({})
) -> tuple[RandomLevel, ...]:
    """Levels in the order in which their factors are first named, terms of one factor together."""
    by_factor: dict[frozenset[str], tuple[str, list[Bar]]] = {}
    for bar in bars:
        for path in _paths(bar.group, text):
            _, own = by_factor.setdefault(frozenset(path), (":".join(path), []))
            own.append(bar)
    return tuple(
        RandomLevel(group, _structure(own, group, text, matrices), k)
        for k, (group, own) in enumerate(by_factor.values())
    )


def _paths(node: Expr, text: str) -> list[tuple[str, ...]]:
    """Factors that groups stand for, innermost name first: ``a/b`` is a, and b:a."""
    node = bare(node)
    match node:
        case Binary(op="/", left=left, right=right):
            outer = _paths(left, text)
            inner = _paths(right, text)
            return [*outer, *((*path, *outer[-1]) for path in inner)]
        case Binary(op=":", left=left, right=right):
            return [(*_paths(left, text)[-1], *_paths(right, text)[-1])]
        case Binary(op="*" | "+", left=left, right=right):
            both = [*_paths(left, text), *_paths(right, text)]
            return [*both, (*both[0], *both[-1])] if node.op == "*" else both
        case Name(name=name):
            return [(quoted_name(name),)]
        case Call(function="factor" | "as.factor", args=(Arg(name=None, value=Name(name=name)),)):
            return [(quoted_name(name),)]  # groups are factors anyhow
        case Call():
            check_functions(node, text)
            return [(deparse(node),)]
        case _:
            message = f"lmer: groups are g, a/b or a:b, not {deparse(node)}"
            raise SpecError(message, text=text, position=start(node))


def _structure(bars: list[Bar], group: str, text: str, matrices: Mapping[str, Any]) -> PdMat:
    """The covariance of one factor's effects: one block, or independent ones."""
    blocks: list[PdMat] = []
    seen: set[str] = set()
    for bar in bars:
        terms = expand(bar.effects)
        labels = {*terms.labels, *(["1"] if terms.intercept else [])}
        if offsets(bar.effects):
            message = "lmer: an offset belongs outside of the bars, y ~ x + offset(z) + (1 | g)"
            raise SpecError(message, text=text, position=bar.position)
        if not labels:
            message = f"lmer: the term of {group} has no effects; write (1 | {group})"
            raise SpecError(message, text=text, position=bar.position)
        twice = seen & labels
        if twice:
            effect = "intercept" if min(twice) == "1" else f"effect {min(twice)}"
            message = (
                f"lmer: the {effect} of {group} stands in two terms; leave it out of one, as in "
                f"(0 + x | {group})"
            )
            raise SpecError(message, text=text, position=bar.position)
        seen |= labels
        if bar.cov:
            return _known(bars, bar, group, text, matrices)
        blocks += _blocks(bar, terms)
    return blocks[0] if len(blocks) == 1 else PdBlocked(blocks)


def _known(bars: list[Bar], bar: Bar, group: str, text: str, matrices: Mapping[str, Any]) -> PdMat:
    """Effects with a known covariance among groups, which stand in one term."""
    if len(bars) > 1 or bar.tag != "us" or (bar.independent and expand(bar.effects).labels):
        message = (
            f"lmer: effects of {group} with cov = {bar.cov} stand in one term, as in "
            f"(x | gr({group}, cov = {bar.cov})); another term takes a copy of the column"
        )
        raise SpecError(message, text=text, position=bar.position)
    return known_effects(matrix_named(matrices, bar.cov, "lmer"), bar.cov, str(bar.effects))


def _blocks(bar: Bar, terms: Terms) -> list[PdMat]:
    form = str(bar.effects)
    if (
        bar.independent
    ):  # as lme4: each term a block, a factor's effects among themselves correlated
        parts = ["~1"] if terms.intercept else []
        return [PdLogChol(form=part) for part in [*parts, *(f"~0 + {t}" for t in terms.labels)]]
    kinds: dict[str, Callable[..., PdMat]] = {"us": PdLogChol, "diag": PdDiag, "cs": PdCompSymm}
    kind = kinds[bar.tag.removeprefix("hom")]
    return [PdIdent(form=form) if kind is PdDiag and bar.homogeneous else kind(form=form)]


def write_formula(spec: LmeSpec) -> str:
    """Fixed part and terms in bars as lme4 writes them.

    Raises
    ------
    SpecError
        For a structure of random effects that lme4 does not have.
    """
    right = deparse(spec.fixed.rhs)
    left = "" if spec.fixed.lhs is None else deparse(spec.fixed.lhs)
    outer: list[str] = []
    bars: list[str] = []
    for k, level in enumerate(spec.random):
        same = k > 0 and spec.random[k - 1].branch == level.branch
        outer = [*outer, str(level.group)] if same else [str(level.group)]
        bars += _written(level, ":".join(map(_written_group, reversed(outer))))
    return f"{left} ~ {' + '.join([right, *bars])}"


def _written_group(group: str) -> str:
    return group if ":" in group or "(" in group or "`" in group else quoted_name(group)


def _written(level: RandomLevel, group: str) -> list[str]:
    return [_term(block, group) for block in level.structure.components]


def _term(block: PdMat, group: str) -> str:
    inner = f"{deparse(parse_formula(str(block.form)).rhs)} | {group}"
    if block.matrix is not None:
        return f"({inner[: -len(group)]}gr({group}, cov = {quoted_name(block.matrix.name)}))"
    if block.lme4_term is None:
        raise SpecError(f"to_r: lme4 has no {block.r_name}")
    return block.lme4_term.format(inner)


def updated(spec: LmeSpec, formula: str | Formula) -> tuple[Formula, tuple[RandomLevel, ...]]:
    """Formula of the fixed part, and the levels, after an update.

    Terms in bars stay where a dot stands for the right-hand side, and where none are given; ``-
    (1 | g)`` takes one away.
    """
    node, text = _parsed_update(formula)
    fixed, bars, dropped = split(node, text)
    plain = as_formula(fixed if isinstance(node, Binary) else Unary("~", fixed.right), text)
    dotted = any(isinstance(part, Dot) for part in walk(node.right))
    if dropped and not dotted:
        raise SpecError("update: terms are taken from the old ones, as in . ~ . - (1 | g)")
    if not dotted:
        return plain, levels_of(bars, text, matrices_of(spec)) if bars else spec.random
    old, old_text = _parsed(write_formula(spec))
    _, kept, _ = split(old, old_text)
    known, gone = [_key(bar) for bar in kept], [_key(bar) for bar in dropped]
    missing = next((key for key in gone if key not in known), None)
    if missing is not None:
        raise SpecError(f"update: the model has no term ({missing[0]} | {missing[1]}) to drop")
    left = [b for b in kept if _key(b) not in gone]
    return plain, levels_of([*left, *bars], text, matrices_of(spec))


def matrices_of(spec: LmeSpec) -> dict[str, Any]:
    """The known covariances among groups, by name."""
    every = (level.structure.matrix for level in spec.random)
    return {one.name: one for one in every if one is not None}


def _parsed_update(formula: str | Formula) -> tuple[Binary, str]:
    """A formula whose left side may be left out."""
    text = str(formula)
    node = bare(parse_expression(text))
    if isinstance(node, Unary) and node.op == "~":
        return Binary("~", Dot(), node.operand), text
    return _parsed(text)


def _key(bar: Bar) -> tuple[str, str]:
    return deparse(bar.effects.rhs), deparse(bar.group)
