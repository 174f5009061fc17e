"""Functions that make factors."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from bayeslme.data import settings
from bayeslme.data.evaluation.calls import Arguments, Evaluation, Function
from bayeslme.data.types import FloatArray
from bayeslme.data.variables.factors import Factor, Value, cross, drop_unused, from_numbers, relabel
from bayeslme.data.variables.labels import collation_key, joined_labels
from bayeslme.errors import DataError, SpecError, listed
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call, Expr, Name, String, bare


def as_factor(ev: Evaluation, expr: Expr) -> Factor:
    """A value as a factor, numbers as sorted levels."""
    column = bare(expr)
    if isinstance(column, Name) and column.name in ev.columns:
        return ev.columns.factor(column.name)
    value = ev.value(expr)
    if isinstance(value, Factor):
        return value
    if isinstance(value, np.ndarray):
        return from_numbers(value, integer=False)
    msg = f"'{deparse(expr)}' cannot be made a factor: it does not have one value per row"
    raise SpecError(msg)


def factor(*, ordered: bool) -> Function:
    """R's ``factor`` or ``ordered``, with levels and labels."""

    def make(ev: Evaluation, call: Call) -> Value:
        args = Arguments(call, ["x", "levels", "labels", "ordered"])
        made = as_factor(ev, args["x"])
        chosen = args.flag(ev, "ordered", default=ordered or made.kind == "ordered")
        made = _with_levels(ev, args, Factor(made.code, made.levels, keys=made.keys))
        labels = args.labels(ev, "labels")
        if labels is not None:
            made = _with_labels(args, made, labels)
        return replace(made, kind="ordered" if chosen else "factor")

    return make


def _with_levels(ev: Evaluation, args: Arguments, made: Factor) -> Factor:
    """The levels asked for, or those that occur; labels need those of the data of the fit."""
    levels = args.labels(ev, "levels")
    if levels is not None:
        if len(set(levels)) < len(levels):
            raise args.error("has a level twice among its 'levels'")
        return Factor(relabel(made, levels), levels)
    used = drop_unused(made)
    if "labels" not in args.given:
        return used
    levels, keys = ev.memory.setdefault(deparse(args.call), (used.levels, used.keys))
    return Factor(relabel(made, levels, keys), levels, keys=keys)


def _with_labels(args: Arguments, made: Factor, labels: tuple[str, ...]) -> Factor:
    """Levels under other names; equal names are merged."""
    if len(labels) != len(made.levels):
        raise args.error(f"has {len(labels)} labels for {len(made.levels)} levels")
    unique = tuple(dict.fromkeys(labels))
    table = np.array([*map(unique.index, labels), -1], dtype=np.intp)
    return Factor(table[made.code], unique)


def relevel(ev: Evaluation, call: Call) -> Value:
    """R's ``relevel``: another level comes first."""
    args = Arguments(call, ["x", "ref"])
    made, given = as_factor(ev, args["x"]), args.labels(ev, "ref")
    if given is None or len(given) != 1:
        raise args.error("needs one level for 'ref'")
    ref = given[0]
    if ref not in made.levels and ref != ev.memory.get(deparse(call)):
        msg = f"relevel(): '{ref}' is none of the levels {listed(made.levels)}"
        raise DataError(msg)
    ev.memory[deparse(call)] = ref
    if ref not in made.levels:  # new data without the reference, which the fit has
        levels = (ref, *made.levels)
        return Factor(relabel(made, levels), levels)
    first = made.levels.index(ref)
    order = np.array([first, *(k for k in range(len(made.levels)) if k != first)], dtype=np.intp)
    levels, keys = made.reordered(order)
    return Factor(relabel(made, levels, keys), levels, keys=keys)


def interaction(ev: Evaluation, call: Call) -> Value:
    """R's ``interaction``: combinations joined by a dot, the first factor varying fastest."""
    args = Arguments(call, ["first", "..."])
    result = as_factor(ev, args["first"])
    for expr in args.rest:
        result = _fastest_first(result, as_factor(ev, expr))
    return result


def _fastest_first(a: Factor, b: Factor) -> Factor:
    crossed, slow, fast = cross(b, a, ".")
    each = (np.array(f.levels, dtype=np.str_)[at] for f, at in ((a, fast), (b, slow)))
    return replace(crossed, levels=joined_labels([*each], "."))


def as_character(ev: Evaluation, call: Call) -> Value:
    """Labels as text, whose levels are sorted."""
    made = as_factor(ev, Arguments(call, ["x"])["x"])
    levels = tuple(sorted(made.levels, key=collation_key))
    return Factor(relabel(made, levels), levels, "text")


def with_contrasts(ev: Evaluation, call: Call) -> Value:
    """R's ``C``: a factor that carries its contrasts, its usual ones where none are named."""
    args = Arguments(call, ["object", "contr"])
    if "contr" not in args.given:
        return drop_unused(as_factor(ev, args["object"]))
    chosen = args["contr"]
    name = chosen.value if isinstance(chosen, String) else deparse(chosen)
    return replace(drop_unused(as_factor(ev, args["object"])), contrasts=name)


def cut(ev: Evaluation, call: Call) -> Value:
    """R's ``cut`` at given breaks, or into intervals of equal length over the data of the fit."""
    names = ["x", "breaks", "labels", "include.lowest", "right", "dig.lab", "ordered_result"]
    args = Arguments(call, names)
    x = args.column(ev, "x")
    breaks = _breaks(ev, args, x)
    right = args.flag(ev, "right", default=True)
    closed = args.flag(ev, "include.lowest")
    code = np.searchsorted(breaks, x, side="left" if right else "right") - 1
    if closed:
        code = np.where(x == breaks[0 if right else -1], 0 if right else len(breaks) - 2, code)
    inside = (code >= 0) & (code < len(breaks) - 1) & ~np.isnan(x)
    made = Factor(
        np.where(inside, code, -1).astype(np.intp),
        _intervals(breaks, digits=_digits(ev, args), right=right, closed=closed),
        "ordered" if args.flag(ev, "ordered_result") else "factor",
    )
    if args.constant(ev, "labels", None) is False:  # numbers in place of intervals
        return np.where(inside, code + 1.0, np.nan)
    labels = args.labels(ev, "labels")
    return made if labels is None else replace(_with_labels(args, made, labels), kind=made.kind)


def _breaks(ev: Evaluation, args: Arguments, x: FloatArray) -> FloatArray:
    """The cut points, ascending; the outer ones may be infinite."""
    given = args.constant(ev, "breaks", ())
    items = given if isinstance(given, tuple) else (given,)
    if not items:
        raise args.error("needs 'breaks': cut points such as c(0, 5, 10), or how many intervals")
    if any(isinstance(b, str) or np.isnan(b) for b in items):
        raise args.error("needs numbers for 'breaks'")
    if len(items) == 1:
        count = args.whole(ev, "breaks", 2, least=2, most=settings.DATA.max_term_numbers)
        return _equal_lengths(ev, args, x, count)
    breaks = np.sort(np.array(items, dtype=float))
    if len(np.unique(breaks)) < len(breaks):
        raise args.error("has a cut point twice among its 'breaks'")
    return breaks


def _equal_lengths(ev: Evaluation, args: Arguments, x: FloatArray, count: int) -> FloatArray:
    """Cut points of intervals of equal length over the range of the data of the fit.

    As in R, the outer cut points are moved outwards by a thousandth of the range, so that the
    extremes lie inside.
    """
    key = deparse(args.call)
    if key not in ev.memory:
        present = x[~np.isnan(x)]
        if not len(present) or not np.isfinite(present).all():
            raise args.error(f"needs finite numbers, and '{deparse(args['x'])}' has others or none")
        low, high = float(present.min()), float(present.max())
        # R's rule for a column of one value: a range around it
        reach = high - low or abs(low) or 1.0
        wide = 0.0 if high > low else reach / 1000
        points = np.linspace(low - wide, high + wide, count + 1)
        if high > low:
            points[[0, -1]] += np.array([-reach, reach]) / 1000
        ev.memory[key] = points
    breaks: FloatArray = ev.memory[key]
    return breaks


def _digits(ev: Evaluation, args: Arguments) -> int:
    return args.whole(ev, "dig.lab", 3, least=1, most=16)


def _intervals(breaks: FloatArray, *, digits: int, right: bool, closed: bool) -> tuple[str, ...]:
    """R's interval labels: as many significant digits, from `digits` on, as keep breaks apart."""
    for shown in range(digits, max(17, digits + 1)):
        text = [f"{b:.{shown}g}" for b in breaks]
        if len(set(text)) == len(text):
            break
    left, end = ("(", "]") if right else ("[", ")")
    names = [f"{left}{a},{b}{end}" for a, b in pairwise(text)]
    if closed and right:
        names[0] = "[" + names[0][1:]
    elif closed:
        names[-1] = names[-1][:-1] + "]"
    return tuple(names)
