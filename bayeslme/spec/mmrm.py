"""The formulas of R's mmrm, ``y ~ arm * visit + us(visit | id)``.

The covariance term becomes a correlation structure, and where variances differ by visit a variance
function. Which abbreviation stands for which structure is a member of the structure's class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Arg, Binary, Call, Expr, Number, Paren, bare, walk
from bayeslme.formula.formula import Formula, as_formula
from bayeslme.formula.grammar import parse_expression
from bayeslme.spec.structure_reader import canonical, structure_classes
from bayeslme.structures import CorStruct, VarComb, VarFixed, VarFunc, VarIdent

# R's names of the degrees of freedom, and those of mmrm()'s own argument that differ from ours.
DEGREES = {
    "satterthwaite": "satterthwaite",
    "kenward-roger": "kenward-roger-observed",
    "kenward-roger-observed": "kenward-roger-observed",
    "kenward-roger-linear": "kenward-roger-linear",
    "between-within": "between-within",
    "residual": "residual",
}
_FOR_REML = ("kenward-roger-observed", "kenward-roger-linear")
_TERM = "us(visit | id)"


@dataclass(frozen=True)
class MmrmCall:
    """What a call of mmrm says beside the model.

    Attributes
    ----------
    term : Call
        The covariance term.
    df : str
        Degrees of freedom of tests where no others are asked for.
    weights : str or None
        Expression of the weights.
    """

    term: Call
    df: str = "satterthwaite"
    weights: str | None = None

    @property
    def text(self) -> str:
        """The covariance term as written."""
        return deparse(self.term)


def abbreviations() -> dict[str, tuple[type[CorStruct], bool]]:
    """Structures by mmrm's abbreviations, and whether their variances differ by visit."""
    return {
        name: (cls, heterogeneous)
        for cls in structure_classes(CorStruct).values()
        for name, heterogeneous in cls.__dict__.get("mmrm_names", {}).items()
    }


def alternatives(call: MmrmCall) -> list[str]:
    """Terms with fewer parameters and variances by visit, to take in the place of a term."""
    (*_, last) = call.term.args
    inside = deparse(last.value)
    return [
        f"{name}({inside})"
        for name, (cls, heterogeneous) in abbreviations().items()
        if heterogeneous and not cls.unstructured
    ]


def split(text: str) -> tuple[Formula, Call | None]:
    """Formula of the fixed effects and the covariance term of mmrm's formula, if it has one.

    Raises
    ------
    SpecError
        Where there is more than one such term.
    """
    node = bare(parse_expression(text))
    if not isinstance(node, Binary) or node.op != "~":
        raise SpecError(f"mmrm: a formula such as y ~ x + {_TERM} is needed, not {text:.60}")
    known = abbreviations()
    terms = [n for n in walk(node.right) if isinstance(n, Call) and n.function in known]
    if len(terms) > 1:
        raise SpecError(
            f"mmrm: the formula has {len(terms)} covariance terms, {', '.join(map(deparse, terms))}"
            "; it takes one"
        )
    if not terms:
        return as_formula(node, text), None
    rest = _without(node.right, terms[0])
    left = replace(node, right=Number(1.0, "1") if rest is None else rest)
    return as_formula(left, text), terms[0]


def _without(node: Expr, term: Call) -> Expr | None:
    """The sum without one of its summands."""
    if bare(node) == term:
        return None
    if isinstance(node, Paren):
        inner = _without(node.inner, term)
        return None if inner is None else replace(node, inner=inner)
    if isinstance(node, Binary) and node.op == "+":
        left, right = _without(node.left, term), _without(node.right, term)
        if left is None or right is None:
            return right if left is None else left
        return replace(node, left=left, right=right)
    if any(part == term for part in walk(node)):
        raise SpecError(f"mmrm: {deparse(term)} is added to the other terms, + {deparse(term)}")
    return node


def structures_of(term: Call) -> tuple[CorStruct, VarFunc | None]:
    """Correlation structure and variance function of a covariance term.

    Raises
    ------
    SpecError
        For a term that is not ``us(visit | id)`` or ``us(visit | arm / id)``.
    """
    cls, heterogeneous = abbreviations()[term.function]
    (*first, last) = term.args or (Arg(None, Number(1.0, "1")),)
    bar = bare(last.value)
    if not isinstance(bar, Binary) or bar.op != "|" or any(a.name for a in term.args):
        raise SpecError(
            f"mmrm: {deparse(term)} names visit and subject, such as {term.function}(visit | id) "
            f"or {term.function}(visit | arm / id)"
        )
    places = [deparse(a.value) for a in first] + [deparse(bar.left)]
    by, subject = _groups(bare(bar.right), term)
    if cls.spatial:
        form = f"~ {' + '.join(places)} | {subject}"
    elif len(places) == 1:
        form = f"~ {places[0]} | {subject}"
    else:
        raise SpecError(
            f"mmrm: {deparse(term)} takes one visit, such as {term.function}(visit | id)"
        )
    strata = [*(places if heterogeneous else []), *([] if by is None else [by])]
    weights = VarIdent(form=f"~ 1 | {' * '.join(strata)}") if strata else None
    options: dict[str, Any] = {"form": form, "by": by}
    if not cls.uses_positions:
        options["form"] = f"~ 1 | {subject}"
    correlation: CorStruct = canonical(cls(**options))
    return correlation, None if weights is None else canonical(weights)


def _groups(node: Expr, term: Call) -> tuple[str | None, str]:
    """The factor whose levels have parameters of their own, and the subjects."""
    if isinstance(node, Binary) and node.op == "/":
        if isinstance(bare(node.left), Binary):
            raise SpecError(f"mmrm: {deparse(term)} takes one factor before the subject, arm / id")
        return deparse(node.left), deparse(node.right)
    return None, deparse(node)


def read_mmrm(
    formula: str, *, reml: bool, df: str, weights: str | None
) -> tuple[Formula, CorStruct, VarFunc | None, MmrmCall]:
    """The fixed part, the structures and what else the call says.

    Parameters
    ----------
    formula : str
        With the covariance term.
    reml : bool
    df : str
        As mmrm has it: "kenward-roger" is that by observed information.
    weights : str or None
        An expression that divides the variances.
    """
    name = DEGREES.get(str(df).lower())
    if name is None:
        raise SpecError(f"mmrm: df is one of {', '.join(DEGREES)}, not {df!r}")
    if name in _FOR_REML and not reml:
        raise SpecError(f"mmrm: df={df!r} is for REML; use 'satterthwaite' with REML=False")
    fixed, term = split(formula)
    if term is None:
        raise SpecError(
            f"mmrm: the formula needs a covariance term such as {_TERM}; there are "
            f"{', '.join(abbreviations())}"
        )
    correlation, variance = structures_of(term)
    if weights is not None:
        divided: VarFunc = canonical(VarFixed(f"~ 1 / ({deparse(parse_expression(weights))})"))
        variance = divided if variance is None else VarComb(variance, divided)
    return fixed, correlation, variance, MmrmCall(term, name, weights)


def whole_formula(fixed: Formula, call: MmrmCall) -> str:
    """The formula with its covariance term, as mmrm takes it."""
    return f"{fixed} + {call.text}"
