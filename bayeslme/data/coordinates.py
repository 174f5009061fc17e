"""Coordinates of the row-side structures: covariates, strata, correlation groups and positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslme.data.evaluation.evaluate import evaluate_number, evaluate_rows
from bayeslme.data.types import (
    CorrelationCoords,
    FloatArray,
    IntArray,
    VarianceCoords,
    VarianceSource,
)
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Factor, drop_unused, relabel, rows_not_finite
from bayeslme.data.variables.groups import Grouping, group_values, nest, strata
from bayeslme.errors import DataError, SpecError, rows_of
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call, Expr, Number, bare, r_number
from bayeslme.formula.formula import Formula, parse_formula
from bayeslme.formula.functions import read_fit_call
from bayeslme.formula.terms import expand
from bayeslme.structures import CorStruct, VarFunc

MODEL_COVARIATES: dict[str, VarianceSource] = {
    "fitted": "fitted",
    "resid": "resid",
    "residuals": "resid",
}


def components(weights: VarFunc | None) -> tuple[VarFunc, ...]:
    """The variance functions of a specification: those of a product, or the one."""
    return () if weights is None else weights.components


def variance_coords(
    weights: VarFunc | None, columns: Columns, sort_by: IntArray | None
) -> tuple[VarianceCoords, ...]:
    """Coordinates of each component of a variance function.

    Parameters
    ----------
    weights : VarFunc or None
    columns : Columns
        At the rows used.
    sort_by : (n,) int array or None
        Groups by which nlme sorts the rows before it numbers the strata.

    Returns
    -------
    tuple of VarianceCoords
        Empty without a variance function.
    """
    return tuple(_variance(part, columns, sort_by) for part in components(weights))


def _variance(part: VarFunc, columns: Columns, sort_by: IntArray | None) -> VarianceCoords:
    form = parse_formula(part.form)
    source, level = covariate_source(form.rhs)
    covariate = None
    if source == "data" and not is_constant(form.rhs):
        covariate = evaluate_number(form.rhs, columns)
        check_finite(covariate, form.rhs, part.r_name)
    found = strata(columns, form.groups, sort_by)
    return VarianceCoords(covariate, source, level, found.code, found.labels, found.known)


def is_constant(expr: Expr) -> bool:
    """Whether a formula is ``~ 1``: no covariate."""
    inner = bare(expr)
    return isinstance(inner, Number) and inner.value == 1


def covariate_source(expr: Expr) -> tuple[VarianceSource, str | int | None]:
    """Where a variance covariate comes from, and the level of ``fitted(., level = )``."""
    call = bare(expr)
    if not isinstance(call, Call) or call.function not in MODEL_COVARIATES:
        return "data", None
    found = read_fit_call(call, "weights")
    return MODEL_COVARIATES[call.function], found.level


def correlation_coords(
    correlation: CorStruct | None,
    columns: Columns,
    random: tuple[Grouping, ...],
    *,
    crossed: bool = False,
    related: bool = False,
) -> CorrelationCoords | None:
    """Coordinates of a correlation structure.

    Parameters
    ----------
    correlation : CorStruct or None
    columns : Columns
        At the rows used.
    random : tuple of Grouping
        The random-effects groups, outermost first; empty for `gls`.
    crossed : bool
        Whether these cross. The formula then names the groups, which lie within one of them.
    related : bool
        Whether groups of one are related, so that the correlation's may be any.

    Returns
    -------
    CorrelationCoords or None

    Raises
    ------
    DataError
        For groups that are coarser than the random ones or cross them, ties, and positions that
        are no integers.
    """
    if correlation is None:
        return None
    form = parse_formula(correlation.form)
    if crossed and not form.groups:
        listed = ", ".join(one.name for one in random)
        msg = (
            f"{correlation.r_name}: beside crossed random effects ({listed}) its form names its "
            f"groups, as in form='{form} | {random[0].name}'"
        )
        raise DataError(msg)
    groups = _correlation_groups(form.groups, columns, random)
    if random and form.groups and not (crossed or related):
        _check_nested(groups, random[-1], correlation.r_name)
    position, visits = position_values(correlation, form, columns)
    if position is not None:
        check_finite(position, form.rhs, correlation.r_name)
        dated = deparse(form.rhs) in columns.origins
        _check_position(correlation, form, position, groups, dated=dated)
    names = form.groups or tuple(level.name for level in random)
    level, levels = _levels(correlation, groups, columns)
    return CorrelationCoords(
        groups.code, groups.labels, position, names, groups.known, level, levels, visits
    )


def _levels(
    correlation: CorStruct, groups: Grouping, columns: Columns
) -> tuple[IntArray | None, tuple[str, ...]]:
    """Level of ``by`` of each row (n,), and the levels' names."""
    if correlation.by is None:
        return None, ()
    factor = drop_unused(group_values(columns, correlation.by))
    missing = int((factor.code < 0).sum())
    if missing:
        raise DataError(
            f"{correlation.r_name}: by = '{correlation.by}' is missing in {rows_of(missing)}"
        )
    of_group = np.empty(len(groups.labels), dtype=np.intp)
    of_group[groups.code] = factor.code
    mixed = np.flatnonzero(of_group[groups.code] != factor.code)
    if len(mixed):
        where = f"group '{groups.labels[groups.code[mixed[0]]]}' of '{groups.name}'"
        raise DataError(
            f"{correlation.r_name}: by = '{correlation.by}' must be constant within correlation "
            f"groups, but {where if groups.name else 'the data, one group,'} has several levels "
            "of it; name the groups in form = ~ ... | g"
        )
    return factor.code, tuple(map(str, factor.levels))


def _correlation_groups(
    names: Sequence[str], columns: Columns, random: tuple[Grouping, ...]
) -> Grouping:
    if names:
        if tuple(names) == tuple(level.name for level in random):
            return random[-1]
        return nest(columns, names)[-1]
    if random:
        return random[-1]
    nothing = np.zeros(1, dtype=np.intp)
    return Grouping("", np.zeros(columns.n, dtype=np.intp), ("",), nothing)


def _check_nested(groups: Grouping, random: Grouping, who: str) -> None:
    """Every correlation group must lie within one innermost random group."""
    of_group = np.empty(len(groups.labels), dtype=np.intp)
    of_group[groups.code] = random.code
    crossing = np.flatnonzero(of_group[groups.code] != random.code)
    if len(crossing):
        label = groups.labels[groups.code[crossing[0]]]
        msg = (
            f"{who}: correlation groups '{groups.name}' must be equal to or within the innermost "
            "random groups "
            f"'{random.name}', but '{label}' lies in several of them; use form = ~ ... | "
            f"{random.name}, or a list of the levels, random=[...]"
        )
        raise DataError(msg)


def position_parts(correlation: CorStruct, form: Formula) -> list[Expr]:
    """Expressions of the times or places, one for each dimension; none where they do not matter."""
    if is_constant(form.rhs) or not correlation.uses_positions:
        return []
    if not (correlation.spatial or correlation.by_coordinate):
        return [form.rhs]
    terms = expand(form.without_groups()).terms
    if any(term.order > 1 for term in terms):
        msg = f"{correlation.r_name}: places are written ~ x + y, not {deparse(form.rhs)}"
        raise SpecError(msg)
    return [v for term in terms for v in term.variables]


def position_values(
    correlation: CorStruct, form: Formula, columns: Columns, known: Factor | None = None
) -> tuple[FloatArray | None, Factor | None]:
    """Times or places of the rows, (n, d), and the factor that they are counted by.

    None stands for the order of the rows, and where places do not matter. Several variables of a
    spatial structure are its coordinates, in their order in the formula. The levels of a factor are
    counted from 1 in their order, in new rows by the levels `known` from the fit; NaN for others.
    """
    places = position_parts(correlation, form)
    if not places:
        return None, None
    if len(places) == 1 and not correlation.spatial:
        value = evaluate_rows(places[0], columns)
        if isinstance(value, Factor):
            own = drop_unused(value) if known is None else known
            code = relabel(value, own.levels, own.keys)
            return np.where(code < 0, np.nan, code + 1.0)[:, None], own
    return np.column_stack([evaluate_number(v, columns) for v in places]), None


def _check_position(
    correlation: CorStruct,
    form: Formula,
    position: FloatArray,
    groups: Grouping,
    *,
    dated: bool,
) -> None:
    label = deparse(form.rhs)
    who = f"{correlation.r_name}(form = {form})"
    broken = position[position != np.round(position)]
    if correlation.needs_integers and len(broken):
        ranks = f"as.integer(factor({label})) for their ranks"
        instead = "corCAR1 for real times" if correlation.stationary else ranks
        if dated:
            instead += f", or as.Date({label}) for calendar days"
        found = r_number(broken[0])
        msg = f"{who}: positions must be integers, and '{label}' has {found}; use {instead}"
        raise DataError(msg)
    tied = ties(groups.code, position)
    if tied is not None:
        place = ", ".join(r_number(v) for v in position[tied].tolist())
        where = (
            f"group '{groups.labels[groups.code[tied]]}' of '{groups.name}'"
            if groups.name
            else "the data"
        )
        msg = (
            f"{who}: {where} has two rows at {label} = {place}; each group needs distinct positions"
        )
        raise DataError(msg)


def ties(code: IntArray, position: FloatArray) -> int | None:
    """One row that shares its group and its position with another row; None where there is none."""
    keys = (*position.T[::-1], code)
    order = np.lexsort(keys)
    same = np.ones(len(code) - 1, dtype=bool)
    for key in keys:
        walked = key[order]
        same &= walked[1:] == walked[:-1]
    found = np.flatnonzero(same)
    return int(order[found[0] + 1]) if len(found) else None


def check_finite(values: FloatArray, expr: Expr, who: str) -> None:
    """Refuse a covariate or a position that is not finite."""
    bad = rows_not_finite(values)
    if bad:
        msg = f"{who}: '{deparse(expr)}' is not a finite number in {rows_of(bad)}"
        raise DataError(msg)
