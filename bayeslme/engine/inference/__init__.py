"""What an estimate says about its own uncertainty.

`parameter_blocks` names the variance parameters of an estimate; `information` has their approximate
covariance, `profile` the limits of the profile likelihood. `satterthwaite` and `kenward_roger` (on
`response_covariance`) are the small-sample methods. Imports `likelihood`, `search` and `estimate`.
"""
