"""The functions a formula may call, by R's names, splines and polynomials included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslme.data import settings
from bayeslme.data.evaluation.calls import Arguments, Evaluation, Function, function_name
from bayeslme.data.evaluation.factor_functions import (
    as_character,
    cut,
    factor,
    interaction,
    relevel,
    with_contrasts,
)
from bayeslme.data.types import FloatArray
from bayeslme.data.variables.columns import check_size
from bayeslme.data.variables.dates import EPOCH, Dates, Day, parse_days
from bayeslme.data.variables.factors import (
    Basis,
    Factor,
    Scalar,
    Value,
    from_logical,
    logical,
    relabel,
)
from bayeslme.errors import DataError, SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call, Dot, Expr, bare

CUBIC = 3


@dataclass(frozen=True, slots=True)
class _Knots:
    """Knots of a basis.

    Attributes
    ----------
    inner : (k,) float array
    ends : (2,) float array
        The boundary knots.
    degree : int
    intercept : bool
        Whether the first column is kept.
    """

    inner: FloatArray
    ends: FloatArray
    degree: int
    intercept: bool

    def splines(self, x: FloatArray, derivative: int = 0) -> FloatArray:
        """Every B-spline, (n, k + degree + 1); beyond the ends the outer pieces go on."""
        from scipy.interpolate import BSpline

        left, right = np.repeat(self.ends, self.degree + 1).reshape(2, -1)
        knots = np.concatenate([left, self.inner, right])
        each = np.eye(len(knots) - self.degree - 1)
        basis: FloatArray = BSpline(knots, each, self.degree)(x, nu=derivative)
        return basis if self.intercept else basis[:, 1:]


def spline(ev: Evaluation, call: Call) -> Value:
    """R's ``splines::bs(x, df, knots, degree)``: polynomial splines."""
    args = Arguments(call, ["x", "df", "knots", "degree", "intercept", "Boundary.knots"])
    x, knots = _learned(
        ev,
        args,
        degree=args.whole(
            ev, "degree", CUBIC, least=1, most=settings.DATA.max_spline_degree, what="a degree"
        ),
    )
    return _basis(knots.splines(x))


def natural_spline(ev: Evaluation, call: Call) -> Value:
    """R's ``splines::ns(x, df, knots)``: cubic splines, linear beyond the boundary knots."""
    args = Arguments(call, ["x", "df", "knots", "intercept", "Boundary.knots"])
    x, knots = _learned(ev, args, degree=CUBIC)
    nearest = np.clip(x, *knots.ends)
    cubic = knots.splines(nearest) + (x - nearest)[:, None] * knots.splines(nearest, derivative=1)
    curved = knots.splines(knots.ends, derivative=2)
    straight = np.linalg.qr(curved.T, mode="complete")[0][:, 2:]
    return _basis(cubic @ straight)


def _basis(values: FloatArray) -> Basis:
    return Basis(values, tuple(str(k + 1) for k in range(values.shape[1])))


def _learned(ev: Evaluation, args: Arguments, *, degree: int) -> tuple[FloatArray, _Knots]:
    """The covariate, and the knots: given, or learned once from the data of the fit."""
    x, key = args.column(ev, "x"), deparse(args.call)
    if key not in ev.memory:
        ev.memory[key] = _knots(ev, args, x[~np.isnan(x)], degree)
    return x, ev.memory[key]


def _knots(ev: Evaluation, args: Arguments, x: FloatArray, degree: int) -> _Knots:
    """Quantiles of the covariate between the boundary knots, as many as df asks for."""
    intercept = args.flag(ev, "intercept")
    if not len(x) or not np.isfinite(x).all():
        raise args.error(f"needs finite numbers, and '{deparse(args['x'])}' has others or none")
    ends = args.numbers(ev, "Boundary.knots")
    ends = np.array([x.min(), x.max()]) if ends is None else np.sort(ends)
    if ends.shape != (2,) or not ends[0] < ends[1]:
        raise args.error(f"needs two different boundary knots, not {ends.tolist()}")
    inner = args.numbers(ev, "knots")
    if inner is None:
        inner = _quantiles(ev, args, x[(x >= ends[0]) & (x <= ends[1])], degree, intercept)
    inner = np.sort(inner)
    if len(inner) and not (ends[0] < inner[0] and inner[-1] < ends[1]):
        where = f"the boundary knots {ends[0]:g} and {ends[1]:g}"
        outside = inner[(inner <= ends[0]) | (inner >= ends[1])]
        raise args.error(f"needs knots between {where}, not {outside[0]:g}")
    _check_columns(args, len(x), len(inner) + degree + 1)
    return _Knots(inner, ends, degree, intercept)


def _quantiles(
    ev: Evaluation, args: Arguments, x: FloatArray, degree: int, intercept: bool
) -> FloatArray:
    fewest = (1 if function_name(args.call) == "ns" else degree) + intercept
    df = args.whole(ev, "df", fewest, least=fewest, most=max(fewest, ev.columns.n))
    if not len(x):
        raise args.error("has no value between its boundary knots")
    _check_columns(args, len(x), df)
    inside = np.linspace(0, 1, df - fewest + 2)[1:-1]
    return np.asarray(np.quantile(x, inside), dtype=float)


def _check_columns(args: Arguments, n: int, columns: int) -> None:
    """The basis is made of n rows, and of one spline for each column."""
    check_size(max(n, columns), columns, deparse(args.call))


SPLINES: dict[str, Function] = {"ns": natural_spline, "bs": spline}


STATISTICS: dict[str, Callable[[FloatArray], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "sd": lambda x: np.std(x, ddof=1),
    "var": lambda x: np.var(x, ddof=1),
    "sum": np.sum,
    "length": np.size,
}


@dataclass(frozen=True, slots=True)
class _Recurrence:
    """The three-term recurrence of the polynomials that are orthonormal over some points.

    ``norms[k + 1] p[k + 1](x) = (x - mean - centres[k]) p[k](x) - norms[k] p[k - 1](x)``, and
    ``p[0]`` is ``1 / norms[0]``. The mean is taken off first, so that values far from 0 keep their
    digits; every polynomial has length 1 before the next is made, so that high degrees of values
    far from 1 neither overflow nor vanish.

    Attributes
    ----------
    mean : float
    centres : (degree,) float array
    norms : (degree + 1,) float array

    References
    ----------
    Gautschi, W. (2004), Orthogonal Polynomials: Computation and Approximation, section 2.2.
    """

    mean: float
    centres: FloatArray
    norms: FloatArray

    @classmethod
    def of(cls, x: FloatArray, degree: int) -> _Recurrence:
        """Of the points x; missing ones are left out."""
        x = x[~np.isnan(x)]
        mean = float(np.mean(x))
        x = x - mean
        centres, norms = np.empty(degree), np.empty(degree + 1)
        norms[0] = np.sqrt(len(x))
        before, last = np.zeros(len(x)), np.full(len(x), 1.0 / norms[0])
        for k in range(degree):
            centres[k] = last @ (x * last)
            following = (x - centres[k]) * last - norms[k] * before
            norms[k + 1] = np.linalg.norm(following)
            before, last = last, following / norms[k + 1]
        return cls(mean, centres, norms)

    def values(self, x: FloatArray) -> FloatArray:
        """The polynomials of degree 1 and more at x, shape (n, degree)."""
        columns = [np.zeros(len(x)), np.full(len(x), 1.0 / self.norms[0])]
        for k, centre in enumerate(self.centres):
            following = (x - self.mean - centre) * columns[-1] - self.norms[k] * columns[-2]
            columns.append(following / self.norms[k + 1])
        return np.stack(columns[2:], axis=1)


def poly(ev: Evaluation, call: Call) -> Value:
    """R's ``poly(x, degree)``: polynomials that are orthonormal over the rows of the fit."""
    args = Arguments(call, ["x", "degree", "raw"])
    x, key = args.column(ev, "x"), deparse(call)
    raw = args.flag(ev, "raw")
    degree = args.whole(ev, "degree", 1, least=1, most=settings.DATA.max_term_numbers)
    if key not in ev.memory:
        _check_degree(args, degree, x)
        ev.memory[key] = None if raw else _Recurrence.of(x, degree)
    learned = ev.memory[key]
    values = x[:, None] ** np.arange(1, degree + 1) if learned is None else learned.values(x)
    return Basis(values, tuple(str(k + 1) for k in range(degree)))


def _check_degree(args: Arguments, degree: int, x: FloatArray) -> None:
    """Polynomials on so few points, or of so many columns, do not exist."""
    points = len(np.unique(x))
    if degree >= points:
        msg = (
            "needs a degree from 1 to one less than the number of distinct values of "
            f"'{deparse(args['x'])}': {degree} asked for, {points} values"
        )
        raise args.error(msg)
    check_size(len(x), degree, deparse(args.call))


def scale(ev: Evaluation, call: Call) -> Value:
    """R's ``scale(x)``: centred by the mean and divided by the standard deviation."""
    args = Arguments(call, ["x", "center", "scale"])
    x, key = args.column(ev, "x"), deparse(call)
    # a constant column, or one that is not finite: the term is reported as not finite
    with np.errstate(all="ignore"):
        if key not in ev.memory:
            center, scale = _flag_or_number(ev, args, "center"), _flag_or_number(ev, args, "scale")
            shift = float(np.mean(x)) if center is True else float(center)
            spread = float(np.sqrt(np.sum((x - shift) ** 2) / max(1, len(x) - 1)))
            ev.memory[key] = shift, spread if scale is True else float(scale) or 1.0
        shift, spread = ev.memory[key]
        return Basis(((x - shift) / spread)[:, None], ("",))


def _flag_or_number(ev: Evaluation, args: Arguments, name: str) -> bool | float:
    value: Any = args.constant(ev, name, True)
    if isinstance(value, str | tuple) or not np.isfinite(value):
        raise args.error(f"needs TRUE, FALSE or one finite number for '{name}'")
    return bool(value) if isinstance(value, bool) else float(value)


def statistic(ev: Evaluation, call: Call) -> Value:
    """A number such as ``mean(x)``: new data are centred by the old data's mean, not their own."""
    args, key = Arguments(call, ["x"]), deparse(call)
    if key not in ev.memory:
        ev.memory[key] = _of_column(args, ev.numeric(args["x"]))
    result: float = ev.memory[key]
    return result


def _of_column(args: Arguments, x: Any) -> float:
    name = function_name(args.call)
    fewest = 2 if name in ("sd", "var") else 1
    if np.size(x) < fewest:
        raise args.error(f"needs at least {fewest} numbers for 'x', not {np.size(x)}")
    with np.errstate(all="ignore"):  # what is not finite is reported with its term
        return float(STATISTICS[name](x))


def quantile(ev: Evaluation, call: Call) -> Value:
    """R's ``quantile(x, probs)`` of type 7: constants, learned from the data of the fit."""
    args, key = Arguments(call, ["x", "probs", "na.rm", "names"]), deparse(call)
    x, probs = args.column(ev, "x"), args.numbers(ev, "probs")
    args.flag(ev, "na.rm"), args.flag(ev, "names", default=True)
    if probs is None:
        probs = np.linspace(0, 1, 5)
    if not ((probs >= 0) & (probs <= 1)).all():
        raise args.error("needs probabilities from 0 to 1 for 'probs'")
    if key not in ev.memory:
        x = x[~np.isnan(x)]
        if not len(x):
            raise args.error(f"needs numbers, and '{deparse(args['x'])}' has none")
        ev.memory[key] = tuple(np.quantile(x, probs).tolist())
    result: tuple[float, ...] = ev.memory[key]
    return result if len(result) > 1 else result[0]


def complete_cases(ev: Evaluation, call: Call) -> Value:
    """R's ``complete.cases``: rows without a missing value; a dot is every column of the data."""
    if not call.args:
        raise SpecError("complete.cases() needs columns, or a dot for all of them")
    absent = np.zeros(ev.columns.n, dtype=bool)
    for arg in call.args:
        if isinstance(bare(arg.value), Dot):
            each = (ev.columns.missing(name) for name in ev.columns.frame.columns)
            for own in each:
                absent |= False if own is None else own
        else:
            absent |= _absent(ev, arg.value, "complete.cases")
    return from_logical(~absent)


MATHS: dict[str, Callable[[Any], Any]] = {
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceiling": np.ceil,
    "trunc": np.trunc,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
}


def _identity(ev: Evaluation, call: Call) -> Value:
    return ev.value(Arguments(call, ["x"])["x"])


def _log(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x", "base"])
    with np.errstate(all="ignore"):
        result: FloatArray = np.log(ev.numeric(args["x"]))
        if "base" in args.given:
            result = result / np.log(ev.numeric(args["base"]))
    return result


def _round(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["x", "digits"])
    digits = args.whole(
        ev,
        "digits",
        0,
        least=-settings.DATA.max_round_digits,
        most=settings.DATA.max_round_digits,
    )
    result: FloatArray = np.round(ev.numeric(args["x"]), digits)
    return result


def _extreme(ufunc: Callable[[Any, Any], Any]) -> Function:
    def parallel(ev: Evaluation, call: Call) -> Value:
        args = Arguments(call, ["first", "..."])
        result: FloatArray = ev.numeric(args["first"])
        for expr in args.rest:
            result = ufunc(result, ev.numeric(expr))
        return result

    return parallel


def _combine(ev: Evaluation, call: Call) -> Value:
    items: list[Scalar] = []
    for arg in call.args:
        value = ev.value(arg.value)
        if isinstance(value, np.ndarray | Factor | Basis):
            msg = f"c() in a formula holds constants, and '{deparse(arg.value)}' is none"
            raise SpecError(msg, text=deparse(call), position=0)
        items.extend(value if isinstance(value, tuple) else (value,))
    return tuple(items)


def _as_numeric(ev: Evaluation, call: Call) -> Value:
    expr = Arguments(call, ["x"])["x"]
    value, result = ev.value(expr), np.zeros(0)
    if isinstance(value, Dates):
        result = value.absolute
    elif not isinstance(value, Factor) or value.kind == "logical":
        result = ev.numeric(expr)
    elif value.kind == "text" and deparse(call) not in ev.memory:
        try:
            table = np.array([*map(float, value.levels), np.nan])
        except ValueError as error:
            msg = f"'{deparse(expr)}' is text that is no number: {error}"
            raise DataError(msg) from error
        result = table[value.code]
    else:  # positions among the levels of the data of the fit
        known = ev.memory.setdefault(deparse(call), (value.levels, value.keys))
        code = relabel(value, *known)
        result = np.where(code < 0, np.nan, code + 1.0)
    return np.trunc(result) if function_name(call) == "as.integer" else result


def _as_date(ev: Evaluation, call: Call) -> Value:
    """R's ``as.Date``: calendar dates, numbers since 1970-01-01, or text."""
    args = Arguments(call, ["x", "format"])
    value, form = ev.value(args["x"]), args.constant(ev, "format", None)
    if form is not None and not isinstance(form, str):
        raise args.error("needs one text such as '%d.%m.%Y' for 'format'")
    if isinstance(value, Dates):
        return value.calendar_days()
    if isinstance(value, str):
        return Day(parse_days([value], form, deparse(args["x"]))[0])
    if isinstance(value, Factor) and value.kind != "logical":
        table = parse_days([*value.levels, "NA"], form, deparse(args["x"]))
        return Dates.of(table[value.code], EPOCH)
    days = ev.numeric(args["x"])
    return Dates.of(days, EPOCH) if np.ndim(days) else Day(days)


def _as_logical(ev: Evaluation, call: Call) -> Value:
    value = ev.value(Arguments(call, ["x"])["x"])
    if isinstance(value, Factor) and value.kind != "logical":
        table = {"TRUE": 1, "T": 1, "true": 1, "FALSE": 0, "F": 0, "false": 0}
        return logical(
            np.array([*(table.get(level, -1) for level in value.levels), -1])[value.code]
        )
    x = np.broadcast_to(ev.numeric(call.args[0].value), (ev.columns.n,))
    return logical(np.where(np.isnan(x), -1, x != 0))


def _is_na(ev: Evaluation, call: Call) -> Value:
    return from_logical(_absent(ev, Arguments(call, ["x"])["x"], "is.na"))


def _absent(ev: Evaluation, expr: Expr, where: str) -> np.ndarray:
    """Rows in which an expression is missing, (n,) bool."""
    value = ev.value(expr)
    if isinstance(value, Factor):
        return np.asarray(value.code < 0)
    if isinstance(value, str | tuple):
        msg = f"{where}() needs a column, not the constants {deparse(expr)}"
        raise SpecError(msg)
    x = value.values.sum(axis=1) if isinstance(value, Basis) else np.asarray(value, dtype=float)
    return np.isnan(np.broadcast_to(x, (ev.columns.n,)))


def _if_else(ev: Evaluation, call: Call) -> Value:
    args = Arguments(call, ["test", "yes", "no"])
    test = ev.truth(args["test"])
    result = np.where(test == 1, ev.numeric(args["yes"]), ev.numeric(args["no"]))
    return np.where(test < 0, np.nan, result)


FUNCTIONS: dict[str, Function] = {
    "I": _identity,
    "log": _log,
    "logb": _log,
    "round": _round,
    "pmin": _extreme(np.minimum),
    "pmax": _extreme(np.maximum),
    "c": _combine,
    "factor": factor(ordered=False),
    "as.factor": factor(ordered=False),
    "ordered": factor(ordered=True),
    "as.ordered": factor(ordered=True),
    "relevel": relevel,
    "interaction": interaction,
    "as.character": as_character,
    "as.numeric": _as_numeric,
    "as.integer": _as_numeric,
    "as.double": _as_numeric,
    "as.Date": _as_date,
    "as.logical": _as_logical,
    "C": with_contrasts,
    "is.na": _is_na,
    "complete.cases": complete_cases,
    "quantile": quantile,
    "ifelse": _if_else,
    "cut": cut,
    "poly": poly,
    "scale": scale,
    **SPLINES,
    **dict.fromkeys(STATISTICS, statistic),
}
