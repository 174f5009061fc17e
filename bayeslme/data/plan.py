"""What a specification asks of a data frame: terms, random effects, and the columns they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bayeslme.data.calls import function_name
from bayeslme.data.columns import Columns
from bayeslme.data.coordinates import components, covariate_source, position_parts
from bayeslme.data.evaluate import Memory, columns_of, evaluate_rows
from bayeslme.data.groups import group_columns, group_parts
from bayeslme.data.rows import used_rows
from bayeslme.errors import DataError, SpecError
from bayeslme.spec.deparse import deparse
from bayeslme.spec.expr import Call, Expr, variables, walk
from bayeslme.spec.formula import Formula, parse_formula
from bayeslme.spec.functions import LEARNED
from bayeslme.spec.model import LmeSpec, RandomLevel
from bayeslme.spec.offset import offsets
from bayeslme.spec.terms import Terms, expand
from bayeslme.structures import PdMat


@dataclass(frozen=True, slots=True)
class RandomPart:
    """The random effects of one level, before data."""

    group: str
    structure: PdMat
    formulas: tuple[Formula, ...]
    branch: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a specification asks of the data.

    Attributes
    ----------
    spec : LmeSpec
    terms : Terms
        Of the fixed part, a dot expanded to the data's columns.
    offsets : tuple of Expr
        What the offset() terms of the fixed part hold.
    random : tuple of RandomPart
        Outermost first.
    forms : tuple of Formula
        Of the variance functions and of the correlation structure.
    """

    spec: LmeSpec
    terms: Terms
    offsets: tuple[Expr, ...]
    random: tuple[RandomPart, ...]
    forms: tuple[Formula, ...]

    @classmethod
    def of(cls, spec: LmeSpec, columns: Columns, grouped: Any) -> Plan:
        """Of a specification; `grouped` is the formula that comes with the data, if any."""
        random = tuple(part for level in spec.random for part in _parts_of(level, grouped))
        rows = [part.form for part in components(spec.weights)]
        rows += [] if spec.correlation is None else [spec.correlation.form]
        terms = expand(spec.fixed, tuple(map(str, columns.frame.columns)))
        own = offsets(spec.fixed)
        return cls(spec, terms, own, random, tuple(map(parse_formula, rows)))

    def needed(self, columns: Columns) -> list[str]:
        """Names of the columns used, each checked to exist."""
        wanted: dict[str, str] = {}
        for names, where in self._uses(columns):
            for name in names:
                wanted.setdefault(name, where)
        for name, where in wanted.items():
            columns.require([name], where)
        return [name for name in wanted if name in columns]

    def _uses(self, columns: Columns) -> Iterator[tuple[tuple[str, ...], str]]:
        """Columns and where they are used, in the order in which a missing one is reported."""
        yield columns_of(left_side(self.spec.fixed)), "response"
        for variable in self.terms.variables:
            yield columns_of(variable), "fixed"
        for value in self.offsets:
            yield columns_of(value), "offset"
        for group in self.spec.fixed.groups:
            yield group_columns(group, columns), "groups"
        for part in self.random:
            yield group_columns(part.group, columns), "random groups"
            for formula in part.formulas:
                yield columns_of(formula.rhs), "random"
        for form in self.forms:
            yield form.variables, "correlation or weights"

    def read(self) -> list[str]:
        """Names that the subset uses beside `needed`; some may be R's constants."""
        return [] if self.spec.subset is None else list(variables(self.spec.subset))

    def made(self, columns: Columns) -> list[Expr]:
        """Expressions whose values the model uses, one value a row; columns are among them."""
        found = [left_side(self.spec.fixed), *self.terms.variables, *self.offsets]
        groups = [*self.spec.fixed.groups, *(part.group for part in self.random)]
        for part in self.random:
            for formula in part.formulas:
                found += expand(formula).variables
        for form in self.forms:
            groups += form.groups
        found += self._covariates()
        found += [part for g in groups if g not in columns for part in group_parts(g)]
        return list({deparse(expr): expr for expr in found}.values())

    def _covariates(self) -> list[Expr]:
        """Variance covariates that are functions of the data, and positions."""
        forms = [parse_formula(part.form).rhs for part in components(self.spec.weights)]
        found = [rhs for rhs in forms if covariate_source(rhs)[0] == "data"]
        if self.spec.correlation is not None:
            found += position_parts(self.spec.correlation, self.forms[-1])
        return found


def left_side(fixed: Formula) -> Expr:
    """The response of the fixed formula."""
    if fixed.lhs is None:
        msg = f"the fixed formula '{fixed}' has no response; write it as y ~ x"
        raise SpecError(msg)
    return fixed.lhs


def _parts_of(level: RandomLevel, grouped: Any) -> tuple[RandomPart, ...]:
    groups = (level.group,) if level.group else _default_groups(grouped)
    return tuple(
        RandomPart(group, level.structure, level.formulas, level.branch) for group in groups
    )


def _default_groups(text: Any) -> tuple[str, ...]:
    """The groups of R's grouped data, whose formula is kept with the frame."""
    groups = parse_formula(text).groups if isinstance(text, str) else ()
    if not groups:
        msg = (
            'random: no group is named; write it as "~ 1 | g", or give the data frame '
            'attrs["formula"] = "y ~ x | g"'
        )
        raise DataError(msg)
    return groups


def learned_before(spec: LmeSpec, terms: Terms, whole: Columns) -> Memory:
    """What functions such as poly learn from rows that the model then leaves out.

    R's lm evaluates its variables on the whole data frame, nlme on the rows used only.
    """
    memory: Memory = {}
    for variable in terms.variables if spec.function == "lm" else ():
        if any(
            isinstance(part, Call) and function_name(part) in LEARNED for part in walk(variable)
        ):
            own = used_rows(whole, columns_of(variable), None, "omit", [variable])
            evaluate_rows(variable, whole if own is None else whole.take(own), memory)
    return memory
