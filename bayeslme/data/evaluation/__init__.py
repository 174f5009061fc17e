"""Values of R expressions on the columns of a data frame, through a whitelist of functions.

`evaluate` walks an expression; `calls` says how the arguments of a function are matched;
`functions` and `factor_functions` hold the functions themselves, under R's names.
"""
