"""A Bayesian counterpart of R's nlme: one specification, estimates and an exact posterior.

Names are imported when they are first used, so that ``import bayeslme`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "bayeslme.errors": ("BayesLMEError", "DataError", "FitError", "SpecError"),
    "bayeslme.spec.bars": ("from_bambi",),
    "bayeslme.spec.script": ("translate",),
    "bayeslme.spec.model": ("LmeSpec",),
    "bayeslme.spec.modelfile": ("load_model",),
    "bayeslme.data.datasets": ("data_names", "load_data"),
    "bayeslme.fit.api": ("gls", "lm", "lme", "lmer", "lmlist", "mmrm"),
    "bayeslme.fit.values.compared": ("compare_fits", "compare_pred"),
    "bayeslme.fit.inference.comparison": ("anova",),
    "bayeslme.fit.output.side_by_side": ("table",),
    "bayeslme.fit.inference.simulated_lrt": ("simulated_lrt",),
    "bayeslme.fit.result": ("GlsFit", "LmFit", "LmeFit"),
    "bayeslme.bayes.checks.calibrate": ("calibrate",),
    "bayeslme.bayes.compare": ("compare",),
    "bayeslme.bayes.checks.model_comparison": ("compare_models", "bayes_factor"),
    "bayeslme.bayes.posterior.storage.storage": ("load_posterior",),
    "bayeslme.report.plots.data": ("group_plot", "interaction_plot"),
    "bayeslme.structures": (
        "CorAR1",
        "CorAR1AR1",
        "CorARMA",
        "CorAnte",
        "CorCAR1",
        "CorCompSymm",
        "CorExp",
        "CorGaus",
        "CorLin",
        "CorMatern",
        "CorNatural",
        "CorRatio",
        "CorSpher",
        "CorSymm",
        "CorToep",
        "PdBlocked",
        "PdCompSymm",
        "PdDiag",
        "PdIdent",
        "PdKnown",
        "PdLogChol",
        "PdNatural",
        "PdSymm",
        "VarComb",
        "VarConstPower",
        "VarConstProp",
        "VarExp",
        "VarFixed",
        "VarIdent",
        "VarPower",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - a sorted list of names


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'bayeslme' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if TYPE_CHECKING:
    from bayeslme.bayes.checks.calibrate import calibrate as calibrate
    from bayeslme.bayes.checks.model_comparison import bayes_factor as bayes_factor
    from bayeslme.bayes.checks.model_comparison import compare_models as compare_models
    from bayeslme.bayes.compare import compare as compare
    from bayeslme.bayes.posterior.storage.storage import load_posterior as load_posterior
    from bayeslme.data.datasets import data_names as data_names
    from bayeslme.data.datasets import load_data as load_data
    from bayeslme.errors import BayesLMEError as BayesLMEError
    from bayeslme.errors import DataError as DataError
    from bayeslme.errors import FitError as FitError
    from bayeslme.errors import SpecError as SpecError
    from bayeslme.fit.api import gls as gls
    from bayeslme.fit.api import lm as lm
    from bayeslme.fit.api import lme as lme
    from bayeslme.fit.api import lmer as lmer
    from bayeslme.fit.api import lmlist as lmlist
    from bayeslme.fit.api import mmrm as mmrm
    from bayeslme.fit.inference.comparison import anova as anova
    from bayeslme.fit.inference.simulated_lrt import simulated_lrt as simulated_lrt
    from bayeslme.fit.output.side_by_side import table as table
    from bayeslme.fit.result import GlsFit as GlsFit
    from bayeslme.fit.result import LmeFit as LmeFit
    from bayeslme.fit.result import LmFit as LmFit
    from bayeslme.fit.values.compared import compare_fits as compare_fits
    from bayeslme.fit.values.compared import compare_pred as compare_pred
    from bayeslme.report.plots.data import group_plot as group_plot
    from bayeslme.report.plots.data import interaction_plot as interaction_plot
    from bayeslme.spec.bars import from_bambi as from_bambi
    from bayeslme.spec.model import LmeSpec as LmeSpec
    from bayeslme.spec.script import translate as translate
    from bayeslme.structures import *  # noqa: F403
