"""R's way to match the arguments of a call: by exact name, by partial name, by position."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from bayeslme.errors import SpecError
from bayeslme.spec.deparse import quoted_name
from bayeslme.spec.expr import Call, Expr, start


def match_arguments(call: Call, names: Sequence[str], text: str) -> dict[str, Expr]:
    """Match the arguments of a call as R does.

    Parameters
    ----------
    call : Call
    names : sequence of str
        The names the function knows, in order.
    text : str
        The source, for error messages.

    Returns
    -------
    dict
        Name to expression, only what was given.

    Raises
    ------
    SpecError
        For an unknown, ambiguous, repeated or superfluous argument.

    Examples
    --------
    >>> from bayeslme.spec.grammar import parse_expression
    >>> call = parse_expression("corAR1(0.2, fo = ~1)")
    >>> list(match_arguments(call, ("value", "form", "fixed"), ""))
    ['form', 'value']
    """
    given: dict[str, Expr] = {}
    for arg in call.args:
        if arg.name is not None:
            name = _full_name(arg.name, names, call, text, start(arg.value))
            if name in given:
                raise SpecError(
                    f"argument '{name}' of {call.function}() is given twice",
                    text=text,
                    position=start(arg.value),
                )
            given[name] = arg.value
    free = [name for name in names if name not in given]
    for arg in call.args:
        if arg.name is None:
            if not free:
                raise SpecError(
                    f"too many arguments for {call.function}(): it has {', '.join(names)}",
                    text=text,
                    position=start(arg.value),
                )
            given[free.pop(0)] = arg.value
    return given


def _full_name(name: str, names: Sequence[str], call: Call, text: str, at: int) -> str:
    if name in names:
        return name
    found = [n for n in names if n.startswith(name)]
    if len(found) == 1:
        return found[0]
    where = locate_name(name, text, at)
    if found:
        raise SpecError(
            f"argument '{name}' of {call.function}() may be {' or '.join(found)}",
            text=text,
            position=where,
        )
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise SpecError(
        f"unknown argument '{name}' of {call.function}(){hint}; it has {', '.join(names)}",
        text=text,
        position=where,
    )


def locate_name(name: str, text: str, value_at: int) -> int:
    """Return the place of an argument's name, the last one before its value."""
    found = max(text.rfind(form, 0, value_at) for form in (name, quoted_name(name)))
    return found if found >= 0 else value_at
