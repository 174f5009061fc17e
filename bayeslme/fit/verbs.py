"""The modules of a fit's verbs, each loaded when it is first used: a fit needs few of them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

# ruff: noqa: PLC0414 - the names are here for the type checker
if TYPE_CHECKING:
    from bayeslme.fit import refit as refit
    from bayeslme.fit.inference import anova as anova
    from bayeslme.fit.inference import bootstrap as bootstrap
    from bayeslme.fit.inference import degrees as degrees
    from bayeslme.fit.inference import intervals as intervals
    from bayeslme.fit.inference import means as means
    from bayeslme.fit.inference import sandwich as sandwich
    from bayeslme.fit.output import plots as plots
    from bayeslme.fit.output import report as report
    from bayeslme.fit.output import summary as summary
    from bayeslme.fit.values import covariance as covariance
    from bayeslme.fit.values import curves as curves
    from bayeslme.fit.values import dependence as dependence
    from bayeslme.fit.values import predict as predict
    from bayeslme.fit.values import random_effects as random_effects
    from bayeslme.fit.values import residuals as residuals
    from bayeslme.fit.values import several_levels as several_levels
    from bayeslme.fit.values import simulate as simulate
    from bayeslme.fit.values import singular as singular
    from bayeslme.fit.values import varcorr as varcorr

_PLACES = {
    "anova": "bayeslme.fit.inference.anova",
    "bootstrap": "bayeslme.fit.inference.bootstrap",
    "covariance": "bayeslme.fit.values.covariance",
    "curves": "bayeslme.fit.values.curves",
    "degrees": "bayeslme.fit.inference.degrees",
    "dependence": "bayeslme.fit.values.dependence",
    "intervals": "bayeslme.fit.inference.intervals",
    "means": "bayeslme.fit.inference.means",
    "plots": "bayeslme.fit.output.plots",
    "predict": "bayeslme.fit.values.predict",
    "random_effects": "bayeslme.fit.values.random_effects",
    "refit": "bayeslme.fit.refit",
    "report": "bayeslme.fit.output.report",
    "residuals": "bayeslme.fit.values.residuals",
    "sandwich": "bayeslme.fit.inference.sandwich",
    "several_levels": "bayeslme.fit.values.several_levels",
    "simulate": "bayeslme.fit.values.simulate",
    "singular": "bayeslme.fit.values.singular",
    "summary": "bayeslme.fit.output.summary",
    "varcorr": "bayeslme.fit.values.varcorr",
}


def __getattr__(name: str) -> ModuleType:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(place)
    globals()[name] = module
    return module
