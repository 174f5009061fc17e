"""The model specification.

R calls, Python arguments and model files become the frozen `LmeSpec` of `model`. Read `model`, then
`make` and `random` (arguments from Python), `call` and `structure_reader` (R calls), `write` and
`update` (specifications written and changed), `bars` and `modelfile` (lme4's formulas, model
files). Nothing here uses data, and nothing is evaluated as Python.

Imports `formula` and `structures`; the verbs of `LmeSpec` alone reach upwards, when they are used.
"""
