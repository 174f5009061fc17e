"""The posterior of a fitted model: an ArviZ DataTree with the methods of a fit.

`posterior` has the class, put together from `draws` (what it holds), `row_verbs`, `parameter_verbs`
and `check_verbs`. A method holds the documentation and calls a function: in `rows` about rows and
groups, in `estimates`, `summary` and `hypothesis` about parameters, in `bayes/checks` about the
model. `tree` builds the DataTree, `storage` saves and loads it, `plots` draws it.
"""
