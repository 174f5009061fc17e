"""The Bayesian side: priors, PyMC models, sampling, posteriors and comparisons.

`model_parameters` defines the variables of a model and how they become parameters of the engine;
`centring` relates random effects to their predictors' means, and `density` evaluates the posterior
density by the engine. Then read the folders in the order of use: `priors`, `sampling` (the
collapsed sampler) or `pymc` (models and NUTS), `posterior`, `checks`; `bambi` translates models.
`compare` and `report` put results side by side. `settings` holds the limits of all of them.

PyMC and ArviZ are imported only by the modules that use them, and these only when they are needed.
May import every floor below.
"""

import sys

if sys.flags.optimize > 1:
    # ArviZ writes more text behind docstrings, which ``python -OO`` has taken away.
    from arviz_stats.base import stats_utils

    stats_utils.update_docstring = lambda *_, **__: None
