"""Structures as R spells them: ``corAR1(0.2, form = ~ 1 | g)`` becomes ``CorAR1(0.2, ...)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any

from bayeslme import structures
from bayeslme.errors import SpecError
from bayeslme.spec.arguments import match_arguments
from bayeslme.spec.constants import Value, constant
from bayeslme.spec.expr import Binary, Call, Constant, Expr, Unary, bare, deparse, start
from bayeslme.spec.formula import Formula, as_formula, parse_formula
from bayeslme.spec.functions import refuse_fitted
from bayeslme.spec.grammar import parse_expression

_PER_VALUE = ("value", "form", "fixed")
_SPATIAL = ("value", "form", "nugget", "metric", "fixed")
_PD = ("value", "form", "nam", "data")
VARIANCE_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "varFixed": ("value",),
    "varIdent": _PER_VALUE,
    "varPower": _PER_VALUE,
    "varExp": _PER_VALUE,
    "varConstPower": ("const", "power", "form", "fixed"),
    "varConstProp": ("const", "prop", "form", "fixed"),
    "varComb": (),
}
CORRELATION_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "corAR1": _PER_VALUE,
    "corCAR1": _PER_VALUE,
    "corARMA": ("value", "form", "p", "q", "fixed"),
    "corCompSymm": _PER_VALUE,
    "corSymm": _PER_VALUE,
    "corNatural": _PER_VALUE,
    **dict.fromkeys(("corExp", "corGaus", "corLin", "corRatio", "corSpher"), _SPATIAL),
}
RANDOM_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("pdSymm", "pdLogChol", "pdNatural", "pdDiag", "pdIdent", "pdCompSymm"), _PD),
    "pdBlocked": (*_PD, "pdClass"),
}
ARGUMENTS = VARIANCE_ARGUMENTS | CORRELATION_ARGUMENTS | RANDOM_ARGUMENTS
METRICS = ("euclidean", "maximum", "manhattan")
_COUNTS = frozenset({"p", "q"})
_FLAGS = frozenset({"nugget"})


def read_structure(text: str) -> Any:
    """Read one structure from R's text.

    Parameters
    ----------
    text : str
        ``"varPower(form = ~ age)"``, ``"corARMA(p = 1, q = 1)"``, ``"pdDiag(~ age)"``.

    Returns
    -------
    VarFunc, CorStruct or PdMat

    Raises
    ------
    SpecError
        For an unknown structure or argument, with its place.

    Examples
    --------
    >>> read_structure("corAR1(0.2, form = ~ 1 | Subject)")
    CorAR1(value=0.2, form='~1 | Subject', fixed=False)
    """
    return structure_of(parse_expression(text), text)


def structure_of(node: Expr, text: str, known: dict[str, tuple[str, ...]] | None = None) -> Any:
    """Build the structure an expression names.

    Parameters
    ----------
    node : Expr
    text : str
    known : dict, optional
        The structures that may stand here; all by default.

    Returns
    -------
    VarFunc, CorStruct or PdMat
    """
    known = ARGUMENTS if known is None else known
    node = bare(node)
    name = node.function.removeprefix("nlme::") if isinstance(node, Call) else ""
    if not isinstance(node, Call) or name not in known:
        raise SpecError(_unknown(node, name, known), text=text, position=start(node))
    try:
        return _build(name, node, text)
    except SpecError as error:
        if error.text is not None:
            raise
        raise SpecError(str(error), text=text, position=start(node)) from error


def class_of(name: str) -> Any:
    """Return the class of a structure by R's name."""
    return getattr(structures, name[0].upper() + name[1:])


def canonical(structure: Any) -> Any:
    """Return a structure with formula and values in one spelling, so that equal ones compare equal.

    Parameters
    ----------
    structure : VarFunc, CorStruct or PdMat

    Returns
    -------
    VarFunc, CorStruct or PdMat
    """
    if isinstance(structure, structures.VarComb):
        return structures.VarComb(*map(canonical, structure.functions))
    if isinstance(structure, structures.PdBlocked):
        return structures.PdBlocked([canonical(b) for b in structure.blocks], structure.sizes)
    changes = {}
    for part in fields(structure):
        old = getattr(structure, part.name)
        new = _form(old, part.default, structure) if part.name == "form" else _plain(old)
        if type(new) is not type(old) or new != old:
            changes[part.name] = new
    return replace(structure, **changes) if changes else structure


def _form(form: Any, default: Any, structure: Any) -> str | None:
    if form is None:
        return None
    formula = one_sided(parse_formula(form), structure.r_name)
    if not isinstance(structure, structures.VarFunc):
        refuse_fitted(formula.rhs, structure.r_name)
    same = isinstance(default, str) and parse_formula(default) == formula
    return default if same else str(formula)


def _plain(value: Any) -> Any:
    """Numbers as floats, sequences and arrays as tuples, mappings as dicts."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_plain(v) for v in value)
    return value


def one_sided(formula: Formula, who: str, text: str = "", position: int | None = None) -> Formula:
    """Return a formula after checking that it has no response."""
    if formula.lhs is not None:
        raise SpecError(
            f"{who}: the formula {formula} must be one-sided, such as ~ x",
            text=text or None,
            position=position,
        )
    return formula


def is_formula(node: Expr) -> bool:
    """Tell whether an expression has a tilde on top."""
    node = bare(node)
    return isinstance(node, Unary | Binary) and node.op == "~"


def _unknown(node: Expr, name: str, known: dict[str, tuple[str, ...]]) -> str:
    if not name:
        return f"a structure such as {next(iter(known))}() is needed, not {deparse(node)}"
    if name in ARGUMENTS:
        return f"{name}() cannot stand here, but only {', '.join(known)}"
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"unknown structure '{name}'{hint}; here may stand {', '.join(known)}"


def _build(name: str, call: Call, text: str) -> Any:
    if name == "varComb":
        parts = [structure_of(a.value, text, VARIANCE_ARGUMENTS) for a in call.args]
        return structures.VarComb(*parts)
    given = match_arguments(call, ARGUMENTS[name], text)
    for argument in ("nam", "data"):
        if argument in given:
            raise SpecError(
                f"{name}: leave out '{argument}', names and data come with the model",
                text=text,
                position=start(given[argument]),
            )
    if name == "pdBlocked":
        return _blocked(given, call, text)
    if name in {"varFixed", *RANDOM_ARGUMENTS} and is_formula(given.get("value", Constant("NULL"))):
        given["form"] = given.pop("value")
    keywords = {key: _argument(key, node, name, text) for key, node in given.items()}
    if name == "varFixed" and "form" not in keywords:
        raise SpecError("varFixed needs a formula, such as varFixed(~ x)")
    return canonical(class_of(name)(**_without_null(keywords)))


def _argument(key: str, node: Expr, name: str, text: str) -> Any:
    if key == "form":
        return str(one_sided(as_formula(node, text), name, text, start(node)))
    value = constant(node, text)
    if key in _COUNTS:
        return _count(value, key, name, text, node)
    if key in _FLAGS and not isinstance(value, bool):
        raise SpecError(
            f"{name}: {key} is TRUE or FALSE, not {deparse(node)}",
            text=text,
            position=start(node),
        )
    if key == "metric":
        found = [m for m in METRICS if isinstance(value, str) and m.startswith(value)]
        if len(found) != 1:
            raise SpecError(
                f"{name}: metric is one of {', '.join(METRICS)}",
                text=text,
                position=start(node),
            )
        return found[0]
    return value


def _count(value: Value, key: str, name: str, text: str, node: Expr) -> int:
    if not isinstance(value, float) or value < 0 or value % 1:
        raise SpecError(
            f"{name}: {key} is a whole number from 0 on, not {deparse(node)}",
            text=text,
            position=start(node),
        )
    return int(value)


def _without_null(keywords: dict[str, Any]) -> dict[str, Any]:
    """``value = NULL`` and ``numeric(0)``-like absences are R's default."""
    return {k: v for k, v in keywords.items() if v is not None}


def _blocked(given: dict[str, Expr], call: Call, text: str) -> Any:
    blocks = bare(given.get("form", given.get("value", Constant("NULL"))))
    if not isinstance(blocks, Call) or blocks.function != "list" or not blocks.args:
        raise SpecError(
            "pdBlocked needs a list of blocks, such as list(pdIdent(~ 1), pdIdent(~ a - 1))",
            text=text,
            position=start(call),
        )
    kinds = _classes(given.get("pdClass"), len(blocks.args), text)
    made = []
    for kind, arg in zip(kinds, blocks.args, strict=True):
        if is_formula(arg.value):
            formula = one_sided(as_formula(arg.value, text), kind, text, start(arg.value))
            made.append(class_of(kind)(form=str(formula)))
        else:
            made.append(structure_of(arg.value, text, RANDOM_ARGUMENTS))
    return structures.PdBlocked(made)


def _classes(node: Expr | None, count: int, text: str) -> list[str]:
    """The classes of blocks written as formulas: R's default, one for all, or one each."""
    if node is None:
        return ["pdSymm"] * count
    value = constant(node, text)
    names = list(value) if isinstance(value, tuple) else [value] * count
    plain = RANDOM_ARGUMENTS.keys() - {"pdBlocked"}
    if len(names) != count or not all(isinstance(n, str) and n in plain for n in names):
        raise SpecError(
            f"pdClass names one class for all {count} blocks or one for each, "
            f"among {', '.join(sorted(plain))}",
            text=text,
            position=start(node),
        )
    return [str(n) for n in names]
