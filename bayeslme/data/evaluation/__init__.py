"""Values of R expressions on the columns of a data frame, with a fixed list of functions.

`evaluate` evaluates an expression; `calls` matches the arguments of a function call; `functions`
and `factor_functions` hold the functions, under R's names.
"""
