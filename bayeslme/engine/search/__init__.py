"""The search for the highest maximum of a likelihood.

`search` is the order of the steps: starting values (`starts`), local optimisation (`optimise`), and
the questions at its end. Are there other local maxima (`local_maxima`), kinks (`kinks`), directions
in which the likelihood is constant (`flat`), several points that represent one model
(`conventions`), or is there no maximum (`no_maximum`, `reproduced`)? `fixed_point` alternates
between weights and fit where a variance depends on the fit. `refit` repeats a search for other
responses. May import `likelihood`.
"""
