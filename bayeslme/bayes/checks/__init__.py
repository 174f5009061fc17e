"""Checks of models, priors and the sampler.

`predictive_checks` and `pit` compare the data with predictions of the model. `loo` (using
`left_out`) and `model_comparison` compare models. `sensitivity` measures how far a posterior
changes with the prior. `calibrate` (using `replication`) simulates data from known parameters and
returns a `calibration`.
"""
