"""Values computed from a fit: predictions, residuals, effects, covariances.

Read `residuals`, `predict` and `random_effects` first (`several_levels` combines levels in one
table), then `varcorr`, `covariance`, `singular` and `simulate`. `positions` and `dependence` are
about correlated residuals, `curves` and `compared` about curves of one fit or several.
"""
