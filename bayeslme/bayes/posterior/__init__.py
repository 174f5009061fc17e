"""The posterior of a fitted model: a DataTree, and the verbs of a fit on it.

`posterior` has the class, whose methods delegate; `tree` and `storage` hold the draws. `estimates`,
`summary`, `hypothesis` are about parameters, `random_effects`, `values`, `predict` (on `new_rows`)
and `simulate` about rows and groups, `plots` about pictures.
"""
