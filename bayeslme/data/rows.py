"""Which rows of the data frame a model uses: subset first, then missing values, as in R."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayeslme.data.calls import function_name
from bayeslme.data.columns import Columns
from bayeslme.data.evaluate import Memory, columns_of, evaluate_mask, evaluate_rows, missing
from bayeslme.data.types import IntArray
from bayeslme.data.values import Basis
from bayeslme.data.wording import listed, rows_of
from bayeslme.errors import DataError
from bayeslme.spec.deparse import deparse
from bayeslme.spec.expr import Call, Expr, Name, Number, String, bare, variables, walk
from bayeslme.spec.functions import LEARNED


def used_rows(
    columns: Columns,
    names: Sequence[str],
    subset: Any,
    na_action: str,
    expressions: Sequence[Expr] = (),
    memory: Memory | None = None,
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
    keep = _without_made(columns, expressions, keep, na_action, memory, quiet=(np.ndarray, Basis))
    return None if keep is None or keep.all() else np.flatnonzero(keep)


def _check_any(keep: np.ndarray | None, names: Sequence[str]) -> None:
    if keep is not None and not keep.any():
        msg = f"every row has a missing value in one of {listed(names)}: no row is left"
        raise DataError(msg)


def _learned_from(expressions: Sequence[Expr]) -> list[Expr]:
    """What functions such as poly learn from, the innermost first, each for itself.

    A missing value there would spoil every row, so that these rows have to go before.
    """
    calls = [node for expr in expressions for node in walk(expr) if isinstance(node, Call)]
    return [
        argument.value
        for call in reversed(calls)
        if function_name(call) in LEARNED
        for argument in call.args
        if columns_of(argument.value)
    ]


def _without_made(
    columns: Columns,
    expressions: Sequence[Expr],
    keep: np.ndarray | None,
    na_action: str,
    memory: Memory | None,
    quiet: tuple[type, ...] = (),
) -> np.ndarray | None:
    """Rows of `keep` in which no expression is missing; None where these are all rows.

    Under "fail", values of the types `quiet` are left to those who use them, whose errors say more.
    """
    rows = None if keep is None else np.flatnonzero(keep)
    used = columns if rows is None else columns.take(rows)
    absent = np.zeros(used.n, dtype=bool)
    counts: dict[str, int] = {}
    for expr in expressions:
        if isinstance(bare(expr), Name | Number | String):
            continue  # columns have been looked at
        value = evaluate_rows(expr, used, None if memory is None else dict(memory))
        own = None if na_action == "fail" and isinstance(value, quiet) else missing(value)
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
