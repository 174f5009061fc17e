"""Modules that are loaded when one of their names is first used: a fit needs few of its verbs."""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType


def later(name: str) -> ModuleType:
    """A module whose code runs when something in it is first asked for.

    Parameters
    ----------
    name : str
        In full, ``"bayeslme.fit.anova"``.

    Returns
    -------
    module

    Raises
    ------
    ModuleNotFoundError
        If there is none of this name.

    Examples
    --------
    >>> later("bayeslme.fit.degrees").inner_outer.__name__
    'inner_outer'
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
