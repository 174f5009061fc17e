"""Results of a fit: one module for each verb, numbers in frames, printing left to the floor below.

`api` holds the functions a user calls (``lme``, ``gls``, ``lm``, ``lmlist``), `result` the fits
whose methods delegate to the modules of the folders: `values` (what a fit predicts and estimates),
`inference` (tests and intervals), `output` (summary, plots, report). Imports every floor below; of
`bayes` nothing.
"""
