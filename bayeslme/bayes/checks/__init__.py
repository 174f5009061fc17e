"""Whether a model, a prior and a sampler can be believed.

`predictive_checks` and `pit` compare data with what a model predicts; `loo` (on `left_out`) and
`model_comparison` compare models; `sensitivity` moves the prior; `calibrate`, on `replication`,
tests the procedure itself and gives a `calibration`.
"""
