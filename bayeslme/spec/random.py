"""The random argument, in any of its spellings: formula, list or dict by group, or a structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bayeslme.errors import SpecError
from bayeslme.formula.constants import match_arguments
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call, Expr, String, bare, start
from bayeslme.formula.formula import Formula, as_formula, offsets, parse_formula
from bayeslme.formula.functions import refuse_fitted
from bayeslme.formula.grammar import parse_expression
from bayeslme.formula.terms import expand
from bayeslme.spec.model import RandomLevel
from bayeslme.spec.structure_reader import (
    canonical,
    is_formula,
    one_sided,
    structure_class,
    structure_classes,
    structure_of,
)
from bayeslme.structures import PdBlocked, PdLogChol, PdMat

_ALLOWED = (
    "random is ~ x | g, ~ x | g1/g2, a dict {group: formula or PdMat} (in R: list(g = ~ x)), "
    "a PdMat, or a list of these that cross"
)


def read_random(random: Any) -> tuple[RandomLevel, ...]:
    """Read the random argument of the Python functions.

    Parameters
    ----------
    random : str, Formula, mapping, PdMat, or a list of these
        Text is read as R: a formula, ``list(g = pdDiag(~ x))`` or ``pdDiag(~ x)``. The elements of
        a list are crossed, the levels of each nest.

    Returns
    -------
    tuple of RandomLevel
        Outermost first.

    Raises
    ------
    SpecError
        For what is no specification of random effects.

    Examples
    --------
    >>> [level.group for level in read_random("~ 1 | litter/pig")]
    ['litter', 'pig']
    """
    if isinstance(random, str):
        return random_of(parse_expression(random), random)
    if isinstance(random, Formula):
        return _from_formula(random)
    if isinstance(random, PdMat):
        return _from_structure(random)
    if isinstance(random, list | tuple):
        return _branches(list(random))
    if isinstance(random, Mapping) and random:
        return _distinct(tuple(_named_level(group, what) for group, what in random.items()))
    raise SpecError(f"{_ALLOWED}; not {type(random).__name__}")


def _branches(random: list[Any]) -> tuple[RandomLevel, ...]:
    """Levels of crossed branches, each as it would be alone."""
    if not random:
        raise SpecError(f"{_ALLOWED}; not an empty list")
    found: list[RandomLevel] = []
    for k, one in enumerate(random):
        if isinstance(one, list | tuple):
            raise SpecError("random: the elements of the list are formulas, dicts or structures")
        found += [replace(level, branch=k) for level in read_random(one)]
    unnamed = any(level.group is None for level in found)
    if unnamed and len(random) > 1:
        raise SpecError('random: each element of the list names its group, as in ["~ x | g", ...]')
    firsts = [next(str(e.group) for e in found if e.branch == k) for k in range(len(random))]
    twice = next((g for g in firsts if firsts.count(g) > 1), None)
    if twice is not None:
        related = any(e.structure.relates_groups for e in found if e.group == twice)
        instead = "with PdBlocked([...]) for independent effects"
        instead = "and once under a copy of the column" if related else instead
        raise SpecError(
            f"random: group '{twice}' stands in two elements of the list; give it once, {instead}"
        )
    return tuple(found)


def same_effects(fixed: Formula) -> tuple[RandomLevel, ...]:
    """R's default: the effects of the fixed part, their groups those of the data's own formula."""
    return (RandomLevel(None, PdLogChol(form=f"~{deparse(fixed.rhs)}")),)


def random_of(node: Expr, text: str, plain: Any = PdLogChol) -> tuple[RandomLevel, ...]:
    """Read the random argument of an R call.

    Parameters
    ----------
    node : Expr
    text : str
    plain : type of PdMat
        Structure of formulas that name none.

    Returns
    -------
    tuple of RandomLevel

    Raises
    ------
    SpecError
        For what is none, with its place.
    """
    node = bare(node)
    if is_formula(node):
        return _from_formula(_effects(node, text), plain)
    if isinstance(node, Call) and node.function.removeprefix("nlme::") == "reStruct":
        return _from_re_struct(node, text)
    if isinstance(node, Call) and node.function == "list" and node.args:
        levels = []
        for arg in node.args:
            if arg.name is None:
                if len(node.args) == 1:
                    return random_of(arg.value, text, plain)
                raise SpecError(
                    "name the group of each element, as in random = list(g1 = ~ 1, g2 = ~ x)",
                    text=text,
                    position=start(arg.value),
                )
            levels.append(RandomLevel(arg.name, _structure(arg.value, text, plain)))
        return _distinct(_merged(levels))
    if structure_class(node, PdMat) is not None:
        return _from_structure(structure_of(node, text, PdMat))
    hint = ": drop the quotes" if isinstance(node, String) else ""
    raise SpecError(f"{_ALLOWED}; not {deparse(node)}{hint}", text=text, position=start(node))


def _effects(node: Expr, text: str) -> Formula:
    return one_sided(as_formula(node, text), "random", text, start(node))


def _from_re_struct(call: Call, text: str) -> tuple[RandomLevel, ...]:
    """R's ``reStruct(object, pdClass)``: formulas without a structure have that of ``pdClass``.

    Its REML and data are those of the call around it, as in nlme.
    """
    given = match_arguments(call, ("object", "pdClass", "REML", "data"), text)
    if "object" not in given:
        raise SpecError(
            f"reStruct takes a formula or a list, and pdClass; not {deparse(call)}",
            text=text,
            position=start(call),
        )
    name = bare(given["pdClass"]) if "pdClass" in given else String(PdLogChol.r_name)
    classes = structure_classes(PdMat)
    del classes[PdBlocked.r_name]
    named = name.value if isinstance(name, String) else ""
    if named not in classes:
        raise SpecError(
            f"reStruct: pdClass is one of {', '.join(map(repr, classes))}; not {deparse(name)}",
            text=text,
            position=start(name),
        )
    return random_of(given["object"], text, classes[named])


def _structure(node: Expr, text: str, plain: Any = PdLogChol) -> Any:
    if not is_formula(node):
        return structure_of(node, text, PdMat)
    formula = _effects(node, text)
    _refuse_groups(formula)
    return plain(form=str(formula))


def _from_formula(formula: Formula, plain: Any = PdLogChol) -> tuple[RandomLevel, ...]:
    one_sided(formula, "random")
    if formula.crossed:
        raise SpecError(
            f"random: {formula} has crossed groups, which nlme writes as one group with "
            "pdBlocked(list(pdIdent(~ a - 1), pdIdent(~ b - 1)))"
        )
    structure = plain(form=str(formula.without_groups()))
    return _expandable(tuple(RandomLevel(group, structure) for group in formula.groups or (None,)))


def _from_structure(structure: PdMat) -> tuple[RandomLevel, ...]:
    """A structure alone; its formula may name the groups, as in ``PdDiag("~ x | g")``."""
    structure = _with_form(structure)
    if structure.composed:
        return _expandable((RandomLevel(None, structure),))
    formula = parse_formula(structure.form)
    plain = canonical(_replace_form(structure, str(formula.without_groups())))
    return _expandable(tuple(RandomLevel(group, plain) for group in formula.groups or (None,)))


def _named_level(group: Any, what: Any) -> RandomLevel:
    if not isinstance(group, str):
        raise SpecError(f"random: the group {group!r} must be a column name")
    if isinstance(what, PdMat):
        structure = _with_form(what)
    elif isinstance(what, str | Formula):
        text = str(what)
        structure = _structure(parse_expression(text), text)
    else:
        raise SpecError(f"random: '{group}' needs a formula or a PdMat, not {type(what).__name__}")
    return RandomLevel(group, structure)


def _with_form(structure: PdMat) -> PdMat:
    structure = canonical(structure)
    if any(block.form is None for block in structure.components):
        raise SpecError(f"{structure.r_name} needs a formula of its effects, such as ~ 1")
    return structure


def _replace_form(structure: Any, form: str) -> Any:
    return replace(structure, form=form)


def _refuse_groups(formula: Formula) -> None:
    if formula.groups:
        raise SpecError(f"random: the groups of {formula} are named twice")


def _merged(levels: list[RandomLevel]) -> tuple[RandomLevel, ...]:
    """Independent effects of one group, which R's list may name twice, as blocks of one level."""
    own: dict[str | None, list[PdMat]] = {}
    for level in levels:
        own.setdefault(level.group, []).extend(level.structure.components)
    whole = {level.group: level.structure for level in levels}
    return tuple(
        RandomLevel(group, whole[group] if len(blocks) == 1 else PdBlocked(blocks))
        for group, blocks in own.items()
    )


def _distinct(levels: tuple[RandomLevel, ...]) -> tuple[RandomLevel, ...]:
    groups = [level.group for level in levels]
    twice = next((g for g in groups if groups.count(g) > 1), None)
    if twice is not None:
        raise SpecError(f"random: group '{twice}' stands twice")
    for level in levels:
        for formula in level.formulas:
            _refuse_groups(formula)
    return _expandable(levels)


def _expandable(levels: tuple[RandomLevel, ...]) -> tuple[RandomLevel, ...]:
    """Refuse formulas without any effect, and those R's algebra cannot expand."""
    for level in levels:
        for formula in level.formulas:
            refuse_fitted(formula.rhs, "random")
            if offsets(formula):
                raise SpecError("random: an offset belongs into the fixed formula, y ~ offset(z)")
            terms = expand(formula)
            if not terms.intercept and not terms.terms:
                raise SpecError(f"random: {formula} has no effects")
    return levels
