"""The Bayesian side: priors, PyMC models, sampling, posteriors and comparisons.

`model_parameters` says which variables a model has and how they feed the engine, `centring` and
`density` what they mean there. The folders follow a model's way: `priors`, `sampling` (the
collapsed sampler) or `pymc` (NUTS), `posterior`, `checks`; `bambi` hands a model over. `compare`
and `report` set results side by side.

PyMC and ArviZ are imported by the modules that use them, and these only when they are needed.
Imports every floor below.
"""

import sys

if sys.flags.optimize > 1:
    # ArviZ writes more text behind docstrings, which ``python -OO`` has taken away.
    from arviz_stats.base import stats_utils

    stats_utils.update_docstring = lambda *_, **__: None
