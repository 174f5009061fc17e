"""The functions a formula may call; the data floor gives them their meaning."""

from __future__ import annotations

from difflib import get_close_matches

from bayeslme.errors import SpecError
from bayeslme.spec.expr import Call, Expr, walk

ELEMENTWISE = frozenset(
    {
        "I", "abs", "acos", "asin", "atan", "ceiling", "cos", "cosh", "exp", "expm1", "floor",
        "log", "log10", "log1p", "log2", "logb", "round", "sign", "sin", "sinh", "sqrt", "tan",
        "tanh", "trunc", "pmax", "pmin", "ifelse", "is.na", "as.numeric", "as.integer",
        "as.logical", "as.double", "as.Date",
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
    {"poly", "ns", "bs", "scale", "mean", "median", "min", "max", "sd", "var", "sum", "length"}
)
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
