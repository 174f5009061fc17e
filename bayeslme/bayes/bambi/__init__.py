"""A specification as a bambi model with the same priors, for what bambi can say.

`to_bambi` puts together what `formulae`, `terms` and `priors` translate.
"""
