"""Structures as R spells them: ``corAR1(0.2, form = ~ 1 | g)`` becomes ``CorAR1(0.2, ...)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from difflib import get_close_matches
from typing import Any

from bayeslme import structures
from bayeslme.errors import SpecError
from bayeslme.formula.constants import constant, match_arguments
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Binary, Call, Constant, Expr, Unary, bare, start
from bayeslme.formula.formula import Formula, as_formula, parse_formula
from bayeslme.formula.functions import refuse_fitted
from bayeslme.formula.grammar import parse_expression
from bayeslme.structures.correlation.positions import METRICS

FAMILIES = (structures.VarFunc, structures.CorStruct, structures.PdMat)
_ALSO = {"nam", "data"}  # of nlme's pdMat classes: names and data come with the model here


def structure_classes(*families: type) -> dict[str, Any]:
    """Return the classes of structures by R's name; being subclassed is all their registration.

    Parameters
    ----------
    *families : type
        VarFunc, CorStruct or PdMat; all three by default.

    Returns
    -------
    dict
    """
    found: dict[str, Any] = {}
    stack = list(reversed(families or FAMILIES))
    while stack:
        cls = stack.pop()
        if isinstance(cls.__dict__.get("r_name"), str):
            found[cls.__dict__["r_name"]] = cls
        stack += reversed(cls.__subclasses__())
    return found


def read_structure(text: str, *families: type) -> Any:
    """Read one structure from R's text.

    Parameters
    ----------
    text : str
        ``"varPower(form = ~ age)"``, ``"corARMA(p = 1, q = 1)"``, ``"pdDiag(~ age)"``.
    *families : type
        The kinds that may stand here, as for `structure_of`.

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
    return structure_of(parse_expression(text), text, *families)


def structure_of(node: Expr, text: str, *families: type) -> Any:
    """Build the structure an expression names.

    Parameters
    ----------
    node : Expr
    text : str
    *families : type
        The kinds that may stand here: VarFunc, CorStruct, PdMat; all by default.

    Returns
    -------
    VarFunc, CorStruct or PdMat

    Raises
    ------
    SpecError
        For an unknown structure, and arguments it does not take, with their place.
    """
    node = bare(node)
    cls = structure_class(node, *families)
    if cls is None or not isinstance(node, Call):
        raise SpecError(_unknown(node, families), text=text, position=start(node))
    try:
        return _build(cls, node, text)
    except SpecError as error:
        if error.text is not None:
            raise
        raise SpecError(str(error), text=text, position=start(node)) from error


def structure_class(node: Expr, *families: type) -> Any:
    """Return the class that a call names, or None."""
    name = node.function.removeprefix("nlme::") if isinstance(node, Call) else ""
    return structure_classes(*families).get(name)


def canonical(structure: Any) -> Any:
    """Return a structure with formula and values in one spelling, so that equal ones compare equal.

    Mappings are copied: what the user does to them later does not reach the structure.

    Parameters
    ----------
    structure : VarFunc, CorStruct or PdMat

    Returns
    -------
    VarFunc, CorStruct or PdMat
    """
    if structure.composed:
        return structure.with_components(map(canonical, structure.components))
    changes = {}
    for part in fields(structure):
        old = getattr(structure, part.name)
        new = _form(old, part.default, structure) if part.name == "form" else _plain(old)
        if isinstance(old, Mapping) or type(new) is not type(old) or new != old:
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


def _unknown(node: Expr, families: tuple[type, ...]) -> str:
    known = structure_classes(*families)
    if not isinstance(node, Call):
        return f"a structure such as {next(iter(known))}() is needed, not {deparse(node)}"
    if structure_class(node) is not None:
        return f"{node.function}() cannot stand here, but only {', '.join(known)}"
    near = get_close_matches(node.function, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"unknown structure '{node.function}'{hint}; here may stand {', '.join(known)}"


def _build(cls: Any, call: Call, text: str) -> Any:
    if issubclass(cls, structures.VarComb):
        return cls(*(structure_of(a.value, text, structures.VarFunc) for a in call.args))
    if issubclass(cls, structures.PdBlocked):
        return _blocked(call, text)
    parts = {part.name: part for part in fields(cls) if not part.kw_only}
    leading_form = issubclass(cls, structures.PdMat) or next(iter(parts)) == "form"
    given = match_arguments(call, _r_arguments(cls, tuple(parts)), text)
    _refuse_names(given, cls, text)
    if leading_form and is_formula(given.get("value", Constant("NULL"))):
        given["form"] = given.pop("value")
    keywords = {key: _argument(key, node, cls, text) for key, node in given.items()}
    keywords = {key: value for key, value in keywords.items() if value is not None}
    missing = [n for n, part in parts.items() if part.default is MISSING and n not in keywords]
    if missing:
        raise SpecError(f"{cls.r_name} needs its {missing[0]}, such as {cls.r_name}(~ x)")
    return canonical(cls(**keywords))


def _r_arguments(cls: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """R's argument names in R's order, which is that of the fields."""
    if issubclass(cls, structures.PdMat):
        return (*names, *sorted(_ALSO, reverse=True))
    return names if "value" in names or names[0] != "form" else ("value", *names)


def _refuse_names(given: dict[str, Expr], cls: Any, text: str) -> None:
    for argument in sorted(_ALSO & given.keys()):
        raise SpecError(
            f"{cls.r_name}: leave out '{argument}', names and data come with the model",
            text=text,
            position=start(given[argument]),
        )


def _argument(key: str, node: Expr, cls: Any, text: str) -> Any:
    """Read one argument; None for NULL."""
    if key == "form":
        return str(one_sided(as_formula(node, text), cls.r_name, text, start(node)))
    value = constant(node, text)
    if value is None:
        return None
    default = next((f.default for f in fields(cls) if f.name == key), None)
    try:
        return _coerced(key, value, default)
    except ValueError as error:
        message = f"{cls.r_name}: {key} is {error}, not {deparse(node)}"
        raise SpecError(message, text=text, position=start(node)) from error


def _coerced(key: str, value: Any, default: Any) -> Any:
    """Return a value of the kind its field has: a flag, a count, a metric, or anything."""
    if isinstance(default, bool) and not isinstance(value, bool):
        raise ValueError("TRUE or FALSE")
    if type(default) is int:
        if not isinstance(value, float) or value < 0 or value % 1:
            raise ValueError("a whole number from 0 on")
        return int(value)
    if key == "metric":
        found = [m for m in METRICS if isinstance(value, str) and m.startswith(value)]
        if len(found) != 1:
            raise ValueError(f"one of {', '.join(METRICS)}")
        return found[0]
    return value


def _blocked(call: Call, text: str) -> Any:
    given = match_arguments(call, ("value", "form", "nam", "data", "pdClass"), text)
    _refuse_names(given, structures.PdBlocked, text)
    blocks = bare(given.get("form", given.get("value", Constant("NULL"))))
    if not isinstance(blocks, Call) or blocks.function != "list" or not blocks.args:
        raise SpecError(
            "pdBlocked needs a list of blocks, such as list(pdIdent(~ 1), pdIdent(~ a - 1))",
            text=text,
            position=start(call),
        )
    kinds = _classes(given.get("pdClass"), len(blocks.args), text)
    made = []
    for cls, arg in zip(kinds, blocks.args, strict=True):
        if is_formula(arg.value):
            formula = one_sided(as_formula(arg.value, text), cls.r_name, text, start(arg.value))
            made.append(cls(form=str(formula)))
        else:
            made.append(structure_of(arg.value, text, structures.PdMat))
    return structures.PdBlocked(made)


def _classes(node: Expr | None, count: int, text: str) -> list[Any]:
    """Return the classes of blocks written as formulas: R's default, one for all, or one each."""
    if node is None:
        return [structures.PdSymm] * count
    value = constant(node, text)
    names = list(value) if isinstance(value, tuple) else [value] * count
    known = structure_classes(structures.PdMat)
    del known[structures.PdBlocked.r_name]
    if len(names) != count or not all(isinstance(n, str) and n in known for n in names):
        raise SpecError(
            f"pdClass names one class for all {count} blocks or one for each, "
            f"among {', '.join(known)}",
            text=text,
            position=start(node),
        )
    return [known[str(name)] for name in names]
