"""From the scale of a transformed response, such as ``log(y)``, back to the response's own.

The left side of the formula is undone operation by operation, from the outermost inwards, down to
the one column in it. Standard errors go along by the derivative (the delta method), limits by the
function itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayeslme.errors import FitError, SpecError
from bayeslme.formula.constants import constant
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Binary, Call, Expr, Name, Unary, bare, variables

FloatArray = npt.NDArray[np.float64]
Step = tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]

_LN2, _LN10 = np.log(2.0), np.log(10.0)
# The inverse of each function, and the derivative of the inverse.
_INVERSES: dict[str, Step] = {
    "log": (np.exp, np.exp),
    "log1p": (np.expm1, np.exp),
    "log2": (np.exp2, lambda x: _LN2 * np.exp2(x)),
    "log10": (lambda x: 10.0**x, lambda x: _LN10 * 10.0**x),
    "exp": (np.log, lambda x: 1.0 / x),
    "expm1": (np.log1p, lambda x: 1.0 / (1.0 + x)),
    "sqrt": (np.square, lambda x: 2.0 * x),
    "I": (lambda x: x, np.ones_like),
}
_LOGS = frozenset({"log", "log2", "log10"})


@dataclass(frozen=True, slots=True)
class ResponseScale:
    """How a response was transformed, and the way back.

    Attributes
    ----------
    link : str
        The transformed response as the formula has it.
    response : str
        The response.
    steps : tuple of Step
        Inverses and their derivatives, the outermost operation first.
    ratios : bool
        Whether a difference on the transformed scale is the logarithm of a ratio of responses.
    base : float
        Of these logarithms.
    """

    link: str
    response: str
    steps: tuple[Step, ...]
    ratios: bool
    base: float

    def back(self, values: npt.ArrayLike) -> FloatArray:
        """Values on the scale of the response."""
        x = np.asarray(values, float)
        with np.errstate(all="ignore"):  # what lies outside the range of a transformation is NaN
            for inverse, _ in self.steps:
                x = inverse(x)
        return x

    def slope(self, values: npt.ArrayLike) -> FloatArray:
        """Derivative of `back`."""
        x, product = np.asarray(values, float), np.ones(np.shape(values))
        with np.errstate(all="ignore"):
            for inverse, derivative in self.steps:
                x, product = inverse(x), product * derivative(x)
        return product

    def ratio(self, differences: npt.ArrayLike) -> FloatArray:
        """Ratios of responses from differences of their logarithms."""
        return np.asarray(self.base ** np.asarray(differences, float))


def response_scale(left: Expr) -> ResponseScale | None:
    """How the left side of a formula transforms the response.

    Parameters
    ----------
    left : Expr

    Returns
    -------
    ResponseScale or None
        None where the response is a column as it is.

    Raises
    ------
    FitError
        For a left side that cannot be undone: several columns, or a function without an inverse.

    Examples
    --------
    >>> from bayeslme.formula.grammar import parse_expression
    >>> scale = response_scale(parse_expression("log10(y + 1)"))
    >>> scale.back([0.0, 2.0]).tolist(), scale.ratios
    ([0.0, 99.0], False)
    """
    if isinstance(bare(left), Name):
        return None
    names = variables(left)
    if len(names) != 1:
        raise _no_way_back(left)
    steps: list[Step] = []
    node, logarithm = bare(left), ""
    while not isinstance(node, Name):
        if isinstance(node, Call) and not steps and node.function in _LOGS:
            logarithm = node.function
        step, node = _undone(node, left)
        steps.append(step)
    (name,) = names
    scaled = logarithm and _is_multiple(bare(left), name)
    base = {"log2": 2.0, "log10": 10.0}.get(logarithm, np.e)
    return ResponseScale(deparse(left), name, tuple(steps), bool(scaled), base)


def _undone(node: Expr, whole: Expr) -> tuple[Step, Expr]:
    """The inverse of the outermost operation, and what it is applied to."""
    match node:
        case Call(function=function, args=(one,)) if function in _INVERSES and one.name is None:
            return _INVERSES[function], bare(one.value)
        case Unary(op="-", operand=inner):
            return (np.negative, lambda x: -np.ones_like(x)), bare(inner)
        case Binary(op=op, left=left, right=right):
            try:
                if variables(left):
                    step = _left_undone(op, _number(right))
                    return step or _refuse(whole), bare(left)
                step = _right_undone(op, _number(left))
                return step or _refuse(whole), bare(right)
            except (SpecError, TypeError) as error:
                raise _no_way_back(whole) from error
    raise _no_way_back(whole)


def _number(node: Expr) -> float:
    value = constant(node, "")
    if not isinstance(value, float):
        raise TypeError
    return value


def _left_undone(op: str, c: float) -> Step | None:
    """The inverse of ``y op c``."""
    match op:
        case "+":
            return (lambda x: x - c), np.ones_like
        case "-":
            return (lambda x: x + c), np.ones_like
        case "*" if c:
            return (lambda x: x / c), lambda x: np.full_like(x, 1.0 / c)
        case "/" if c:
            return (lambda x: x * c), lambda x: np.full_like(x, c)
        case "^" if c:
            return (lambda x: x ** (1.0 / c)), lambda x: x ** (1.0 / c - 1.0) / c
    return None


def _right_undone(op: str, c: float) -> Step | None:
    """The inverse of ``c op y``."""
    match op:
        case "+":
            return (lambda x: x - c), np.ones_like
        case "-":
            return (lambda x: c - x), lambda x: -np.ones_like(x)
        case "*" if c:
            return (lambda x: x / c), lambda x: np.full_like(x, 1.0 / c)
        case "/" if c:
            return (lambda x: c / x), lambda x: -c / x**2
    return None


def _is_multiple(node: Expr, name: str) -> bool:
    """Whether the argument of the outermost logarithm is a multiple of the column."""
    if not isinstance(node, Call):
        return False
    inner = bare(node.args[0].value)
    if isinstance(inner, Binary) and inner.op in "*/":
        inner = bare(inner.left if variables(inner.left) else inner.right)
    return inner == Name(name) and not _divides(node, name)


def _divides(node: Call, name: str) -> bool:
    """Whether the column is a divisor."""
    inner = bare(node.args[0].value)
    return isinstance(inner, Binary) and inner.op == "/" and bare(inner.right) == Name(name)


def _refuse(whole: Expr) -> Step:
    raise _no_way_back(whole)


def _no_way_back(left: Expr) -> FitError:
    return FitError(
        f"type: there is no way back from {deparse(left)} to the response; type='link' gives the "
        "values on the scale of the model"
    )
