"""Translation of a specification into a bambi model with the same priors, where bambi allows it.

`to_bambi` assembles the model. `formulae` and `terms` translate formulas and the variance function,
`priors` the priors.
"""
