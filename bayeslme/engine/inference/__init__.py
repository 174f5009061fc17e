"""Uncertainty of the estimates.

`parameter_blocks` names the variance parameters of an estimate. `information` computes their
approximate covariance, and `profile` limits from the profile likelihood. `satterthwaite` and
`kenward_roger` (with `response_covariance`) are small-sample methods. May import `likelihood`,
`search` and `estimate`.
"""
