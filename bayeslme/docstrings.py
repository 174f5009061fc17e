"""Docstrings of methods that delegate: asked for, they show that of the function behind too."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import cleandoc, isfunction

_POINTER = re.compile(r"see\s+`(bayeslme\.[\w.]+)\.(\w+)`")
# The object itself, which a method's caller does not give.
_ITSELF = re.compile(r"^(fit|fits|posterior|spec) : .+\n(?:    .*\n)*", re.MULTILINE)

_EMPTY = re.compile(r"^Parameters\n-+\n+(?=\w+\n-|\Z)", re.MULTILINE)
# They are run where they are written; a doctest unfolds docstrings too.
_EXAMPLES = re.compile(r"^Examples\n-+\n", re.MULTILINE)


class Pointer(str):
    """A docstring with "see `module.function`" in it.

    `inspect.getdoc`, and so ``help(...)`` and the question mark of notebooks, unfolds a docstring
    before it cuts it into lines: only then the module is imported and its words are added.

    Examples
    --------
    >>> import inspect
    >>> "random :" in inspect.getdoc(Pointer("Fit; see `bayeslme.fit.api.lme`."))
    True
    """

    __slots__ = ()

    def expandtabs(self, tabsize: int = 8) -> str:  # type: ignore[override]
        """Own words, and what the function says after its first sentence."""
        own = cleandoc(str.expandtabs(self, tabsize))
        found = _POINTER.search(self)
        if found is None:
            return own
        function = getattr(import_module(found[1]), found[2])
        text = cleandoc(function.__doc__ or "") if isfunction(function) else ""
        _, _, rest = _EXAMPLES.split(text)[0].partition("\n\n")
        rest = _EMPTY.sub("", _ITSELF.sub("", rest, count=1))
        return f"{own}\n\n{rest}".rstrip()


def delegating[T](cls: type[T]) -> type[T]:
    """Let help on the methods of a class show the parameters of the functions behind them.

    Parameters
    ----------
    cls : type
        Methods whose docstring has "see `bayeslme.module.function`" are meant.

    Returns
    -------
    type
        The class itself.
    """
    for value in vars(cls).values():
        if (isfunction(value) or isinstance(value, property)) and _POINTER.search(
            value.__doc__ or ""
        ):
            value.__doc__ = Pointer(value.__doc__)
    return cls
