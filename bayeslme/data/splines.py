"""R's spline bases, ``ns`` and ``bs``: the knots of the data of the fit serve new data too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.data.calls import Arguments, Evaluation, Function, function_name
from bayeslme.data.sizes import check_size
from bayeslme.data.types import FloatArray
from bayeslme.data.values import Basis, Value
from bayeslme.spec.deparse import deparse
from bayeslme.spec.expr import Call

CUBIC = 3
MOST_DEGREE = 100  # the recursion of B-splines costs the square of the degree at every row


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
        ev, args, degree=args.whole(ev, "degree", CUBIC, least=1, most=MOST_DEGREE, what="a degree")
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
