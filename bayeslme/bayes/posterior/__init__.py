"""The posterior of a fitted model: an ArviZ DataTree with the methods of a fit.

`posterior` has the class, whose methods call functions of the other modules. `tree` builds the
DataTree; `storage` and `stored_files` save and load it. `estimates`, `summary` and `hypothesis` are
about parameters; `random_effects`, `values`, `predict` (with `new_rows`) and `simulate` about rows
and groups; `plots` draws.
"""
