"""Calls that stand for the fitted model: ``fitted(., level = 0)``, ``resid(., type = "p")``."""

from __future__ import annotations

from dataclasses import dataclass

from bayeslme.errors import SpecError
from bayeslme.spec.deparse import deparse
from bayeslme.spec.expr import Arg, Call, Dot, Expr, Name, Number, String, bare

FUNCTIONS = {"fitted": "fitted", "resid": "resid", "residuals": "resid", "ranef": "ranef"}


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
    >>> from bayeslme.spec.grammar import parse_expression
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
    return FitCall(FUNCTIONS[call.function], level, None if kind is None else str(kind))


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
