"""Functions that make factors."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from bayeslme.data.calls import Arguments, Evaluation, Function
from bayeslme.data.factors import Factor, collation_key, cross, drop_unused, from_numbers, relabel
from bayeslme.data.types import FloatArray
from bayeslme.data.values import Scalar, Value, scalar_label
from bayeslme.data.wording import listed
from bayeslme.errors import DataError, SpecError
from bayeslme.spec.expr import Call, Expr, Name, String, deparse


def as_factor(ev: Evaluation, expr: Expr) -> Factor:
    """A value as a factor, numbers as sorted levels."""
    value = ev.value(expr)
    if isinstance(value, Factor):
        return value
    if isinstance(value, np.ndarray):
        name = expr.name if isinstance(expr, Name) else None
        return from_numbers(value, integer=name is not None and ev.columns.is_integer(name))
    msg = f"'{deparse(expr)}' cannot be made a factor: it does not have one value per row"
    raise SpecError(msg)


def factor(*, ordered: bool) -> Function:
    """R's ``factor`` or ``ordered``, with levels and labels."""

    def make(ev: Evaluation, call: Call) -> Value:
        args = Arguments(call, ["x", "levels", "labels", "ordered"])
        factor = as_factor(ev, args["x"])
        kind = (
            "ordered"
            if args.constant(ev, "ordered", ordered or factor.kind == "ordered")
            else "factor"
        )
        if "levels" in args.given:
            levels = tuple(map(scalar_label, _tuple(args.constant(ev, "levels", ()))))
            factor = Factor(relabel(factor, levels), levels)
        factor = drop_unused(Factor(factor.code, factor.levels))
        labels = tuple(map(scalar_label, _tuple(args.constant(ev, "labels", factor.levels))))
        if len(labels) != len(factor.levels):
            raise args.error(f"has {len(labels)} labels for {len(factor.levels)} levels")
        return Factor(factor.code, labels, kind)  # type: ignore[arg-type]

    return make


def _tuple(value: Any) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def relevel(ev: Evaluation, call: Call) -> Value:
    """R's ``relevel``: another level comes first."""
    args = Arguments(call, ["x", "ref"])
    factor, ref = as_factor(ev, args["x"]), scalar_label(args.constant(ev, "ref", ""))
    if ref not in factor.levels:
        msg = f"relevel(): '{ref}' is none of the levels {listed(factor.levels)}"
        raise DataError(msg)
    levels = (ref, *(level for level in factor.levels if level != ref))
    return Factor(relabel(factor, levels), levels)


def interaction(ev: Evaluation, call: Call) -> Value:
    """R's ``interaction``: combinations joined by a dot, the first factor varying fastest."""
    args = Arguments(call, ["first", "..."])
    result = as_factor(ev, args["first"])
    for expr in args.rest:
        other = as_factor(ev, expr)
        present = (result.code >= 0) & (other.code >= 0)
        code = np.full(len(present), -1, dtype=np.intp)
        # R varies the first factor fastest
        swapped, second, first = cross(
            other.take(np.flatnonzero(present)), result.take(np.flatnonzero(present)), "."
        )
        code[present] = swapped.code
        labels = tuple(
            f"{result.levels[i]}.{other.levels[j]}" for i, j in zip(first, second, strict=True)
        )
        result = Factor(code, labels)
    return result


def as_character(ev: Evaluation, call: Call) -> Value:
    """Labels as text, whose levels are sorted."""
    factor = as_factor(ev, Arguments(call, ["x"])["x"])
    levels = tuple(sorted(factor.levels, key=collation_key))
    return Factor(relabel(factor, levels), levels, "text")


def with_contrasts(ev: Evaluation, call: Call) -> Value:
    """R's ``C``: a factor that carries its contrasts."""
    args = Arguments(call, ["object", "contr"])
    chosen = args["contr"]
    name = chosen.value if isinstance(chosen, String) else deparse(chosen)
    factor = drop_unused(as_factor(ev, args["object"]))
    return replace(factor, contrasts=name)


def cut(ev: Evaluation, call: Call) -> Value:
    """R's ``cut`` at given breaks."""
    args = Arguments(call, ["x", "breaks", "labels", "include.lowest", "right", "ordered_result"])
    x = np.asarray(ev.numeric(args["x"]), dtype=float)
    breaks = np.sort(np.array(_tuple(args.constant(ev, "breaks", ())), dtype=float))
    if len(breaks) < 2:  # noqa: PLR2004
        raise args.error("needs the cut points themselves as breaks, such as c(0, 5, 10)")
    right = bool(args.constant(ev, "right", True))
    closed = bool(args.constant(ev, "include.lowest", False))
    code = np.searchsorted(breaks, x, side="left" if right else "right") - 1
    if closed:
        code = np.where(x == breaks[0 if right else -1], 0 if right else len(breaks) - 2, code)
    inside = (code >= 0) & (code < len(breaks) - 1) & ~np.isnan(x)
    labels = args.constant(ev, "labels", None)
    names = (
        _intervals(breaks, right=right, closed=closed)
        if labels is None
        else tuple(map(scalar_label, labels))
    )
    kind = "ordered" if args.constant(ev, "ordered_result", False) else "factor"
    return Factor(np.where(inside, code, -1).astype(np.intp), names, kind)  # type: ignore[arg-type]


def _intervals(breaks: FloatArray, *, right: bool, closed: bool) -> tuple[str, ...]:
    """R's interval labels: as many significant digits, from three on, as keep the breaks apart."""
    for digits in range(3, 17):
        text = [f"{b:.{digits}g}" for b in breaks]
        if len(set(text)) == len(text):
            break
    left, end = ("(", "]") if right else ("[", ")")
    names = [f"{left}{a},{b}{end}" for a, b in pairwise(text)]
    if closed and right:
        names[0] = "[" + names[0][1:]
    elif closed:
        names[-1] = names[-1][:-1] + "]"
    return tuple(names)
