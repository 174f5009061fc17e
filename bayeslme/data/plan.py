"""What a specification needs of a data frame: terms, random effects, columns, and rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslme.data.coordinates import components, covariate_source, position_parts
from bayeslme.data.evaluation.calls import function_name
from bayeslme.data.evaluation.evaluate import (
    Memory,
    columns_of,
    evaluate_mask,
    evaluate_rows,
    missing,
)
from bayeslme.data.types import IntArray
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Basis
from bayeslme.data.variables.groups import group_columns, group_parts
from bayeslme.errors import DataError, SpecError, listed, rows_of
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    Call,
    Dot,
    Expr,
    Name,
    Number,
    String,
    bare,
    variables,
    walk,
)
from bayeslme.formula.formula import Formula, offsets, parse_formula
from bayeslme.formula.functions import LEARNED
from bayeslme.formula.terms import Terms, expand
from bayeslme.spec.frame_expression import by_number
from bayeslme.spec.make import row_numbers
from bayeslme.spec.model import LmeSpec, RandomLevel
from bayeslme.structures import PdMat


def used_rows(
    columns: Columns,
    names: Sequence[str],
    subset: Any,
    na_action: str,
    expressions: Sequence[Expr] = (),
    memory: Memory | None = None,
    groups: Sequence[Expr] = (),
) -> IntArray | None:
    """Rows that enter the model.

    Parameters
    ----------
    columns : Columns
        Of the whole frame.
    names : sequence of str
        Columns that the model needs.
    subset : expression, boolean mask of the frame's length, or None
    na_action : {"fail", "omit", "exclude"}
    expressions : sequence of Expr
        What the model makes of the columns: missing values made here count as those of a column.
    memory : dict, optional
        What stateful functions have learned already.
    groups : sequence of Expr
        Those of the expressions that are groups: a number that is missing there is in no group.

    Returns
    -------
    (n,) int array of positions, ascending, or None where all rows are used

    Raises
    ------
    DataError
        For missing values under "fail", infinite values of columns always, and where no row is
        left.
    """
    keep = None if subset is None else subset_mask(subset, columns)
    if keep is not None and not keep.any():
        msg = f"subset keeps none of the {columns.n} rows of the data"
        raise DataError(msg)
    if columns.n == 0:
        msg = "the data have no rows"
        raise DataError(msg)
    complete = _complete(columns, names, keep, na_action)
    if complete is not None:
        keep = complete if keep is None else keep & complete
    _check_any(keep, names)
    for inner in _learned_from(expressions):
        keep = _without_made(columns, [inner], keep, na_action, memory)
    told = {deparse(group) for group in groups}
    numbers = [expr for expr in expressions if deparse(expr) not in told]
    keep = _without_made(columns, expressions, keep, na_action, memory, quiet=numbers)
    return None if keep is None or keep.all() else np.flatnonzero(keep)


def _check_any(keep: np.ndarray | None, names: Sequence[str]) -> None:
    if keep is not None and not keep.any():
        msg = f"every row has a missing value in one of {listed(names)}: no row is left"
        raise DataError(msg)


def _learned_from(expressions: Sequence[Expr]) -> list[Expr]:
    """What functions such as poly learn from, the innermost first, each for itself.

    A missing value there would make every row missing, so these rows are dropped first.
    """
    calls = [node for expr in expressions for node in walk(expr) if isinstance(node, Call)]
    return [
        argument.value
        for call in reversed(calls)
        if function_name(call) in LEARNED
        for k, argument in enumerate(call.args)
        # other arguments are constants, though one may be learned, as knots = quantile(x, p) is
        if argument.name == "x" or (k == 0 and argument.name is None)
        if columns_of(argument.value)
    ]


def _without_made(
    columns: Columns,
    expressions: Sequence[Expr],
    keep: np.ndarray | None,
    na_action: str,
    memory: Memory | None,
    quiet: Sequence[Expr] = (),
) -> np.ndarray | None:
    """Rows of `keep` in which no expression is missing; None where these are all rows.

    Under "fail", numbers of the expressions `quiet` are left to those who use them, whose errors
    say more.
    """
    silent = {deparse(expr) for expr in quiet} if na_action == "fail" else set()
    rows = None if keep is None else np.flatnonzero(keep)
    used = columns if rows is None else columns.take(rows)
    absent = np.zeros(used.n, dtype=bool)
    counts: dict[str, int] = {}
    for expr in expressions:
        if isinstance(bare(expr), Name | Number | String):
            continue  # columns have been looked at
        value = evaluate_rows(expr, used, None if memory is None else dict(memory))
        left_out = deparse(expr) in silent and isinstance(value, np.ndarray | Basis)
        own = None if left_out else missing(value)
        if own is not None:
            absent |= own
            counts[deparse(expr)] = int(own.sum())
    if not counts:
        return keep
    if na_action == "fail":
        raise _refused(counts)
    if absent.all():
        _check_any(~absent, list(counts))
    left = np.zeros(columns.n, dtype=bool)
    left[(np.arange(columns.n) if rows is None else rows)[~absent]] = True
    return left


def _refused(counts: dict[str, int]) -> DataError:
    what = listed([f"{name} ({rows_of(count)})" for name, count in counts.items()])
    return DataError(
        f"missing values in {what}; na_action='omit' (na.action = na.omit) drops these rows"
    )


def subset_mask(subset: Any, columns: Columns) -> np.ndarray:
    """Rows that a subset keeps, (n,) bool; NA is dropped."""
    if hasattr(subset, "position"):
        if by_number(subset):
            return _numbered(row_numbers(subset, ""), columns.n)
        columns.require(variables(subset), "subset")
        return evaluate_mask(subset, columns)
    mask = np.asarray(subset)
    if mask.dtype == object and all(v is None or isinstance(v, bool | np.bool_) for v in mask):
        mask = np.array([v is not None and bool(v) for v in mask], dtype=bool)
    if mask.dtype != bool or mask.shape != (columns.n,):
        msg = (
            f"subset must be an expression or a boolean mask of {columns.n} values, one for each "
            "row of the data"
        )
        raise DataError(msg)
    return mask


def _numbered(numbers: Sequence[int], n: int) -> np.ndarray:
    """Rows with these numbers, counted from 1 as in R; negative ones are those left out."""
    beyond = next((number for number in numbers if abs(number) > n), None)
    if beyond is not None:
        msg = f"subset: row {abs(beyond)} is none of the {n} rows of the data"
        raise DataError(msg)
    left_out = bool(numbers) and numbers[0] < 0
    mask = np.full(n, left_out)
    mask[np.abs(np.array(numbers, dtype=np.intp)) - 1] = not left_out
    return mask


def _complete(
    columns: Columns, names: Sequence[str], keep: np.ndarray | None, na_action: str
) -> np.ndarray | None:
    """Rows without missing values, (n,) bool; None where none is missing."""
    counts: dict[str, int] = {}
    complete = np.ones(columns.n, dtype=bool)
    for name in names:
        column = columns[name] if columns.holds_numbers(name) else None
        if isinstance(column, np.ndarray) and np.isfinite(column).all():
            continue
        absent = columns.missing(name) if column is None else missing(column)
        if absent is not None and keep is not None:
            absent = absent & keep
        if absent is not None and absent.any():
            counts[name] = int(absent.sum())
            complete &= ~absent
        if isinstance(column, np.ndarray):
            _refuse_infinite(column if keep is None else column[keep], name)
    if counts and na_action == "fail":
        raise _refused(counts)
    return complete if counts else None


def _refuse_infinite(column: np.ndarray, name: str) -> None:
    count = int(np.isinf(column).sum())
    if count:
        msg = f"column '{name}' is infinite in {rows_of(count)}; correct or drop them (subset)"
        raise DataError(msg)


@dataclass(frozen=True, slots=True)
class RandomPart:
    """The random effects of one level, before data."""

    group: str
    structure: PdMat
    formulas: tuple[Formula, ...]
    branch: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a specification needs of the data.

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
        if self.spec.correlation is not None and self.spec.correlation.by is not None:
            yield group_columns(self.spec.correlation.by, columns), "correlation by"

    def read(self, columns: Columns) -> list[str]:
        """Names that the subset uses beside `needed`; some may be R's constants."""
        subset = self.spec.subset
        if subset is None:
            return []
        if any(isinstance(node, Dot) for node in walk(subset)):  # complete.cases(.)
            return list(columns.frame.columns)
        return list(variables(subset))

    def made(self, columns: Columns) -> list[Expr]:
        """Expressions whose values the model uses, one value a row; columns are among them."""
        found = [left_side(self.spec.fixed), *self.terms.variables, *self.offsets]
        for part in self.random:
            for formula in part.formulas:
                found += expand(formula).variables
        found += [*self._covariates(), *self.made_groups(columns)]
        return list({deparse(expr): expr for expr in found}.values())

    def made_groups(self, columns: Columns) -> list[Expr]:
        """Those of the expressions that are groups or strata."""
        groups = [*self.spec.fixed.groups, *(part.group for part in self.random)]
        for form in self.forms:
            groups += form.groups
        if self.spec.correlation is not None and self.spec.correlation.by is not None:
            groups.append(self.spec.correlation.by)
        return [part for g in groups if g not in columns for part in group_parts(g)]

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
