"""The functions a formula may call, and calls that stand for the fitted model."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Arg, Call, Dot, Expr, Name, Number, String, bare, walk

ELEMENTWISE = frozenset(
    {
        "I", "abs", "acos", "asin", "atan", "ceiling", "cos", "cosh", "exp", "expm1", "floor",
        "log", "log10", "log1p", "log2", "logb", "round", "sign", "sin", "sinh", "sqrt", "tan",
        "tanh", "trunc", "pmax", "pmin", "ifelse", "is.na", "as.numeric", "as.integer",
        "as.logical", "as.double", "as.Date", "complete.cases",
    }
)  # fmt: skip
FACTORS = frozenset(
    {
        "factor",
        "ordered",
        "as.factor",
        "as.ordered",
        "as.character",
        "interaction",
        "cut",
        "C",
        "relevel",
    }
)
LEARNED = frozenset(
    {
        "poly", "ns", "bs", "scale", "mean", "median", "min", "max", "sd", "var", "sum", "length",
        "quantile",
    }
)  # fmt: skip
BUILDERS = frozenset({"c", "offset"})
VARIANCE_COVARIATES = frozenset({"fitted", "resid", "residuals"})
FUNCTIONS = ELEMENTWISE | FACTORS | LEARNED | BUILDERS | VARIANCE_COVARIATES
# What other packages write into formulas, and where it is here.
_CORRELATED = "correlated residuals are an argument, correlation=CorAR1(form='~ t | g')"
_SMOOTH = "splines have fixed degrees of freedom here: ns(x, df = 4) or bs(x, df = 5)"
ELSEWHERE = {
    **dict.fromkeys(("ar", "ma", "arma", "cosy", "unstr", "ar1", "cs", "toep", "ou"), _CORRELATED),
    **dict.fromkeys(("s", "te", "ti", "t2", "hsgp"), _SMOOTH),
    **dict.fromkeys(("cbind", "mvbind"), "one response a model"),
    "gr": "groups are columns, (1 | g)",
    "weights": "weights are an argument, weights=VarFixed('~ v')",
    "[": "choose rows by the argument subset",
}
PACKAGES = ("", "base", "stats", "splines")
REFUSED_OPERATORS = {
    "$": "write the column alone: the data frame comes with the data argument ('$' is not allowed)",
    "@": "'@' is not allowed in a formula",
}


def check_functions(node: Expr, text: str) -> None:
    """Raise a SpecError at the first function or operator that no formula may contain.

    Parameters
    ----------
    node : Expr
    text : str
        The source `node` was read from, for the message.
    """
    for part in walk(node):
        if isinstance(part, Call):
            if not _known(part.function):
                raise SpecError(unknown(part.function), text=text, position=part.position)
        elif getattr(part, "op", None) in REFUSED_OPERATORS:
            raise SpecError(REFUSED_OPERATORS[part.op], text=text, position=part.position)  # type: ignore[union-attr]


def _known(function: str) -> bool:
    package, _, name = function.rpartition("::")
    return package in PACKAGES and name in FUNCTIONS


def refuse_fitted(node: Expr, where: str) -> None:
    """Raise a SpecError for ``fitted(.)`` and its like outside a variance function."""
    for part in walk(node):
        if isinstance(part, Call) and part.function in VARIANCE_COVARIATES:
            raise SpecError(f"{where}: {part.function}() may stand in weights only")


def unknown(name: str) -> str:
    """Return the message for a function that is not on the list."""
    if name in ELSEWHERE:
        return f"unknown function '{name}' in a formula: {ELSEWHERE[name]}"
    near = get_close_matches(name, FUNCTIONS, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"unknown function '{name}' in a formula{hint}; compute the column in the data frame"


FIT_FUNCTIONS = {"fitted": "fitted", "resid": "resid", "residuals": "resid", "ranef": "ranef"}


@dataclass(frozen=True, slots=True)
class FitCall:
    """What is asked of a fitted model.

    Attributes
    ----------
    function : {"fitted", "resid", "ranef"}
    level : str, int or None
        Name or number of a grouping level; None where the call does not say.
    type : str or None
        Type of residuals as written, perhaps by its first letters; None where the call does not
        say.
    """

    function: str
    level: str | int | None = None
    type: str | None = None


def read_fit_call(call: Call, where: str, options: tuple[str, ...] = ("level",)) -> FitCall:
    """Read a call such as ``resid(., level = 0)``.

    Parameters
    ----------
    call : Call
        Of ``fitted``, ``resid``, ``residuals`` or ``ranef``.
    where : str
        The argument it stands in, for error messages.
    options : tuple of str
        Which of ``level`` and ``type`` it may have beside the dot.

    Returns
    -------
    FitCall

    Raises
    ------
    SpecError
        Without the dot, for any other argument, and for one that is no constant.

    Examples
    --------
    >>> from bayeslme.formula.grammar import parse_expression
    >>> read_fit_call(parse_expression("fitted(., level = 0)"), "weights")
    FitCall(function='fitted', level=0, type=None)
    """
    first, *rest = call.args or (Arg(None, call),)
    if first.name not in (None, "object") or not isinstance(bare(first.value), Dot):
        raise SpecError(
            f"{where}: the fitted model is a dot, {call.function}(.), not {deparse(call)}"
        )
    given: dict[str, str | int] = {}
    for arg in rest:
        if arg.name not in options or arg.name in given:
            known = " and ".join(f"{name} =" for name in options) or "no other argument"
            raise SpecError(f"{where}: {call.function}(.) takes {known}, not {deparse(call)}")
        given[arg.name] = _constant(arg.name, bare(arg.value), f"{where}: {deparse(call)}")
    level, kind = given.get("level"), given.get("type")
    return FitCall(FIT_FUNCTIONS[call.function], level, None if kind is None else str(kind))


def _constant(name: str, node: Expr, where: str) -> str | int:
    match node:
        case String(value=value):
            return value
        case Name(name=value) if name == "level":
            return value
        case Number(value=value) if name == "level" and value % 1 == 0:
            return int(value)
    what = "a number from 0 on or a group" if name == "level" else "text in quotes"
    raise SpecError(f"{where}: {name} is {what}, not {deparse(node)}")
