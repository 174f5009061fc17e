"""Fitted models and their methods, one module for each; printing is left to `report`.

`api` holds the functions that a user calls (``lme``, ``gls``, ``lm``, ``lmlist``) and `result` the
classes of fits. Their methods call functions in the folders `values` (predictions, estimates),
`inference` (tests and intervals) and `output` (summary, plots, report). May import every floor
below, and nothing of `bayes`.
"""
