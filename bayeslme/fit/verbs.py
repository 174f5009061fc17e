"""The modules of a fit's verbs, each loaded when it is first used: a fit needs few of them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

# ruff: noqa: PLC0414 - the names are here for the type checker
if TYPE_CHECKING:
    from bayeslme.fit import acf as acf
    from bayeslme.fit import anova as anova
    from bayeslme.fit import bootstrap as bootstrap
    from bayeslme.fit import curves as curves
    from bayeslme.fit import degrees as degrees
    from bayeslme.fit import denominators as denominators
    from bayeslme.fit import intervals as intervals
    from bayeslme.fit import marginal_cov as marginal_cov
    from bayeslme.fit import means as means
    from bayeslme.fit import page as page
    from bayeslme.fit import plots as plots
    from bayeslme.fit import predict as predict
    from bayeslme.fit import ranef as ranef
    from bayeslme.fit import refit as refit
    from bayeslme.fit import report as report
    from bayeslme.fit import residuals as residuals
    from bayeslme.fit import several_levels as several_levels
    from bayeslme.fit import simulate as simulate
    from bayeslme.fit import singular as singular
    from bayeslme.fit import summary as summary
    from bayeslme.fit import update as update
    from bayeslme.fit import varcorr as varcorr
    from bayeslme.fit import variogram as variogram


def __getattr__(name: str) -> ModuleType:
    full = f"bayeslme.fit.{name}"
    if find_spec(full) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(full)
    globals()[name] = module
    return module
