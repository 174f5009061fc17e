"""From a specification and a data frame to a Design."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from bayeslme.data.contrasts import Contrasts
from bayeslme.data.coordinates import correlation_coords, variance_coords
from bayeslme.data.evaluation.evaluate import evaluate_number
from bayeslme.data.model_matrix import JoinedMatrix, Made, MatrixSpec, aliased, learn
from bayeslme.data.offset import offset_values
from bayeslme.data.plan import Plan, learned_before, left_side, used_rows
from bayeslme.data.types import CorrelationCoords, Design, FloatArray, IntArray, Level
from bayeslme.data.variables.columns import Columns, as_frame, owned
from bayeslme.data.variables.crossed import Placed, placed
from bayeslme.data.variables.factors import Factor, rows_not_finite
from bayeslme.data.variables.groups import Grouping, first_met, group_values, renumbered
from bayeslme.errors import DataError, IdentificationWarning, SpecError, listed, rows_of
from bayeslme.formula.deparse import deparse
from bayeslme.formula.formula import Formula, parse_formula
from bayeslme.formula.terms import expand
from bayeslme.spec.model import LmeSpec
from bayeslme.structures import Related

ORIGINS = "origins"  # of a frame's attrs: from when days are counted, where that is known
RESERVED = frozenset({"fixed", "corstruct", "varfunc", "sigma"})


@np.errstate(under="ignore")  # a correlation that underflows is 0
def build(spec: LmeSpec, frame: pd.DataFrame) -> Design:
    """Evaluate a specification on a data frame.

    Parameters
    ----------
    spec : LmeSpec
    frame : DataFrame
        Of pandas, or an object with ``to_pandas()``, as Polars' and Arrow's frames; rows in any
        order. Where the random formula names no group, ``frame.attrs["formula"]``
        (such as ``"distance ~ age | Subject"``) supplies it.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        If `frame` is not a data frame; for unknown columns, missing or infinite values, no rows
        left, aliased columns, factors of one level, text where numbers are needed, and groups that
        do not nest.

    Warns
    -----
    IdentificationWarning
        Where a level has one group, or one row for each group, so that a variance is not
        identified.
    """
    frame = as_frame(frame)
    origins = frame.attrs.get(ORIGINS)
    given = Columns(frame, origins)
    plan = Plan.of(spec, given, frame.attrs.get("formula"))
    names = plan.needed(given)
    whole = Columns(owned(frame, [*names, *plan.read(given)]), origins)
    memory = learned_before(spec, plan.terms, whole)
    subset = spec.subset if spec.mask is None else spec.mask
    values, groups = plan.made(whole), plan.made_groups(whole)
    rows = used_rows(whole, names, subset, spec.na_action, values, memory, groups)
    columns = whole if rows is None else whole.take(rows)
    contrasts = _contrasts(spec)
    matrix, X = learn(plan.terms, columns, contrasts, memory=memory)
    _check_rank(X, matrix.names)
    _check_group_names([level.group for level in plan.random])
    correlated = () if spec.correlation is None else parse_formula(spec.correlation.form).groups
    where = placed(columns, plan.random, own_labels=spec.function == "lmer", correlated=correlated)
    groupings = tuple(one.grouping for one in where)
    made = [_level(one, columns, contrasts, Made(X, matrix.names)) for one in where]
    ignored = _ignored_contrasts(spec, whole, (matrix, *(m for _, m in made)))
    levels = tuple(level for level, _ in made)
    _warn_unidentified(levels, columns.n, known_residuals=spec.control.sigma is not None)
    crossed = any(level.branch for level in levels)
    related = any(level.related is not None for level in levels)
    correlation = correlation_coords(
        spec.correlation, columns, groupings, crossed=crossed, related=related
    )
    # Crossed groups have no order in which rows could be sorted by all of them.
    sorting = None if crossed or related else _sorting(groupings, correlation, columns)
    variance = variance_coords(spec.weights, columns, sorting)
    y = _response(spec.fixed, columns)
    offset = offset_values(plan.offsets, columns, finite=True)
    return Design(
        spec=spec,
        y=y,
        X=X,
        x_names=matrix.names,
        assign=matrix.assign,
        term_labels=plan.terms.labels,
        has_intercept=plan.terms.intercept,
        levels=levels,
        variance=variance,
        correlation=correlation,
        source=whole.frame,
        picked=rows,
        needed=tuple(dict.fromkeys([*names, *ignored])),
        matrix=matrix,
        random_matrices=tuple(m for _, m in made),
        response_label=deparse(left_side(spec.fixed)),
        origins=dict(whole.origins),
        counted=tuple(sorted(whole.counted)),
        offset=offset,
    )


def _check_group_names(groups: list[str]) -> None:
    """Refuse groups named like other parts of intervals and posteriors."""
    for group in groups:
        if group in RESERVED:
            msg = (
                f"the grouping column '{group}' has a name that posteriors use themselves, and "
                "intervals too; give it another"
            )
            raise DataError(msg)


def _contrasts(spec: LmeSpec) -> Contrasts:
    unordered, ordered = spec.contrasts
    return Contrasts(unordered, ordered, dict(spec.factor_contrasts))


def _ignored_contrasts(
    spec: LmeSpec, whole: Columns, matrices: tuple[MatrixSpec | JoinedMatrix, ...]
) -> list[str]:
    """Warn of factors that no term codes, as R does; refuse variables that are not factors."""
    ignored = []
    known = {label: None for matrix in matrices for label in matrix.codings}
    for name in spec.factor_contrasts:
        if name in known:
            continue
        if name in whole and isinstance(whole[name], Factor):
            warnings.warn(
                f"contrasts: '{name}' is in no term of the fixed or random effects, its contrasts "
                "are ignored",
                stacklevel=4,
            )
            ignored.append(name)
            continue
        has = f"; its factors are {listed([*known])}" if known else ""
        msg = f"contrasts: '{name}' is no factor of the model{has}"
        raise DataError(msg)
    return ignored


def _response(fixed: Formula, columns: Columns) -> FloatArray:
    y = evaluate_number(left_side(fixed), columns)
    bad = rows_not_finite(y)
    if bad:
        msg = f"the response '{deparse(left_side(fixed))}' is not a finite number in {rows_of(bad)}"
        raise DataError(msg)
    return y


def _level(
    where: Placed, columns: Columns, contrasts: Contrasts, made: Made
) -> tuple[Level, MatrixSpec | JoinedMatrix]:
    part, grouping = where.part, where.grouping
    learned = [learn(expand(formula), columns, contrasts, made) for formula in part.formulas]
    matrix = learned[0][0] if len(learned) == 1 else JoinedMatrix(tuple(m for m, _ in learned))
    Z = learned[0][1] if len(learned) == 1 else np.concatenate([z for _, z in learned], axis=1)
    structure = part.structure.with_sizes([z.shape[1] for _, z in learned])
    if not matrix.names:
        msg = (
            f"random: '{part.formulas[0]}' for group '{part.group}' has no effects; use ~ 1 for "
            "an intercept"
        )
        raise SpecError(msg)
    sizes = np.bincount(grouping.code)
    structure.require_data(len(matrix.names), int(sizes.max()), columns.n, part.group)
    level = Level(
        grouping.name,
        structure,
        part.formulas[0],
        Z,
        matrix.names,
        grouping.code,
        grouping.labels,
        grouping.parent,
        where.branch,
        where.alone,
        part.group,
        grouping.known,
        _related(where, columns),
    )
    return level, matrix


def _related(where: Placed, columns: Columns) -> Related | None:
    """How the groups of a level hang together, by the labels of its own column."""
    grouping, structure = where.grouping, where.part.structure
    if not structure.relates_groups or grouping.known is None:
        return None
    own, members = grouping.known.levels[-1], grouping.known.members[:, -1]
    labels = [own[k] for k in members.tolist()]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        msg = (
            f"random: '{twice:.40}' of '{where.part.group}' lies in several outer groups, and a "
            "known covariance has one effect for each label; give the levels as a list"
        )
        raise DataError(msg)
    return structure.related(
        labels,
        ordered=_order_is_certain(columns, where.part.group, labels),
        factor=where.part.group,
    )


def _order_is_certain(columns: Columns, name: str, labels: list[str]) -> bool:
    """Whether groups are all levels of a Categorical, or are met in their sorted order."""
    factor = group_values(columns, name)
    if list(factor.levels) != labels:
        return False
    _, first = np.unique(factor.code, return_index=True)
    categorical = name in columns and isinstance(columns.frame[name].dtype, pd.CategoricalDtype)
    return categorical or bool(np.all(np.diff(first) > 0))


def _sorting(
    groupings: tuple[Grouping, ...], correlation: CorrelationCoords | None, columns: Columns
) -> IntArray | None:
    """Groups by which nlme sorts the rows.

    In lme the random ones, or the correlation's where these are nested further; in gls the
    correlation's: gls pastes the labels of nested groups together and takes them as they come,
    unless the outermost factor is ordered.
    """
    if groupings:
        if correlation is not None and len(correlation.groups) > len(groupings):
            return correlation.code
        return groupings[-1].code
    if correlation is None or not correlation.groups:
        return None
    outermost, *inner = correlation.groups
    if inner and group_values(columns, outermost).kind != "ordered":
        order = first_met(correlation.code, len(correlation.labels), None)
        return renumbered(correlation.code, order)
    return correlation.code


def _check_rank(X: FloatArray, names: tuple[str, ...]) -> None:
    if not names:
        return
    n, p = X.shape
    if p > n:
        raise DataError(f"{n} rows cannot identify {p} fixed-effects coefficients")
    dependent = aliased(X)
    if dependent:
        what = listed([names[k] for k in dependent], quote="'")
        msg = (
            f"fixed: {what} depend linearly on the columns before them (rank "
            f"{X.shape[1] - len(dependent)} of {X.shape[1]}); leave them out"
        )
        raise DataError(msg)


def _warn_unidentified(levels: tuple[Level, ...], n: int, *, known_residuals: bool) -> None:
    """Warn of variances that the data do not identify; the model is fitted as in nlme."""
    for k, level in enumerate(levels):
        count = len(level.labels)
        if level.related is not None and count > 1:
            continue  # covariances between groups tell it apart
        outer = levels[k - 1] if k and levels[k - 1].branch == level.branch else None
        if count == 1 and not _shares(level):
            _warn(
                f"group '{level.group}' has one level in the data: the variance of its random "
                "effects is not identified"
            )
        elif count == n and "(Intercept)" in level.effects and not known_residuals:
            _warn(
                f"group '{level.group}' has one row per level: its variance and the residual "
                "variance are not identified apart"
            )
        elif (
            outer is not None
            and outer.related is None
            and count == len(outer.labels)
            and _share_effects(outer, level)
        ):
            _warn(
                f"every '{outer.group}' has one '{level.group}': the variances of these two "
                "levels are not identified apart"
            )


def _share_effects(one: Level, other: Level) -> bool:
    return bool(set(one.effects) & set(other.effects))


def _warn(message: str) -> None:
    warnings.warn(message, IdentificationWarning, stacklevel=4)


def _shares(level: Level) -> bool:
    """Whether several effects share each variance: one group is then enough (crossed effects)."""
    parts = level.structure.parts(len(level.effects))
    return all(block.shares_variance and rows.stop - rows.start > 1 for block, rows in parts)
