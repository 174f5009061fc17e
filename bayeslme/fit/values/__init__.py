"""What a fit gives back as numbers: predictions, residuals, effects, covariances.

`residuals`, `predict` and `random_effects` come first (`several_levels` sets them side by side),
then `varcorr`, `covariance`, `singular` and `simulate`; `positions` and `dependence` are about
correlated residuals, `curves` and `compared` about one fit or several over a covariate.
"""
