"""From a specification and a data frame to a Design."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayeslme.data.coding import Contrasts
from bayeslme.data.columns import Columns
from bayeslme.data.coordinates import components, correlation_coords, variance_coords
from bayeslme.data.evaluate import columns_of, evaluate_number
from bayeslme.data.groups import Grouping, nest
from bayeslme.data.made import Made
from bayeslme.data.model_matrix import JoinedMatrix, MatrixSpec, learn
from bayeslme.data.rank import aliased
from bayeslme.data.rows import used_rows
from bayeslme.data.types import CorrelationCoords, Design, FloatArray, Level
from bayeslme.data.values import rows_not_finite
from bayeslme.data.wording import listed, rows_of
from bayeslme.errors import DataError, IdentificationWarning, SpecError
from bayeslme.spec.expr import deparse
from bayeslme.spec.formula import Formula, parse_formula
from bayeslme.spec.model import LmeSpec, RandomLevel
from bayeslme.spec.terms import Terms, expand

SHARED = frozenset({"pdIdent", "pdCompSymm"})  # one variance for all effects of a block


def build(spec: LmeSpec, frame: pd.DataFrame) -> Design:
    """Meet a specification with data.

    Parameters
    ----------
    spec : LmeSpec
    frame : pandas.DataFrame
        Rows in any order. Where the random formula names no group, ``frame.attrs["formula"]``
        (such as ``"distance ~ age | Subject"``) supplies it.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        For unknown columns, missing or infinite values, no rows left, aliased columns, factors of
        one level, text where numbers are needed, and groups that do not nest.

    Warns
    -----
    IdentificationWarning
        Where a level has one group, or one row for each group, so that a variance is not
        identified.
    """
    whole = Columns(frame)
    plan = _Plan.of(spec, whole, frame.attrs.get("formula"))
    names = plan.needed(whole)
    rows = used_rows(whole, names, spec.subset if spec.mask is None else spec.mask, spec.na_action)
    columns = whole if rows is None else whole.take(rows)
    contrasts = _contrasts(spec)
    matrix, X = learn(plan.terms, columns, contrasts)
    _check_rank(X, matrix.names)
    groupings = nest(columns, [level.group for level in plan.random])
    made = [
        _level(level, grouping, columns, contrasts, Made(X, matrix.names))
        for level, grouping in zip(plan.random, groupings, strict=True)
    ]
    _check_contrast_names(spec, (matrix, *(m for _, m in made)))
    levels = tuple(level for level, _ in made)
    _warn_unidentified(levels, columns.n)
    correlation = correlation_coords(spec.correlation, columns, groupings)
    return Design(
        spec=spec,
        y=_response(spec.fixed, columns),
        X=X,
        x_names=matrix.names,
        assign=matrix.assign,
        term_labels=plan.terms.labels,
        has_intercept=plan.terms.intercept,
        levels=levels,
        variance=variance_coords(spec.weights, columns, _sorting(groupings, correlation)),
        correlation=correlation,
        source=whole.frame,
        picked=rows,
        needed=tuple(names),
        matrix=matrix,
        random_matrices=tuple(m for _, m in made),
        response_label=deparse(_left(spec.fixed)),
    )


@dataclass(frozen=True, slots=True)
class _RandomPart:
    """The random effects of one level, before data."""

    group: str
    structure: Any
    formulas: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a specification asks of the data."""

    spec: LmeSpec
    terms: Terms
    random: tuple[_RandomPart, ...]
    forms: tuple[Formula, ...]

    @classmethod
    def of(cls, spec: LmeSpec, columns: Columns, grouped: Any) -> _Plan:
        random = tuple(part for level in spec.random for part in _random_parts(level, grouped))
        rows = [part.form for part in components(spec.weights)]
        rows += [] if spec.correlation is None else [spec.correlation.form]
        terms = expand(spec.fixed, tuple(map(str, columns.frame.columns)))
        return cls(spec, terms, random, tuple(map(parse_formula, rows)))

    def needed(self, columns: Columns) -> list[str]:
        """Names of the columns used, each checked to exist."""
        wanted: dict[str, str] = dict.fromkeys(columns_of(_left(self.spec.fixed)), "response")
        for variable in self.terms.variables:
            wanted.update(_new(wanted, columns_of(variable), "fixed"))
        for group in self.spec.fixed.groups:
            wanted.update(_new(wanted, _group_columns(group, columns), "groups"))
        for part in self.random:
            wanted.update(_new(wanted, _group_columns(part.group, columns), "random groups"))
            for formula in part.formulas:
                wanted.update(_new(wanted, columns_of(formula.rhs), "random"))
        for form in self.forms:
            wanted.update(_new(wanted, form.variables, "correlation or weights"))
        for name, where in wanted.items():
            columns.require([name], where)
        return [name for name in wanted if name in columns]


def _new(known: Mapping[str, str], names: tuple[str, ...], where: str) -> dict[str, str]:
    return {name: where for name in names if name not in known}


def _group_columns(group: str, columns: Columns) -> tuple[str, ...]:
    """A group is a column, or an expression such as factor(x)."""
    if group in columns or "(" not in group:
        return (group,)
    return parse_formula(f"~ {group}").variables


def _random_parts(level: RandomLevel, grouped: Any) -> tuple[_RandomPart, ...]:
    groups = (level.group,) if level.group else _default_groups(grouped)
    return tuple(_RandomPart(group, level.structure, level.formulas) for group in groups)


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


def _contrasts(spec: LmeSpec) -> Contrasts:
    unordered, ordered = spec.contrasts
    return Contrasts(unordered, ordered, dict(spec.factor_contrasts))


def _check_contrast_names(spec: LmeSpec, matrices: tuple[MatrixSpec | JoinedMatrix, ...]) -> None:
    known = {label: None for matrix in matrices for label in matrix.codings}
    for name in spec.factor_contrasts:
        if name not in known:
            has = f"; its factors are {listed([*known])}" if known else ""
            msg = f"contrasts: '{name}' is no factor of the model{has}"
            raise DataError(msg)


def _left(fixed: Formula) -> Any:
    if fixed.lhs is None:
        msg = f"the fixed formula '{fixed}' has no response; write it as y ~ x"
        raise SpecError(msg)
    return fixed.lhs


def _response(fixed: Formula, columns: Columns) -> FloatArray:
    y = evaluate_number(_left(fixed), columns)
    bad = rows_not_finite(y)
    if bad:
        msg = f"the response '{deparse(_left(fixed))}' is not a finite number in {rows_of(bad)}"
        raise DataError(msg)
    return y  # the frame's own values: pandas copies before it changes what the design still holds


def _level(
    part: _RandomPart, grouping: Grouping, columns: Columns, contrasts: Contrasts, made: Made
) -> tuple[Level, MatrixSpec | JoinedMatrix]:
    learned = [learn(expand(formula), columns, contrasts, made) for formula in part.formulas]
    matrix = learned[0][0] if len(learned) == 1 else JoinedMatrix(tuple(m for m, _ in learned))
    Z = learned[0][1] if len(learned) == 1 else np.concatenate([z for _, z in learned], axis=1)
    structure = part.structure
    if hasattr(structure, "blocks"):
        structure = structure.with_sizes([z.shape[1] for _, z in learned])
    if not matrix.names:
        msg = (
            f"random: '{part.formulas[0]}' for group '{part.group}' has no effects; use ~ 1 for "
            "an intercept"
        )
        raise SpecError(msg)
    level = Level(
        part.group,
        structure,
        part.formulas[0],
        Z,
        matrix.names,
        grouping.code,
        grouping.labels,
        grouping.parent,
    )
    return level, matrix


def _sorting(groupings: tuple[Grouping, ...], correlation: CorrelationCoords | None) -> Any:
    """Groups by which nlme sorts the rows: the random ones in lme, the correlation's in gls."""
    if groupings:
        return groupings[-1].code
    return correlation.code if correlation is not None and correlation.groups else None


def _check_rank(X: FloatArray, names: tuple[str, ...]) -> None:
    if not names:
        return
    dependent = aliased(X)
    if dependent:
        what = listed([names[k] for k in dependent], quote="'")
        msg = (
            f"fixed: {what} depend linearly on the columns before them (rank "
            f"{X.shape[1] - len(dependent)} of {X.shape[1]}); leave them out"
        )
        raise DataError(msg)


def _warn_unidentified(levels: tuple[Level, ...], n: int) -> None:
    """Say which variances the data cannot tell apart; the model is fitted as in nlme."""
    for k, level in enumerate(levels):
        count = len(level.labels)
        outer = levels[k - 1] if k else None
        if count == 1 and not _shares(level):
            _warn(
                f"group '{level.group}' has one level in the data: the variance of its random "
                "effects is not identified"
            )
        elif count == n and "(Intercept)" in level.effects:
            _warn(
                f"group '{level.group}' has one row per level: its variance and the residual "
                "variance are not identified apart"
            )
        elif outer is not None and count == len(outer.labels):
            _warn(
                f"every '{outer.group}' has one '{level.group}': the variances of these two "
                "levels are not identified apart"
            )


def _warn(message: str) -> None:
    warnings.warn(message, IdentificationWarning, stacklevel=4)


def _shares(level: Level) -> bool:
    """Whether several effects share each variance: one group is then enough (crossed effects)."""
    structure = level.structure
    blocks = getattr(structure, "blocks", (structure,))
    sizes = getattr(structure, "sizes", None) or (len(level.effects),)
    return all(b.r_name in SHARED and size > 1 for b, size in zip(blocks, sizes, strict=True))
